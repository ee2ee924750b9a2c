//! Shared memory segments.
//! Source: Linux 6.18 `ipc/shm.c`.

use crate::mm::frame::FrameAllocator;
use crate::mm::layout::PAGE_SIZE;
use crate::mm::page_object::PageObject;

/// A segment.
#[derive(Debug)]
pub struct ShmSegment {
    /// Its pages; every area that maps them is another use.
    pub object: PageObject,
    /// Bytes that were asked for.
    pub nr_bytes: u64,
    /// Time of the last shmat, s since 1970.
    pub atime: u64,
    /// Time of the last shmdt.
    pub dtime: u64,
    /// Time of the last change.
    pub ctime: u64,
    /// The process that made it.
    pub creator: u32,
    /// The process that attached or detached it last.
    pub last: u32,
    /// The key that `/proc/PID/maps` shows, which it keeps when it is removed.
    pub shown_key: i32,
}

impl ShmSegment {
    /// Areas that map it.
    #[must_use]
    pub fn nr_attached(&self, frames: &FrameAllocator) -> u64 {
        u64::from(frames.users(self.object.id()).saturating_sub(1))
    }

    /// Pages.
    #[must_use]
    pub const fn nr_pages(&self) -> u64 {
        self.nr_bytes.div_ceil(PAGE_SIZE)
    }
}
