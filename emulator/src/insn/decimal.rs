//! Instructions that exist only outside 64-bit mode: decimal adjustment, BOUND, ARPL and
//! SALC (SDM vol. 2).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::far::check_protected;
use super::forms::width_index;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::gpr::reg::RAX;
use crate::regs::{B8, B16, B32, LazyFlags, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Aaa, |insn| Lowered::plain(insn, ascii_adjust::<1>)),
    (Mnemonic::Aas, |insn| Lowered::plain(insn, ascii_adjust::<-1>)),
    (Mnemonic::Daa, |insn| Lowered::plain(insn, daa)),
    (Mnemonic::Das, |insn| Lowered::plain(insn, das)),
    (Mnemonic::Aam, |insn| Lowered::plain(insn, aam)),
    (Mnemonic::Aad, |insn| Lowered::plain(insn, aad)),
    (Mnemonic::Salc, |insn| Lowered::plain(insn, salc)),
    (Mnemonic::Bound, bound_rule),
    (Mnemonic::Arpl, arpl_rule),
];

/// SF, ZF and PF of a byte.
fn result_flags(value: u64) -> u64 {
    let value = value as u8;
    let flag = |set: bool, bit: u64| if set { bit } else { 0 };
    flag(value & 0x80 != 0, RFlags::SF)
        | flag(value == 0, RFlags::ZF)
        | flag(value.count_ones().is_multiple_of(2), RFlags::PF)
}

fn al(cpu: &Cpu) -> u64 {
    B8::get(&cpu.regs.gpr, RAX)
}

fn has(cpu: &Cpu, flag: u64) -> bool {
    cpu.regs.status.image() & flag != 0
}

/// AAA and AAS: a digit is carried into, or borrowed from, AH. OF, SF, ZF and PF are
/// undefined: as the low byte says.
fn ascii_adjust<const SIGN: i64>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    _op: &Op,
) -> Result<Flow, Faulted> {
    let adjusts = al(cpu) & 0xf > 9 || has(cpu, RFlags::AF);
    let ax = B16::get(&cpu.regs.gpr, RAX);
    let step = if adjusts { SIGN * 0x106 } else { 0 };
    let value = ax.wrapping_add_signed(step) & 0xff0f;
    B16::set(&mut cpu.regs.gpr, RAX, value);
    let carries = if adjusts { RFlags::CF | RFlags::AF } else { 0 };
    cpu.regs.status = LazyFlags::from_image(result_flags(value) | carries);
    Ok(Flow::Next)
}

fn daa(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let old = al(cpu);
    let low = old & 0xf > 9 || has(cpu, RFlags::AF);
    let high = old > 0x99 || has(cpu, RFlags::CF);
    let value = old.wrapping_add(if low { 6 } else { 0 }).wrapping_add(if high { 0x60 } else { 0 });
    decimal_result(cpu, value, low, high);
    Ok(Flow::Next)
}

fn das(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let old = al(cpu);
    let low = old & 0xf > 9 || has(cpu, RFlags::AF);
    let high = old > 0x99 || has(cpu, RFlags::CF);
    let value = old.wrapping_sub(if low { 6 } else { 0 }).wrapping_sub(if high { 0x60 } else { 0 });
    let borrows = high || (low && old < 6);
    decimal_result(cpu, value, low, borrows);
    Ok(Flow::Next)
}

fn decimal_result(cpu: &mut Cpu, value: u64, adjust: bool, carry: bool) {
    B8::set(&mut cpu.regs.gpr, RAX, value);
    let flag = |set: bool, bit: u64| if set { bit } else { 0 };
    let image = result_flags(value) | flag(adjust, RFlags::AF) | flag(carry, RFlags::CF);
    cpu.regs.status = LazyFlags::from_image(image);
}

fn aam(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let base = op.imm & 0xff;
    let Some(high) = al(cpu).checked_div(base) else {
        return Err(cpu.raise(Exception::new(Vector::DivideError)));
    };
    let low = al(cpu) % base;
    B16::set(&mut cpu.regs.gpr, RAX, high << 8 | low);
    cpu.regs.status = LazyFlags::from_image(result_flags(low));
    Ok(Flow::Next)
}

fn aad(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let ax = B16::get(&cpu.regs.gpr, RAX);
    let value = (ax & 0xff).wrapping_add((ax >> 8) * (op.imm & 0xff)) & 0xff;
    B16::set(&mut cpu.regs.gpr, RAX, value);
    cpu.regs.status = LazyFlags::from_image(result_flags(value));
    Ok(Flow::Next)
}

/// SALC: AL becomes all ones or zeroes by CF.
fn salc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let value = if cpu.regs.status.carry() { 0xff } else { 0 };
    B8::set(&mut cpu.regs.gpr, RAX, value);
    Ok(Flow::Next)
}

fn bound_rule(insn: &Instruction) -> Option<Lowered> {
    let wide = width_index(insn, 0)? == 2;
    Lowered::plain(insn, if wide { bound::<B32> } else { bound::<B16> })
}

/// BOUND reads both limits; #BR is a fault (rule F5).
fn bound<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let behind = linear.wrapping_add(u64::from(W::BYTES)) & 0xffff_ffff;
    let signed = |value: u64| W::sign_extend(value) as i64;
    let lower = signed(W::load(cpu, mem, linear)?);
    let upper = signed(W::load(cpu, mem, behind)?);
    let index = signed(W::get(&cpu.regs.gpr, op.dst));
    if index < lower || index > upper {
        return Err(cpu.raise(Exception::new(Vector::BoundRange)));
    }
    Ok(cpu.completed())
}

fn arpl_rule(insn: &Instruction) -> Option<Lowered> {
    let in_memory = insn.op0_kind() == OpKind::Memory;
    Lowered::plain(insn, if in_memory { arpl_mem } else { arpl_reg })
}

/// The selector with an RPL that is not below that of `model`.
fn raised(selector: u64, model: u64) -> Option<u64> {
    (selector & 3 < model & 3).then_some(selector & !3 | model & 3)
}

fn set_zero(cpu: &mut Cpu, zero: bool) {
    let rest = cpu.regs.status.image() & !RFlags::ZF;
    cpu.regs.status = LazyFlags::from_image(rest | if zero { RFlags::ZF } else { 0 });
}

fn arpl_reg(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let (selector, model) = (B16::get(&cpu.regs.gpr, op.dst), B16::get(&cpu.regs.gpr, op.src));
    let new = raised(selector, model);
    if let Some(new) = new {
        B16::set(&mut cpu.regs.gpr, op.dst, new);
    }
    set_zero(cpu, new.is_some());
    Ok(Flow::Next)
}

/// The store happens only where the RPL changes (x86-debug section 9).
fn arpl_mem(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let linear = op.linear(cpu);
    let selector = B16::load(cpu, mem, linear)?;
    let new = raised(selector, B16::get(&cpu.regs.gpr, op.src));
    if let Some(new) = new {
        B16::store(cpu, mem, linear, new)?;
    }
    set_zero(cpu, new.is_some());
    Ok(cpu.completed())
}
