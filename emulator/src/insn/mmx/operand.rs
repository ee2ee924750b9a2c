//! The checks before every MMX instruction, MMX registers as operands, and the
//! change from x87 to MMX that comes with the result.

use crate::cpu::Cpu;
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::insn::sse::operand::Source;
use crate::insn::x87::operand::wait;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr0;

/// Refuses to start with CR0.EM (#UD) or CR0.TS (#NM), or where an x87 exception is
/// pending (#MF): before any access to memory (SDM vol. 3A, table 12-1 and 12.5;
/// x86-debug rule P5). CR4.OSFXSR does not count, also not for SSE's additions.
#[inline(always)]
pub(super) fn check_ready(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr0 & cr0::EM != 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    wait(cpu)
}

/// Writes an MMX register, which ends x87 use.
#[inline(always)]
pub(super) fn write(cpu: &mut Cpu, reg: u8, value: u64) {
    cpu.regs.x87.enter_mmx();
    cpu.regs.x87.set_mm(reg, value);
}

/// An MMX register as second operand.
pub(super) struct Mm;

impl Source for Mm {
    #[inline(always)]
    fn fetch(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted> {
        Ok(u128::from(cpu.regs.x87.mm(op.src)))
    }

    #[inline(always)]
    fn fetch_fast(cpu: &Cpu, _mem: &PhysMem, op: &Op) -> Option<u128> {
        Some(u128::from(cpu.regs.x87.mm(op.src)))
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}
