//! One perf event: its state, its place in a group and a context, its counts and times.
//!
//! Fields are the core's own business; the accessors are what a caller may look at.
//! Source: `struct perf_event`, Linux 6.x include/linux/perf_event.h.

use crate::attr::PerfEventAttr;
use crate::attr::abi::AttrFlags;
use crate::clock::EventClock;
use crate::ids::{BufferId, CpuId, EventId, HandlerId, TaskId};
use crate::owner::Owner;
use crate::pmu::{Counting, PmuClass, PmuId};

/// States of an event, with Linux's numbers (rule 3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i8)]
pub enum EventState {
    /// Its descriptor is closed.
    Dead = -4,
    /// Its target is gone (exit, remove_on_exec).
    Exit = -3,
    /// Pinned and could not be installed.
    Error = -2,
    /// Disabled.
    Off = -1,
    /// Wants to run.
    Inactive = 0,
    /// Installed on a CPU now.
    Active = 1,
}

impl EventState {
    /// Linux's number, -4..=1.
    #[must_use]
    pub const fn number(self) -> i8 {
        self as i8
    }
}

/// What an event counts on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// Everything on one CPU.
    Cpu(CpuId),
    /// One task, on any CPU or on one only.
    Task(TaskId, Option<CpuId>),
}

impl Target {
    /// The target task.
    #[must_use]
    pub const fn task(self) -> Option<TaskId> {
        match self {
            Target::Cpu(_) => None,
            Target::Task(task, _) => Some(task),
        }
    }

    /// The CPU the event is bound to.
    #[must_use]
    pub const fn cpu(self) -> Option<CpuId> {
        match self {
            Target::Cpu(cpu) => Some(cpu),
            Target::Task(_, cpu) => cpu,
        }
    }
}

/// A context: the events that come and go with one CPU or one task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ContextId {
    /// CPU-wide events of a CPU.
    Cpu(CpuId),
    /// Events of a task.
    Task(TaskId),
}

/// Sampling state (`struct hw_perf_event`), rule 3.5.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampling {
    /// Period in force from the next interval on.
    pub(crate) sample_period: u64,
    /// Period of the current interval.
    pub(crate) last_period: u64,
    /// Minus the hits still to come in this interval; of a counter, what is still to come.
    pub(crate) period_left: i64,
    /// `PERF_HES_STOPPED`: installed but hits are ignored.
    pub(crate) stopped: bool,
    /// Overflows in the tick `interrupts_seq`; `MAX_INTERRUPTS` while throttled.
    pub(crate) interrupts: u64,
    /// Tick in which `interrupts` was counted.
    pub(crate) interrupts_seq: u64,
    /// Time of the last overflow, for frequency mode.
    pub(crate) freq_time_stamp: u64,
    /// Count at the last tick, for frequency mode.
    pub(crate) freq_count_stamp: u64,
    /// Clock reading up to which a clock event has counted.
    pub(crate) prev_count: u64,
}

/// Times in ns (rule 3.4). `tstamp` is in the time of the context.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) tstamp: u64,
    pub(crate) enabled: u64,
    pub(crate) running: u64,
    pub(crate) child_enabled: u64,
    pub(crate) child_running: u64,
}

/// A perf event.
#[derive(Clone, Debug)]
pub struct PerfEvent {
    pub(crate) id: u64,
    pub(crate) attr: PerfEventAttr,
    pub(crate) target: Target,
    pub(crate) pmu: PmuId,
    pub(crate) class: PmuClass,
    pub(crate) counting: Counting,
    /// PMU context the event is scheduled in: its own, or the hardware PMU's for a software
    /// event in a hardware group.
    pub(crate) sched_pmu: PmuId,
    pub(crate) clock: EventClock,
    pub(crate) state: EventState,
    pub(crate) oncpu: Option<CpuId>,
    /// Context the event is installed in; `None` before installation and after removal.
    pub(crate) context: Option<ContextId>,
    /// The task's context has ended (`TASK_TOMBSTONE`): what is done to an event where it runs
    /// no longer reaches it.
    pub(crate) context_ended: bool,
    /// Root event of an inherited copy.
    pub(crate) parent: Option<EventId>,
    /// Live inherited copies, oldest first. Only on root events.
    pub(crate) children: Vec<EventId>,
    pub(crate) group_leader: EventId,
    pub(crate) siblings: Vec<EventId>,
    /// Changes with the group's membership, so that copies of an older shape are noticed.
    pub(crate) group_generation: u32,
    pub(crate) count: u64,
    pub(crate) child_count: u64,
    pub(crate) times: Times,
    pub(crate) hw: Sampling,
    /// Overflows left before the event switches itself off; 0 for no limit.
    pub(crate) event_limit: i32,
    /// Switch the event off when it is next taken off its CPU, or by `pending_disable`.
    pub(crate) pending_disable: bool,
    /// A SIGTRAP is queued for the hitting task and not yet delivered.
    pub(crate) pending_work: Option<u64>,
    pub(crate) handler: Option<HandlerId>,
    pub(crate) owner: Option<Owner>,
    pub(crate) rb: Option<BufferId>,
    pub(crate) mmap_count: u32,
    pub(crate) lost_samples: u64,
}

impl PerfEvent {
    /// The user-visible id (rule 3.7, ID): consecutive per creation, copies have their own.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }
    /// Current attributes.
    #[must_use]
    pub const fn attr(&self) -> &PerfEventAttr {
        &self.attr
    }
    /// What the event counts on.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }
    /// Which PMU it belongs to.
    #[must_use]
    pub const fn pmu(&self) -> PmuId {
        self.pmu
    }
    /// Its state.
    #[must_use]
    pub const fn state(&self) -> EventState {
        self.state
    }
    /// The CPU it is installed on.
    #[must_use]
    pub const fn oncpu(&self) -> Option<CpuId> {
        self.oncpu
    }
    /// Root event of an inherited copy.
    #[must_use]
    pub const fn parent(&self) -> Option<EventId> {
        self.parent
    }
    /// Live inherited copies, oldest first.
    #[must_use]
    pub fn children(&self) -> &[EventId] {
        &self.children
    }
    /// The group's leader (the event itself when alone).
    #[must_use]
    pub const fn group_leader(&self) -> EventId {
        self.group_leader
    }
    /// The other members, when this is a leader.
    #[must_use]
    pub fn siblings(&self) -> &[EventId] {
        &self.siblings
    }
    /// Own count, without copies.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
    /// In-kernel overflow handler.
    #[must_use]
    pub const fn handler(&self) -> Option<HandlerId> {
        self.handler
    }
    /// The task that opened it; `None` for kernel counters, copies, and after the opener exits.
    #[must_use]
    pub fn owner(&self) -> Option<TaskId> {
        self.owner.map(|owner| owner.task)
    }
    /// The buffer its records go to (a copy's records go to its root's).
    #[must_use]
    pub const fn buffer(&self) -> Option<BufferId> {
        self.rb
    }
    /// Whether the PMU-level stopped flag is set (rule 3.5.9).
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.hw.stopped
    }

    /// Whether it counts without being told of every hit: a counter or a clock.
    pub(crate) fn counts_by_itself(&self) -> bool {
        self.counting == Counting::Counters
            || matches!(self.pmu, PmuId::CpuClock | PmuId::TaskClock)
    }
    pub(crate) fn is_pinned(&self) -> bool {
        self.attr.has(AttrFlags::PINNED)
    }
    pub(crate) fn in_freq_mode(&self) -> bool {
        self.attr.has(AttrFlags::FREQ) && self.attr.sample_period != 0
    }
}
