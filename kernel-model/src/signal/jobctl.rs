//! Job control state: what each thread still has to do for a stop ([`Jobctl`]), and how far its
//! process has got with one ([`GroupStop`]).
//! Source: Linux 6.18 `include/linux/sched/jobctl.h`, `include/linux/sched/signal.h`,
//! `kernel/signal.c` (`task_clear_jobctl_pending`, `signal_set_stop_flags`).

/// `task_struct::jobctl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobctl(u32);

impl Jobctl {
    /// Signal of the last group stop.
    const STOP_SIGMASK: u32 = 0xffff;
    /// A stop signal was taken from a queue, and no SIGCONT has come since.
    pub const STOP_DEQUEUED: u32 = 1 << 16;
    /// The thread is to stop with its process.
    pub const STOP_PENDING: u32 = 1 << 17;
    /// The thread is among those that the stop counts.
    pub const STOP_CONSUME: u32 = 1 << 18;
    /// A tracee is to trap: PTRACE_INTERRUPT, or a group stop.
    pub const TRAP_STOP: u32 = 1 << 19;
    /// A seized tracee is to trap because the group stop's state has changed.
    pub const TRAP_NOTIFY: u32 = 1 << 20;
    /// A tracee in a group stop that the tracer listens to (`PTRACE_LISTEN`).
    pub const LISTENING: u32 = 1 << 22;
    /// Both traps.
    pub const TRAP_MASK: u32 = Self::TRAP_STOP | Self::TRAP_NOTIFY;
    /// Everything that interrupts a task.
    pub const PENDING_MASK: u32 = Self::STOP_PENDING | Self::TRAP_MASK;

    /// Whether any of these bits is set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// The signal of the last group stop, 0 before the first.
    #[must_use]
    pub const fn stop_signal(self) -> u32 {
        self.0 & Self::STOP_SIGMASK
    }

    /// Sets bits; a stop signal among them replaces the last one.
    pub const fn set(&mut self, bits: u32) {
        if bits & Self::STOP_SIGMASK != 0 {
            self.0 &= !Self::STOP_SIGMASK;
        }
        self.0 |= bits;
    }

    /// Clears bits. What is only known of a pending stop goes with it.
    pub const fn clear(&mut self, bits: u32) {
        let with_stop = if bits & Self::STOP_PENDING != 0 {
            Self::STOP_CONSUME | Self::STOP_DEQUEUED
        } else {
            0
        };
        self.0 &= !(bits | with_stop);
    }
}

/// What a parent is to be told about a process (`SIGNAL_CLD_MASK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CldPending {
    /// That it stopped.
    Stopped,
    /// That it went on.
    Continued,
}

/// How far a process has got with a stop: the part of `signal_struct` that group stops use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStop {
    /// Threads that have yet to stop (`group_stop_count`).
    pub nr_to_stop: u32,
    /// Signal of the stop, until the parent has waited for it (`group_exit_code`).
    pub exit_code: u32,
    /// All have stopped (`SIGNAL_STOP_STOPPED`).
    pub is_stopped: bool,
    /// SIGCONT has come, and the parent has not waited for that (`SIGNAL_STOP_CONTINUED`).
    pub is_continued: bool,
    /// What the next thread that runs tells the parent.
    pub cld: Option<CldPending>,
}

impl GroupStop {
    /// The last thread has stopped.
    pub const fn complete(&mut self) {
        (self.is_stopped, self.is_continued, self.cld) = (true, false, None);
    }

    /// SIGCONT: a stop, finished or not, is over.
    pub const fn end(&mut self) {
        let cld = if self.is_stopped {
            CldPending::Continued
        } else if self.nr_to_stop > 0 {
            // As if the stop had been finished, and the news of its end dropped.
            CldPending::Stopped
        } else {
            return;
        };
        *self = Self {
            nr_to_stop: 0,
            exit_code: 0,
            is_stopped: false,
            is_continued: true,
            cld: Some(cld),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_signal_replaces_the_last_one() {
        let mut jobctl = Jobctl::default();
        jobctl.set(19 | Jobctl::STOP_PENDING | Jobctl::STOP_CONSUME);
        jobctl.set(20 | Jobctl::STOP_PENDING);
        assert_eq!(jobctl.stop_signal(), 20);
        jobctl.set(Jobctl::TRAP_STOP);
        jobctl.clear(Jobctl::STOP_PENDING);
        assert_eq!(jobctl.stop_signal(), 20);
        assert!(!jobctl.has(Jobctl::STOP_CONSUME));
        assert!(jobctl.has(Jobctl::TRAP_STOP));
    }

    #[test]
    fn sigcont_ends_a_stop_that_is_there() {
        let stopped = GroupStop { is_stopped: true, exit_code: 19, ..GroupStop::default() };
        let stopping = GroupStop { nr_to_stop: 2, exit_code: 19, ..GroupStop::default() };
        let running = GroupStop::default();
        for (mut stop, cld) in [
            (stopped, Some(CldPending::Continued)),
            (stopping, Some(CldPending::Stopped)),
            (running, None),
        ] {
            stop.end();
            assert_eq!((stop.cld, stop.is_continued), (cld, cld.is_some()));
            assert_eq!((stop.nr_to_stop, stop.exit_code, stop.is_stopped), (0, 0, false));
        }
    }
}
