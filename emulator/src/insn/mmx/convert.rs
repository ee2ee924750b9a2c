//! Conversions between integers in MMX registers and floating point in XMM registers.

use std::marker::PhantomData;

use iced_x86::{Instruction, Mnemonic};

use super::operand::{Mm, check_ready};
use crate::alu::float::vectors::{
    Current, DoublesOfInts, IntsOfDoubles, IntsOfSingles, SinglesOfInts, Truncated,
};
use crate::alu::float::{Env, FloatOp};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::{M64, M128, Operand, Source, Xmm, check_enabled, commit, operands};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Cvtpi2ps, from_ints_rule::<IntoLowHalf<SinglesOfInts>>),
    (Mnemonic::Cvtpi2pd, from_ints_rule::<DoublesOfInts>),
    (Mnemonic::Cvtps2pi, to_ints_rule::<LowHalf<IntsOfSingles<Current>>, M64>),
    (Mnemonic::Cvttps2pi, to_ints_rule::<LowHalf<IntsOfSingles<Truncated>>, M64>),
    (Mnemonic::Cvtpd2pi, to_ints_rule::<IntsOfDoubles<Current>, M128>),
    (Mnemonic::Cvttpd2pi, to_ints_rule::<IntsOfDoubles<Truncated>, M128>),
];

/// An operation on the low half of its second operand.
struct LowHalf<O>(PhantomData<O>);
/// An operation whose result's low half goes to the destination's low half.
struct IntoLowHalf<O>(PhantomData<O>);

impl<O: FloatOp> FloatOp for IntoLowHalf<O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        let low = O::apply(env, a, b, imm) as u64;
        a & !u128::from(u64::MAX) | u128::from(low)
    }
}

impl<O: FloatOp> FloatOp for LowHalf<O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        O::apply(env, a, u128::from(b as u64), imm)
    }
}

fn from_ints_rule<O: FloatOp>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Mm) => from_register::<O>,
        (Operand::Xmm, Operand::Memory) => from_memory::<O>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn from_register<O: FloatOp>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    check_ready(cpu)?;
    let b = Mm::fetch(cpu, mem, op)?;
    // Before the exceptions that the conversion may raise (measured).
    cpu.regs.x87.enter_mmx();
    from_ints::<O>(cpu, op, b)?;
    Ok(Flow::Next)
}

/// With an operand in memory neither conversion has to do with the x87 FPU (measured;
/// the manual says so of CVTPI2PD only).
fn from_memory<O: FloatOp>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = M64::fetch(cpu, mem, op)?;
    from_ints::<O>(cpu, op, b)?;
    Ok(M64::flow(cpu))
}

fn from_ints<O: FloatOp>(cpu: &mut Cpu, op: &Op, ints: u128) -> Result<(), Faulted> {
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = O::apply(&mut env, cpu.regs.vector.xmm(op.dst), ints, 0);
    commit(cpu, env)?;
    cpu.regs.vector.set_xmm(op.dst, result);
    Ok(())
}

fn to_ints_rule<O: FloatOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Mm, Operand::Xmm) => to_ints::<O, Xmm>,
        (Operand::Mm, Operand::Memory) => to_ints::<O, M>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn to_ints<O: FloatOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    check_ready(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    cpu.regs.x87.enter_mmx();
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = O::apply(&mut env, 0, b, 0) as u64;
    commit(cpu, env)?;
    cpu.regs.x87.set_mm(op.dst, result);
    Ok(S::flow(cpu))
}
