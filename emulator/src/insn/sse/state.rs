//! MXCSR, the FXSAVE area and prefetch hints.
//! Source: SDM vol. 1, 10.5 and 11.6; vol. 2A, FXSAVE, table 3-48.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{M32, Source, check_enabled};
use crate::alu::float::mxcsr;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::is_canonical;
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::mem::tlb::NEVER_FAST;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr0;
use crate::regs::xsave::{self, LEGACY_BYTES, MXCSR_MASK_OFFSET, Pointers, ST0_OFFSET};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Ldmxcsr, |insn| Lowered::plain(insn, ldmxcsr)),
    (Mnemonic::Stmxcsr, |insn| Lowered::plain(insn, stmxcsr)),
    (Mnemonic::Fxsave, |insn| area_rule(insn, fxsave, Pointers::Narrow)),
    (Mnemonic::Fxsave64, |insn| area_rule(insn, fxsave, Pointers::Wide)),
    (Mnemonic::Fxrstor, |insn| area_rule(insn, fxrstor, Pointers::Narrow)),
    (Mnemonic::Fxrstor64, |insn| area_rule(insn, fxrstor, Pointers::Wide)),
    (Mnemonic::Prefetchnta, hint_rule),
    (Mnemonic::Prefetcht0, hint_rule),
    (Mnemonic::Prefetcht1, hint_rule),
    (Mnemonic::Prefetcht2, hint_rule),
    // Intel 64 processors take all of 0F 0D as hints.
    (Mnemonic::Prefetch, hint_rule),
    (Mnemonic::Prefetchw, hint_rule),
    (Mnemonic::Prefetchwt1, hint_rule),
];

/// Offset of the area's last byte, which is translated first (rule F3, measured).
const LAST: u64 = 511;
/// Bytes of the area that hold registers outside 64-bit mode: XMM0 to XMM7.
const LEGACY_MODE_BYTES: usize = 288;
/// What an FXSAVE area is aligned to.
const ALIGNMENT: u64 = 16;

fn hint_rule(insn: &Instruction) -> Option<Lowered> {
    Lowered::plain(insn, hint)
}

/// A prefetch: never faults and never matches a debug register.
fn hint(_cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    Ok(Flow::Next)
}

/// Sets MXCSR; bits that do not exist raise #GP(0).
pub(crate) fn set_mxcsr(cpu: &mut Cpu, value: u32) -> Result<(), Faulted> {
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

/// Address of an area of saved state, which must be a multiple of `unit`, else #GP(0).
/// Where alignment is checked, one that is no multiple of 4 raises #AC (measured).
pub(crate) fn aligned_area(cpu: &mut Cpu, op: &Op, unit: u64) -> Result<u64, Faulted> {
    const DOUBLEWORD: u64 = 4;
    let linear = op.linear(cpu);
    if !is_canonical(linear) {
        return Err(cpu.raise(Exception::non_canonical(linear)));
    }
    if cpu.mode & NEVER_FAST != 0 && !linear.is_multiple_of(DOUBLEWORD) {
        return Err(cpu.raise(Exception::with_error(Vector::AlignmentCheck, 0)));
    }
    if linear.is_multiple_of(unit) { Ok(linear) } else { Err(cpu.raise(Exception::gp0())) }
}

/// Address of an FXSAVE area after the checks that come before any access.
fn area(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op, want: Want) -> Result<u64, Faulted> {
    if cpu.regs.control.cr0 & (cr0::TS | cr0::EM) != 0 {
        return Err(cpu.raise(Exception::new(Vector::DeviceNotAvailable)));
    }
    let linear = aligned_area(cpu, op, ALIGNMENT)?;
    let last = linear.wrapping_add(LAST);
    if !is_canonical(last) {
        return Err(cpu.raise(Exception::non_canonical(last)));
    }
    let privilege = cpu.privilege();
    cpu.translate(mem, last, want, privilege)?;
    Ok(linear)
}

/// The pointers' form is in `imm`.
fn area_rule(insn: &Instruction, run: OpFn, pointers: Pointers) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, run)?;
    lowered.op.imm = u64::from(pointers == Pointers::Wide);
    Some(lowered)
}

fn pointers(op: &Op) -> Pointers {
    if op.imm == 0 { Pointers::Narrow } else { Pointers::Wide }
}

/// Writes XMM and x87 state.
fn fxsave(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, mem, op, Want::Write)?;
    let image = xsave::legacy_region(&cpu.regs.vector, &cpu.regs.x87, pointers(op));
    if cpu.code.is_64() {
        cpu.store_bytes(mem, linear, image)?;
    } else {
        cpu.store_slow(mem, linear, &image[..LEGACY_MODE_BYTES])?;
    }
    Ok(cpu.completed())
}

/// Reads XMM and x87 state, but not MXCSR_MASK; outside 64-bit mode eight XMM registers.
fn fxrstor(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, mem, op, Want::Read)?;
    let head: [u8; MXCSR_MASK_OFFSET] = cpu.load_bytes(mem, linear)?;
    let mut image = [0; LEGACY_BYTES];
    image[..MXCSR_MASK_OFFSET].copy_from_slice(&head);
    let end = if cpu.code.is_64() { LEGACY_BYTES } else { LEGACY_MODE_BYTES };
    cpu.load_slow(mem, linear + ST0_OFFSET as u64, &mut image[ST0_OFFSET..end])?;
    let mxcsr = xsave::mxcsr_of(&image).ok_or_else(|| cpu.raise(Exception::gp0()))?;
    cpu.regs.vector.mxcsr = mxcsr;
    xsave::load_x87(&mut cpu.regs.x87, &image, pointers(op));
    let before = (!cpu.code.is_64()).then(|| cpu.regs.vector.clone());
    xsave::load_xmm(&mut cpu.regs.vector, &image);
    if let Some(before) = before {
        cpu.regs.vector.keep_upper_registers(&before);
    }
    Ok(cpu.completed())
}
