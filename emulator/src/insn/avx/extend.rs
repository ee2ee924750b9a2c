//! VPMOVSXxx and VPMOVZXxx, whose source is narrower than the result, and VPTEST.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    L128, L256, Length, Mem, Mem16, Mem32, Mem64, Mem128, Reg, Source, check_enabled, instances,
    vex,
};
use crate::alu::simd::extend::{BitTest, SignExtend, ZeroExtend, source_bits};
use crate::alu::simd::{Lane, VectorOp};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::flags::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpmovzxbw, half_rule::<ZeroExtend<u8, u16>, u8, u16>),
    (Mnemonic::Vpmovzxbd, quarter_rule::<ZeroExtend<u8, u32>, u8, u32>),
    (Mnemonic::Vpmovzxbq, eighth_rule::<ZeroExtend<u8, u64>, u8, u64>),
    (Mnemonic::Vpmovzxwd, half_rule::<ZeroExtend<u16, u32>, u16, u32>),
    (Mnemonic::Vpmovzxwq, quarter_rule::<ZeroExtend<u16, u64>, u16, u64>),
    (Mnemonic::Vpmovzxdq, half_rule::<ZeroExtend<u32, u64>, u32, u64>),
    (Mnemonic::Vpmovsxbw, half_rule::<SignExtend<u8, u16>, u8, u16>),
    (Mnemonic::Vpmovsxbd, quarter_rule::<SignExtend<u8, u32>, u8, u32>),
    (Mnemonic::Vpmovsxbq, eighth_rule::<SignExtend<u8, u64>, u8, u64>),
    (Mnemonic::Vpmovsxwd, half_rule::<SignExtend<u16, u32>, u16, u32>),
    (Mnemonic::Vpmovsxwq, quarter_rule::<SignExtend<u16, u64>, u16, u64>),
    (Mnemonic::Vpmovsxdq, half_rule::<SignExtend<u32, u64>, u32, u64>),
    (Mnemonic::Vptest, test_rule),
];

/// The source is half as wide as the result.
fn half_rule<O: VectorOp, From: Lane, To: Lane>(insn: &Instruction) -> Option<Lowered> {
    extend_rule::<O, From, To, Mem64, Mem128>(insn)
}

/// The source is a quarter as wide as the result.
fn quarter_rule<O: VectorOp, From: Lane, To: Lane>(insn: &Instruction) -> Option<Lowered> {
    extend_rule::<O, From, To, Mem32, Mem64>(insn)
}

/// The source is an eighth as wide as the result.
fn eighth_rule<O: VectorOp, From: Lane, To: Lane>(insn: &Instruction) -> Option<Lowered> {
    extend_rule::<O, From, To, Mem16, Mem32>(insn)
}

/// In memory the source is `M` for 128 bits, `N` for 256.
fn extend_rule<O: VectorOp, From: Lane, To: Lane, M: Source, N: Source>(
    insn: &Instruction,
) -> Option<Lowered> {
    let narrow = [extend::<O, From, To, L128, Reg> as OpFn, extend::<O, From, To, L128, M>];
    let wide = [extend::<O, From, To, L256, Reg> as OpFn, extend::<O, From, To, L256, N>];
    vex(insn, 1, [narrow, wide])
}

fn extend<O: VectorOp, From: Lane, To: Lane, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let source = S::fetch::<L>(cpu, mem, op)?.lo;
    let rest = source >> source_bits::<From, To>();
    let result = L::halves(|| O::apply(0, source, 0), || O::apply(0, rest, 0));
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}

fn test_rule(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(test; Mem))
}

/// VPTEST: ZF and CF by [`BitTest`]; the other status flags are cleared.
fn test<L: Length, S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.dst);
    let low = BitTest::of(a.lo, b.lo, u128::MAX);
    let test = if L::BYTES > 16 { low.and(BitTest::of(a.hi, b.hi, u128::MAX)) } else { low };
    let zero = if test.none_common { RFlags::ZF } else { 0 };
    let carry = if test.none_missing { RFlags::CF } else { 0 };
    cpu.regs.status = LazyFlags::from_image(zero | carry);
    Ok(S::flow(cpu))
}
