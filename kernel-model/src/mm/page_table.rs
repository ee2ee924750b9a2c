//! Four-level page tables in guest physical memory, as the MMU walks them.
//!
//! [`PageTable`] owns the frames of its tables. The upper 256 entries of a user
//! table's top are the kernel's and shared by copying; their lower tables belong to
//! the kernel's template. Rights of a page are in its leaf only: the tables above
//! allow everything.
//! Source: Intel SDM vol. 3A, 4.5; Linux 6.18 `arch/x86/include/asm/pgtable_types.h`.

use perf_core::Errno;

use super::frame::{FrameAllocator, Pfn};
pub use super::pte::{Pte, bits};
use crate::arch::x86::hw::{Hw, PAGE_SHIFT, PAGE_SIZE};

/// Entries of one table.
const ENTRIES: u64 = 512;
/// First entry of the top table that belongs to the kernel.
const KERNEL_FIRST: u64 = 256;
/// Level of the top table; leaves of 4 KiB pages are in level 0.
const TOP_LEVEL: u32 = 3;
/// Level of entries that map 2 MiB pages.
const LARGE_LEVEL: u32 = 1;
/// Bytes of a large page.
pub const LARGE_PAGE_SIZE: u64 = 2 << 20;

/// What a linear address translates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address.
    pub physical: u64,
    /// The leaf entry, of a 4 KiB or a large page.
    pub leaf: Pte,
}

/// A tree of tables. Its top's physical address is what CR3 takes.
#[derive(Debug, PartialEq, Eq)]
pub struct PageTable {
    top: Pfn,
}

impl PageTable {
    /// An empty tree: the kernel's template, or a [`super::page_object::PageObject`].
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(hw: &mut Hw, frames: &mut FrameAllocator) -> Result<Self, Errno> {
        Ok(Self { top: frames.alloc_zeroed(hw)? })
    }

