//! Integer and bitwise operations, shuffles and shifts: everything that is a
//! [`VectorOp`] of two operands.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{M128, Operand, Source, Xmm, check_enabled, is_enabled, operands};
use crate::alu::simd::VectorOp;
use crate::alu::simd::integer::{
    Add, AddSaturated, And, AndNot, Average, Equal, Greater, Max, Min, Or, Sub, SubSaturated, Xor,
};
use crate::alu::simd::multiply::{MulAddPairs, MulEven, MulHigh, MulLow, SumAbsDifferences};
use crate::alu::simd::pack::{
    PackSignedBytes, PackSignedWords, PackUnsignedBytes, UnpackHigh, UnpackLow,
};
use crate::alu::simd::shift::{Left, LeftBytes, RightArithmetic, RightBytes, RightLogical};
use crate::alu::simd::shuffle::{
    ShuffleDoubles, ShuffleDwords, ShuffleHighWords, ShuffleLowWords, ShuffleSingles,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, Run, alone, go_on, quick};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Paddb, rule::<Add<u8>>),
    (Mnemonic::Paddw, rule::<Add<u16>>),
    (Mnemonic::Paddd, rule::<Add<u32>>),
    (Mnemonic::Paddq, rule::<Add<u64>>),
    (Mnemonic::Psubb, rule::<Sub<u8>>),
    (Mnemonic::Psubw, rule::<Sub<u16>>),
    (Mnemonic::Psubd, rule::<Sub<u32>>),
    (Mnemonic::Psubq, rule::<Sub<u64>>),
    (Mnemonic::Paddsb, rule::<AddSaturated<i8>>),
    (Mnemonic::Paddsw, rule::<AddSaturated<i16>>),
    (Mnemonic::Paddusb, rule::<AddSaturated<u8>>),
    (Mnemonic::Paddusw, rule::<AddSaturated<u16>>),
    (Mnemonic::Psubsb, rule::<SubSaturated<i8>>),
    (Mnemonic::Psubsw, rule::<SubSaturated<i16>>),
    (Mnemonic::Psubusb, rule::<SubSaturated<u8>>),
    (Mnemonic::Psubusw, rule::<SubSaturated<u16>>),
    (Mnemonic::Pcmpeqb, rule::<Equal<u8>>),
    (Mnemonic::Pcmpeqw, rule::<Equal<u16>>),
    (Mnemonic::Pcmpeqd, rule::<Equal<u32>>),
    (Mnemonic::Pcmpgtb, rule::<Greater<i8>>),
    (Mnemonic::Pcmpgtw, rule::<Greater<i16>>),
    (Mnemonic::Pcmpgtd, rule::<Greater<i32>>),
    (Mnemonic::Pminub, rule::<Min<u8>>),
    (Mnemonic::Pminsw, rule::<Min<i16>>),
    (Mnemonic::Pmaxub, rule::<Max<u8>>),
    (Mnemonic::Pmaxsw, rule::<Max<i16>>),
    (Mnemonic::Pavgb, rule::<Average<u8>>),
    (Mnemonic::Pavgw, rule::<Average<u16>>),
    (Mnemonic::Pmullw, rule::<MulLow>),
    (Mnemonic::Pmulhw, rule::<MulHigh<i16>>),
    (Mnemonic::Pmulhuw, rule::<MulHigh<u16>>),
    (Mnemonic::Pmuludq, rule::<MulEven>),
    (Mnemonic::Pmaddwd, rule::<MulAddPairs>),
    (Mnemonic::Psadbw, rule::<SumAbsDifferences>),
    (Mnemonic::Pand, rule::<And>),
    (Mnemonic::Andps, rule::<And>),
    (Mnemonic::Andpd, rule::<And>),
    (Mnemonic::Pandn, rule::<AndNot>),
    (Mnemonic::Andnps, rule::<AndNot>),
    (Mnemonic::Andnpd, rule::<AndNot>),
    (Mnemonic::Por, rule::<Or>),
    (Mnemonic::Orps, rule::<Or>),
    (Mnemonic::Orpd, rule::<Or>),
    (Mnemonic::Pxor, rule::<Xor>),
    (Mnemonic::Xorps, rule::<Xor>),
    (Mnemonic::Xorpd, rule::<Xor>),
    (Mnemonic::Packsswb, rule::<PackSignedBytes>),
    (Mnemonic::Packuswb, rule::<PackUnsignedBytes>),
    (Mnemonic::Packssdw, rule::<PackSignedWords>),
    (Mnemonic::Punpcklbw, rule::<UnpackLow<u8>>),
    (Mnemonic::Punpcklwd, rule::<UnpackLow<u16>>),
    (Mnemonic::Punpckldq, rule::<UnpackLow<u32>>),
    (Mnemonic::Punpcklqdq, rule::<UnpackLow<u64>>),
    (Mnemonic::Punpckhbw, rule::<UnpackHigh<u8>>),
    (Mnemonic::Punpckhwd, rule::<UnpackHigh<u16>>),
    (Mnemonic::Punpckhdq, rule::<UnpackHigh<u32>>),
    (Mnemonic::Punpckhqdq, rule::<UnpackHigh<u64>>),
    (Mnemonic::Unpcklps, rule::<UnpackLow<u32>>),
    (Mnemonic::Unpcklpd, rule::<UnpackLow<u64>>),
    (Mnemonic::Unpckhps, rule::<UnpackHigh<u32>>),
    (Mnemonic::Unpckhpd, rule::<UnpackHigh<u64>>),
    (Mnemonic::Pshufd, rule::<ShuffleDwords>),
    (Mnemonic::Pshuflw, rule::<ShuffleLowWords>),
    (Mnemonic::Pshufhw, rule::<ShuffleHighWords>),
    (Mnemonic::Shufps, rule::<ShuffleSingles>),
    (Mnemonic::Shufpd, rule::<ShuffleDoubles>),
    (Mnemonic::Psllw, shift_rule::<Left<u16>>),
    (Mnemonic::Pslld, shift_rule::<Left<u32>>),
    (Mnemonic::Psllq, shift_rule::<Left<u64>>),
    (Mnemonic::Psrlw, shift_rule::<RightLogical<u16>>),
    (Mnemonic::Psrld, shift_rule::<RightLogical<u32>>),
    (Mnemonic::Psrlq, shift_rule::<RightLogical<u64>>),
    (Mnemonic::Psraw, shift_rule::<RightArithmetic<i16>>),
    (Mnemonic::Psrad, shift_rule::<RightArithmetic<i32>>),
    (Mnemonic::Pslldq, shift_rule::<LeftBytes>),
    (Mnemonic::Psrldq, shift_rule::<RightBytes>),
];

