//! Many accesses of 1 to 64 bytes in a row, with every combination of R/W, LEN, L and G.
//!
//! 100,000 of them; 10,000,000 where the variable `DR7_LONG` is 1.

use emulator::debug::AccessKind;

use super::twin::{Kind, PAGE, Twin};
use super::{SIZES, address_space};
use crate::stand::Stand;

/// Pages with neighbours: two groups whose numbers are equal modulo the TLB's size, and
/// the last page of all, whose neighbour is page 0.
const PLACES: [u64; 5] =
    [0x4000_0000, 0x4000_1000, 0x4010_0000, 0x4010_1000, 0xffff_ffff_ffff_f000];
/// Accesses between two changes of a debug register.
const PER_ARMING: u64 = 24;
const SEED: u64 = 0x6472_3764_7237;

/// A sequence that is the same in every run (xorshift).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An address near the edges or the middle of a page, or near `like`.
    fn address(&mut self, like: u64) -> u64 {
        let place = PLACES[self.below(PLACES.len() as u64) as usize];
        match self.below(4) {
            0 => place.wrapping_add(PAGE - 40 + self.below(80)),
            1 => place.wrapping_add(0x800 + self.below(40)),
            _ => {
                let near = like.wrapping_add(self.below(96)).wrapping_sub(64);
                if is_mapped(near) { near } else { place }
            }
        }
    }
}

/// Whether the page and the one after it are there.
fn is_mapped(linear: u64) -> bool {
    PLACES.iter().any(|place| linear.wrapping_sub(*place) < PAGE)
}

fn accesses() -> u64 {
    let long = std::env::var_os("DR7_LONG").is_some_and(|value| value == "1");
    if long { 10_000_000 } else { 100_000 }
}

/// Rules M3, M7, M10 and M11; and an access to a page that is not watched takes the fast path
/// once its translation is known.
#[test]
fn many_accesses_hit_as_their_bytes_do() {
    let mut stand = Stand::new();
    address_space(&mut stand, PLACES.into_iter().flat_map(|at| [at, at.wrapping_add(PAGE)]));
    let (cpu, mem) = stand.machine.cpu_and_mem(0);
    let mut sequence = Sequence(SEED);
    let mut twin = Twin::default();
    let (mut all_hits, mut fast) = (0u64, 0u64);
    for nth in 0..accesses() {
        if nth % PER_ARMING == 0 {
            let index = sequence.below(4) as usize;
            twin.dr[index] = sequence.address(twin.dr[index]);
            // All of DR7 but GD.
            twin.dr7 = sequence.next() & 0xffff_ffff & !(1 << 13);
            cpu.set_dr_address(index, twin.dr[index]);
            cpu.set_dr7(twin.dr7);
        }
        let kind = if sequence.below(2) == 0 { Kind::Load } else { Kind::Store };
        let near = twin.dr[sequence.below(4) as usize];
        let linear = sequence.address(near);
        let choice = if is_mapped(linear) { sequence.below(SIZES.len() as u64) } else { 0 };
        let (size, access) = SIZES[choice as usize];
        access(cpu, mem, kind, linear);
        let hits = twin.hits(kind, linear, size);
        let records = cpu.take_access_records();
        let found = (0..4).filter(|&index| records[index].is_some());
        let found = found.fold(0, |bits, index| bits | 1 << index);
        assert_eq!(found, hits, "{kind:?} of {size} at {linear:#x}, {twin:x?}, access {nth}");
        let expected = if kind == Kind::Load { AccessKind::Read } else { AccessKind::Write };
        for record in records.into_iter().flatten() {
            assert_eq!((record.linear, record.kind), (linear, expected));
        }
        all_hits += u64::from(hits != 0);
        let before = cpu.slow_accesses();
        access(cpu, mem, kind, linear);
        let crosses = linear / PAGE != linear.wrapping_add(size - 1) / PAGE;
        let slow = crosses || twin.watches_page(kind, linear);
        let counted = cpu.slow_accesses() - before;
        assert_eq!(counted, u64::from(slow), "{kind:?} of {size} at {linear:#x}, {twin:x?}");
        cpu.take_access_records();
        fast += u64::from(!slow);
    }
    // Neither side of the comparison is empty.
    assert!(all_hits > accesses() / 50 && fast > accesses() / 20, "{all_hits} hits, {fast} fast");
}
