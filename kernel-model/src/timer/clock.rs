//! Clock numbers: the machine's clocks, and CPU time of tasks.
//! Source: Linux 6.18 `kernel/time/posix-timers.c` (`clockid_to_kclock`),
//! `kernel/time/posix-cpu-timers.c` (`pid_for_clock`), `include/linux/posix-timers.h`.

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::sched::TICK_NS;
use crate::uapi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
};

/// Bits of a dynamic clock's number: which time, and a thread's in place of a process's.
const CLOCK_MASK: u32 = 3;
const CPUCLOCK_PERTHREAD: u32 = 4;

/// Which of a task's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuTime {
    /// User and system time (`CPUCLOCK_PROF`).
    Prof,
    /// User time (`CPUCLOCK_VIRT`).
    Virt,
    /// Time on CPUs (`CPUCLOCK_SCHED`).
    Sched,
}

/// Whose time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuScope {
    /// A thread's.
    Thread,
    /// A process's.
    Process,
}

/// A clock of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuClock {
    /// Whose time.
    pub scope: CpuScope,
    /// A thread id; 0 for the caller.
    pub tid: u32,
    /// Which time.
    pub time: CpuTime,
}

/// A clock, as its number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Nanoseconds since 1970 (`CLOCK_REALTIME`, `CLOCK_TAI`).
    Realtime,
    /// Nanoseconds since boot (`CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`).
    Monotonic,
    /// The same, which is only read (`CLOCK_MONOTONIC_RAW`).
    MonotonicRaw,
    /// Since 1970, as of the last tick.
    RealtimeCoarse,
    /// Since boot, as of the last tick.
    MonotonicCoarse,
    /// CPU time.
    Cpu(CpuClock),
}

impl Clock {
    /// The clock with a number, of which the low 32 bits count.
    ///
    /// # Errors
    /// EINVAL where there is none: alarm clocks need a wake-up device, and clocks of
    /// descriptors a hardware clock.
    pub fn from_id(id: u64) -> Result<Self, Errno> {
        let id = id as u32;
        let own = |scope| Self::Cpu(CpuClock { scope, tid: 0, time: CpuTime::Sched });
        if (id as i32) < 0 {
            return dynamic(id);
        }
        match u64::from(id) {
            CLOCK_REALTIME | CLOCK_TAI => Ok(Self::Realtime),
            CLOCK_MONOTONIC | CLOCK_BOOTTIME => Ok(Self::Monotonic),
            CLOCK_MONOTONIC_RAW => Ok(Self::MonotonicRaw),
            CLOCK_REALTIME_COARSE => Ok(Self::RealtimeCoarse),
            CLOCK_MONOTONIC_COARSE => Ok(Self::MonotonicCoarse),
            CLOCK_PROCESS_CPUTIME_ID => Ok(own(CpuScope::Process)),
            CLOCK_THREAD_CPUTIME_ID => Ok(own(CpuScope::Thread)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Its resolution, ns.
    #[must_use]
    pub const fn resolution_ns(self) -> u64 {
        match self {
            Self::RealtimeCoarse | Self::MonotonicCoarse => TICK_NS,
            Self::Cpu(CpuClock { time: CpuTime::Prof | CpuTime::Virt, .. }) => TICK_NS,
            Self::Realtime | Self::Monotonic | Self::MonotonicRaw | Self::Cpu(_) => 1,
        }
    }
}

fn dynamic(id: u32) -> Result<Clock, Errno> {
    let scope = if id & CPUCLOCK_PERTHREAD != 0 { CpuScope::Thread } else { CpuScope::Process };
    let time = match id & CLOCK_MASK {
        0 => CpuTime::Prof,
        1 => CpuTime::Virt,
        2 => CpuTime::Sched,
        _ => return Err(Errno::EINVAL),
    };
    let tid = !((id as i32) >> 3) as u32;
    Ok(Clock::Cpu(CpuClock { scope, tid, time }))
}

impl Kernel {
    /// Nanoseconds since 1970.
    pub(crate) fn realtime_ns(&self) -> u64 {
        self.boot_realtime_ns.saturating_add(self.now_ns())
    }

    /// What a clock shows, ns.
    ///
    /// # Errors
    /// EINVAL for the time of a task that is not there, or is not the caller's.
    pub(crate) fn read_clock(&self, task: TaskId, clock: Clock) -> Result<u64, Errno> {
        let coarse = |ns: u64| ns / TICK_NS * TICK_NS;
        match clock {
            Clock::Realtime => Ok(self.realtime_ns()),
            Clock::Monotonic | Clock::MonotonicRaw => Ok(self.now_ns()),
            Clock::RealtimeCoarse => Ok(self.boot_realtime_ns + coarse(self.now_ns())),
            Clock::MonotonicCoarse => Ok(coarse(self.now_ns())),
            Clock::Cpu(cpu) => {
                let target = self.cpu_clock_target(task, cpu)?;
                Ok(self.cpu_time_ns(target, cpu))
            }
        }
    }

    /// The task whose time a clock tells: for a process its leader, or the caller
    /// (`pid_for_clock`).
    ///
    /// # Errors
    /// EINVAL for one that is not there; of other processes only the whole is told.
    pub(crate) fn cpu_clock_target(&self, task: TaskId, clock: CpuClock) -> Result<TaskId, Errno> {
        if clock.tid == 0 {
            return Ok(task);
        }
        let target = self.tasks.find_task_by_vpid(clock.tid).ok_or(Errno::EINVAL)?;
        let is_known = match clock.scope {
            CpuScope::Thread => self.tasks.task(target).process == self.tasks.task(task).process,
            CpuScope::Process => {
                // A process may ask for its own time by any of its threads.
                target == task || self.tasks.process_of(target).leader == target
            }
        };
        if is_known { Ok(target) } else { Err(Errno::EINVAL) }
    }

    /// CPU time of a task or of its process, ns.
    pub(crate) fn cpu_time_ns(&self, target: TaskId, clock: CpuClock) -> u64 {
        let usage = match clock.scope {
            CpuScope::Thread => self.thread_usage(target),
            CpuScope::Process => self.process_usage(target),
        };
        match clock.time {
            CpuTime::Virt => usage.user_ns(),
            CpuTime::Prof | CpuTime::Sched => usage.runtime_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_cpu_clocks() {
        let clock = |tid: i32, low: u32| Clock::from_id(u64::from((!tid << 3) as u32 | low));
        let want = |scope, tid, time| Ok(Clock::Cpu(CpuClock { scope, tid, time }));
        assert_eq!(clock(1000, 2), want(CpuScope::Process, 1000, CpuTime::Sched));
        assert_eq!(clock(1001, 5), want(CpuScope::Thread, 1001, CpuTime::Virt));
        assert_eq!(clock(0, 6), want(CpuScope::Thread, 0, CpuTime::Sched));
        assert_eq!(clock(3, 3), Err(Errno::EINVAL), "a descriptor's");
        assert_eq!(Clock::from_id(2), want(CpuScope::Process, 0, CpuTime::Sched));
        assert_eq!(Clock::from_id(10), Err(Errno::EINVAL));
        assert_eq!(Clock::from_id(1 << 32 | 1), Ok(Clock::Monotonic));
    }
}
