//! From samples to figures: medians, start-up taken off, slowdowns, their
//! geometric mean.

use std::time::Duration;

use super::Sample;

/// What one contender did with one kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// It printed what the processor printed.
    Timed(Timed),
    /// It printed something else.
    Differs,
    /// It came to no end, in words.
    Failed(String),
}

/// Times of work, start-up taken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timed {
    /// Of the contender.
    pub(super) time: Duration,
    /// How many times as long as the processor.
    pub(super) slowdown: f64,
    /// Instructions in this time, where they are counted.
    pub(super) insns: Option<u64>,
}

impl Timed {
    /// The work between two medians, beside the processor's time for it.
    pub(super) fn between(start: &Work, end: &Work, native: Duration) -> Self {
        let time = end.time.saturating_sub(start.time);
        let insns = end.insns.zip(start.insns).map(|(end, start)| end.saturating_sub(start));
        Self { time, slowdown: seconds(time) / seconds(native), insns }
    }

    /// Millions of instructions in a second.
    pub(super) fn mips(&self) -> Option<f64> {
        self.insns.map(|insns| insns as f64 / seconds(self.time) / 1e6)
    }
}

/// The median of some runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) time: Duration,
    /// Every run retires the same.
    pub(super) insns: Option<u64>,
}

impl Work {
    /// The median of samples; of an even number, the later of the middle two.
    pub(super) fn median(samples: &[Sample]) -> Self {
        let mut times: Vec<Duration> = samples.iter().map(|sample| sample.time).collect();
        times.sort_unstable();
        let time = times.get(times.len() / 2).copied().unwrap_or_default();
        Self { time, insns: samples.first().and_then(|sample| sample.insns) }
    }
}

/// Never zero: a time below the clock's resolution counts as a microsecond.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(1e-6)
}

/// The geometric mean of what was timed; none if nothing was.
pub(super) fn geometric_mean<'c>(cells: impl Iterator<Item = &'c Cell>) -> Option<f64> {
    let logs: Vec<f64> = cells
        .filter_map(|cell| match cell {
            Cell::Timed(timed) => Some(timed.slowdown.ln()),
            Cell::Differs | Cell::Failed(_) => None,
        })
        .collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ms: u64) -> Sample {
        Sample { output: Vec::new(), time: Duration::from_millis(ms), insns: Some(ms) }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |times: &[u64]| {
            Work::median(&times.iter().map(|ms| sample(*ms)).collect::<Vec<_>>()).time.as_millis()
        };
        assert_eq!(median(&[5]), 5);
        assert_eq!(median(&[9, 1, 5]), 5);
        assert_eq!(median(&[4, 1, 9, 5]), 5);
    }

    #[test]
    fn start_up_is_taken_off() {
        let work = |ms, insns| Work { time: Duration::from_millis(ms), insns };
        let timed =
            Timed::between(&work(10, Some(7)), &work(110, Some(9)), Duration::from_millis(5));
        assert_eq!(timed.time, Duration::from_millis(100));
        assert_eq!(timed.insns, Some(2));
        assert!((timed.slowdown - 20.0).abs() < 1e-9);
        // Noise below nothing does not divide by zero.
        let none = Timed::between(&work(10, None), &work(9, None), Duration::ZERO);
        assert!(none.slowdown.is_finite() && none.mips().is_none());
    }

    #[test]
    fn the_mean_is_geometric_and_of_what_was_timed() {
        let timed = |slowdown| Cell::Timed(Timed { time: Duration::ZERO, slowdown, insns: None });
        let mean = geometric_mean([timed(2.0), Cell::Differs, timed(8.0)].iter());
        assert!((mean.unwrap() - 4.0).abs() < 1e-9);
        assert_eq!(geometric_mean([Cell::Differs].iter()), None);
    }
}
