//! Ops that tell the timing model of memory operands. They stand before the
//! instruction's own op, and only in blocks built for a model that wants them.

use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::timing::{AccessKind, MemoryEvent};

/// A load of `op.imm` bytes.
pub(crate) fn load(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    cpu.time_access(mem, AccessKind::Load, linear, op.imm as u32);
    Ok(Flow::Next)
}

/// A store of `op.imm` bytes.
pub(crate) fn store(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    cpu.time_access(mem, AccessKind::Store, linear, op.imm as u32);
    Ok(Flow::Next)
}

impl Cpu {
    /// Charges what the timing model says an access costs beyond an L1 hit.
    #[inline(always)]
    pub(crate) fn time_access(
        &mut self,
        mem: &mut PhysMem,
        kind: AccessKind,
        linear: u64,
        size: u32,
    ) {
        if self.times_memory {
            self.time_access_slow(mem, kind, linear, size);
        }
    }

    #[inline(never)]
    fn time_access_slow(&mut self, mem: &mut PhysMem, kind: AccessKind, linear: u64, size: u32) {
        let tlb = if kind == AccessKind::Store { &self.tlbs.write } else { &self.tlbs.read };
        let known = tlb.full(linear, self.privilege());
        let Some(physical) = known.or_else(|| self.peek_translate(mem, linear)) else { return };
        let cost = self.timing.access(&MemoryEvent { kind, linear, physical, size });
        self.cycles += u64::from(cost);
    }
}
