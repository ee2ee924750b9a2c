//! The table of slots between the seed commit and 3.11 (rules 2.4.4 to 2.4.11).
//!
//! Each CPU has its number of CPU-wide events, A(c), and a histogram of the tasks that may run on
//! it by their number of events. The defects B1 to B3 and C1, C2 are switches; with all of them
//! off the answers are those of 6.x, at the cost of a walk over the CPUs, which is what 3.11 to
//! 6.0 did.
//! Source: `fetch_bp_busy_slots`, `toggle_bp_task_slot`, kernel/hw_breakpoint.c at ba1c813a6b9a
//! and kernel/events/hw_breakpoint.c at 29c798fe.

use std::collections::BTreeSet;

use perf_core::{CpuId, Defect, Defects, Target, TaskId};

use super::CpuPower;
use super::histogram::Histogram;
use super::task_index::TaskIndex;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CpuRow {
    /// A(c).
    nr_wide: usize,
    /// Tasks by their number of events.
    tsk_pinned: Histogram,
    power: CpuPower,
}

/// The table of one pool of registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CpuTable {
    nr_slots: usize,
    defects: Defects,
    cpus: Vec<CpuRow>,
    tasks: TaskIndex,
    /// Tasks that have exited and whose events live on.
    exited: BTreeSet<TaskId>,
}

/// Which way a reservation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toggle {
    Add,
    Remove,
}

impl CpuTable {
    pub(super) fn new(nr_slots: usize, nr_cpus: usize, defects: Defects) -> Self {
        let row = CpuRow { nr_wide: 0, tsk_pinned: Histogram::new(), power: CpuPower::Online };
        Self {
            nr_slots,
            defects,
            cpus: vec![row; nr_cpus],
            tasks: TaskIndex::new(nr_cpus),
            exited: BTreeSet::new(),
        }
    }

    pub(super) const fn nr_slots(&self) -> usize {
        self.nr_slots
    }

    pub(super) fn nr_cpus(&self) -> usize {
        self.cpus.len()
    }

    /// B1: whether other tasks stand in a task's way.
    pub(super) const fn looks_at_others(&self) -> bool {
        self.defects.has(Defect::TaskLimitedByOthers)
    }

    /// Whether one more is too much. The check of B1's time is for equality (rule 2.4.4), so a
    /// table that says too much lets events in; later it is an inequality (rule 2.4.9).
    pub(super) const fn is_full(&self, taken: usize) -> bool {
        if self.looks_at_others() { taken == self.nr_slots } else { taken + 1 > self.nr_slots }
    }

    /// Slots taken on the CPU of an event's where it matters most (`fetch_bp_busy_slots`).
    pub(super) fn max_bp_pinned_slots(&self, target: Target) -> usize {
        let taken = |cpu| self.taken_on(target, cpu);
        self.mask(target.cpu()).map(taken).max().unwrap_or(0)
    }

    /// What an event with this target finds taken on one CPU.
    pub(super) fn taken_on(&self, target: Target, cpu: usize) -> usize {
        let row = &self.cpus[cpu];
        let of_tasks = match target {
            Target::Task(task, _) if !self.looks_at_others() => {
                let ignores_cpu = self.defects.has(Defect::TaskCountIgnoresCpu);
                self.count(task, cpu, ignores_cpu)
            }
            Target::Task(..) | Target::Cpu(_) => row.tsk_pinned.max(),
        };
        row.nr_wide + of_tasks
    }

    /// `task_bp_pinned`.
    fn count(&self, task: TaskId, cpu: usize, ignores_cpu: bool) -> usize {
        if ignores_cpu { self.tasks.count(task) } else { self.tasks.count_on(task, cpu) }
    }

    /// The CPUs that an event is entered for: its own, or all possible ones; with B3 those that
    /// are online now, which need not be those it is taken out for.
    fn mask(&self, cpu: Option<CpuId>) -> impl Iterator<Item = usize> + use<> {
        let online_only = self.defects.has(Defect::OnlineCpusOnly);
        let counts = |at: &usize| match cpu {
            Some(bound) => *at == bound.index(),
            None => !online_only || self.cpus[*at].power == CpuPower::Online,
        };
        (0..self.cpus.len()).filter(counts).collect::<Vec<_>>().into_iter()
    }

    pub(super) fn add(&mut self, target: Target) {
        match target {
            Target::Cpu(cpu) => self.cpus[cpu.index()].nr_wide += 1,
            Target::Task(task, cpu) => {
                self.toggle_bp_task_slot(task, cpu, Toggle::Add);
                self.tasks.add(task, cpu);
            }
        }
    }

    pub(super) fn remove(&mut self, target: Target) {
        match target {
            Target::Cpu(cpu) => self.cpus[cpu.index()].nr_wide -= 1,
            Target::Task(task, cpu) => {
                self.tasks.remove(task, cpu);
                self.toggle_bp_task_slot(task, cpu, Toggle::Remove);
                if self.tasks.count(task) == 0 {
                    self.exited.remove(&task);
                }
            }
        }
    }

    /// The event is gone from its task and not from the table.
    pub(super) fn leak(&mut self, target: Target) {
        if let Target::Task(task, cpu) = target {
            self.tasks.remove(task, cpu);
        }
    }

    /// The count is that of the task's other events, from its perf context: of a task that has
    /// exited there is none, and B2 leaves the table alone.
    fn toggle_bp_task_slot(&mut self, task: TaskId, cpu: Option<CpuId>, toggle: Toggle) {
        let no_context = self.exited.contains(&task);
        if no_context && self.defects.has(Defect::ExitedTaskNotReleased) {
            return;
        }
        let ignores_cpu = self.defects.has(Defect::HistogramCorruption);
        for cpu in self.mask(cpu) {
            let others = self.count(task, cpu, ignores_cpu);
            let (from, to) = match toggle {
                Toggle::Add => (others, others + 1),
                Toggle::Remove => (others + 1, others),
            };
            self.cpus[cpu].tsk_pinned.shift_unchecked(from, to);
        }
    }

    pub(super) fn task_exited(&mut self, task: TaskId) {
        if self.tasks.count(task) > 0 {
            self.exited.insert(task);
        }
    }

    pub(super) fn set_cpu_power(&mut self, cpu: CpuId, power: CpuPower) {
        if let Some(row) = self.cpus.get_mut(cpu.index()) {
            row.power = power;
        }
    }

    /// The cells of a CPU's histogram.
    #[cfg(test)]
    pub(super) fn cells(&self, cpu: usize) -> &[u32] {
        self.cpus[cpu].tsk_pinned.cells()
    }
}
