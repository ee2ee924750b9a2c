//! The overlap matrix: every size and offset of an access against every length.

use super::case::Cell;
use super::layout;

/// Where all four breakpoints are.
const AT: u64 = 0x2000_0140;
/// DR7: LEN 1, 2, 4 and 8, write.
const WRITES: u64 = 0x9d51_06aa;
/// DR7: LEN 1, 2, 4 and 8, read or write.
const READS_WRITES: u64 = 0xbf73_06aa;

/// The entries that one access hits.
pub(crate) fn hits(cell: &Cell) -> u64 {
    let mut stand = layout::prepare(&[], &[], &Default::default());
    let (cpu, mem) = stand.machine.cpu_and_mem(0);
    for index in 0..4 {
        cpu.set_dr_address(index, AT);
    }
    cpu.set_dr7(if cell.watches_writes { WRITES } else { READS_WRITES });
    let linear = AT.wrapping_add_signed(cell.offset);
    let mut bytes = vec![0; cell.size as usize];
    let done = if cell.stores {
        cpu.store_slow(mem, linear, &bytes)
    } else {
        cpu.load_slow(mem, linear, &mut bytes)
    };
    assert!(done.is_ok(), "the page is mapped");
    let hit = |index: usize| cpu.access_records()[index].is_some();
    (0..4).filter(|&index| hit(index)).fold(0, |bits, index| bits | 1 << index)
}
