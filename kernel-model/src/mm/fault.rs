//! Page faults: filling pages on first use, copying on write, growing the stack.
//! Source: Linux 6.18 `mm/memory.c`, `arch/x86/mm/fault.c` (`access_error`),
//! `mm/vma.c` (`expand_downwards`); Intel SDM vol. 3A, 4.7 (error code).

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::frame::{FrameAllocator, Pfn};
use super::layout::{MMAP_MIN_ADDR, PAGE_SIZE, STACK_GUARD_GAP, TASK_SIZE_MAX, page_align_down};
use super::page_table::{Pte, bits};
use super::vma::{Backing, Prot, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// Bits of a page fault's error code.
pub mod error_code {
    /// The page was present: a rights violation.
    pub const PRESENT: u32 = 1 << 0;
    /// The access was a store.
    pub const WRITE: u32 = 1 << 1;
}

/// Why an address was refused: `si_code` of the SIGSEGV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegvCode {
    /// Nothing is mapped there (`SEGV_MAPERR`).
    MapErr = 1,
    /// The mapping does not allow the access (`SEGV_ACCERR`).
    AccErr = 2,
}

impl SegvCode {
    /// The number in `siginfo.si_code`.
    #[must_use]
    pub const fn si_code(self) -> i32 {
        self as i32
    }
}

/// What became of a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultResult {
    /// The access can be tried again.
    Handled,
    /// SIGSEGV with this code.
    Segv {
        /// Why.
        code: SegvCode,
    },
    /// SIGBUS with `BUS_ADRERR`: beyond the end of a file, or a store to a ring buffer's data.
    Bus,
    /// No frame is free.
    OutOfMemory,
}

/// What the page is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// To be read or fetched.
    Read,
    /// To be written: the frame must be the mapping's own.
    Write,
}

/// Why a page could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FillError {
    Bus,
    OutOfMemory,
}

impl From<Errno> for FillError {
    /// Frames are the only thing that filling a page can lack.
    fn from(_: Errno) -> Self {
        Self::OutOfMemory
    }
}

/// Whether stores through a mapping may go to the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Own,
    Borrowed,
}

impl AddressSpace {
    /// Handles a page fault at `addr` (`do_user_addr_fault`). A reserved-bit fault cannot
    /// happen with the entries that this module writes.
    pub fn handle_fault(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        error: u32,
    ) -> FaultResult {
        let Some(vma) = self.find_or_grow(addr) else {
            return FaultResult::Segv { code: SegvCode::MapErr };
        };
        let (is_denied, need) = if error & error_code::WRITE != 0 {
            (!vma.prot.has(Prot::WRITE), Need::Write)
        } else {
            (error & error_code::PRESENT != 0 || vma.prot == Prot::NONE, Need::Read)
        };
        if is_denied {
            return FaultResult::Segv { code: SegvCode::AccErr };
        }
        match self.fill(hw, frames, addr, need) {
            Ok(_) => FaultResult::Handled,
            Err(FillError::Bus) => FaultResult::Bus,
            Err(FillError::OutOfMemory) => FaultResult::OutOfMemory,
        }
    }

    /// The area of `addr`, after growing a stack down to it where that is allowed.
    pub(super) fn find_or_grow(&mut self, addr: u64) -> Option<&Vma> {
        if addr >= TASK_SIZE_MAX {
            return None;
        }
        let vma = self.find_vma_ending_after(addr)?;
        if addr < vma.start {
            let bottom = page_align_down(addr);
            if !vma.flags.has(VmFlags::GROWSDOWN) || !self.may_grow(vma, bottom) {
                return None;
            }
            let start = vma.start;
            let mut vma = self.vmas.remove(&start)?;
            vma.start = bottom;
            self.vmas.insert(bottom, vma);
        }
        self.find_vma(addr)
    }

