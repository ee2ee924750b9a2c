//! The timers of a process: three interval timers, and POSIX timers by number.
//! Source: Linux 6.18 `include/linux/sched/signal.h`, `include/linux/posix-timers.h`.

use std::collections::BTreeMap;

use perf_core::TaskId;

use super::Expiry;
use super::clock::CpuClock;
use crate::signal::SigInfo;

/// On which clock a POSIX timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// The machine's; `epoch_ns` is what the clock showed at boot.
    Machine {
        /// Nanoseconds.
        epoch_ns: u64,
    },
    /// CPU time of a task or its process.
    Cpu {
        /// Which.
        clock: CpuClock,
        /// Whose; for a process, one of its threads when the timer was made.
        target: TaskId,
    },
}

/// What a POSIX timer does at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerNotify {
    /// Nothing (`SIGEV_NONE`).
    Nothing,
    /// Sends a signal to the process.
    Process(SigInfo),
    /// Sends a signal to a thread (`SIGEV_THREAD_ID`).
    Thread(TaskId, SigInfo),
}

/// A POSIX timer (`struct k_itimer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PosixTimer {
    /// Its clock.
    pub clock: TimerClock,
    /// What follows from its end.
    pub notify: TimerNotify,
    /// When it ends; ns since boot for the machine's clock. A periodic one stands at its last
    /// end until its signal is taken.
    pub expiry: Expiry,
    /// Whether its signal is on its way.
    pub is_pending: bool,
    /// Whether its signal is ignored: it goes on when that changes.
    pub is_ignored: bool,
    /// Ends that its last signal stood for besides its own (`timer_getoverrun`).
    pub overrun: i32,
}

/// What setitimer and timer_create have armed.
#[derive(Clone, Debug, Default)]
pub struct ProcessTimers {
    /// `ITIMER_REAL`, ns since boot.
    pub real: Expiry,
    /// The last end of `ITIMER_REAL`, ns since boot.
    pub real_ended_ns: u64,
    /// `ITIMER_VIRTUAL`, ns of user time.
    pub virt: Expiry,
    /// `ITIMER_PROF`, ns of CPU time.
    pub prof: Expiry,
    /// POSIX timers.
    pub posix: BTreeMap<i32, PosixTimer>,
    /// The number of the next one.
    pub next_id: i32,
}
