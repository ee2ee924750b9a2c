//! Arithmetic and comparisons of floating-point numbers.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    M32, M64, M128, Operand, Source, Xmm, check_enabled, commit, is_enabled, operands,
};
use crate::alu::float::approx::{Reciprocal, ReciprocalRoot};
use crate::alu::float::arith::{Add, Div, Mul, Sqrt, Sub};
use crate::alu::float::compare::{Compare, Max, Min, NanRule, Relation, relation};
use crate::alu::float::env::Outcome;
use crate::alu::float::{Double, Env, FloatOp, Format, PackedOf, ScalarOf, Single};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn, Run, alone, go_on};
use crate::regs::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Addps, rule::<PackedOf<Single, Add>, M128>),
    (Mnemonic::Addpd, rule::<PackedOf<Double, Add>, M128>),
    (Mnemonic::Addss, rule::<ScalarOf<Single, Add>, M32>),
    (Mnemonic::Addsd, rule::<ScalarOf<Double, Add>, M64>),
    (Mnemonic::Subps, rule::<PackedOf<Single, Sub>, M128>),
    (Mnemonic::Subpd, rule::<PackedOf<Double, Sub>, M128>),
    (Mnemonic::Subss, rule::<ScalarOf<Single, Sub>, M32>),
    (Mnemonic::Subsd, rule::<ScalarOf<Double, Sub>, M64>),
    (Mnemonic::Mulps, rule::<PackedOf<Single, Mul>, M128>),
    (Mnemonic::Mulpd, rule::<PackedOf<Double, Mul>, M128>),
    (Mnemonic::Mulss, rule::<ScalarOf<Single, Mul>, M32>),
    (Mnemonic::Mulsd, rule::<ScalarOf<Double, Mul>, M64>),
    (Mnemonic::Divps, rule::<PackedOf<Single, Div>, M128>),
    (Mnemonic::Divpd, rule::<PackedOf<Double, Div>, M128>),
    (Mnemonic::Divss, rule::<ScalarOf<Single, Div>, M32>),
    (Mnemonic::Divsd, rule::<ScalarOf<Double, Div>, M64>),
    (Mnemonic::Sqrtps, rule::<PackedOf<Single, Sqrt>, M128>),
    (Mnemonic::Sqrtpd, rule::<PackedOf<Double, Sqrt>, M128>),
    (Mnemonic::Sqrtss, rule::<ScalarOf<Single, Sqrt>, M32>),
    (Mnemonic::Sqrtsd, rule::<ScalarOf<Double, Sqrt>, M64>),
    (Mnemonic::Minps, rule::<PackedOf<Single, Min>, M128>),
    (Mnemonic::Minpd, rule::<PackedOf<Double, Min>, M128>),
    (Mnemonic::Minss, rule::<ScalarOf<Single, Min>, M32>),
    (Mnemonic::Minsd, rule::<ScalarOf<Double, Min>, M64>),
    (Mnemonic::Maxps, rule::<PackedOf<Single, Max>, M128>),
    (Mnemonic::Maxpd, rule::<PackedOf<Double, Max>, M128>),
    (Mnemonic::Maxss, rule::<ScalarOf<Single, Max>, M32>),
    (Mnemonic::Maxsd, rule::<ScalarOf<Double, Max>, M64>),
    (Mnemonic::Cmpps, rule::<PackedOf<Single, Compare>, M128>),
    (Mnemonic::Cmppd, rule::<PackedOf<Double, Compare>, M128>),
    (Mnemonic::Cmpss, rule::<ScalarOf<Single, Compare>, M32>),
    // The string instruction of this name has no XMM operand.
    (Mnemonic::Cmpsd, rule::<ScalarOf<Double, Compare>, M64>),
    (Mnemonic::Rcpps, rule::<PackedOf<Single, Reciprocal>, M128>),
    (Mnemonic::Rcpss, rule::<ScalarOf<Single, Reciprocal>, M32>),
    (Mnemonic::Rsqrtps, rule::<PackedOf<Single, ReciprocalRoot>, M128>),
    (Mnemonic::Rsqrtss, rule::<ScalarOf<Single, ReciprocalRoot>, M32>),
    (Mnemonic::Comiss, flags_rule::<Single, Ordered, M32>),
    (Mnemonic::Comisd, flags_rule::<Double, Ordered, M64>),
    (Mnemonic::Ucomiss, flags_rule::<Single, Unordered, M32>),
    (Mnemonic::Ucomisd, flags_rule::<Double, Unordered, M64>),
];

pub(super) fn rule<O: FloatOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => {
            Run { alone: float::<O, Xmm>, chain: float_chain::<O, Xmm> }
        }
        (Operand::Xmm, Operand::Memory) => Run { alone: float::<O, M>, chain: float_chain::<O, M> },
        _ => return None,
    };
    Lowered::quick(insn, run)
}

/// Applies the operation to the destination and a source.
fn float<O: FloatOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let a = cpu.regs.vector.xmm(op.dst);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = O::apply(&mut env, a, b, op.imm as u8);
    commit(cpu, env)?;
    cpu.regs.vector.set_xmm(op.dst, result);
    Ok(S::flow(cpu))
}

/// The same where neither operand nor result needs more than the numbers.
fn float_chain<O: FloatOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let Some(b) = S::fetch_fast(cpu, mem, op) else { return alone(cpu, mem, op, rest) };
    let a = cpu.regs.vector.xmm(op.dst);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = O::apply(&mut env, a, b, op.imm as u8);
    match env.outcome() {
        Outcome::Done(mxcsr) if is_enabled(cpu) => {
            cpu.regs.vector.mxcsr = mxcsr;
            cpu.regs.vector.set_xmm(op.dst, result);
            go_on(cpu, mem, rest)
        }
        _ => alone(cpu, mem, op, rest),
    }
}

/// Which NaNs a comparison to RFLAGS refuses.
pub(crate) trait NanPolicy: 'static {
    /// The rule.
    const NANS: NanRule;
}

/// COMISS, COMISD.
pub(crate) struct Ordered;
/// UCOMISS, UCOMISD.
pub(crate) struct Unordered;

impl NanPolicy for Ordered {
    const NANS: NanRule = NanRule::Signalling;
}

impl NanPolicy for Unordered {
    const NANS: NanRule = NanRule::Quiet;
}

fn flags_rule<F: Format, P: NanPolicy, M: Source>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => compare_to_flags::<F, P, Xmm>,
        (Operand::Xmm, Operand::Memory) => compare_to_flags::<F, P, M>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Compares into ZF, PF and CF; OF, SF and AF are cleared.
fn compare_to_flags<F: Format, P: NanPolicy, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)? as u64 & F::MASK;
    let a = cpu.regs.vector.xmm(op.dst) as u64 & F::MASK;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let relation = relation::<F>(&mut env, a, b, P::NANS);
    commit(cpu, env)?;
    cpu.regs.status = flags_of(relation);
    Ok(S::flow(cpu))
}

/// How a comparison shows in RFLAGS.
#[inline(always)]
pub(crate) fn flags_of(relation: Relation) -> LazyFlags {
    // An image in each arm, so that its lazy form is known at compile time.
    match relation {
        Relation::Greater => LazyFlags::from_image(0),
        Relation::Less => LazyFlags::from_image(RFlags::CF),
        Relation::Equal => LazyFlags::from_image(RFlags::ZF),
        Relation::Unordered => LazyFlags::from_image(RFlags::ZF | RFlags::PF | RFlags::CF),
    }
}
