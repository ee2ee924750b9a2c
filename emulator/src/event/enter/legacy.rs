//! The 8-byte gates of protected mode (SDM vol. 3A, 6.11 and 6.12).

use super::{Arrival, Source, clear_flags, code_segment, read_descriptor, set_code, tss_word};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::insn::task::{self, Cause};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::mem::tlb::Privilege;
use crate::regs::gpr::reg::RSP;
use crate::regs::{B16, B32, B64, Segment, SegmentReg};

/// Types of gates.
const TASK_GATE: u64 = 5;
const INTERRUPT_GATE_16: u64 = 6;
const TRAP_GATE_16: u64 = 7;
const INTERRUPT_GATE_32: u64 = 0xe;
const TRAP_GATE_32: u64 = 0xf;

/// A gate of the IDT.
#[derive(Clone, Copy, Debug)]
struct Gate {
    kind: u64,
    offset: u64,
    selector: u16,
}

/// The stack that the frame goes to.
#[derive(Clone, Copy, Debug)]
struct Stack {
    segment: Segment,
    pointer: u64,
}

/// Enters a handler through a gate of protected mode.
pub(super) fn enter(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<(), Faulted> {
    let gate = read_gate(cpu, mem, arrival)?;
    if gate.kind == TASK_GATE {
        return enter_task(cpu, mem, arrival, gate.selector);
    }
    let cpl = cpu.regs.cpl();
    let (code, target) = code_segment(cpu, mem, arrival, gate.selector)?;
    let present =
        Stack { segment: cpu.regs.seg[SegmentReg::Ss as usize], pointer: cpu.regs.gpr.get(RSP) };
    let stack = if target == cpl { present } else { inner_stack(cpu, mem, arrival, target)? };
    if gate.offset > u64::from(code.limit) {
        let error = arrival.source.ext();
        return Err(cpu.raise(Exception::with_error(Vector::GeneralProtection, error)));
    }

    let outer = [u64::from(present.segment.selector), present.pointer];
    let regs = &cpu.regs;
    let frame = [arrival.image, u64::from(regs.seg[SegmentReg::Cs as usize].selector), regs.rip];
    let outer = if target == cpl { &outer[..0] } else { &outer[..] };
    let words = outer.iter().chain(&frame).copied().chain(arrival.error.map(u64::from));
    let wide = matches!(gate.kind, INTERRUPT_GATE_32 | TRAP_GATE_32);
    let pointer = if wide {
        push_all::<B32>(cpu, mem, arrival, &stack, target, words)?
    } else {
        push_all::<B16>(cpu, mem, arrival, &stack, target, words)?
    };

    let masks_interrupts = matches!(gate.kind, INTERRUPT_GATE_16 | INTERRUPT_GATE_32);
    clear_flags(cpu, masks_interrupts);
    set_code(cpu, code, target);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack.segment;
    cpu.sync_mode();
    cpu.set_stack_pointer(pointer);
    cpu.regs.rip = gate.offset;
    Ok(())
}

/// Reads and checks a gate of the IDT.
fn read_gate(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<Gate, Faulted> {
    let table = cpu.regs.control.idtr;
    let offset = u64::from(arrival.vector) * 8;
    if offset + 7 > u64::from(table.limit) {
        return Err(arrival.refuse_gate(cpu, Vector::GeneralProtection));
    }
    let at = table.base.wrapping_add(offset) & 0xffff_ffff;
    let word = cpu.with_system_rights(|cpu| B64::load(cpu, mem, at))?;
    let kind = word >> 40 & 0x1f;
    let dpl = (word >> 45 & 3) as u8;
    let known = [TASK_GATE, INTERRUPT_GATE_16, TRAP_GATE_16, INTERRUPT_GATE_32, TRAP_GATE_32];
    let refused = arrival.source == Source::Software && dpl < cpu.regs.cpl();
    if !known.contains(&kind) || refused {
        return Err(arrival.refuse_gate(cpu, Vector::GeneralProtection));
    }
    if word >> 47 & 1 == 0 {
        return Err(arrival.refuse_gate(cpu, Vector::SegmentNotPresent));
    }
    let wide = matches!(kind, INTERRUPT_GATE_32 | TRAP_GATE_32);
    let high = if wide { word >> 32 & 0xffff_0000 } else { 0 };
    Ok(Gate { kind, offset: word & 0xffff | high, selector: (word >> 16) as u16 })
}

/// The stack of a more privileged handler, from the TSS.
fn inner_stack(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    target: u8,
) -> Result<Stack, Faulted> {
    let level = u64::from(target);
    let wide = cpu.regs.control.tr_access & 8 != 0;
    let (pointer, selector) = if wide {
        let pointer = tss_word::<B32>(cpu, mem, arrival, 4 + 8 * level)?;
        (pointer, tss_word::<B16>(cpu, mem, arrival, 8 + 8 * level)?)
    } else {
        let pointer = tss_word::<B16>(cpu, mem, arrival, 2 + 4 * level)?;
        (pointer, tss_word::<B16>(cpu, mem, arrival, 4 + 4 * level)?)
    };
    let selector = selector as u16;
    if selector & !3 == 0 || cpu.descriptor_address(selector).is_none() {
        return Err(arrival.refuse_selector(cpu, Vector::InvalidTss, selector));
    }
    let segment = read_descriptor(cpu, mem, arrival, selector)?;
    let writable_data = segment.access & 0x1a == 0x12;
    if (selector & 3) as u8 != target || segment.dpl() != target || !writable_data {
        return Err(arrival.refuse_selector(cpu, Vector::InvalidTss, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(arrival.refuse_selector(cpu, Vector::StackFault, selector));
    }
    Ok(Stack { segment, pointer })
}

/// Pushes the words of a frame with the rights of the handler; the pointer behind them.
fn push_all<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    stack: &Stack,
    target: u8,
    words: impl Iterator<Item = u64>,
) -> Result<u64, Faulted> {
    let big = stack.segment.access & Segment::DEFAULT_BIG != 0;
    let mask = if big { 0xffff_ffff } else { 0xffff };
    let mut pointer = stack.pointer & mask;
    let present = cpu.regs.seg[SegmentReg::Ss as usize];
    for word in words {
        pointer = pointer.wrapping_sub(u64::from(W::BYTES)) & mask;
        cpu.regs.seg[SegmentReg::Ss as usize] = stack.segment;
        let checked =
            cpu.check_segment(SegmentReg::Ss as u8, pointer, u64::from(W::BYTES), Intent::Write);
        cpu.regs.seg[SegmentReg::Ss as usize] = present;
        if checked.is_err() {
            let error = if target == cpu.regs.cpl() { 0 } else { stack.segment.selector };
            return Err(arrival.refuse_selector(cpu, Vector::StackFault, error));
        }
        let linear = stack.segment.base.wrapping_add(pointer) & 0xffff_ffff;
        let rights = if target == 3 { Privilege::User } else { Privilege::Supervisor };
        cpu.with_rights(rights, |cpu| W::store(cpu, mem, linear, word))?;
    }
    Ok(pointer)
}

/// Through a task gate: the event becomes the first thing of another task.
fn enter_task(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    selector: u16,
) -> Result<(), Faulted> {
    task::switch(cpu, mem, selector, Cause::Event(arrival.source.ext()))?;
    let Some(error) = arrival.error else { return Ok(()) };
    let stack =
        Stack { segment: cpu.regs.seg[SegmentReg::Ss as usize], pointer: cpu.regs.gpr.get(RSP) };
    let target = cpu.regs.cpl();
    let words = std::iter::once(u64::from(error));
    let wide = cpu.regs.control.tr_access & 8 != 0;
    let pointer = if wide {
        push_all::<B32>(cpu, mem, arrival, &stack, target, words)?
    } else {
        push_all::<B16>(cpu, mem, arrival, &stack, target, words)?
    };
    cpu.set_stack_pointer(pointer);
    Ok(())
}
