//! The definition of section 2.1, computed from the list of live events every time.

use perf_core::{CpuId, EventId, Target, TaskId};

use crate::events::bp_slots::{BpTypeIdx, RegisterPools};

/// A live event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) event: EventId,
    pub(super) target: Target,
    pub(super) idx: BpTypeIdx,
}

/// The list of live events, and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Twin {
    pub(super) registers: RegisterPools,
    pub(super) nr_cpus: u32,
    pub(super) live: Vec<Live>,
}

impl Twin {
    pub(super) fn new(registers: RegisterPools, nr_cpus: u32) -> Self {
        Self { registers, nr_cpus, live: Vec::new() }
    }

    pub(super) fn slots(&self, idx: BpTypeIdx) -> usize {
        match (self.registers, idx) {
            (RegisterPools::Mixed { slots }, _) => slots,
            (RegisterPools::Separate { data, .. }, BpTypeIdx::Data) => data,
            (RegisterPools::Separate { inst, .. }, BpTypeIdx::Inst) => inst,
        }
    }

    fn same_pool(&self, a: BpTypeIdx, b: BpTypeIdx) -> bool {
        matches!(self.registers, RegisterPools::Mixed { .. }) || a == b
    }

    pub(super) fn in_pool(&self, idx: BpTypeIdx) -> impl Iterator<Item = &Live> {
        self.live.iter().filter(move |live| self.same_pool(live.idx, idx))
    }

    /// A(c).
    pub(super) fn a(&self, idx: BpTypeIdx, cpu: CpuId) -> usize {
        self.in_pool(idx).filter(|live| live.target == Target::Cpu(cpu)).count()
    }

    /// N(t, c).
    pub(super) fn n(&self, idx: BpTypeIdx, task: TaskId, cpu: CpuId) -> usize {
        let counts = |target: Target| {
            target == Target::Task(task, None) || target == Target::Task(task, Some(cpu))
        };
        self.in_pool(idx).filter(|live| counts(live.target)).count()
    }

    /// Tasks with a live event.
    pub(super) fn tasks(&self, idx: BpTypeIdx) -> Vec<TaskId> {
        let mut tasks: Vec<_> = self.in_pool(idx).filter_map(|live| live.target.task()).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    pub(super) fn max_n(&self, idx: BpTypeIdx, cpu: CpuId) -> usize {
        let of = |task| self.n(idx, task, cpu);
        self.tasks(idx).into_iter().map(of).max().unwrap_or(0)
    }

    pub(super) fn cpus(&self) -> impl Iterator<Item = CpuId> + use<> {
        (0..self.nr_cpus).map(CpuId)
    }

    /// Rules 2.1.1 to 2.1.3: slots needed by one more event.
    pub(super) fn needed(&self, idx: BpTypeIdx, target: Target) -> usize {
        let taken = match target {
            Target::Cpu(cpu) => self.a(idx, cpu) + self.max_n(idx, cpu),
            Target::Task(task, Some(cpu)) => self.a(idx, cpu) + self.n(idx, task, cpu),
            Target::Task(task, None) => {
                let on = |cpu| self.a(idx, cpu) + self.n(idx, task, cpu);
                self.cpus().map(on).max().unwrap_or(0)
            }
        };
        taken + 1
    }

    pub(super) fn admits(&self, idx: BpTypeIdx, target: Target) -> bool {
        self.needed(idx, target) <= self.slots(idx)
    }
}
