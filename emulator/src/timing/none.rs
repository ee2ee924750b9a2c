//! The model without timing: every instruction takes one cycle, every [`FixedEvent`] one more.
//!
//! For runs in which only order matters; guest time is then the number of retired instructions and events.

use iced_x86::Instruction;

use super::{BlockCost, BranchEvent, FixedEvent, MemoryEvent, TimingCounts, TimingModel};

/// One cycle an instruction. It has no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneCycle;

impl TimingModel for OneCycle {
    fn name(&self) -> &'static str {
        "none"
    }

    fn block(&mut self, insns: &[Instruction]) -> BlockCost {
        let total = u32::try_from(insns.len()).unwrap_or(u32::MAX);
        BlockCost { before: (0..total).collect(), total }
    }

    fn max_block_cycles(&self) -> u64 {
        // 64 instructions, each with an event.
        128
    }

    fn observes_memory(&self) -> bool {
        false
    }

    fn observes_branches(&self) -> bool {
        false
    }

    fn access(&mut self, _event: &MemoryEvent) -> u32 {
        0
    }

    fn branch(&mut self, _event: &BranchEvent) -> u32 {
        0
    }

    fn event(&self, _event: FixedEvent) -> u32 {
        1
    }

    fn flush_tlb(&mut self) {}

    fn digest(&self, _hasher: &mut dyn FnMut(&[u8])) {}

    fn counts(&self) -> TimingCounts {
        TimingCounts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_a_cycle() {
        let cost = OneCycle.block(&[Instruction::default(); 3]);
        assert_eq!(cost, BlockCost { before: vec![0, 1, 2], total: 3 });
        assert_eq!(OneCycle.block(&[]), BlockCost::default());
        assert!(FixedEvent::ALL.into_iter().all(|event| OneCycle.event(event) == 1));
    }
}
