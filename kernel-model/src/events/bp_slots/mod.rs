//! The slot constraints: which breakpoint events may exist at the same time.
//!
//! Every event takes one slot for its whole life, enabled or not, so that at any instant the
//! events eligible on a CPU fit in its registers and installing one never fails
//! (linux-hw-breakpoint invariant 2.1.I). The decision is section 2.1's, the state section 2.3's.
//!
//! Key types: [`BpSlots`] answers and remembers, [`SlotRefusal`] says what did not fit,
//! [`SlotReport`] who holds the slots. Neighbours: [`super::hw_breakpoint`] reserves when an event
//! is created and releases when it is destroyed. Knows no register and no x86: the number of
//! slots and whether data and execution share them are parameters.
//! Source: Linux 6.x kernel/events/hw_breakpoint.c.

mod constraint_locks;
mod explain;
mod histogram;
mod pool;
mod report;
mod task_index;
#[cfg(test)]
mod tests;

use perf_core::attr::abi::{HW_BREAKPOINT_EMPTY, HW_BREAKPOINT_INVALID, HW_BREAKPOINT_RW};
use perf_core::{CpuId, Errno, EventId, IdTable, Target};

pub use constraint_locks::ConstraintLocks;
use pool::SlotPool;
pub use report::{CpuHolders, HolderNames, SlotReport, TaskHolders};

/// The kind of register that an event needs (`enum bp_type_idx`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BpTypeIdx {
    /// `TYPE_DATA`.
    Data,
    /// `TYPE_INST`.
    Inst,
}

impl BpTypeIdx {
    /// The kind for an `attr.bp_type`.
    ///
    /// # Errors
    /// [`SlotError::InvalidType`] for 0 and 7, the only values that the constraint code refuses
    /// (rule 1.2 step 12).
    pub const fn find_slot_idx(bp_type: u32) -> Result<Self, SlotError> {
        match bp_type {
            HW_BREAKPOINT_EMPTY | HW_BREAKPOINT_INVALID => Err(SlotError::InvalidType { bp_type }),
            data if data & HW_BREAKPOINT_RW != 0 => Ok(Self::Data),
            _ => Ok(Self::Inst),
        }
    }
}

/// Most registers of a kind that a CPU may have.
pub const MAX_SLOTS: usize = 8;

/// The breakpoint registers of a CPU: 1 to [`MAX_SLOTS`] of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterPools {
    /// Any register does for data and for execution.
    Mixed {
        /// Number of registers.
        slots: usize,
    },
    /// Data and execution have registers of their own.
    Separate {
        /// Number of data registers.
        data: usize,
        /// Number of instruction registers.
        inst: usize,
    },
}

impl RegisterPools {
    /// x86: DR0 to DR3 for everything (`HBP_NUM`).
    pub const X86: Self = Self::Mixed { slots: 4 };
}

/// A reservation that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRefusal {
    /// What the event was to count on.
    pub target: Target,
    /// The kind of register that it needs.
    pub idx: BpTypeIdx,
    /// Slots that it would have made necessary on the CPU where there are fewest left.
    pub needed: usize,
    /// Slots that there are.
    pub slots: usize,
}

/// Why there is no reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// `bp_type` is 0 or 7: EINVAL.
    #[error("breakpoint type {bp_type} takes no slot")]
    InvalidType {
        /// The type.
        bp_type: u32,
    },
    /// ENOSPC.
    #[error("{} of {} slots would be needed", .0.needed, .0.slots)]
    NoSpace(SlotRefusal),
    /// The event is to be bound to a CPU that cannot exist: EINVAL.
    #[error("there is no {cpu}")]
    NoSuchCpu {
        /// The CPU.
        cpu: CpuId,
    },
    /// The event has a slot already: EBUSY. A caller's mistake.
    #[error("{event} has a slot already")]
    Held {
        /// The event.
        event: EventId,
    },
    /// The event has no slot to be changed: ENOENT. A caller's mistake.
    #[error("{event} has no slot")]
    NotHeld {
        /// The event.
        event: EventId,
    },
    /// Setup at boot failed (rule 2.3.9): ENOMEM.
    #[error("the slot constraints were never set up")]
    NotInitialized,
}

