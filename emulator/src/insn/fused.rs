//! A comparison and the conditional jump behind it, executed by the comparison's chain.
//!
//! Both keep their own ops: where the comparison's operand is not on the fast path,
//! the chain goes on as if there were no such thing as fusion.

use std::marker::PhantomData;

use iced_x86::{ConditionCode, Instruction, Mnemonic};

use super::forms::{Form, form, width_index};
use super::memory::{Addressing, Indexed, Plain};
use crate::alu::arith::{Add, And, Binary, Cmp, Dec, Inc, Or, Sub, Test, Unary};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{AddressKind, ChainFn, Flow, Op, alone};
use crate::regs::flags::{Condition, condition};
use crate::regs::{B8, B32, B64, LazyFlags, Width};

/// The chain of the op of `insn` that does `jump`, the last instruction of its block,
/// as well; `None` where the two are not fused.
pub(crate) fn chain(insn: &Instruction, op: &Op, jump: &Instruction) -> Option<ChainFn> {
    if jump.is_jcc_short_or_near() { function(insn, op, jump.condition_code()) } else { None }
}

fn function(insn: &Instruction, op: &Op, code: ConditionCode) -> Option<ChainFn> {
    match insn.mnemonic() {
        Mnemonic::Cmp => compared::<Cmp>(insn, op, code),
        Mnemonic::Test => compared::<Test>(insn, op, code),
        Mnemonic::Add => computed::<Add>(insn, code),
        Mnemonic::Sub => computed::<Sub>(insn, code),
        Mnemonic::And => computed::<And>(insn, code),
        Mnemonic::Or => computed::<Or>(insn, code),
        Mnemonic::Inc => counted::<Inc>(insn, code),
        Mnemonic::Dec => counted::<Dec>(insn, code),
        _ => None,
    }
}

fn compared<O: Binary>(insn: &Instruction, op: &Op, code: ConditionCode) -> Option<ChainFn> {
    match width_index(insn, 0)? {
        0 => compared_in::<O, B8>(insn, op, code),
        2 => compared_in::<O, B32>(insn, op, code),
        3 => compared_in::<O, B64>(insn, op, code),
        _ => None,
    }
}

fn compared_in<O: Binary, W: MemWidth>(
    insn: &Instruction,
    op: &Op,
    code: ConditionCode,
) -> Option<ChainFn> {
    match form(insn)? {
        Form::RegReg => by_condition::<Registers<O, W>>(code),
        Form::RegImm => by_condition::<Immediate<O, W>>(code),
        Form::RegMem => with_memory::<O, W, RegisterMemory>(op, code),
        Form::MemReg => with_memory::<O, W, MemoryRegister>(op, code),
        Form::MemImm => with_memory::<O, W, MemoryImmediate>(op, code),
        Form::Reg | Form::Mem | Form::Imm => None,
    }
}

fn with_memory<O: Binary, W: MemWidth, P: Pairing>(
    op: &Op,
    code: ConditionCode,
) -> Option<ChainFn> {
    match op.address_kind() {
        AddressKind::Plain => by_condition::<Memory<O, W, P, Plain>>(code),
        AddressKind::Indexed => by_condition::<Memory<O, W, P, Indexed>>(code),
        AddressKind::Other => None,
    }
}

fn computed<O: Binary>(insn: &Instruction, code: ConditionCode) -> Option<ChainFn> {
    match (form(insn)?, width_index(insn, 0)?) {
        (Form::RegReg, 2) => by_condition::<Registers<O, B32>>(code),
        (Form::RegReg, 3) => by_condition::<Registers<O, B64>>(code),
        (Form::RegImm, 2) => by_condition::<Immediate<O, B32>>(code),
        (Form::RegImm, 3) => by_condition::<Immediate<O, B64>>(code),
        _ => None,
    }
}

fn counted<O: Unary>(insn: &Instruction, code: ConditionCode) -> Option<ChainFn> {
    match (form(insn)?, width_index(insn, 0)?) {
        (Form::Reg, 2) => by_condition::<Single<O, B32>>(code),
        (Form::Reg, 3) => by_condition::<Single<O, B64>>(code),
        _ => None,
    }
}

/// Something that sets flags, and then jumps or not.
trait Deciding: 'static {
    fn run<C: Condition>(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        rest: &[Op],
    ) -> Result<Flow, Faulted>;
}

