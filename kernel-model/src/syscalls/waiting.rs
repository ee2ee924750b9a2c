//! Waits of system calls: deadlines that survive being woken, and interruption.
//!
//! A call that is woken runs again from its start; what it must remember is in
//! [`crate::task::InSyscall`].

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::kernel::{Kernel, StopReason};
use crate::task::wait::{Channel, WaitFor, WakeCause};
use crate::task::{InSyscall, RestartBlock};

pub(super) const CALLS: &[Syscall] =
    &[Syscall::waiting(219, "restart_syscall", sys_restart_syscall)];

/// What a signal makes of a call, as the task's RAX says until a handler is chosen: numbers
/// that only tracers see. Source: Linux 6.18 `include/linux/errno.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// `ERESTARTSYS`: made again where SA_RESTART is set.
    Sys,
    /// `ERESTARTNOINTR`: made again always.
    NoIntr,
    /// `ERESTARTNOHAND`: EINTR after a handler, made again without one.
    NoHand,
    /// `ERESTART_RESTARTBLOCK`: EINTR after a handler; without one restart_syscall goes on with
    /// the wait that is left.
    Block,
}

impl Restart {
    /// What RAX holds.
    #[must_use]
    pub const fn result(self) -> u64 {
        let errno: i64 = match self {
            Self::Sys => 512,
            Self::NoIntr => 513,
            Self::NoHand => 514,
            Self::Block => 516,
        };
        -errno as u64
    }

    /// What RAX asks for.
    #[must_use]
    pub fn from_result(result: u64) -> Option<Self> {
        [Self::Sys, Self::NoIntr, Self::NoHand, Self::Block]
            .into_iter()
            .find(|restart| restart.result() == result)
    }

    pub(super) const fn outcome(self) -> Outcome {
        Outcome::Interrupted(self)
    }
}

/// Goes on with the call that a signal without a handler interrupted.
fn sys_restart_syscall(
    kernel: &mut Kernel,
    task: TaskId,
    _args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let block = kernel.tasks.task_mut(task).restart_block.take().ok_or(Errno::EINTR)?;
    let Some(call) = kernel.call_mut(task) else { return Err(Errno::EINTR) };
    let RestartBlock { nr, args, deadline_ns } = block;
    (call.nr, call.args, call.deadline_ns) = (nr, args, deadline_ns);
    Ok(super::dispatch(kernel, task))
}

/// A wait for one channel without end.
pub(super) fn on(channel: Channel) -> WaitFor {
    WaitFor { channels: vec![channel], ..WaitFor::default() }
}

impl Kernel {
    /// Waits, unless a signal is to be handled before.
    pub(super) fn wait_or_interrupt(
        &self,
        task: TaskId,
        wait: WaitFor,
        restart: Restart,
    ) -> Outcome {
        if self.signal_pending(task) { restart.outcome() } else { Outcome::Wait(wait) }
    }

    /// Remembers the call for restart_syscall, where that goes on with it.
    pub(crate) fn note_restart(&mut self, task: TaskId, restart: Restart) {
        let entry = self.tasks.task_mut(task);
        if let (Restart::Block, Some(call)) = (restart, entry.syscall) {
            let InSyscall { nr, args, deadline_ns, .. } = call;
            entry.restart_block = Some(RestartBlock { nr, args, deadline_ns });
        }
    }

    /// The call that a task is in.
    fn call_mut(&mut self, task: TaskId) -> Option<&mut InSyscall> {
        self.tasks.task_mut(task).syscall.as_mut()
    }

    /// Why the call runs again; `None` the first time.
    pub(super) fn woken(&self, task: TaskId) -> Option<WakeCause> {
        self.tasks.task(task).syscall.and_then(|call| call.woken)
    }

    /// The end of the wait: the first time `new`, later what it was then.
    pub(super) fn keep_deadline(&mut self, task: TaskId, new: u64) -> u64 {
        match self.call_mut(task) {
            Some(call) => *call.deadline_ns.get_or_insert(new),
            None => new,
        }
    }

    /// The end of the wait, where the call has waited before.
    pub(super) fn kept_deadline(&self, task: TaskId) -> Option<u64> {
        self.tasks.task(task).syscall.and_then(|call| call.deadline_ns)
    }

    /// Whether the end of a wait has come.
    pub(super) fn is_over(&self, task: TaskId, deadline: u64) -> bool {
        self.woken(task) == Some(WakeCause::Timeout) || self.now_ns() >= deadline
    }

    /// Ends the run because an input failed; the call has no answer then.
    pub(super) fn stop_for_input(&mut self, error: crate::inputs::InputError) -> Outcome {
        self.stop(StopReason::Input(error));
        Outcome::RegistersSet
    }
}
