//! Translation lookaside buffer: two direct-mapped arrays, for loads and stores.
//!
//! An entry has two tags. The *full* tag says that the translation is known; the
//! *fast* tag says besides that an access needs nothing but the bytes. A page
//! that a data breakpoint overlaps, a page with translated code (for stores) and
//! a page outside RAM get no fast tag, so that the check for them costs other
//! pages nothing, however many breakpoints are armed.

use super::{PAGE_OFFSET_MASK, PAGE_SHIFT};

/// Entries an array has.
const ENTRIES: usize = 256;
/// A tag that equals no address: low bits that [`Privilege`] never sets.
const INVALID: u64 = PAGE_OFFSET_MASK;

/// With which rights an access is made; part of the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Privilege {
    /// CPL 0 to 2, and the processor's own accesses to system structures.
    Supervisor = 0,
    /// CPL 3.
    User = 1,
    /// CPL 0 to 2 with RFLAGS.AC set while CR4.SMAP is: user pages may be accessed.
    SupervisorOfUser = 4,
}

/// Bit of the fast tag's mode that keeps every access off the fast path
/// (alignment checking is on).
pub(crate) const NEVER_FAST: u64 = 2;

/// One cached translation; its size is a power of two, so that an index is a shift.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Entry {
    fast: u64,
    full: u64,
    /// Physical minus linear address of the page.
    delta: u64,
}

const EMPTY: Entry = Entry { fast: INVALID, full: INVALID, delta: 0 };

/// Translations for one kind of access.
#[derive(Clone, Debug)]
pub struct Tlb {
    entries: [Entry; ENTRIES],
}

impl Default for Tlb {
    fn default() -> Self {
        Self { entries: [EMPTY; ENTRIES] }
    }
}

impl Tlb {
    /// Physical address of an access of `size` bytes that needs only the bytes:
    /// within one page, unwatched, in RAM. `mode` is a [`Privilege`] value,
    /// possibly with [`NEVER_FAST`].
    #[inline(always)]
    pub(crate) fn fast(&self, linear: u64, size: u64, mode: u64) -> Option<u64> {
        let entry = &self.entries[(linear >> PAGE_SHIFT) as usize % ENTRIES];
        // The page of the last byte: an access that leaves the page cannot match,
        // because the entry is chosen by the first byte.
        let last_page = linear.wrapping_add(size - 1) & !PAGE_OFFSET_MASK;
        (entry.fast == last_page | mode).then(|| linear.wrapping_add(entry.delta))
    }

    /// Physical address of one byte, where its translation is known.
    pub(crate) fn full(&self, linear: u64, privilege: Privilege) -> Option<u64> {
        let entry = &self.entries[(linear >> PAGE_SHIFT) as usize % ENTRIES];
        let tag = linear & !PAGE_OFFSET_MASK | privilege as u64;
        (entry.full == tag).then(|| linear.wrapping_add(entry.delta))
    }

    /// Remembers a translation.
    pub(crate) fn fill(&mut self, linear: u64, physical: u64, privilege: Privilege, speed: Speed) {
        let tag = linear & !PAGE_OFFSET_MASK | privilege as u64;
        self.entries[(linear >> PAGE_SHIFT) as usize % ENTRIES] = Entry {
            fast: if speed == Speed::Fast { tag } else { INVALID },
            full: tag,
            delta: physical.wrapping_sub(linear),
        };
    }

    /// Forgets everything.
    pub(crate) fn flush(&mut self) {
        self.entries.fill(EMPTY);
    }

    /// Keeps the translations but sends every access through the slow path once.
    pub(crate) fn slow_down(&mut self) {
        for entry in self.entries.iter_mut() {
            entry.fast = INVALID;
        }
    }

    /// Forgets the page of `linear`.
    pub(crate) fn flush_page(&mut self, linear: u64) {
        self.entries[(linear >> PAGE_SHIFT) as usize % ENTRIES] = EMPTY;
    }
}

/// Whether accesses through a translation may skip the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    /// Only the bytes matter.
    Fast,
    /// Every access must be looked at.
    Checked,
}
