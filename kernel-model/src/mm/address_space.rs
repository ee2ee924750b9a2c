//! An address space (Linux's `mm_struct`): areas by start address, and page tables.
//!
//! Pages are filled on first use ([`super::fault`]). This file holds what the other
//! files of `mm` build on: finding, splitting, merging, inserting and removing areas.
//! Source: Linux 6.18 `mm/vma.c`, `mm/mmap.c`.

use std::collections::BTreeMap;

use perf_core::Errno;
use perf_core::EventId;

use super::frame::{FrameAllocator, Pfn};
use super::layout::{
    DEFAULT_STACK_LIMIT, MAX_MAP_COUNT, PAGE_SHIFT, PAGE_SIZE, STACK_TOP, mmap_base,
    page_align_down,
};
use super::page_table::{PageTable, Translation};
use super::placement::GapHint;
use super::tlb::TlbGather;
use super::vma::{Backing, Prot, VmFlags, Vma, VmaName};
use crate::arch::x86::hw::Hw;

/// Where the program's image lies; as `/proc/PID/stat` tells and `PR_SET_MM` sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageLayout {
    /// First byte of code.
    pub start_code: u64,
    /// End of code.
    pub end_code: u64,
    /// First byte of initialised data.
    pub start_data: u64,
    /// End of initialised data.
    pub end_data: u64,
    /// RSP at the program's start.
    pub start_stack: u64,
    /// First byte of the argument strings.
    pub arg_start: u64,
    /// End of the argument strings.
    pub arg_end: u64,
    /// First byte of the environment strings.
    pub env_start: u64,
    /// End of the environment strings.
    pub env_end: u64,
}

/// The memory of a process. To be given back with [`AddressSpace::teardown`].
#[derive(Debug)]
#[must_use = "an address space that is not torn down keeps its frames"]
pub struct AddressSpace {
    pub(super) page_table: PageTable,
    pub(super) vmas: BTreeMap<u64, Vma>,
    /// Upper end of the area in which mappings are placed.
    pub(super) mmap_base: u64,
    /// What is known of the gaps below it.
    pub(super) gap_hint: GapHint,
    /// `RLIMIT_STACK` in bytes.
    pub(super) stack_limit: u64,
    /// Start of the heap.
    pub(super) start_brk: u64,
    /// The program break.
    pub(super) brk: u64,
    /// What new areas have (`mlockall(MCL_FUTURE)`).
    pub(super) def_flags: VmFlags,
    /// Where the program's image lies.
    pub image: ImageLayout,
    /// The LDT that its threads share: descriptors from entry 0 on.
    pub ldt: Vec<u64>,
    closed_perf_buffers: Vec<EventId>,
}

