//! What a session needs of a machine: [`Machine`] boots one, [`Guest`] runs it.
//!
//! The one machine is the kernel model on the emulator (`kernel_guest.rs`); the
//! tests of the session have one that follows a script.

use kernel_model::debug::KgdbIo;
use kernel_model::inputs::{InputError, Inputs};
use kernel_model::observe::{CounterRequest, ExitStatus, WatchRequest};
use kernel_model::strace::{CallSet, CallTold};

use super::config::MachineConfig;
use super::event::{Count, Digest, Event, Totals};
use super::plan::Image;

/// An error of the machine, kept whole for its message.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A machine that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The machine itself.
    #[error("the machine does not boot: {0}")]
    Boot(#[source] Cause),
    /// The debugger.
    #[error("the machine takes no debugger: {0}")]
    Debugger(#[source] Cause),
    /// The program.
    #[error("{path}: the kernel model cannot run it: {cause}")]
    Exec {
        /// The program.
        path: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A symbol for the ksym tracer.
    #[error("--ksym {text}: {cause}")]
    Ksym {
        /// As it was typed.
        text: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A breakpoint or an event to count.
    #[error("{text}: {cause}")]
    Watch {
        /// As it was typed.
        text: String,
        /// Why, and who holds the slots where there is none left.
        #[source]
        cause: Cause,
    },
}

/// Why a machine cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A question of the guest could not be answered.
    Input(InputError),
    /// Anything else, in the kernel model's words.
    Machine {
        /// The words.
        reason: String,
    },
}

/// What the ksym tracer shows at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KsymTexts {
    /// A line for each hit, after a header.
    pub trace: String,
    /// A line for each symbol, after a header.
    pub profile: String,
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    Running,
    /// The first process ended.
    Finished(ExitStatus),
    /// The machine cannot go on.
    Stopped(Stop),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What a recording holds.
    Event(Event),
    /// What is only shown: a system call, for who asked.
    Call(Box<CallTold>),
}

/// A machine that runs.
pub trait Guest {
    /// Lets a debugger control the machine, which stops before the first user instruction.
    /// Before anything else, as a kernel does at boot.
    fn attach_debugger(&mut self, debugger: Box<dyn KgdbIo>) -> Result<(), Cause>;

    /// Makes the first process.
    fn spawn_init(
        &mut self,
        image: &Image,
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<(), Cause>;

    /// Opens a breakpoint on the first process.
    fn open_watch(&mut self, request: &WatchRequest) -> Result<(), Cause>;

    /// Watches a variable of the kernel with the ksym tracer: `SYMBOL:rw-` or `SYMBOL:-w-`.
    fn trace_ksym(&mut self, filter: &str) -> Result<(), Cause>;

    /// What the ksym tracer has seen: its `trace` and its `ksym_profile`.
    fn ksym_texts(&self) -> KsymTexts;

    /// Opens an event to count on the first process and all that come of it.
    fn open_counter(&mut self, request: &CounterRequest) -> Result<(), Cause>;

    /// What the counters have counted, in the order in which they were opened.
    fn counts(&mut self) -> Vec<Count>;

    /// Runs one scheduling quantum of one CPU.
    fn step(&mut self) -> Step;

    /// Tells of these calls, and of signals and ends of tasks. Before the first process.
    fn trace_calls(&mut self, wanted: CallSet);

    /// What happened since the last call, in order.
    fn take_events(&mut self) -> Vec<Told>;

    /// The state of the machine, chained over all calls.
    fn digest(&mut self) -> Digest;

    /// The address of the instruction at which a signal of its own ended the first process.
    fn killed_at(&self) -> Option<u64>;

    /// Work done since boot.
    fn totals(&self) -> Totals;
}

/// A way to make a guest, from any thread of the host: guests share nothing.
pub trait Machine: Sync {
    /// Boots a machine whose only source of nondeterminism is `inputs`.
    fn boot(
        &self,
        config: &MachineConfig,
        inputs: Box<dyn Inputs>,
    ) -> Result<Box<dyn Guest>, GuestError>;
}
