//! Timers in virtual time: interval timers, POSIX timers, timer descriptors.
//!
//! [`Expiry`] is one timer's next end and period; [`TimerQueue`] holds those that run on the
//! machine's clock, in the order of their ends, and the main loop fires them between quanta.
//! Timers on CPU time are looked at by ticks ([`cpu`]). What a process owns is in [`process`];
//! what follows from an end in [`expire`].
//! Source: Linux 6.18 `kernel/time/{hrtimer,itimer,posix-timers,posix-cpu-timers}.c`.

pub mod clock;
pub mod cpu;
pub mod expire;
pub mod file;
pub mod process;
pub mod usage;

use std::collections::BTreeSet;

use crate::task::ProcessId;
pub use process::ProcessTimers;

/// When a timer ends next, and its period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// The next end, ns on the timer's clock; `None` while it is not armed.
    pub deadline_ns: Option<u64>,
    /// Period, ns; 0 for once.
    pub interval_ns: u64,
}

impl Expiry {
    /// Time that is left at `now_ns`: 0 while not armed or once over.
    #[must_use]
    pub fn remaining_ns(&self, now_ns: u64) -> u64 {
        self.deadline_ns.map_or(0, |deadline| deadline.saturating_sub(now_ns))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now_ns: u64) -> bool {
        self.deadline_ns.is_some_and(|deadline| deadline <= now_ns)
    }

    /// Moves a periodic timer that has ended behind `now_ns`; tells how many periods that
    /// took (`hrtimer_forward`).
    pub fn forward(&mut self, now_ns: u64) -> u64 {
        let (Some(deadline), Some(late)) =
            (self.deadline_ns, self.deadline_ns.and_then(|end| now_ns.checked_sub(end)))
        else {
            return 0;
        };
        let Some(whole) = late.checked_div(self.interval_ns) else { return 0 };
        let periods = whole.saturating_add(1);
        self.deadline_ns = Some(deadline.saturating_add(periods.saturating_mul(self.interval_ns)));
        periods
    }
}

/// A timer that ends on the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKey {
    /// `ITIMER_REAL` of a process.
    Real(ProcessId),
    /// A POSIX timer of a process, by its number.
    Posix(ProcessId, i32),
    /// A timer descriptor.
    File(file::TimerFdId),
}

/// Armed timers by their ends, ns since boot.
#[derive(Clone, Debug, Default)]
pub struct TimerQueue {
    queue: BTreeSet<(u64, TimerKey)>,
}

impl TimerQueue {
    /// Arms a timer.
    pub fn add(&mut self, deadline_ns: u64, key: TimerKey) {
        self.queue.insert((deadline_ns, key));
    }

    /// Disarms a timer.
    pub fn remove(&mut self, deadline_ns: u64, key: TimerKey) {
        self.queue.remove(&(deadline_ns, key));
    }

    /// The timer that ends first.
    #[must_use]
    pub fn first(&self) -> Option<(u64, TimerKey)> {
        self.queue.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left() {
        let armed = Expiry { deadline_ns: Some(100), interval_ns: 0 };
        assert_eq!([armed.remaining_ns(40), armed.remaining_ns(100)], [60, 0]);
        assert_eq!([armed.is_over(99), armed.is_over(100)], [false, true]);
        assert_eq!(Expiry::default().remaining_ns(5), 0);
        assert!(!Expiry::default().is_over(u64::MAX));
    }

    #[test]
    fn timers_end_in_order() {
        let mut queue = TimerQueue::default();
        let [a, b] = [TimerKey::Real(ProcessId(1)), TimerKey::Posix(ProcessId(1), 0)];
        queue.add(20, a);
        queue.add(10, b);
        assert_eq!(queue.first(), Some((10, b)));
        queue.remove(10, b);
        assert_eq!(queue.first(), Some((20, a)));
    }

    proptest! {
        /// Adding the period until the end lies in the future.
        #[test]
        fn forward_agrees_with_adding(deadline in 0u64..1000, interval in 0u64..50, now in 0u64..2000) {
            let mut expiry = Expiry { deadline_ns: Some(deadline), interval_ns: interval };
            let periods = expiry.forward(now);
            let (mut end, mut nr) = (deadline, 0);
            while interval > 0 && end <= now {
                (end, nr) = (end + interval, nr + 1);
            }
            prop_assert_eq!((expiry.deadline_ns, periods), (Some(end), nr));
        }
    }
}
