//! Delivery of interrupts and exceptions, and what becomes of those that fail on the way.
//! Source: SDM vol. 3A, 6.15 (interrupt 8: double and triple faults).
//!
//! [`super::enter`] goes through the IDT.

use super::enter::{Source, enter};
use super::exception::Faulted;
use super::pending::Attention;
use super::{Exception, Vector};
use crate::cpu::{Cpu, StepRule};
use crate::debug::dr6;
use crate::debug::dr7::Dr7;
use crate::mem::phys::PhysMem;
use crate::mem::tlb::Privilege;
use crate::regs::RFlags;
use crate::regs::control::debugctl;
use crate::run::Exit;
use crate::timing::FixedEvent;

/// Whether a #DB is reported before or after its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DebugClass {
    /// Before: instruction breakpoints and general detect.
    Fault,
    /// After: data breakpoints and single step.
    Trap,
}

/// Delivers the fault that the CPU has raised, with RF set in the image (rule T3).
pub(crate) fn deliver_fault(cpu: &mut Cpu, mem: &mut PhysMem) -> Option<Exit> {
    let Some(fault) = cpu.fault.take() else { return Some(ended(cpu)) };
    cpu.charge_event(match fault.vector {
        Vector::PageFault => FixedEvent::PageFault,
        Vector::Debug => FixedEvent::DebugException,
        _ => FixedEvent::Exception,
    });
    if fault.vector == Vector::Debug {
        // General detect is the only debug fault that an instruction raises.
        latch(cpu, dr6::BD);
    }
    deliver_exception(cpu, mem, fault, RFlags::RF)
}

/// How the run ends where a delivery failed without a fault: at something that is not
/// built.
fn ended(cpu: &mut Cpu) -> Exit {
    cpu.exit.take().unwrap_or(Exit::Shutdown)
}

/// Delivers a #DB that reports `conditions` (bits of DR6).
pub(crate) fn deliver_debug(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    class: DebugClass,
    conditions: u64,
) -> Option<Exit> {
    cpu.charge_event(FixedEvent::DebugException);
    latch(cpu, conditions);
    if class == DebugClass::Trap {
        cpu.pending.debug = 0;
        cpu.pending.icebp = false;
        cpu.attention.clear(Attention::DEBUG | Attention::ICEBP);
    }
    // The image has RF as it stands: 0 for a breakpoint fault, 1 amid a REP (rule T3).
    deliver_exception(cpu, mem, Exception::new(Vector::Debug), 0)
}

/// Reports conditions in DR6 and clears DR7.GD, as every delivery of a #DB with
/// conditions does (rules T7, T8).
fn latch(cpu: &mut Cpu, conditions: u64) {
    let latched = dr6::latch(cpu.debug.dr6(), conditions);
    cpu.debug.set_dr6(latched);
    cpu.set_dr7(cpu.debug.dr7().0 & !Dr7::GD);
    // And branch recording and stepping on branches stop (rule X3; SDM vol. 3B, 18.4.2).
    if cpu.regs.msrs.debugctl != 0 {
        cpu.regs.msrs.debugctl &= !(debugctl::BTF | debugctl::LBR);
        cpu.sync_mode();
    }
}

/// Delivers ICEBP's #DB: DR6 and DR7 stay (rules I1, T9).
pub(crate) fn deliver_icebp(cpu: &mut Cpu, mem: &mut PhysMem) -> Option<Exit> {
    cpu.charge_event(FixedEvent::DebugException);
    deliver_exception(cpu, mem, Exception::new(Vector::Debug), 0)
}

/// Delivers a non-maskable interrupt; others wait until IRET.
pub(crate) fn deliver_nmi(cpu: &mut Cpu, mem: &mut PhysMem) -> Option<Exit> {
    cpu.pending.nmi = false;
    cpu.pending.nmi_blocked = true;
    deliver_interrupt(cpu, mem, Vector::Nmi as u8)
}

/// Delivers an external interrupt.
pub(crate) fn deliver_interrupt(cpu: &mut Cpu, mem: &mut PhysMem, vector: u8) -> Option<Exit> {
    cpu.charge_event(FixedEvent::Interrupt);
    cpu.halted = false;
    match enter(cpu, mem, vector, None, Source::Hardware, 0) {
        Ok(()) => None,
        Err(Faulted) => {
            let Some(nested) = cpu.fault.take() else { return Some(ended(cpu)) };
            cpu.drop_hits();
            deliver_exception(cpu, mem, nested, 0)
        }
    }
}

/// Delivers an exception; a fault on the way becomes a double fault or a shutdown.
fn deliver_exception(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    first: Exception,
    extra_flags: u64,
) -> Option<Exit> {
    let mut current = first;
    loop {
        if current.vector == Vector::PageFault {
            cpu.regs.control.cr2 = current.address;
        }
        let error = current.vector.has_error_code().then_some(current.error);
        let vector = current.vector as u8;
        if enter(cpu, mem, vector, error, Source::Hardware, extra_flags).is_ok() {
            return None;
        }
        let Some(second) = cpu.fault.take() else { return Some(ended(cpu)) };
        // A delivery that fails reports none of its own accesses (rule F1).
        cpu.drop_hits();
        if current.vector == Vector::DoubleFault {
            return Some(Exit::Shutdown);
        }
        current = combine(current.vector, second);
    }
}

/// What a fault during delivery of another exception becomes (SDM vol. 3A, table 6-5).
fn combine(first: Vector, second: Exception) -> Exception {
    let first_is_page_fault = first == Vector::PageFault;
    let double = (first.is_contributory() && second.vector.is_contributory())
        || (first_is_page_fault
            && (second.vector.is_contributory() || second.vector == Vector::PageFault));
    if double { Exception::with_error(Vector::DoubleFault, 0) } else { second }
}

impl Cpu {
    /// Delivers a software interrupt; RIP must be that of the next instruction.
    ///
    /// # Errors
    /// The gate refused it.
    pub(crate) fn software_interrupt(
        &mut self,
        mem: &mut PhysMem,
        vector: u8,
        next_rip: u64,
    ) -> Result<(), Faulted> {
        let rip = std::mem::replace(&mut self.regs.rip, next_rip);
        self.drop_kept_hits();
        self.charge_event(FixedEvent::Exception);
        self.rule = StepRule::Never;
        enter(self, mem, vector, None, Source::Software, 0).inspect_err(|_| self.regs.rip = rip)
    }

    /// Runs a closure with supervisor rights, as the processor's own accesses to
    /// system structures have.
    pub(crate) fn with_system_rights<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.with_rights(Privilege::Supervisor, body)
    }

    /// Runs a closure with the rights of a privilege.
    pub(crate) fn with_rights<T>(
        &mut self,
        privilege: Privilege,
        body: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mode = std::mem::replace(&mut self.mode, privilege as u64);
        let result = body(self);
        self.mode = mode;
        result
    }
}
