//! The XSAVE family: XCR0, and saving and restoring x87, SSE and AVX state.
//!
//! The area's layout is in [`crate::regs::xsave`]. What the manual leaves to the
//! implementation: a component is in use where it differs from its initial
//! configuration, XSAVEOPT has the init optimisation and not the modified one, and the
//! order of probes is the measured one. XSAVES and XRSTORS are in no model.
//! Source: SDM vol. 1, 13.7 to 13.10; accesses: x86-debug section 9.

use std::ops::Range;

use iced_x86::{Instruction, Mnemonic};

use super::avx::operand::without_alignment_check;
use super::sse::state::aligned_area;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector as ExceptionVector};
use crate::mem::is_canonical;
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::{cr0, cr4, xcr0};
use crate::regs::gpr::reg::{RAX, RCX, RDX};
use crate::regs::xsave::{self, ALIGNMENT, AREA_BYTES, COMPACTED, LEGACY_BYTES, Pointers, Restore};
use crate::regs::{B32, CodeSize, Width};

#[cfg(test)]
mod tests;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Xgetbv, |insn| Lowered::plain(insn, xgetbv)),
    (Mnemonic::Xsetbv, |insn| Lowered::last(insn, xsetbv)),
    (Mnemonic::Xsave, |insn| rule(insn, save::<Plain>, Pointers::Narrow)),
    (Mnemonic::Xsave64, |insn| rule(insn, save::<Plain>, Pointers::Wide)),
    (Mnemonic::Xsaveopt, |insn| rule(insn, save::<Optimised>, Pointers::Narrow)),
    (Mnemonic::Xsaveopt64, |insn| rule(insn, save::<Optimised>, Pointers::Wide)),
    (Mnemonic::Xsavec, |insn| rule(insn, save::<Compacted>, Pointers::Narrow)),
    (Mnemonic::Xsavec64, |insn| rule(insn, save::<Compacted>, Pointers::Wide)),
    (Mnemonic::Xrstor, |insn| rule(insn, xrstor, Pointers::Narrow)),
    (Mnemonic::Xrstor64, |insn| rule(insn, xrstor, Pointers::Wide)),
];

/// Offset of the header, which XSTATE_BV begins.
const XSTATE_BV: usize = xsave::HEADER_OFFSET as usize;
/// Bytes of the header that XRSTOR reads in the standard form.
const READ_OF_STANDARD_HEADER: usize = 24;

/// The parts of an area that a component is in.
const X87_PARTS: [Range<usize>; 2] =
    [0..xsave::MXCSR_OFFSET, xsave::ST0_OFFSET..xsave::XMM0_OFFSET];
const MXCSR_PART: Range<usize> = xsave::MXCSR_OFFSET..xsave::ST0_OFFSET;
const XMM_PART: Range<usize> = xsave::XMM0_OFFSET..LEGACY_BYTES;
const AVX_PART: Range<usize> = xsave::AVX_OFFSET as usize..AREA_BYTES;

/// The pointers' form is in `imm`.
fn rule(insn: &Instruction, run: OpFn, pointers: Pointers) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, run)?;
    lowered.op.imm = u64::from(pointers == Pointers::Wide);
    Some(lowered)
}

fn pointers(op: &Op) -> Pointers {
    if op.imm == 0 { Pointers::Narrow } else { Pointers::Wide }
}

fn check_enabled(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr4 & cr4::OSXSAVE == 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    Ok(())
}

/// EDX:EAX.
fn mask(cpu: &Cpu) -> u64 {
    let gpr = &cpu.regs.gpr;
    B32::get(gpr, RDX) << 32 | B32::get(gpr, RAX)
}

/// XGETBV: XCR0, or with ECX = 1 the part of it that is in use.
fn xgetbv(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let enabled = cpu.regs.control.xcr0;
    let value = match B32::get(&cpu.regs.gpr, RCX) {
        0 => enabled,
        1 => enabled & xsave::in_use(&cpu.regs.vector, &cpu.regs.x87),
        _ => return Err(cpu.raise(Exception::gp0())),
    };
    B32::set(&mut cpu.regs.gpr, RAX, value);
    B32::set(&mut cpu.regs.gpr, RDX, value >> 32);
    Ok(Flow::Next)
}

