//! Delivery of interrupts and exceptions through the IDT in 64-bit mode, and IRETQ's
//! counterpart loads. Source: SDM vol. 3A, 6.14 (64-bit mode exception and interrupt
//! handling) and 6.15 (interrupt 8: double and triple faults).

use super::exception::Faulted;
use super::pending::Attention;
use super::{Exception, Vector};
use crate::cpu::{Cpu, StepRule};
use crate::debug::dr6;
use crate::debug::dr7::Dr7;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::tlb::Privilege;
use crate::regs::gpr::reg::RSP;
use crate::regs::{B64, RFlags, Segment, SegmentReg};
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

/// Where an event comes from; it decides the checks and the EXT bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The processor or the bus.
    Hardware,
    /// INT n, INT3, INTO: the gate's DPL is checked.
    Software,
}

/// Type field of a 64-bit interrupt gate; one more is a trap gate.
const INTERRUPT_GATE: u64 = 0xe;
const TRAP_GATE: u64 = 0xf;
/// Offset of RSP0 in a 64-bit TSS.
const TSS_RSP0: u64 = 4;
/// Offset of the (absent) IST0 in a 64-bit TSS.
const TSS_IST0: u64 = 0x1c;
/// EXT bit of an error code: the event was external to the program.
const ERROR_EXT: u32 = 1;
/// IDT bit of an error code: the index is one of the IDT.
const ERROR_IDT: u32 = 2;

/// A gate of the IDT.
#[derive(Clone, Copy, Debug)]
struct Gate {
    offset: u64,
    selector: u16,
    ist: u64,
    masks_interrupts: bool,
}

/// Delivers the fault that the CPU has raised, with RF set in the image (rule T3).
pub(crate) fn deliver_fault(cpu: &mut Cpu, mem: &mut PhysMem) -> Option<Exit> {
    let Some(fault) = cpu.fault.take() else { return Some(Exit::Shutdown) };
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
}

/// Delivers ICEBP's #DB: DR6 and DR7 stay (rules I1, T9).
pub(crate) fn deliver_icebp(cpu: &mut Cpu, mem: &mut PhysMem) -> Option<Exit> {
    cpu.charge_event(FixedEvent::DebugException);
    deliver_exception(cpu, mem, Exception::new(Vector::Debug), 0)
}

