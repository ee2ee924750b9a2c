//! What `perf_event_open` is told.

use perf_core::attr::abi::AttrFlags;
use perf_core::{CpuId, PerfEventAttr};

use super::{Enabled, EventName, Place, TaskName};

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

    /// The attribute that is asked for; `resolve` knows where places are.
    ///
    /// # Errors
    /// Those of `resolve`.
    pub fn attr<E>(&self, resolve: impl Fn(&Place) -> Result<u64, E>) -> Result<PerfEventAttr, E> {
        let mut attr = match &self.kind {
            EventKind::Breakpoint(spec) => {
                PerfEventAttr::breakpoint(resolve(&spec.place)?, spec.bp_len, spec.bp_type)
            }
            EventKind::Software(config) => PerfEventAttr::software(*config),
        };
        for option in &self.options {
            match option {
                EventOption::Period(period) => attr.sample_period = *period,
                EventOption::SigData(data) => attr.sig_data = *data,
                EventOption::SampleType(bits) => attr.sample_type = *bits,
                EventOption::Group(_) => {}
                flag => attr.flags = attr.flags | flag.attr_flag(),
            }
        }
        Ok(attr)
    }

    /// The event whose group is joined.
    #[must_use]
    pub fn group(&self) -> Option<&EventName> {
        self.options.iter().find_map(|option| match option {
            EventOption::Group(leader) => Some(leader),
            _ => None,
        })
    }
}

impl EventOption {
    /// The flag of an option that is one; no flag for the others.
    #[must_use]
    pub const fn attr_flag(&self) -> AttrFlags {
        match self {
            Self::Inherit => AttrFlags::INHERIT,
            Self::InheritThread => AttrFlags::INHERIT_THREAD,
            Self::Pinned => AttrFlags::PINNED,
            Self::Exclusive => AttrFlags::EXCLUSIVE,
            Self::Disabled => AttrFlags::DISABLED,
            Self::ExcludeUser => AttrFlags::EXCLUDE_USER,
            Self::ExcludeKernel => AttrFlags::EXCLUDE_KERNEL,
            Self::EnableOnExec => AttrFlags::ENABLE_ON_EXEC,
            Self::RemoveOnExec => AttrFlags::REMOVE_ON_EXEC,
            Self::Sigtrap => AttrFlags::SIGTRAP,
            Self::Period(_) | Self::SigData(_) | Self::SampleType(_) | Self::Group(_) => {
                AttrFlags(0)
            }
        }
    }
}

impl BreakpointSpec {
    /// The attribute `old` with this breakpoint at `bp_addr`, as a program passes it to
    /// `PERF_EVENT_IOC_MODIFY_ATTRIBUTES`.
    #[must_use]
    pub fn modified(&self, old: &PerfEventAttr, bp_addr: u64, enabled: Enabled) -> PerfEventAttr {
        let flags = match enabled {
            Enabled::Yes => old.flags.without(AttrFlags::DISABLED),
            Enabled::No => old.flags | AttrFlags::DISABLED,
        };
        let (bp_len, bp_type) = (self.bp_len, self.bp_type);
        PerfEventAttr { bp_addr, bp_len, bp_type, flags, ..old.clone() }
    }

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