    /// The stack's limit, and the gap to an accessible area below.
    fn may_grow(&self, stack: &Vma, bottom: u64) -> bool {
        let below = self.vmas.range(..stack.start).next_back().map(|(_, vma)| vma);
        let keeps_gap = below.is_none_or(|vma| {
            vma.flags.has(VmFlags::GROWSDOWN)
                || vma.prot == Prot::NONE
                || bottom - vma.end >= STACK_GUARD_GAP
        });
        bottom >= MMAP_MIN_ADDR && stack.end - bottom <= self.stack_limit && keeps_gap
    }

    /// Makes the page of `addr` present, as its area allows, and its own frame if it is to be
    /// written. The rights have been checked, or overridden.
    pub(super) fn fill(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        need: Need,
    ) -> Result<Pfn, FillError> {
        let page = page_align_down(addr);
        let before = self.page_table.entry(hw, page);
        let Some((_, vma)) = self.vmas.range_mut(..=page).next_back() else {
            return Err(FillError::Bus);
        };
        if !before.is_none() && need == Need::Read {
            return Ok(before.pfn());
        }
        let (pfn, frame) = if before.is_none() {
            first_frame(hw, frames, vma, page, need)?
        } else {
            writable_frame(hw, frames, vma, page, before.pfn())?
        };
        let dirty = if need == Need::Write { bits::DIRTY } else { 0 };
        let leaf = leaf(vma, pfn, frame, dirty);
        if let Err(errno) = self.page_table.set(hw, frames, page, leaf) {
            frames.put(pfn);
            return Err(errno.into());
        }
        if !before.is_none() {
            hw.flush_tlb_page(page);
        }
        Ok(pfn)
    }

    /// Fills the pages of `start..end` that can be filled (`mm_populate`, which ignores errors).
    pub(super) fn populate(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) {
        let mut page = start;
        while page < end {
            let need = match self.find_vma(page) {
                Some(vma) if vma.prot == Prot::NONE => return,
                Some(vma) if vma.prot.has(Prot::WRITE) && !vma.backing.is_shared() => Need::Write,
                Some(_) => Need::Read,
                None => return,
            };
            if self.fill(hw, frames, page, need).is_err() {
                return;
            }
            page += PAGE_SIZE;
        }
    }
}

/// The entry of a page: `frame` decides whether the area's right to store is granted yet.
fn leaf(vma: &Vma, pfn: Pfn, frame: Frame, dirty: u64) -> Pte {
    if vma.prot == Prot::NONE {
        return Pte::inaccessible(pfn);
    }
    let entry = Pte::present(pfn, vma.pte_flags() | dirty);
    match frame {
        Frame::Own => entry,
        Frame::Borrowed => entry.without(bits::WRITE),
    }
}

/// The frame of a page that has none yet, with a use for the page table.
fn first_frame(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    vma: &mut Vma,
    page: u64,
    need: Need,
) -> Result<(Pfn, Frame), FillError> {
    let number = vma.page_of(page);
    match &mut vma.backing {
        Backing::Anonymous => Ok((frames.alloc_zeroed(hw)?, Frame::Own)),
        Backing::Shared { nr_pages, .. } if number >= *nr_pages => Err(FillError::Bus),
        Backing::Shared { object, .. } => {
            let pfn = object.page_or_zeroed(hw, frames, number)?;
            frames.get(pfn);
            Ok((pfn, Frame::Own))
        }
        Backing::PrivateFile { object, nr_pages, .. } => {
            if number >= *nr_pages {
                return Err(FillError::Bus);
            }
            let pfn = object.page_or_zeroed(hw, frames, number)?;
            if need == Need::Write {
                return Ok((copy(hw, frames, pfn)?, Frame::Own));
            }
            frames.get(pfn);
            Ok((pfn, Frame::Borrowed))
        }
        Backing::PerfBuffer { object, .. } => {
            let frame = ring_buffer_frame(number, need)?;
            let pfn = object.page(hw, number).ok_or(FillError::Bus)?;
            frames.get(pfn);
            Ok((pfn, frame))
        }
    }
}

