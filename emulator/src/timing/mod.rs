//! How many cycles the machine's work takes.
//!
//! The guest's time is a function of retired work and nothing else: a [`TimingModel`] turns translated
//! blocks, memory accesses, branches and events into core cycles, and the machine's one clock adds them up.
//! With the same model and the same inputs every run takes the same number of cycles.
//!
//! Key types: [`TimingModel`] (the interface), [`TimingChoice`] (what a command line names), [`BlockCost`].
//! Models: [`none`] (one cycle an instruction) and [`table`] (measured figures of one silicon core).
//! Neighbours: `run` (charges the cycles), `dispatch` (asks for a block's cost at translation).
//! Nothing here reads registers or memory of the guest, and nothing here can change them.

pub mod none;
pub mod table;

use std::fmt;
use std::str::FromStr;

use iced_x86::Instruction;
use thiserror::Error;

/// Guest core cycles in one second of guest time: 3 cycles are 1 ns.
///
/// The measured core ran at 2.996 GHz; the round figure makes the conversion exact.
pub const CYCLES_PER_SECOND: u64 = 3_000_000_000;

/// What a model charges for an event at run time.
///
/// [`TimingModel::block`] charges the instruction behind such an event as one that issues and does
/// nothing else, so the cost of the event is added to the block's and never counted twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixedEvent {
    /// SYSCALL, with the kernel's entry path.
    Syscall,
    /// SYSRET, with the kernel's exit path.
    Sysret,
    /// Delivery of an exception through the IDT and its dispatch by the kernel.
    Exception,
    /// Delivery of a debug exception (vector 1) and its dispatch.
    DebugException,
    /// Delivery of an external interrupt and its dispatch.
    Interrupt,
    /// IRET back to the interrupted code.
    Iret,
    /// MOV to a debug register.
    MovToDr,
    /// MOV from a debug register.
    MovFromDr,
    /// MOV to a control register.
    MovToCr,
    /// RDTSC.
    Rdtsc,
    /// RDTSCP.
    Rdtscp,
    /// CPUID.
    Cpuid,
    /// PAUSE.
    Pause,
    /// WRMSR.
    Wrmsr,
    /// RDMSR.
    Rdmsr,
    /// A page fault and its handling. Charged in place of [`FixedEvent::Exception`], not on top of it.
    PageFault,
    /// VMCALL or VMMCALL, there and back.
    Hypercall,
    /// The pipeline clear after a store to code that is being executed.
    SelfModifyingCode,
}

impl FixedEvent {
    /// Every event, in declaration order.
    pub const ALL: [FixedEvent; 18] = [
        FixedEvent::Syscall,
        FixedEvent::Sysret,
        FixedEvent::Exception,
        FixedEvent::DebugException,
        FixedEvent::Interrupt,
        FixedEvent::Iret,
        FixedEvent::MovToDr,
        FixedEvent::MovFromDr,
        FixedEvent::MovToCr,
        FixedEvent::Rdtsc,
        FixedEvent::Rdtscp,
        FixedEvent::Cpuid,
        FixedEvent::Pause,
        FixedEvent::Wrmsr,
        FixedEvent::Rdmsr,
        FixedEvent::PageFault,
        FixedEvent::Hypercall,
        FixedEvent::SelfModifyingCode,
    ];
}

/// Which kind of memory access an instruction makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// A data read.
    Load,
    /// A data write. A read-modify-write is a load and a store.
    Store,
    /// An instruction fetch.
    Fetch,
}

/// Which kind of branch retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BranchKind {
    /// Jcc, LOOPcc or JrCXZ.
    Conditional,
    /// JMP rel.
    Direct,
    /// JMP through a register or memory.
    Indirect,
    /// CALL rel.
    Call,
    /// CALL through a register or memory.
    IndirectCall,
    /// RET.
    Return,
}

/// A retired branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchEvent {
    /// Linear address of the branch instruction.
    pub rip: u64,
    /// Kind of branch.
    pub kind: BranchKind,
    /// Whether it was taken; always true for an unconditional branch.
    pub taken: bool,
    /// Linear address it goes to when taken.
    pub target: u64,
    /// Linear address of the next instruction in sequence.
    pub fallthrough: u64,
}

