//! Memory management: frames, page tables, address spaces.
//!
//! Page tables are built in guest physical memory and walked by the machine's MMU.
//! Nothing here is global: every function is given the machine and the frame
//! allocator that it works on.
//!
//! Key types: [`frame::FrameAllocator`], [`page_table::PageTable`],
//! [`page_object::PageObject`] (pages that several address spaces map),
//! [`address_space::AddressSpace`] (Linux's `mm_struct`) and [`vma::Vma`].
//! The methods of `AddressSpace` are spread over the files named after Linux's:
//! [`mmap`], [`brk`], [`mprotect`], [`mremap`], [`madvise`], [`mlock`], [`fault`]
//! (`mm/memory.c`), [`oom`], [`fork`] and [`access`] (`access_process_vm`).
//! Source: Linux 6.18, `mm/` and `arch/x86/mm/`.

pub mod access;
pub mod address_space;
pub mod brk;
pub mod fault;
pub mod fork;
pub mod frame;
pub mod layout;
pub mod madvise;
pub mod mlock;
pub mod mmap;
pub mod mprotect;
pub mod mremap;
pub mod oom;
pub mod page_object;
pub mod page_table;
pub mod placement;
pub mod pte;
pub mod tlb;
pub mod vma;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod twin_tests;
