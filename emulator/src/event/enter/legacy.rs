//! The 8-byte gates of protected mode (SDM vol. 3A, 6.11 and 6.12).

use super::{Arrival, Source, clear_flags, code_segment, set_code};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::inner::{NewStack, NoPush};
use crate::event::{Exception, Vector};
use crate::insn::task::{self, Cause};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::regs::gpr::reg::RSP;
use crate::regs::{B16, B32, B64, SegmentReg};

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

/// Size of the words of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Word,
    Double,
}

/// The stack as it is.
fn present_stack(cpu: &Cpu) -> NewStack {
    let segment = cpu.regs.seg[SegmentReg::Ss as usize];
    NewStack { segment, pointer: cpu.regs.gpr.get(RSP), target: cpu.regs.cpl() }
}

/// Enters a handler through a gate of protected mode.
pub(super) fn enter(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<(), Faulted> {
    let gate = read_gate(cpu, mem, arrival)?;
    if gate.kind == TASK_GATE {
        return enter_task(cpu, mem, arrival, gate.selector);
    }
    let cpl = cpu.regs.cpl();
    let (code, target) = code_segment(cpu, mem, arrival, gate.selector)?;
    let present = present_stack(cpu);
    let stack =
        if target == cpl { present } else { cpu.inner_stack(mem, target, arrival.source.ext())? };
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
    let size = if wide { Size::Double } else { Size::Word };
    let pointer = push_frame(cpu, mem, arrival, &stack, size, words)?;

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

/// Pushes the words of a frame; the pointer behind them.
fn push_frame(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    stack: &NewStack,
    size: Size,
    words: impl Iterator<Item = u64>,
) -> Result<u64, Faulted> {
    let pushed = match size {
        Size::Double => cpu.push_words::<B32>(mem, stack, words),
        Size::Word => cpu.push_words::<B16>(mem, stack, words),
    };
    pushed.map_err(|why| match why {
        NoPush::Faulted => Faulted,
        NoPush::NoRoom => {
            let inner = stack.target != cpu.regs.cpl();
            let selector = if inner { stack.segment.selector } else { 0 };
            arrival.refuse_selector(cpu, Vector::StackFault, selector)
        }
    })
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
    let stack = present_stack(cpu);
    let wide = cpu.regs.control.has_wide_tss();
    let size = if wide { Size::Double } else { Size::Word };
    let word = std::iter::once(u64::from(error));
    let pointer = push_frame(cpu, mem, arrival, &stack, size, word)?;
    cpu.set_stack_pointer(pointer);
    Ok(())
}
