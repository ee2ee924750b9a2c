//! Scenario operations on the running kernel.
//!
//! Tasks are processes of a tiny program of our own ([`stub`], [`image`]) that makes whatever
//! system calls it is sent ([`message`], [`agent`]); one of them opens the events. So clone,
//! execve and every `perf_event_open` and ioctl are the kernel's own, and no code of ours is
//! unsafe. [`machine`] plays the operations.

mod agent;
mod events;
mod image;
mod machine;
mod message;
mod places;
mod stub;
mod tasks;

pub use machine::{Machine, Program};

use kernel_model::scenario::op::{EventName, SymbolName, TaskName};

/// Why an operation could not be played natively.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A pipe could not be made.
    #[error("pipe: {0}")]
    Pipe(#[source] std::io::Error),
    /// The program could not be written.
    #[error("the native program cannot be written: {0}")]
    Program(#[source] std::io::Error),
    /// The program could not be assembled.
    #[error("the native program cannot be assembled: {0}")]
    Assemble(#[from] iced_x86::IcedError),
    /// A task could not be started.
    #[error("cannot start a process: {0}")]
    Spawn(#[source] std::io::Error),
    /// A task does not answer.
    #[error("a native task has ended: {0}")]
    Gone(#[source] std::io::Error),
    /// A task did something else.
    #[error("{0}")]
    Unexpected(&'static str),
    /// A call that always succeeds did not.
    #[error("{what}: {errno}")]
    Refused {
        /// The call.
        what: &'static str,
        /// What it answered.
        errno: nix::errno::Errno,
    },
    /// No operation made such a task.
    #[error("there is no task {0}")]
    NoSuchTask(TaskName),
    /// No operation made such an event.
    #[error("there is no event {0}")]
    NoSuchEvent(EventName),
    /// No operation declared such a variable or function.
    #[error("there is no variable or function {0}")]
    NoSuchSymbol(SymbolName),
    /// The operation looks into the kernel, or does what a program cannot.
    #[error("a program cannot do this: {0}")]
    NotForPrograms(&'static str),
    /// There is no more room in the native program.
    #[error("too many variables, functions or threads")]
    TooMany,
}
