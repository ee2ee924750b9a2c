//! timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete.
//! Source: Linux 6.18 `kernel/time/posix-timers.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::signal::{SigFields, SigInfo};
use crate::task::ProcessId;
use crate::timer::clock::{Clock, CpuScope};
use crate::timer::process::{PosixTimer, TimerClock, TimerNotify};
use crate::timer::{Expiry, TimerKey};
use crate::uapi::signal::{SIGALRM, is_valid, si_code};
use crate::uapi::time::{ITIMERSPEC_BYTES, TIMER_ABSTIME, itimerspec, itimerspec_to_ns};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(222, "timer_create", sys_timer_create).partial("no alarm clocks (EINVAL)"),
    Syscall::plain(223, "timer_settime", sys_timer_settime),
    Syscall::plain(224, "timer_gettime", sys_timer_gettime),
    Syscall::plain(225, "timer_getoverrun", sys_timer_getoverrun),
    Syscall::plain(226, "timer_delete", sys_timer_delete),
];

/// Bytes of `struct sigevent` that count: value, signal, how, thread.
const SIGEVENT_BYTES: usize = 64;
const SIGEV_SIGNAL: u32 = 0;
const SIGEV_NONE: u32 = 1;
const SIGEV_THREAD: u32 = 2;
const SIGEV_THREAD_ID: u32 = 4;

fn timer_clock(kernel: &Kernel, task: TaskId, id: u64) -> Result<TimerClock, Errno> {
    match Clock::from_id(id)? {
        Clock::Realtime => Ok(TimerClock::Machine { epoch_ns: kernel.boot_realtime_ns }),
        Clock::Monotonic => Ok(TimerClock::Machine { epoch_ns: 0 }),
        Clock::MonotonicRaw | Clock::RealtimeCoarse | Clock::MonotonicCoarse => {
            Err(Errno::EOPNOTSUPP)
        }
        Clock::Cpu(clock) => {
            let target = kernel.cpu_clock_target(task, clock)?;
            let target = match clock.scope {
                CpuScope::Thread => target,
                CpuScope::Process => kernel.tasks.process_of(target).leader,
            };
            Ok(TimerClock::Cpu { clock, target })
        }
    }
}

