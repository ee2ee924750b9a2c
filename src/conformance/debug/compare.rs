//! Compares a stop, and memory at the end, with what was measured.

use emulator::debug::{EntryKind, dr6};
use emulator::regs::RFlags;
use emulator::regs::gpr::reg::RSP;

use super::replay::{Player, Seen};
use super::row::{Bytes, GprValues, Stepping, StopRow};
use super::verdict::{Mismatch, What, equal};

/// Linux's SIGBUS and SIGSEGV on x86.
const SIGBUS: u64 = 7;
const SIGSEGV: u64 = 11;
/// SI_KERNEL: the exception says no more.
const SI_KERNEL: i64 = 0x80;

/// Compares everything that the row says of a stop.
pub(super) fn stop(player: &mut Player<'_>, row: &StopRow, seen: &Seen) -> Result<(), Mismatch> {
    if !is_same_to_tracer(row, seen.vector) {
        equal(What::Vector, u64::from(row.vector), u64::from(seen.vector))?;
    }
    equal(What::Rip, row.rip, seen.frame.rip)?;
    equal(What::Cs, row.cs, seen.frame.cs)?;
    // RF as pushed is 0 where Linux set it afterwards (K4); its own TF is hidden (K6).
    let by_linux = if row.rf_by_linux { RFlags::RF } else { 0 };
    let steps = player.case.stepping == Stepping::ByTracer;
    let hidden = if steps { RFlags::TF & !player.case.rflags } else { 0 };
    equal(What::Rflags, row.rflags & !by_linux, seen.frame.rflags & !hidden)?;
    if row.vector == 1 {
        debug_status(player, row, seen)?;
    }
    if let Some(cr2) = row.cr2 {
        equal(What::Cr2, cr2, player.stand.machine.cpu(0).regs.control.cr2)?;
    }
    for (index, &mask) in row.masks.iter().enumerate() {
        // A processor without mask registers has none that is not 0.
        equal(What::MaskRegister(index), mask, 0)?;
    }
    for (number, expected) in (0..16).zip(&row.ymm) {
        let value = player.stand.machine.cpu(0).regs.vector.ymm(number);
        let got = [value.lo.to_le_bytes(), value.hi.to_le_bytes()].concat();
        if got != *expected {
            return Err(Mismatch::Vector { number, expected: expected.clone(), got });
        }
    }
    general_registers(player, row, seen)
}

/// Whether a tracer, which sees a signal and no vector, takes an exception for the row's.
fn is_same_to_tracer(row: &StopRow, vector: u8) -> bool {
    // Vectors of which Linux makes the same signal without a code of its own.
    let alike: &[u8] = match row.signal {
        Some((SIGSEGV, SI_KERNEL)) => &[4, 5, 10, 13],
        Some((SIGBUS, SI_KERNEL)) => &[11, 12],
        _ => &[],
    };
    row.vector == vector || alike.contains(&row.vector) && alike.contains(&vector)
}

fn debug_status(player: &Player<'_>, row: &StopRow, seen: &Seen) -> Result<(), Mismatch> {
    equal(What::Bs, u64::from(row.bs), u64::from(seen.dr6 & dr6::BS != 0))?;
    let mut bits = seen.dr6 & dr6::B_MASK;
    if row.hidden_exec {
        bits &= !executes_at_stop(player, seen);
    }
    equal(What::BreakpointBits, row.b, bits)?;
    let rest = !(dr6::BS | dr6::B_MASK);
    equal(What::RestOfDr6, dr6::RESET & rest, seen.dr6 & rest)
}

/// B bits of the execute breakpoints at the stop's RIP.
fn executes_at_stop(player: &Player<'_>, seen: &Seen) -> u64 {
    let linear = player.stand.linear(seen.frame.cs as u16, seen.frame.rip);
    let debug = player.stand.machine.cpu(0).debug();
    (0..4)
        .filter(|&index| {
            debug.dr7().is_enabled(index)
                && debug.dr7().kind(index) == EntryKind::Execute
                && debug.address(index) == linear
        })
        .fold(0, |bits, index| bits | 1 << index)
}

/// Compares the set of registers that changed since the stop before.
fn general_registers(player: &mut Player<'_>, row: &StopRow, seen: &Seen) -> Result<(), Mismatch> {
    let mut now: [u64; 16] = std::array::from_fn(|reg| player.stand.gpr(reg as u8));
    now[usize::from(RSP)] = seen.frame.rsp;
    let mut got = GprValues::new();
    for (reg, (old, new)) in (0..).zip(player.gpr.iter().zip(now)) {
        if *old != new {
            got.insert(reg, new);
        }
    }
    player.gpr = now;
    let mut expected = row.regs.clone();
    let is_compared = |reg: &u8| player.answered >> reg & 1 == 0;
    expected.retain(|reg, _| is_compared(reg));
    got.retain(|reg, _| is_compared(reg));
    if got == expected { Ok(()) } else { Err(Mismatch::Registers { expected, got }) }
}

/// Compares all memory of the layout: what was measured is the whole difference.
pub(super) fn memory(expected: &[Bytes], got: &[Bytes]) -> Result<(), Mismatch> {
    for ((start, wanted), (_, found)) in expected.iter().zip(got) {
        if let Some(at) = wanted.iter().zip(found).position(|(a, b)| a != b) {
            return Err(Mismatch::Byte {
                address: start + at as u64,
                expected: wanted[at],
                got: found[at],
            });
        }
    }
    Ok(())
}
