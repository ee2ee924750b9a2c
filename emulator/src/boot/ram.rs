//! Who is where in RAM, and room for more.

use super::error::PlaceError;
use super::image::LoadSegment;
use super::info::{MemoryKind, MemoryRange};
use crate::mem::PAGE_SIZE;

/// The end of conventional memory; from here to [`HIGH`] a PC has its display and ROMs.
const LOW_END: u64 = 0xa_0000;
/// The first address after them.
pub(super) const HIGH: u64 = 1 << 20;

/// A range of physical addresses, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
}

/// RAM with what is placed in it.
#[derive(Clone, Debug)]
pub(super) struct Ram {
    bytes: u64,
    /// Occupied ranges, by their start.
    occupied: Vec<Range>,
    /// The end of the image.
    image_end: u64,
}

impl Ram {
    /// RAM with an image in it.
    pub(super) fn with_image(bytes: u64, segments: &[LoadSegment<'_>]) -> Result<Self, PlaceError> {
        let mut sorted: Vec<&LoadSegment<'_>> = segments.iter().collect();
        sorted.sort_by_key(|segment| segment.physical);
        for segment in &sorted {
            let (start, end) = (segment.physical, segment.physical_end());
            if end > bytes {
                let segment = segment.name;
                return Err(PlaceError::OutsideRam { segment, start, end, ram: bytes });
            }
        }
        for pair in sorted.windows(2) {
            if pair[1].physical < pair[0].physical_end() {
                let (first, second) = (pair[0].name, pair[1].name);
                return Err(PlaceError::Overlap { first, second, start: pair[1].physical });
            }
        }
        let occupied = sorted
            .iter()
            .map(|segment| Range { start: segment.physical, end: segment.physical_end() });
        let image_end = sorted.last().map_or(0, |segment| segment.physical_end());
        Ok(Self { bytes, occupied: occupied.collect(), image_end })
    }

    /// What software may use of RAM: below the display and from 1 MiB on.
    fn usable(&self) -> [Range; 2] {
        let range = |start, end: u64| Range { start, end: end.min(self.bytes).max(start) };
        [range(0, LOW_END), range(HIGH, self.bytes)]
    }

    /// Free ranges of whole pages, by address. Page 0 stays free of all.
    fn gaps(&self) -> Vec<Range> {
        let mut gaps = Vec::new();
        for usable in self.usable() {
            let mut start = usable.start.max(PAGE_SIZE);
            for taken in self.occupied.iter().filter(|taken| taken.end > usable.start) {
                let end = (taken.start.min(usable.end)) & !(PAGE_SIZE - 1);
                gaps.push(Range { start, end });
                start = start.max(taken.end.next_multiple_of(PAGE_SIZE));
            }
            gaps.push(Range { start, end: usable.end & !(PAGE_SIZE - 1) });
        }
        gaps.retain(|gap| gap.start < gap.end);
        gaps
    }

    /// Takes whole pages at the highest place there is: what an image uses up last.
    pub(super) fn take_highest(&mut self, len: u64) -> Option<u64> {
        let len = len.next_multiple_of(PAGE_SIZE);
        let gap = self.gaps().into_iter().rev().find(|gap| gap.end - gap.start >= len)?;
        Some(self.occupy(gap.end - len, len))
    }

    /// Takes whole pages: the first ones above the image, or else the first ones below it.
    pub(super) fn take_above_image(&mut self, len: u64) -> Option<u64> {
        let len = len.next_multiple_of(PAGE_SIZE);
        let gaps = self.gaps();
        let fits = |gap: &&Range| gap.end - gap.start >= len;
        let above = |gap: &&Range| gap.start >= self.image_end.max(HIGH);
        let gap = gaps.iter().filter(fits).find(above).or_else(|| gaps.iter().find(fits))?;
        Some(self.occupy(gap.start, len))
    }

    /// Keeps `[start, end)` free of all that is placed from now on.
    pub(super) fn avoid(&mut self, start: u64, end: u64) {
        let end = end.min(self.bytes);
        self.occupy(start.min(end), end.saturating_sub(start));
    }

    fn occupy(&mut self, start: u64, len: u64) -> u64 {
        // An empty module has an address and takes no room.
        if len != 0 {
            let at = self.occupied.partition_point(|range| range.start < start);
            self.occupied.insert(at, Range { start, end: start + len });
        }
        start
    }

    /// The memory map, with `[reserved, reserved + len)` not to be used.
    pub(super) fn memory_map(&self, reserved: u64, len: u64) -> Vec<MemoryRange> {
        let reserved = Range { start: reserved, end: reserved + len };
        let [low, high] = self.usable();
        let hole = Range { start: low.end, end: high.start.min(self.bytes) };
        let mut map = Vec::new();
        let mut push = |start, end, kind| {
            if start < end {
                map.push(MemoryRange { start, end, kind });
            }
        };
        for (range, kind) in [
            (low, MemoryKind::Available),
            (hole, MemoryKind::Reserved),
            (high, MemoryKind::Available),
        ] {
            let start = reserved.start.clamp(range.start, range.end);
            let end = reserved.end.clamp(range.start, range.end);
            push(range.start, start, kind);
            push(start, end, MemoryKind::Reserved);
            push(end, range.end, kind);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::SegmentName;
    use super::*;

    fn segment(physical: u64, memory_bytes: u64) -> LoadSegment<'static> {
        let name = SegmentName::Program { index: (physical >> 12) as u16, at: physical };
        LoadSegment { name, physical, linear: physical, data: &[], memory_bytes }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_outside_ram_or_overlaps_is_refused() {
        let end = 16 * MIB;
        let placed = |segments: &[_]| Ram::with_image(end, segments).map(|ram| ram.image_end);
        assert_eq!(placed(&[segment(MIB, 15 * MIB)]), Ok(end));
        let outside = placed(&[segment(MIB, 15 * MIB + 1)]).unwrap_err();
        assert!(matches!(outside, PlaceError::OutsideRam { end: 0x100_0001, .. }), "{outside}");
        let touching = [segment(2 * MIB, 4096), segment(MIB, MIB)];
        assert_eq!(placed(&touching), Ok(2 * MIB + 4096));
        let over = placed(&[segment(2 * MIB, 4096), segment(MIB, MIB + 1)]).unwrap_err();
        assert!(matches!(over, PlaceError::Overlap { start: 0x20_0000, .. }), "{over}");
    }

    #[test]
    fn room_is_above_the_image_and_else_below() {
        let mut ram =
            Ram::with_image(16 * MIB, &[segment(4 * MIB, 5), segment(8 * MIB, 5)]).unwrap();
        assert_eq!(ram.take_highest(5000), Some(16 * MIB - 8192));
        assert_eq!(ram.take_above_image(1), Some(8 * MIB + 4096));
        assert_eq!(ram.take_above_image(4097), Some(8 * MIB + 8192));
        // Too long for what is above it.
        assert_eq!(ram.take_above_image(8 * MIB), None);
        let mut full = Ram::with_image(16 * MIB, &[segment(MIB, 15 * MIB)]).unwrap();
        assert_eq!(full.take_above_image(4096), Some(4096));
        assert_eq!(full.take_highest(4096), Some(LOW_END - 4096));
        assert_eq!(full.take_highest(MIB), None);
        let mut avoiding = Ram::with_image(16 * MIB, &[segment(4 * MIB, 5)]).unwrap();
        avoiding.avoid(4 * MIB + 1, 12 * MIB);
        avoiding.avoid(5 * MIB, 6 * MIB);
        avoiding.avoid(15 * MIB, u64::MAX);
        assert_eq!(avoiding.take_above_image(1), Some(12 * MIB));
        assert_eq!(avoiding.take_highest(1), Some(15 * MIB - 4096));
    }

    #[test]
    fn the_map_covers_ram_without_gaps() {
        for (bytes, reserved, len) in
            [(MIB, 0x9_8000, 0x8000), (64 * MIB, 64 * MIB - 0x8000, 0x8000), (2 * MIB, 4096, 0)]
        {
            let ram = Ram::with_image(bytes, &[]).unwrap();
            let map = ram.memory_map(reserved, len);
            assert_eq!(map[0].start, 0);
            assert!(map.windows(2).all(|pair| pair[0].end == pair[1].start), "{map:?}");
            assert_eq!(map.last().unwrap().end, bytes);
            let available = map.iter().filter(|range| range.kind == MemoryKind::Available);
            let sum: u64 = available.map(|range| range.end - range.start).sum();
            assert_eq!(sum, bytes - 0x6_0000 - len);
        }
    }
}
