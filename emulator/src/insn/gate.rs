//! Call gates (SDM vol. 3A, 5.8.3 to 5.8.5).

use super::descriptor::{self, CALL_GATE_16, Kind, is_null, kind, rpl};
use super::far::{check_code, check_offset, is_64, set_code};
use super::segload::{NullStack, stack_segment};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::mem::tlb::Privilege;
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
    let (segment, pointer) = if target < cpl {
        words.push(u64::from(old_stack.selector));
        words.push(cpu.regs.gpr.get(RSP));
        for nth in (0..gate.parameters).rev() {
            words.push(parameter(cpu, mem, gate, nth)?);
        }
        inner_stack(cpu, mem, gate, target)?
    } else {
        (old_stack, cpu.regs.gpr.get(RSP))
    };
    words.extend([old_cs, return_to]);
    let new = Stack { segment, pointer, target };
    let top = match gate.size {
        Size::Word => push_all::<B16>(cpu, mem, &new, &words)?,
        Size::Double => push_all::<B32>(cpu, mem, &new, &words)?,
        Size::Quad => push_all::<B64>(cpu, mem, &new, &words)?,
    };
    check_offset(cpu, &code, gate.offset)?;
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    set_code(cpu, code, target);
    cpu.regs.seg[SegmentReg::Ss as usize] = segment;
    cpu.regs.rip = gate.offset;
    cpu.sync_mode();
    cpu.set_stack_pointer(top);
    Ok(())
}

/// A parameter on the caller's stack.
fn parameter(cpu: &mut Cpu, mem: &mut PhysMem, gate: &CallGate, nth: u64) -> Result<u64, Faulted> {
    use super::stack::load_at;
    match gate.size {
        Size::Word => load_at::<B16>(cpu, mem, cpu.stack_pointer(2 * nth)),
        Size::Double | Size::Quad => load_at::<B32>(cpu, mem, cpu.stack_pointer(4 * nth)),
    }
}

/// A stack that a gate pushes to.
struct Stack {
    segment: Segment,
    pointer: u64,
    target: u8,
}

/// The stack of the inner privilege, from the TSS.
fn inner_stack(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    gate: &CallGate,
    target: u8,
) -> Result<(Segment, u64), Faulted> {
    let level = u64::from(target);
    if gate.size == Size::Quad {
        let pointer = tss_word::<B64>(cpu, mem, 4 + 8 * level)?;
        let selector = u16::from(target);
        return Ok((Segment { selector, ..Segment::default() }, pointer));
    }
    let wide = cpu.regs.control.tr_access & 8 != 0;
    let (pointer, selector) = if wide {
        let pointer = tss_word::<B32>(cpu, mem, 4 + 8 * level)?;
        (pointer, tss_word::<B16>(cpu, mem, 8 + 8 * level)? as u16)
    } else {
        let pointer = tss_word::<B16>(cpu, mem, 2 + 4 * level)?;
        (pointer, tss_word::<B16>(cpu, mem, 4 + 4 * level)? as u16)
    };
    let stack = stack_segment(cpu, mem, selector, target, NullStack::Refused);
    match stack {
        Ok(segment) if rpl(selector) == target => Ok((segment, pointer)),
        _ => {
            // What a load would refuse as #GP is the TSS's fault here.
            let present = cpu.fault.is_some_and(|fault| fault.vector == Vector::StackFault);
            let paging = cpu.fault.is_some_and(|fault| fault.vector == Vector::PageFault);
            if present || paging {
                return Err(Faulted);
            }
            Err(descriptor::refuse(cpu, Vector::InvalidTss, selector))
        }
    }
}

fn tss_word<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, offset: u64) -> Result<u64, Faulted> {
    let control = &cpu.regs.control;
    if offset + u64::from(W::BYTES) - 1 > u64::from(control.tss_limit) {
        let tr = control.tr;
        return Err(descriptor::refuse(cpu, Vector::InvalidTss, tr));
    }
    let at = control.tss_base.wrapping_add(offset);
    cpu.with_system_rights(|cpu| W::load(cpu, mem, at))
}

/// Pushes words onto a stack with the rights of its privilege.
fn push_all<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    stack: &Stack,
    words: &[u64],
) -> Result<u64, Faulted> {
    let quad = W::BYTES == 8;
    let mask = match (quad, stack.segment.access & Segment::DEFAULT_BIG != 0) {
        (true, _) => u64::MAX,
        (false, true) => 0xffff_ffff,
        (false, false) => 0xffff,
    };
    let mut pointer = stack.pointer & mask;
    let rights = if stack.target == 3 { Privilege::User } else { Privilege::Supervisor };
    for &word in words {
        pointer = pointer.wrapping_sub(u64::from(W::BYTES)) & mask;
        let linear = if quad {
            pointer
        } else {
            let present = cpu.regs.seg[SegmentReg::Ss as usize];
            cpu.regs.seg[SegmentReg::Ss as usize] = stack.segment;
            let bytes = u64::from(W::BYTES);
            let checked = cpu.check_segment(SegmentReg::Ss as u8, pointer, bytes, Intent::Write);
            cpu.regs.seg[SegmentReg::Ss as usize] = present;
            checked?;
            stack.segment.base.wrapping_add(pointer) & 0xffff_ffff
        };
        cpu.with_rights(rights, |cpu| W::store(cpu, mem, linear, word))
            .map_err(|_| cpu.blame_stack())?;
    }
    Ok(pointer)
}
