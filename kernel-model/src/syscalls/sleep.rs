//! nanosleep and clock_nanosleep.
//! Source: Linux 6.18 `kernel/time/hrtimer.c`, `kernel/time/posix-timers.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::Restart;
use crate::kernel::Kernel;
use crate::task::wait::WaitFor;
use crate::uapi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI, TIME_BYTES,
    TIMER_ABSTIME, timespec, timespec_to_ns,
};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(35, "nanosleep", sys_nanosleep),
    Syscall::waiting(230, "clock_nanosleep", sys_clock_nanosleep)
        .partial("no sleep on CPU time (EOPNOTSUPP)"),
];

fn sys_nanosleep(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let duration = read_time(kernel, args[0])?;
    let deadline = kernel.now_ns().saturating_add(duration);
    sleep_until(kernel, task, deadline, args[1], Restart::Block)
}

fn sys_clock_nanosleep(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let [clock, flags, time_at, rest_at, ..] = *args;
    let epoch = epoch_of(kernel, clock & 0xffff_ffff)?;
    let time = read_time(kernel, time_at)?;
    if flags & TIMER_ABSTIME != 0 {
        let deadline = time.saturating_sub(epoch);
        return sleep_until(kernel, task, deadline, 0, Restart::NoHand);
    }
    let deadline = kernel.now_ns().saturating_add(time);
    sleep_until(kernel, task, deadline, rest_at, Restart::Block)
}

/// What a clock showed at boot, ns.
fn epoch_of(kernel: &Kernel, clock: u64) -> Result<u64, Errno> {
    match clock {
        CLOCK_REALTIME | CLOCK_TAI => Ok(kernel.boot_realtime_ns),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Ok(0),
        CLOCK_MONOTONIC_RAW
        | CLOCK_REALTIME_COARSE
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_PROCESS_CPUTIME_ID => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

fn read_time(kernel: &mut Kernel, at: u64) -> Result<u64, Errno> {
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    timespec_to_ns(&bytes)
}

/// Sleeps until a time. When a signal ends that, what is left goes to `rest_at`.
fn sleep_until(
    kernel: &mut Kernel,
    task: TaskId,
    deadline: u64,
    rest_at: u64,
    restart: Restart,
) -> Result<Outcome, Errno> {
    let deadline = kernel.keep_deadline(task, deadline);
    if kernel.is_over(task, deadline) {
        return Ok(Outcome::Done(Ok(0)));
    }
    let wait = WaitFor { deadline_ns: Some(deadline), ..WaitFor::default() };
    let outcome = kernel.wait_or_interrupt(task, wait, restart);
    if matches!(outcome, Outcome::Interrupted(_)) && rest_at != 0 {
        let rest = deadline.saturating_sub(kernel.now_ns());
        kernel.copy_to_user(rest_at, &timespec(rest))?;
    }
    Ok(outcome)
}
