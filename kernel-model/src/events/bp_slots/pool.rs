//! One pool of interchangeable registers, the same number on every CPU.
//!
//! The state is rule 2.3's: the CPU-wide events of each CPU (A), the histograms HC, HA and HT(c),
//! and an index from a task to its events. Every operation on a task's event looks at that task's
//! own events and at `S` cells per CPU, however many tasks there are.
//! Source: `max_bp_pinned_slots`, `toggle_bp_slot`, Linux 6.x kernel/events/hw_breakpoint.c.

use std::collections::BTreeMap;
use std::ops::Range;

use perf_core::{CpuId, EventId, Target, TaskId};

use super::histogram::Histogram;

/// A task's event in the index (`task_bps_ht`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskBp {
    pub(super) event: EventId,
    /// The CPU that it is bound to; `None` for any.
    pub(super) cpu: Option<CpuId>,
}

/// What a pool knows about one CPU (`struct bp_cpuinfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BpCpuinfo {
    /// The CPU-wide events; their number is A(c).
    pub(super) cpu_pinned: Vec<EventId>,
    /// HT(c): tasks that own a CPU-bound event, by their count on this CPU.
    pub(super) tsk_pinned: Histogram,
}

/// Which way a reservation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toggle {
    Add,
    Remove,
}

/// A pool: `S` registers per CPU and who holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotPool {
    pub(super) nr_slots: usize,
    pub(super) cpus: Vec<BpCpuinfo>,
    /// HC: CPUs by their A.
    pub(super) cpu_pinned: Histogram,
    /// HA: tasks without a CPU-bound event, by their count.
    pub(super) tsk_pinned_all: Histogram,
    pub(super) task_bps: BTreeMap<TaskId, Vec<TaskBp>>,
}

impl SlotPool {
    pub(super) fn new(nr_slots: usize, nr_cpus: usize) -> Self {
        let cpu = BpCpuinfo { cpu_pinned: Vec::new(), tsk_pinned: Histogram::new(nr_slots) };
        Self {
            nr_slots,
            cpus: vec![cpu; nr_cpus],
            cpu_pinned: Histogram::new(nr_slots),
            tsk_pinned_all: Histogram::new(nr_slots),
            task_bps: BTreeMap::new(),
        }
    }

    /// The events of `task` in this pool, oldest first.
    pub(super) fn bps_of(&self, task: TaskId) -> &[TaskBp] {
        self.task_bps.get(&task).map_or(&[], Vec::as_slice)
    }

    /// `task_bp_pinned(-1)`: the task's count where it is the same on every CPU, else `None`.
    fn task_bp_pinned_all(&self, task: TaskId) -> Option<usize> {
        let bps = self.bps_of(task);
        bps.iter().all(|bp| bp.cpu.is_none()).then_some(bps.len())
    }

    /// N(t, c): the task's events that may be installed on `cpu`.
    pub(super) fn task_bp_pinned(&self, task: TaskId, cpu: usize) -> usize {
        let here = |bp: &&TaskBp| bp.cpu.is_none_or(|bound| bound.index() == cpu);
        self.bps_of(task).iter().filter(here).count()
    }

    /// max over all tasks of N(t, c).
    pub(super) fn max_task_bp_pinned(&self, cpu: usize) -> usize {
        let of_bound = self.cpus.get(cpu).map(|info| &info.tsk_pinned);
        of_bound.map_or(0, |h| h.max_merge(&self.tsk_pinned_all))
    }

    /// A(c).
    pub(super) fn wide_on(&self, cpu: usize) -> usize {
        self.cpus.get(cpu).map_or(0, |info| info.cpu_pinned.len())
    }

    /// Slots that are taken, from an event with this target, on the CPU where it matters most
    /// (`max_bp_pinned_slots`, rules 2.3.1 to 2.3.3). The event fits when one more is at most `S`.
    pub(super) fn max_bp_pinned_slots(&self, target: Target) -> usize {
        match target {
            Target::Cpu(cpu) => self.wide_on(cpu.index()) + self.max_task_bp_pinned(cpu.index()),
            Target::Task(task, Some(cpu)) => {
                self.wide_on(cpu.index()) + self.task_bp_pinned(task, cpu.index())
            }
            Target::Task(task, None) => match self.task_bp_pinned_all(task) {
                Some(everywhere) => everywhere + self.cpu_pinned.max(),
                None => self.max_over_cpus(task),
            },
        }
    }

