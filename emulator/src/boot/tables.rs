//! The page tables that a 64-bit image starts with: the first 4 GiB mapped onto
//! themselves by 2 MiB pages, and over them, by 4 KiB pages, what is linked elsewhere than
//! it is loaded. All is readable, writable and executable at CPL 0.
//! Source: SDM vol. 3A, 4.5.

use super::error::PlaceError;
use super::image::LoadSegment;
use crate::mem::paging::entry;
use crate::mem::{PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE, is_canonical};

/// Entries of a table.
const ENTRIES: usize = 512;
/// What is mapped onto itself.
pub(super) const IDENTITY_BYTES: u64 = 4 << 30;
/// Bytes a page directory's entry maps.
const LARGE_PAGE: u64 = 2 << 20;
/// The level of the top table; 1 is that of the tables with 4 KiB pages.
const TOP: u32 = 4;
/// Rights of every entry.
const RIGHTS: u64 = entry::PRESENT | entry::WRITE;

/// A table; entries that lead to another one hold its number instead of its frame's.
#[derive(Clone, Debug)]
struct Table {
    level: u32,
    entries: [u64; ENTRIES],
}

/// Page tables that have no place yet.
#[derive(Clone, Debug)]
pub(super) struct PageTables {
    tables: Vec<Table>,
}

impl PageTables {
    /// The tables for an image.
    pub(super) fn for_image(segments: &[LoadSegment<'_>]) -> Result<Self, PlaceError> {
        let moved: Vec<Moved<'_>> = segments.iter().filter_map(Moved::of).collect();
        moved.iter().try_for_each(Moved::check)?;
        refuse_overlaps(segments)?;
        let mut this = Self { tables: vec![Table { level: TOP, entries: [0; ENTRIES] }] };
        for page in (0..IDENTITY_BYTES).step_by(LARGE_PAGE as usize) {
            *this.slot(page, 2) = page | RIGHTS | entry::PAGE_SIZE;
        }
        for segment in &moved {
            for page in (segment.first..=segment.last).step_by(PAGE_SIZE as usize) {
                *this.slot(page, 1) = segment.physical_of(page) | RIGHTS;
            }
        }
        Ok(this)
    }

    /// Bytes of RAM that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.tables.len() as u64 * PAGE_SIZE
    }

    /// The tables for the physical address `base`, the top one first.
    pub(super) fn at(&self, base: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for table in &self.tables {
            for value in table.entries {
                let moved = if is_link(table.level, value) { base } else { 0 };
                out.extend((value + moved).to_le_bytes());
            }
        }
        out
    }

    /// The entry of a level that maps a linear address, with the tables on the way to it.
    fn slot(&mut self, linear: u64, level: u32) -> &mut u64 {
        let mut at = 0;
        for above in (level + 1..=TOP).rev() {
            let index = index_at(linear, above);
            let value = self.tables[at].entries[index];
            if !is_link(above, value) {
                let next = self.tables.len();
                self.tables.push(Table { level: above - 1, entries: split(value) });
                self.tables[at].entries[index] = (next as u64) << PAGE_SHIFT | RIGHTS;
                at = next;
            } else {
                at = (value >> PAGE_SHIFT) as usize;
            }
        }
        &mut self.tables[at].entries[index_at(linear, level)]
    }
}

fn index_at(linear: u64, level: u32) -> usize {
    (linear >> (PAGE_SHIFT + 9 * (level - 1))) as usize % ENTRIES
}

/// Whether an entry of a level leads to another table.
fn is_link(level: u32, value: u64) -> bool {
    level > 1 && value & entry::PRESENT != 0 && value & entry::PAGE_SIZE == 0
}

/// What replaces an entry: nothing, or the 4 KiB pages of a large one.
fn split(value: u64) -> [u64; ENTRIES] {
    match value & entry::PRESENT {
        0 => [0; ENTRIES],
        _ => std::array::from_fn(|nth| (value & !entry::PAGE_SIZE) + nth as u64 * PAGE_SIZE),
    }
}

/// A segment that runs at other addresses than those it is loaded at, in pages.
struct Moved<'a> {
    segment: &'a LoadSegment<'a>,
    /// Its first and its last page.
    first: u64,
    last: u64,
}

impl<'a> Moved<'a> {
    fn of(segment: &'a LoadSegment<'a>) -> Option<Self> {
        let (first, last) = pages(segment);
        (segment.linear != segment.physical).then_some(Self { segment, first, last })
    }

    fn check(&self) -> Result<(), PlaceError> {
        let LoadSegment { name, linear, physical, memory_bytes, .. } = *self.segment;
        if (linear ^ physical) & PAGE_OFFSET_MASK != 0 {
            return Err(PlaceError::PageOffset { segment: name, linear, physical });
        }
        let last = linear + (memory_bytes - 1);
        // A segment across the gap between the halves would be far longer than RAM.
        if !is_canonical(linear) || !is_canonical(last) {
            return Err(PlaceError::NotCanonical { segment: name, start: linear, last });
        }
        Ok(())
    }

    fn physical_of(&self, page: u64) -> u64 {
        page.wrapping_sub(self.segment.linear).wrapping_add(self.segment.physical)
    }
}

/// The first and the last page of a segment's linear addresses.
fn pages(segment: &LoadSegment<'_>) -> (u64, u64) {
    let last = segment.linear + (segment.memory_bytes - 1);
    (segment.linear & !PAGE_OFFSET_MASK, last & !PAGE_OFFSET_MASK)
}

