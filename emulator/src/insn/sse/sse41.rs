//! SSE4.1, but for lanes to and from general registers, and PCMPGTQ of SSE4.2
//! (SDM vol. 1, 12.10).

use iced_x86::{Instruction, Mnemonic};

use super::float;
use super::integer::{narrow_rule, rule, vector};
use super::moves::load;
use super::operand::{M16, M32, M64, M128, Operand, Source, Xmm, check_enabled, operands};
use crate::alu::float::across::{DotDoubles, DotSingles};
use crate::alu::float::integral::RoundToIntegral;
use crate::alu::float::{Double, PackedOf, ScalarOf, Single};
use crate::alu::simd::VectorOp3;
use crate::alu::simd::extend::{BitTest, SignExtend, ZeroExtend};
use crate::alu::simd::horizontal::MinPosition;
use crate::alu::simd::integer::{Equal, Greater, Max, Min};
use crate::alu::simd::pack::PackUnsignedWords;
use crate::alu::simd::product::{MulEvenSigned, MulLowDwords, SumBlockDifferences};
use crate::alu::simd::select::{Blend, BlendByMask, InsertLoadedSingle, InsertSingle};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Blendps, rule::<Blend<u32>>),
    (Mnemonic::Blendpd, rule::<Blend<u64>>),
    (Mnemonic::Pblendw, rule::<Blend<u16>>),
    (Mnemonic::Blendvps, implicit_rule::<BlendByMask<u32>>),
    (Mnemonic::Blendvpd, implicit_rule::<BlendByMask<u64>>),
    (Mnemonic::Pblendvb, implicit_rule::<BlendByMask<u8>>),
    (Mnemonic::Dpps, float::rule::<DotSingles, M128>),
    (Mnemonic::Dppd, float::rule::<DotDoubles, M128>),
    (Mnemonic::Roundps, float::rule::<PackedOf<Single, RoundToIntegral>, M128>),
    (Mnemonic::Roundpd, float::rule::<PackedOf<Double, RoundToIntegral>, M128>),
    (Mnemonic::Roundss, float::rule::<ScalarOf<Single, RoundToIntegral>, M32>),
    (Mnemonic::Roundsd, float::rule::<ScalarOf<Double, RoundToIntegral>, M64>),
    (Mnemonic::Insertps, insert_single_rule),
    (Mnemonic::Movntdqa, streaming_load_rule),
    (Mnemonic::Mpsadbw, rule::<SumBlockDifferences>),
    (Mnemonic::Packusdw, rule::<PackUnsignedWords>),
    (Mnemonic::Pcmpeqq, rule::<Equal<u64>>),
    (Mnemonic::Pcmpgtq, rule::<Greater<i64>>),
    (Mnemonic::Phminposuw, rule::<MinPosition>),
    (Mnemonic::Pmaxsb, rule::<Max<i8>>),
    (Mnemonic::Pmaxsd, rule::<Max<i32>>),
    (Mnemonic::Pmaxuw, rule::<Max<u16>>),
    (Mnemonic::Pmaxud, rule::<Max<u32>>),
    (Mnemonic::Pminsb, rule::<Min<i8>>),
    (Mnemonic::Pminsd, rule::<Min<i32>>),
    (Mnemonic::Pminuw, rule::<Min<u16>>),
    (Mnemonic::Pminud, rule::<Min<u32>>),
    (Mnemonic::Pmovsxbw, narrow_rule::<SignExtend<u8, u16>, M64>),
    (Mnemonic::Pmovsxbd, narrow_rule::<SignExtend<u8, u32>, M32>),
    (Mnemonic::Pmovsxbq, narrow_rule::<SignExtend<u8, u64>, M16>),
    (Mnemonic::Pmovsxwd, narrow_rule::<SignExtend<u16, u32>, M64>),
    (Mnemonic::Pmovsxwq, narrow_rule::<SignExtend<u16, u64>, M32>),
    (Mnemonic::Pmovsxdq, narrow_rule::<SignExtend<u32, u64>, M64>),
    (Mnemonic::Pmovzxbw, narrow_rule::<ZeroExtend<u8, u16>, M64>),
    (Mnemonic::Pmovzxbd, narrow_rule::<ZeroExtend<u8, u32>, M32>),
    (Mnemonic::Pmovzxbq, narrow_rule::<ZeroExtend<u8, u64>, M16>),
    (Mnemonic::Pmovzxwd, narrow_rule::<ZeroExtend<u16, u32>, M64>),
    (Mnemonic::Pmovzxwq, narrow_rule::<ZeroExtend<u16, u64>, M32>),
    (Mnemonic::Pmovzxdq, narrow_rule::<ZeroExtend<u32, u64>, M64>),
    (Mnemonic::Pmuldq, rule::<MulEvenSigned>),
    (Mnemonic::Pmulld, rule::<MulLowDwords>),
    (Mnemonic::Ptest, test_rule),
];

/// An operation whose third operand is XMM0.
pub(super) fn implicit_rule<O: VectorOp3>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => with_xmm0::<O, Xmm>,
        (Operand::Xmm, Operand::Memory) => with_xmm0::<O, M128>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn with_xmm0<O: VectorOp3, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let vector = &mut cpu.regs.vector;
    let result = O::apply(vector.xmm(op.dst), b, vector.xmm(0));
    vector.set_xmm(op.dst, result);
    Ok(S::flow(cpu))
}

fn insert_single_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector::<InsertSingle, Xmm>,
        (Operand::Xmm, Operand::Memory) => vector::<InsertLoadedSingle, M32>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// MOVNTDQA: a load only; memory is of one kind.
fn streaming_load_rule(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Xmm, Operand::Memory) => Lowered::plain(insn, load::<M128>),
        _ => None,
    }
}

fn test_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => test::<Xmm>,
        (Operand::Xmm, Operand::Memory) => test::<M128>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// PTEST: ZF and CF; the other status flags are cleared.
fn test<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let test = BitTest::of(cpu.regs.vector.xmm(op.dst), b, u128::MAX);
    let bit = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = bit(test.none_common, RFlags::ZF) | bit(test.none_missing, RFlags::CF);
    cpu.regs.status = LazyFlags::from_image(flags);
    Ok(S::flow(cpu))
}
