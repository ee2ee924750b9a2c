//! A histogram of small counts: how many holders have exactly `k` slots, for `k` in `1..=S`.
//!
//! Holders without a slot are not in it. With one such table the largest count is found by
//! looking at `S` cells instead of at every holder.
//! Source: `struct bp_slots_histogram`, Linux 6.x kernel/events/hw_breakpoint.c.

use super::MAX_SLOTS;

/// Cell `k` counts the holders with `k + 1` slots (linux-hw-breakpoint rule 2.3). Its cells are
/// inline, so that those of all CPUs lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Histogram {
    cells: [u32; MAX_SLOTS],
}

impl Histogram {
    /// An empty histogram.
    pub(super) const fn new() -> Self {
        Self { cells: [0; MAX_SLOTS] }
    }

    /// One holder goes from `from` slots to `to` slots. A count of 0 has no cell, so that side
    /// does nothing (rule 2.3.5, last sentence).
    pub(super) fn shift(&mut self, from: usize, to: usize) {
        if let Some(cell) = from.checked_sub(1).and_then(|k| self.cells.get_mut(k)) {
            debug_assert!(*cell > 0, "a holder with {from} slots leaves an empty cell");
            *cell = cell.saturating_sub(1);
        }
        debug_assert!(to <= self.cells.len(), "{to} slots of {}", self.cells.len());
        if let Some(cell) = to.checked_sub(1).and_then(|k| self.cells.get_mut(k)) {
            *cell += 1;
        }
    }

    /// The same in unsigned arithmetic that nobody checks: a cell may go below 0 and then reads
    /// as a large number. Only the older generations' defects do that (rules 2.4.6, 2.4.7,
    /// 2.4.11).
    pub(super) fn shift_unchecked(&mut self, from: usize, to: usize) {
        if let Some(cell) = from.checked_sub(1).and_then(|k| self.cells.get_mut(k)) {
            *cell = cell.wrapping_sub(1);
        }
        if let Some(cell) = to.checked_sub(1).and_then(|k| self.cells.get_mut(k)) {
            *cell = cell.wrapping_add(1);
        }
    }

    /// The largest count that any holder has; 0 when there is none.
    pub(super) fn max(&self) -> usize {
        self.cells.iter().rposition(|&cell| cell > 0).map_or(0, |k| k + 1)
    }

    /// The largest count in either of two histograms (rule 2.3.3).
    pub(super) fn max_merge(&self, other: &Self) -> usize {
        self.max().max(other.max())
    }

    /// The cells, lowest count first.
    #[cfg(test)]
    pub(super) fn cells(&self) -> &[u32] {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_and_maxima() {
        let mut h = Histogram::new();
        assert_eq!(h.max(), 0);
        h.shift(0, 1);
        h.shift(0, 3);
        assert_eq!((&h.cells()[..4], h.max()), (&[1, 0, 1, 0][..], 3));
        h.shift(3, 4);
        h.shift(1, 0);
        assert_eq!((&h.cells()[..4], h.max()), (&[0, 0, 0, 1][..], 4));
        h.shift(4, 0);
        h.shift(0, 0);
        assert_eq!((h, h.max()), (Histogram::new(), 0));
        h.shift_unchecked(2, 1);
        assert_eq!((&h.cells()[..2], h.max()), (&[1, u32::MAX][..], 2));
    }

    #[test]
    fn merged_maximum_is_that_of_the_sum() {
        let mut a = Histogram::new();
        let mut b = Histogram::new();
        a.shift(0, 2);
        assert_eq!((a.max_merge(&b), b.max_merge(&a)), (2, 2));
        b.shift(0, 4);
        assert_eq!((a.max_merge(&b), b.max_merge(&a)), (4, 4));
    }
}