/// An operation whose memory operand has 16 aligned bytes.
pub(super) fn rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    narrow_rule::<O, M128>(insn)
}

/// An operation whose memory operand is `M`.
pub(super) fn narrow_rule<O: VectorOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector_run::<O, Xmm>(),
        (Operand::Xmm, Operand::Memory) => vector_run::<O, M>(),
        _ => return None,
    };
    Lowered::quick(insn, run)
}

fn shift_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Xmm, Operand::Imm) => Lowered::quick(insn, quick!(vector_imm::<O>)),
        _ => rule::<O>(insn),
    }
}

/// Applies the operation to the destination and a source.
pub(super) fn vector<O: VectorOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let a = cpu.regs.vector.xmm(op.dst);
    cpu.regs.vector.set_xmm(op.dst, O::apply(a, b, op.imm as u8));
    Ok(S::flow(cpu))
}

/// Both ways to run [`vector`].
pub(super) fn vector_run<O: VectorOp, S: Source>() -> Run {
    Run { alone: vector::<O, S>, chain: vector_chain::<O, S> }
}

fn vector_chain<O: VectorOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    match S::fetch_fast(cpu, mem, op) {
        Some(b) if is_enabled(cpu) => {
            let a = cpu.regs.vector.xmm(op.dst);
            cpu.regs.vector.set_xmm(op.dst, O::apply(a, b, op.imm as u8));
            go_on(cpu, mem, rest)
        }
        _ => alone(cpu, mem, op, rest),
    }
}

/// Applies the operation to the destination and the immediate byte.
#[inline(always)]
fn vector_imm<O: VectorOp>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let a = cpu.regs.vector.xmm(op.dst);
    cpu.regs.vector.set_xmm(op.dst, O::apply(a, u128::from(op.imm as u8), 0));
    Ok(Flow::Next)
}