/// The instance for a condition. Parity and overflow are rare behind comparisons.
fn by_condition<T: Deciding>(code: ConditionCode) -> Option<ChainFn> {
    Some(match code {
        ConditionCode::b => T::run::<condition::B>,
        ConditionCode::ae => T::run::<condition::Ae>,
        ConditionCode::e => T::run::<condition::E>,
        ConditionCode::ne => T::run::<condition::Ne>,
        ConditionCode::be => T::run::<condition::Be>,
        ConditionCode::a => T::run::<condition::A>,
        ConditionCode::s => T::run::<condition::S>,
        ConditionCode::ns => T::run::<condition::Ns>,
        ConditionCode::l => T::run::<condition::L>,
        ConditionCode::ge => T::run::<condition::Ge>,
        ConditionCode::le => T::run::<condition::Le>,
        ConditionCode::g => T::run::<condition::G>,
        ConditionCode::o
        | ConditionCode::no
        | ConditionCode::p
        | ConditionCode::np
        | ConditionCode::None => return None,
    })
}

/// Jumps if the condition holds.
#[inline(always)]
fn decide(cpu: &mut Cpu, rest: &[Op], holds: bool) -> Result<Flow, Faulted> {
    match rest.first() {
        Some(jump) if holds => {
            cpu.regs.rip = jump.imm;
            Ok(Flow::Jump)
        }
        _ => Ok(Flow::Next),
    }
}

/// Applies the operation to two values and decides.
#[inline(always)]
fn apply<O: Binary, W: Width, C: Condition>(
    cpu: &mut Cpu,
    op: &Op,
    rest: &[Op],
    a: u64,
    b: u64,
) -> Result<Flow, Faulted> {
    let mut flags = LazyFlags::logic(0);
    let result = O::apply::<W>(&mut flags, a, b);
    cpu.regs.status = flags;
    if O::STORES {
        W::set(&mut cpu.regs.gpr, op.dst, result);
    }
    decide(cpu, rest, O::decides::<C, W>(&flags, a, b))
}

/// Two registers.
struct Registers<O, W>(PhantomData<(O, W)>);
/// A register and an immediate.
struct Immediate<O, W>(PhantomData<(O, W)>);
/// One register.
struct Single<O, W>(PhantomData<(O, W)>);
/// A comparison with memory.
struct Memory<O, W, P, A>(PhantomData<(O, W, P, A)>);

/// Which operand of a comparison memory is, and what the other is.
trait Pairing: 'static {
    /// The first and the second operand.
    fn pair<W: Width>(cpu: &Cpu, op: &Op, loaded: u64) -> (u64, u64);
}

/// A register compared with memory.
struct RegisterMemory;
/// Memory compared with a register.
struct MemoryRegister;
/// Memory compared with an immediate.
struct MemoryImmediate;

impl Pairing for RegisterMemory {
    #[inline(always)]
    fn pair<W: Width>(cpu: &Cpu, op: &Op, loaded: u64) -> (u64, u64) {
        (W::get(&cpu.regs.gpr, op.dst), loaded)
    }
}

impl Pairing for MemoryRegister {
    #[inline(always)]
    fn pair<W: Width>(cpu: &Cpu, op: &Op, loaded: u64) -> (u64, u64) {
        (loaded, W::get(&cpu.regs.gpr, op.src))
    }
}

impl Pairing for MemoryImmediate {
    #[inline(always)]
    fn pair<W: Width>(_cpu: &Cpu, op: &Op, loaded: u64) -> (u64, u64) {
        (loaded, op.imm & W::MASK)
    }
}

impl<O: Binary, W: Width> Deciding for Registers<O, W> {
    fn run<C: Condition>(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        op: &Op,
        rest: &[Op],
    ) -> Result<Flow, Faulted> {
        let (a, b) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
        apply::<O, W, C>(cpu, op, rest, a, b)
    }
}

impl<O: Binary, W: Width> Deciding for Immediate<O, W> {
    fn run<C: Condition>(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        op: &Op,
        rest: &[Op],
    ) -> Result<Flow, Faulted> {
        let a = W::get(&cpu.regs.gpr, op.dst);
        apply::<O, W, C>(cpu, op, rest, a, op.imm & W::MASK)
    }
}

impl<O: Unary, W: Width> Deciding for Single<O, W> {
    fn run<C: Condition>(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        op: &Op,
        rest: &[Op],
    ) -> Result<Flow, Faulted> {
        let a = W::get(&cpu.regs.gpr, op.dst);
        let mut flags = cpu.regs.status;
        let result = O::apply::<W>(&mut flags, a);
        cpu.regs.status = flags;
        W::set(&mut cpu.regs.gpr, op.dst, result);
        decide(cpu, rest, C::holds(&flags))
    }
}

impl<O: Binary, W: MemWidth, P: Pairing, A: Addressing> Deciding for Memory<O, W, P, A> {
    fn run<C: Condition>(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        rest: &[Op],
    ) -> Result<Flow, Faulted> {
        let Some(loaded) = W::load_fast(cpu, mem, A::linear(op, cpu)) else {
            return alone(cpu, mem, op, rest);
        };
        let (a, b) = P::pair::<W>(cpu, op, loaded);
        apply::<O, W, C>(cpu, op, rest, a, b)
    }
}