/// What a `struct sigevent` asks for (`good_sigevent`).
fn notify_of(
    kernel: &Kernel,
    task: TaskId,
    bytes: &[u8; SIGEVENT_BYTES],
    id: i32,
) -> Result<TimerNotify, Errno> {
    let (value, signal_how) = (word_at(bytes, 0), word_at(bytes, 8));
    let (signal, how) = (signal_how as u32, (signal_how >> 32) as u32);
    let fields = SigFields::Timer { id, overrun: 0, value };
    let info = || SigInfo::new(signal, si_code::SI_TIMER, fields);
    match how {
        SIGEV_NONE => Ok(TimerNotify::Nothing),
        _ if !is_valid(signal) => Err(Errno::EINVAL),
        SIGEV_SIGNAL | SIGEV_THREAD => Ok(TimerNotify::Process(info())),
        SIGEV_THREAD_ID => {
            let tid = word_at(bytes, 16) as u32;
            let thread = kernel.tasks.find_tid(tid).ok_or(Errno::EINVAL)?;
            let own = kernel.tasks.task(task).process;
            if kernel.tasks.task(thread).process != own {
                return Err(Errno::EINVAL);
            }
            Ok(TimerNotify::Thread(thread, info()))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn sys_timer_create(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [clock_id, event_at, id_at, ..] = *args;
    let mut bytes = [0; SIGEVENT_BYTES];
    if event_at != 0 {
        kernel.copy_from_user(event_at, &mut bytes)?;
    }
    let clock = timer_clock(kernel, task, clock_id)?;
    let id = kernel.tasks.process_of(task).timers.next_id;
    if event_at == 0 {
        bytes[..4].copy_from_slice(&id.to_le_bytes());
        bytes[8..12].copy_from_slice(&SIGALRM.to_le_bytes());
    }
    let notify = notify_of(kernel, task, &bytes, id)?;
    kernel.copy_to_user(id_at, &id.to_le_bytes())?;
    let expiry = Expiry::default();
    let timer =
        PosixTimer { clock, notify, expiry, is_pending: false, is_ignored: false, overrun: 0 };
    let timers = &mut kernel.tasks.process_of_mut(task).timers;
    timers.posix.insert(id, timer);
    timers.next_id = id.checked_add(1).unwrap_or(0);
    Ok(0)
}

fn find(kernel: &Kernel, task: TaskId, id: u64) -> Result<(ProcessId, i32, PosixTimer), Errno> {
    let id = id as i32;
    let timer = kernel.tasks.process_of(task).timers.posix.get(&id).ok_or(Errno::EINVAL)?;
    Ok((kernel.tasks.task(task).process, id, *timer))
}

/// What a timer's clock shows, and what it showed at boot. The time of a task that has gone
/// stands still.
fn now_of(kernel: &Kernel, clock: TimerClock) -> (u64, u64) {
    match clock {
        TimerClock::Machine { epoch_ns } => (kernel.now_ns(), epoch_ns),
        TimerClock::Cpu { clock, target } if kernel.tasks.tasks.contains_key(&target) => {
            (kernel.cpu_time_ns(target, clock), 0)
        }
        TimerClock::Cpu { .. } => (0, 0),
    }
}

/// Time left and period (`common_timer_get`).
fn left(kernel: &Kernel, timer: &PosixTimer) -> (u64, u64) {
    let (now, _) = now_of(kernel, timer.clock);
    let mut expiry = timer.expiry;
    let is_silent = timer.notify == TimerNotify::Nothing;
    if timer.is_pending || timer.is_ignored || is_silent {
        expiry.forward(now);
    }
    let left = expiry.remaining_ns(now);
    let is_armed = expiry.deadline_ns.is_some();
    // One that is about to end has a moment left, unless nothing follows from that.
    let left = if is_armed && !is_silent { left.max(1) } else { left };
    (left, expiry.interval_ns)
}

fn sys_timer_settime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [id, flags, new_at, old_at, ..] = *args;
    let mut bytes = [0; ITIMERSPEC_BYTES];
    if new_at == 0 {
        return Err(Errno::EINVAL);
    }
    kernel.copy_from_user(new_at, &mut bytes)?;
    let (interval_ns, value) = itimerspec_to_ns(&bytes)?;
    let (process, id, timer) = find(kernel, task, id)?;
    let (old_left, old_interval) = left(kernel, &timer);
    kernel.disarm_timer(process, id);
    let (now, epoch) = now_of(kernel, timer.clock);
    let deadline_ns = match value {
        0 => None,
        end if flags & TIMER_ABSTIME != 0 => Some(end.saturating_sub(epoch)),
        after => Some(now.saturating_add(after)),
    };
    let interval_ns = if value == 0 { 0 } else { interval_ns };
    if let Some(timer) = kernel.tasks.process_of_mut(task).timers.posix.get_mut(&id) {
        timer.expiry = Expiry { deadline_ns, interval_ns };
        timer.overrun = 0;
    }
    let is_silent = timer.notify == TimerNotify::Nothing;
    if let (TimerClock::Machine { .. }, Some(deadline), false) =
        (timer.clock, deadline_ns, is_silent)
    {
        kernel.timers.add(deadline, TimerKey::Posix(process, id));
    }
    if old_at != 0 {
        kernel.copy_to_user(old_at, &itimerspec(old_interval, old_left))?;
    }
    Ok(0)
}

fn sys_timer_gettime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, _, timer) = find(kernel, task, args[0])?;
    let (left, interval) = left(kernel, &timer);
    kernel.copy_to_user(args[1], &itimerspec(interval, left))?;
    Ok(0)
}

fn sys_timer_getoverrun(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, _, timer) = find(kernel, task, args[0])?;
    Ok(timer.overrun as u64)
}

fn sys_timer_delete(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (process, id, _) = find(kernel, task, args[0])?;
    kernel.disarm_timer(process, id);
    kernel.tasks.process_of_mut(task).timers.posix.remove(&id);
    Ok(0)
}