/// A memory access that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEvent {
    /// Kind of access.
    pub kind: AccessKind,
    /// Linear address of the first byte.
    pub linear: u64,
    /// Physical address of the first byte. Of an access over a page boundary the rest is taken to follow it.
    pub physical: u64,
    /// Size in bytes; 0 counts as 1.
    pub size: u32,
}

/// What a block of instructions costs, accesses taken as L1 hits and branches as predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockCost {
    /// Cycles from the start of the block to each of its instructions: as many as instructions, starting
    /// with 0, never falling, never above `total`.
    pub before: Vec<u32>,
    /// Cycles of the whole block; 0 only for an empty block.
    pub total: u32,
}

/// Misses since the model was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimingCounts {
    /// Data accesses that missed the first-level data cache.
    pub l1d_misses: u64,
    /// Fetches that missed the first-level instruction cache.
    pub l1i_misses: u64,
    /// Accesses that missed the second-level cache.
    pub l2_misses: u64,
    /// Accesses that missed the third-level cache.
    pub l3_misses: u64,
    /// Data accesses that missed the first-level TLB.
    pub dtlb_misses: u64,
    /// Fetches that missed the first-level TLB.
    pub itlb_misses: u64,
    /// Accesses that missed the second-level TLB: page walks.
    pub stlb_misses: u64,
    /// Branches seen.
    pub branches: u64,
    /// Branches mispredicted, returns among them.
    pub branch_misses: u64,
    /// Returns mispredicted.
    pub return_misses: u64,
}

/// A timing model: what the machine's work costs in core cycles.
///
/// A model is deterministic: two of the same kind that see the same calls in the same order give the same
/// answers and the same digest.
pub trait TimingModel: fmt::Debug + Send {
    /// The name that [`TimingChoice`] parses.
    fn name(&self) -> &'static str;

    /// The cost of a block. Called once, when the block is translated.
    fn block(&mut self, insns: &[Instruction]) -> BlockCost;

    /// Most cycles that pass from a block's start to its last instruction (blocks have at most 64),
    /// with every event in it. Closer than this to a deadline the run goes by instructions.
    fn max_block_cycles(&self) -> u64;

    /// Whether [`TimingModel::access`] wants to be called. When false it never needs to be.
    fn observes_memory(&self) -> bool;

    /// Whether [`TimingModel::branch`] wants to be called. When false it never needs to be.
    fn observes_branches(&self) -> bool;

    /// Cycles of a memory access beyond an L1 hit.
    fn access(&mut self, event: &MemoryEvent) -> u32;

    /// Cycles of a branch beyond a predicted one.
    fn branch(&mut self, event: &BranchEvent) -> u32;

    /// Cycles of an event.
    fn event(&self, event: FixedEvent) -> u32;

    /// All TLB entries were invalidated.
    fn flush_tlb(&mut self);

    /// Feeds all state that influences later answers to `hasher`, for digests of the machine.
    fn digest(&self, hasher: &mut dyn FnMut(&[u8]));

    /// What was counted so far.
    fn counts(&self) -> TimingCounts;
}

/// The timing models that a user can name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimingChoice {
    /// One cycle an instruction: see [`none`].
    #[default]
    None,
    /// Measured figures of one silicon core: see [`table`].
    Table,
}

impl TimingChoice {
    /// Every model.
    pub const ALL: [TimingChoice; 2] = [TimingChoice::None, TimingChoice::Table];

    /// The name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            TimingChoice::None => "none",
            TimingChoice::Table => "table",
        }
    }

    /// A new model, cold: empty caches, TLBs and predictors.
    pub fn build(self) -> Box<dyn TimingModel> {
        match self {
            TimingChoice::None => Box::new(none::OneCycle),
            TimingChoice::Table => Box::new(table::Table::new()),
        }
    }
}

impl fmt::Display for TimingChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text names no timing model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimingChoiceError {
    /// No model of that name.
    #[error("no timing model {given:?}; there are: {}", TimingChoice::ALL.map(TimingChoice::name).join(", "))]
    Unknown {
        /// The text.
        given: String,
    },
}

impl FromStr for TimingChoice {
    type Err = TimingChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TimingChoice::ALL
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| TimingChoiceError::Unknown { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for choice in TimingChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
            assert_eq!(choice.build().name(), choice.name());
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = "Table".parse::<TimingChoice>().unwrap_err();
        assert_eq!(error.to_string(), "no timing model \"Table\"; there are: none, table");
    }
}
