//! PUSH, POP, ENTER, LEAVE, PUSHF, POPF, PUSHA and POPA (SDM vol. 1, 6.2 and 7.3.1.5).
//! A push changes RSP only when its store succeeded.

use iced_x86::{Code, Instruction, Mnemonic};

use super::forms::{Form, form};
use super::segload::load_segment;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::op::{Flow, Op, OpFn, Run, alone, go_on};
use crate::regs::gpr::reg::{RBP, RSP};
use crate::regs::{B16, B32, B64, LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Push, push_rule),
    (Mnemonic::Pop, pop_rule),
    (Mnemonic::Pushfq, |insn| Lowered::plain(insn, pushf::<B64>)),
    (Mnemonic::Pushfd, |insn| Lowered::plain(insn, pushf::<B32>)),
    (Mnemonic::Pushf, |insn| Lowered::plain(insn, pushf::<B16>)),
    (Mnemonic::Popfq, |insn| Lowered::last(insn, popf::<B64>)),
    (Mnemonic::Popfd, |insn| Lowered::last(insn, popf::<B32>)),
    (Mnemonic::Popf, |insn| Lowered::last(insn, popf::<B16>)),
    (Mnemonic::Leave, leave_rule),
    (Mnemonic::Enter, enter_rule),
    (Mnemonic::Pushad, |insn| Lowered::plain(insn, pusha::<B32>)),
    (Mnemonic::Pusha, |insn| Lowered::plain(insn, pusha::<B16>)),
    (Mnemonic::Popad, |insn| Lowered::plain(insn, popa::<B32>)),
    (Mnemonic::Popa, |insn| Lowered::plain(insn, popa::<B16>)),
];

/// Stores below RSP and moves RSP.
#[inline(always)]
pub(crate) fn push<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    value: u64,
) -> Result<(), Faulted> {
    let top = cpu.stack_pointer(u64::from(W::BYTES).wrapping_neg());
    store_at::<W>(cpu, mem, top, value)?;
    cpu.set_stack_pointer(top);
    Ok(())
}

/// Loads at RSP and moves RSP.
#[inline(always)]
pub(crate) fn pop<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<u64, Faulted> {
    let value = load_at::<W>(cpu, mem, cpu.stack_pointer(0))?;
    cpu.set_stack_pointer(cpu.stack_pointer(u64::from(W::BYTES)));
    Ok(value)
}

/// Stores at an offset in the stack segment.
#[inline(always)]
pub(super) fn store_at<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    pointer: u64,
    value: u64,
) -> Result<(), Faulted> {
    let linear = cpu.stack_linear(pointer, W::BYTES, Intent::Write)?;
    W::store(cpu, mem, linear, value).map_err(|_| cpu.blame_stack())
}

/// Loads at an offset in the stack segment.
#[inline(always)]
pub(super) fn load_at<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    pointer: u64,
) -> Result<u64, Faulted> {
    let linear = cpu.stack_linear(pointer, W::BYTES, Intent::Read)?;
    W::load(cpu, mem, linear).map_err(|_| cpu.blame_stack())
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

/// The instances of a function for slots of 16, 32 and 64 bits.
macro_rules! slots {
    ($function:ident) => {
        [$function::<B16> as OpFn, $function::<B32> as OpFn, $function::<B64> as OpFn]
    };
}

/// Chooses by how far the stack pointer moves.
fn by_slot(insn: &Instruction, functions: [OpFn; 3]) -> Option<OpFn> {
    let [word, double, quad] = functions;
    match insn.stack_pointer_increment().abs() {
        2 => Some(word),
        4 => Some(double),
        8 => Some(quad),
        _ => None,
    }
}

fn push_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = if insn.op0_register().is_segment_register() {
        // Of a slot of 32 bits the lower half is written (x86-debug section 9).
        [push_sreg::<B16, B16>, push_sreg::<B32, B16>, push_sreg::<B64, B64>]
    } else {
        match form(insn)? {
            Form::Reg if insn.stack_pointer_increment() == -8 => {
                let run = Run { alone: push_reg::<B64>, chain: push_reg_chain::<B64> };
                return Lowered::quick(insn, run);
            }
            Form::Reg => slots!(push_reg),
            Form::Mem => slots!(push_mem),
            Form::Imm => slots!(push_imm),
            _ => return None,
        }
    };
    Lowered::plain(insn, by_slot(insn, functions)?)
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
        return Lowered::last(insn, by_slot(insn, slots!(pop_sreg))?);
    }
    let functions = match form(insn)? {
        Form::Reg if insn.stack_pointer_increment() == 8 => {
            let run = Run { alone: pop_reg::<B64>, chain: pop_reg_chain::<B64> };
            return Lowered::quick(insn, run);
        }
        Form::Reg => slots!(pop_reg),
        Form::Mem => slots!(pop_mem),
        _ => return None,
    };
    Lowered::plain(insn, by_slot(insn, functions)?)
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

