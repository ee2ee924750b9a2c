//! MXCSR, the FXSAVE area and prefetch hints.
//! Source: SDM vol. 1, 10.5 and 11.6; vol. 2A, FXSAVE, table 3-48.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{EMULATE, M32, Source, aligned, check_enabled};
use crate::alu::float::mxcsr;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::is_canonical;
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr0;
use crate::regs::x87::FXSAVE_X87_BYTES;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Ldmxcsr, |insn| Lowered::plain(insn, ldmxcsr)),
    (Mnemonic::Stmxcsr, |insn| Lowered::plain(insn, stmxcsr)),
    (Mnemonic::Fxsave, |insn| Lowered::plain(insn, fxsave)),
    (Mnemonic::Fxsave64, |insn| Lowered::plain(insn, fxsave)),
    (Mnemonic::Fxrstor, |insn| Lowered::plain(insn, fxrstor)),
    (Mnemonic::Fxrstor64, |insn| Lowered::plain(insn, fxrstor)),
    (Mnemonic::Prefetchnta, hint_rule),
    (Mnemonic::Prefetcht0, hint_rule),
    (Mnemonic::Prefetcht1, hint_rule),
    (Mnemonic::Prefetcht2, hint_rule),
    // Intel 64 processors take all of 0F 0D as hints.
    (Mnemonic::Prefetch, hint_rule),
    (Mnemonic::Prefetchw, hint_rule),
    (Mnemonic::Prefetchwt1, hint_rule),
];

/// Bytes of the FXSAVE area that FXSAVE writes.
const WRITTEN: usize = 416;
/// Offset of the area's last byte, which is translated first (rule F3, measured).
const LAST: u64 = 511;
/// Offset of MXCSR.
const MXCSR_AT: usize = 24;
/// Offset of MXCSR_MASK, which FXRSTOR does not read.
const MASK_AT: usize = 28;
/// Offset of ST0.
const ST0_AT: usize = 32;
/// Offset of XMM0.
const XMM0_AT: usize = FXSAVE_X87_BYTES;

fn hint_rule(insn: &Instruction) -> Option<Lowered> {
    Lowered::plain(insn, hint)
}

/// A prefetch: never faults and never matches a debug register.
fn hint(_cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    Ok(Flow::Next)
}

/// Sets MXCSR; bits that do not exist raise #GP(0).
fn set_mxcsr(cpu: &mut Cpu, value: u32) -> Result<(), Faulted> {
    if value & !mxcsr::ALL != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.regs.vector.mxcsr = value;
    Ok(())
}

fn ldmxcsr(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = M32::fetch(cpu, mem, op)?;
    set_mxcsr(cpu, value as u32)?;
    Ok(cpu.completed())
}

fn stmxcsr(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.vector.mxcsr;
    cpu.store_bytes(mem, op.linear(cpu), value.to_le_bytes())?;
    Ok(cpu.completed())
}

/// Address of an FXSAVE area after the checks that come before any access.
fn area(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op, want: Want) -> Result<u64, Faulted> {
    if cpu.regs.control.cr0 & (cr0::TS | EMULATE) != 0 {
        return Err(cpu.raise(Exception::new(Vector::DeviceNotAvailable)));
    }
    let linear = aligned(cpu, op)?;
    let last = linear.wrapping_add(LAST);
    if !(is_canonical(linear) && is_canonical(last)) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let privilege = cpu.privilege();
    cpu.translate(mem, last, want, privilege)?;
    Ok(linear)
}

/// Writes XMM and x87 state.
fn fxsave(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, mem, op, Want::Write)?;
    let mut image = [0; WRITTEN];
    let (slots, _) = image.as_chunks_mut::<FXSAVE_X87_BYTES>();
    cpu.regs.x87.store_fxsave(&mut slots[0]);
    image[MXCSR_AT..MASK_AT].copy_from_slice(&cpu.regs.vector.mxcsr.to_le_bytes());
    image[MASK_AT..ST0_AT].copy_from_slice(&mxcsr::ALL.to_le_bytes());
    let (slots, _) = image[XMM0_AT..].as_chunks_mut::<16>();
    for (reg, slot) in slots.iter_mut().enumerate() {
        *slot = cpu.regs.vector.xmm(reg as u8).to_le_bytes();
    }
    cpu.store_bytes(mem, linear, image)?;
    Ok(cpu.completed())
}

/// Reads XMM and x87 state.
fn fxrstor(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, mem, op, Want::Read)?;
    let head: [u8; MASK_AT] = cpu.load_bytes(mem, linear)?;
    let tail: [u8; WRITTEN - ST0_AT] = cpu.load_bytes(mem, linear + ST0_AT as u64)?;
    let (words, _) = head[MXCSR_AT..].as_chunks::<4>();
    set_mxcsr(cpu, u32::from_le_bytes(words[0]))?;
    let mut x87 = [0; FXSAVE_X87_BYTES];
    x87[..MASK_AT].copy_from_slice(&head);
    x87[ST0_AT..].copy_from_slice(&tail[..XMM0_AT - ST0_AT]);
    cpu.regs.x87.load_fxsave(&x87);
    let (slots, _) = tail[XMM0_AT - ST0_AT..].as_chunks::<16>();
    for (reg, slot) in slots.iter().enumerate() {
        cpu.regs.vector.set_xmm(reg as u8, u128::from_le_bytes(*slot));
    }
    Ok(cpu.completed())
}