fn xsetbv(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = mask(cpu);
    let exists = value & !cpu.model.xcr0_supported() == 0;
    let whole = value & xcr0::AVX == 0 || value & xcr0::SSE != 0;
    let selected = B32::get(&cpu.regs.gpr, RCX) == 0;
    let legal = exists && whole && value & xcr0::X87 != 0 && selected;
    if cpu.regs.cpl() != 0 || !legal {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.regs.control.xcr0 = value;
    Ok(cpu.completed())
}

/// Address of an area after the checks that come before any access.
fn area(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
    check_enabled(cpu)?;
    if cpu.regs.control.cr0 & cr0::TS != 0 {
        return Err(cpu.raise(Exception::new(ExceptionVector::DeviceNotAvailable)));
    }
    let linear = aligned_area(cpu, op, ALIGNMENT)?;
    let last = linear.wrapping_add(AREA_BYTES as u64 - 1);
    if !is_canonical(last) {
        return Err(cpu.raise(Exception::non_canonical(last)));
    }
    Ok(linear)
}

/// Translates the last byte that the requested features reach, before anything is
/// written (measured: CR2 names it).
fn probe_last(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
    requested: u64,
    want: Want,
) -> Result<(), Faulted> {
    let last = u64::from(xsave::area_bytes(requested)) - 1;
    let privilege = cpu.privilege();
    cpu.translate(mem, linear.wrapping_add(last), want, privilege).map(|_| ())
}

/// An instruction that saves.
trait Save: 'static {
    /// The components that are written, of those requested.
    fn written(requested: u64, in_use: u64) -> u64;
    /// Whether MXCSR is written.
    fn writes_mxcsr(requested: u64, written: u64) -> bool;
    /// The header's first bytes, from its old XSTATE_BV.
    fn header(requested: u64, in_use: u64, old: u64) -> Header;
}

/// XSTATE_BV, and XCOMP_BV where it is written.
struct Header {
    xstate_bv: u64,
    xcomp_bv: Option<u64>,
}

/// XSAVE.
struct Plain;
/// XSAVEOPT.
struct Optimised;
/// XSAVEC.
struct Compacted;

fn standard_header(requested: u64, in_use: u64, old: u64) -> Header {
    Header { xstate_bv: old & !requested | in_use & requested, xcomp_bv: None }
}

impl Save for Plain {
    fn written(requested: u64, _in_use: u64) -> u64 {
        requested
    }

    fn writes_mxcsr(requested: u64, _written: u64) -> bool {
        requested & xcr0::AVX_STATE != 0
    }

    fn header(requested: u64, in_use: u64, old: u64) -> Header {
        standard_header(requested, in_use, old)
    }
}

impl Save for Optimised {
    fn written(requested: u64, in_use: u64) -> u64 {
        requested & in_use
    }

    fn writes_mxcsr(requested: u64, _written: u64) -> bool {
        requested & xcr0::AVX_STATE != 0
    }

    fn header(requested: u64, in_use: u64, old: u64) -> Header {
        standard_header(requested, in_use, old)
    }
}

impl Save for Compacted {
    fn written(requested: u64, in_use: u64) -> u64 {
        requested & in_use
    }

    fn writes_mxcsr(_requested: u64, written: u64) -> bool {
        written & xcr0::SSE != 0
    }

    fn header(requested: u64, in_use: u64, _old: u64) -> Header {
        Header { xstate_bv: requested & in_use, xcomp_bv: Some(requested | COMPACTED) }
    }
}

fn save<S: Save>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, op)?;
    let requested = mask(cpu) & cpu.regs.control.xcr0;
    let in_use = xsave::in_use(&cpu.regs.vector, &cpu.regs.x87);
    probe_last(cpu, mem, linear, requested, Want::Write)?;
    let image = image(cpu, pointers(op));
    let written = S::written(requested, in_use);
    let size = cpu.code.size;
    without_alignment_check(cpu, |cpu| {
        let parts = parts(size, written, S::writes_mxcsr(requested, written));
        for part in parts.iter().flatten() {
            cpu.probe_store(mem, linear + part.start as u64, part.len() as u64)?;
        }
        store_header::<S>(cpu, mem, linear, requested, in_use)?;
        for part in parts.into_iter().flatten() {
            cpu.store_slow(mem, linear + part.start as u64, &image[part])?;
        }
        Ok(cpu.completed())
    })
}

