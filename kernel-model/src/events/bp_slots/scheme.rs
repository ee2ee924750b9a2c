//! Which rules hand the slots out: those of 6.x, or of an older generation (section 2.4).
//!
//! S1 chooses the seed commit's counter whatever the generation is. Without it 2.6.33 has the
//! table that followed; 6.x has it only where one of the table's own defects is switched on.

use perf_core::{CpuId, Defect, Defects, Generation, Target, TaskId};

use super::cpu_table::CpuTable;
use super::pool::SlotPool;
use super::unit_counter::UnitCounter;
use super::{BpTypeIdx, CpuPower, RegisterPools, Reservation, SlotError, SlotRefusal};

/// The state of the slots. Pools are by kind of register, or one for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// 6.x (section 2.3).
    Constraints(Vec<SlotPool>),
    /// 2.6.33 to 3.10 (rules 2.4.4 to 2.4.11).
    CpuTable(Vec<CpuTable>),
    /// The seed commit (rules 2.4.1 to 2.4.3).
    UnitCounter(UnitCounter),
}

/// Whose events may stand in the way of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InTheWay {
    /// Those of its own task, and CPU-wide ones.
    OwnTask,
    /// Those that count on one CPU.
    OnCpu(CpuId),
    /// Any.
    All,
}

/// Defects that only the table can have.
const OF_THE_TABLE: [Defect; 5] = [
    Defect::TaskLimitedByOthers,
    Defect::ExitedTaskNotReleased,
    Defect::OnlineCpusOnly,
    Defect::TaskCountIgnoresCpu,
    Defect::HistogramCorruption,
];

impl Scheme {
    pub(super) fn new(
        registers: RegisterPools,
        nr_cpus: usize,
        generation: Generation,
        defects: Defects,
    ) -> Self {
        let sizes = match registers {
            RegisterPools::Mixed { slots } => vec![slots],
            RegisterPools::Separate { data, inst } => vec![data, inst],
        };
        let in_table = OF_THE_TABLE.into_iter().any(|defect| defects.has(defect));
        if defects.has(Defect::GlobalSlotCounter) {
            Self::UnitCounter(UnitCounter::new(sizes.iter().sum(), nr_cpus, defects))
        } else if generation == Generation::V2_6_33 || in_table {
            let table = |slots: &usize| CpuTable::new(*slots, nr_cpus, defects);
            Self::CpuTable(sizes.iter().map(table).collect())
        } else {
            let pool = |slots: &usize| SlotPool::new(*slots, nr_cpus);
            Self::Constraints(sizes.iter().map(pool).collect())
        }
    }

    /// Index of the pool that serves a kind: with one pool, that one.
    fn pool_index(&self, idx: BpTypeIdx) -> usize {
        let nr_pools = match self {
            Self::Constraints(pools) => pools.len(),
            Self::CpuTable(tables) => tables.len(),
            Self::UnitCounter(_) => 1,
        };
        (idx as usize).min(nr_pools - 1)
    }

    pub(super) fn same_pool(&self, a: BpTypeIdx, b: BpTypeIdx) -> bool {
        self.pool_index(a) == self.pool_index(b)
    }

    /// Number of possible CPUs.
    pub(super) fn nr_cpus(&self) -> usize {
        match self {
            Self::Constraints(pools) => pools[0].cpus.len(),
            Self::CpuTable(tables) => tables[0].nr_cpus(),
            Self::UnitCounter(counter) => counter.nr_cpus(),
        }
    }

    /// What an event with this target finds: slots taken and there, and whether one more is too
    /// many.
    pub(super) fn find(&self, target: Target, idx: BpTypeIdx) -> (SlotRefusal, bool) {
        let pool = self.pool_index(idx);
        let (taken, slots, is_full) = match self {
            Self::Constraints(pools) => {
                let (taken, slots) =
                    (pools[pool].max_bp_pinned_slots(target), pools[pool].nr_slots);
                (taken, slots, taken + 1 > slots)
            }
            Self::CpuTable(tables) => {
                let taken = tables[pool].max_bp_pinned_slots(target);
                (taken, tables[pool].nr_slots(), tables[pool].is_full(taken))
            }
            Self::UnitCounter(counter) => {
                (counter.nr_taken(), counter.nr_usable(), counter.is_full())
            }
        };
        (SlotRefusal { target, idx, needed: taken + 1, slots }, is_full)
    }

    pub(super) fn fits(&self, wanted: &Reservation) -> Result<(), SlotError> {
        let (found, is_full) = self.find(wanted.target, wanted.idx);
        let has_unit = match self {
            Self::UnitCounter(counter) => counter.has_unit(wanted),
            Self::Constraints(_) | Self::CpuTable(_) => false,
        };
        if is_full && !has_unit { Err(SlotError::NoSpace(found)) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, reservation: &Reservation) {
        let pool = self.pool_index(reservation.idx);
        match self {
            Self::Constraints(pools) => pools[pool].add(reservation.target),
            Self::CpuTable(tables) => tables[pool].add(reservation.target),
            Self::UnitCounter(counter) => counter.add(reservation),
        }
    }

    pub(super) fn remove(&mut self, reservation: &Reservation) {
        let pool = self.pool_index(reservation.idx);
        match self {
            Self::Constraints(pools) => pools[pool].remove(reservation.target),
            Self::CpuTable(tables) => tables[pool].remove(reservation.target),
            Self::UnitCounter(counter) => counter.remove(reservation),
        }
    }

    /// The event of a reservation is gone and the reservation is not.
    pub(super) fn leak(&mut self, reservation: &Reservation) {
        let pool = self.pool_index(reservation.idx);
        match self {
            Self::CpuTable(tables) => tables[pool].leak(reservation.target),
            // As if it lived for ever.
            Self::Constraints(_) | Self::UnitCounter(_) => {}
        }
    }

    pub(super) fn task_exited(&mut self, task: TaskId) {
        match self {
            Self::CpuTable(tables) => tables.iter_mut().for_each(|table| table.task_exited(task)),
            Self::Constraints(_) | Self::UnitCounter(_) => {}
        }
    }

    pub(super) fn set_cpu_power(&mut self, cpu: CpuId, power: CpuPower) {
        match self {
            Self::CpuTable(tables) => {
                tables.iter_mut().for_each(|table| table.set_cpu_power(cpu, power));
            }
            Self::Constraints(_) | Self::UnitCounter(_) => {}
        }
    }

    /// What an event with this target finds taken on a CPU.
    pub(super) fn taken_on(&self, idx: BpTypeIdx, target: Target, cpu: CpuId) -> usize {
        let pool = self.pool_index(idx);
        match self {
            Self::Constraints(pools) => pools[pool].taken_on(target, cpu),
            Self::CpuTable(tables) => tables[pool].taken_on(target, cpu.index()),
            Self::UnitCounter(counter) => counter.nr_taken(),
        }
    }

    /// Whose events stand in the way of one with this target.
    pub(super) fn in_the_way(&self, target: Target) -> InTheWay {
        match (self, target) {
            (Self::UnitCounter(_), _) => InTheWay::All,
            (Self::CpuTable(tables), _) if tables[0].looks_at_others() => {
                target.cpu().map_or(InTheWay::All, InTheWay::OnCpu)
            }
            (Self::Constraints(_) | Self::CpuTable(_), Target::Cpu(cpu)) => InTheWay::OnCpu(cpu),
            (Self::Constraints(_) | Self::CpuTable(_), Target::Task(..)) => InTheWay::OwnTask,
        }
    }
}