/// Moves RSP by a slot and writes the part `P` of it.
fn push_sreg<W: MemWidth, P: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let selector = cpu.regs.seg[op.dst as usize % 6].selector;
    let top = cpu.stack_pointer(u64::from(W::BYTES).wrapping_neg());
    store_at::<P>(cpu, mem, top, u64::from(selector))?;
    cpu.set_stack_pointer(top);
    Ok(cpu.completed())
}

/// Loads two bytes of the slot, whatever its size (x86-debug section 9).
fn pop_sreg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = load_at::<B16>(cpu, mem, cpu.stack_pointer(0))?;
    let after = cpu.stack_pointer(u64::from(W::BYTES));
    cpu.set_stack_pointer(after);
    let top = cpu.stack_pointer(u64::from(W::BYTES).wrapping_neg());
    load_segment(cpu, mem, op.dst, selector as u16).inspect_err(|_| cpu.set_stack_pointer(top))?;
    Ok(Flow::Boundary)
}

/// PUSHA: eight registers, RSP as it was; they are stored one after the other, so that a
/// fault leaves those before it written.
fn pusha<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let slot = |nth: u64| (nth * u64::from(W::BYTES)).wrapping_neg();
    for reg in 0..8 {
        let value = W::get(&cpu.regs.gpr, reg);
        let at = cpu.stack_pointer(slot(u64::from(reg) + 1));
        store_at::<W>(cpu, mem, at, value)?;
    }
    cpu.set_stack_pointer(cpu.stack_pointer(slot(8)));
    Ok(cpu.completed())
}

/// POPA reads the slot of RSP too and leaves RSP behind all eight; a fault leaves the
/// registers before it loaded (rule F3).
fn popa<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    for nth in 0..8u8 {
        let at = cpu.stack_pointer(u64::from(nth) * u64::from(W::BYTES));
        let value = load_at::<W>(cpu, mem, at)?;
        let reg = 7 - nth;
        if reg != RSP {
            W::set(&mut cpu.regs.gpr, reg, value);
        }
    }
    cpu.set_stack_pointer(cpu.stack_pointer(8 * u64::from(W::BYTES)));
    Ok(cpu.completed())
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
    let run = match insn.code() {
        Code::Leavew => leave::<B16>,
        Code::Leaved => leave::<B32>,
        _ => leave::<B64>,
    };
    Lowered::plain(insn, run)
}

fn leave<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let frame = cpu.regs.gpr.get(RBP) & cpu.stack.mask;
    let outer = load_at::<W>(cpu, mem, frame)?;
    W::set(&mut cpu.regs.gpr, RBP, outer);
    cpu.set_stack_pointer(frame.wrapping_add(u64::from(W::BYTES)));
    Ok(cpu.completed())
}

/// ENTER: the frame's size in `imm`, its nesting level in `dst`.
fn enter_rule(insn: &Instruction) -> Option<Lowered> {
    let mut op = Op::new(match insn.code() {
        Code::Enterq_imm16_imm8 => enter::<B64>,
        Code::Enterd_imm16_imm8 => enter::<B32>,
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
    let mask = cpu.stack.mask;
    let outer = cpu.regs.gpr.get(RBP);
    let frame = cpu.stack_pointer(bytes.wrapping_neg());
    let level = u64::from(op.dst);
    let below = |pointer: u64, slot: u64| pointer.wrapping_sub(bytes * slot) & mask;
    store_at::<W>(cpu, mem, frame, outer)?;
    for slot in 1..level {
        let pointer = load_at::<W>(cpu, mem, below(outer, slot))?;
        store_at::<W>(cpu, mem, below(frame, slot), pointer)?;
    }
    if level > 0 {
        store_at::<W>(cpu, mem, below(frame, level), frame)?;
    }
    let final_top = below(frame, level).wrapping_sub(op.imm) & mask;
    // The final stack pointer must be writable, and is not matched (x86-debug section 9).
    let probed = cpu.stack_linear(final_top, W::BYTES, Intent::Write)?;
    cpu.probe_store(mem, probed, bytes).map_err(|_| cpu.blame_stack())?;
    W::set(&mut cpu.regs.gpr, RBP, frame);
    cpu.set_stack_pointer(final_top);
    Ok(cpu.completed())
}
