//! What `perf_event_open` is told.

use perf_core::CpuId;

use super::{EventName, Place, TaskName};

/// The target of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenTarget {
    /// A task, on any CPU: `T0@*`.
    Task(TaskName),
    /// A task on one CPU: `T0@1`.
    TaskOnCpu(TaskName, CpuId),
    /// Everything on one CPU: `C0`.
    Cpu(CpuId),
}

/// What a breakpoint watches, as the attribute has it. Any value may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakpointSpec {
    /// `bp_type`: 1 R, 2 W, 3 RW, 4 X, or a value that is refused.
    pub bp_type: u32,
    /// `bp_len` in bytes.
    pub bp_len: u64,
    /// `bp_addr`.
    pub place: Place,
}

/// The kind of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `PERF_TYPE_BREAKPOINT`.
    Breakpoint(BreakpointSpec),
    /// `PERF_TYPE_SOFTWARE` with this `config`, as leader or sibling of breakpoints.
    Software(u64),
}

/// A property of a new event besides target and breakpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOption {
    /// `inherit`.
    Inherit,
    /// `inherit_thread`.
    InheritThread,
    /// `pinned`.
    Pinned,
    /// `exclusive`.
    Exclusive,
    /// `disabled`.
    Disabled,
    /// `exclude_user`.
    ExcludeUser,
    /// `exclude_kernel`.
    ExcludeKernel,
    /// `enable_on_exec`.
    EnableOnExec,
    /// `remove_on_exec`.
    RemoveOnExec,
    /// `sigtrap`.
    Sigtrap,
    /// `sample_period`.
    Period(u64),
    /// `sig_data`.
    SigData(u64),
    /// `sample_type`, `PERF_SAMPLE_*` bits.
    SampleType(u64),
    /// Joins the group of an event.
    Group(EventName),
}

/// `perf_event_open`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOp {
    /// The name of the new event.
    pub event: EventName,
    /// What it counts on.
    pub target: OpenTarget,
    /// What it counts.
    pub kind: EventKind,
    /// The rest; at most one of each.
    pub options: Vec<EventOption>,
}

impl OpenOp {
    /// An open of a breakpoint without options.
    #[must_use]
    pub fn breakpoint(event: &str, target: OpenTarget, breakpoint: BreakpointSpec) -> Self {
        let kind = EventKind::Breakpoint(breakpoint);
        Self { event: event.into(), target, kind, options: Vec::new() }
    }
}

impl BreakpointSpec {
    /// Stores to `len` bytes.
    #[must_use]
    pub const fn write(len: u64, place: Place) -> Self {
        Self { bp_type: 2, bp_len: len, place }
    }

    /// Loads of and stores to `len` bytes.
    #[must_use]
    pub const fn read_write(len: u64, place: Place) -> Self {
        Self { bp_type: 3, bp_len: len, place }
    }

    /// Execution, with the length that is asked for (`sizeof(long)`).
    #[must_use]
    pub const fn execute(place: Place) -> Self {
        Self { bp_type: 4, bp_len: 8, place }
    }
}
