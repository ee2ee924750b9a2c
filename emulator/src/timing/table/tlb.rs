//! The TLBs: what a translation costs.
//!
//! A first-level TLB for data (96 entries, 6 ways) and one for instructions (256 entries, 8 ways) over one
//! second-level TLB (2048 entries, 16 ways), all of 4 KiB pages: a larger page takes an entry for each
//! 4 KiB of it that is used. Associativity: Intel optimization manual, Golden Cove.
//!
//! Key type: [`Tlbs`]. This is timing only; translation itself is `mem`'s. Neighbours: `cache`, `memory`.

use super::super::{AccessKind, TimingCounts};
use super::cache::{Lookup, SetAssociative};
use super::costs::Costs;
use super::data::DataError;

/// Bits of a linear address within a page.
pub(super) const PAGE_SHIFT: u32 = 12;

/// The TLBs of one core.
#[derive(Debug, Clone)]
pub(super) struct Tlbs {
    data: SetAssociative<16, 6>,
    fetch: SetAssociative<32, 8>,
    second: SetAssociative<128, 16>,
    stlb_extra: u32,
    walk_extra: u32,
}

impl Tlbs {
    /// Empty TLBs.
    pub(super) fn new(costs: &Costs) -> Result<Self, DataError> {
        Ok(Tlbs {
            data: SetAssociative::new(),
            fetch: SetAssociative::new(),
            second: SetAssociative::new(),
            stlb_extra: costs.rule_cycles("stlb_extra")?,
            walk_extra: costs.rule_cycles("walk_extra")?,
        })
    }

    /// Extra cycles to translate page number `page`.
    #[inline]
    pub(super) fn access(&mut self, kind: AccessKind, page: u64, counts: &mut TimingCounts) -> u32 {
        let (first, misses) = match kind {
            AccessKind::Load | AccessKind::Store => {
                (self.data.access(page), &mut counts.dtlb_misses)
            }
            AccessKind::Fetch => (self.fetch.access(page), &mut counts.itlb_misses),
        };
        if first == Lookup::Hit {
            return 0;
        }
        *misses += 1;
        match self.second.access(page) {
            Lookup::Hit => self.stlb_extra,
            Lookup::Miss => {
                counts.stlb_misses += 1;
                self.walk_extra
            }
        }
    }

    /// Drops every entry.
    pub(super) fn flush(&mut self) {
        self.data.clear();
        self.fetch.clear();
        self.second.clear();
    }

    /// Feeds the entries to `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        self.data.digest(hasher);
        self.fetch.digest(hasher);
        self.second.digest(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_level_second_level_and_walk() {
        let mut tlbs = Tlbs::new(&Costs::load().unwrap()).unwrap();
        let mut counts = TimingCounts::default();
        let mut load = |tlbs: &mut Tlbs, page| tlbs.access(AccessKind::Load, page, &mut counts);
        assert_eq!(load(&mut tlbs, 5), 40);
        assert_eq!(load(&mut tlbs, 5), 0);
        // Six more pages of the same set of the first level push page 5 out of it.
        for way in 1..=6 {
            assert_eq!(load(&mut tlbs, 5 + 16 * way), 40);
        }
        assert_eq!(load(&mut tlbs, 5), 7);
        tlbs.flush();
        assert_eq!(load(&mut tlbs, 5), 40);
        assert_eq!((counts.dtlb_misses, counts.stlb_misses), (9, 8));
    }

    #[test]
    fn fetches_have_their_own_first_level() {
        let mut tlbs = Tlbs::new(&Costs::load().unwrap()).unwrap();
        let mut counts = TimingCounts::default();
        assert_eq!(tlbs.access(AccessKind::Load, 1, &mut counts), 40);
        assert_eq!(tlbs.access(AccessKind::Fetch, 1, &mut counts), 7);
        assert_eq!(tlbs.access(AccessKind::Fetch, 1, &mut counts), 0);
        assert_eq!(counts.itlb_misses, 1);
    }
}
