//! Moves one-byte breakpoints over every byte of an area and notes which fire.

use emulator::debug::dr6;
use emulator::regs::RFlags;
use emulator::regs::gpr::reg::{RAX, RDX};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};

use super::row::{Area, CodeSize, DataKind, Sweep};
use super::stand::Stop;
use super::verdict::{Mismatch, Skip, Verdict};
use super::{Options, Slices, layout};

/// Exceptions after which a run is given up.
const MAX_STOPS: usize = 8;
/// RFLAGS at the start: IF.
const RFLAGS: u64 = RFlags::FIXED | RFlags::IF;
/// State components that the processor has: x87, SSE and AVX.
const COMPONENTS: u64 = 7;
/// An x87 control word that is not the initial one: the measured processor counted x87
/// state as in use, whatever its values.
const CONTROL_IN_USE: u16 = 0x27f;

/// DR7 with all four entries enabled, one byte each.
fn dr7(kind: DataKind) -> u64 {
    match kind {
        DataKind::Write => 0x1111_06aa,
        DataKind::ReadWrite => 0x3333_06aa,
    }
}

/// Plays a sweep, every area with both types.
pub(super) fn play(sweep: &Sweep, options: &Options) -> Verdict {
    for area in &sweep.areas {
        for (kind, name, measured) in
            [(DataKind::Write, "w", &area.writes), (DataKind::ReadWrite, "rw", &area.reads_writes)]
        {
            let found = match matched(sweep, area, kind, options) {
                Ok(found) => found,
                Err(verdict) => return verdict,
            };
            if found == *measured {
                continue;
            }
            if asks_for_more_state(sweep) {
                return Skip::StateComponents.into();
            }
            let (area, expected) = (area.name.clone(), measured.clone());
            return Mismatch::Ranges { area, kind: name, expected, got: found }.into();
        }
    }
    Verdict::Passed
}

/// The ranges of bytes on which a breakpoint fires, relative to the area's base.
fn matched(
    sweep: &Sweep,
    area: &Area,
    kind: DataKind,
    options: &Options,
) -> Result<Vec<(i64, i64)>, Verdict> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    // Four bytes at a time: one for each debug register.
    for first in (area.first..area.end).step_by(4) {
        let hits = hits(sweep, area.base.wrapping_add_signed(first), kind, options)?;
        for at in (first..area.end.min(first + 4)).filter(|at| hits >> (at - first) & 1 != 0) {
            match ranges.last_mut() {
                Some(last) if last.1 == at => last.1 = at + 1,
                _ => ranges.push((at, at + 1)),
            }
        }
    }
    Ok(ranges)
}

/// The entries that fire, with DR0 to DR3 on four consecutive bytes.
fn hits(sweep: &Sweep, first: u64, kind: DataKind, options: &Options) -> Result<u64, Verdict> {
    let mut stand = layout::prepare(&sweep.program, RFLAGS)?.stand;
    if options.slices == Slices::Single {
        stand.slice = 1;
    }
    let cpu = stand.machine.cpu_mut(0);
    for (index, offset) in (0..4).zip(0..) {
        cpu.set_dr_address(index, first.wrapping_add(offset));
    }
    cpu.set_dr7(dr7(kind));
    cpu.regs.x87.set_control(CONTROL_IN_USE);
    let mut bits = 0;
    for _ in 0..MAX_STOPS {
        match stand.run() {
            Stop::Exception(1, _) => bits |= stand.machine.cpu(0).debug().dr6() & dr6::B_MASK,
            Stop::Exception(..) => return Ok(bits),
            other => return Err(layout::unexpected(other)),
        }
    }
    Err(Mismatch::Endless.into())
}

/// Whether an instruction of the sweep is asked for state components that were measured
/// and that the processor has not.
fn asks_for_more_state(sweep: &Sweep) -> bool {
    let reg = |number| sweep.program.regs.gprs.get(&number).copied().unwrap_or(0);
    let asked = (reg(RDX) << 32 | reg(RAX) & 0xffff_ffff) & layout::XCR0;
    let bits = if sweep.program.size == CodeSize::Bits64 { 64 } else { 32 };
    let code = &sweep.program.code;
    let mut decoder = Decoder::with_ip(bits, code, layout::CODE, DecoderOptions::NONE);
    let takes_mask = |mnemonic| {
        matches!(
            mnemonic,
            Mnemonic::Xsave
                | Mnemonic::Xsave64
                | Mnemonic::Xsaveopt
                | Mnemonic::Xsaveopt64
                | Mnemonic::Xsavec
                | Mnemonic::Xsavec64
                | Mnemonic::Xrstor
                | Mnemonic::Xrstor64
        )
    };
    asked & !COMPONENTS != 0 && decoder.iter().any(|insn| takes_mask(insn.mnemonic()))
}
