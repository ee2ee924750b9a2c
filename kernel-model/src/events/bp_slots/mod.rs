//! The slot constraints: which breakpoint events may exist at the same time.
//!
//! Every event takes one slot for its whole life, enabled or not, so that at any instant the
//! events eligible on a CPU fit in its registers and installing one never fails
//! (linux-hw-breakpoint invariant 2.1.I). The decision is section 2.1's, the state section 2.3's.
//!
//! Key types: [`BpSlots`] answers and remembers, [`SlotRefusal`] says what did not fit,
//! [`SlotReport`] who holds the slots. Inside, a `Scheme` decides: `pool` is the 6.x constraints,
//! `cpu_table` the table of 2.6.33 to 3.10, `unit_counter` the seed commit's counter (section
//! 2.4). Neighbours: [`super::hw_breakpoint`] reserves when an event is created and releases when
//! it is destroyed. Knows no register and no x86: the number of slots and whether data and
//! execution share them are parameters.
//! Source: Linux 6.x kernel/events/hw_breakpoint.c; for the older schemes the same file at
//! 24f1e32c60c4, ba1c813a6b9a and 29c798fe.

mod constraint_locks;
mod cpu_table;
mod explain;
mod histogram;
mod pool;
mod refusal;
mod report;
mod scheme;
mod task_index;
#[cfg(test)]
mod tests;
mod unit_counter;

use perf_core::attr::abi::{HW_BREAKPOINT_EMPTY, HW_BREAKPOINT_INVALID, HW_BREAKPOINT_RW};
use perf_core::{CpuId, Defects, EventId, Generation, IdTable, Target, TaskId};

pub use constraint_locks::ConstraintLocks;
pub use refusal::{DbgSlotError, SlotError, SlotRefusal};
pub use report::{CpuHolders, HolderNames, SlotReport, TaskHolders};
use scheme::Scheme;

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

/// A wide breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WideId(u32);

/// A slot that an event holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reservation {
    target: Target,
    idx: BpTypeIdx,
    wide: Option<WideId>,
}

/// Whether a CPU runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuPower {
    /// It runs.
    Online,
    /// It is possible and does not run.
    Offline,
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
    scheme: Scheme,
    reservations: IdTable<EventId, Reservation>,
    /// Slots that nobody will ever give back (S3, B4).
    nr_leaked: usize,
    /// The wide breakpoint whose events are being made.
    wide: Option<WideId>,
    nr_wide: u32,
    locks: ConstraintLocks,
}

impl BpSlots {
    /// Slots of `nr_cpus` possible CPUs, all free and online (`init_hw_breakpoint`), as Linux 6.x
    /// hands them out.
    #[must_use]
    pub fn new(registers: RegisterPools, nr_cpus: u32) -> Self {
        Self::of_kernel(registers, nr_cpus, Generation::V6, Defects::NONE)
    }

