//! PUSH, POP, ENTER, LEAVE, PUSHF and POPF in 64-bit mode (SDM vol. 1, 6.2 and 7.3.1.5).
//! A push changes RSP only when its store succeeded.

use iced_x86::{Code, Instruction, Mnemonic};

use super::forms::{Form, form, operand_bytes};
use super::segload::load_segment;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, Run, alone, go_on};
use crate::regs::gpr::reg::{RBP, RSP};
use crate::regs::{B16, B64, LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Push, push_rule),
    (Mnemonic::Pop, pop_rule),
    (Mnemonic::Pushfq, |insn| Lowered::plain(insn, pushf::<B64>)),
    (Mnemonic::Pushf, |insn| Lowered::plain(insn, pushf::<B16>)),
    (Mnemonic::Popfq, |insn| Lowered::last(insn, popf::<B64>)),
    (Mnemonic::Popf, |insn| Lowered::last(insn, popf::<B16>)),
    (Mnemonic::Leave, leave_rule),
    (Mnemonic::Enter, enter_rule),
];

/// Stores below RSP and moves RSP.
#[inline(always)]
pub(crate) fn push<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    value: u64,
) -> Result<(), Faulted> {
    let top = cpu.regs.gpr.get(RSP).wrapping_sub(u64::from(W::BYTES));
    W::store(cpu, mem, top, value).map_err(|_| cpu.blame_stack())?;
    cpu.regs.gpr.set(RSP, top);
    Ok(())
}

/// Loads at RSP and moves RSP.
#[inline(always)]
pub(crate) fn pop<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<u64, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    let value = W::load(cpu, mem, top).map_err(|_| cpu.blame_stack())?;
    cpu.regs.gpr.set(RSP, top.wrapping_add(u64::from(W::BYTES)));
    Ok(value)
}

/// [`push`] if nothing but the bytes matters.
#[inline(always)]
pub(crate) fn push_fast<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, value: u64) -> Option<()> {
    let top = cpu.regs.gpr.get(RSP).wrapping_sub(u64::from(W::BYTES));
    W::store_fast(cpu, mem, top, value)?;
    cpu.regs.gpr.set(RSP, top);
    Some(())
}

/// The value at RSP if nothing but the bytes matters; RSP does not move.
#[inline(always)]
pub(crate) fn top_fast<W: MemWidth>(cpu: &Cpu, mem: &PhysMem) -> Option<u64> {
    W::load_fast(cpu, mem, cpu.regs.gpr.get(RSP))
}

fn push_rule(insn: &Instruction) -> Option<Lowered> {
    let short = insn.stack_pointer_increment() == -2;
    if insn.op0_register().is_segment_register() {
        return Lowered::plain(insn, if short { push_sreg::<B16> } else { push_sreg::<B64> });
    }
    let run = match (form(insn)?, short) {
        (Form::Reg, false) => {
            let run = Run { alone: push_reg::<B64>, chain: push_reg_chain::<B64> };
            return Lowered::quick(insn, run);
        }
        (Form::Reg, true) => push_reg::<B16>,
        (Form::Mem, false) => push_mem::<B64>,
        (Form::Mem, true) => push_mem::<B16>,
        (Form::Imm, false) => push_imm::<B64>,
        (Form::Imm, true) => push_imm::<B16>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn push_reg_chain<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.dst);
    match push_fast::<W>(cpu, mem, value) {
        Some(()) => go_on(cpu, mem, rest),
        None => alone(cpu, mem, op, rest),
    }
}

fn push_reg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.dst);
    push::<W>(cpu, mem, value)?;
    Ok(cpu.completed())
}

fn push_imm<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    push::<W>(cpu, mem, op.imm)?;
    Ok(cpu.completed())
}

fn push_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::load(cpu, mem, op.linear(cpu))?;
    push::<W>(cpu, mem, value)?;
    Ok(cpu.completed())
}

fn pop_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_register().is_segment_register() {
        let short = insn.stack_pointer_increment() == 2;
        return Lowered::last(insn, if short { pop_sreg::<B16> } else { pop_sreg::<B64> });
    }
    let run = match (form(insn)?, operand_bytes(insn, 0)) {
        (Form::Reg, 8) => {
            let run = Run { alone: pop_reg::<B64>, chain: pop_reg_chain::<B64> };
            return Lowered::quick(insn, run);
        }
        (Form::Reg, 2) => pop_reg::<B16>,
        (Form::Mem, 8) => pop_mem::<B64>,
        (Form::Mem, 2) => pop_mem::<B16>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn pop_reg_chain<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let Some(value) = top_fast::<W>(cpu, mem) else {
        return alone(cpu, mem, op, rest);
    };
    let top = cpu.regs.gpr.get(RSP);
    cpu.regs.gpr.set(RSP, top.wrapping_add(u64::from(W::BYTES)));
    W::set(&mut cpu.regs.gpr, op.dst, value);
    go_on(cpu, mem, rest)
}

