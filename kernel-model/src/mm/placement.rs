//! Where a mapping goes that names no fixed address.
//! Source: Linux 6.18 `arch/x86/kernel/sys_x86_64.c` (`arch_get_unmapped_area_topdown`).

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::layout::{
    MMAP_MIN_ADDR, PAGE_SIZE, TASK_SIZE_MAX, offset_in_page, page_align_down, page_align_up,
};

/// The part of the address space that `MAP_32BIT` means.
const LOW_RANGE: (u64, u64) = (0x4000_0000, 0x8000_0000);

/// What the caller of mmap said about the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Exactly there (`MAP_FIXED`).
    Fixed(u64),
    /// There if it is free, else anywhere; 0 is no wish.
    Hint(u64),
    /// In the second GiB (`MAP_32BIT`).
    Low,
}

/// Which of the gaps that fit is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    HighestFirst,
    LowestFirst,
}

/// What is known of the gaps in the area for mappings from earlier searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GapHint {
    /// Gaps above this address are known.
    above: u64,
    /// No such gap has more bytes.
    largest: u64,
}

impl GapHint {
    /// Nothing is known below `top`, and above it nothing is searched.
    pub(super) const fn new(top: u64) -> Self {
        Self { above: top, largest: 0 }
    }
}

impl AddressSpace {
    /// An area has gone, so that the gap around `addr` is larger than it was.
    pub(super) fn note_gap(&mut self, addr: u64) {
        let end = self.vmas.range(addr..).next().map_or(TASK_SIZE_MAX, |(start, _)| *start);
        let start = self.vmas.range(..addr).next_back().map_or(0, |(_, vma)| vma.end);
        if end > self.gap_hint.above {
            self.gap_hint.largest = self.gap_hint.largest.max(end - start.min(end));
        }
    }

    /// The address for `len` bytes, a multiple of the page size (`get_unmapped_area`).
    ///
    /// # Errors
    /// ENOMEM where nothing fits, EINVAL for an unaligned fixed address, EPERM below
    /// `mmap_min_addr`.
    pub fn get_unmapped_area(&mut self, placement: Placement, len: u64) -> Result<u64, Errno> {
        if len > TASK_SIZE_MAX {
            return Err(Errno::ENOMEM);
        }
        let addr = match placement {
            Placement::Fixed(addr) => addr,
            Placement::Hint(hint) => match self.hinted(hint, len) {
                Some(addr) => addr,
                None => self.anywhere(len)?,
            },
            Placement::Low => {
                self.gap(LOW_RANGE.0, LOW_RANGE.1, len, Order::LowestFirst).ok_or(Errno::ENOMEM)?
            }
        };
        if addr > TASK_SIZE_MAX - len {
            Err(Errno::ENOMEM)
        } else if offset_in_page(addr) != 0 {
            Err(Errno::EINVAL)
        } else if addr < MMAP_MIN_ADDR {
            Err(Errno::EPERM)
        } else {
            Ok(addr)
        }
    }

    /// The wished address, rounded, if nothing is there.
    fn hinted(&self, hint: u64, len: u64) -> Option<u64> {
        if page_align_down(hint) == 0 {
            return None;
        }
        let addr = page_align_down(hint).max(MMAP_MIN_ADDR);
        let end = addr.checked_add(len).filter(|end| *end <= TASK_SIZE_MAX)?;
        let is_free =
            self.find_vma_ending_after(addr).is_none_or(|vma| end <= vma.start_with_gap());
        is_free.then_some(addr)
    }

    /// Below the mapping base, else above a third of the address space.
    fn anywhere(&mut self, len: u64) -> Result<u64, Errno> {
        let bottom = page_align_up(TASK_SIZE_MAX / 3).unwrap_or(MMAP_MIN_ADDR);
        self.highest_gap(len)
            .or_else(|| self.gap(bottom, TASK_SIZE_MAX, len, Order::LowestFirst))
            .ok_or(Errno::ENOMEM)
    }

    /// The highest place below `mmap_base`. Gaps that an earlier search has found too small are
    /// not looked at again.
    fn highest_gap(&mut self, len: u64) -> Option<u64> {
        let GapHint { above, largest } = self.gap_hint;
        let (from, known) = if len > largest { (above, largest) } else { (self.mmap_base, 0) };
        let found = self.gap(MMAP_MIN_ADDR, from.min(self.mmap_base), len, Order::HighestFirst);
        if let Some(at) = found {
            self.gap_hint = GapHint { above: at + len, largest: known.max(len - PAGE_SIZE) };
        }
        found
    }

    /// The start of `len` free bytes in `low..high`.
    fn gap(&self, low: u64, high: u64, len: u64, order: Order) -> Option<u64> {
        debug_assert_eq!(len % PAGE_SIZE, 0);
        let fit = |start: u64, end: u64| {
            let (start, end) = (start.max(low), end.min(high));
            let last = end.checked_sub(len).filter(|last| *last >= start)?;
            Some(if order == Order::HighestFirst { last } else { start })
        };
        match order {
            Order::HighestFirst => {
                let above = self.vmas.range(high..).next();
                let mut end = above.map_or(high, |(_, vma)| vma.start_with_gap());
                for vma in self.vmas.range(..high).rev().map(|(_, vma)| vma) {
                    if let Some(found) = fit(vma.end, end) {
                        return Some(found);
                    }
                    end = vma.start_with_gap();
                }
                fit(low, end)
            }
            Order::LowestFirst => {
                let mut start = low;
                for vma in self.vmas.values() {
                    if let Some(found) = fit(start, vma.start_with_gap()) {
                        return Some(found);
                    }
                    start = start.max(vma.end);
                }
                fit(start, high)
            }
        }
    }
}
