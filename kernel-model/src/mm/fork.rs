//! Copying an address space at fork: private pages are shared until one side writes.
//! Source: Linux 6.18 `mm/mmap.c` (`dup_mmap`), `mm/memory.c` (`copy_page_range`).

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::layout::PAGE_SIZE;
use super::page_table::bits;
use super::tlb::TlbGather;
use super::vma::{VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// What a child does not inherit.
const LOCKS: VmFlags = VmFlags::LOCKED.with(VmFlags::LOCKONFAULT);

impl AddressSpace {
    /// The child's address space. Shared mappings stay shared and are filled on demand.
    ///
    /// # Errors
    /// ENOMEM; then the child's part has been given back.
    pub fn fork(&mut self, hw: &mut Hw, frames: &mut FrameAllocator) -> Result<Self, Errno> {
        let mut child = self.empty_like(hw, frames)?;
        child.ldt.clone_from(&self.ldt);
        let mut gather = TlbGather::default();
        let copied = self.copy_into(&mut child, hw, frames, &mut gather);
        gather.flush(hw);
        match copied {
            Ok(()) => Ok(child),
            Err(errno) => {
                child.teardown(hw, frames);
                Err(errno)
            }
        }
    }

    fn copy_into(
        &mut self,
        child: &mut Self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        gather: &mut TlbGather,
    ) -> Result<(), Errno> {
        for vma in self.vmas.values().filter(|vma| !vma.flags.has(VmFlags::DONTCOPY)) {
            child.vmas.insert(
                vma.start,
                Vma {
                    start: vma.start,
                    end: vma.end,
                    prot: vma.prot,
                    max_prot: vma.max_prot,
                    flags: vma.flags.without(LOCKS),
                    backing: vma.backing.share_from(frames, 0),
                    name: vma.name.clone(),
                },
            );
            if vma.backing.is_shared() || vma.flags.has(VmFlags::WIPEONFORK) {
                continue;
            }
            let mut from = vma.start;
            while let Some((page, pte)) = self.page_table.next_entry(hw, from, vma.end) {
                let read_only = if pte.is_present() { pte.without(bits::WRITE) } else { pte };
                child.page_table.set(hw, frames, page, read_only)?;
                frames.get(pte.pfn());
                if pte.is_writable() {
                    self.page_table.replace(hw, page, read_only);
                    gather.note(page);
                }
                from = page + PAGE_SIZE;
            }
        }
        Ok(())
    }
}