    /// An empty user half beside the kernel half of `kernel` (the template, or any other
    /// table made from it). Top entries that the template gets later are not seen here.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn with_kernel_half(
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        kernel: &Self,
    ) -> Result<Self, Errno> {
        let table = Self::new(hw, frames)?;
        for index in KERNEL_FIRST..ENTRIES {
            let entry = hw.read_phys_u64(kernel.physical() + index * 8);
            hw.write_phys_u64(table.physical() + index * 8, entry);
        }
        Ok(table)
    }

    /// The tree whose top table is in `top`.
    pub(super) const fn from_top(top: Pfn) -> Self {
        Self { top }
    }

    /// Frame of the top table.
    #[must_use]
    pub const fn top(&self) -> Pfn {
        self.top
    }

    /// Physical address of the top table: the value of CR3.
    #[must_use]
    pub const fn physical(&self) -> u64 {
        self.top.physical()
    }

    /// Sets the leaf entry of a 4 KiB page, and tells the one before. The caller flushes
    /// the TLB where rights went away, and counts the frames' users.
    ///
    /// # Errors
    /// ENOMEM where a table is needed and no frame is free; EEXIST where a large page is mapped.
    pub fn set(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        linear: u64,
        pte: Pte,
    ) -> Result<Pte, Errno> {
        let at = self.ensure(hw, frames, linear, 0)?;
        let before = Pte(hw.read_phys_u64(at));
        hw.write_phys_u64(at, pte.0);
        Ok(before)
    }

    /// Maps a 4 KiB page with the bits `flags` (of [`bits`]).
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn map(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        linear: u64,
        pfn: Pfn,
        flags: u64,
    ) -> Result<Pte, Errno> {
        self.set(hw, frames, linear, Pte::present(pfn, flags))
    }

    /// Maps a 2 MiB page, for the kernel's direct map.
    ///
    /// # Errors
    /// ENOMEM; EEXIST where tables are in the way; EINVAL where an address is not a multiple of 2 MiB.
    pub fn map_large(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        linear: u64,
        physical: u64,
        flags: u64,
    ) -> Result<(), Errno> {
        if (linear | physical) & (LARGE_PAGE_SIZE - 1) != 0 {
            return Err(Errno::EINVAL);
        }
        let at = self.ensure(hw, frames, linear, LARGE_LEVEL)?;
        let before = hw.read_phys_u64(at);
        if before & bits::PRESENT != 0 && before & bits::LARGE == 0 {
            return Err(Errno::EEXIST);
        }
        let leaf = Pte::present(Pfn::of(physical), flags | bits::LARGE);
        hw.write_phys_u64(at, leaf.0);
        Ok(())
    }

    /// Replaces the entry of a page that has one; tells whether it had.
    pub fn replace(&mut self, hw: &mut Hw, linear: u64, pte: Pte) -> bool {
        match self.find(hw, linear, 0) {
            Some(at) if !Pte(hw.read_phys_u64(at)).is_none() => {
                hw.write_phys_u64(at, pte.0);
                true
            }
            _ => false,
        }
    }

    /// Takes a page's entry out.
    pub fn unmap(&mut self, hw: &mut Hw, linear: u64) -> Pte {
        let Some(at) = self.find(hw, linear, 0) else { return Pte::NONE };
        let before = Pte(hw.read_phys_u64(at));
        if before.is_none() {
            return Pte::NONE;
        }
        hw.write_phys_u64(at, 0);
        before
    }

    /// The leaf entry of a 4 KiB page; [`Pte::NONE`] where there is none.
    #[must_use]
    pub fn entry(&self, hw: &Hw, linear: u64) -> Pte {
        let entry = self.find(hw, linear, 0).map_or(Pte::NONE, |at| Pte(hw.read_phys_u64(at)));
        if entry.is_none() { Pte::NONE } else { entry }
    }

    /// Translates an address through a present page of 4 KiB or 2 MiB.
    #[must_use]
    pub fn lookup(&self, hw: &Hw, linear: u64) -> Option<Translation> {
        let (size, leaf) = match self.entry(hw, linear) {
            pte if pte.is_present() => (PAGE_SIZE, pte),
            _ => {
                let at = self.find(hw, linear, LARGE_LEVEL)?;
                let leaf = Pte(hw.read_phys_u64(at));
                (leaf.is_present() && leaf.0 & bits::LARGE != 0)
                    .then_some((LARGE_PAGE_SIZE, leaf))?
            }
        };
        let base = leaf.0 & bits::ADDRESS & !(size - 1);
        Some(Translation { physical: base | linear & (size - 1), leaf })
    }

    /// The first 4 KiB page with an entry in `from..end`. Absent tables are stepped over whole.
    #[must_use]
    pub fn next_entry(&self, hw: &Hw, from: u64, end: u64) -> Option<(u64, Pte)> {
        let mut linear = from & !(PAGE_SIZE - 1);
        'pages: while linear < end {
            let mut table = self.physical();
            for level in (1..=TOP_LEVEL).rev() {
                let entry = hw.read_phys_u64(table + index(linear, level) * 8);
                if !Pte(entry).is_present() || entry & bits::LARGE != 0 {
                    let span = span_of(level);
                    linear = (linear & !(span - 1)).checked_add(span)?;
                    continue 'pages;
                }
                table = entry & bits::ADDRESS;
            }
            let first = index(linear, 0);
            match first_in_leaf(hw, table, first) {
                Some((at, entry)) => {
                    let found = linear + (at - first) * PAGE_SIZE;
                    return (found < end).then_some((found, entry));
                }
                None => linear = linear.checked_add((ENTRIES - first) * PAGE_SIZE)?,
            }
        }
        None
    }

    /// Frees the tables of `start..end` that have become empty.
    pub fn free_empty_tables(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) {
        free_empty(hw, frames, self.physical(), TOP_LEVEL, 0, start..end);
    }

    /// Frees the tables of the user half and the top. Pages still mapped are the caller's loss.
    pub fn free(self, hw: &Hw, frames: &mut FrameAllocator) {
        for entry in 0..KERNEL_FIRST {
            free_below(hw, frames, hw.read_phys_u64(self.physical() + entry * 8), TOP_LEVEL - 1);
        }
        frames.put(self.top);
    }

    /// Tables of the user half, without the top.
    #[must_use]
    pub fn nr_tables(&self, hw: &Hw) -> u64 {
        let tops = (0..KERNEL_FIRST).map(|entry| hw.read_phys_u64(self.physical() + entry * 8));
        tops.map(|entry| count_below(hw, entry, TOP_LEVEL - 1)).sum()
    }

    /// Where the entry of `linear` at `level` is, if all tables above it exist.
    fn find(&self, hw: &Hw, linear: u64, level: u32) -> Option<u64> {
        let mut table = self.physical();
        for above in (level + 1..=TOP_LEVEL).rev() {
            let entry = hw.read_phys_u64(table + index(linear, above) * 8);
            if entry & bits::PRESENT == 0 || entry & bits::LARGE != 0 {
                return None;
            }
            table = entry & bits::ADDRESS;
        }
        Some(table + index(linear, level) * 8)
    }

    /// The same, making the tables that are missing.
    fn ensure(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        linear: u64,
        level: u32,
    ) -> Result<u64, Errno> {
        let mut table = self.physical();
        let user = if linear >> 47 == 0 { bits::USER } else { 0 };
        for above in (level + 1..=TOP_LEVEL).rev() {
            let at = table + index(linear, above) * 8;
            let mut entry = hw.read_phys_u64(at);
            if entry & bits::LARGE != 0 {
                return Err(Errno::EEXIST);
            }
            if entry & bits::PRESENT == 0 {
                entry = Pte::present(frames.alloc_zeroed(hw)?, bits::WRITE | user).0;
                hw.write_phys_u64(at, entry);
            }
            table = entry & bits::ADDRESS;
        }
        Ok(table + index(linear, level) * 8)
    }
}

