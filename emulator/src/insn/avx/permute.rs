//! Lanes moved between the halves of a vector: broadcasts, permutes, and halves put in
//! and taken out.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    Length, Mem, Mem8, Mem16, Mem32, Mem64, Mem128, Source, check_enabled, encoded, instances, low,
    vex,
};
use crate::alu::simd::cross::{
    Broadcast, BroadcastHalf, CrossOp, InsertHalf, PermuteDwords, PermuteHalves, PermuteQwords,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::{Operand, operand};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpbroadcastb, cross_rule::<Broadcast<u8>, Mem8>),
    (Mnemonic::Vpbroadcastw, cross_rule::<Broadcast<u16>, Mem16>),
    (Mnemonic::Vpbroadcastd, cross_rule::<Broadcast<u32>, Mem32>),
    (Mnemonic::Vpbroadcastq, cross_rule::<Broadcast<u64>, Mem64>),
    (Mnemonic::Vbroadcasti128, cross_rule::<BroadcastHalf, Mem128>),
    (Mnemonic::Vpermq, cross_rule::<PermuteQwords, Mem>),
    (Mnemonic::Vpermd, cross_rule::<PermuteDwords, Mem>),
    (Mnemonic::Vperm2i128, cross_rule::<PermuteHalves, Mem>),
    (Mnemonic::Vinserti128, cross_rule::<InsertHalf, Mem128>),
    (Mnemonic::Vextracti128, extract_half_rule),
];

/// One or two sources, the last of which is `M` in memory, as a whole.
pub(crate) fn cross_rule<O: CrossOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let has_two = matches!(operand(insn, 2), Operand::Memory | Operand::Xmm)
        || insn.op_count() > 2 && insn.op_register(2).is_ymm();
    vex(insn, if has_two { 2 } else { 1 }, instances!(cross, O; M))
}

fn cross<O: CrossOp, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let result = O::apply(cpu.regs.vector.ymm(op.src), b, op.imm as u8);
    cpu.regs.vector.set_ymm(op.dst, L::halves(|| result.lo, || result.hi));
    Ok(S::flow(cpu))
}

/// VEXTRACTI128, VEXTRACTF128: the half that bit 0 of the immediate names.
pub(crate) fn extract_half_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operand(insn, 0) {
        Operand::Xmm => extract_half,
        Operand::Memory => extract_half_to_memory,
        _ => return None,
    };
    encoded(insn, run)
}

#[inline(always)]
fn half(cpu: &Cpu, op: &Op) -> u128 {
    let value = cpu.regs.vector.ymm(op.src);
    if op.imm & 1 == 0 { value.lo } else { value.hi }
}

fn extract_half(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = half(cpu, op);
    cpu.regs.vector.set_ymm(op.dst, low(value));
    Ok(Flow::Next)
}

fn extract_half_to_memory(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = half(cpu, op);
    cpu.store_bytes(mem, op.linear(cpu), value.to_le_bytes())?;
    Ok(cpu.completed())
}
