//! Binary and unary integer operations (SDM vol. 1, 7.3.2, 7.3.4).

use iced_x86::{Instruction, Mnemonic};

use super::forms::{Form, form, update, width_index, widths};
use crate::alu::arith::{
    Adc, Add, And, Binary, Cmp, Dec, Inc, Neg, Not, Or, Sbb, Sub, Test, Unary, Xor,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};

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
        Form::RegReg => widths!(reg_reg, O),
        Form::RegMem => widths!(reg_mem, O),
        Form::MemReg => widths!(mem_reg, O),
        Form::RegImm => widths!(reg_imm, O),
        Form::MemImm => widths!(mem_imm, O),
        Form::Reg | Form::Mem | Form::Imm => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn unary<O: Unary>(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::Reg => widths!(reg, O),
        Form::Mem => widths!(mem, O),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

/// Applies the operation to a register.
#[inline(always)]
fn to_register<O: Binary, W: MemWidth>(cpu: &mut Cpu, dst: u8, b: u64) {
    let a = W::get(&cpu.regs.gpr, dst);
    let result = O::apply::<W>(&mut cpu.regs.status, a, b);
    if O::STORES {
        W::set(&mut cpu.regs.gpr, dst, result);
    }
}

/// Applies the operation to memory.
#[inline(always)]
fn to_memory<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    b: u64,
) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    if O::STORES {
        update::<W>(cpu, mem, linear, |flags, a| O::apply::<W>(flags, a, b))?;
    } else {
        let a = W::load(cpu, mem, linear)?;
        O::apply::<W>(&mut cpu.regs.status, a, b);
    }
    Ok(cpu.completed())
}

fn reg_reg<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = W::get(&cpu.regs.gpr, op.src);
    to_register::<O, W>(cpu, op.dst, b);
    Ok(Flow::Next)
}

fn reg_imm<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    to_register::<O, W>(cpu, op.dst, op.imm & W::MASK);
    Ok(Flow::Next)
}

fn reg_mem<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = W::load(cpu, mem, op.linear(cpu))?;
    to_register::<O, W>(cpu, op.dst, b);
    Ok(cpu.completed())
}

fn mem_reg<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = W::get(&cpu.regs.gpr, op.src);
    to_memory::<O, W>(cpu, mem, op, b)
}

fn mem_imm<O: Binary, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    to_memory::<O, W>(cpu, mem, op, op.imm & W::MASK)
}

fn reg<O: Unary, W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let a = W::get(&cpu.regs.gpr, op.dst);
    let result = O::apply::<W>(&mut cpu.regs.status, a);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(Flow::Next)
}

fn mem<O: Unary, W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    update::<W>(cpu, mem, linear, |flags, a| O::apply::<W>(flags, a))?;
    Ok(cpu.completed())
}
