//! Sums, products, comparisons, packs, shuffles, shifts: all that is a [`VectorOp`]
//! of an MMX register and a second operand.

use iced_x86::{Instruction, Mnemonic};

use super::narrow::{Joined, Repeated, Stacked, Upper};
use super::operand::{Mm, check_ready, write};
use crate::alu::simd::VectorOp;
use crate::alu::simd::horizontal::{
    Abs, AddPairs, AddPairsSaturated, Sign, SubPairs, SubPairsSaturated,
};
use crate::alu::simd::integer::{
    Add, AddSaturated, And, AndNot, Average, Equal, Greater, Max, Min, Or, Sub, SubSaturated, Xor,
};
use crate::alu::simd::multiply::{MulAddPairs, MulEven, MulHigh, MulLow, SumAbsDifferences};
use crate::alu::simd::pack::{PackSignedBytes, PackSignedWords, PackUnsignedBytes, UnpackLow};
use crate::alu::simd::product::{MulAddBytes, MulHighRounded};
use crate::alu::simd::select::{AlignRight, ShuffleBytes};
use crate::alu::simd::shift::{Left, RightArithmetic, RightLogical};
use crate::alu::simd::shuffle::ShuffleLowWords;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::{M32, M64, Operand, Source, operands};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};

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
    (Mnemonic::Pandn, rule::<AndNot>),
    (Mnemonic::Por, rule::<Or>),
    (Mnemonic::Pxor, rule::<Xor>),
    (Mnemonic::Packsswb, rule::<Joined<PackSignedBytes>>),
    (Mnemonic::Packuswb, rule::<Joined<PackUnsignedBytes>>),
    (Mnemonic::Packssdw, rule::<Joined<PackSignedWords>>),
    (Mnemonic::Punpcklbw, low_rule::<UnpackLow<u8>>),
    (Mnemonic::Punpcklwd, low_rule::<UnpackLow<u16>>),
    (Mnemonic::Punpckldq, low_rule::<UnpackLow<u32>>),
    (Mnemonic::Punpckhbw, rule::<Upper<UnpackLow<u8>>>),
    (Mnemonic::Punpckhwd, rule::<Upper<UnpackLow<u16>>>),
    (Mnemonic::Punpckhdq, rule::<Upper<UnpackLow<u32>>>),
    (Mnemonic::Pshufw, rule::<ShuffleLowWords>),
    (Mnemonic::Phaddw, rule::<Joined<AddPairs<u16>>>),
    (Mnemonic::Phaddd, rule::<Joined<AddPairs<u32>>>),
    (Mnemonic::Phaddsw, rule::<Joined<AddPairsSaturated>>),
    (Mnemonic::Phsubw, rule::<Joined<SubPairs<u16>>>),
    (Mnemonic::Phsubd, rule::<Joined<SubPairs<u32>>>),
    (Mnemonic::Phsubsw, rule::<Joined<SubPairsSaturated>>),
    (Mnemonic::Pabsb, rule::<Abs<u8>>),
    (Mnemonic::Pabsw, rule::<Abs<u16>>),
    (Mnemonic::Pabsd, rule::<Abs<u32>>),
    (Mnemonic::Psignb, rule::<Sign<u8>>),
    (Mnemonic::Psignw, rule::<Sign<u16>>),
    (Mnemonic::Psignd, rule::<Sign<u32>>),
    (Mnemonic::Pmaddubsw, rule::<MulAddBytes>),
    (Mnemonic::Pmulhrsw, rule::<MulHighRounded>),
    (Mnemonic::Pshufb, rule::<Repeated<ShuffleBytes>>),
    (Mnemonic::Palignr, rule::<Stacked<AlignRight>>),
    (Mnemonic::Psllw, shift_rule::<Left<u16>>),
    (Mnemonic::Pslld, shift_rule::<Left<u32>>),
    (Mnemonic::Psllq, shift_rule::<Left<u64>>),
    (Mnemonic::Psrlw, shift_rule::<RightLogical<u16>>),
    (Mnemonic::Psrld, shift_rule::<RightLogical<u32>>),
    (Mnemonic::Psrlq, shift_rule::<RightLogical<u64>>),
    (Mnemonic::Psraw, shift_rule::<RightArithmetic<i16>>),
    (Mnemonic::Psrad, shift_rule::<RightArithmetic<i32>>),
];

fn rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    with_memory::<O, M64>(insn)
}

/// PUNPCKLx read the four bytes that they use.
fn low_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    with_memory::<O, M32>(insn)
}

fn with_memory<O: VectorOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Mm, Operand::Mm) => vector::<O, Mm>,
        (Operand::Mm, Operand::Memory) => vector::<O, M>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn shift_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Mm, Operand::Imm) => Lowered::plain(insn, vector_imm::<O>),
        _ => rule::<O>(insn),
    }
}

/// Applies the operation to the destination and a source.
fn vector<O: VectorOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let a = u128::from(cpu.regs.x87.mm(op.dst));
    write(cpu, op.dst, O::apply(a, b, op.imm as u8) as u64);
    Ok(S::flow(cpu))
}

/// Applies the operation to the destination and the immediate byte.
fn vector_imm<O: VectorOp>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    let a = u128::from(cpu.regs.x87.mm(op.dst));
    write(cpu, op.dst, O::apply(a, u128::from(op.imm as u8), 0) as u64);
    Ok(Flow::Next)
}
