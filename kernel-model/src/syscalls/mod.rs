//! System calls: the table, and one module for each group.
//!
//! A handler gets the kernel, the calling task and its six arguments and says what
//! became of the call. One that has to wait says for what, and is run again from
//! its start when that has happened.

pub(crate) mod perf;

use perf_core::Errno;

use crate::task::wait::WaitFor;

/// What became of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returns a value or an errno.
    Done(Result<u64, Errno>),
    /// It waits; it will be run again.
    Wait(WaitFor),
    /// A signal interrupted it: restarted after the handler where SA_RESTART says so
    /// (or where there is no handler), EINTR otherwise (`ERESTARTSYS`).
    Interrupted,
    /// A signal interrupted it: EINTR after any handler, restarted without one
    /// (`ERESTARTNOHAND`).
    InterruptedNoHand,
    /// It has set the task's registers itself (execve, rt_sigreturn).
    RegistersSet,
    /// The calling task has ended.
    Exited,
}

impl From<Result<u64, Errno>> for Outcome {
    fn from(result: Result<u64, Errno>) -> Self {
        Self::Done(result)
    }
}
