//! Moves one-byte breakpoints over every byte of an area and notes which fire.

use emulator::debug::dr6;

use super::case::{Area, Sweep};
use super::layout;
use super::replay::Verdict;
use crate::stand::{Stand, Stop};

/// The two types of data breakpoints.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Write,
    ReadWrite,
}

impl Kind {
    /// DR7 with all four entries enabled, one byte each.
    fn dr7(self) -> u64 {
        match self {
            Self::Write => 0x1111_06aa,
            Self::ReadWrite => 0x3333_06aa,
        }
    }

    fn measured(self, area: &Area) -> &[(i64, i64)] {
        match self {
            Self::Write => &area.writes,
            Self::ReadWrite => &area.reads_writes,
        }
    }
}

/// Exceptions after which a run is given up.
const MAX_STOPS: usize = 8;

/// Whether a sweep asks for state components that were measured and that are not built:
/// those of AVX-512 and beyond.
fn asks_for_more_state(sweep: &Sweep) -> bool {
    const RAX: u8 = 0;
    const X87_SSE_AVX: u64 = 7;
    let asked = sweep.regs.get(&RAX).copied().unwrap_or(0);
    sweep.name.starts_with("xsave") && asked & !X87_SSE_AVX != 0
}

/// Plays a sweep, every area with both types.
pub(crate) fn play(sweep: &Sweep) -> Verdict {
    if asks_for_more_state(sweep) {
        return Verdict::Skipped("state components beyond AVX".to_owned());
    }
    for area in &sweep.areas {
        for kind in [Kind::Write, Kind::ReadWrite] {
            let found = match matched(sweep, area, kind) {
                Ok(found) => found,
                Err(verdict) => return verdict,
            };
            let measured = kind.measured(area);
            if found != measured {
                let name = &area.name;
                let why = format!("{name}, {kind:?}: measured {measured:?}, emulated {found:?}");
                return Verdict::Failed(why);
            }
        }
    }
    Verdict::Passed
}

/// The ranges of bytes on which a breakpoint fires, relative to the area's base.
fn matched(sweep: &Sweep, area: &Area, kind: Kind) -> Result<Vec<(i64, i64)>, Verdict> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    // Four bytes at a time: one for each debug register.
    for first in (area.first..area.end).step_by(4) {
        let hits = hits(sweep, area.base.wrapping_add_signed(first), kind)?;
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
fn hits(sweep: &Sweep, first: u64, kind: Kind) -> Result<u64, Verdict> {
    let mut stand = layout::prepare(&sweep.code, &sweep.mem, &sweep.regs);
    stand.start(Stand::user_frame(layout::CODE, 0x202, layout::initial_rsp(&sweep.regs)));
    let cpu = stand.machine.cpu_mut(0);
    for (index, address) in (0..4).zip(first..) {
        cpu.set_dr_address(index, address);
    }
    cpu.set_dr7(kind.dr7());
    // The measured processor counted x87 state as in use, whatever its values.
    cpu.regs.x87.set_control(0x27f);
    let mut bits = 0;
    for _ in 0..MAX_STOPS {
        match stand.run() {
            Stop::Exception(1, _) => bits |= stand.machine.cpu(0).debug().dr6() & dr6::B_MASK,
            Stop::Exception(..) => return Ok(bits),
            Stop::Unsupported(what) => return Err(Verdict::Skipped(what.name)),
            other => return Err(Verdict::Failed(format!("{other:?}"))),
        }
    }
    Err(Verdict::Failed("does not end".to_owned()))
}
