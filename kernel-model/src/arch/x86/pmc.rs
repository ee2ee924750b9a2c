//! The processor's own counters: what a CPU has counted since it was built, and where user mode
//! ends and kernel mode begins in it.
//!
//! Key types: [`CounterEvent`], [`Counts`]. Neighbours: [`crate::events::cpu_pmu`] makes perf
//! events of them; the timing model counts branches and caches.
//! Source: SDM vol. 3B, 20.2 (architectural performance monitoring events).

use std::ops::{Add, Index, IndexMut, Sub};

use emulator::timing::FixedEvent;
use perf_core::CpuId;

use super::hw::Hw;
use super::layout::EntryPoint;

/// General counters of a CPU: as many as client cores with two threads a core have had since
/// architectural performance monitoring version 3 (`CPUID.0AH:EAX[15:8]` = 4).
pub const NR_COUNTERS: usize = 4;
/// NMI, by which counters report that they have run out.
pub const NMI_VECTOR: u8 = 2;
/// Most instructions that retire in one cycle of the timing model `table`, with room to spare: a
/// count of instructions cannot grow faster.
const MAX_RETIRED_PER_CYCLE: u64 = 16;

/// What a counter can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterEvent {
    /// Core cycles while not halted. The clock never changes, so these are reference cycles too.
    Cycles,
    /// Instructions retired.
    Instructions,
    /// Branches retired.
    Branches,
    /// Branches retired that were mispredicted.
    BranchMisses,
    /// Accesses that went to the last-level cache.
    CacheReferences,
    /// Accesses that missed the last-level cache.
    CacheMisses,
}

impl CounterEvent {
    /// How many there are.
    pub const COUNT: usize = 6;
}

/// Readings of all counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; CounterEvent::COUNT]);

impl Counts {
    /// Cycles and instructions, and nothing else.
    #[must_use]
    pub fn of_work(cycles: u64, instructions: u64) -> Self {
        let mut counts = Self::default();
        counts[CounterEvent::Cycles] = cycles;
        counts[CounterEvent::Instructions] = instructions;
        counts
    }

    /// The larger of both, counter by counter.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }

    /// The smaller of both, counter by counter.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        self.zip(other, u64::min)
    }

    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| with(self.0[i], other.0[i])))
    }
}

impl Index<CounterEvent> for Counts {
    type Output = u64;
    fn index(&self, event: CounterEvent) -> &u64 {
        &self.0[event as usize]
    }
}

impl IndexMut<CounterEvent> for Counts {
    fn index_mut(&mut self, event: CounterEvent) -> &mut u64 {
        &mut self.0[event as usize]
    }
}

impl Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }
}

/// What was counted between two readings; 0 where the second is not later.
impl Sub for Counts {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }
}

impl Hw {
    /// Whether the processor counts branches and cache accesses: the timing model `table` does,
    /// `none` has neither a predictor nor caches.
    #[must_use]
    pub fn counts_branches_and_caches(&self) -> bool {
        self.machine().cpu(0).timing().observes_branches()
    }

    /// What a CPU has counted.
    #[must_use]
    pub fn counts(&self, cpu: CpuId) -> Counts {
        let mut counts = Counts::of_work(self.cycles(cpu), self.icount(cpu));
        let model = self.machine().cpu(cpu.0 as usize).timing().counts();
        counts[CounterEvent::Branches] = model.branches;
        counts[CounterEvent::BranchMisses] = model.branch_misses;
        counts[CounterEvent::CacheReferences] = model.l2_misses;
        counts[CounterEvent::CacheMisses] = model.l3_misses;
        counts
    }

    /// The part of an entry from user mode that belongs to the kernel: the entry itself and the
    /// one instruction of the entry point.
    #[must_use]
    pub fn entry_share(&self, cpu: CpuId, entry: EntryPoint) -> Counts {
        let event = match entry {
            EntryPoint::Syscall | EntryPoint::Int80 => FixedEvent::Syscall,
            EntryPoint::Timer | EntryPoint::Exception(NMI_VECTOR) => FixedEvent::Interrupt,
            EntryPoint::Exception(1) => FixedEvent::DebugException,
            EntryPoint::Exception(14) => FixedEvent::PageFault,
            EntryPoint::Exception(_) | EntryPoint::RoutineDone => FixedEvent::Exception,
        };
        let timing = self.machine().cpu(cpu.0 as usize).timing();
        let cycles = timing.event(event) + timing.event(FixedEvent::Hypercall) + 1;
        Counts::of_work(u64::from(cycles), 1)
    }

    /// The part of the way back to user mode that is still to come when the kernel model is done:
    /// the one instruction that goes back.
    #[must_use]
    pub fn exit_share(&self, cpu: CpuId) -> Counts {
        let by = if self.returns_by_sysret(cpu) { FixedEvent::Sysret } else { FixedEvent::Iret };
        let timing = self.machine().cpu(cpu.0 as usize).timing();
        Counts::of_work(u64::from(timing.event(by)) + 1, 1)
    }

    /// The fewest cycles that pass while `n` more of an event are counted, at least 1.
    #[must_use]
    pub fn cycles_for(&self, event: CounterEvent, n: u64) -> u64 {
        let one_a_cycle = event == CounterEvent::Cycles || !self.counts_branches_and_caches();
        (if one_a_cycle { n } else { n / MAX_RETIRED_PER_CYCLE }).max(1)
    }

    /// Makes a CPU take an NMI at its next instruction boundary.
    pub fn raise_nmi(&mut self, cpu: CpuId) {
        self.machine_mut().cpu_mut(cpu.0 as usize).raise_nmi();
    }

    /// The NMI handler is done: another NMI may come.
    pub fn end_nmi(&mut self, cpu: CpuId) {
        self.machine_mut().cpu_mut(cpu.0 as usize).end_nmi();
    }

    /// Whether a CPU is in user mode.
    #[must_use]
    pub fn in_user_mode(&self, cpu: CpuId) -> bool {
        self.machine().cpu(cpu.0 as usize).regs.cpl() == 3
    }
}
