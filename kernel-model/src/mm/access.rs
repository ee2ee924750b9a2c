//! The kernel's own access to a program's memory, past the processor: for the program
//! loader and for ptrace. Such accesses match no debug register.
//!
//! Pages are filled as a fault would. Copies on behalf of a system call do not go
//! through here but through the processor's data port.
//! Source: Linux 6.18 `mm/memory.c` (`__access_remote_vm`), `mm/gup.c` (`check_vma_flags`).

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::fault::{FillError, Need};
use super::frame::{FrameAllocator, Pfn};
use super::layout::{PAGE_SIZE, offset_in_page};
use super::page_object::PageObject;
use super::vma::{Backing, Prot, Vma};
use crate::arch::x86::hw::Hw;

/// Whose rights count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The program's.
    User,
    /// A debugger's (`FOLL_FORCE`): reads everything, and writes copies of private pages that
    /// the program may not write.
    Force,
}

/// What a page is pinned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinFor {
    /// Its bytes are read.
    Reading,
    /// Its bytes are written.
    Writing,
}

impl AddressSpace {
    /// Reads memory at `addr`.
    ///
    /// # Errors
    /// EFAULT where the memory may not be read; ENOMEM. Bytes before that have been read.
    pub fn read_bytes(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        out: &mut [u8],
        access: Access,
    ) -> Result<(), Errno> {
        let mut at = addr;
        let mut rest = out;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(bytes_in_page(at, rest.len()));
            let pfn = self.reach(hw, frames, at, Need::Read, access)?;
            hw.read_phys(pfn.physical() + offset_in_page(at), now);
            at = at.wrapping_add(now.len() as u64);
            rest = later;
        }
        Ok(())
    }

    /// Writes memory at `addr`.
    ///
    /// # Errors
    /// EFAULT where the memory may not be written; ENOMEM. Bytes before that have been written.
    pub fn write_bytes(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        bytes: &[u8],
        access: Access,
    ) -> Result<(), Errno> {
        let mut at = addr;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(bytes_in_page(at, rest.len()));
            let pfn = self.reach(hw, frames, at, Need::Write, access)?;
            hw.write_phys(pfn.physical() + offset_in_page(at), now);
            at = at.wrapping_add(now.len() as u64);
            rest = later;
        }
        Ok(())
    }

    /// Bytes at `addr` that are in memory now; stops before the first page that is not there.
    /// Changes nothing.
    #[must_use]
    pub fn peek_bytes(&self, hw: &Hw, addr: u64, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max];
        let mut done = 0;
        while done < max {
            let at = addr.wrapping_add(done as u64);
            let Some(found) = self.translate(hw, at) else { break };
            let end = done + bytes_in_page(at, max - done);
            hw.read_phys(found.physical, &mut bytes[done..end]);
            done = end;
        }
        bytes.truncate(done);
        bytes
    }

    /// Bytes at `addr` as a program would read them, pages that it has not touched included; stops
    /// before the first that is nowhere. Changes nothing, and is seen by nobody.
    #[must_use]
    pub fn view_bytes(&self, hw: &Hw, addr: u64, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max];
        let mut done = 0;
        while done < max {
            let at = addr.wrapping_add(done as u64);
            let end = done + bytes_in_page(at, max - done);
            match self.whereabouts(hw, at) {
                Whereabouts::At(physical) => hw.read_phys(physical, &mut bytes[done..end]),
                Whereabouts::Zeroes => {}
                Whereabouts::Nowhere => break,
            }
            done = end;
        }
        bytes.truncate(done);
        bytes
    }

    fn whereabouts(&self, hw: &Hw, addr: u64) -> Whereabouts {
        if let Some(found) = self.translate(hw, addr) {
            return Whereabouts::At(found.physical);
        }
        let Some(vma) = self.find_vma(addr).filter(|vma| vma.prot != Prot::NONE) else {
            return Whereabouts::Nowhere;
        };
        let page = vma.page_of(addr - offset_in_page(addr));
        let of_object = |object: &PageObject| {
            let physical = object.page(hw, page).map(|pfn| pfn.physical() + offset_in_page(addr));
            physical.map_or(Whereabouts::Zeroes, Whereabouts::At)
        };
        match &vma.backing {
            Backing::Anonymous => Whereabouts::Zeroes,
            Backing::Shared { nr_pages, .. } | Backing::PrivateFile { nr_pages, .. }
                if page >= *nr_pages =>
            {
                Whereabouts::Nowhere
            }
            Backing::Shared { object, .. }
            | Backing::PrivateFile { object, .. }
            | Backing::PerfBuffer { object, .. } => of_object(object),
        }
    }

    /// The physical address behind `addr`, whose page is then in memory and fit for what it is
    /// pinned for, by the program's rights (`get_user_pages`).
    ///
    /// # Errors
    /// As [`Self::read_bytes`] and [`Self::write_bytes`].
    pub fn pin(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        what_for: PinFor,
    ) -> Result<u64, Errno> {
        let need = match what_for {
            PinFor::Reading => Need::Read,
            PinFor::Writing => Need::Write,
        };
        let pfn = self.reach(hw, frames, addr, need, Access::User)?;
        Ok(pfn.physical() + offset_in_page(addr))
    }

    /// The frame behind an address, present and fit for the access.
    fn reach(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        need: Need,
        access: Access,
    ) -> Result<Pfn, Errno> {
        let vma = self.find_or_grow(addr).ok_or(Errno::EFAULT)?;
        if !allows(vma, need, access) {
            return Err(Errno::EFAULT);
        }
        self.fill(hw, frames, addr, need).map_err(|error| match error {
            FillError::Bus => Errno::EFAULT,
            FillError::OutOfMemory => Errno::ENOMEM,
        })
    }
}

