//! Binary and unary integer operations (SDM vol. 1, 7.3.2, 7.3.4).

use std::marker::PhantomData;

use iced_x86::{Instruction, Mnemonic};

use super::forms::{Form, by_width, form, quick_widths, width_index};
use super::memory::{Load, Update, load_rule, update_rule};
use crate::alu::arith::{
    Adc, Add, And, Binary, Cmp, Dec, Inc, Neg, Not, Or, Sbb, Sub, Test, Unary, Xor,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::{LazyFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Add, binary::<Add>),
    (Mnemonic::Adc, binary::<Adc>),
    (Mnemonic::Sub, binary::<Sub>),
    (Mnemonic::Sbb, binary::<Sbb>),
    (Mnemonic::Cmp, binary::<Cmp>),
    (Mnemonic::And, binary::<And>),
    (Mnemonic::Or, binary::<Or>),
    (Mnemonic::Xor, binary::<Xor>),
    (Mnemonic::Test, binary::<Test>),
    (Mnemonic::Inc, unary::<Inc>),
    (Mnemonic::Dec, unary::<Dec>),
    (Mnemonic::Neg, unary::<Neg>),
    (Mnemonic::Not, unary::<Not>),
];

fn binary<O: Binary>(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegReg => quick_widths!(reg_reg, O),
        Form::RegImm => quick_widths!(reg_imm, O),
        Form::RegMem => return by_width!(insn, 0, load_rule, ToRegister, O),
        Form::MemReg if O::STORES => return by_width!(insn, 0, update_rule, ByRegister, O),
        Form::MemImm if O::STORES => return by_width!(insn, 0, update_rule, ByImmediate, O),
        Form::MemReg => return by_width!(insn, 0, load_rule, WithRegister, O),
        Form::MemImm => return by_width!(insn, 0, load_rule, WithImmediate, O),
        Form::Reg | Form::Mem | Form::Imm => return None,
    };
    Lowered::quick(insn, functions[width_index(insn, 0)?])
}

fn unary<O: Unary>(insn: &Instruction) -> Option<Lowered> {
    match form(insn)? {
        Form::Reg => Lowered::quick(insn, quick_widths!(reg, O)[width_index(insn, 0)?]),
        Form::Mem => by_width!(insn, 0, update_rule, InPlace, O),
        _ => None,
    }
}

/// Applies the operation to a register.
#[inline(always)]
fn to_register<O: Binary, W: Width>(cpu: &mut Cpu, dst: u8, b: u64) {
    let a = W::get(&cpu.regs.gpr, dst);
    let result = O::apply::<W>(&mut cpu.regs.status, a, b);
    if O::STORES {
        W::set(&mut cpu.regs.gpr, dst, result);
    }
}

#[inline(always)]
fn reg_reg<O: Binary, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = W::get(&cpu.regs.gpr, op.src);
    to_register::<O, W>(cpu, op.dst, b);
    Ok(Flow::Next)
}

#[inline(always)]
fn reg_imm<O: Binary, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    to_register::<O, W>(cpu, op.dst, op.imm & W::MASK);
    Ok(Flow::Next)
}

#[inline(always)]
fn reg<O: Unary, W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let a = W::get(&cpu.regs.gpr, op.dst);
    let result = O::apply::<W>(&mut cpu.regs.status, a);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(Flow::Next)
}

/// Register and memory, to the register.
struct ToRegister<O, W>(PhantomData<(O, W)>);
/// Memory compared with a register.
struct WithRegister<O, W>(PhantomData<(O, W)>);
/// Memory compared with an immediate.
struct WithImmediate<O, W>(PhantomData<(O, W)>);
/// Memory and a register, to memory.
struct ByRegister<O, W>(PhantomData<(O, W)>);
/// Memory and an immediate, to memory.
struct ByImmediate<O, W>(PhantomData<(O, W)>);
/// Memory by itself.
struct InPlace<O, W>(PhantomData<(O, W)>);

impl<O: Binary, W: MemWidth> Load for ToRegister<O, W> {
    type Width = W;

    #[inline(always)]
    fn apply(cpu: &mut Cpu, op: &Op, value: u64) {
        to_register::<O, W>(cpu, op.dst, value);
    }
}

impl<O: Binary, W: MemWidth> Load for WithRegister<O, W> {
    type Width = W;

    #[inline(always)]
    fn apply(cpu: &mut Cpu, op: &Op, value: u64) {
        let b = W::get(&cpu.regs.gpr, op.src);
        O::apply::<W>(&mut cpu.regs.status, value, b);
    }
}

impl<O: Binary, W: MemWidth> Load for WithImmediate<O, W> {
    type Width = W;

    #[inline(always)]
    fn apply(cpu: &mut Cpu, op: &Op, value: u64) {
        O::apply::<W>(&mut cpu.regs.status, value, op.imm & W::MASK);
    }
}

impl<O: Binary, W: MemWidth> Update for ByRegister<O, W> {
    type Width = W;

    #[inline(always)]
    fn operand(cpu: &Cpu, op: &Op) -> u64 {
        W::get(&cpu.regs.gpr, op.src)
    }

    #[inline(always)]
    fn change(flags: &mut LazyFlags, old: u64, operand: u64) -> u64 {
        O::apply::<W>(flags, old, operand)
    }
}

impl<O: Binary, W: MemWidth> Update for ByImmediate<O, W> {
    type Width = W;

    #[inline(always)]
    fn operand(_cpu: &Cpu, op: &Op) -> u64 {
        op.imm & W::MASK
    }

    #[inline(always)]
    fn change(flags: &mut LazyFlags, old: u64, operand: u64) -> u64 {
        O::apply::<W>(flags, old, operand)
    }
}

impl<O: Unary, W: MemWidth> Update for InPlace<O, W> {
    type Width = W;

    #[inline(always)]
    fn operand(_cpu: &Cpu, _op: &Op) -> u64 {
        0
    }

    #[inline(always)]
    fn change(flags: &mut LazyFlags, old: u64, _operand: u64) -> u64 {
        O::apply::<W>(flags, old)
    }
}