impl SlotError {
    /// The error number of the system call.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::InvalidType { .. } | Self::NoSuchCpu { .. } => Errno::EINVAL,
            Self::NoSpace(_) => Errno::ENOSPC,
            Self::Held { .. } => Errno::EBUSY,
            Self::NotHeld { .. } => Errno::ENOENT,
            Self::NotInitialized => Errno::ENOMEM,
        }
    }
}

/// A debugger's request was not carried out (the -1 of rule 2.3.8); nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbgSlotError {
    /// Somebody is inside the constraint code.
    #[error("the slot constraints are locked")]
    Locked,
    /// The reservation was refused.
    #[error(transparent)]
    Refused(#[from] SlotError),
}

/// A slot that an event holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reservation {
    target: Target,
    idx: BpTypeIdx,
}

/// Whether the constraint tables exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Done,
    Failed,
}

/// The slots of all CPUs, and the events that hold them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpSlots {
    setup: Setup,
    pools: Vec<SlotPool>,
    reservations: IdTable<EventId, Reservation>,
    locks: ConstraintLocks,
}

impl BpSlots {
    /// Slots of `nr_cpus` possible CPUs, all free (`init_hw_breakpoint`).
    #[must_use]
    pub fn new(registers: RegisterPools, nr_cpus: u32) -> Self {
        let pool = |slots| SlotPool::new(slots, nr_cpus as usize);
        let pools = match registers {
            RegisterPools::Mixed { slots } => vec![pool(slots)],
            RegisterPools::Separate { data, inst } => vec![pool(data), pool(inst)],
        };
        Self {
            setup: Setup::Done,
            pools,
            reservations: IdTable::default(),
            locks: ConstraintLocks::Free,
        }
    }

    /// Slots whose setup at boot failed: every reservation gives ENOMEM (rule 2.3.9).
    #[must_use]
    pub fn setup_failed(registers: RegisterPools, nr_cpus: u32) -> Self {
        Self { setup: Setup::Failed, ..Self::new(registers, nr_cpus) }
    }

    /// `reserve_bp_slot`: takes a slot for an event for as long as it lives.
    ///
    /// # Errors
    /// [`SlotError`]; nothing has changed.
    pub fn reserve_bp_slot(
        &mut self,
        event: EventId,
        target: Target,
        bp_type: u32,
    ) -> Result<(), SlotError> {
        let idx = self.check(event, target, bp_type)?;
        self.fits(target, idx)?;
        self.enter(event, Reservation { target, idx });
        Ok(())
    }

    /// `release_bp_slot`: gives a slot back. Returns what it counted on, `None` for an event
    /// without a slot.
    pub fn release_bp_slot(&mut self, event: EventId) -> Option<Target> {
        let Reservation { target, idx } = self.reservations.remove(event)?;
        self.pool_mut(idx).remove(target);
        Some(target)
    }

    /// `modify_bp_slot`: the event changes its type in place (rule 2.1.6).
    ///
    /// # Errors
    /// [`SlotError`]; the event keeps the slot it had.
    pub fn modify_bp_slot(&mut self, event: EventId, new_type: u32) -> Result<(), SlotError> {
        let held = *self.reservations.get(event).ok_or(SlotError::NotHeld { event })?;
        let changed = Reservation { idx: BpTypeIdx::find_slot_idx(new_type)?, ..held };
        if self.pool_index(changed.idx) == self.pool_index(held.idx) {
            self.reservations.insert(event, changed);
            return Ok(());
        }
        // Linux releases, reserves, and takes the old slot back on refusal. Room in another pool
        // does not depend on what is held in this one, so the answer can come first.
        self.fits(held.target, changed.idx)?;
        self.pool_mut(held.idx).remove(held.target);
        self.enter(event, changed);
        Ok(())
    }

    /// `dbg_reserve_bp_slot`: the same for a kernel debugger, which must not wait.
    ///
    /// # Errors
    /// [`DbgSlotError::Locked`] while somebody is inside the constraint code.
    pub fn dbg_reserve_bp_slot(
        &mut self,
        event: EventId,
        target: Target,
        bp_type: u32,
    ) -> Result<(), DbgSlotError> {
        if self.locks.excludes(target) {
            return Err(DbgSlotError::Locked);
        }
        Ok(self.reserve_bp_slot(event, target, bp_type)?)
    }

