//! One pool of interchangeable registers, the same number on every CPU.
//!
//! The state is rule 2.3's: the number of CPU-wide events of each CPU (A), the histograms HC, HA
//! and HT(c), and an index of tasks ([`TaskIndex`]). Every operation on a task's event looks at
//! that task's own counts and at `S` cells per CPU, however many tasks there are. Which event
//! holds what is not known here: [`super::BpSlots`] has one table of that.
//! Source: `max_bp_pinned_slots`, `toggle_bp_slot`, Linux 6.x kernel/events/hw_breakpoint.c.

use std::ops::Range;

use perf_core::{CpuId, Target, TaskId};

use super::histogram::Histogram;
use super::task_index::TaskIndex;

/// What a pool knows about one CPU (`struct bp_cpuinfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BpCpuinfo {
    /// A(c): the number of CPU-wide events.
    pub(super) nr_wide: u32,
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
    pub(super) tasks: TaskIndex,
}

impl SlotPool {
    pub(super) fn new(nr_slots: usize, nr_cpus: usize) -> Self {
        let cpu = BpCpuinfo { nr_wide: 0, tsk_pinned: Histogram::new() };
        Self {
            nr_slots,
            cpus: vec![cpu; nr_cpus],
            cpu_pinned: Histogram::new(),
            tsk_pinned_all: Histogram::new(),
            tasks: TaskIndex::new(nr_cpus),
        }
    }

    /// max over all tasks of N(t, c).
    pub(super) fn max_task_bp_pinned(&self, cpu: usize) -> usize {
        let of_bound = self.cpus.get(cpu).map(|info| &info.tsk_pinned);
        of_bound.map_or(0, |h| h.max_merge(&self.tsk_pinned_all))
    }

    /// A(c).
    pub(super) fn wide_on(&self, cpu: usize) -> usize {
        self.cpus.get(cpu).map_or(0, |info| info.nr_wide as usize)
    }

    /// Slots that are taken, from an event with this target, on the CPU where it matters most
    /// (`max_bp_pinned_slots`, rules 2.3.1 to 2.3.3). The event fits when one more is at most `S`.
    pub(super) fn max_bp_pinned_slots(&self, target: Target) -> usize {
        match target {
            Target::Cpu(cpu) => self.wide_on(cpu.index()) + self.max_task_bp_pinned(cpu.index()),
            Target::Task(task, Some(cpu)) => {
                self.wide_on(cpu.index()) + self.tasks.count_on(task, cpu.index())
            }
            Target::Task(task, None) => match self.tasks.count_everywhere(task) {
                Some(everywhere) => everywhere + self.cpu_pinned.max(),
                None => self.max_over_cpus(task),
            },
        }
    }

    /// What an event with this target finds taken on one CPU.
    pub(super) fn taken_on(&self, target: Target, cpu: CpuId) -> usize {
        let cpu = cpu.index();
        let of_tasks = match target {
            Target::Cpu(_) => self.max_task_bp_pinned(cpu),
            Target::Task(task, _) => self.tasks.count_on(task, cpu),
        };
        self.wide_on(cpu) + of_tasks
    }

    /// max over all possible CPUs of A(c) + N(t, c).
    fn max_over_cpus(&self, task: TaskId) -> usize {
        let taken = |cpu| self.wide_on(cpu) + self.tasks.count_on(task, cpu);
        (0..self.cpus.len()).map(taken).max().unwrap_or(0)
    }

    /// Enters an event that fits.
    pub(super) fn add(&mut self, target: Target) {
        match target {
            Target::Cpu(cpu) => self.toggle_wide(cpu, Toggle::Add),
            Target::Task(task, cpu) => {
                self.toggle_task(task, cpu, Toggle::Add);
                self.tasks.add(task, cpu);
            }
        }
    }

    /// Takes an event out.
    pub(super) fn remove(&mut self, target: Target) {
        match target {
            Target::Cpu(cpu) => self.toggle_wide(cpu, Toggle::Remove),
            Target::Task(task, cpu) => {
                self.tasks.remove(task, cpu);
                self.toggle_task(task, cpu, Toggle::Remove);
            }
        }
    }

    /// Rule 2.3.4.
    fn toggle_wide(&mut self, cpu: CpuId, toggle: Toggle) {
        let Some(info) = self.cpus.get_mut(cpu.index()) else {
            return;
        };
        let taken = info.nr_wide;
        info.nr_wide = match toggle {
            Toggle::Add => taken + 1,
            Toggle::Remove => taken.saturating_sub(1),
        };
        self.cpu_pinned.shift(taken as usize, info.nr_wide as usize);
    }

    /// Moves a task in the histograms. The event concerned is not in the index at this moment
    /// (rule 2.3.6), so all counts are those of the task's other events.
    fn toggle_task(&mut self, task: TaskId, cpu: Option<CpuId>, toggle: Toggle) {
        match (self.tasks.count_everywhere(task), cpu) {
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
            let others = self.tasks.count_on(task, cpu);
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
}
