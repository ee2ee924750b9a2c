//! Call gates (SDM vol. 3A, 5.8.3 to 5.8.5).

use super::descriptor::{self, CALL_GATE_16, Kind, is_null, kind};
use super::far::{check_code, check_offset, is_64, set_code};
use super::stack::load_at;
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::inner::{NewStack, NoPush};
use crate::event::{Exception, Vector};
use crate::mem::phys::PhysMem;
use crate::regs::gpr::reg::RSP;
use crate::regs::{B16, B32, B64, Segment, SegmentReg};

/// Size of the words that a gate pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Word,
    Double,
    Quad,
}

/// A call gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallGate {
    selector: u16,
    offset: u64,
    /// Words that are copied to the new stack.
    parameters: u64,
    size: Size,
}

/// Reads and checks a call gate that the caller may use.
pub(super) fn read(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<CallGate, Faulted> {
    let low = descriptor::read_raw(cpu, mem, selector)?;
    let short = Segment::from_descriptor(selector, low);
    let mut gate = CallGate {
        selector: (low >> 16) as u16,
        offset: low & 0xffff,
        parameters: low >> 32 & 0x1f,
        size: Size::Word,
    };
    if kind(&short) != Kind::System(CALL_GATE_16) {
        gate.size = Size::Double;
        gate.offset |= low >> 32 & 0xffff_0000;
    }
    if cpu.in_long_mode() {
        let high = descriptor::read_upper(cpu, mem, selector)?;
        // The type field of the upper half is zero.
        if high >> 40 & 0x1f != 0 {
            return Err(descriptor::refuse_gp(cpu, selector));
        }
        gate.size = Size::Quad;
        gate.offset |= high << 32;
        gate.parameters = 0;
    }
    if short.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
    }
    Ok(gate)
}

/// The code segment behind a gate.
fn code_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    gate: &CallGate,
    reach: Reach,
) -> Result<Segment, Faulted> {
    if is_null(gate.selector) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let segment = descriptor::read(cpu, mem, gate.selector)?;
    let cpl = cpu.regs.cpl();
    let allowed = match (kind(&segment), reach) {
        (Kind::Code { conforming: true, .. }, _) | (Kind::Code { .. }, Reach::Inward) => {
            segment.dpl() <= cpl
        }
        (Kind::Code { .. }, Reach::Same) => segment.dpl() == cpl,
        (Kind::System(_) | Kind::Data { .. }, _) => false,
    };
    let long = gate.size != Size::Quad || is_64(cpu, &segment);
    if !allowed || !long {
        return Err(descriptor::refuse_gp(cpu, gate.selector));
    }
    check_code(cpu, &segment)?;
    Ok(segment)
}

/// Whether a gate may raise the privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// By CALL.
    Inward,
    /// By JMP.
    Same,
}

/// JMP through a gate.
pub(super) fn jump(cpu: &mut Cpu, mem: &mut PhysMem, gate: &CallGate) -> Result<(), Faulted> {
    let mut code = code_segment(cpu, mem, gate, Reach::Same)?;
    check_offset(cpu, &code, gate.offset)?;
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    let cpl = cpu.regs.cpl();
    set_code(cpu, code, cpl);
    cpu.regs.rip = gate.offset;
    cpu.sync_mode();
    Ok(())
}

/// CALL through a gate: with a new stack where the privilege rises.
pub(super) fn call(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    gate: &CallGate,
    return_to: u64,
) -> Result<(), Faulted> {
    let mut code = code_segment(cpu, mem, gate, Reach::Inward)?;
    let cpl = cpu.regs.cpl();
    let conforming = matches!(kind(&code), Kind::Code { conforming: true, .. });
    let target = if conforming { cpl } else { code.dpl() };
    let old_cs = u64::from(cpu.regs.seg[SegmentReg::Cs as usize].selector);
    let old_stack = cpu.regs.seg[SegmentReg::Ss as usize];
    let mut words = Vec::new();
    let stack = if target < cpl {
        words.push(u64::from(old_stack.selector));
        words.push(cpu.regs.gpr.get(RSP));
        for nth in (0..gate.parameters).rev() {
            words.push(parameter(cpu, mem, gate, nth)?);
        }
        inner_stack(cpu, mem, gate, target)?
    } else {
        NewStack { segment: old_stack, pointer: cpu.regs.gpr.get(RSP), target }
    };
    words.extend([old_cs, return_to]);
    let words = words.into_iter();
    let pushed = match gate.size {
        Size::Word => cpu.push_words::<B16>(mem, &stack, words),
        Size::Double => cpu.push_words::<B32>(mem, &stack, words),
        Size::Quad => cpu.push_words::<B64>(mem, &stack, words),
    };
    let top = pushed.map_err(|why| match why {
        NoPush::Faulted => Faulted,
        NoPush::NoRoom => {
            let selector = if target < cpl { stack.segment.selector } else { 0 };
            descriptor::refuse(cpu, Vector::StackFault, selector)
        }
    })?;
    check_offset(cpu, &code, gate.offset)?;
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    set_code(cpu, code, target);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack.segment;
    cpu.regs.rip = gate.offset;
    cpu.sync_mode();
    cpu.set_stack_pointer(top);
    Ok(())
}

/// A parameter on the caller's stack.
fn parameter(cpu: &mut Cpu, mem: &mut PhysMem, gate: &CallGate, nth: u64) -> Result<u64, Faulted> {
    match gate.size {
        Size::Word => load_at::<B16>(cpu, mem, cpu.stack_pointer(2 * nth)),
        Size::Double | Size::Quad => load_at::<B32>(cpu, mem, cpu.stack_pointer(4 * nth)),
    }
}

/// The stack of the inner privilege, from the TSS.
fn inner_stack(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    gate: &CallGate,
    target: u8,
) -> Result<NewStack, Faulted> {
    if gate.size != Size::Quad {
        return cpu.inner_stack(mem, target, 0);
    }
    let pointer = cpu.needed_tss_word::<B64>(mem, 4 + 8 * u64::from(target), 0)?;
    let segment = Segment { selector: u16::from(target), ..Segment::default() };
    Ok(NewStack { segment, pointer, target })
}
