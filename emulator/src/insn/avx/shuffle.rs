//! Lanes of floating-point vectors chosen, interleaved, blended and inserted.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operand::{
    HighImm, L128, L256, Length, Mem, Mem32, Mem64, Mem128, NextBits, Reg, SameImm, Source,
    binary_imm_rule, binary_rule, check_enabled, encoded, instances, packed, unary_rule, vex,
};
use super::permute::{cross_rule, extract_half_rule};
use super::transfer::{extract_rule, mask_rule};
use crate::alu::simd::cross::{
    Broadcast, BroadcastHalf, InsertHalf, PermuteDwords, PermuteHalves, PermuteQwords,
};
use crate::alu::simd::extend::{RepeatEvenSingles, RepeatLowDouble, RepeatOddSingles};
use crate::alu::simd::pack::{UnpackHigh, UnpackLow};
use crate::alu::simd::permute::{PermuteDoubles, PermuteSingles, ShuffleOwnDoubles};
use crate::alu::simd::select::{Blend, BlendByMask, InsertLoadedSingle, InsertSingle};
use crate::alu::simd::shuffle::{ShuffleDoubles, ShuffleDwords, ShuffleSingles};
use crate::alu::simd::{VectorOp, VectorOp3};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::B32;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vunpcklps, binary_rule::<UnpackLow<u32>>),
    (Mnemonic::Vunpckhps, binary_rule::<UnpackHigh<u32>>),
    (Mnemonic::Vunpcklpd, binary_rule::<UnpackLow<u64>>),
    (Mnemonic::Vunpckhpd, binary_rule::<UnpackHigh<u64>>),
    (Mnemonic::Vshufps, binary_rule::<ShuffleSingles>),
    (Mnemonic::Vshufpd, binary_imm_rule::<ShuffleDoubles, NextBits<2>>),
    (Mnemonic::Vblendps, binary_imm_rule::<Blend<u32>, NextBits<4>>),
    (Mnemonic::Vblendpd, binary_imm_rule::<Blend<u64>, NextBits<2>>),
    (Mnemonic::Vblendvps, ternary_rule::<BlendByMask<u32>>),
    (Mnemonic::Vblendvpd, ternary_rule::<BlendByMask<u64>>),
    (Mnemonic::Vpermilps, permil_rule::<PermuteSingles, ShuffleDwords, SameImm>),
    (Mnemonic::Vpermilpd, permil_rule::<PermuteDoubles, ShuffleOwnDoubles, NextBits<2>>),
    (Mnemonic::Vbroadcastss, cross_rule::<Broadcast<u32>, Mem32>),
    (Mnemonic::Vbroadcastsd, cross_rule::<Broadcast<u64>, Mem64>),
    (Mnemonic::Vbroadcastf128, cross_rule::<BroadcastHalf, Mem128>),
    (Mnemonic::Vpermps, cross_rule::<PermuteDwords, Mem>),
    (Mnemonic::Vpermpd, cross_rule::<PermuteQwords, Mem>),
    (Mnemonic::Vperm2f128, cross_rule::<PermuteHalves, Mem>),
    (Mnemonic::Vinsertf128, cross_rule::<InsertHalf, Mem128>),
    (Mnemonic::Vextractf128, extract_half_rule),
    (Mnemonic::Vinsertps, insert_rule),
    (Mnemonic::Vextractps, extract_rule::<B32>),
    (Mnemonic::Vmovddup, repeat_low_rule),
    (Mnemonic::Vmovsldup, unary_rule::<RepeatEvenSingles>),
    (Mnemonic::Vmovshdup, unary_rule::<RepeatOddSingles>),
    (Mnemonic::Vmovmskps, mask_rule::<u32>),
    (Mnemonic::Vmovmskpd, mask_rule::<u64>),
];

/// VPERMILPS, VPERMILPD: chosen by a vector, or by an immediate.
fn permil_rule<V: VectorOp, I: VectorOp, H: HighImm>(insn: &Instruction) -> Option<Lowered> {
    match insn.op_kind(2) {
        OpKind::Immediate8 => vex(insn, 1, instances!(packed, I, H; Mem)),
        _ => binary_rule::<V>(insn),
    }
}

/// VMOVDDUP: the 128-bit form reads only the half that it repeats.
fn repeat_low_rule(insn: &Instruction) -> Option<Lowered> {
    type Low = RepeatLowDouble;
    let low = [packed::<Low, SameImm, L128, Reg> as OpFn, packed::<Low, SameImm, L128, Mem64>];
    let full = [packed::<Low, SameImm, L256, Reg> as OpFn, packed::<Low, SameImm, L256, Mem>];
    vex(insn, 1, [low, full])
}

/// Three sources, the last of them a register that the immediate byte names.
pub(crate) fn ternary_rule<O: VectorOp3>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 2, instances!(ternary, O; Mem))
}

fn ternary<O: VectorOp3, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.src);
    let c = cpu.regs.vector.ymm(op.imm as u8);
    let result = L::halves(|| O::apply(a.lo, b.lo, c.lo), || O::apply(a.hi, b.hi, c.hi));
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}

fn insert_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match insn.op_kind(2) {
        OpKind::Memory => packed::<InsertLoadedSingle, SameImm, L128, Mem32>,
        _ => packed::<InsertSingle, SameImm, L128, Reg>,
    };
    encoded(insn, run)
}
