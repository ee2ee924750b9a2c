//! Reading clocks and CPU time. All time is the machine's: nothing of the host enters.
//! Source: Linux 6.18 `kernel/time/posix-timers.c`, `kernel/time/time.c`, `kernel/sys.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::sched::TICK_NS;
use crate::uapi::put;
use crate::uapi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID, NSEC_PER_SEC, TIME_BYTES, timespec, timeval,
};

const NO_TIMERS: &str = "timers that send signals are not built";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::refused(37, "alarm", Errno::ENOSYS, NO_TIMERS),
    Syscall::refused(38, "setitimer", Errno::ENOSYS, NO_TIMERS),
    Syscall::plain(96, "gettimeofday", sys_gettimeofday),
    Syscall::plain(98, "getrusage", sys_getrusage).partial("only times; all of it user time"),
    Syscall::plain(100, "times", sys_times).partial("all CPU time is user time"),
    Syscall::plain(201, "time", sys_time),
    Syscall::refused(222, "timer_create", Errno::ENOSYS, NO_TIMERS),
    Syscall::plain(228, "clock_gettime", sys_clock_gettime).partial("no clocks of other processes"),
    Syscall::plain(229, "clock_getres", sys_clock_getres).partial("no clocks of other processes"),
];

/// Bytes of `struct rusage`.
pub(super) const RUSAGE_BYTES: usize = 144;
/// Nanoseconds in a tick of times() (`USER_HZ`).
const CLOCK_TICK_NS: u64 = 10_000_000;

/// A `struct rusage` with the time spent, ns; all of it counts as user time.
pub(super) fn rusage(user_ns: u64) -> [u8; RUSAGE_BYTES] {
    let mut bytes = [0; RUSAGE_BYTES];
    put::<TIME_BYTES>(&mut bytes, 0, timeval(user_ns));
    bytes
}

impl Kernel {
    /// Nanoseconds since 1970.
    pub(crate) fn realtime_ns(&self) -> u64 {
        self.boot_realtime_ns.saturating_add(self.now_ns())
    }

    /// CPU time of a task, ns.
    fn thread_time_ns(&self, task: TaskId) -> u64 {
        let entry = self.tasks.task(task);
        let now = self.hw.time_ns(entry.cpu);
        let running = match self.current_on(entry.cpu) {
            Some(current) if current == task => now.saturating_sub(entry.on_cpu_since_ns),
            _ => 0,
        };
        entry.runtime_ns + running
    }

    /// CPU time of a task's process, ns.
    fn process_time_ns(&self, task: TaskId) -> u64 {
        let process = self.tasks.process_of(task);
        let live: u64 = process.threads.iter().map(|&thread| self.thread_time_ns(thread)).sum();
        process.dead_runtime_ns + live
    }

    fn read_clock(&self, task: TaskId, clock: u64) -> Result<u64, Errno> {
        let coarse = |ns: u64| ns / TICK_NS * TICK_NS;
        match clock {
            CLOCK_REALTIME | CLOCK_TAI => Ok(self.realtime_ns()),
            CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_BOOTTIME => Ok(self.now_ns()),
            CLOCK_REALTIME_COARSE => Ok(self.boot_realtime_ns + coarse(self.now_ns())),
            CLOCK_MONOTONIC_COARSE => Ok(coarse(self.now_ns())),
            CLOCK_PROCESS_CPUTIME_ID => Ok(self.process_time_ns(task)),
            CLOCK_THREAD_CPUTIME_ID => Ok(self.thread_time_ns(task)),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn sys_clock_gettime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let ns = kernel.read_clock(task, args[0] & 0xffff_ffff)?;
    kernel.copy_to_user(args[1], &timespec(ns))?;
    Ok(0)
}

fn sys_clock_getres(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let clock = args[0] & 0xffff_ffff;
    kernel.read_clock(task, clock)?;
    let is_coarse = matches!(clock, CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE);
    if args[1] != 0 {
        let resolution = if is_coarse { TICK_NS } else { 1 };
        kernel.copy_to_user(args[1], &timespec(resolution))?;
    }
    Ok(0)
}

fn sys_gettimeofday(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [time_at, zone_at, ..] = *args;
    if time_at != 0 {
        let now = timeval(kernel.realtime_ns());
        kernel.copy_to_user(time_at, &now)?;
    }
    if zone_at != 0 {
        kernel.write_user_u64(zone_at, 0)?;
    }
    Ok(0)
}

fn sys_time(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let seconds = kernel.realtime_ns() / NSEC_PER_SEC;
    if args[0] != 0 {
        kernel.write_user_u64(args[0], seconds)?;
    }
    Ok(seconds)
}

fn sys_times(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    if args[0] != 0 {
        let mut bytes = [0; 32];
        let user = kernel.process_time_ns(task) / CLOCK_TICK_NS;
        put(&mut bytes, 0, user.to_le_bytes());
        kernel.copy_to_user(args[0], &bytes)?;
    }
    Ok(kernel.now_ns() / CLOCK_TICK_NS)
}

fn sys_getrusage(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_THREAD: i32 = 1;

    let ns = match args[0] as i32 {
        RUSAGE_SELF => kernel.process_time_ns(task),
        RUSAGE_CHILDREN => 0,
        RUSAGE_THREAD => kernel.thread_time_ns(task),
        _ => return Err(Errno::EINVAL),
    };
    kernel.copy_to_user(args[1], &rusage(ns))?;
    Ok(0)
}
