//! mprotect.
//! Source: Linux 6.18 `mm/mprotect.c` (`do_mprotect_pkey`).

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::layout::{PAGE_SIZE, offset_in_page, page_align_up};
use super::page_table::{Pte, bits};
use super::tlb::TlbGather;
use super::vma::{Prot, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// `PROT_SEM`: accepted, without meaning.
const PROT_SEM: u64 = 0x8;
/// `PROT_GROWSDOWN`: from the start of a stack.
const PROT_GROWSDOWN: u64 = 0x0100_0000;
/// `PROT_GROWSUP`: to the end of an area that grows up, of which x86 has none.
const PROT_GROWSUP: u64 = 0x0200_0000;
/// Everything that `prot` may hold.
const PROT_KNOWN: u64 = 0x7 | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP;

impl AddressSpace {
    /// mprotect: gives `addr..addr + len` the rights `prot` (`PROT_*` bits).
    ///
    /// # Errors
    /// EINVAL for unknown bits or an unaligned address; ENOMEM for an unmapped page, after the
    /// pages before it have been changed; EACCES for a right that the mapping cannot have.
    pub fn mprotect(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        len: u64,
        prot: u64,
    ) -> Result<(), Errno> {
        let grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
        if grows == PROT_GROWSDOWN | PROT_GROWSUP || offset_in_page(addr) != 0 {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let end = page_align_up(len)
            .and_then(|len| addr.checked_add(len))
            .filter(|end| *end > addr)
            .ok_or(Errno::ENOMEM)?;
        if prot & !PROT_KNOWN != 0 {
            return Err(Errno::EINVAL);
        }
        let start = self.protect_start(addr, end, grows)?;
        self.protect_areas(hw, frames, start, end, Prot::from_syscall(prot))
    }

    /// The first page to change: `PROT_GROWSDOWN` begins at the area's start.
    fn protect_start(&self, addr: u64, end: u64, grows: u64) -> Result<u64, Errno> {
        let vma = self.find_vma_ending_after(addr).ok_or(Errno::ENOMEM)?;
        if grows == PROT_GROWSDOWN {
            if vma.start >= end {
                return Err(Errno::ENOMEM);
            }
            if !vma.flags.has(VmFlags::GROWSDOWN) {
                return Err(Errno::EINVAL);
            }
            return Ok(vma.start);
        }
        if vma.start > addr {
            return Err(Errno::ENOMEM);
        }
        if grows == PROT_GROWSUP { Err(Errno::EINVAL) } else { Ok(addr) }
    }

    /// Changes area after area up to the first that refuses.
    fn protect_areas(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
        prot: Prot,
    ) -> Result<(), Errno> {
        let mut at = start;
        let mut gather = TlbGather::default();
        let mut outcome = Ok(());
        while at < end {
            let next = match self.find_vma(at) {
                None => Err(Errno::ENOMEM),
                Some(vma) if !vma.max_prot.has(prot) => Err(Errno::EACCES),
                Some(vma) => Ok(vma.end.min(end)),
            };
            outcome = next.and_then(|stop| {
                self.isolate(frames, at, stop)?;
                self.protect_area(hw, frames, at, prot, &mut gather);
                at = stop;
                Ok(())
            });
            if outcome.is_err() {
                break;
            }
        }
        gather.flush(hw);
        self.merge_range(hw, frames, start, at);
        outcome
    }

    /// Changes the area that starts at `start`, and its pages.
    fn protect_area(
        &mut self,
        hw: &mut Hw,
        frames: &FrameAllocator,
        start: u64,
        prot: Prot,
        gather: &mut TlbGather,
    ) {
        let Some(vma) = self.vmas.get_mut(&start).filter(|vma| vma.prot != prot) else { return };
        vma.prot = prot;
        let mut from = vma.start;
        while let Some((page, before)) = self.page_table.next_entry(hw, from, vma.end) {
            let after = reprotected(vma, before, frames);
            self.page_table.replace(hw, page, after);
            if before.is_present() && before != after {
                gather.note(page);
            }
            from = page + PAGE_SIZE;
        }
    }
}

/// A page's entry with the rights that its area has now. A private frame with other users gets
/// no right to store: the fault copies it. So does a shared one, for a ring buffer's data.
fn reprotected(vma: &Vma, before: Pte, frames: &FrameAllocator) -> Pte {
    if vma.prot == Prot::NONE {
        return Pte::inaccessible(before.pfn());
    }
    let after = Pte::present(before.pfn(), vma.pte_flags() | before.0 & bits::DIRTY);
    if before.is_writable() || !vma.backing.is_shared() && frames.users(before.pfn()) == 1 {
        after
    } else {
        after.without(bits::WRITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::access::Access;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};

    const AT: u64 = 0x10_0000;

    fn mapped() -> (Hw, FrameAllocator, AddressSpace) {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let flags = map::ANONYMOUS | map::FIXED | map::PRIVATE;
        let args = MmapArgs { addr: AT, len: 0x4000, prot: 3, flags, offset: 0 };
        mm.mmap(&mut hw, &mut frames, &args, &MapSource::Anonymous).unwrap();
        (hw, frames, mm)
    }

    #[test]
    fn errors_are_linux_errors() {
        let (mut hw, mut frames, mut mm) = mapped();
        for (addr, len, prot, want) in [
            (AT + 1, 4096, 1, Err(Errno::EINVAL)),
            (AT, 0, 0xf0, Ok(())),
            (AT, u64::MAX, 1, Err(Errno::ENOMEM)),
            (AT, 4096, 0x10, Err(Errno::EINVAL)),
            (AT, 4096, PROT_GROWSDOWN | 1, Err(Errno::EINVAL)),
            (AT, 4096, PROT_GROWSUP | 1, Err(Errno::EINVAL)),
            (AT, 4096, PROT_GROWSUP | PROT_GROWSDOWN, Err(Errno::EINVAL)),
            (AT - 4096, 8192, 1, Err(Errno::ENOMEM)),
            (AT + 0x8000, 4096, 1, Err(Errno::ENOMEM)),
            (AT, 4096, PROT_SEM | 1, Ok(())),
        ] {
            let got = mm.mprotect(&mut hw, &mut frames, addr, len, prot);
            assert_eq!(got, want, "{addr:#x} {len:#x} {prot:#x}");
        }
    }

    #[test]
    fn pages_before_a_hole_are_changed() {
        let (mut hw, mut frames, mut mm) = mapped();
        mm.munmap(&mut hw, &mut frames, AT + 0x2000, 0x1000).unwrap();
        let got = mm.mprotect(&mut hw, &mut frames, AT + 0x1000, 0x3000, 1);
        assert_eq!(got, Err(Errno::ENOMEM));
        let areas: Vec<_> = mm.vmas().map(|vma| (vma.start - AT, vma.prot.bits())).collect();
        assert_eq!(areas, [(0, 3), (0x1000, 1), (0x3000, 3)]);
    }

    #[test]
    fn contents_survive_no_access_and_areas_merge_again() {
        let (mut hw, mut frames, mut mm) = mapped();
        mm.write_bytes(&mut hw, &mut frames, AT + 0x1000, b"kept", Access::User).unwrap();
        mm.mprotect(&mut hw, &mut frames, AT + 0x1000, 0x1000, 0).unwrap();
        assert_eq!(mm.translate(&hw, AT + 0x1000), None);
        assert_eq!(mm.vmas().count(), 3);
        mm.mprotect(&mut hw, &mut frames, AT + 0x1000, 0x1000, 3).unwrap();
        assert_eq!(mm.vmas().count(), 1);
        assert_eq!(mm.peek_bytes(&hw, AT + 0x1000, 4), b"kept");
        mm.teardown(&mut hw, &mut frames);
        assert_eq!(frames.nr_used(), 1, "the template's top");
    }
}
