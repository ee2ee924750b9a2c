//! Waiting for signals: pause, rt_sigsuspend, rt_sigtimedwait.
//! Source: Linux 6.18 `kernel/signal.c` (`sigsuspend`, `do_sigtimedwait`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::signal::check_sigset_size;
use super::table::Syscall;
use super::waiting::Restart;
use crate::kernel::Kernel;
use crate::task::wait::WaitFor;
use crate::uapi::signal::UNBLOCKABLE;
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(34, "pause", sys_pause),
    Syscall::waiting(128, "rt_sigtimedwait", sys_rt_sigtimedwait),
    Syscall::waiting(130, "rt_sigsuspend", sys_rt_sigsuspend),
];

fn sys_pause(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<Outcome, Errno> {
    Ok(kernel.wait_or_interrupt(task, WaitFor::default(), Restart::NoHand))
}

fn sys_rt_sigsuspend(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [set_at, size, ..] = *args;
    check_sigset_size(size)?;
    if kernel.woken(task).is_none() {
        let set = kernel.read_user_u64(set_at)?;
        kernel.set_temporary_mask(task, set);
    }
    Ok(kernel.wait_or_interrupt(task, WaitFor::default(), Restart::NoHand))
}

impl Kernel {
    /// Blocks other signals until one has been handled (`set_user_sigmask`).
    pub(super) fn set_temporary_mask(&mut self, task: TaskId, mask: u64) {
        let entry = self.tasks.task_mut(task);
        entry.saved_mask = Some(entry.blocked);
        self.set_blocked(task, mask);
    }

    /// Takes the temporary mask back where no signal needs it
    /// (`restore_saved_sigmask_unless`).
    pub(super) fn restore_mask_unless_interrupted(&mut self, task: TaskId, outcome: &Outcome) {
        let stays = match outcome {
            Outcome::Interrupted(_) | Outcome::Wait(_) | Outcome::Stopped => true,
            Outcome::Done(_) | Outcome::RegistersSet | Outcome::Exited => false,
        };
        if !stays && let Some(mask) = self.tasks.task_mut(task).saved_mask.take() {
            self.set_blocked(task, mask);
        }
    }
}

fn sys_rt_sigtimedwait(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let [set_at, info_at, timeout_at, size, ..] = *args;
    check_sigset_size(size)?;
    let wanted = kernel.read_user_u64(set_at)? & !UNBLOCKABLE;
    let timeout = match timeout_at {
        0 => None,
        at => {
            let mut bytes = [0; TIME_BYTES];
            kernel.copy_from_user(at, &mut bytes)?;
            Some(timespec_to_ns(&bytes)?)
        }
    };
    kernel.tasks.task_mut(task).pending.waited_for = 0;
    if let Some(info) = kernel.dequeue_signal(task, !wanted) {
        if info_at != 0 {
            kernel.copy_to_user(info_at, &info.to_bytes())?;
        }
        return Ok(Outcome::Done(Ok(u64::from(info.si_signo))));
    }
    let deadline = timeout.map(|timeout| {
        let end = kernel.now_ns().saturating_add(timeout);
        kernel.keep_deadline(task, end)
    });
    if deadline.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Err(Errno::EAGAIN);
    }
    if kernel.signal_pending(task) {
        // Never made again (signal(7)).
        return Err(Errno::EINTR);
    }
    kernel.tasks.task_mut(task).pending.waited_for = wanted;
    Ok(Outcome::Wait(WaitFor { deadline_ns: deadline, ..WaitFor::default() }))
}