/// Refuses two segments that want one page to be two different frames.
fn refuse_overlaps(segments: &[LoadSegment<'_>]) -> Result<(), PlaceError> {
    let mut sorted: Vec<&LoadSegment<'_>> = segments.iter().collect();
    sorted.sort_by_key(|segment| segment.linear);
    let mut furthest: Option<&LoadSegment<'_>> = None;
    for segment in sorted {
        let Some(before) = furthest.replace(segment) else { continue };
        let shift = |of: &LoadSegment<'_>| of.physical.wrapping_sub(of.linear);
        if pages(segment).0 <= pages(before).1 && shift(segment) != shift(before) {
            let (first, second) = (before.name, segment.name);
            return Err(PlaceError::LinearOverlap { first, second, start: segment.linear });
        }
        if pages(before).1 > pages(segment).1 {
            furthest = Some(before);
        }
    }
    Ok(())
}

/// The linear addresses below 4 GiB that are not mapped onto themselves.
pub(super) fn moved_ranges(segments: &[LoadSegment<'_>]) -> Vec<(u64, u64)> {
    let moved = segments.iter().filter(|segment| segment.linear != segment.physical).map(pages);
    moved
        .filter(|(first, _)| *first < IDENTITY_BYTES)
        .map(|(first, last)| (first, last + PAGE_SIZE))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::image::SegmentName;
    use super::*;

    fn segment(index: u16, linear: u64, physical: u64, memory_bytes: u64) -> LoadSegment<'static> {
        let name = SegmentName::Program { index, at: 0 };
        LoadSegment { name, physical, linear, data: &[], memory_bytes }
    }

    /// Walks tables that begin at `base` as a processor does.
    fn walk(tables: &[u8], base: u64, linear: u64) -> Option<u64> {
        let mut table = base;
        for level in (1..=TOP).rev() {
            let at = (table - base) as usize + 8 * index_at(linear, level);
            let value = u64::from_le_bytes(tables[at..at + 8].try_into().unwrap());
            let span = PAGE_SIZE << (9 * (level - 1));
            match value {
                0 => return None,
                _ if level == 1 || value & entry::PAGE_SIZE != 0 => {
                    return Some((value & entry::ADDRESS & !(span - 1)) + linear % span);
                }
                _ => table = value & entry::ADDRESS,
            }
        }
        None
    }

    const MIB: u64 = 1 << 20;
    const KERNEL: u64 = 0xffff_ffff_8000_0000;

    #[test]
    fn memory_is_mapped_onto_itself_but_for_what_is_linked_elsewhere() {
        let segments = [
            segment(0, MIB, MIB, 8192),
            segment(1, KERNEL + 2 * MIB + 0x123, 2 * MIB + 0x123, 0x3000),
            segment(2, 0x40_0000, 0x60_0000, 4097),
            segment(3, u64::MAX - 0xfff, 0x70_0000, 4096),
        ];
        let tables = PageTables::for_image(&segments).unwrap();
        let base = 0x800_0000;
        let bytes = tables.at(base);
        assert_eq!(bytes.len() as u64, tables.bytes());
        for (linear, physical) in [
            (0, Some(0)),
            (MIB + 5, Some(MIB + 5)),
            (0xfee0_0020, Some(0xfee0_0020)),
            (4 << 30, None),
            (KERNEL + 2 * MIB, Some(2 * MIB)),
            (KERNEL + 2 * MIB + 0x3122, Some(2 * MIB + 0x3122)),
            (KERNEL + 2 * MIB + 0x4000, None),
            (0x40_1fff, Some(0x60_1fff)),
            (0x40_2000, Some(0x40_2000)),
            (0x3f_ffff, Some(0x3f_ffff)),
            (u64::MAX, Some(0x70_0fff)),
        ] {
            assert_eq!(walk(&bytes, base, linear), physical, "{linear:#x}");
        }
        assert_eq!(moved_ranges(&segments), [(0x40_0000, 0x40_2000)]);
    }

    #[test]
    fn what_paging_cannot_do_is_refused() {
        let refused = |segments: &[_]| PageTables::for_image(segments).unwrap_err();
        let offset = refused(&[segment(0, KERNEL + 1, MIB, 1)]);
        assert!(matches!(offset, PlaceError::PageOffset { .. }), "{offset}");
        for linear in [1 << 47, 0xffff_7fff_ffff_f000, (1 << 47) - 4096] {
            let not_canonical = refused(&[segment(0, linear, MIB, 4097)]);
            assert!(matches!(not_canonical, PlaceError::NotCanonical { .. }), "{linear:#x}");
        }
        let long = segment(0, KERNEL, MIB, 0x10_0000);
        let inside = segment(1, KERNEL + 0x1000, 2 * MIB, 16);
        let later = segment(2, KERNEL + 0x8000, 3 * MIB, 16);
        for other in [inside, later] {
            let over = refused(&[other, long]);
            assert!(matches!(over, PlaceError::LinearOverlap { .. }), "{over}");
        }
        // One page with two segments in it, as linkers make them.
        let (first, second) = (segment(0, KERNEL, MIB, 16), segment(1, KERNEL + 32, MIB + 32, 16));
        assert!(PageTables::for_image(&[first, second]).is_ok());
    }
}