/// Index of an address's entry in a table of `level`.
const fn index(linear: u64, level: u32) -> u64 {
    linear >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1)
}

/// Bytes that one entry of a table of `level` covers.
const fn span_of(level: u32) -> u64 {
    1 << (PAGE_SHIFT + 9 * level)
}

/// Frees the empty tables below `table` (of `level`, covering addresses from `base`)
/// that `range` touches; tells whether `table` itself is empty.
fn free_empty(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    table: u64,
    level: u32,
    base: u64,
    range: std::ops::Range<u64>,
) -> bool {
    if level > 0 {
        let span = span_of(level);
        let first = range.start.saturating_sub(base) / span;
        let end = range.end.saturating_sub(base).div_ceil(span).min(ENTRIES);
        for entry_index in first..end {
            let at = table + entry_index * 8;
            let entry = hw.read_phys_u64(at);
            if entry & bits::PRESENT == 0 || entry & bits::LARGE != 0 {
                continue;
            }
            let below = entry & bits::ADDRESS;
            if free_empty(hw, frames, below, level - 1, base + entry_index * span, range.clone()) {
                hw.write_phys_u64(at, 0);
                frames.put(Pfn::of(below));
            }
        }
    }
    hw.phys_slice(table, PAGE_SIZE).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
}

/// The first entry of a table of pages, from the one with index `first` on, and its index.
fn first_in_leaf(hw: &Hw, table: u64, first: u64) -> Option<(u64, Pte)> {
    let bytes = hw.phys_slice(table, PAGE_SIZE)?;
    let entries = bytes.as_chunks::<8>().0.iter().map(|bytes| Pte(u64::from_le_bytes(*bytes)));
    (0..).zip(entries).skip(first as usize).find(|(_, entry)| !entry.is_none())
}

/// The table that `entry` points to and all below it.
fn count_below(hw: &Hw, entry: u64, level: u32) -> u64 {
    if entry & bits::PRESENT == 0 || entry & bits::LARGE != 0 {
        return 0;
    }
    if level == 0 {
        return 1;
    }
    let table = entry & bits::ADDRESS;
    let below = (0..ENTRIES).map(|index| hw.read_phys_u64(table + index * 8));
    1 + below.map(|entry| count_below(hw, entry, level - 1)).sum::<u64>()
}

