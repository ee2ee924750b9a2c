//! nanosleep and clock_nanosleep.
//! Source: Linux 6.18 `kernel/time/hrtimer.c`, `kernel/time/posix-timers.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::{Restart, on};
use crate::kernel::Kernel;
use crate::task::wait::{Channel, WaitFor};
use crate::timer::clock::{Clock, CpuClock, CpuScope};
use crate::uapi::time::{TIME_BYTES, TIMER_ABSTIME, timespec, timespec_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(35, "nanosleep", sys_nanosleep),
    Syscall::waiting(230, "clock_nanosleep", sys_clock_nanosleep),
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
    let epoch = match Clock::from_id(clock)? {
        Clock::Realtime => kernel.boot_realtime_ns,
        Clock::Monotonic => 0,
        Clock::Cpu(clock) => return sleep_on_cpu_time(kernel, task, clock, args),
        Clock::MonotonicRaw | Clock::RealtimeCoarse | Clock::MonotonicCoarse => {
            return Err(Errno::EOPNOTSUPP);
        }
    };
    let time = read_time(kernel, time_at)?;
    if flags & TIMER_ABSTIME != 0 {
        let deadline = time.saturating_sub(epoch);
        return sleep_until(kernel, task, deadline, 0, Restart::NoHand);
    }
    let deadline = kernel.now_ns().saturating_add(time);
    sleep_until(kernel, task, deadline, rest_at, Restart::Block)
}

/// Sleeps until others have used CPU time (`posix_cpu_nsleep`): looks again at each tick of
/// theirs.
fn sleep_on_cpu_time(
    kernel: &mut Kernel,
    task: TaskId,
    clock: CpuClock,
    args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let [_, flags, time_at, rest_at, ..] = *args;
    let target = kernel.cpu_clock_target(task, clock)?;
    // A thread cannot wait for its own time.
    if clock.scope == CpuScope::Thread && target == task {
        return Err(if clock.tid == 0 { Errno::EOPNOTSUPP } else { Errno::EINVAL });
    }
    let time = read_time(kernel, time_at)?;
    let now = kernel.cpu_time_ns(target, clock);
    let is_absolute = flags & TIMER_ABSTIME != 0;
    let end = if is_absolute { time } else { now.saturating_add(time) };
    let end = kernel.keep_deadline(task, end);
    if now >= end {
        return Ok(Outcome::Done(Ok(0)));
    }
    let restart = if is_absolute { Restart::NoHand } else { Restart::Block };
    let process = kernel.tasks.task(target).process;
    let outcome = kernel.wait_or_interrupt(task, on(Channel::CpuTime(process)), restart);
    if matches!(outcome, Outcome::Interrupted(_)) && rest_at != 0 && !is_absolute {
        kernel.copy_to_user(rest_at, &timespec(end - now))?;
    }
    Ok(outcome)
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
