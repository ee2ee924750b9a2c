//! Operations of a scenario as data.
//!
//! [`Op`] is what the scenario language writes, what [`super::Stage::apply`] plays, and what a
//! generator of random sequences makes. Names are the scenario's own: a task, an event or a
//! variable is whatever an earlier operation called so. [`answer`] has what comes back, [`place`]
//! what is watched and touched, [`open`] what `perf_event_open` is told.

pub mod answer;
pub mod open;
pub mod place;

use std::fmt;

use perf_core::{CpuId, Scope};

pub use answer::{Answer, LoggedHit, RegisterHolder, RegistersView, SignalSeen};
pub use open::{BreakpointSpec, EventKind, EventOption, OpenOp, OpenTarget};
pub use place::{Access, AccessKind, Place, PlaceBase};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub String);

            impl From<&str> for $name {
                fn from(name: &str) -> Self {
                    Self(name.to_owned())
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }
        )*
    };
}

names! {
    /// A task's name in a scenario.
    TaskName;
    /// An event's name in a scenario.
    EventName;
    /// A variable's or a function's name in a scenario.
    SymbolName;
    /// A die notifier's name in a scenario.
    NotifierName;
}

/// What a fork makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkKind {
    /// A process with a copy of the memory (`fork`).
    Process,
    /// A thread (`CLONE_THREAD` and what that needs).
    Thread,
    /// A process whose signal handlers are reset (`CLONE_CLEAR_SIGHAND`).
    ClearHandlers,
}

/// What a task does with SIGTRAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapAction {
    /// The default: the process dies.
    Default,
    /// A handler that notes what it was told and returns. What a new task has.
    Handle,
    /// Ignored.
    Ignore,
    /// Blocked: stays pending.
    Block,
    /// No longer blocked: what is pending is delivered.
    Unblock,
}

/// Whether an event is on after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// `attr.disabled` = 0.
    Yes,
    /// `attr.disabled` = 1.
    No,
}

/// Whom an in-kernel breakpoint watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterTarget {
    /// A task (`register_user_hw_breakpoint`).
    User(TaskName),
    /// Every CPU (`register_wide_hw_breakpoint`).
    Wide,
}

/// A guest of the kernel is entered or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestStep {
    /// Entered; it uses no debug registers.
    Enter,
    /// Entered; it has debug registers of its own.
    EnterWithDebug,
    /// Left.
    Exit,
}

/// The kernel writes its text through a temporary address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPokeStep {
    /// The address space is entered.
    Begin,
    /// It is left.
    End,
}

