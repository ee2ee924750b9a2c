//! A page's entry in a page table.
//! Source: Intel SDM vol. 3A, table 4-20; Linux 6.18 `arch/x86/include/asm/pgtable_types.h`.

use super::frame::Pfn;

/// Bits of a paging-structure entry.
pub mod bits {
    /// Present.
    pub const PRESENT: u64 = 1 << 0;
    /// Writable.
    pub const WRITE: u64 = 1 << 1;
    /// Accessible at CPL 3.
    pub const USER: u64 = 1 << 2;
    /// Accessed.
    pub const ACCESSED: u64 = 1 << 5;
    /// Dirty.
    pub const DIRTY: u64 = 1 << 6;
    /// The entry maps a large page.
    pub const LARGE: u64 = 1 << 7;
    /// Global; in an entry that is not present: a frame is kept behind PROT_NONE
    /// (Linux's `_PAGE_PROTNONE`).
    pub const GLOBAL: u64 = 1 << 8;
    /// No execute.
    pub const NX: u64 = 1 << 63;
    /// Physical address of a table or frame.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// A leaf entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pte(pub u64);

impl Pte {
    /// No page.
    pub const NONE: Self = Self(0);

    /// A present page with the bits `flags` (of [`bits`], PRESENT implied).
    #[must_use]
    pub const fn present(pfn: Pfn, flags: u64) -> Self {
        Self(pfn.physical() & bits::ADDRESS | flags & !bits::ADDRESS | bits::PRESENT)
    }

    /// A frame that is kept but cannot be accessed (PROT_NONE).
    #[must_use]
    pub const fn inaccessible(pfn: Pfn) -> Self {
        Self(pfn.physical() & bits::ADDRESS | bits::GLOBAL)
    }

    /// Whether the MMU finds a page.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0 & bits::PRESENT != 0
    }

    /// Whether there is no frame, accessible or not.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 & (bits::PRESENT | bits::GLOBAL) == 0
    }

    /// Whether stores are allowed.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & (bits::PRESENT | bits::WRITE) == bits::PRESENT | bits::WRITE
    }

    /// The frame.
    #[must_use]
    pub const fn pfn(self) -> Pfn {
        Pfn::of(self.0 & bits::ADDRESS)
    }

    /// The same with the bits `clear` taken out.
    #[must_use]
    pub const fn without(self, clear: u64) -> Self {
        Self(self.0 & !clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inaccessible_entry_keeps_its_frame() {
        let pte = Pte::inaccessible(Pfn(7));
        assert!(!pte.is_present() && !pte.is_none() && !pte.is_writable());
        assert_eq!(pte.pfn(), Pfn(7));
    }
}
