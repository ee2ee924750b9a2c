//! Arithmetic on the register stack.

use iced_x86::{Instruction, MemorySize, Mnemonic};

use super::operand::{
    After, Float32, Float64, Int16, Int32, Keep, Pop, Source, St, begin, both, end, lowered,
    memory_size,
};
use crate::alu::x87::arith::{Binary, binary, sqrt};
use crate::alu::x87::env::{Env, StackFault};
use crate::alu::x87::format::F80;
use crate::alu::x87::partial::{Quotient, extract, remainder, round_to_int, scale};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::x87::status;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Fadd, rule::<Add>),
    (Mnemonic::Fmul, rule::<Mul>),
    (Mnemonic::Fsub, rule::<Sub>),
    (Mnemonic::Fsubr, rule::<SubReversed>),
    (Mnemonic::Fdiv, rule::<Div>),
    (Mnemonic::Fdivr, rule::<DivReversed>),
    (Mnemonic::Faddp, |insn| lowered(insn, arith::<Add, St, Pop>)),
    (Mnemonic::Fmulp, |insn| lowered(insn, arith::<Mul, St, Pop>)),
    (Mnemonic::Fsubp, |insn| lowered(insn, arith::<Sub, St, Pop>)),
    (Mnemonic::Fsubrp, |insn| lowered(insn, arith::<SubReversed, St, Pop>)),
    (Mnemonic::Fdivp, |insn| lowered(insn, arith::<Div, St, Pop>)),
    (Mnemonic::Fdivrp, |insn| lowered(insn, arith::<DivReversed, St, Pop>)),
    (Mnemonic::Fiadd, rule::<Add>),
    (Mnemonic::Fimul, rule::<Mul>),
    (Mnemonic::Fisub, rule::<Sub>),
    (Mnemonic::Fisubr, rule::<SubReversed>),
    (Mnemonic::Fidiv, rule::<Div>),
    (Mnemonic::Fidivr, rule::<DivReversed>),
    (Mnemonic::Fchs, |insn| lowered(insn, unary::<ChangeSign>)),
    (Mnemonic::Fabs, |insn| lowered(insn, unary::<Absolute>)),
    (Mnemonic::Fsqrt, |insn| lowered(insn, unary::<SquareRoot>)),
    (Mnemonic::Frndint, |insn| lowered(insn, unary::<RoundToInt>)),
    (Mnemonic::Fscale, |insn| lowered(insn, fscale)),
    (Mnemonic::Fxtract, |insn| lowered(insn, fxtract)),
    (Mnemonic::Fprem, |insn| lowered(insn, fprem::<Truncating>)),
    (Mnemonic::Fprem1, |insn| lowered(insn, fprem::<ToNearest>)),
];

/// A binary operation as a type.
trait Operation: 'static {
    const OPERATION: Binary;
}

/// Declares types for operations.
macro_rules! operations {
    ($($name:ident),*) => {
        $(
            struct $name;

            impl Operation for $name {
                const OPERATION: Binary = Binary::$name;
            }
        )*
    };
}

operations!(Add, Mul, Sub, SubReversed, Div, DivReversed);

fn rule<O: Operation>(insn: &Instruction) -> Option<Lowered> {
    let Some(size) = memory_size(insn) else {
        return lowered(insn, arith::<O, St, Keep>);
    };
    let run: OpFn = match size {
        MemorySize::Float32 => arith::<O, Float32, Keep>,
        MemorySize::Float64 => arith::<O, Float64, Keep>,
        MemorySize::Int16 => arith::<O, Int16, Keep>,
        MemorySize::Int32 => arith::<O, Int32, Keep>,
        _ => return None,
    };
    let mut lowered = lowered(insn, run)?;
    lowered.op.dst = 0;
    Some(lowered)
}

/// ST(dst) becomes the result of itself and the source.
fn arith<O: Operation, S: Source, P: After>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let b = S::fetch(cpu, mem, op, &mut env)?;
    let a = cpu.regs.x87.st(op.dst);
    let result = match both(&mut env, a, b) {
        Ok((a, b)) => binary(&mut env, O::OPERATION, a, b),
        Err(indefinite) => indefinite,
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(op.dst, result);
        P::pop(&mut cpu.regs.x87);
    }
    Ok(end(cpu, op, &env))
}

/// An operation on ST(0) alone.
pub(super) trait Unary: 'static {
    /// Its result.
    fn apply(env: &mut Env, a: F80) -> F80;
}

/// FCHS.
struct ChangeSign;
/// FABS.
struct Absolute;
/// FSQRT.
struct SquareRoot;
/// FRNDINT.
struct RoundToInt;

impl Unary for ChangeSign {
    fn apply(_env: &mut Env, a: F80) -> F80 {
        a.negated()
    }
}

impl Unary for Absolute {
    fn apply(_env: &mut Env, a: F80) -> F80 {
        a.with_sign(false)
    }
}

impl Unary for SquareRoot {
    fn apply(env: &mut Env, a: F80) -> F80 {
        sqrt(env, a)
    }
}

impl Unary for RoundToInt {
    fn apply(env: &mut Env, a: F80) -> F80 {
        round_to_int(env, a)
    }
}

/// Replaces ST(0).
pub(super) fn unary<U: Unary>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let result = match cpu.regs.x87.st(0) {
        Some(a) => U::apply(&mut env, a),
        None => env.stack_fault(StackFault::Underflow),
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(0, result);
    }
    Ok(end(cpu, op, &env))
}

fn fscale(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(1));
    let result = match both(&mut env, a, b) {
        Ok((a, b)) => scale(&mut env, a, b),
        Err(indefinite) => indefinite,
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(0, result);
    }
    Ok(end(cpu, op, &env))
}

/// Replaces ST(0) by its exponent and pushes its significand.
fn fxtract(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let value = cpu.regs.x87.st(0);
    let room = cpu.regs.x87.has_room();
    let (exponent, significand) = match value {
        Some(a) if room => extract(&mut env, a),
        Some(_) => {
            let indefinite = env.stack_fault(StackFault::Overflow);
            (indefinite, indefinite)
        }
        None => {
            let indefinite = env.stack_fault(StackFault::Underflow);
            (indefinite, indefinite)
        }
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(0, exponent);
        cpu.regs.x87.push(significand);
    }
    Ok(end(cpu, op, &env))
}

/// How a remainder's quotient is rounded, as a type.
trait QuotientKind: 'static {
    const KIND: Quotient;
}

/// FPREM.
struct Truncating;
/// FPREM1.
struct ToNearest;

impl QuotientKind for Truncating {
    const KIND: Quotient = Quotient::Truncated;
}

impl QuotientKind for ToNearest {
    const KIND: Quotient = Quotient::Nearest;
}

fn fprem<K: QuotientKind>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(1));
    let (result, (mask, conditions)) = match both(&mut env, a, b) {
        Ok((a, b)) => {
            let rest = remainder(&mut env, a, b, K::KIND);
            (rest.value, rest.conditions())
        }
        Err(indefinite) => (indefinite, (status::C1 | status::C2, 0)),
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(0, result);
    }
    let flow = end(cpu, op, &env);
    cpu.regs.x87.set_conditions(mask, conditions);
    Ok(flow)
}
