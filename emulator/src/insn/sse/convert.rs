//! Conversions between formats and to and from integers.

use iced_x86::{Instruction, Mnemonic};

use super::float;
use super::operand::{Gpr, M32, M64, M128, Operand, Source, Xmm, check_enabled, commit, operands};
use crate::alu::float::convert::{from_int, to_int};
use crate::alu::float::vectors::{
    Current, Direction, DoublesOfInts, DoublesOfSingles, IntsOfDoubles, IntsOfSingles, Narrow,
    SinglesOfDoubles, SinglesOfInts, Truncated, Widen,
};
use crate::alu::float::{Double, Env, Format, Single};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Cvtss2sd, float::rule::<Widen, M32>),
    (Mnemonic::Cvtsd2ss, float::rule::<Narrow, M64>),
    (Mnemonic::Cvtps2pd, float::rule::<DoublesOfSingles, M64>),
    (Mnemonic::Cvtpd2ps, float::rule::<SinglesOfDoubles, M128>),
    (Mnemonic::Cvtdq2ps, float::rule::<SinglesOfInts, M128>),
    (Mnemonic::Cvtdq2pd, float::rule::<DoublesOfInts, M64>),
    (Mnemonic::Cvtps2dq, float::rule::<IntsOfSingles<Current>, M128>),
    (Mnemonic::Cvttps2dq, float::rule::<IntsOfSingles<Truncated>, M128>),
    (Mnemonic::Cvtpd2dq, float::rule::<IntsOfDoubles<Current>, M128>),
    (Mnemonic::Cvttpd2dq, float::rule::<IntsOfDoubles<Truncated>, M128>),
    (Mnemonic::Cvtsi2ss, from_int_rule::<Single>),
    (Mnemonic::Cvtsi2sd, from_int_rule::<Double>),
    (Mnemonic::Cvtss2si, to_int_rule::<Single, Current, M32>),
    (Mnemonic::Cvtsd2si, to_int_rule::<Double, Current, M64>),
    (Mnemonic::Cvttss2si, to_int_rule::<Single, Truncated, M32>),
    (Mnemonic::Cvttsd2si, to_int_rule::<Double, Truncated, M64>),
];

fn from_int_rule<F: Format>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match (operands(insn), insn.memory_size().size()) {
        ((Operand::Xmm, Operand::Gpr32), _) => int_to_scalar::<F, B32, Gpr>,
        ((Operand::Xmm, Operand::Gpr64), _) => int_to_scalar::<F, B64, Gpr>,
        ((Operand::Xmm, Operand::Memory), 4) => int_to_scalar::<F, B32, M32>,
        ((Operand::Xmm, Operand::Memory), 8) => int_to_scalar::<F, B64, M64>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn int_to_scalar<F: Format, W: Width, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = W::sign_extend(S::fetch(cpu, mem, op)? as u64);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = from_int::<F>(&mut env, value as i64);
    commit(cpu, env)?;
    let kept = cpu.regs.vector.xmm(op.dst) & !u128::from(F::MASK);
    cpu.regs.vector.set_xmm(op.dst, kept | u128::from(result));
    Ok(S::flow(cpu))
}

fn to_int_rule<F: Format, D: Direction, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Gpr32, Operand::Xmm) => scalar_to_int::<F, D, B32, Xmm>,
        (Operand::Gpr64, Operand::Xmm) => scalar_to_int::<F, D, B64, Xmm>,
        (Operand::Gpr32, Operand::Memory) => scalar_to_int::<F, D, B32, M>,
        (Operand::Gpr64, Operand::Memory) => scalar_to_int::<F, D, B64, M>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn scalar_to_int<F: Format, D: Direction, W: Width, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch(cpu, mem, op)? as u64 & F::MASK;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = to_int::<F>(&mut env, value, W::BITS, D::HOW);
    commit(cpu, env)?;
    cpu.regs.gpr.set(op.dst, result);
    Ok(S::flow(cpu))
}
