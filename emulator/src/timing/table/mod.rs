//! The model of measured figures: one silicon core (Intel Emerald Rapids, family 6 model 207, 2.996 GHz).
//!
//! A block is charged at translation by an approximation of the out-of-order core ([`block`]); misses of
//! caches and TLBs and mispredicted branches are charged at run time on top ([`memory`], [`branch`]).
//! All figures are in the CSV files of `timing/data`, measured and estimated ones apart.
//!
//! Key type: [`Table`]. Within: `data` and `costs` (figures), `classify` with `when`, and `lower` with `operand`
//! (instructions to classes and operands), `block` with `pipeline` and `store_forward` (the core), `memory` with
//! `cache` and `tlb`, `branch` with `tage`.
//! Not modelled: overlap of a miss with other work, other cores, the bytes that REP moves beyond its start-up
//! and its misses.

mod block;
mod branch;
mod cache;
mod classify;
mod costs;
mod data;
mod lower;
mod memory;
mod operand;
mod pipeline;
mod store_forward;
mod tage;
#[cfg(test)]
mod tests;
mod tlb;
mod when;

use std::fmt;

use iced_x86::Instruction;

use super::{BlockCost, BranchEvent, FixedEvent, MemoryEvent, TimingCounts, TimingModel};
use block::BlockModel;
use branch::Predictor;
use costs::Costs;
pub use data::DataError;
use memory::Hierarchy;

/// The model `table`. It belongs to one core.
pub struct Table {
    blocks: BlockModel,
    memory: Hierarchy,
    predictor: Predictor,
    /// Cycles by event, in the order of [`FixedEvent::ALL`].
    events: [u32; FixedEvent::ALL.len()],
    counts: TimingCounts,
}

impl Table {
    /// A cold model.
    ///
    /// # Panics
    ///
    /// If the data files that are built in do not parse, which a test rules out.
    pub fn new() -> Self {
        match Table::load() {
            Ok(table) => table,
            Err(error) => panic!("the timing data built into this program is broken: {error}"),
        }
    }

    fn load() -> Result<Self, DataError> {
        let costs = Costs::load()?;
        let mut events = [0; FixedEvent::ALL.len()];
        for (cycles, event) in events.iter_mut().zip(FixedEvent::ALL) {
            *cycles = costs.rule_cycles(rule_of(event))?;
        }
        Ok(Table {
            blocks: BlockModel::new(&costs)?,
            memory: Hierarchy::new(&costs)?,
            predictor: Predictor::new(&costs)?,
            events,
            counts: TimingCounts::default(),
        })
    }
}

impl Default for Table {
    fn default() -> Self {
        Table::new()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// The rule in `rules.csv` that prices an event.
fn rule_of(event: FixedEvent) -> &'static str {
    match event {
        FixedEvent::Syscall => "event.syscall",
        FixedEvent::Sysret => "event.sysret",
        FixedEvent::Exception => "event.exception",
        FixedEvent::DebugException => "event.debug_exception",
        FixedEvent::Interrupt => "event.interrupt",
        FixedEvent::Iret => "event.iret",
        FixedEvent::MovToDr => "event.mov_to_dr",
        FixedEvent::MovFromDr => "event.mov_from_dr",
        FixedEvent::MovToCr => "event.mov_to_cr",
        FixedEvent::Rdtsc => "event.rdtsc",
        FixedEvent::Rdtscp => "event.rdtscp",
        FixedEvent::Cpuid => "event.cpuid",
        FixedEvent::Pause => "event.pause",
        FixedEvent::Wrmsr => "event.wrmsr",
        FixedEvent::Rdmsr => "event.rdmsr",
        FixedEvent::PageFault => "event.page_fault",
        FixedEvent::Hypercall => "event.hypercall",
        FixedEvent::SelfModifyingCode => "event.self_modifying_code",
    }
}

impl TimingModel for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn block(&mut self, insns: &[Instruction]) -> BlockCost {
        self.blocks.cost(insns)
    }

    fn max_block_cycles(&self) -> u64 {
        4096
    }

    fn observes_memory(&self) -> bool {
        true
    }

    fn observes_branches(&self) -> bool {
        true
    }

    fn access(&mut self, event: &MemoryEvent) -> u32 {
        self.memory.access(event, &mut self.counts)
    }

    fn branch(&mut self, event: &BranchEvent) -> u32 {
        self.predictor.branch(event, &mut self.counts)
    }

    fn event(&self, event: FixedEvent) -> u32 {
        self.events[event as usize]
    }

    fn flush_tlb(&mut self) {
        self.memory.flush_tlb();
    }

    fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        self.memory.digest(hasher);
        self.predictor.digest(hasher);
        let counts = &self.counts;
        for count in [
            counts.l1d_misses,
            counts.l1i_misses,
            counts.l2_misses,
            counts.l3_misses,
            counts.dtlb_misses,
            counts.itlb_misses,
            counts.stlb_misses,
            counts.branches,
            counts.branch_misses,
            counts.return_misses,
        ] {
            hasher(&count.to_le_bytes());
        }
    }

    fn counts(&self) -> TimingCounts {
        self.counts
    }
}
