//! What a memory access costs beyond an L1 hit: caches, TLBs, splits and the streamer.
//!
//! Sizes: L1D 48 KiB 12-way, L1I 32 KiB 8-way, L2 2 MiB 16-way, all of 64-byte lines, as the measured core
//! has them; L3 is a fixed 16 MiB 16-way, one core's fair share of a busy chip. A miss is charged in full:
//! overlap between misses is not modelled, except that a store waits in the store buffer and shows a
//! quarter of its miss, and that a run of rising lines within a page is fetched ahead into L2.
//!
//! Key type: [`Hierarchy`]. Neighbours: `cache`, `tlb`, `costs`. Nothing here allocates after construction.

use super::super::{AccessKind, MemoryEvent, TimingCounts};
use super::cache::{Lookup, SetAssociative};
use super::costs::Costs;
use super::data::DataError;
use super::tlb::{PAGE_SHIFT, Tlbs};

/// Bits of an address within a cache line.
const LINE_SHIFT: u32 = 6;
/// Lines in a page.
const LINES_PER_PAGE: u64 = 1 << (PAGE_SHIFT - LINE_SHIFT);
/// The part of a store's miss that the store buffer does not hide: one in this many cycles. An estimate.
const STORE_VISIBLE_PART: u32 = 4;
/// Streams that the streamer follows. An estimate of Intel's L2 streamer.
const NR_STREAMS: usize = 32;
/// Lines that the streamer runs ahead. An estimate.
const LINES_AHEAD: u64 = 4;

/// Extra cycles by level and split.
#[derive(Debug, Clone, Copy)]
struct Extra {
    l2: u32,
    l3: u32,
    dram: u32,
    split_load_line: u32,
    split_load_page: u32,
    split_store_line: u32,
    split_store_page: u32,
}

/// The caches and TLBs of one core.
#[derive(Debug, Clone)]
pub(super) struct Hierarchy {
    l1d: SetAssociative<64, 12>,
    l1i: SetAssociative<64, 8>,
    l2: SetAssociative<2048, 16>,
    l3: SetAssociative<16384, 16>,
    tlbs: Tlbs,
    streamer: Streamer,
    extra: Extra,
}

impl Hierarchy {
    /// A cold hierarchy.
    pub(super) fn new(costs: &Costs) -> Result<Self, DataError> {
        Ok(Hierarchy {
            l1d: SetAssociative::new(),
            l1i: SetAssociative::new(),
            l2: SetAssociative::new(),
            l3: SetAssociative::new(),
            tlbs: Tlbs::new(costs)?,
            streamer: Streamer::default(),
            extra: Extra {
                l2: costs.rule_cycles("l2_extra")?,
                l3: costs.rule_cycles("l3_extra")?,
                dram: costs.rule_cycles("dram_extra")?,
                split_load_line: costs.rule_cycles("split_load_line")?,
                split_load_page: costs.rule_cycles("split_load_page")?,
                split_store_line: costs.rule_cycles("split_store_line")?,
                split_store_page: costs.rule_cycles("split_store_page")?,
            },
        })
    }

    /// Extra cycles of an access.
    #[inline]
    pub(super) fn access(&mut self, event: &MemoryEvent, counts: &mut TimingCounts) -> u32 {
        let reach = u64::from(event.size.max(1) - 1);
        let first_page = event.linear >> PAGE_SHIFT;
        let nr_more_pages =
            (event.linear.wrapping_add(reach) >> PAGE_SHIFT).wrapping_sub(first_page);
        let first_line = event.physical >> LINE_SHIFT;
        let nr_more_lines =
            (event.physical.wrapping_add(reach) >> LINE_SHIFT).wrapping_sub(first_line);
        let mut cycles = self.tlbs.access(event.kind, first_page, counts);
        cycles = cycles.saturating_add(self.line(event.kind, first_line, counts));
        if nr_more_lines == 0 {
            return cycles;
        }
        for page in 1..=nr_more_pages.min(u64::from(event.size)) {
            cycles = cycles.saturating_add(self.tlbs.access(
                event.kind,
                first_page.wrapping_add(page),
                counts,
            ));
        }
        for line in 1..=nr_more_lines.min(u64::from(event.size)) {
            cycles =
                cycles.saturating_add(self.line(event.kind, first_line.wrapping_add(line), counts));
        }
        cycles.saturating_add(self.split(event.kind, nr_more_pages))
    }

    /// Extra cycles because an access touches a second line or page.
    fn split(&self, kind: AccessKind, nr_more_pages: u64) -> u32 {
        match (kind, nr_more_pages) {
            (AccessKind::Load, 0) => self.extra.split_load_line,
            (AccessKind::Load, _) => self.extra.split_load_page,
            (AccessKind::Store, 0) => self.extra.split_store_line,
            (AccessKind::Store, _) => self.extra.split_store_page,
            (AccessKind::Fetch, _) => 0,
        }
    }

    #[inline]
    fn line(&mut self, kind: AccessKind, line: u64, counts: &mut TimingCounts) -> u32 {
        let (first, misses) = match kind {
            AccessKind::Load | AccessKind::Store => (self.l1d.access(line), &mut counts.l1d_misses),
            AccessKind::Fetch => (self.l1i.access(line), &mut counts.l1i_misses),
        };
        if first == Lookup::Hit {
            return 0;
        }
        *misses += 1;
        let extra = self.beyond_l1(line, counts);
        match kind {
            AccessKind::Store => extra / STORE_VISIBLE_PART,
            AccessKind::Load | AccessKind::Fetch => extra,
        }
    }