impl AddressSpace {
    /// An empty user half beside the kernel half of `kernel`.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        kernel: &PageTable,
    ) -> Result<Self, Errno> {
        Self::with_stack_limit(hw, frames, kernel, DEFAULT_STACK_LIMIT)
    }

    /// The same with another `RLIMIT_STACK` in bytes, which decides where mappings go.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn with_stack_limit(
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        kernel: &PageTable,
        stack_limit: u64,
    ) -> Result<Self, Errno> {
        Ok(Self {
            page_table: PageTable::with_kernel_half(hw, frames, kernel)?,
            vmas: BTreeMap::new(),
            mmap_base: mmap_base(stack_limit),
            gap_hint: GapHint::new(mmap_base(stack_limit)),
            stack_limit,
            start_brk: 0,
            brk: 0,
            def_flags: VmFlags::NONE,
            image: ImageLayout::default(),
            ldt: Vec::new(),
            closed_perf_buffers: Vec::new(),
        })
    }

    /// An empty space with the limits and the layout of this one.
    pub(super) fn empty_like(
        &self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
    ) -> Result<Self, Errno> {
        Ok(Self {
            page_table: PageTable::with_kernel_half(hw, frames, &self.page_table)?,
            vmas: BTreeMap::new(),
            ldt: Vec::new(),
            closed_perf_buffers: Vec::new(),
            def_flags: VmFlags::NONE,
            gap_hint: GapHint::new(self.mmap_base),
            ..*self
        })
    }

    /// Unmaps everything and gives all frames back. The kernel must have left this CR3.
    /// Answers the events whose ring buffers were unmapped, as [`Self::take_closed_perf_buffers`].
    pub fn teardown(mut self, hw: &mut Hw, frames: &mut FrameAllocator) -> Vec<EventId> {
        self.unmap_range(hw, frames, 0, 1 << 47);
        self.page_table.free(hw, frames);
        self.closed_perf_buffers
    }

    /// Physical address of the top page table: the value of CR3.
    #[must_use]
    pub fn cr3(&self) -> u64 {
        self.page_table.physical()
    }

    /// The frame of the top page table, which no other living address space has.
    #[must_use]
    pub fn top(&self) -> Pfn {
        self.page_table.top()
    }

    /// Sets `RLIMIT_STACK` in bytes; the area for mappings keeps its place until exec.
    pub fn set_stack_limit(&mut self, bytes: u64) {
        self.stack_limit = bytes;
    }

    /// `RLIMIT_STACK` in bytes.
    #[must_use]
    pub fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// Maps the first stack from `start` (or the limit, if that is higher) to [`STACK_TOP`], with
    /// `exec` as the right beside loads and stores. Grows downwards.
    ///
    /// # Errors
    /// ENOMEM where something is mapped there.
    pub fn map_stack(
        &mut self,
        hw: &Hw,
        frames: &mut FrameAllocator,
        start: u64,
        exec: Prot,
    ) -> Result<(), Errno> {
        let start = start.max(page_align_down(STACK_TOP.saturating_sub(self.stack_limit)));
        if start >= STACK_TOP || self.find_vma_intersection(start, STACK_TOP).is_some() {
            return Err(Errno::ENOMEM);
        }
        let prot = Prot::READ.with(Prot::WRITE).with(exec);
        let mut stack = Vma::anonymous(start, STACK_TOP, prot);
        stack.flags = VmFlags::GROWSDOWN;
        stack.name = VmaName::Stack;
        self.insert(hw, frames, stack);
        Ok(())
    }

    /// A mapped file has another size: pages behind its end go, also those that a private mapping
    /// copied (`unmap_mapping_range`).
    pub fn file_resized(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        object: Pfn,
        new_nr_pages: u64,
    ) {
        let mut gone = Vec::new();
        for vma in self.vmas.values_mut() {
            if vma.backing.object().is_none_or(|found| found.id() != object) {
                continue;
            }
            let (Backing::Shared { first_page, nr_pages, .. }
            | Backing::PrivateFile { first_page, nr_pages, .. }) = &mut vma.backing
            else {
                continue;
            };
            *nr_pages = new_nr_pages;
            let kept = new_nr_pages.saturating_sub(*first_page) << PAGE_SHIFT;
            if let Some(start) = vma.start.checked_add(kept).filter(|start| *start < vma.end) {
                gone.push((start, vma.end));
            }
        }
        for (start, end) in gone {
            self.zap(hw, frames, start, end);
        }
    }

    /// A file has lost pages, which shared mappings must not keep (`unmap_mapping_range`).
    pub fn forget_pages(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        object: Pfn,
        pages: std::ops::Range<u64>,
    ) {
        let mut gone = Vec::new();
        for vma in self.vmas.values() {
            if let Backing::Shared { object: found, first_page, .. } = &vma.backing
                && found.id() == object
            {
                let address = |page: u64| {
                    let bytes = page.saturating_sub(*first_page).min(vma.nr_pages()) << PAGE_SHIFT;
                    vma.start + bytes
                };
                gone.push((address(pages.start), address(pages.end)));
            }
        }
        for (start, end) in gone {
            self.zap(hw, frames, start, end);
        }
    }

    /// The areas in ascending order.
    pub fn vmas(&self) -> impl Iterator<Item = &Vma> {
        self.vmas.values()
    }

    /// The area that holds `addr` (`vma_lookup`).
    #[must_use]
    pub fn find_vma(&self, addr: u64) -> Option<&Vma> {
        self.vmas.range(..=addr).next_back().map(|(_, vma)| vma).filter(|vma| vma.contains(addr))
    }

    /// The first area that ends behind `addr` (Linux's `find_vma`).
    #[must_use]
    pub fn find_vma_ending_after(&self, addr: u64) -> Option<&Vma> {
        self.find_vma(addr).or_else(|| self.vmas.range(addr..).next().map(|(_, vma)| vma))
    }

    /// The first area that overlaps `start..end` (`find_vma_intersection`).
    #[must_use]
    pub fn find_vma_intersection(&self, start: u64, end: u64) -> Option<&Vma> {
        self.find_vma_ending_after(start).filter(|vma| vma.start < end)
    }

    /// Whether all of `start..end` is mapped, with whatever rights.
    #[must_use]
    pub fn is_mapped(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.find_vma(at) {
                Some(vma) => at = vma.end,
                None => return false,
            }
        }
        true
    }

    /// Bytes mapped (`total_vm`).
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.vmas.values().map(Vma::len).sum()
    }

    /// Translates an address through the tables as they are; nothing is faulted in.
    #[must_use]
    pub fn translate(&self, hw: &Hw, addr: u64) -> Option<Translation> {
        self.page_table.lookup(hw, addr)
    }

    /// Events whose ring buffers were unmapped since the last call (`perf_mmap_close`), one entry
    /// per mapping.
    #[must_use]
    pub fn take_closed_perf_buffers(&mut self) -> Vec<EventId> {
        std::mem::take(&mut self.closed_perf_buffers)
    }

    /// Splits the areas at the ends of `start..end`, so that whole areas make up the range.
    ///
    /// # Errors
    /// EINVAL where a ring buffer would be split (`perf_mmap_may_split`); ENOMEM where there
    /// are too many areas.
    pub(super) fn isolate(
        &mut self,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) -> Result<(), Errno> {
        let cut = |at: u64| self.find_vma(at).filter(|vma| vma.start < at);
        let cuts: Vec<&Vma> = [cut(start), cut(end)].into_iter().flatten().collect();
        if cuts.iter().any(|vma| matches!(vma.backing, Backing::PerfBuffer { .. })) {
            return Err(Errno::EINVAL);
        }
        if !cuts.is_empty() && self.vmas.len() + cuts.len() > MAX_MAP_COUNT {
            return Err(Errno::ENOMEM);
        }
        self.split(frames, start);
        self.split(frames, end);
        Ok(())
    }

    /// Makes two areas of the one that has `at` inside.
    fn split(&mut self, frames: &mut FrameAllocator, at: u64) {
        let Some((_, vma)) = self.vmas.range_mut(..at).next_back() else { return };
        if at >= vma.end {
            return;
        }
        let skip = (at - vma.start) >> PAGE_SHIFT;
        let upper = Vma {
            start: at,
            end: vma.end,
            prot: vma.prot,
            max_prot: vma.max_prot,
            flags: vma.flags,
            backing: vma.backing.share_from(frames, skip),
            name: vma.name.clone(),
        };
        vma.end = at;
        self.vmas.insert(at, upper);
    }

    /// Adds an area where nothing is mapped, and merges it with its neighbours.
    pub(super) fn insert(&mut self, hw: &Hw, frames: &mut FrameAllocator, vma: Vma) {
        let (start, end) = (vma.start, vma.end);
        debug_assert!(self.find_vma_intersection(start, end).is_none());
        self.vmas.insert(start, vma);
        self.merge_at(hw, frames, end);
        self.merge_at(hw, frames, start);
    }

    /// Merges the areas that meet in `start..=end`.
    pub(super) fn merge_range(
        &mut self,
        hw: &Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) {
        let seams: Vec<u64> = self.vmas.range(start..=end).map(|(seam, _)| *seam).collect();
        for seam in seams {
            self.merge_at(hw, frames, seam);
        }
    }

    fn merge_at(&mut self, hw: &Hw, frames: &mut FrameAllocator, seam: u64) {
        let can_merge = match (self.vmas.range(..seam).next_back(), self.vmas.get(&seam)) {
            (Some((_, low)), Some(high)) => low.can_merge(high),
            _ => false,
        };
        if !can_merge {
            return;
        }
        if let Some(high) = self.vmas.remove(&seam) {
            if let Some((_, low)) = self.vmas.range_mut(..seam).next_back() {
                low.end = high.end;
            }
            high.backing.release(hw, frames);
        }
    }

    /// Removes `start..end`: areas, pages and empty tables. The ends must be isolated.
    pub(super) fn unmap_range(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) {
        let keys: Vec<u64> = self.vmas.range(start..end).map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return;
        }
        self.zap(hw, frames, start, end);
        for key in keys {
            if let Some(vma) = self.vmas.remove(&key) {
                self.note_closed(&vma.backing);
                vma.backing.release(hw, frames);
            }
        }
        self.note_gap(start);
        self.page_table.free_empty_tables(hw, frames, start, end);
    }

    fn note_closed(&mut self, backing: &Backing) {
        if let Backing::PerfBuffer { event, .. } = backing {
            self.closed_perf_buffers.push(*event);
        }
    }

    /// Takes the pages of `start..end` out and leaves the areas (`zap_page_range`).
    pub(super) fn zap(&mut self, hw: &mut Hw, frames: &mut FrameAllocator, start: u64, end: u64) {
        let mut gather = TlbGather::default();
        let mut from = start;
        while let Some((page, pte)) = self.page_table.next_entry(hw, from, end) {
            self.page_table.unmap(hw, page);
            gather.note(page);
            frames.put(pte.pfn());
            from = page + PAGE_SIZE;
        }
        gather.flush(hw);
    }

    /// Refuses what no amount of reclaim could provide (`OVERCOMMIT_GUESS`).
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn check_commit(frames: &FrameAllocator, bytes: u64) -> Result<(), Errno> {
        if bytes >> PAGE_SHIFT > frames.nr_managed() { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}