    /// max over all possible CPUs of A(c) + N(t, c).
    fn max_over_cpus(&self, task: TaskId) -> usize {
        let taken = |cpu| self.wide_on(cpu) + self.task_bp_pinned(task, cpu);
        (0..self.cpus.len()).map(taken).max().unwrap_or(0)
    }

    /// Enters an event that fits.
    pub(super) fn add(&mut self, event: EventId, target: Target) {
        match target {
            Target::Cpu(cpu) => {
                let Some(info) = self.cpus.get_mut(cpu.index()) else {
                    return;
                };
                let taken = info.cpu_pinned.len();
                self.cpu_pinned.shift(taken, taken + 1);
                info.cpu_pinned.push(event);
            }
            Target::Task(task, cpu) => {
                self.toggle_task(task, cpu, Toggle::Add);
                self.task_bps.entry(task).or_default().push(TaskBp { event, cpu });
            }
        }
    }

    /// Takes an event out.
    pub(super) fn remove(&mut self, event: EventId, target: Target) {
        match target {
            Target::Cpu(cpu) => {
                let Some(info) = self.cpus.get_mut(cpu.index()) else {
                    return;
                };
                let taken = info.cpu_pinned.len();
                self.cpu_pinned.shift(taken, taken.saturating_sub(1));
                info.cpu_pinned.retain(|held| *held != event);
            }
            Target::Task(task, cpu) => {
                if let Some(bps) = self.task_bps.get_mut(&task) {
                    bps.retain(|bp| bp.event != event);
                    if bps.is_empty() {
                        self.task_bps.remove(&task);
                    }
                }
                self.toggle_task(task, cpu, Toggle::Remove);
            }
        }
    }

    /// Moves a task in the histograms. The event concerned is not in the index at this moment
    /// (rule 2.3.6), so all counts are those of the task's other events.
    fn toggle_task(&mut self, task: TaskId, cpu: Option<CpuId>, toggle: Toggle) {
        match (self.task_bp_pinned_all(task), cpu) {
            (Some(others), None) => self.toggle_independent(others, toggle),
            (Some(others), Some(cpu)) => self.toggle_first_bound(others, cpu.index(), toggle),
            (None, cpu) => self.toggle_per_cpu(task, self.mask(cpu), toggle),
        }
    }

    /// Case 1: none of the task's events is bound to a CPU.
    fn toggle_independent(&mut self, others: usize, toggle: Toggle) {
        match toggle {
            Toggle::Add => self.tsk_pinned_all.shift(others, others + 1),
            Toggle::Remove => self.tsk_pinned_all.shift(others + 1, others),
        }
    }

    /// Case 2: this event is the only bound one, so the task moves between HA and the HT(c).
    fn toggle_first_bound(&mut self, others: usize, bound: usize, toggle: Toggle) {
        for (cpu, info) in self.cpus.iter_mut().enumerate() {
            let here = others + usize::from(cpu == bound);
            match toggle {
                Toggle::Add => info.tsk_pinned.shift(0, here),
                Toggle::Remove => info.tsk_pinned.shift(here, 0),
            }
        }
        match toggle {
            Toggle::Add => self.tsk_pinned_all.shift(others, 0),
            Toggle::Remove => self.tsk_pinned_all.shift(0, others),
        }
    }

    /// Case 3: the task has other bound events; its count moves by one where this event counts.
    fn toggle_per_cpu(&mut self, task: TaskId, mask: Range<usize>, toggle: Toggle) {
        for cpu in mask {
            let others = self.task_bp_pinned(task, cpu);
            let Some(info) = self.cpus.get_mut(cpu) else {
                continue;
            };
            match toggle {
                Toggle::Add => info.tsk_pinned.shift(others, others + 1),
                Toggle::Remove => info.tsk_pinned.shift(others + 1, others),
            }
        }
    }

    /// `cpumask_of_bp`: the CPUs on which an event counts.
    fn mask(&self, cpu: Option<CpuId>) -> Range<usize> {
        cpu.map_or(0..self.cpus.len(), |cpu| cpu.index()..cpu.index() + 1)
    }

    /// Whether any slot is held (`hw_breakpoint_is_used`, rule 6.1.5).
    pub(super) fn is_used(&self) -> bool {
        !self.task_bps.is_empty() || self.cpu_pinned.max() > 0
    }
}
