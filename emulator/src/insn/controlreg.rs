//! MOV from the control registers (SDM vol. 2B). MOV to them is refused by name at
//! CPL 0: no guest of this model changes its mode or its paging itself.

use iced_x86::{Instruction, OpKind};

use super::system;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Lowered, operands};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};

/// The rule for MOV with a control register operand.
pub(crate) fn rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_kind() != OpKind::Register || insn.op1_kind() != OpKind::Register {
        return None;
    }
    if insn.op1_register().is_cr() {
        return Lowered::last(insn, mov_r64_cr);
    }
    if !insn.op0_register().is_cr() {
        return None;
    }
    let mut op = operands(insn, mov_cr_r64)?;
    op.imm = insn.code() as u64;
    Some(Lowered { op, ends: crate::dispatch::lower::Ends::Yes })
}

/// #UD for a register that does not exist comes before #GP for the privilege.
fn check(cpu: &mut Cpu, number: u8) -> Result<(), Faulted> {
    if !matches!(number, 0 | 2 | 3 | 4 | 8) {
        return Err(cpu.raise(Exception::ud()));
    }
    if cpu.regs.cpl() > 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

fn mov_r64_cr(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check(cpu, op.src)?;
    let control = &cpu.regs.control;
    let value = match op.src {
        0 => control.cr0,
        2 => control.cr2,
        3 => control.cr3,
        4 => control.cr4,
        _ => control.cr8,
    };
    cpu.regs.gpr.set(op.dst, value);
    Ok(Flow::Next)
}

fn mov_cr_r64(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check(cpu, op.dst)?;
    system::unsupported(cpu, mem, op)
}
