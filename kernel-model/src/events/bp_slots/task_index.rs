//! How many events each task holds, and on which CPUs: N(t, c).
//!
//! The index from a task to its events (`task_bps_ht`), of which the constraints only ever want
//! the numbers. A task without a CPU-bound event, which is nearly every task, is eight bytes; the
//! others have a row of counts besides. Used by [`super::pool`] and [`super::cpu_table`].

use std::num::NonZeroU16;

use perf_core::{CpuId, IdTable, TaskId};

/// A task that holds a slot.
#[derive(Clone, Copy, Debug)]
struct TaskBps {
    /// All its events; a task without any is not in the index.
    nr_events: NonZeroU16,
    /// Those bound to a CPU.
    nr_bound: u16,
    /// Where their counts are, if there are such events.
    row: u32,
}

/// Numbers of events by task and CPU.
#[derive(Clone, Debug)]
pub(super) struct TaskIndex {
    nr_cpus: usize,
    tasks: IdTable<TaskId, TaskBps>,
    /// Counts of CPU-bound events, `nr_cpus` to a row.
    rows: Vec<u16>,
    free_rows: Vec<u32>,
}

impl TaskIndex {
    pub(super) fn new(nr_cpus: usize) -> Self {
        Self { nr_cpus, tasks: IdTable::default(), rows: Vec::new(), free_rows: Vec::new() }
    }

    /// Whether no task has an event.
    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Number of tasks with an event.
    #[cfg(test)]
    pub(super) const fn nr_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// All events of a task, on whatever CPU.
    pub(super) fn count(&self, task: TaskId) -> usize {
        self.tasks.get(task).map_or(0, |bps| usize::from(bps.nr_events.get()))
    }

    /// `task_bp_pinned(-1)`: the task's count where it is the same on every CPU, else `None`.
    pub(super) fn count_everywhere(&self, task: TaskId) -> Option<usize> {
        match self.tasks.get(task) {
            None => Some(0),
            Some(bps) => (bps.nr_bound == 0).then_some(usize::from(bps.nr_events.get())),
        }
    }

    /// N(t, c): the task's events that may be installed on `cpu`.
    pub(super) fn count_on(&self, task: TaskId, cpu: usize) -> usize {
        self.tasks.get(task).map_or(0, |bps| {
            let any_cpu = bps.nr_events.get() - bps.nr_bound;
            let bound = if bps.nr_bound == 0 { 0 } else { self.row(bps.row)[cpu] };
            usize::from(any_cpu + bound)
        })
    }

    /// Enters an event of a task.
    pub(super) fn add(&mut self, task: TaskId, cpu: Option<CpuId>) {
        let mut bps = match self.tasks.get(task) {
            Some(bps) => TaskBps { nr_events: bps.nr_events.saturating_add(1), ..*bps },
            None => TaskBps { nr_events: NonZeroU16::MIN, nr_bound: 0, row: 0 },
        };
        if let Some(cpu) = cpu {
            if bps.nr_bound == 0 {
                bps.row = self.new_row();
            }
            bps.nr_bound += 1;
            self.row_mut(bps.row)[cpu.index()] += 1;
        }
        self.tasks.insert(task, bps);
    }

    /// Takes an event of a task out, one that [`TaskIndex::add`] entered.
    pub(super) fn remove(&mut self, task: TaskId, cpu: Option<CpuId>) {
        let Some(mut bps) = self.tasks.get(task).copied() else {
            debug_assert!(false, "{task} has no event");
            return;
        };
        if let Some(cpu) = cpu {
            self.row_mut(bps.row)[cpu.index()] -= 1;
            bps.nr_bound -= 1;
            if bps.nr_bound == 0 {
                self.free_rows.push(bps.row);
            }
        }
        match NonZeroU16::new(bps.nr_events.get() - 1) {
            Some(nr_events) => {
                self.tasks.insert(task, TaskBps { nr_events, ..bps });
            }
            None => {
                self.tasks.remove(task);
            }
        }
    }

    fn row(&self, row: u32) -> &[u16] {
        let at = row as usize * self.nr_cpus;
        &self.rows[at..at + self.nr_cpus]
    }

    fn row_mut(&mut self, row: u32) -> &mut [u16] {
        let at = row as usize * self.nr_cpus;
        &mut self.rows[at..at + self.nr_cpus]
    }

    /// A row of zeros: rows are given back when all their counts are 0.
    fn new_row(&mut self) -> u32 {
        self.free_rows.pop().unwrap_or_else(|| {
            let row = self.rows.len() / self.nr_cpus;
            self.rows.resize(self.rows.len() + self.nr_cpus, 0);
            row as u32
        })
    }
}

/// Equal counts; rows may lie elsewhere.
impl PartialEq for TaskIndex {
    fn eq(&self, other: &Self) -> bool {
        let counts = |index: &Self, task| -> Vec<usize> {
            (0..index.nr_cpus).map(|cpu| index.count_on(task, cpu)).collect()
        };
        self.nr_cpus == other.nr_cpus
            && self.tasks.ids().eq(other.tasks.ids())
            && self.tasks.ids().all(|task| {
                self.count(task) == other.count(task) && counts(self, task) == counts(other, task)
            })
    }
}

impl Eq for TaskIndex {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_eight_bytes() {
        assert_eq!(size_of::<Option<TaskBps>>(), 8);
    }

    #[test]
    fn rows_come_and_go() {
        let (task, other) = (TaskId(3), TaskId(900));
        let mut index = TaskIndex::new(2);
        index.add(task, None);
        assert_eq!(index.count_everywhere(task), Some(1));
        index.add(task, Some(CpuId(1)));
        index.add(other, Some(CpuId(0)));
        assert_eq!((index.count_everywhere(task), index.count(task)), (None, 2));
        assert_eq!([0, 1].map(|cpu| index.count_on(task, cpu)), [1, 2]);
        assert_eq!([0, 1].map(|cpu| index.count_on(other, cpu)), [1, 0]);
        index.remove(task, Some(CpuId(1)));
        assert_eq!(index.count_everywhere(task), Some(1));
        index.add(TaskId(4), Some(CpuId(0)));
        assert_eq!(index.rows.len(), 4, "the free row is used again");
        index.remove(TaskId(4), Some(CpuId(0)));
        index.remove(other, Some(CpuId(0)));
        index.remove(task, None);
        assert!(index.is_empty() && index == TaskIndex::new(2));
    }
}
