//! Contexts: the groups that belong to one CPU or one task, their order, and their clock.
//!
//! Source: `struct perf_event_context`, Linux 6.x include/linux/perf_event.h.

use crate::ids::{CpuId, EventId, TaskId};
use crate::pmu::PerPmu;

/// The two classes of groups; pinned ones are installed first (rule 3.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GroupClass {
    Pinned,
    Flexible,
}

/// Events of one CPU or one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// Every event, leaders and siblings, oldest first.
    pub(crate) events: Vec<EventId>,
    /// Leaders of pinned groups in scheduling order.
    pub(crate) pinned_groups: Vec<EventId>,
    /// Leaders of flexible groups in scheduling order; rotation moves the first active one last.
    pub(crate) flexible_groups: Vec<EventId>,
    /// The context's clock in ns: runs while the context is on a CPU.
    pub(crate) time: u64,
    /// When `time` was last brought up to date (ns of the perf clock).
    pub(crate) timestamp: u64,
    /// The CPU the context is live on.
    pub(crate) on_cpu: Option<CpuId>,
    /// A flexible group of the PMU found no room since the last rotation.
    pub(crate) rotate_necessary: PerPmu<bool>,
}

impl Context {
    pub(crate) fn groups(&self, class: GroupClass) -> &Vec<EventId> {
        match class {
            GroupClass::Pinned => &self.pinned_groups,
            GroupClass::Flexible => &self.flexible_groups,
        }
    }

    pub(crate) fn groups_mut(&mut self, class: GroupClass) -> &mut Vec<EventId> {
        match class {
            GroupClass::Pinned => &mut self.pinned_groups,
            GroupClass::Flexible => &mut self.flexible_groups,
        }
    }

    /// The context's time at `now` (`perf_event_time_now`).
    pub(crate) fn time_at(&self, now: u64) -> u64 {
        if self.on_cpu.is_some() {
            self.time + now.saturating_sub(self.timestamp)
        } else {
            self.time
        }
    }

    /// Brings the clock up to `now` (`update_context_time`). A clock that seems to run backwards
    /// (skew between CPUs) stands still instead.
    pub(crate) fn update_time(&mut self, now: u64) {
        self.time = self.time_at(now);
        self.timestamp = self.timestamp.max(now);
    }

    /// The context goes live on `cpu`: its clock starts.
    pub(crate) fn start_clock(&mut self, cpu: CpuId, now: u64) {
        self.timestamp = now;
        self.on_cpu = Some(cpu);
    }

    /// The context leaves its CPU: its clock stops.
    pub(crate) fn stop_clock(&mut self, now: u64) {
        self.update_time(now);
        self.on_cpu = None;
    }
}

/// What perf core keeps for a CPU (`struct perf_cpu_context`).
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuState {
    pub(crate) context: Context,
    /// The running task, whether or not it has events.
    pub(crate) current: Option<TaskId>,
    /// Active software events, in the order they were added.
    pub(crate) swevents: Vec<EventId>,
    /// Active hardware-class events, by the PMU they are scheduled in (`active_oncpu`).
    pub(crate) active_hardware: PerPmu<u32>,
    /// An exclusive event is on, by PMU.
    pub(crate) exclusive: PerPmu<bool>,
    /// Active events that count without being told of every hit: counters and clocks.
    pub(crate) active_counters: u32,
    /// Ticks seen, for throttling.
    pub(crate) throttled_seq: u64,
}
