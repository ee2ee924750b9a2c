//! A queue of signals that were sent and not delivered yet (`struct sigpending`).
//!
//! A standard signal is queued once however often it is sent; real-time signals are
//! queued each time. Source: Linux 6.18 `kernel/signal.c` (`__send_signal_locked`,
//! `next_signal`, `collect_signal`, `dequeue_synchronous_signal`).

use super::info::{SigFields, SigInfo};
use crate::uapi::signal::{SIGRTMIN, SYNCHRONOUS, sigmask};

/// Most signals in one queue. Linux counts per user (`RLIMIT_SIGPENDING`), by default
/// about this many for a machine with 1 GiB.
pub const MAX_QUEUED: usize = 3900;

/// What became of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue.
    Queued,
    /// It was pending already (`legacy_queue`).
    Merged,
    /// The queue is full; it is pending, but what it says is lost.
    WithoutInfo,
    /// The queue is full, and it is not pending.
    Refused,
}

/// Signals that are pending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingSignals {
    /// A bit each signal.
    mask: u64,
    queue: Vec<SigInfo>,
    /// Signals that rt_sigtimedwait waits for: they wake although they are blocked.
    pub(crate) waited_for: u64,
}

impl PendingSignals {
    /// The pending signals, a bit each.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        self.mask
    }

    /// Adds a signal.
    pub fn enqueue(&mut self, info: SigInfo) -> Enqueued {
        let bit = sigmask(info.si_signo);
        if info.si_signo < SIGRTMIN && self.mask & bit != 0 {
            return Enqueued::Merged;
        }
        self.mask |= bit;
        if self.queue.len() >= MAX_QUEUED {
            return Enqueued::WithoutInfo;
        }
        self.queue.push(info);
        Enqueued::Queued
    }

    /// Adds the signal of a timer, which has a place of its own in the queue: none is merged or
    /// lost (`posixtimer_send_sigqueue`).
    pub fn enqueue_timer(&mut self, info: SigInfo) {
        self.mask |= sigmask(info.si_signo);
        self.queue.push(info);
    }

    /// Takes a timer's signal back.
    pub fn drop_timer(&mut self, timer: i32) {
        let is_its =
            |info: &SigInfo| matches!(info.fields, SigFields::Timer { id, .. } if id == timer);
        let Some(place) = self.queue.iter().position(is_its) else { return };
        let signal = self.queue.remove(place).si_signo;
        if !self.queue.iter().any(|info| info.si_signo == signal) {
            self.mask &= !sigmask(signal);
        }
    }

    /// Makes a signal pending that says nothing.
    pub const fn add_without_info(&mut self, signal: u32) {
        self.mask |= sigmask(signal);
    }

    /// What is in the queue, in the order in which it came.
    pub fn infos(&self) -> impl Iterator<Item = &SigInfo> {
        self.queue.iter()
    }

    /// The signal that is delivered next among those that `blocked` lets through:
    /// synchronous ones first, then the lowest number (`next_signal`).
    #[must_use]
    pub fn next_signal(&self, blocked: u64) -> Option<u32> {
        let candidates = self.mask & !blocked;
        let synchronous = candidates & SYNCHRONOUS;
        let chosen = if synchronous != 0 { synchronous } else { candidates };
        (chosen != 0).then(|| chosen.trailing_zeros() + 1)
    }

    /// Takes the next signal out.
    pub fn dequeue(&mut self, blocked: u64) -> Option<SigInfo> {
        self.next_signal(blocked).map(|signal| self.collect(signal))
    }

    /// Takes out the oldest signal that an instruction of the task caused
    /// (`dequeue_synchronous_signal`).
    pub fn dequeue_synchronous(&mut self, blocked: u64) -> Option<SigInfo> {
        let wanted = self.mask & SYNCHRONOUS & !blocked;
        let is_wanted =
            |info: &&SigInfo| info.is_from_kernel() && sigmask(info.si_signo) & wanted != 0;
        let signal = self.queue.iter().find(is_wanted)?.si_signo;
        Some(self.collect(signal))
    }

    /// Takes the oldest of a signal out (`collect_signal`); one without information
    /// says that a process sent it.
    fn collect(&mut self, signal: u32) -> SigInfo {
        let place = self.queue.iter().position(|info| info.si_signo == signal);
        let info = place.map(|place| self.queue.remove(place));
        if !self.queue.iter().any(|info| info.si_signo == signal) {
            self.mask &= !sigmask(signal);
        }
        let lost = SigFields::Kill { pid: 0, uid: 0 };
        info.unwrap_or(SigInfo::new(signal, crate::uapi::signal::si_code::SI_USER, lost))
    }

    /// Forgets the signals of a set (`flush_sigqueue_mask`).
    pub fn flush(&mut self, set: u64) {
        self.mask &= !set;
        self.queue.retain(|info| sigmask(info.si_signo) & set == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SigFields;
    use crate::uapi::signal::si_code::{SI_KERNEL, SI_USER};
    use crate::uapi::signal::{SIGBUS, SIGINT, SIGSEGV, SIGTRAP};
    use proptest::prelude::*;

    fn sent(signal: u32, value: u64) -> SigInfo {
        SigInfo::new(signal, -1, SigFields::Rt { pid: 1, uid: 0, value })
    }

    #[test]
    fn standard_signals_merge_and_real_time_ones_queue() {
        let mut pending = PendingSignals::default();
        let got: Vec<_> = [(10, 1), (10, 2), (40, 3), (40, 4)]
            .iter()
            .map(|&(signal, value)| pending.enqueue(sent(signal, value)))
            .collect();
        use Enqueued::{Merged, Queued};
        assert_eq!(got, [Queued, Merged, Queued, Queued]);
        let order: Vec<_> = std::iter::from_fn(|| pending.dequeue(0)).collect();
        assert_eq!(order, [sent(10, 1), sent(40, 3), sent(40, 4)]);
        assert_eq!(pending, PendingSignals::default());
    }

    #[test]
    fn synchronous_signals_come_first() {
        let mut pending = PendingSignals::default();
        for signal in [SIGINT, 1, SIGSEGV, SIGTRAP] {
            pending.enqueue(SigInfo::new(signal, SI_USER, SigFields::None));
        }
        let order: Vec<_> =
            std::iter::from_fn(|| pending.dequeue(0)).map(|info| info.si_signo).collect();
        assert_eq!(order, [SIGTRAP, SIGSEGV, 1, SIGINT]);
    }

    #[test]
    fn own_faults_come_in_the_order_of_their_causes() {
        let mut pending = PendingSignals::default();
        pending.enqueue(SigInfo::new(SIGTRAP, SI_USER, SigFields::None));
        pending.enqueue(SigInfo::fault(SIGSEGV, 1, 0));
        pending.enqueue(SigInfo::fault(SIGBUS, SI_KERNEL, 0));
        let mut next = |blocked| pending.dequeue_synchronous(blocked).map(|info| info.si_signo);
        assert_eq!(next(sigmask(SIGSEGV)), Some(SIGBUS));
        assert_eq!(next(0), Some(SIGSEGV));
        assert_eq!(next(0), None, "SIGTRAP came from a process");
        assert_eq!(pending.mask(), sigmask(SIGTRAP));
    }

    #[test]
    fn a_full_queue_loses_what_signals_say() {
        let mut pending = PendingSignals::default();
        for value in 0..MAX_QUEUED as u64 {
            assert_eq!(pending.enqueue(sent(40, value)), Enqueued::Queued);
        }
        assert_eq!(pending.enqueue(sent(50, 0)), Enqueued::WithoutInfo);
        pending.flush(sigmask(40));
        let lost = pending.dequeue(0);
        assert_eq!(lost.map(|info| (info.si_signo, info.si_code)), Some((50, SI_USER)));
        assert_eq!(pending.mask(), 0);
    }

    proptest! {
        /// A list of all that was sent, sorted for each delivery.
        #[test]
        fn order_agrees_with_sorting(
            signals in prop::collection::vec(1u32..=64, 0..60),
            blocked: u64,
        ) {
            let mut pending = PendingSignals::default();
            let mut twin: Vec<SigInfo> = Vec::new();
            for (value, signal) in signals.into_iter().enumerate() {
                let info = sent(signal, value as u64);
                let merges = signal < 32 && twin.iter().any(|old| old.si_signo == signal);
                pending.enqueue(info);
                twin.extend((!merges).then_some(info));
            }
            let key = |info: &SigInfo| (sigmask(info.si_signo) & SYNCHRONOUS == 0, info.si_signo);
            twin.sort_by_key(key);
            twin.retain(|info| sigmask(info.si_signo) & blocked == 0);
            let got: Vec<_> = std::iter::from_fn(|| pending.dequeue(blocked)).collect();
            prop_assert_eq!(got, twin);
        }
    }
}