    /// The same as a generation of the kernel with certain defects hands them out.
    #[must_use]
    pub fn of_kernel(
        registers: RegisterPools,
        nr_cpus: u32,
        generation: Generation,
        defects: Defects,
    ) -> Self {
        Self {
            setup: Setup::Done,
            scheme: Scheme::new(registers, nr_cpus as usize, generation, defects),
            reservations: IdTable::default(),
            nr_leaked: 0,
            wide: None,
            nr_wide: 0,
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
        let reservation = Reservation { target, idx, wide: self.wide };
        self.scheme.fits(&reservation)?;
        self.scheme.add(&reservation);
        self.reservations.insert(event, reservation);
        Ok(())
    }

    /// `release_bp_slot`: gives a slot back. Returns what it counted on, `None` for an event
    /// without a slot.
    pub fn release_bp_slot(&mut self, event: EventId) -> Option<Target> {
        let reservation = self.reservations.remove(event)?;
        self.scheme.remove(&reservation);
        Some(reservation.target)
    }

    /// The event is gone and its slot stays taken until reboot (rules 2.4.3, 2.4.8).
    pub fn leak_bp_slot(&mut self, event: EventId) {
        if let Some(reservation) = self.reservations.remove(event) {
            self.scheme.leak(&reservation);
            self.nr_leaked += 1;
        }
    }

    /// Whether the slots are in the table of 2.6.33 to 3.10, whose defects have names of their
    /// own.
    #[must_use]
    pub const fn is_cpu_table(&self) -> bool {
        matches!(self.scheme, Scheme::CpuTable(_))
    }

    /// `modify_bp_slot`: the event changes its type in place (rule 2.1.6).
    ///
    /// # Errors
    /// [`SlotError`]; the event keeps the slot it had.
    pub fn modify_bp_slot(&mut self, event: EventId, new_type: u32) -> Result<(), SlotError> {
        let held = *self.reservations.get(event).ok_or(SlotError::NotHeld { event })?;
        let changed = Reservation { idx: BpTypeIdx::find_slot_idx(new_type)?, ..held };
        if !self.scheme.same_pool(changed.idx, held.idx) {
            // Linux releases, reserves, and takes the old slot back on refusal. Room in another
            // pool does not depend on what is held in this one, so the answer can come first.
            self.scheme.fits(&changed)?;
            self.scheme.remove(&held);
            self.scheme.add(&changed);
        }
        self.reservations.insert(event, changed);
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

    /// The reservations that follow are those of one wide breakpoint (rules 2.4.2, 6.1.1), until
    /// [`BpSlots::end_wide`].
    pub fn begin_wide(&mut self) {
        self.wide = Some(WideId(self.nr_wide));
        self.nr_wide += 1;
    }

    /// The wide breakpoint has all its events.
    pub fn end_wide(&mut self) {
        self.wide = None;
    }

    /// A task has exited: it has no perf context any more. Its events may still hold slots.
    pub fn task_exited(&mut self, task: TaskId) {
        self.scheme.task_exited(task);
    }

    /// Gives back whatever the events of a task hold. Looks at every reservation.
    pub fn release_task(&mut self, task: TaskId) {
        let of_task = |(_, held): &(EventId, &Reservation)| held.target.task() == Some(task);
        let events: Vec<_> =
            self.reservations.iter().filter(of_task).map(|(event, _)| event).collect();
        for event in events {
            self.release_bp_slot(event);
        }
    }

    /// A CPU came up or went down. Only the older table looks at that (rule 2.4.7).
    pub fn set_cpu_power(&mut self, cpu: CpuId, power: CpuPower) {
        self.scheme.set_cpu_power(cpu, power);
    }

    /// Whether an event with this target would fit now (rules 2.1.1 to 2.1.3).
    ///
    /// # Errors
    /// [`SlotError::NoSpace`] with the numbers.
    pub fn fits(&self, target: Target, idx: BpTypeIdx) -> Result<(), SlotError> {
        self.scheme.fits(&Reservation { target, idx, wide: None })
    }

    /// What an event with a slot counts on.
    #[must_use]
    pub fn target_of(&self, event: EventId) -> Option<Target> {
        self.reservations.get(event).map(|held| held.target)
    }

    /// Whether any slot is held (`hw_breakpoint_is_used`).
    #[must_use]
    pub const fn is_used(&self) -> bool {
        !self.reservations.is_empty() || self.nr_leaked > 0
    }

    /// Number of events that hold a slot.
    #[must_use]
    pub const fn nr_held(&self) -> usize {
        self.reservations.len()
    }

    /// Number of slots that are lost until reboot.
    #[must_use]
    pub const fn nr_leaked(&self) -> usize {
        self.nr_leaked
    }

    /// Who holds the slots that stood in the way of a reservation. Looks at every reservation, so
    /// it is made only on request.
    #[must_use]
    pub fn report(&self, refusal: SlotRefusal) -> SlotReport {
        SlotReport::new(self, refusal)
    }

    /// The events in the pool that serves a kind of register, oldest first.
    fn held_in_pool(&self, idx: BpTypeIdx) -> impl Iterator<Item = (EventId, Target)> {
        let held = self.reservations.iter();
        let held = held.filter(move |(_, held)| self.scheme.same_pool(held.idx, idx));
        held.map(|(event, held)| (event, held.target))
    }

    /// Who holds the data slots of a CPU, as one more CPU-wide event would find them.
    #[must_use]
    pub fn held_on(&self, cpu: CpuId) -> SlotReport {
        let (target, idx) = (Target::Cpu(cpu), BpTypeIdx::Data);
        self.report(self.scheme.find(target, idx).0)
    }

    fn check(&self, event: EventId, target: Target, bp_type: u32) -> Result<BpTypeIdx, SlotError> {
        if self.setup == Setup::Failed {
            return Err(SlotError::NotInitialized);
        }
        let idx = BpTypeIdx::find_slot_idx(bp_type)?;
        let nr_cpus = self.scheme.nr_cpus();
        if let Some(cpu) = target.cpu().filter(|cpu| cpu.index() >= nr_cpus) {
            return Err(SlotError::NoSuchCpu { cpu });
        }
        if self.reservations.contains(event) {
            return Err(SlotError::Held { event });
        }
        Ok(idx)
    }
}
