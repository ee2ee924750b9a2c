//! Shifts and rotates (SDM vol. 1, 7.3.6). A count of zero still loads and stores
//! its memory operand (x86-debug section 9).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{Form, form, quick_widths, update, wide_widths, width_index, widths};
use crate::alu::shift::{Rcl, Rcr, Rol, Ror, Sar, Shift, Shl, Shr, shld, shrd};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::gpr::reg::RCX;
use crate::regs::{LazyFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Shl, rule::<Shl>),
    (Mnemonic::Sal, rule::<Shl>),
    (Mnemonic::Shr, rule::<Shr>),
    (Mnemonic::Sar, rule::<Sar>),
    (Mnemonic::Rol, rule::<Rol>),
    (Mnemonic::Ror, rule::<Ror>),
    (Mnemonic::Rcl, rule::<Rcl>),
    (Mnemonic::Rcr, rule::<Rcr>),
    (Mnemonic::Shld, double_rule::<Left>),
    (Mnemonic::Shrd, double_rule::<Right>),
];

fn rule<O: Shift>(insn: &Instruction) -> Option<Lowered> {
    let width = width_index(insn, 0)?;
    let by_register = insn.op1_kind() == OpKind::Register;
    let functions = match form(insn)? {
        Form::RegReg => quick_widths!(reg_cl, O),
        Form::RegImm => quick_widths!(reg_imm, O),
        Form::MemReg if by_register => return Lowered::plain(insn, widths!(mem_cl, O)[width]),
        Form::MemImm => return Lowered::plain(insn, widths!(mem_imm, O)[width]),
        _ => return None,
    };
    Lowered::quick(insn, functions[width])
}

#[inline(always)]
fn reg_by<O: Shift, W: MemWidth>(cpu: &mut Cpu, op: &Op, count: u64) {
    let a = W::get(&cpu.regs.gpr, op.dst);
    let result = O::apply::<W>(&mut cpu.regs.status, a, count);
    // A 32-bit destination is zero-extended even by a count of zero.
    W::set(&mut cpu.regs.gpr, op.dst, result);
}

#[inline(always)]
fn reg_cl<O: Shift, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let count = cpu.regs.gpr.get(RCX) & 0xff;
    reg_by::<O, W>(cpu, op, count);
    Ok(Flow::Next)
}

#[inline(always)]
fn reg_imm<O: Shift, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    reg_by::<O, W>(cpu, op, op.imm & 0xff);
    Ok(Flow::Next)
}

fn mem_cl<O: Shift, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let (linear, count) = (op.linear(cpu), cpu.regs.gpr.get(RCX) & 0xff);
    update::<W>(cpu, mem, linear, |flags, a| O::apply::<W>(flags, a, count))?;
    Ok(cpu.completed())
}

fn mem_imm<O: Shift, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    update::<W>(cpu, mem, linear, |flags, a| O::apply::<W>(flags, a, op.imm & 0xff))?;
    Ok(cpu.completed())
}

/// SHLD or SHRD.
trait Double: 'static {
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, b: u64, count: u64) -> u64;
}

struct Left;
struct Right;

impl Double for Left {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, b: u64, count: u64) -> u64 {
        shld::<W>(flags, a, b, count)
    }
}

impl Double for Right {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, b: u64, count: u64) -> u64 {
        shrd::<W>(flags, a, b, count)
    }
}

fn double_rule<D: Double>(insn: &Instruction) -> Option<Lowered> {
    let functions = match (insn.op0_kind(), insn.op2_kind()) {
        (OpKind::Register, OpKind::Register) => wide_widths!(double_reg_cl, D),
        (OpKind::Register, _) => wide_widths!(double_reg_imm, D),
        (_, OpKind::Register) => wide_widths!(double_mem_cl, D),
        _ => wide_widths!(double_mem_imm, D),
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn double_reg<D: Double, W: MemWidth>(cpu: &mut Cpu, op: &Op, count: u64) {
    let (a, b) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
    let result = D::apply::<W>(&mut cpu.regs.status, a, b, count);
    W::set(&mut cpu.regs.gpr, op.dst, result);
}

fn double_mem<D: Double, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    count: u64,
) -> Result<Flow, Faulted> {
    let (linear, b) = (op.linear(cpu), W::get(&cpu.regs.gpr, op.src));
    update::<W>(cpu, mem, linear, |flags, a| D::apply::<W>(flags, a, b, count))?;
    Ok(cpu.completed())
}

fn double_reg_cl<D: Double, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let count = cpu.regs.gpr.get(RCX) & 0xff;
    double_reg::<D, W>(cpu, op, count);
    Ok(Flow::Next)
}

fn double_reg_imm<D: Double, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    double_reg::<D, W>(cpu, op, op.imm & 0xff);
    Ok(Flow::Next)
}

fn double_mem_cl<D: Double, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let count = cpu.regs.gpr.get(RCX) & 0xff;
    double_mem::<D, W>(cpu, mem, op, count)
}

fn double_mem_imm<D: Double, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    double_mem::<D, W>(cpu, mem, op, op.imm & 0xff)
}
