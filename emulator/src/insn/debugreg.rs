//! MOV to and from the debug registers (SDM vol. 2B; rules D1 to D7).

use iced_x86::{Instruction, OpKind};

use crate::cpu::Cpu;
use crate::debug::dr7::Dr7;
use crate::dispatch::lower::{Lowered, is_legacy};
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::event::{Exception, Vector};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr4;
use crate::regs::{B32, B64, Width};
use crate::timing::FixedEvent;

/// The rule for MOV with a debug register operand.
pub(crate) fn rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_kind() != OpKind::Register || insn.op1_kind() != OpKind::Register {
        return None;
    }
    let legacy = is_legacy(insn);
    if insn.op0_register().is_dr() {
        return Lowered::last(insn, if legacy { to_dr::<B32> } else { to_dr::<B64> });
    }
    if !insn.op1_register().is_dr() {
        return None;
    }
    Lowered::last(insn, if legacy { from_dr::<B32> } else { from_dr::<B64> })
}

/// Checks in their order: #UD for a register that does not exist, #GP for the
/// privilege, then general detect (rules D2 to D4).
fn check(cpu: &mut Cpu, number: u8) -> Result<usize, Faulted> {
    let extended = cpu.regs.control.cr4 & cr4::DE != 0;
    let undefined = number > 7 || (extended && matches!(number, 4 | 5));
    if undefined {
        return Err(cpu.raise(Exception::ud()));
    }
    if cpu.regs.cpl() > 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    if cpu.debug.dr7().0 & Dr7::GD != 0 {
        return Err(cpu.raise(Exception::new(Vector::Debug)));
    }
    Ok(number as usize)
}

fn to_dr<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let number = check(cpu, op.dst)?;
    let value = W::get(&cpu.regs.gpr, op.src);
    if number > 3 && value >> 32 != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    match number {
        0..=3 => cpu.set_dr_address(number, value),
        4 | 6 => cpu.set_dr6(value),
        _ => cpu.set_dr7(value),
    }
    cpu.charge_event(FixedEvent::MovToDr);
    // The new settings apply to the next instruction (rule D6).
    cpu.attention.raise(Attention::CODE_CHANGED);
    Ok(Flow::Boundary)
}

fn from_dr<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let number = check(cpu, op.src)?;
    let value = match number {
        0..=3 => cpu.debug.address(number),
        4 | 6 => cpu.debug.dr6(),
        _ => cpu.debug.dr7().0,
    };
    W::set(&mut cpu.regs.gpr, op.dst, value);
    cpu.charge_event(FixedEvent::MovFromDr);
    Ok(Flow::Next)
}