    fn beyond_l1(&mut self, line: u64, counts: &mut TimingCounts) -> u32 {
        let extra = match self.l2.access(line) {
            Lookup::Hit => self.extra.l2,
            Lookup::Miss => {
                counts.l2_misses += 1;
                match self.l3.access(line) {
                    Lookup::Hit => self.extra.l3,
                    Lookup::Miss => {
                        counts.l3_misses += 1;
                        self.extra.dram
                    }
                }
            }
        };
        let page_end = (line | (LINES_PER_PAGE - 1)).saturating_add(1);
        if self.streamer.is_stream(line) {
            for ahead in line + 1..(line + 1 + LINES_AHEAD).min(page_end) {
                self.l2.access(ahead);
                self.l3.access(ahead);
            }
        }
        extra
    }

    /// Drops every translation.
    pub(super) fn flush_tlb(&mut self) {
        self.tlbs.flush();
    }

    /// Feeds the state to `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        self.l1d.digest(hasher);
        self.l1i.digest(hasher);
        self.l2.digest(hasher);
        self.l3.digest(hasher);
        self.tlbs.digest(hasher);
        self.streamer.digest(hasher);
    }
}

/// Finds runs of rising lines: for each of a few pages the last line that missed L1.
///
/// A slot is the page's number modulo the number of slots. Source of the idea: the streamer of Intel's
/// optimization manual; its parameters here are estimates.
#[derive(Debug, Clone, Default)]
struct Streamer {
    /// Line number plus one of the last miss; 0 for none.
    last: [u64; NR_STREAMS],
}

impl Streamer {
    /// Notes a miss of `line`; whether it continues the last one of its page.
    fn is_stream(&mut self, line: u64) -> bool {
        let slot = (line / LINES_PER_PAGE) as usize % NR_STREAMS;
        let previous = std::mem::replace(&mut self.last[slot], line.wrapping_add(1));
        previous == line && !line.is_multiple_of(LINES_PER_PAGE)
    }

    fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        for line in self.last {
            hasher(&line.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy() -> (Hierarchy, TimingCounts) {
        (Hierarchy::new(&Costs::load().unwrap()).unwrap(), TimingCounts::default())
    }

    fn event(kind: AccessKind, address: u64, size: u32) -> MemoryEvent {
        MemoryEvent { kind, linear: address, physical: address, size }
    }

    /// Accesses with the page's translation already there.
    fn warm(
        memory: &mut Hierarchy,
        counts: &mut TimingCounts,
        kind: AccessKind,
        address: u64,
        size: u32,
    ) -> u32 {
        memory.tlbs.access(kind, address >> PAGE_SHIFT, counts);
        memory.tlbs.access(kind, (address >> PAGE_SHIFT) + 1, counts);
        memory.access(&event(kind, address, size), counts)
    }

    #[test]
    fn a_load_costs_what_its_level_costs() {
        let (mut memory, mut counts) = hierarchy();
        let load = AccessKind::Load;
        assert_eq!(warm(&mut memory, &mut counts, load, 0x1_0000, 8), 531 - 5);
        assert_eq!(warm(&mut memory, &mut counts, load, 0x1_0008, 8), 0);
        // Twelve more lines of the same L1 set.
        for way in 1..=12 {
            warm(&mut memory, &mut counts, load, 0x1_0000 + way * 4096, 8);
        }
        assert_eq!(warm(&mut memory, &mut counts, load, 0x1_0000, 8), 16 - 5);
        // Sixteen more lines of the same L2 set.
        for way in 1..=16 {
            warm(&mut memory, &mut counts, load, 0x1_0000 + way * 0x2_0000, 8);
        }
        assert_eq!(warm(&mut memory, &mut counts, load, 0x1_0000, 8), 357 - 5);
    }

    #[test]
    fn a_store_shows_a_quarter_of_its_miss() {
        let (mut memory, mut counts) = hierarchy();
        assert_eq!(warm(&mut memory, &mut counts, AccessKind::Store, 0x1_0000, 8), (531 - 5) / 4);
        assert_eq!(warm(&mut memory, &mut counts, AccessKind::Store, 0x1_0000, 8), 0);
    }

    #[test]
    fn splits_cost_extra() {
        let (mut memory, mut counts) = hierarchy();
        let cases = [
            (AccessKind::Load, 0x103c, 8, 1),
            (AccessKind::Load, 0x1ffc, 8, 3),
            (AccessKind::Store, 0x103c, 8, 2),
            (AccessKind::Store, 0x1ffc, 8, 24),
            (AccessKind::Load, 0x1038, 8, 0),
        ];
        for (kind, address, size, expected) in cases {
            warm(&mut memory, &mut counts, kind, address, size);
            let cycles = memory.access(&event(kind, address, size), &mut counts);
            assert_eq!(cycles, expected, "{kind:?} {address:#x}");
        }
    }

    #[test]
    fn a_stream_is_fetched_ahead_and_scattered_loads_are_not() {
        let (mut memory, mut counts) = hierarchy();
        let run: Vec<u32> = (0..6)
            .map(|line| warm(&mut memory, &mut counts, AccessKind::Load, line * 64, 8))
            .collect();
        assert_eq!(run, [526, 526, 11, 11, 11, 11]);
        let scattered: Vec<u32> = (0..6)
            .map(|line| warm(&mut memory, &mut counts, AccessKind::Load, 0x8000 + line * 192, 8))
            .collect();
        assert_eq!(scattered, [526; 6]);
    }

    #[test]
    fn extreme_addresses_and_sizes_are_taken() {
        let (mut memory, mut counts) = hierarchy();
        for (address, size) in [(u64::MAX, 8), (u64::MAX - 63, 64), (0, 0), (u64::MAX - 4096, 8192)]
        {
            memory.access(&event(AccessKind::Store, address, size), &mut counts);
        }
    }
}
