//! A virtual memory area: a range of pages with the same rights and contents.
//! Source: Linux 6.18 `include/linux/mm_types.h` (`vm_area_struct`), `mm/vma.c` (merging).

use perf_core::EventId;

use super::frame::FrameAllocator;
use super::layout::{PAGE_SHIFT, STACK_GUARD_GAP};
use super::page_object::PageObject;
use super::page_table::bits;
use crate::arch::x86::hw::Hw;

/// Rights of a mapping (`PROT_READ`, `PROT_WRITE`, `PROT_EXEC`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prot(u8);

impl Prot {
    /// No access.
    pub const NONE: Self = Self(0);
    /// Loads.
    pub const READ: Self = Self(1);
    /// Stores; on x86 they bring loads.
    pub const WRITE: Self = Self(2);
    /// Instruction fetch; on x86 it brings loads.
    pub const EXEC: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The rights in a system call's `prot` argument; its other bits are ignored.
    #[must_use]
    pub const fn from_syscall(prot: u64) -> Self {
        Self((prot & 7) as u8)
    }

    /// Both rights together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is granted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `PROT_*` bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// Properties of an area (Linux's `VM_*` of the same names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmFlags(u8);

impl VmFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// Grows downwards on a fault below it.
    pub const GROWSDOWN: Self = Self(1);
    /// Not given to a forked child.
    pub const DONTCOPY: Self = Self(2);
    /// `mremap` may not make it larger.
    pub const DONTEXPAND: Self = Self(4);
    /// A forked child gets the range empty.
    pub const WIPEONFORK: Self = Self(8);

    /// Its pages stay in memory, which here they always do.
    pub const LOCKED: Self = Self(16);
    /// They are not filled before they are used.
    pub const LOCKONFAULT: Self = Self(32);

    /// Whether all of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With `other` cleared.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What fills an area's pages.
#[derive(Debug, PartialEq, Eq)]
pub enum Backing {
    /// Private memory that starts as zeroes.
    Anonymous,
    /// Memory shared with every other mapping of the object.
    Shared {
        /// The pages.
        object: PageObject,
        /// The object's page at the area's start.
        first_page: u64,
        /// Pages of a file; an access beyond them is a bus error. Anonymous memory has no end.
        nr_pages: u64,
    },
    /// A private view of a file: pages are copied when first written.
    PrivateFile {
        /// The file's pages.
        object: PageObject,
        /// The file's page at the area's start.
        first_page: u64,
        /// Pages of the file; an access beyond them is a bus error.
        nr_pages: u64,
    },
    /// A perf event's ring buffer: frames that the kernel owns. Page 0 of the object may be
    /// written by the program, the others not.
    PerfBuffer {
        /// The pages.
        object: PageObject,
        /// The event that was mapped.
        event: EventId,
    },
}

impl Backing {
    /// The pages that are mapped, where they are an object's.
    #[must_use]
    pub const fn object(&self) -> Option<&PageObject> {
        match self {
            Self::Anonymous => None,
            Self::Shared { object, .. }
            | Self::PrivateFile { object, .. }
            | Self::PerfBuffer { object, .. } => Some(object),
        }
    }

    /// The same contents from `nr_pages` further on.
    pub fn share_from(&self, frames: &mut FrameAllocator, skip: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::Shared { object, first_page, nr_pages } => Self::Shared {
                object: object.share(frames),
                first_page: first_page + skip,
                nr_pages: *nr_pages,
            },
            Self::PrivateFile { object, first_page, nr_pages } => Self::PrivateFile {
                object: object.share(frames),
                first_page: first_page + skip,
                nr_pages: *nr_pages,
            },
            Self::PerfBuffer { object, event } => {
                Self::PerfBuffer { object: object.share(frames), event: *event }
            }
        }
    }

    /// Gives the object back.
    pub fn release(self, hw: &Hw, frames: &mut FrameAllocator) {
        match self {
            Self::Anonymous => {}
            Self::Shared { object, .. }
            | Self::PrivateFile { object, .. }
            | Self::PerfBuffer { object, .. } => object.release(hw, frames),
        }
    }

    /// Whether stores are seen by other mappings (`VM_SHARED`).
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Shared { .. } | Self::PerfBuffer { .. })
    }

    /// Whether `next` goes on where this one ends, `nr_pages` after its start.
    fn continues_in(&self, nr_pages: u64, next: &Self) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (
                Self::Shared { object, first_page, .. },
                Self::Shared { object: other, first_page: other_first, .. },
            )
            | (
                Self::PrivateFile { object, first_page, .. },
                Self::PrivateFile { object: other, first_page: other_first, .. },
            ) => object.id() == other.id() && first_page + nr_pages == *other_first,
            _ => false,
        }
    }
}

