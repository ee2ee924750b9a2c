//! Bit tests and bit scans (SDM vol. 1, 7.3.7).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{Form, form, update, wide_widths, width_index};
use crate::alu::bits::{bsf, bsr, scan_flags};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::Width;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Bt, test_rule::<Keep>),
    (Mnemonic::Bts, test_rule::<Set>),
    (Mnemonic::Btr, test_rule::<Reset>),
    (Mnemonic::Btc, test_rule::<Complement>),
    (Mnemonic::Bsf, scan_rule::<Forward>),
    (Mnemonic::Bsr, scan_rule::<Reverse>),
];

/// What happens to the tested bit.
trait BitChange: 'static {
    /// Whether the operand is written.
    const STORES: bool = true;
    fn change(value: u64, bit: u64) -> u64;
}

struct Keep;
struct Set;
struct Reset;
struct Complement;

impl BitChange for Keep {
    const STORES: bool = false;
    fn change(value: u64, _bit: u64) -> u64 {
        value
    }
}

impl BitChange for Set {
    fn change(value: u64, bit: u64) -> u64 {
        value | bit
    }
}

impl BitChange for Reset {
    fn change(value: u64, bit: u64) -> u64 {
        value & !bit
    }
}

impl BitChange for Complement {
    fn change(value: u64, bit: u64) -> u64 {
        value ^ bit
    }
}

fn test_rule<C: BitChange>(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegReg => wide_widths!(reg_reg, C),
        Form::RegImm => wide_widths!(reg_imm, C),
        Form::MemReg => wide_widths!(mem_reg, C),
        Form::MemImm => wide_widths!(mem_imm, C),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

#[inline(always)]
fn in_register<C: BitChange, W: Width>(cpu: &mut Cpu, op: &Op, index: u64) {
    let value = W::get(&cpu.regs.gpr, op.dst);
    let bit = 1 << (index & u64::from(W::BITS - 1));
    cpu.regs.status = cpu.regs.status.set_carry(value & bit != 0);
    if C::STORES {
        W::set(&mut cpu.regs.gpr, op.dst, C::change(value, bit));
    }
}

#[inline(always)]
fn in_memory<C: BitChange, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
    index: u64,
) -> Result<Flow, Faulted> {
    let bit = 1 << (index & u64::from(W::BITS - 1));
    if C::STORES {
        update::<W>(cpu, mem, linear, |flags, value| {
            *flags = flags.set_carry(value & bit != 0);
            C::change(value, bit)
        })?;
    } else {
        let value = W::load(cpu, mem, linear)?;
        cpu.regs.status = cpu.regs.status.set_carry(value & bit != 0);
    }
    Ok(cpu.completed())
}

fn reg_reg<C: BitChange, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let index = W::get(&cpu.regs.gpr, op.src);
    in_register::<C, W>(cpu, op, index);
    Ok(Flow::Next)
}

fn reg_imm<C: BitChange, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    in_register::<C, W>(cpu, op, op.imm);
    Ok(Flow::Next)
}

fn mem_imm<C: BitChange, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    in_memory::<C, W>(cpu, mem, linear, op.imm)
}

/// A register index reaches beyond the operand: it selects the unit that holds the
/// bit, in both directions.
fn mem_reg<C: BitChange, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let index = W::sign_extend(W::get(&cpu.regs.gpr, op.src)) as i64;
    let unit = index.div_euclid(i64::from(W::BITS)) * i64::from(W::BYTES);
    let mut at = *op;
    at.disp = at.disp.wrapping_add(unit as u64);
    let linear = at.linear(cpu);
    in_memory::<C, W>(cpu, mem, linear, index as u64)
}

/// The direction of a scan.
trait Scan: 'static {
    fn scan(value: u64) -> Option<u64>;
}

struct Forward;
struct Reverse;

impl Scan for Forward {
    #[inline(always)]
    fn scan(value: u64) -> Option<u64> {
        bsf(value)
    }
}

impl Scan for Reverse {
    #[inline(always)]
    fn scan(value: u64) -> Option<u64> {
        bsr(value)
    }
}

fn scan_rule<S: Scan>(insn: &Instruction) -> Option<Lowered> {
    let functions = if insn.op1_kind() == OpKind::Memory {
        wide_widths!(scan_mem, S)
    } else {
        wide_widths!(scan_reg, S)
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

/// A zero source leaves the destination alone, all 64 bits of it.
#[inline(always)]
fn scan_into<S: Scan, W: Width>(cpu: &mut Cpu, dst: u8, value: u64) {
    let found = S::scan(value);
    cpu.regs.status = scan_flags(value, found.unwrap_or(0));
    if let Some(index) = found {
        W::set(&mut cpu.regs.gpr, dst, index);
    }
}

fn scan_reg<S: Scan, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.src);
    scan_into::<S, W>(cpu, op.dst, value);
    Ok(Flow::Next)
}

fn scan_mem<S: Scan, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let value = W::load(cpu, mem, op.linear(cpu))?;
    scan_into::<S, W>(cpu, op.dst, value);
    Ok(cpu.completed())
}