/// Delivers an external interrupt.
pub(crate) fn deliver_interrupt(cpu: &mut Cpu, mem: &mut PhysMem, vector: u8) -> Option<Exit> {
    cpu.charge_event(FixedEvent::Interrupt);
    cpu.halted = false;
    match enter(cpu, mem, vector, None, Source::Hardware, 0) {
        Ok(()) => None,
        Err(Faulted) => {
            let nested = cpu.fault.take()?;
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
        let Some(second) = cpu.fault.take() else { return Some(Exit::Shutdown) };
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
        let mode = std::mem::replace(&mut self.mode, Privilege::Supervisor as u64);
        let result = body(self);
        self.mode = mode;
        result
    }

    /// Reads a descriptor of the GDT.
    ///
    /// # Errors
    /// #GP with the selector where the table is too short, or the page fault.
    pub(crate) fn read_descriptor(
        &mut self,
        mem: &mut PhysMem,
        selector: u16,
    ) -> Result<u64, Faulted> {
        let table = self.regs.control.gdtr;
        let offset = selector & !7;
        if selector & 4 != 0 || u32::from(offset) + 7 > u32::from(table.limit) {
            let error = u32::from(selector & !3);
            return Err(self.raise(Exception::with_error(Vector::GeneralProtection, error)));
        }
        let at = table.base.wrapping_add(u64::from(offset));
        self.with_system_rights(|cpu| B64::load(cpu, mem, at))
    }
}

/// Enters a handler: reads the gate, switches stacks, pushes the frame.
fn enter(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    vector: u8,
    error: Option<u32>,
    source: Source,
    extra_flags: u64,
) -> Result<(), Faulted> {
    let gate = read_gate(cpu, mem, vector, source)?;
    let descriptor = cpu.read_descriptor(mem, gate.selector)?;
    let mut code = Segment::from_descriptor(gate.selector, descriptor);
    let cpl = cpu.regs.cpl();
    check_code(cpu, &code, cpl)?;
    let conforming = code.access & 4 != 0;
    let target = if conforming { cpl } else { code.dpl() };
    let stack = select_stack(cpu, mem, &gate, target)?;

    let image = cpu.regs.rflags() | extra_flags;
    let regs = &cpu.regs;
    let frame = [
        u64::from(regs.seg[SegmentReg::Ss as usize].selector),
        regs.gpr.get(RSP),
        image,
        u64::from(regs.seg[SegmentReg::Cs as usize].selector),
        regs.rip,
    ];
    let words = frame.iter().copied().chain(error.map(u64::from));
    let top = cpu.with_system_rights(|cpu| {
        let mut at = stack & !0xf;
        for word in words {
            at = at.wrapping_sub(8);
            B64::store(cpu, mem, at, word).map_err(|_| cpu.blame_stack())?;
        }
        Ok(at)
    })?;

    let cleared = RFlags::TF | RFlags::NT | RFlags::RF | RFlags::VM;
    let masked = if gate.masks_interrupts { RFlags::IF } else { 0 };
    cpu.regs.system_flags &= !(cleared | masked);
    code.selector = gate.selector & !3 | u16::from(target);
    cpu.regs.seg[SegmentReg::Cs as usize] = code;
    if target != cpl {
        let null = Segment { selector: u16::from(target), ..Segment::default() };
        cpu.regs.seg[SegmentReg::Ss as usize] = null;
    }
    cpu.regs.gpr.set(RSP, top);
    cpu.regs.rip = gate.offset;
    cpu.pending.ss_shadow = false;
    cpu.pending.sti_shadow = false;
    cpu.attention.clear(Attention::SHADOW);
    cpu.sync_mode();
    Ok(())
}

/// Reads and checks a gate of the IDT.
fn read_gate(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    vector: u8,
    source: Source,
) -> Result<Gate, Faulted> {
    let table = cpu.regs.control.idtr;
    let external = if source == Source::Hardware { ERROR_EXT } else { 0 };
    let error = u32::from(vector) << 3 | ERROR_IDT | external;
    let offset = u64::from(vector) * 16;
    if offset + 15 > u64::from(table.limit) {
        return Err(cpu.raise(Exception::with_error(Vector::GeneralProtection, error)));
    }
    let at = table.base.wrapping_add(offset);
    let (low, high) = cpu.with_system_rights(|cpu| {
        Ok((B64::load(cpu, mem, at)?, B64::load(cpu, mem, at.wrapping_add(8))?))
    })?;
    let kind = low >> 40 & 0x1f;
    let dpl = (low >> 45 & 3) as u8;
    let refused = source == Source::Software && dpl < cpu.regs.cpl();
    if !matches!(kind, INTERRUPT_GATE | TRAP_GATE) || refused {
        return Err(cpu.raise(Exception::with_error(Vector::GeneralProtection, error)));
    }
    if low >> 47 & 1 == 0 {
        return Err(cpu.raise(Exception::with_error(Vector::SegmentNotPresent, error)));
    }
    Ok(Gate {
        offset: low & 0xffff | low >> 32 & 0xffff_0000 | high << 32,
        selector: (low >> 16) as u16,
        ist: low >> 32 & 7,
        masks_interrupts: kind == INTERRUPT_GATE,
    })
}

/// Checks the code segment of a gate.
fn check_code(cpu: &mut Cpu, code: &Segment, cpl: u8) -> Result<(), Faulted> {
    let error = u32::from(code.selector & !3);
    let is_code = code.access & 0x18 == 0x18;
    if code.selector & !3 == 0 || !is_code || code.dpl() > cpl || code.access & Segment::LONG == 0 {
        return Err(cpu.raise(Exception::with_error(Vector::GeneralProtection, error)));
    }
    if code.access & Segment::PRESENT == 0 {
        return Err(cpu.raise(Exception::with_error(Vector::SegmentNotPresent, error)));
    }
    Ok(())
}

/// The stack of the handler: IST, the TSS's for a new privilege, or the present one.
fn select_stack(cpu: &mut Cpu, mem: &mut PhysMem, gate: &Gate, target: u8) -> Result<u64, Faulted> {
    let offset = if gate.ist != 0 {
        TSS_IST0 + 8 * gate.ist
    } else if target != cpu.regs.cpl() {
        TSS_RSP0 + 8 * u64::from(target)
    } else {
        return Ok(cpu.regs.gpr.get(RSP));
    };
    if offset + 7 > u64::from(cpu.regs.control.tss_limit) {
        let error = u32::from(cpu.regs.control.tr & !3);
        return Err(cpu.raise(Exception::with_error(Vector::InvalidTss, error)));
    }
    let at = cpu.regs.control.tss_base.wrapping_add(offset);
    cpu.with_system_rights(|cpu| B64::load(cpu, mem, at))
}