/// What a page would show.
enum Whereabouts {
    /// The memory at this physical address.
    At(u64),
    /// Zeroes.
    Zeroes,
    /// Nothing: a fault.
    Nowhere,
}

fn allows(vma: &Vma, need: Need, access: Access) -> bool {
    match (need, access) {
        (Need::Read, Access::User) => vma.prot != Prot::NONE,
        (Need::Read, Access::Force) => vma.max_prot.has(Prot::READ),
        (Need::Write, Access::User) => vma.prot.has(Prot::WRITE),
        (Need::Write, Access::Force) => {
            vma.prot.has(Prot::WRITE) || !vma.backing.is_shared() && vma.max_prot.has(Prot::WRITE)
        }
    }
}

/// How many of `wanted` bytes at `addr` are in its page.
fn bytes_in_page(addr: u64, wanted: usize) -> usize {
    wanted.min((PAGE_SIZE - offset_in_page(addr)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};

    const AT: u64 = 0x10_0000;

    fn mapped(prot: u64, kind: u64) -> (Hw, FrameAllocator, AddressSpace) {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let flags = map::ANONYMOUS | map::FIXED | kind;
        let args = MmapArgs { addr: AT, len: 0x2000, prot, flags, offset: 0 };
        mm.mmap(&mut hw, &mut frames, &args, &MapSource::Anonymous).unwrap();
        (hw, frames, mm)
    }

    #[test]
    fn bytes_go_across_pages_and_end_at_the_mapping() {
        let (mut hw, mut frames, mut mm) = mapped(3, map::PRIVATE);
        let over = mm.write_bytes(&mut hw, &mut frames, AT + 4094, b"abcd", Access::User);
        assert_eq!(over, Ok(()));
        assert_eq!(mm.peek_bytes(&hw, AT + 4094, 4), b"abcd");
        let mut out = [9; 4];
        let read = mm.read_bytes(&mut hw, &mut frames, AT + 0x1ffe, &mut out, Access::User);
        assert_eq!((read, out), (Err(Errno::EFAULT), [0, 0, 9, 9]));
        let wrapping = mm.read_bytes(&mut hw, &mut frames, u64::MAX, &mut out, Access::Force);
        assert_eq!(wrapping, Err(Errno::EFAULT));
        assert_eq!(mm.peek_bytes(&hw, AT + 0x1ffe, 4).len(), 2);
    }

    #[test]
    fn a_view_shows_untouched_pages_and_leaves_them_so() {
        let (mut hw, mut frames, mut mm) = mapped(3, map::PRIVATE);
        mm.write_bytes(&mut hw, &mut frames, AT, b"ab", Access::User).unwrap();
        let used = frames.nr_used();
        assert_eq!(mm.view_bytes(&hw, AT, 3), b"ab\0");
        assert_eq!(mm.view_bytes(&hw, AT + 0x1ffe, 4), [0, 0]);
        assert!(mm.view_bytes(&hw, AT - 1, 4).is_empty());
        assert_eq!(frames.nr_used(), used);
        assert!(mm.peek_bytes(&hw, AT + 0x1000, 1).is_empty(), "not made present");
    }

    #[test]
    fn a_debugger_may_write_private_pages_only() {
        for (prot, kind, user, force) in [
            (1, map::PRIVATE, Err(Errno::EFAULT), Ok(())),
            (0, map::PRIVATE, Err(Errno::EFAULT), Ok(())),
            (1, map::SHARED, Err(Errno::EFAULT), Err(Errno::EFAULT)),
            (3, map::SHARED, Ok(()), Ok(())),
        ] {
            let (mut hw, mut frames, mut mm) = mapped(prot, kind);
            let mut write = |access| mm.write_bytes(&mut hw, &mut frames, AT, &[0xcc], access);
            assert_eq!((write(Access::User), write(Access::Force)), (user, force));
            if force.is_ok() {
                let mut byte = [0];
                mm.read_bytes(&mut hw, &mut frames, AT, &mut byte, Access::Force).unwrap();
                assert_eq!(byte, [0xcc]);
                let leaf = mm.translate(&hw, AT).map(|found| found.leaf.is_writable());
                assert_eq!(leaf, [None, Some(false), None, Some(true)][prot as usize]);
            }
        }
    }
}
