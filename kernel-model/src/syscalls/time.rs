//! Reading clocks and CPU time. All time is the machine's: nothing of the host enters, and
//! nothing in the machine sets it.
//! Source: Linux 6.18 `kernel/time/posix-timers.c`, `kernel/time/time.c`, `kernel/sys.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::timer::clock::Clock;
use crate::timer::usage::CLOCK_TICK_NS;
use crate::uapi::put;
use crate::uapi::time::{NSEC_PER_SEC, TIME_BYTES, timespec, timespec_to_ns, timeval};

const FIXED: &str = "the wall clock is an input of the machine and cannot be set";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(96, "gettimeofday", sys_gettimeofday),
    Syscall::plain(98, "getrusage", sys_getrusage).partial("no memory, fault and block counts"),
    Syscall::plain(100, "times", sys_times),
    Syscall::plain(159, "adjtimex", |kernel, _, args| adjtime(kernel, args[0])).partial(FIXED),
    Syscall::refused(164, "settimeofday", Errno::EPERM, FIXED),
    Syscall::plain(201, "time", sys_time),
    Syscall::plain(227, "clock_settime", sys_clock_settime).partial(FIXED),
    Syscall::plain(228, "clock_gettime", sys_clock_gettime).partial("no clocks of devices"),
    Syscall::plain(229, "clock_getres", sys_clock_getres).partial("no clocks of devices"),
    Syscall::plain(305, "clock_adjtime", sys_clock_adjtime).partial(FIXED),
];

/// Bytes of `struct timex`.
const TIMEX_BYTES: usize = 208;

fn sys_clock_gettime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let ns = kernel.read_clock(task, Clock::from_id(args[0])?)?;
    kernel.copy_to_user(args[1], &timespec(ns))?;
    Ok(0)
}

fn sys_clock_settime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let clock = Clock::from_id(args[0])?;
    // Only the wall clock could be set.
    if clock != Clock::Realtime || args[0] & 0xffff_ffff != 0 {
        return match clock {
            Clock::Cpu(_) => Err(Errno::EPERM),
            _ => Err(Errno::EINVAL),
        };
    }
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(args[1], &mut bytes)?;
    timespec_to_ns(&bytes)?;
    kernel.tell_unsupported(task, Some("clock_settime"));
    Err(Errno::EPERM)
}

fn sys_clock_getres(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let clock = Clock::from_id(args[0])?;
    if let Clock::Cpu(clock) = clock {
        kernel.cpu_clock_target(task, clock)?;
    }
    if args[1] != 0 {
        kernel.copy_to_user(args[1], &timespec(clock.resolution_ns()))?;
    }
    Ok(0)
}

fn sys_clock_adjtime(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    match (args[0] & 0xffff_ffff, Clock::from_id(args[0])?) {
        (0, _) => adjtime(kernel, args[1]),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// Tells the state of an undisciplined clock (`do_adjtimex`); changes are refused.
fn adjtime(kernel: &mut Kernel, at: u64) -> Result<u64, Errno> {
    const STA_UNSYNC: u32 = 0x40;
    const TIME_ERROR: u64 = 5;
    let mut bytes = [0; TIMEX_BYTES];
    kernel.copy_from_user(at, &mut bytes[..4])?;
    if bytes[..4] != [0; 4] {
        return Err(Errno::EPERM);
    }
    let us = NSEC_PER_SEC / 1000;
    // maxerror, esterror, status, constant, precision, tolerance, time, tick.
    for (offset, value) in [(24, 16 * us), (32, 16 * us), (48, 2), (56, 1), (64, 32_768_000)] {
        put(&mut bytes, offset, value.to_le_bytes());
    }
    put(&mut bytes, 40, STA_UNSYNC.to_le_bytes());
    put::<TIME_BYTES>(&mut bytes, 72, timeval(kernel.realtime_ns()));
    put(&mut bytes, 88, 10_000_u64.to_le_bytes());
    kernel.copy_to_user(at, &bytes)?;
    Ok(TIME_ERROR)
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
        let own = kernel.process_usage(task).ticks();
        let children = kernel.tasks.process_of(task).children_usage.ticks();
        for (at, ticks) in [(0, own.0), (8, own.1), (16, children.0), (24, children.1)] {
            put(&mut bytes, at, ticks.to_le_bytes());
        }
        kernel.copy_to_user(args[0], &bytes)?;
    }
    Ok(kernel.now_ns() / CLOCK_TICK_NS)
}

fn sys_getrusage(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_THREAD: i32 = 1;

    let usage = match args[0] as i32 {
        RUSAGE_SELF => kernel.process_usage(task),
        RUSAGE_CHILDREN => kernel.tasks.process_of(task).children_usage,
        RUSAGE_THREAD => kernel.thread_usage(task),
        _ => return Err(Errno::EINVAL),
    };
    kernel.copy_to_user(args[1], &usage.to_rusage())?;
    Ok(0)
}
