//! The border to the hardware: [`Pmu`] is what perf core asks of whoever owns the counters or
//! registers behind an event type, [`Pmus`] all of them together. Perf core calls a PMU while it
//! schedules and reads, and never anywhere else.
//!
//! Neighbours: `sched` calls `add`/`del` and `install` `event_init`/`destroy` through `pmu_ops`,
//! `modify` calls `parse`/`modify`. Source: `struct pmu`, Linux 6.x include/linux/perf_event.h.

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

/// Where the counts of a PMU's events come from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counting {
    /// Every hit is reported through [`crate::Perf::event_hit`].
    Hits,
    /// The PMU counts by itself: [`Pmu::read`] tells how much, and the end of a sampling period
    /// is reported through [`crate::Perf::counter_interrupt`].
    Counters,
}

/// The PMU an event belongs to. PMU contexts are re-run one by one (rule 3.2.5), so which events
/// share a PMU is visible. Ordered as Linux orders them, by type number: software 1, cpu 4,
/// breakpoint 5, then the clocks, whose numbers are allocated at boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PmuId {
    /// `perf_swevent`: dummy, page faults, context switches and the like.
    Swevent,
    /// `cpu`: the processor's counters, behind [`Pmu`].
    Cpu,
    /// `perf_breakpoint`: the debug registers, behind [`Pmu`].
    Breakpoint,
    /// `perf_cpu_clock`.
    CpuClock,
    /// `perf_task_clock`.
    TaskClock,
}

impl PmuId {
    /// Number of PMUs.
    pub(crate) const COUNT: usize = 5;

    /// Whether the PMU is one behind [`Pmu`], and not one of perf core's own.
    #[must_use]
    pub const fn is_external(self) -> bool {
        matches!(self, PmuId::Cpu | PmuId::Breakpoint)
    }
}

/// Something for each PMU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PerPmu<T>([T; PmuId::COUNT]);

impl<T> std::ops::Index<PmuId> for PerPmu<T> {
    type Output = T;
    fn index(&self, pmu: PmuId) -> &T {
        &self.0[pmu as usize]
    }
}

impl<T> std::ops::IndexMut<PmuId> for PerPmu<T> {
    fn index_mut(&mut self, pmu: PmuId) -> &mut T {
        &mut self.0[pmu as usize]
    }
}

impl PerPmu<bool> {
    /// Whether it holds of any PMU.
    pub(crate) fn any(&self) -> bool {
        self.0.contains(&true)
    }
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
    /// How many events of this PMU the group has that the event is to join; 0 for a leader. A
    /// group that can never be on the hardware as a whole is refused (`validate_group`).
    pub nr_in_group: usize,
}

/// A performance monitoring unit: the owner of hardware that events are put on.
pub trait Pmu {
    /// Which one it is; [`PmuId::is_external`] holds.
    fn id(&self) -> PmuId;

    /// Whether it serves events of this `attr.type`.
    fn serves(&self, attr_type: u32) -> bool;

    /// The class of this PMU's events.
    fn class(&self) -> PmuClass;

    /// Where its events' counts come from.
    fn counting(&self) -> Counting;

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
    /// (`hw_breakpoint_parse`). EOPNOTSUPP from a PMU whose events cannot be changed.
    fn parse(&mut self, _event: EventId, _new: &PerfEventAttr) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Second half: the event is off the hardware and `new` passed [`Pmu::parse`]; change the
    /// reservation if its kind changes, and commit. On `Err` nothing has changed.
    fn modify(
        &mut self,
        _event: EventId,
        _old: &PerfEventAttr,
        _new: &PerfEventAttr,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Occurrences counted by hardware since the event was added or last read. 0 for a PMU whose
    /// events count by [`Counting::Hits`].
    fn read(&mut self, cpu: CpuId, event: EventId) -> u64;
}

/// The PMUs behind the border. A lone [`Pmu`] is one of these too.
pub trait Pmus {
    /// The PMU with this id; `None` when the machine has none.
    fn pmu(&mut self, id: PmuId) -> Option<&mut dyn Pmu>;

    /// The PMU that serves events of this `attr.type`; `None` is ENOENT.
    fn serving(&mut self, attr_type: u32) -> Option<&mut dyn Pmu>;
}

impl<P: Pmu> Pmus for P {
    fn pmu(&mut self, id: PmuId) -> Option<&mut dyn Pmu> {
        if self.id() == id { Some(self) } else { None }
    }

    fn serving(&mut self, attr_type: u32) -> Option<&mut dyn Pmu> {
        if self.serves(attr_type) { Some(self) } else { None }
    }
}