fn pop_reg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = pop::<W>(cpu, mem)?;
    W::set(&mut cpu.regs.gpr, op.dst, value);
    Ok(cpu.completed())
}

/// The address is computed with the incremented RSP; a refused store leaves RSP.
fn pop_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    let value = pop::<W>(cpu, mem)?;
    let linear = op.linear(cpu);
    W::store(cpu, mem, linear, value).inspect_err(|_| cpu.regs.gpr.set(RSP, top))?;
    Ok(cpu.completed())
}

fn push_sreg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = cpu.regs.seg[op.dst as usize % 6].selector;
    push::<W>(cpu, mem, u64::from(selector))?;
    Ok(cpu.completed())
}

/// Loads two bytes of the slot, whatever its size (x86-debug section 9).
fn pop_sreg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    let selector = B16::load(cpu, mem, top).map_err(|_| cpu.blame_stack())?;
    load_segment(cpu, mem, op.dst, selector as u16)?;
    cpu.regs.gpr.set(RSP, top.wrapping_add(u64::from(W::BYTES)));
    Ok(Flow::Boundary)
}

fn pushf<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    // The image has RF and VM clear (rule T5).
    let image = cpu.regs.rflags() & !(RFlags::RF | RFlags::VM);
    push::<W>(cpu, mem, image)?;
    Ok(cpu.completed())
}

/// POPF changes what CPL and IOPL allow and never RF (rule T5).
fn popf<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let image = pop::<W>(cpu, mem)?;
    let cpl = u64::from(cpu.regs.cpl());
    let iopl = cpu.regs.system_flags >> 12 & 3;
    let mut changes = RFlags::TF | RFlags::DF | RFlags::NT | RFlags::AC | RFlags::ID;
    if cpl <= iopl {
        changes |= RFlags::IF;
    }
    if cpl == 0 {
        changes |= RFlags::IOPL;
    }
    changes &= W::MASK;
    let fixed = cpu.regs.system_flags & !changes;
    cpu.regs.system_flags = fixed | image & changes;
    cpu.regs.status = LazyFlags::from_image(image);
    cpu.sync_mode();
    Ok(cpu.completed())
}

fn leave_rule(insn: &Instruction) -> Option<Lowered> {
    let short = insn.code() == Code::Leavew;
    Lowered::plain(insn, if short { leave::<B16> } else { leave::<B64> })
}

fn leave<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let frame = cpu.regs.gpr.get(RBP);
    let outer = W::load(cpu, mem, frame).map_err(|_| cpu.blame_stack())?;
    W::set(&mut cpu.regs.gpr, RBP, outer);
    cpu.regs.gpr.set(RSP, frame.wrapping_add(u64::from(W::BYTES)));
    Ok(cpu.completed())
}

/// ENTER: the frame's size in `imm`, its nesting level in `dst`.
fn enter_rule(insn: &Instruction) -> Option<Lowered> {
    let mut op = Op::new(match insn.code() {
        Code::Enterq_imm16_imm8 => enter::<B64>,
        Code::Enterw_imm16_imm8 => enter::<B16>,
        _ => return None,
    });
    op.imm = u64::from(insn.immediate16());
    op.dst = insn.immediate8_2nd() & 0x1f;
    Some(Lowered { op, ends: Ends::No })
}

/// Stores one slot after the other, so that a fault leaves those before it written,
/// and changes RSP and RBP at the end. The 16-bit form changes 16 bits of RBP and all
/// of RSP.
fn enter<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let bytes = u64::from(W::BYTES);
    let outer = cpu.regs.gpr.get(RBP);
    let frame = cpu.regs.gpr.get(RSP).wrapping_sub(bytes);
    let level = u64::from(op.dst);
    let store = |cpu: &mut Cpu, mem: &mut PhysMem, slot: u64, value: u64| {
        let at = frame.wrapping_sub(bytes * slot);
        W::store(cpu, mem, at, value).map_err(|_| cpu.blame_stack())
    };
    store(cpu, mem, 0, outer)?;
    for slot in 1..level {
        let at = outer.wrapping_sub(bytes * slot);
        let pointer = W::load(cpu, mem, at).map_err(|_| cpu.blame_stack())?;
        store(cpu, mem, slot, pointer)?;
    }
    if level > 0 {
        store(cpu, mem, level, frame)?;
    }
    let final_top = frame.wrapping_sub(bytes * level).wrapping_sub(op.imm);
    // The final stack pointer must be writable, and is not matched (x86-debug section 9).
    cpu.probe_store(mem, final_top, bytes).map_err(|_| cpu.blame_stack())?;
    W::set(&mut cpu.regs.gpr, RBP, frame);
    cpu.regs.gpr.set(RSP, final_top);
    Ok(cpu.completed())
}
