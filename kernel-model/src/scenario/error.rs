//! What is wrong with a scenario itself, as opposed to what the kernel refuses.

use perf_core::{CpuId, Errno};

use super::op::{EventName, NotifierName, SymbolName, TaskName};
use crate::kernel::StopReason;

/// Why an operation could not be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No operation made such a task.
    #[error("there is no task {0}")]
    NoSuchTask(TaskName),
    /// The task has ended.
    #[error("task {0} has ended")]
    TaskEnded(TaskName),
    /// The task has not ended.
    #[error("task {0} has not ended")]
    TaskAlive(TaskName),
    /// The task is on no CPU.
    #[error("task {0} is on no CPU: run it first")]
    NotRunning(TaskName),
    /// No operation made such an event, or it is closed.
    #[error("there is no event {0}")]
    NoSuchEvent(EventName),
    /// No operation registered such a notifier.
    #[error("there is no notifier {0}")]
    NoSuchNotifier(NotifierName),
    /// A debug register has another number.
    #[error("there is no debug register {0}")]
    NoSuchRegister(u8),
    /// No operation declared such a variable or function.
    #[error("there is no variable or function {0}")]
    NoSuchSymbol(SymbolName),
    /// The name is in use.
    #[error("the name {0} is in use")]
    NameTaken(String),
    /// The machine has no such CPU.
    #[error("there is no {0}")]
    NoSuchCpu(CpuId),
    /// The CPU is down.
    #[error("{0} is down")]
    CpuDown(CpuId),
    /// Variables or functions do not fit.
    #[error("too many variables or functions")]
    TooManySymbols,
    /// There is no instruction for such an access.
    #[error("no instruction makes such an access")]
    NoSuchAccess,
    /// Only a declared function can be executed.
    #[error("{0:#x} is no function of the scenario")]
    NotAFunction(u64),
    /// The instruction never ended: it was taken to the handler again and again.
    #[error("the instruction at {0:#x} never ended")]
    NeverEnded(u64),
    /// The stage itself ran out of something.
    #[error("the stage could not be set: {}", .0.name())]
    Setup(Errno),
    /// The machine stopped.
    #[error(transparent)]
    Stopped(#[from] StopReason),
}
