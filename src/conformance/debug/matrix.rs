//! The overlap matrix: every size and offset of an access against every length (rule M3).
//!
//! The accesses go through the processor's data port, as those of instructions do.

use super::layout;
use super::row::{Cell, DataKind, Direction};
use super::stand::Stand;
use super::verdict::{Mismatch, Verdict, What, equal};

/// Where all four breakpoints are.
const AT: u64 = layout::DATA + 0x140;
/// DR7: LEN 1, 2, 4 and 8, write.
const WRITES: u64 = 0x9d51_06aa;
/// DR7: LEN 1, 2, 4 and 8, read or write.
const READS_WRITES: u64 = 0xbf73_06aa;

/// Plays all cells on one machine: what an access finds does not depend on others.
pub(super) fn play(cells: &[Cell]) -> Vec<Verdict> {
    let mut stand = layout::stand_with_memory();
    let cpu = stand.machine.cpu_mut(0);
    for index in 0..4 {
        cpu.set_dr_address(index, AT);
    }
    cells.iter().map(|cell| play_cell(&mut stand, cell)).collect()
}

fn play_cell(stand: &mut Stand, cell: &Cell) -> Verdict {
    let (cpu, mem) = stand.machine.cpu_and_mem(0);
    cpu.set_dr7(if cell.kind == DataKind::Write { WRITES } else { READS_WRITES });
    let linear = AT.wrapping_add_signed(cell.offset);
    let mut bytes = vec![0; cell.size];
    let done = match cell.direction {
        Direction::Store => cpu.store_slow(mem, linear, &bytes),
        Direction::Load => cpu.load_slow(mem, linear, &mut bytes),
    };
    if done.is_err() {
        return Mismatch::Fault.into();
    }
    let hits = (0..)
        .zip(cpu.take_access_records())
        .filter(|(_, record)| record.is_some())
        .fold(0, |bits, (index, _)| bits | 1 << index);
    match equal(What::Hits, cell.hits, hits) {
        Ok(()) => Verdict::Passed,
        Err(mismatch) => mismatch.into(),
    }
}

/// A cell's name: its access, its breakpoints' type, its size and offset.
pub(super) fn name(matrix: &str, cell: &Cell) -> String {
    let direction = match cell.direction {
        Direction::Load => "load",
        Direction::Store => "store",
    };
    let kind = match cell.kind {
        DataKind::Write => "w",
        DataKind::ReadWrite => "rw",
    };
    format!("{matrix}[{direction} {kind} {} {:+}]", cell.size, cell.offset)
}
