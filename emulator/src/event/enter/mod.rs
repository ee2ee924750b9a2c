//! Entry of a handler: the gate, the stack, the frame (SDM vol. 3A, 6.10 to 6.14).
//!
//! One file for each kind of IDT: 64-bit gates, the 8-byte gates of protected mode, the
//! vector table of real mode.

mod legacy;
mod long;
mod real;

use super::exception::Faulted;
use super::pending::Attention;
use super::{Exception, Vector};
use crate::cpu::Cpu;
use crate::mem::phys::PhysMem;
use crate::regs::control::cr0;
use crate::regs::{RFlags, Segment, SegmentReg};

/// Where an event comes from; it decides the checks and the EXT bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The processor or the bus.
    Hardware,
    /// INT n, INT3, INTO: the gate's DPL is checked.
    Software,
}

impl Source {
    /// EXT bit of an error code: the event was external to the program.
    fn ext(self) -> u32 {
        match self {
            Self::Hardware => 1,
            Self::Software => 0,
        }
    }
}

/// An event on its way to its handler.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    vector: u8,
    error: Option<u32>,
    source: Source,
    /// RFLAGS to be pushed.
    image: u64,
}

/// IDT bit of an error code: the index is one of the IDT.
const ERROR_IDT: u32 = 2;

impl Arrival {
    /// The error code of a fault that the vector's gate raises.
    fn gate_error(&self) -> u32 {
        u32::from(self.vector) << 3 | ERROR_IDT | self.source.ext()
    }

    /// Raises a fault by the vector's gate.
    fn refuse_gate(&self, cpu: &mut Cpu, vector: Vector) -> Faulted {
        cpu.raise(Exception::with_error(vector, self.gate_error()))
    }

    /// Raises a fault by a selector on the way.
    fn refuse_selector(&self, cpu: &mut Cpu, vector: Vector, selector: u16) -> Faulted {
        let error = u32::from(selector & !3) | self.source.ext();
        cpu.raise(Exception::with_error(vector, error))
    }
}

/// Enters a handler: reads the gate, switches stacks, pushes the frame.
///
/// # Errors
/// What the gate, the segments or the stack raise; nothing has changed but memory.
pub(super) fn enter(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    vector: u8,
    error: Option<u32>,
    source: Source,
    extra_flags: u64,
) -> Result<(), Faulted> {
    let image = cpu.regs.rflags() | extra_flags;
    let arrival = Arrival { vector, error, source, image };
    if cpu.in_long_mode() {
        long::enter(cpu, mem, &arrival)?;
    } else if cpu.regs.control.cr0 & cr0::PE != 0 {
        legacy::enter(cpu, mem, &arrival)?;
    } else {
        real::enter(cpu, mem, &arrival)?;
    }
    cpu.deliveries += 1;
    cpu.pending.ss_shadow = false;
    cpu.pending.sti_shadow = false;
    cpu.attention.clear(Attention::SHADOW);
    cpu.sync_mode();
    Ok(())
}

/// The flags that every entry of a handler clears (rule T6), and IF by the gate's type.
fn clear_flags(cpu: &mut Cpu, masks_interrupts: bool) {
    let cleared = RFlags::TF | RFlags::NT | RFlags::RF | RFlags::VM;
    let masked = if masks_interrupts { RFlags::IF } else { 0 };
    cpu.regs.system_flags &= !(cleared | masked);
}

/// Reads and checks the code segment of a gate; also the privilege of the handler.
fn code_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    selector: u16,
) -> Result<(Segment, u8), Faulted> {
    if selector & !3 == 0 {
        return Err(arrival.refuse_selector(cpu, Vector::GeneralProtection, 0));
    }
    let Some(word) = cpu.load_descriptor(mem, selector)? else {
        return Err(arrival.refuse_selector(cpu, Vector::GeneralProtection, selector));
    };
    let code = Segment::from_descriptor(selector, word);
    let cpl = cpu.regs.cpl();
    let is_code = code.access & 0x18 == 0x18;
    let fits = code.access & Segment::LONG != 0 || !cpu.in_long_mode();
    if !is_code || code.dpl() > cpl || !fits {
        return Err(arrival.refuse_selector(cpu, Vector::GeneralProtection, selector));
    }
    if code.access & Segment::PRESENT == 0 {
        return Err(arrival.refuse_selector(cpu, Vector::SegmentNotPresent, selector));
    }
    let conforming = code.access & 4 != 0;
    let target = if conforming { cpl } else { code.dpl() };
    Ok((code, target))
}

/// Loads CS with the handler's segment.
fn set_code(cpu: &mut Cpu, code: Segment, target: u8) {
    let selector = code.selector & !3 | u16::from(target);
    cpu.regs.seg[SegmentReg::Cs as usize] = Segment { selector, ..code };
}
