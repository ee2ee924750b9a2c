//! Guest memory: physical frames, page tables, translation caches and the data port.
//!
//! A linear address becomes a physical one in [`paging`]; [`tlb`] remembers the
//! result; [`access`] is the CPU's data port, where debug registers are matched.
//! Source: Intel SDM vol. 3A, chapter 4.

pub mod access;
pub mod paging;
pub mod phys;
pub(crate) mod segment;
pub mod tlb;

/// Bytes in the smallest page.
pub const PAGE_SIZE: u64 = 4096;
/// Bits of an address below the page number.
pub const PAGE_SHIFT: u32 = 12;
/// Mask of the offset within a 4 KiB page.
pub const PAGE_OFFSET_MASK: u64 = PAGE_SIZE - 1;

/// Whether `linear` is canonical for 48-bit linear addresses (SDM vol. 1, 3.3.7.1).
#[must_use]
pub const fn is_canonical(linear: u64) -> bool {
    ((linear as i64) << 16 >> 16) as u64 == linear
}
