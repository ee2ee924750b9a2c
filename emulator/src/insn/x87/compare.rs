//! Comparisons, FTST and FXAM.

use iced_x86::{Instruction, MemorySize, Mnemonic};

use super::operand::{
    After, Float32, Float64, Int16, Int32, Keep, Pop, PopTwice, Source, St, Zero, begin, both, end,
    end_without_c1, lowered, memory_size,
};
use crate::alu::x87::compare::{NanRule, Order, compare};
use crate::alu::x87::env::Env;
use crate::alu::x87::format::F80;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::x87::status::{C0, C2, C3, CONDITIONS};
use crate::regs::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Fcom, rule::<Ordered, Keep>),
    (Mnemonic::Fcomp, rule::<Ordered, Pop>),
    (Mnemonic::Ficom, rule::<Ordered, Keep>),
    (Mnemonic::Ficomp, rule::<Ordered, Pop>),
    (Mnemonic::Fcompp, pair_rule::<Ordered>),
    (Mnemonic::Fucom, rule::<Unordered, Keep>),
    (Mnemonic::Fucomp, rule::<Unordered, Pop>),
    (Mnemonic::Fucompp, pair_rule::<Unordered>),
    (Mnemonic::Fcomi, |insn| lowered(insn, to_flags::<Ordered, Keep>)),
    (Mnemonic::Fcomip, |insn| lowered(insn, to_flags::<Ordered, Pop>)),
    (Mnemonic::Fucomi, |insn| lowered(insn, to_flags::<Unordered, Keep>)),
    (Mnemonic::Fucomip, |insn| lowered(insn, to_flags::<Unordered, Pop>)),
    (Mnemonic::Ftst, |insn| lowered(insn, to_conditions::<Ordered, Zero, Keep>)),
    (Mnemonic::Fxam, |insn| lowered(insn, fxam)),
];

/// Which NaNs are refused, as a type.
trait NanPolicy: 'static {
    const NANS: NanRule;
}

/// FCOM and its kind.
struct Ordered;
/// FUCOM and its kind.
struct Unordered;

impl NanPolicy for Ordered {
    const NANS: NanRule = NanRule::Every;
}

impl NanPolicy for Unordered {
    const NANS: NanRule = NanRule::Signalling;
}

fn rule<N: NanPolicy, P: After>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match memory_size(insn) {
        None => to_conditions::<N, St, P>,
        Some(MemorySize::Float32) => to_conditions::<N, Float32, P>,
        Some(MemorySize::Float64) => to_conditions::<N, Float64, P>,
        Some(MemorySize::Int16) => to_conditions::<N, Int16, P>,
        Some(MemorySize::Int32) => to_conditions::<N, Int32, P>,
        Some(_) => return None,
    };
    lowered(insn, run)
}

/// The forms that compare ST(0) with ST(1), which they do not name.
fn pair_rule<N: NanPolicy>(insn: &Instruction) -> Option<Lowered> {
    let mut lowered = lowered(insn, to_conditions::<N, St, PopTwice>)?;
    lowered.op.src = 1;
    Some(lowered)
}

/// Compares, empty registers included.
fn order(env: &mut Env, a: Option<F80>, b: Option<F80>, nans: NanRule) -> Order {
    match both(env, a, b) {
        Ok((a, b)) => compare(env, a, b, nans),
        Err(_) => Order::Unordered,
    }
}

/// Compares into C3, C2 and C0, which are written even where an unmasked
/// exception keeps the stack (measured).
fn to_conditions<N: NanPolicy, S: Source, P: After>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let b = S::fetch(cpu, mem, op, &mut env)?;
    let a = cpu.regs.x87.st(0);
    let conditions = match order(&mut env, a, b, N::NANS) {
        Order::Greater => 0,
        Order::Less => C0,
        Order::Equal => C3,
        Order::Unordered => C3 | C2 | C0,
    };
    if !env.aborts() {
        P::pop(&mut cpu.regs.x87);
    }
    cpu.regs.x87.set_conditions(CONDITIONS, conditions);
    Ok(end(cpu, op, &env))
}

/// Compares into ZF, PF and CF; OF, SF and AF are cleared.
fn to_flags<N: NanPolicy, P: After>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(op.src));
    cpu.regs.status = match order(&mut env, a, b, N::NANS) {
        Order::Greater => LazyFlags::from_image(0),
        Order::Less => LazyFlags::from_image(RFlags::CF),
        Order::Equal => LazyFlags::from_image(RFlags::ZF),
        Order::Unordered => LazyFlags::from_image(RFlags::ZF | RFlags::PF | RFlags::CF),
    };
    if !env.aborts() {
        P::pop(&mut cpu.regs.x87);
    }
    Ok(end_without_c1(cpu, op, &env))
}

fn fxam(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let env = begin(cpu)?;
    let flow = end(cpu, op, &env);
    let conditions = cpu.regs.x87.examine();
    cpu.regs.x87.set_conditions(CONDITIONS, conditions);
    Ok(flow)
}
