//! F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FSINCOS, FPTAN and FPATAN.

use iced_x86::Mnemonic;

use super::arith::{Unary, unary};
use super::operand::{begin, both, end, lowered};
use crate::alu::x87::env::{Env, StackFault};
use crate::alu::x87::format::F80;
use crate::alu::x87::transcendental::{
    Angle, arc_tangent, cosine, exp2_minus_one, sine, tangent, y_log2, y_log2_plus_one,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::Family;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::x87::status;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::F2xm1, |insn| lowered(insn, unary::<PowerMinusOne>)),
    (Mnemonic::Fyl2x, |insn| lowered(insn, pair::<Logarithm>)),
    (Mnemonic::Fyl2xp1, |insn| lowered(insn, pair::<LogarithmPlusOne>)),
    (Mnemonic::Fpatan, |insn| lowered(insn, pair::<ArcTangent>)),
    (Mnemonic::Fsin, |insn| lowered(insn, angle::<Sine>)),
    (Mnemonic::Fcos, |insn| lowered(insn, angle::<Cosine>)),
    (Mnemonic::Fptan, |insn| lowered(insn, angle_and_push::<TangentAndOne>)),
    (Mnemonic::Fsincos, |insn| lowered(insn, angle_and_push::<SineAndCosine>)),
];

/// F2XM1.
struct PowerMinusOne;

impl Unary for PowerMinusOne {
    fn apply(env: &mut Env, a: F80) -> F80 {
        exp2_minus_one(env, a)
    }
}

/// A function of ST(0) and ST(1) whose result replaces both.
trait PairFunction: 'static {
    /// Its result, given ST(0) and ST(1).
    fn apply(env: &mut Env, a: F80, b: F80) -> F80;
}

/// FYL2X.
struct Logarithm;
/// FYL2XP1.
struct LogarithmPlusOne;
/// FPATAN.
struct ArcTangent;

impl PairFunction for Logarithm {
    fn apply(env: &mut Env, a: F80, b: F80) -> F80 {
        y_log2(env, a, b)
    }
}

impl PairFunction for LogarithmPlusOne {
    fn apply(env: &mut Env, a: F80, b: F80) -> F80 {
        y_log2_plus_one(env, a, b)
    }
}

impl PairFunction for ArcTangent {
    fn apply(env: &mut Env, a: F80, b: F80) -> F80 {
        arc_tangent(env, a, b)
    }
}

fn pair<P: PairFunction>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(1));
    let result = match both(&mut env, a, b) {
        Ok((a, b)) => P::apply(&mut env, a, b),
        Err(indefinite) => indefinite,
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(1, result);
        cpu.regs.x87.pop();
    }
    Ok(end(cpu, op, &env))
}

/// A function of an angle.
trait AngleFunction: 'static {
    /// Its result.
    fn apply(env: &mut Env, a: F80) -> Angle;
}

/// FSIN.
struct Sine;
/// FCOS.
struct Cosine;

impl AngleFunction for Sine {
    fn apply(env: &mut Env, a: F80) -> Angle {
        sine(env, a)
    }
}

impl AngleFunction for Cosine {
    fn apply(env: &mut Env, a: F80) -> Angle {
        cosine(env, a)
    }
}

/// Replaces ST(0) and clears C2, or sets C2.
fn angle<A: AngleFunction>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let result = match cpu.regs.x87.st(0) {
        Some(a) => A::apply(&mut env, a),
        None => Angle::Done(env.stack_fault(StackFault::Underflow)),
    };
    let beyond = match result {
        Angle::OutOfRange => status::C2,
        Angle::Done(value) => {
            if !env.aborts() {
                cpu.regs.x87.set_st(0, value);
            }
            0
        }
    };
    cpu.regs.x87.set_conditions(status::C2, beyond);
    Ok(end(cpu, op, &env))
}

/// Two functions of an angle.
trait AnglePair: 'static {
    /// What replaces ST(0).
    fn first(env: &mut Env, a: F80) -> Angle;
    /// What is pushed then.
    fn second(env: &mut Env, a: F80, first: F80) -> F80;
}

/// FPTAN.
struct TangentAndOne;
/// FSINCOS.
struct SineAndCosine;

impl AnglePair for TangentAndOne {
    fn first(env: &mut Env, a: F80) -> Angle {
        tangent(env, a)
    }

    fn second(_env: &mut Env, _a: F80, first: F80) -> F80 {
        if first.is_nan() { first } else { F80::ONE }
    }
}

impl AnglePair for SineAndCosine {
    fn first(env: &mut Env, a: F80) -> Angle {
        sine(env, a)
    }

    fn second(env: &mut Env, a: F80, first: F80) -> F80 {
        match cosine(env, a) {
            Angle::Done(value) => value,
            Angle::OutOfRange => first,
        }
    }
}

fn angle_and_push<A: AnglePair>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let room = cpu.regs.x87.has_room();
    let mut fault = |kind| {
        let indefinite = env.stack_fault(kind);
        Some((indefinite, indefinite))
    };
    let results = match cpu.regs.x87.st(0) {
        None => fault(StackFault::Underflow),
        Some(_) if !room => fault(StackFault::Overflow),
        Some(a) => match A::first(&mut env, a) {
            Angle::OutOfRange => None,
            Angle::Done(first) => Some((first, A::second(&mut env, a, first))),
        },
    };
    let beyond = if results.is_none() { status::C2 } else { 0 };
    if let Some((first, second)) = results
        && !env.aborts()
    {
        cpu.regs.x87.set_st(0, first);
        cpu.regs.x87.push(second);
    }
    cpu.regs.x87.set_conditions(status::C2, beyond);
    Ok(end(cpu, op, &env))
}