    /// `dbg_release_bp_slot`: gives a debugger's slot back.
    ///
    /// # Errors
    /// [`DbgSlotError::Locked`] as above; refused with [`SlotError::NotHeld`] where there is none.
    pub fn dbg_release_bp_slot(&mut self, event: EventId) -> Result<(), DbgSlotError> {
        let held = self.reservations.get(event).ok_or(SlotError::NotHeld { event })?;
        if self.locks.excludes(held.target) {
            return Err(DbgSlotError::Locked);
        }
        self.release_bp_slot(event);
        Ok(())
    }

    /// Notes who is inside the constraint code, for the debugger variants.
    pub fn set_locks(&mut self, locks: ConstraintLocks) {
        self.locks = locks;
    }

    /// Whether an event with this target would fit now (rules 2.1.1 to 2.1.3).
    ///
    /// # Errors
    /// [`SlotError::NoSpace`] with the numbers.
    pub fn fits(&self, target: Target, idx: BpTypeIdx) -> Result<(), SlotError> {
        let pool = self.pool(idx);
        let needed = pool.max_bp_pinned_slots(target) + 1;
        if needed > pool.nr_slots {
            let slots = pool.nr_slots;
            return Err(SlotError::NoSpace(SlotRefusal { target, idx, needed, slots }));
        }
        Ok(())
    }

    /// Whether any slot is held (`hw_breakpoint_is_used`).
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.pools.iter().any(SlotPool::is_used)
    }

    /// Number of slots that are held.
    #[must_use]
    pub fn nr_held(&self) -> usize {
        self.reservations.len()
    }

    /// Who holds the slots that stood in the way of a reservation. Looks at every reservation, so
    /// it is made only on request.
    #[must_use]
    pub fn report(&self, refusal: SlotRefusal) -> SlotReport {
        SlotReport::new(self, refusal)
    }

    /// Number of possible CPUs.
    fn nr_cpus(&self) -> u32 {
        self.pools.first().map_or(0, |pool| pool.cpus.len() as u32)
    }

    /// What an event with this target finds taken on a CPU.
    fn taken_on(&self, idx: BpTypeIdx, target: Target, cpu: CpuId) -> usize {
        self.pool(idx).taken_on(target, cpu)
    }

    /// The events in the pool that serves a kind of register, oldest first.
    fn held_in_pool(&self, idx: BpTypeIdx) -> impl Iterator<Item = (EventId, Target)> {
        let pool = self.pool_index(idx);
        let held = self.reservations.iter();
        let held = held.filter(move |(_, held)| self.pool_index(held.idx) == pool);
        held.map(|(event, held)| (event, held.target))
    }

    /// Who holds the data slots of a CPU, as one more CPU-wide event would find them.
    #[must_use]
    pub fn held_on(&self, cpu: CpuId) -> SlotReport {
        let (target, idx) = (Target::Cpu(cpu), BpTypeIdx::Data);
        let pool = self.pool(idx);
        let needed = pool.max_bp_pinned_slots(target) + 1;
        self.report(SlotRefusal { target, idx, needed, slots: pool.nr_slots })
    }

    fn check(&self, event: EventId, target: Target, bp_type: u32) -> Result<BpTypeIdx, SlotError> {
        if self.setup == Setup::Failed {
            return Err(SlotError::NotInitialized);
        }
        let idx = BpTypeIdx::find_slot_idx(bp_type)?;
        let nr_cpus = self.pool(idx).cpus.len();
        if let Some(cpu) = target.cpu().filter(|cpu| cpu.index() >= nr_cpus) {
            return Err(SlotError::NoSuchCpu { cpu });
        }
        if self.reservations.contains(event) {
            return Err(SlotError::Held { event });
        }
        Ok(idx)
    }

    fn enter(&mut self, event: EventId, reservation: Reservation) {
        self.reservations.insert(event, reservation);
        self.pool_mut(reservation.idx).add(reservation.target);
    }

    /// Index of the pool that serves a kind: with one pool, that one.
    fn pool_index(&self, idx: BpTypeIdx) -> usize {
        (idx as usize).min(self.pools.len() - 1)
    }

    fn pool(&self, idx: BpTypeIdx) -> &SlotPool {
        &self.pools[self.pool_index(idx)]
    }

    fn pool_mut(&mut self, idx: BpTypeIdx) -> &mut SlotPool {
        let index = self.pool_index(idx);
        &mut self.pools[index]
    }
}
