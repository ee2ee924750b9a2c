//! What tasks have used: CPU time in user mode and in the kernel, switches, faults.
//! Source: Linux 6.18 `kernel/sys.c` (`getrusage`), `kernel/sched/cputime.c`.

use perf_core::{CpuId, TaskId};

use crate::kernel::Kernel;
use crate::uapi::put;
use crate::uapi::time::{TIME_BYTES, timeval};

/// Bytes of `struct rusage`.
pub const RUSAGE_BYTES: usize = 144;
/// Nanoseconds in a tick of times() (`USER_HZ`).
pub const CLOCK_TICK_NS: u64 = 10_000_000;

/// What a task, or several, have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on CPUs, ns.
    pub runtime_ns: u64,
    /// The part of it in the kernel, ns.
    pub system_ns: u64,
    /// Switches to wait for something.
    pub nr_voluntary: u64,
    /// Switches because others were to run.
    pub nr_involuntary: u64,
}

impl Usage {
    /// Time in user mode, ns.
    #[must_use]
    pub const fn user_ns(&self) -> u64 {
        self.runtime_ns.saturating_sub(self.system_ns)
    }

    /// Adds another one.
    pub const fn add(&mut self, other: &Self) {
        self.runtime_ns += other.runtime_ns;
        self.system_ns += other.system_ns;
        self.nr_voluntary += other.nr_voluntary;
        self.nr_involuntary += other.nr_involuntary;
    }

    /// User and system time in ticks of 10 ms.
    #[must_use]
    pub const fn ticks(&self) -> (u64, u64) {
        (self.user_ns() / CLOCK_TICK_NS, self.system_ns / CLOCK_TICK_NS)
    }

    /// A `struct rusage`.
    #[must_use]
    pub fn to_rusage(&self) -> [u8; RUSAGE_BYTES] {
        let mut bytes = [0; RUSAGE_BYTES];
        put::<TIME_BYTES>(&mut bytes, 0, timeval(self.user_ns()));
        put::<TIME_BYTES>(&mut bytes, 16, timeval(self.system_ns));
        put(&mut bytes, 128, self.nr_voluntary.to_le_bytes());
        put(&mut bytes, 136, self.nr_involuntary.to_le_bytes());
        bytes
    }
}

impl Kernel {
    /// What a thread has used until now.
    pub(crate) fn thread_usage(&self, task: TaskId) -> Usage {
        let entry = self.tasks.task(task);
        let mut usage = entry.usage;
        if self.current_on(entry.cpu) == Some(task) {
            let now = self.hw.time_ns(entry.cpu);
            usage.runtime_ns += now.saturating_sub(entry.on_cpu_since_ns);
            usage.system_ns +=
                entry.in_kernel_since_ns.map_or(0, |since| now.saturating_sub(since));
        }
        usage
    }

    /// What a task's process has used until now.
    pub(crate) fn process_usage(&self, task: TaskId) -> Usage {
        let process = self.tasks.process_of(task);
        let mut usage = process.dead_usage;
        for &thread in &process.threads {
            usage.add(&self.thread_usage(thread));
        }
        usage
    }

    /// The current task of a CPU is in the kernel from now on (`vtime_user_exit`).
    pub(crate) fn account_kernel_entry(&mut self, cpu: CpuId) {
        let now = self.hw.time_ns(cpu);
        if let Some(task) = self.current_on(cpu) {
            self.tasks.task_mut(task).in_kernel_since_ns.get_or_insert(now);
        }
    }

    /// The current task of a CPU leaves the kernel, or its CPU (`vtime_user_enter`).
    pub(crate) fn account_kernel_exit(&mut self, cpu: CpuId) {
        let now = self.hw.time_ns(cpu);
        if let Some(task) = self.current_on(cpu) {
            let entry = self.tasks.task_mut(task);
            let since = entry.in_kernel_since_ns.take();
            entry.usage.system_ns += since.map_or(0, |since| now.saturating_sub(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_time_is_what_the_kernel_did_not_take() {
        let mut usage = Usage { runtime_ns: 30_000_000, system_ns: 10_000_000, ..Usage::default() };
        assert_eq!(usage.ticks(), (2, 1));
        usage.add(&Usage { runtime_ns: 5, nr_voluntary: 2, ..Usage::default() });
        assert_eq!((usage.user_ns(), usage.nr_voluntary), (20_000_005, 2));
        let bytes = usage.to_rusage();
        assert_eq!(crate::uapi::word_at(&bytes, 8), 20_000);
        assert_eq!(crate::uapi::word_at(&bytes, 24), 10_000);
    }
}