/// What `/proc/PID/maps` shows in its last column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VmaName {
    /// Nothing.
    #[default]
    Anonymous,
    /// The stack that the program started with.
    Stack,
    /// A file.
    File(MappedFile),
}

/// A mapped file as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedFile {
    /// Its path.
    pub path: String,
    /// Device number of its file system: major shifted left by 8, and minor.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

impl MappedFile {
    /// One without an inode.
    #[must_use]
    pub fn unnumbered(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }
}

/// An area of pages with the same rights and contents.
#[derive(Debug, PartialEq, Eq)]
pub struct Vma {
    /// First address, a multiple of the page size.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Rights.
    pub prot: Prot,
    /// Rights that `mprotect` may give (`VM_MAYREAD` and its siblings).
    pub max_prot: Prot,
    /// Properties.
    pub flags: VmFlags,
    /// Contents.
    pub backing: Backing,
    /// Name.
    pub name: VmaName,
}

impl Vma {
    /// A private anonymous area.
    #[must_use]
    pub fn anonymous(start: u64, end: u64, prot: Prot) -> Self {
        Self {
            start,
            end,
            prot,
            max_prot: Prot::ALL,
            flags: VmFlags::NONE,
            backing: Backing::Anonymous,
            name: VmaName::Anonymous,
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it has no bytes, which no area of an address space has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Pages.
    #[must_use]
    pub const fn nr_pages(&self) -> u64 {
        self.len() >> PAGE_SHIFT
    }

    /// Whether `addr` lies in it.
    #[must_use]
    pub const fn contains(&self, addr: u64) -> bool {
        self.start <= addr && addr < self.end
    }

    /// Lowest address that must stay free below it (`vm_start_gap`).
    #[must_use]
    pub fn start_with_gap(&self) -> u64 {
        if self.flags.has(VmFlags::GROWSDOWN) {
            self.start.saturating_sub(STACK_GUARD_GAP)
        } else {
            self.start
        }
    }

    /// The object's page behind an address: the offset from the area's start for
    /// anonymous memory.
    #[must_use]
    pub fn page_of(&self, addr: u64) -> u64 {
        let page = (addr - self.start) >> PAGE_SHIFT;
        match &self.backing {
            Backing::Anonymous | Backing::PerfBuffer { .. } => page,
            Backing::Shared { first_page, .. } | Backing::PrivateFile { first_page, .. } => {
                first_page + page
            }
        }
    }

    /// Bits of the entry of a page with all the area's rights.
    #[must_use]
    pub(super) fn pte_flags(&self) -> u64 {
        let write = if self.prot.has(Prot::WRITE) { bits::WRITE } else { 0 };
        let nx = if self.prot.has(Prot::EXEC) { 0 } else { bits::NX };
        bits::USER | bits::ACCESSED | write | nx
    }

    /// Whether `next` can be one area with this one.
    #[must_use]
    pub(super) fn can_merge(&self, next: &Self) -> bool {
        self.end == next.start
            && self.prot == next.prot
            && self.max_prot == next.max_prot
            && self.flags == next.flags
            && !self.flags.has(VmFlags::GROWSDOWN)
            && self.name == next.name
            && self.backing.continues_in(self.nr_pages(), &next.backing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_merge_only_when_nothing_differs() {
        let low = Vma::anonymous(0x1000, 0x3000, Prot::READ);
        assert!(low.can_merge(&Vma::anonymous(0x3000, 0x4000, Prot::READ)));
        assert!(!low.can_merge(&Vma::anonymous(0x4000, 0x5000, Prot::READ)));
        assert!(!low.can_merge(&Vma::anonymous(0x3000, 0x4000, Prot::ALL)));
        let mut named = Vma::anonymous(0x3000, 0x4000, Prot::READ);
        named.name = VmaName::Stack;
        assert!(!low.can_merge(&named));
    }

    #[test]
    fn a_stack_keeps_a_gap_below() {
        let mut stack = Vma::anonymous(0x80_0000, 0x90_0000, Prot::READ);
        assert_eq!(stack.start_with_gap(), 0x80_0000);
        stack.flags = VmFlags::GROWSDOWN;
        assert_eq!(stack.start_with_gap(), 0x70_0000);
    }

    #[test]
    fn pages_without_execute_right_are_nx() {
        let flags = |prot| Vma::anonymous(0, 0x1000, prot).pte_flags();
        assert_eq!(flags(Prot::READ) & (bits::WRITE | bits::NX), bits::NX);
        assert_eq!(flags(Prot::ALL) & (bits::WRITE | bits::NX), bits::WRITE);
    }
}