/// The parts of an area that components and MXCSR are in.
fn parts(size: CodeSize, components: u64, mxcsr: bool) -> [Option<Range<usize>>; 5] {
    let [x87, registers] = X87_PARTS;
    // Outside 64-bit mode there are eight registers.
    let reachable = |part: Range<usize>| match size {
        CodeSize::Bits64 => part,
        CodeSize::Bits32 | CodeSize::Bits16 => part.start..part.start + part.len() / 2,
    };
    let has = |feature| components & feature != 0;
    [
        has(xcr0::X87).then_some(x87),
        mxcsr.then_some(MXCSR_PART),
        has(xcr0::X87).then_some(registers),
        has(xcr0::SSE).then_some(reachable(XMM_PART)),
        has(xcr0::AVX).then_some(reachable(AVX_PART)),
    ]
}

/// The whole area without its header.
fn image(cpu: &Cpu, pointers: Pointers) -> [u8; AREA_BYTES] {
    let (vector, x87) = (&cpu.regs.vector, &cpu.regs.x87);
    let mut image = [0; AREA_BYTES];
    image[..LEGACY_BYTES].copy_from_slice(&xsave::legacy_region(vector, x87, pointers));
    image[AVX_PART].copy_from_slice(&xsave::upper_halves(vector));
    image
}

fn store_header<S: Save>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
    requested: u64,
    in_use: u64,
) -> Result<(), Faulted> {
    let at = linear + XSTATE_BV as u64;
    let old = u64::from_le_bytes(cpu.load_bytes(mem, at)?);
    let Header { xstate_bv, xcomp_bv } = S::header(requested, in_use, old);
    match xcomp_bv {
        None => cpu.store_bytes(mem, at, xstate_bv.to_le_bytes()),
        Some(xcomp_bv) => {
            let both = u128::from(xcomp_bv) << 64 | u128::from(xstate_bv);
            cpu.store_bytes(mem, at, both.to_le_bytes())
        }
    }
}

fn xrstor(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = area(cpu, op)?;
    let requested = mask(cpu) & cpu.regs.control.xcr0;
    without_alignment_check(cpu, |cpu| {
        let header = read_header(cpu, mem, linear)?;
        let plan = Restore::of(&header, requested, cpu.regs.control.xcr0)
            .ok_or_else(|| cpu.raise(Exception::gp0()))?;
        probe_last(cpu, mem, linear, requested, Want::Read)?;
        let mut image = [0; AREA_BYTES];
        for part in parts(cpu.code.size, plan.load, false).into_iter().flatten() {
            cpu.load_slow(mem, linear + part.start as u64, &mut image[part])?;
        }
        if plan.mxcsr {
            let at = xsave::MXCSR_OFFSET..xsave::MXCSR_MASK_OFFSET;
            cpu.load_slow(mem, linear + at.start as u64, &mut image[at])?;
        }
        let before = (!cpu.code.is_64()).then(|| cpu.regs.vector.clone());
        let regs = &mut cpu.regs;
        plan.apply(&image, pointers(op), &mut regs.vector, &mut regs.x87)
            .ok_or_else(|| cpu.raise(Exception::gp0()))?;
        if let Some(before) = before {
            cpu.regs.vector.keep_upper_registers(&before);
        }
        Ok(cpu.completed())
    })
}

/// Reads the header, XCOMP_BV first (measured). In the standard form its last 40 bytes
/// are not read.
fn read_header(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
) -> Result<[u8; xsave::HEADER_BYTES as usize], Faulted> {
    let mut header = [0; xsave::HEADER_BYTES as usize];
    let at = linear + XSTATE_BV as u64;
    let xcomp_bv: [u8; 8] = cpu.load_bytes(mem, at + 8)?;
    let compacted = u64::from_le_bytes(xcomp_bv) & COMPACTED != 0;
    let end = if compacted { header.len() } else { READ_OF_STANDARD_HEADER };
    cpu.load_slow(mem, at, &mut header[..end])?;
    Ok(header)
}