/// The frame for a store to a page that has one: a copy, where a private frame has other users
/// (`do_wp_page`).
fn writable_frame(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    vma: &Vma,
    page: u64,
    pfn: Pfn,
) -> Result<(Pfn, Frame), FillError> {
    match &vma.backing {
        Backing::Shared { .. } => Ok((pfn, Frame::Own)),
        Backing::PerfBuffer { .. } => Ok((pfn, ring_buffer_frame(vma.page_of(page), Need::Write)?)),
        Backing::Anonymous | Backing::PrivateFile { .. } if frames.users(pfn) == 1 => {
            Ok((pfn, Frame::Own))
        }
        Backing::Anonymous | Backing::PrivateFile { .. } => {
            let own = copy(hw, frames, pfn)?;
            frames.put(pfn);
            Ok((own, Frame::Own))
        }
    }
}

/// A ring buffer's control page may be written, its data pages not (`perf_mmap_pfn_mkwrite`).
fn ring_buffer_frame(number: u64, need: Need) -> Result<Frame, FillError> {
    match (number, need) {
        (0, _) => Ok(Frame::Own),
        (_, Need::Read) => Ok(Frame::Borrowed),
        (_, Need::Write) => Err(FillError::Bus),
    }
}

fn copy(hw: &mut Hw, frames: &mut FrameAllocator, from: Pfn) -> Result<Pfn, Errno> {
    let to = frames.alloc()?;
    hw.copy_frame(from.0, to.0);
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};
    use crate::mm::page_object::PageObject;
    use perf_core::EventId;

    const AT: u64 = 0x10_0000;
    const WRITE: u32 = error_code::WRITE;
    const PRESENT: u32 = error_code::PRESENT;

    fn segv(code: SegvCode) -> FaultResult {
        FaultResult::Segv { code }
    }

    fn args(len: u64, prot: u64, flags: u64) -> MmapArgs {
        MmapArgs { addr: AT, len, prot, flags: flags | map::FIXED, offset: 0 }
    }

    #[test]
    fn answers_by_right_and_cause() {
        use SegvCode::{AccErr, MapErr};
        let (mut hw, mut frames) = machine(128);
        for (prot, addr, error, want) in [
            (3, AT, 0, FaultResult::Handled),
            (3, AT, WRITE, FaultResult::Handled),
            (1, AT, WRITE, segv(AccErr)),
            (1, AT, PRESENT, segv(AccErr)),
            (0, AT, 0, segv(AccErr)),
            (2, AT, 0, FaultResult::Handled),
            (4, AT, 0, FaultResult::Handled),
            (3, AT + 4096, 0, segv(MapErr)),
            (3, AT - 1, WRITE, segv(MapErr)),
            (3, TASK_SIZE_MAX, 0, segv(MapErr)),
            (3, u64::MAX, WRITE, segv(MapErr)),
        ] {
            let mut mm = space(&mut hw, &mut frames);
            let anon = args(4096, prot, map::ANONYMOUS | map::PRIVATE);
            mm.mmap(&mut hw, &mut frames, &anon, &MapSource::Anonymous).unwrap();
            let got = mm.handle_fault(&mut hw, &mut frames, addr, error);
            assert_eq!(got, want, "prot {prot} addr {addr:#x} error {error}");
            mm.teardown(&mut hw, &mut frames);
        }
    }

    #[test]
    fn file_pages_are_borrowed_until_written_and_end() {
        let (mut hw, mut frames) = machine(128);
        let mut file = PageObject::new(&mut hw, &mut frames).unwrap();
        file.write(&mut hw, &mut frames, 0, b"contents").unwrap();
        let shown = crate::mm::vma::MappedFile::unnumbered("/f");
        let source =
            MapSource::File { object: &file, nr_bytes: 8, file: &shown, max_shared: Prot::ALL };
        let mut mm = space(&mut hw, &mut frames);
        mm.mmap(&mut hw, &mut frames, &args(0x2000, 3, map::PRIVATE), &source).unwrap();
        assert_eq!(mm.handle_fault(&mut hw, &mut frames, AT, 0), FaultResult::Handled);
        let read = mm.translate(&hw, AT).unwrap();
        assert_eq!(Pfn::of(read.physical), file.page(&hw, 0).unwrap());
        assert!(!read.leaf.is_writable());
        let stored = mm.handle_fault(&mut hw, &mut frames, AT, WRITE | PRESENT);
        assert_eq!(stored, FaultResult::Handled);
        let written = mm.translate(&hw, AT).unwrap();
        assert!(written.leaf.is_writable() && written.physical != read.physical);
        assert_eq!(mm.handle_fault(&mut hw, &mut frames, AT + 4096, 0), FaultResult::Bus);
        mm.teardown(&mut hw, &mut frames);
        file.release(&hw, &mut frames);
    }

    #[test]
    fn only_the_control_page_of_a_ring_buffer_takes_stores() {
        let (mut hw, mut frames) = machine(128);
        let pages = [frames.alloc().unwrap(), frames.alloc().unwrap()];
        let source = MapSource::PerfBuffer { pages: &pages, event: EventId(0) };
        let mut mm = space(&mut hw, &mut frames);
        mm.mmap(&mut hw, &mut frames, &args(0x2000, 3, map::SHARED), &source).unwrap();
        assert_eq!(mm.handle_fault(&mut hw, &mut frames, AT, WRITE), FaultResult::Handled);
        assert_eq!(mm.handle_fault(&mut hw, &mut frames, AT + 4096, 0), FaultResult::Handled);
        let data = mm.translate(&hw, AT + 4096).unwrap();
        assert_eq!((Pfn::of(data.physical), data.leaf.is_writable()), (pages[1], false));
        let store = mm.handle_fault(&mut hw, &mut frames, AT + 4096, WRITE | PRESENT);
        assert_eq!(store, FaultResult::Bus);
        mm.teardown(&mut hw, &mut frames);
    }

    #[test]
    fn exhaustion_is_an_answer() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let anon = args(4096, 3, map::ANONYMOUS | map::PRIVATE);
        mm.mmap(&mut hw, &mut frames, &anon, &MapSource::Anonymous).unwrap();
        while frames.alloc().is_ok() {}
        let got = mm.handle_fault(&mut hw, &mut frames, AT, WRITE);
        assert_eq!(got, FaultResult::OutOfMemory);
    }

    #[test]
    fn a_stack_grows_to_its_limit_and_keeps_its_gap() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let top = 0x4000_0000;
        let mut stack = Vma::anonymous(top - 0x1000, top, Prot::READ.with(Prot::WRITE));
        stack.flags = VmFlags::GROWSDOWN;
        mm.insert(&hw, &mut frames, stack);
        mm.set_stack_limit(0x10_0000);
        let mut store = |addr| mm.handle_fault(&mut hw, &mut frames, addr, WRITE);
        assert_eq!(store(top - 0x8001), FaultResult::Handled);
        assert_eq!(store(top - 0x10_0000), FaultResult::Handled);
        assert_eq!(store(top - 0x10_0001), segv(SegvCode::MapErr));
        mm.set_stack_limit(1 << 30);
        let below = Vma::anonymous(top - 0x40_0000, top - 0x30_0000, Prot::READ);
        mm.insert(&hw, &mut frames, below);
        let mut store = |addr| mm.handle_fault(&mut hw, &mut frames, addr, WRITE);
        assert_eq!(store(top - 0x20_0001), segv(SegvCode::MapErr));
        assert_eq!(store(top - 0x20_0000), FaultResult::Handled);
        assert_eq!(mm.find_vma(top - 1).map(|vma| vma.start), Some(top - 0x20_0000));
        mm.teardown(&mut hw, &mut frames);
    }
}
