//! Pages that several address spaces map: a shared anonymous region, a file's
//! contents, a perf ring buffer (the part of Linux's `struct address_space`).
//!
//! The index of the pages is a tree of tables in guest memory, of the same form as a
//! page table, that no CR3 ever points to. So the frame of its top names the object and
//! the frame's users are the object's: no second count and no arena is needed.
//!
//! A [`PageObject`] is one use of the object. It must be given back with
//! [`PageObject::release`].

use perf_core::Errno;

use super::frame::{FrameAllocator, Pfn};
use super::page_table::{PageTable, Pte};
use crate::arch::x86::hw::{Hw, PAGE_SHIFT, PAGE_SIZE};

/// Pages of one object, at most: what the lower half of a tree can index.
const MAX_PAGES: u64 = 1 << (47 - PAGE_SHIFT);

/// One use of a set of pages numbered from 0.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a use that is not released keeps its frames"]
pub struct PageObject {
    index: PageTable,
}

impl PageObject {
    /// An object without pages, with one use.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(hw: &mut Hw, frames: &mut FrameAllocator) -> Result<Self, Errno> {
        Ok(Self { index: PageTable::new(hw, frames)? })
    }

    /// An object that consists of `pages`, each of which gets another user.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn of_frames(
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        pages: &[Pfn],
    ) -> Result<Self, Errno> {
        let mut object = Self::new(hw, frames)?;
        for (page, pfn) in (0..).zip(pages) {
            match object.insert(hw, frames, page, *pfn) {
                Ok(()) => frames.get(*pfn),
                Err(errno) => {
                    object.release(hw, frames);
                    return Err(errno);
                }
            }
        }
        Ok(object)
    }

    /// What names the object: the same for all its uses.
    #[must_use]
    pub fn id(&self) -> Pfn {
        self.index.top()
    }

    /// Another use of the same object.
    pub fn share(&self, frames: &mut FrameAllocator) -> Self {
        frames.get(self.id());
        Self { index: PageTable::from_top(self.id()) }
    }

    /// Gives a use back; the last one frees the pages that nobody else uses.
    pub fn release(self, hw: &Hw, frames: &mut FrameAllocator) {
        if frames.users(self.id()) > 1 {
            frames.put(self.id());
            return;
        }
        let mut from = 0;
        while let Some((at, pte)) = self.index.next_entry(hw, from, MAX_PAGES << PAGE_SHIFT) {
            frames.put(pte.pfn());
            from = at + PAGE_SIZE;
        }
        self.index.free(hw, frames);
    }

    /// A page's frame, if the object has the page.
    #[must_use]
    pub fn page(&self, hw: &Hw, page: u64) -> Option<Pfn> {
        if page >= MAX_PAGES {
            return None;
        }
        let pte = self.index.entry(hw, page << PAGE_SHIFT);
        pte.is_present().then_some(pte.pfn())
    }

    /// A page's frame; a page that is missing is added, filled with zeroes.
    ///
    /// # Errors
    /// ENOMEM; EFBIG for a page number that no object can have.
    pub fn page_or_zeroed(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        page: u64,
    ) -> Result<Pfn, Errno> {
        if let Some(pfn) = self.page(hw, page) {
            return Ok(pfn);
        }
        let pfn = frames.alloc_zeroed(hw)?;
        if let Err(errno) = self.insert(hw, frames, page, pfn) {
            frames.put(pfn);
            return Err(errno);
        }
        Ok(pfn)
    }

    /// The numbers of the pages that the object has in `first..end`.
    #[must_use]
    pub fn pages_between(&self, hw: &Hw, first: u64, end: u64) -> Vec<u64> {
        let limit = end.min(MAX_PAGES) << PAGE_SHIFT;
        let mut from = first.min(MAX_PAGES) << PAGE_SHIFT;
        let mut pages = Vec::new();
        while from < limit
            && let Some((at, _)) = self.index.next_entry(hw, from, limit)
        {
            pages.push(at >> PAGE_SHIFT);
            from = at + PAGE_SIZE;
        }
        pages
    }

    /// Takes a page out, for those who map it later (`MADV_REMOVE`).
    pub fn remove(&mut self, hw: &mut Hw, frames: &mut FrameAllocator, page: u64) {
        if page < MAX_PAGES {
            let before = self.index.unmap(hw, page << PAGE_SHIFT);
            if !before.is_none() {
                frames.put(before.pfn());
            }
        }
    }

    /// Writes bytes at a byte offset, adding the pages that are missing.
    ///
    /// # Errors
    /// ENOMEM; EFBIG beyond the largest object.
    pub fn write(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let in_page = at & (PAGE_SIZE - 1);
            let (now, later) = rest.split_at(rest.len().min((PAGE_SIZE - in_page) as usize));
            let pfn = self.page_or_zeroed(hw, frames, at >> PAGE_SHIFT)?;
            hw.write_phys(pfn.physical() + in_page, now);
            at = at.checked_add(now.len() as u64).ok_or(Errno::EFBIG)?;
            rest = later;
        }
        Ok(())
    }

    fn insert(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        page: u64,
        pfn: Pfn,
    ) -> Result<(), Errno> {
        if page >= MAX_PAGES {
            return Err(Errno::EFBIG);
        }
        self.index.set(hw, frames, page << PAGE_SHIFT, Pte::present(pfn, 0))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::machine;

    #[test]
    fn the_last_use_frees_the_pages() {
        let (mut hw, mut frames) = machine(64);
        let free_before = frames.nr_free();
        let mut object = PageObject::new(&mut hw, &mut frames).unwrap();
        object.write(&mut hw, &mut frames, 4090, b"across pages").unwrap();
        let other = object.share(&mut frames);
        let second = object.page(&hw, 1).unwrap();
        object.release(&hw, &mut frames);
        assert_eq!(other.page(&hw, 1), Some(second));
        assert_eq!(other.page(&hw, 2), None);
        other.release(&hw, &mut frames);
        assert_eq!(frames.nr_free(), free_before);
    }

    #[test]
    fn frames_of_others_outlive_the_object() {
        let (mut hw, mut frames) = machine(64);
        let mine = [frames.alloc().unwrap(), frames.alloc().unwrap()];
        let free_before = frames.nr_free();
        let object = PageObject::of_frames(&mut hw, &mut frames, &mine).unwrap();
        assert_eq!(object.page(&hw, 1), Some(mine[1]));
        object.release(&hw, &mut frames);
        assert_eq!(frames.nr_free(), free_before);
        assert_eq!(frames.users(mine[0]), 1);
    }

    #[test]
    fn exhaustion_and_absurd_offsets_are_errors() {
        let (mut hw, mut frames) = machine(8);
        let mut object = PageObject::new(&mut hw, &mut frames).unwrap();
        let far = object.write(&mut hw, &mut frames, u64::MAX - 1, b"x");
        assert_eq!(far, Err(Errno::EFBIG));
        let full = object.write(&mut hw, &mut frames, 0, &[1; 64 * 4096]);
        assert_eq!(full, Err(Errno::ENOMEM));
        object.release(&hw, &mut frames);
        assert_eq!(frames.nr_used(), 0);
        let nobody = PageObject::of_frames(&mut hw, &mut frames, &[]).unwrap();
        nobody.release(&hw, &mut frames);
    }
}