/// Frees the table that `entry` points to and all below it.
fn free_below(hw: &Hw, frames: &mut FrameAllocator, entry: u64, level: u32) {
    if entry & bits::PRESENT == 0 || entry & bits::LARGE != 0 {
        return;
    }
    let table = entry & bits::ADDRESS;
    if level > 0 {
        for entry_index in 0..ENTRIES {
            free_below(hw, frames, hw.read_phys_u64(table + entry_index * 8), level - 1);
        }
    }
    frames.put(Pfn::of(table));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::machine;

    const RW: u64 = bits::WRITE | bits::USER | bits::NX;

    #[test]
    fn map_lookup_unmap_and_free() {
        let (mut hw, mut frames) = machine(256);
        let free_before = frames.nr_free();
        let mut table = PageTable::new(&mut hw, &mut frames).unwrap();
        let page = frames.alloc().unwrap();
        table.map(&mut hw, &mut frames, 0x40_1000, page, RW).unwrap();
        let found = table.lookup(&hw, 0x40_1234).unwrap();
        assert_eq!(found.physical, page.physical() + 0x234);
        assert!(found.leaf.is_writable());
        assert_eq!(table.lookup(&hw, 0x40_2000), None);
        assert_eq!(table.next_entry(&hw, 0, 1 << 47).map(|(linear, _)| linear), Some(0x40_1000));
        assert_eq!(table.next_entry(&hw, 0x40_2000, 1 << 47), None);
        assert_eq!(table.unmap(&mut hw, 0x40_1000).pfn(), page);
        assert_eq!(frames.nr_free(), free_before - 5, "three tables, the top, the page");
        table.free_empty_tables(&mut hw, &mut frames, 0x40_1000, 0x40_2000);
        assert_eq!(frames.nr_free(), free_before - 2, "the tables below the top are gone");
        frames.put(page);
        table.free(&hw, &mut frames);
        assert_eq!(frames.nr_free(), free_before);
    }

    #[test]
    fn tables_beside_the_range_stay() {
        let (mut hw, mut frames) = machine(256);
        let mut table = PageTable::new(&mut hw, &mut frames).unwrap();
        let page = frames.alloc().unwrap();
        for linear in [0x1000, LARGE_PAGE_SIZE, 1 << 30, 1 << 40] {
            table.map(&mut hw, &mut frames, linear, page, RW).unwrap();
        }
        table.unmap(&mut hw, LARGE_PAGE_SIZE);
        table.free_empty_tables(&mut hw, &mut frames, 0x2000, 1 << 30);
        let left: Vec<_> = [0x1000, 1 << 30, 1 << 40]
            .map(|linear| table.next_entry(&hw, linear, linear + PAGE_SIZE).is_some())
            .into();
        assert_eq!(left, [true; 3]);
        assert_eq!(table.find(&hw, LARGE_PAGE_SIZE, 0), None);
    }

    #[test]
    fn kernel_half_is_shared_and_survives_a_user_table() {
        let (mut hw, mut frames) = machine(256);
        let mut kernel = PageTable::new(&mut hw, &mut frames).unwrap();
        let direct_map = 0xffff_8880_0000_0000;
        kernel.map_large(&mut hw, &mut frames, direct_map, 0, bits::WRITE | bits::NX).unwrap();
        let free_before = frames.nr_free();
        let user = PageTable::with_kernel_half(&mut hw, &mut frames, &kernel).unwrap();
        let found = user.lookup(&hw, direct_map + 0x12_3456).unwrap();
        assert_eq!(found.physical, 0x12_3456);
        user.free(&hw, &mut frames);
        assert_eq!(frames.nr_free(), free_before);
        assert!(kernel.lookup(&hw, direct_map).is_some());
    }

    #[test]
    fn large_pages_must_be_aligned_and_alone() {
        let (mut hw, mut frames) = machine(256);
        let mut table = PageTable::new(&mut hw, &mut frames).unwrap();
        let unaligned = table.map_large(&mut hw, &mut frames, 0x1000, 0, 0);
        assert_eq!(unaligned, Err(Errno::EINVAL));
        table.map_large(&mut hw, &mut frames, 0, 0, 0).unwrap();
        let below = table.map(&mut hw, &mut frames, 0x1000, Pfn(1), 0);
        assert_eq!(below, Err(Errno::EEXIST));
    }
}