/// What a die notifier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifierVerdict {
    /// `NOTIFY_DONE`.
    Done,
    /// `NOTIFY_STOP`.
    Stop,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Declares 64 bytes of data, aligned to 64, at the same address in every task.
    Var {
        /// Its name.
        name: SymbolName,
    },
    /// Declares a function: one NOP that a task can be sent to.
    Code {
        /// Its name.
        name: SymbolName,
    },
    /// Makes a process with one thread, on no CPU.
    Task {
        /// Its name.
        task: TaskName,
    },
    /// Puts a task on a CPU, from wherever it is (context switch, migration). The task that was
    /// there waits.
    Run {
        /// The task.
        task: TaskName,
        /// The CPU.
        cpu: CpuId,
    },
    /// Takes the task of a CPU off it.
    Idle {
        /// The CPU.
        cpu: CpuId,
    },
    /// `perf_event_open`.
    Open(OpenOp),
    /// Another descriptor of an event (`dup`): the event lives until both are closed.
    Dup {
        /// The event.
        event: EventName,
        /// The name that closes the new descriptor.
        copy: EventName,
    },
    /// Closes an event's descriptor.
    Close {
        /// The event.
        event: EventName,
    },
    /// `PERF_EVENT_IOC_ENABLE`.
    Enable {
        /// The event.
        event: EventName,
        /// The event or its group.
        scope: Scope,
    },
    /// `PERF_EVENT_IOC_DISABLE`.
    Disable {
        /// The event.
        event: EventName,
        /// The event or its group.
        scope: Scope,
    },
    /// `PERF_EVENT_IOC_RESET`.
    Reset {
        /// The event.
        event: EventName,
        /// The event or its group.
        scope: Scope,
    },
    /// `PERF_EVENT_IOC_REFRESH`.
    Refresh {
        /// The event.
        event: EventName,
        /// Overflows until it switches itself off.
        budget: i32,
    },
    /// `PERF_EVENT_IOC_PERIOD`.
    Period {
        /// The event.
        event: EventName,
        /// The new period.
        period: u64,
    },
    /// `PERF_EVENT_IOC_MODIFY_ATTRIBUTES` with another breakpoint.
    Modify {
        /// The event.
        event: EventName,
        /// What it is to watch.
        breakpoint: BreakpointSpec,
        /// `attr.disabled`.
        enabled: Enabled,
    },
    /// read() of an event: its count with those of its copies. Answers [`Answer::Count`].
    Read {
        /// The event.
        event: EventName,
    },
    /// An event's state. Answers [`Answer::State`].
    State {
        /// The event.
        event: EventName,
    },
    /// poll() of an event without a buffer. Answers [`Answer::Poll`].
    Poll {
        /// The event.
        event: EventName,
    },
    /// A task, which must be on a CPU, runs one instruction that touches a place (or the kernel
    /// does so for it). Answers [`Answer::Count`]: how many counts that added, over all events.
    Hit {
        /// The task.
        task: TaskName,
        /// What it does.
        access: Access,
    },
    /// The SIGTRAPs that a task's handler was given since the last time this was asked. Answers
    /// [`Answer::Signals`].
    Signals {
        /// The task.
        task: TaskName,
    },
    /// Chooses what a task does with SIGTRAP.
    OnTrap {
        /// The task.
        task: TaskName,
        /// What.
        action: TrapAction,
    },
    /// fork or clone. The child is on no CPU.
    Fork {
        /// Who forks.
        parent: TaskName,
        /// The name of the child.
        child: TaskName,
        /// What is made.
        kind: ForkKind,
    },
    /// execve of the same program.
    Exec {
        /// Who.
        task: TaskName,
    },
    /// exit of one thread. The last one ends the process, which then is a zombie.
    Exit {
        /// Who.
        task: TaskName,
    },
    /// A zombie's parent waits for it.
    Reap {
        /// The zombie.
        task: TaskName,
    },
    /// A CPU goes down: its tasks move, its events wait.
    CpuDown {
        /// The CPU.
        cpu: CpuId,
    },
    /// A CPU comes up.
    CpuUp {
        /// The CPU.
        cpu: CpuId,
    },
    /// The registers of a CPU and who owns them. Answers [`Answer::Registers`].
    Registers {
        /// The CPU.
        cpu: CpuId,
    },
    /// A debug register of the hardware, 0 to 3, 6 or 7. Answers [`Answer::Value`].
    DebugRegister {
        /// The CPU.
        cpu: CpuId,
        /// The register.
        number: u8,
    },
    /// Writes a debug register of a task, as its tracer does (`PTRACE_POKEUSER`).
    Poke {
        /// The task.
        task: TaskName,
        /// The register, 0 to 7.
        number: u8,
        /// The value.
        value: u64,
    },
    /// Reads one (`PTRACE_PEEKUSER`). Answers [`Answer::Value`].
    Peek {
        /// The task.
        task: TaskName,
        /// The register, 0 to 7.
        number: u8,
    },
    /// Registers a breakpoint of the kernel's own; it is closed by [`Op::Unregister`].
    Register {
        /// Its name, among those of events.
        name: EventName,
        /// Whom it watches.
        target: RegisterTarget,
        /// What it watches.
        breakpoint: BreakpointSpec,
        /// `attr.disabled`.
        enabled: Enabled,
    },
    /// `modify_user_hw_breakpoint` of a registered breakpoint.
    ModifyRegistered {
        /// Its name.
        name: EventName,
        /// What it is to watch.
        breakpoint: BreakpointSpec,
        /// `attr.disabled`.
        enabled: Enabled,
    },
    /// `unregister_hw_breakpoint`; nothing where the registration was refused.
    Unregister {
        /// Its name.
        name: EventName,
    },
    /// The hits that a registered breakpoint's handler has seen since the last time. Answers
    /// [`Answer::Log`].
    Log {
        /// Its name.
        name: EventName,
    },
    /// `hw_breakpoint_is_used`. Answers [`Answer::Used`].
    Used,
    /// The machine sleeps: no task is on a CPU, and all CPUs but the first are down.
    Suspend,
    /// It wakes up.
    Resume,
    /// A guest of the kernel (KVM) on a CPU.
    Guest {
        /// The CPU.
        cpu: CpuId,
        /// What happens.
        step: GuestStep,
    },
    /// The kernel writes its own text on a CPU.
    TextPoke {
        /// The CPU.
        cpu: CpuId,
        /// What happens.
        step: TextPokeStep,
    },
    /// Another kernel is about to be started.
    Kexec,
    /// Registers a die notifier.
    Notifier {
        /// Its name.
        name: NotifierName,
        /// Its priority; the breakpoint handler's is the highest there is.
        priority: i32,
        /// What it says.
        verdict: NotifierVerdict,
    },
    /// How often a notifier was asked. Answers [`Answer::Count`].
    Calls {
        /// Its name.
        name: NotifierName,
    },
    /// Why an event with this target would be refused or admitted now; without a target, why the
    /// last one was refused. Answers [`Answer::Report`].
    Explain {
        /// The target.
        target: Option<OpenTarget>,
    },
    /// Slots that are held, over all CPUs. Answers [`Answer::Count`].
    Slots,
    /// How many more events a target could have: tries until refused, and undoes. Answers
    /// [`Answer::Count`].
    Free {
        /// The target.
        target: OpenTarget,
    },
}
