//! The frame allocator: which frames of RAM are in use, and by how many.
//!
//! Deterministic: the lowest free frame is handed out first. A frame has a count of
//! its users, because fork's copy-on-write and shared mappings put one frame into
//! several page tables. Frames below the first free one belong to the kernel image
//! and are never freed.

use bitvec::prelude::{BitVec, bitvec};
use perf_core::Errno;

use crate::arch::x86::hw::{Hw, PAGE_SHIFT};

/// Number of a page frame (Linux's pfn): physical address divided by the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(pub u64);

impl Pfn {
    /// Physical address of the frame's first byte.
    #[must_use]
    pub const fn physical(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// The frame that holds a physical address.
    #[must_use]
    pub const fn of(physical: u64) -> Self {
        Self(physical >> PAGE_SHIFT)
    }
}

/// Whether giving up a use of a frame freed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Others still use the frame.
    InUse,
    /// That was the last use: the frame is free.
    Freed,
}

/// Free frames and use counts.
#[derive(Clone, Debug)]
pub struct FrameAllocator {
    /// A set bit is a free frame.
    free: BitVec,
    /// Users of each frame.
    users: Vec<u32>,
    first_free_frame: u64,
    /// No frame below this one is free.
    lowest_hint: usize,
    nr_free: u64,
}

impl FrameAllocator {
    /// Manages the frames `first_free_frame..nr_frames`; those below are the kernel's for good.
    #[must_use]
    pub fn new(first_free_frame: u64, nr_frames: u64) -> Self {
        let nr = usize::try_from(nr_frames).unwrap_or(usize::MAX);
        let first_free_frame = first_free_frame.min(nr_frames);
        let mut free = bitvec![1; nr];
        free[..first_free_frame as usize].fill(false);
        Self {
            free,
            users: vec![0; nr],
            first_free_frame,
            lowest_hint: first_free_frame as usize,
            nr_free: nr_frames - first_free_frame,
        }
    }

    /// The lowest free frame, with one user. Its bytes are what its last user left.
    ///
    /// # Errors
    /// ENOMEM where no frame is free.
    pub fn alloc(&mut self) -> Result<Pfn, Errno> {
        let found = self.free[self.lowest_hint..].first_one().ok_or(Errno::ENOMEM)?;
        let frame = self.lowest_hint + found;
        self.free.set(frame, false);
        self.users[frame] = 1;
        self.lowest_hint = frame + 1;
        self.nr_free -= 1;
        Ok(Pfn(frame as u64))
    }

    /// The lowest free frame, filled with zeroes, with one user.
    ///
    /// # Errors
    /// ENOMEM where no frame is free.
    pub fn alloc_zeroed(&mut self, hw: &mut Hw) -> Result<Pfn, Errno> {
        let pfn = self.alloc()?;
        hw.zero_frame(pfn.0);
        Ok(pfn)
    }

    /// Adds a user (`get_page`). The kernel image's frames are not counted.
    ///
    /// # Panics
    /// Where the frame is free: a use of it was given up too often.
    pub fn get(&mut self, pfn: Pfn) {
        if self.is_managed(pfn) {
            let users = &mut self.users[pfn.0 as usize];
            assert!(*users > 0, "get of free frame {}", pfn.0);
            *users += 1;
        }
    }

    /// Takes a user away (`put_page`), which frees the frame when it was the last.
    ///
    /// # Panics
    /// Where the frame is free already.
    pub fn put(&mut self, pfn: Pfn) -> Put {
        if !self.is_managed(pfn) {
            return Put::InUse;
        }
        let frame = pfn.0 as usize;
        assert!(self.users[frame] > 0, "put of free frame {}", pfn.0);
        self.users[frame] -= 1;
        if self.users[frame] > 0 {
            return Put::InUse;
        }
        self.free.set(frame, true);
        self.lowest_hint = self.lowest_hint.min(frame);
        self.nr_free += 1;
        Put::Freed
    }

    /// Users of a frame (`page_count`): 0 for a free one, `u32::MAX` for the kernel image's.
    #[must_use]
    pub fn users(&self, pfn: Pfn) -> u32 {
        if self.is_managed(pfn) { self.users[pfn.0 as usize] } else { u32::MAX }
    }

    /// Frames that nobody uses.
    #[must_use]
    pub fn nr_free(&self) -> u64 {
        self.nr_free
    }

    /// Managed frames in use.
    #[must_use]
    pub fn nr_used(&self) -> u64 {
        self.nr_managed() - self.nr_free
    }

    /// Frames that can be handed out at all (`totalram_pages`).
    #[must_use]
    pub fn nr_managed(&self) -> u64 {
        self.users.len() as u64 - self.first_free_frame
    }

    fn is_managed(&self, pfn: Pfn) -> bool {
        (self.first_free_frame..self.users.len() as u64).contains(&pfn.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lowest_free_frame_first() {
        let mut frames = FrameAllocator::new(3, 6);
        let taken: Vec<_> = std::iter::from_fn(|| frames.alloc().ok()).collect();
        assert_eq!(taken, [Pfn(3), Pfn(4), Pfn(5)]);
        assert_eq!(frames.alloc(), Err(Errno::ENOMEM));
        frames.put(Pfn(5));
        frames.put(Pfn(3));
        assert_eq!(frames.alloc(), Ok(Pfn(3)));
        assert_eq!((frames.nr_free(), frames.nr_used(), frames.nr_managed()), (1, 2, 3));
    }

    #[test]
    fn kernel_frames_are_never_freed() {
        let mut frames = FrameAllocator::new(2, 4);
        frames.get(Pfn(1));
        assert_eq!(frames.put(Pfn(1)), Put::InUse);
        assert_eq!(frames.put(Pfn(1)), Put::InUse);
        assert_eq!(frames.nr_free(), 2);
        assert_eq!(frames.users(Pfn(1)), u32::MAX);
    }

    #[test]
    fn more_kernel_frames_than_ram_leaves_none() {
        let mut frames = FrameAllocator::new(10, 4);
        assert_eq!((frames.nr_managed(), frames.alloc()), (0, Err(Errno::ENOMEM)));
    }

    proptest! {
        #[test]
        fn counts_agree_with_a_list_of_users(ops in prop::collection::vec((0u8..3, 0usize..64), 0..200)) {
            let mut frames = FrameAllocator::new(4, 24);
            let mut users: Vec<Pfn> = Vec::new();
            for (op, pick) in ops {
                match (op, users.len()) {
                    (0, _) => {
                        let lowest_unused = (4..24).map(Pfn).find(|pfn| !users.contains(pfn));
                        let got = frames.alloc().ok();
                        prop_assert_eq!(got, lowest_unused);
                        users.extend(got);
                    }
                    (_, 0) => {}
                    (1, nr) => {
                        let pfn = users[pick % nr];
                        frames.get(pfn);
                        users.push(pfn);
                    }
                    (_, nr) => {
                        let pfn = users.swap_remove(pick % nr);
                        let freed = frames.put(pfn) == Put::Freed;
                        prop_assert_eq!(freed, !users.contains(&pfn));
                    }
                }
                for pfn in (4..24).map(Pfn) {
                    let count = users.iter().filter(|user| **user == pfn).count();
                    prop_assert_eq!(frames.users(pfn) as usize, count);
                }
            }
        }
    }
}
