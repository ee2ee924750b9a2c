//! alarm, setitimer, getitimer.
//! Source: Linux 6.18 `kernel/time/itimer.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::timer::{Expiry, TimerKey};
use crate::uapi::put;
use crate::uapi::time::{NSEC_PER_SEC, TIME_BYTES, timeval, timeval_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(36, "getitimer", sys_getitimer),
    Syscall::plain(37, "alarm", sys_alarm),
    Syscall::plain(38, "setitimer", sys_setitimer),
];

/// Bytes of `struct itimerval`: period, then what is left.
const ITIMERVAL_BYTES: usize = 2 * TIME_BYTES;
/// What an armed timer at its very end is said to have left, ns.
const LEAST_LEFT_NS: u64 = 1000;

/// One of a process's interval timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Real,
    Virtual,
    Prof,
}

impl Which {
    const fn from_number(number: u64) -> Result<Self, Errno> {
        match number & 0xffff_ffff {
            0 => Ok(Self::Real),
            1 => Ok(Self::Virtual),
            2 => Ok(Self::Prof),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Kernel {
    /// What the clock of an interval timer shows, ns.
    fn itimer_now(&self, task: TaskId, which: Which) -> u64 {
        match which {
            Which::Real => self.now_ns(),
            Which::Virtual => self.process_usage(task).user_ns(),
            Which::Prof => self.process_usage(task).runtime_ns,
        }
    }

    fn itimer_mut(&mut self, task: TaskId, which: Which) -> &mut Expiry {
        let timers = &mut self.tasks.process_of_mut(task).timers;
        match which {
            Which::Real => &mut timers.real,
            Which::Virtual => &mut timers.virt,
            Which::Prof => &mut timers.prof,
        }
    }

    /// What is left of a timer, and its period.
    fn itimer_left(&mut self, task: TaskId, which: Which) -> (u64, u64) {
        let now = self.itimer_now(task, which);
        let timer = *self.itimer_mut(task, which);
        let is_armed = timer.deadline_ns.is_some();
        let left = if is_armed { timer.remaining_ns(now).max(LEAST_LEFT_NS) } else { 0 };
        (left, timer.interval_ns)
    }

    fn set_itimer(&mut self, task: TaskId, which: Which, after_ns: u64, interval_ns: u64) {
        let process = self.tasks.task(task).process;
        let now = self.itimer_now(task, which);
        let timer = self.itimer_mut(task, which);
        let deadline_ns = (after_ns != 0).then(|| now.saturating_add(after_ns));
        // A period without a first end arms nothing; the timers of CPU time keep it to be told.
        let is_forgotten = after_ns == 0 && which == Which::Real;
        let interval_ns = if is_forgotten { 0 } else { interval_ns };
        let old = std::mem::replace(timer, Expiry { deadline_ns, interval_ns });
        if which == Which::Real {
            let key = TimerKey::Real(process);
            if let Some(deadline) = old.deadline_ns {
                self.timers.remove(deadline, key);
            }
            if let Some(deadline) = deadline_ns {
                self.timers.add(deadline, key);
            }
        }
    }
}

fn sys_alarm(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let seconds = args[0] & 0xffff_ffff;
    let (left, _) = kernel.itimer_left(task, Which::Real);
    kernel.set_itimer(task, Which::Real, seconds * NSEC_PER_SEC, 0);
    Ok(whole_seconds(left))
}

/// Rounded to the nearest second, but never to none where some time is left.
const fn whole_seconds(left_ns: u64) -> u64 {
    let rounded = (left_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
    if left_ns > 0 && rounded == 0 { 1 } else { rounded }
}

fn itimerval(left: u64, interval: u64) -> [u8; ITIMERVAL_BYTES] {
    let mut bytes = [0; ITIMERVAL_BYTES];
    put::<TIME_BYTES>(&mut bytes, 0, timeval(interval));
    put::<TIME_BYTES>(&mut bytes, TIME_BYTES, timeval(left));
    bytes
}

fn sys_getitimer(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let which = Which::from_number(args[0])?;
    let (left, interval) = kernel.itimer_left(task, which);
    kernel.copy_to_user(args[1], &itimerval(left, interval))?;
    Ok(0)
}

fn sys_setitimer(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [which, new_at, old_at, ..] = *args;
    let (mut after, mut interval) = (0, 0);
    if new_at != 0 {
        let mut bytes = [0; TIME_BYTES];
        kernel.copy_from_user(new_at, &mut bytes)?;
        interval = timeval_to_ns(&bytes)?;
        kernel.copy_from_user(new_at.wrapping_add(TIME_BYTES as u64), &mut bytes)?;
        after = timeval_to_ns(&bytes)?;
    }
    let which = Which::from_number(which)?;
    let (old_left, old_interval) = kernel.itimer_left(task, which);
    kernel.set_itimer(task, which, after, interval);
    if old_at != 0 {
        kernel.copy_to_user(old_at, &itimerval(old_left, old_interval))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_tells_whole_seconds() {
        let half = NSEC_PER_SEC / 2;
        let got = [0, 1, half, 3 * half, 3 * half - 1].map(whole_seconds);
        assert_eq!(got, [0, 1, 1, 2, 1]);
    }
}
