//! Waits of system calls: deadlines that survive being woken, and interruption.
//!
//! A call that is woken runs again from its start; what it must remember is in
//! [`crate::task::InSyscall`].

use perf_core::TaskId;

use super::Outcome;
use crate::kernel::{Kernel, StopReason};
use crate::task::InSyscall;
use crate::task::wait::{Channel, WaitFor, WakeCause};

/// What a signal makes of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// `ERESTARTSYS`: made again where SA_RESTART is set.
    Sys,
    /// `ERESTARTNOHAND`, or `ERESTART_RESTARTBLOCK`: EINTR after a handler.
    NoHand,
}

impl Restart {
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Sys => Outcome::Interrupted,
            Self::NoHand => Outcome::InterruptedNoHand,
        }
    }
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
