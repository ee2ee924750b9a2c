//! The border to the hardware: [`Pmu`] is what perf core asks of whoever owns the counters or
//! registers behind an event type. Perf core calls it while scheduling and never anywhere else.
//!
//! Neighbours: `sched` calls `add`/`del`, `install` calls `event_init`/`destroy`, `ioctl` calls
//! `parse`/`modify`. Source: `struct pmu`, Linux 6.x include/linux/perf_event.h.

use crate::attr::PerfEventAttr;
use crate::errno::Errno;
use crate::ids::{CpuId, EventId, HandlerId, TaskId};

/// How the core's group admission treats a PMU's events (rule 3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PmuClass {
    /// `perf_sw_context`: a group of only such events may always be tried.
    Software,
    /// `perf_hw_context`: `exclusive` and "an earlier group failed" keep a group out.
    Hardware,
}

/// Whether a PMU's events may hit in NMI-like context (absence of `PERF_PMU_CAP_NO_NMI`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NmiSafety {
    /// Hits come from NMI-like context: the event clock must be NMI safe.
    Needed,
    /// Hits never come from NMI-like context.
    NotNeeded,
}

/// The PMU an event belongs to. PMU contexts are re-run one by one (rule 3.2.5), so which events
/// share a PMU is visible. Ordered as Linux orders them, by type number: software 1, breakpoint
/// 5, then the clocks, whose numbers are allocated at boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PmuId {
    /// `perf_swevent`: dummy, page faults, context switches and the like.
    Swevent,
    /// The PMU behind [`Pmu`].
    External,
    /// `perf_cpu_clock`.
    CpuClock,
    /// `perf_task_clock`.
    TaskClock,
}

/// What a PMU is told about an event that is being created.
#[derive(Clone, Copy, Debug)]
pub struct EventInit<'a> {
    /// The attributes; size and generic checks have passed.
    pub attr: &'a PerfEventAttr,
    /// The target task; `None` for a CPU-wide event.
    pub task: Option<TaskId>,
    /// The CPU the event is bound to; `None` for any (then `task` is set).
    pub cpu: Option<CpuId>,
    /// The root event when this is an inherited copy made at fork.
    pub parent: Option<EventId>,
    /// The in-kernel overflow handler of a kernel counter.
    pub handler: Option<HandlerId>,
}

/// A performance monitoring unit: the owner of hardware that events are put on.
pub trait Pmu {
    /// The `attr.type` values this PMU serves.
    fn serves(&self, attr_type: u32) -> bool;

    /// The class of this PMU's events.
    fn class(&self) -> PmuClass;

    /// Whether hits may come from NMI-like context.
    fn nmi_safety(&self) -> NmiSafety;

    /// Creates an event: validates it for this PMU and reserves what it needs for its whole
    /// life. On `Ok`, [`Pmu::destroy`] follows exactly once; on `Err` nothing is kept.
    fn event_init(&mut self, event: EventId, init: &EventInit<'_>) -> Result<(), Errno>;

    /// Installs the event on the hardware of `cpu`. `EBUSY` when there is no room. A sampling
    /// event's period has been set up already.
    fn add(&mut self, cpu: CpuId, event: EventId, attr: &PerfEventAttr) -> Result<(), Errno>;

    /// Takes an installed event off the hardware of `cpu`.
    fn del(&mut self, cpu: CpuId, event: EventId);

    /// The event object dies: give back what [`Pmu::event_init`] reserved.
    fn destroy(&mut self, event: EventId);

    /// First half of a change in place: validate `new` for this event, change nothing
    /// (`hw_breakpoint_parse`).
    fn parse(&mut self, event: EventId, new: &PerfEventAttr) -> Result<(), Errno>;

    /// Second half: the event is off the hardware and `new` passed [`Pmu::parse`]; change the
    /// reservation if its kind changes, and commit. On `Err` nothing has changed.
    fn modify(
        &mut self,
        event: EventId,
        old: &PerfEventAttr,
        new: &PerfEventAttr,
    ) -> Result<(), Errno>;

    /// Occurrences counted by hardware since the last call, for a PMU with counters of its own.
    /// 0 for a PMU whose events count through [`crate::Perf::event_hit`].
    fn read(&mut self, cpu: CpuId, event: EventId) -> u64;
}
