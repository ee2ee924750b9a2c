//! madvise.
//! Source: Linux 6.18 `mm/madvise.c`.

use std::ops::Range;

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::fault::{FillError, Need};
use super::frame::{FrameAllocator, Pfn};
use super::layout::{PAGE_SIZE, offset_in_page, page_align_up};
use super::vma::{Backing, Prot, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// What an advice does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    /// Nothing: a hint about caching, large pages or dumps.
    Hint,
    /// Pages go, and come back as zeroes or as the file's.
    DontNeed,
    /// May do the same later; only for private anonymous memory. Here the pages stay.
    Free,
    /// Takes pages out of the shared object.
    Remove,
    /// Sets a property of the area.
    Set(VmFlags),
    /// Clears it.
    Clear(VmFlags),
    /// Fills pages.
    Populate(Need),
}

/// The advice numbers of Linux's `include/uapi/asm-generic/mman-common.h`. Not supported, as in a
/// kernel without them: COLLAPSE (25), HWPOISON and its like (100, 101), guard regions (102, 103).
fn behavior_of(advice: u64) -> Option<Behavior> {
    Some(match advice {
        // NORMAL RANDOM SEQUENTIAL WILLNEED; MERGEABLE UNMERGEABLE HUGEPAGE NOHUGEPAGE
        // DONTDUMP DODUMP; COLD PAGEOUT.
        0..=3 | 12..=17 | 20 | 21 => Behavior::Hint,
        4 | 24 => Behavior::DontNeed,
        8 => Behavior::Free,
        9 => Behavior::Remove,
        10 => Behavior::Set(VmFlags::DONTCOPY),
        11 => Behavior::Clear(VmFlags::DONTCOPY),
        18 => Behavior::Set(VmFlags::WIPEONFORK),
        19 => Behavior::Clear(VmFlags::WIPEONFORK),
        22 => Behavior::Populate(Need::Read),
        23 => Behavior::Populate(Need::Write),
        _ => return None,
    })
}

impl AddressSpace {
    /// madvise.
    ///
    /// # Errors
    /// EINVAL for an unknown advice, an unaligned address or an area that cannot take the advice;
    /// ENOMEM where part of the range is not mapped (the rest has been advised); EFAULT and ENOMEM
    /// when filling pages.
    pub fn madvise(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        len: u64,
        advice: u64,
    ) -> Result<(), Errno> {
        let behavior = behavior_of(advice).ok_or(Errno::EINVAL)?;
        if offset_in_page(addr) != 0 {
            return Err(Errno::EINVAL);
        }
        let end = page_align_up(len).and_then(|len| addr.checked_add(len)).ok_or(Errno::EINVAL)?;
        let mut at = addr;
        let mut has_hole = false;
        while at < end {
            let Some(vma) = self.find_vma_ending_after(at).filter(|vma| vma.start < end) else {
                has_hole = true;
                break;
            };
            if vma.start > at {
                if matches!(behavior, Behavior::Populate(_)) {
                    return Err(Errno::ENOMEM);
                }
                has_hole = true;
                at = vma.start;
            }
            let stop = vma.end.min(end);
            self.advise_area(hw, frames, at, stop, behavior)?;
            at = stop;
        }
        self.merge_range(hw, frames, addr, at);
        if has_hole { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Applies an advice to a part of one area.
    fn advise_area(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
        behavior: Behavior,
    ) -> Result<(), Errno> {
        let vma = self.find_vma(start).ok_or(Errno::ENOMEM)?;
        let is_private_anonymous = vma.backing == Backing::Anonymous;
        match behavior {
            Behavior::Hint => Ok(()),
            Behavior::DontNeed => {
                self.zap(hw, frames, start, end);
                Ok(())
            }
            Behavior::Free if is_private_anonymous => Ok(()),
            Behavior::Set(VmFlags::WIPEONFORK) if !is_private_anonymous => Err(Errno::EINVAL),
            Behavior::Clear(VmFlags::DONTCOPY)
                if matches!(vma.backing, Backing::PerfBuffer { .. }) =>
            {
                Err(Errno::EINVAL)
            }
            Behavior::Free => Err(Errno::EINVAL),
            Behavior::Remove => self.remove_shared(hw, frames, start, end),
            Behavior::Set(flag) => self.change_flags(frames, start, end, |old| old.with(flag)),
            Behavior::Clear(flag) => self.change_flags(frames, start, end, |old| old.without(flag)),
            Behavior::Populate(need) => self.populate_or_fail(hw, frames, start, end, need),
        }
    }

    fn change_flags(
        &mut self,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
        change: impl Fn(VmFlags) -> VmFlags,
    ) -> Result<(), Errno> {
        self.isolate(frames, start, end)?;
        if let Some(vma) = self.vmas.get_mut(&start) {
            vma.flags = change(vma.flags);
        }
        Ok(())
    }

    /// `MADV_REMOVE`: the object forgets the pages. The caller has taken them from the other
    /// address spaces.
    fn remove_shared(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) -> Result<(), Errno> {
        let Some((_, vma)) = self.vmas.range_mut(..=start).next_back() else { return Ok(()) };
        let (first, last) = (vma.page_of(start), vma.page_of(end - PAGE_SIZE));
        let is_writable = vma.prot.has(Prot::WRITE);
        match &mut vma.backing {
            Backing::Anonymous | Backing::PerfBuffer { .. } => return Err(Errno::EINVAL),
            Backing::Shared { object, .. } if is_writable => {
                for page in object.pages_between(hw, first, last + 1) {
                    object.remove(hw, frames, page);
                }
            }
            Backing::Shared { .. } | Backing::PrivateFile { .. } => return Err(Errno::EACCES),
        }
        self.zap(hw, frames, start, end);
        Ok(())
    }

    /// The pages of shared objects that may be written between two addresses.
    #[must_use]
    pub fn shared_pages(&self, start: u64, end: u64) -> Vec<(Pfn, Range<u64>)> {
        let inside = self.vmas().filter(|vma| vma.start < end && start < vma.end);
        let pages = |vma: &Vma| match &vma.backing {
            Backing::Shared { object, .. } if vma.prot.has(Prot::WRITE) => {
                let first = vma.page_of(vma.start.max(start));
                let last = vma.page_of(vma.end.min(end) - PAGE_SIZE);
                Some((object.id(), first..last + 1))
            }
            _ => None,
        };
        inside.filter_map(pages).collect()
    }

    /// `MADV_POPULATE_READ` and `_WRITE`.
    fn populate_or_fail(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
        need: Need,
    ) -> Result<(), Errno> {
        let allows = |vma: &Vma| match need {
            Need::Read => vma.prot.has(Prot::READ),
            Need::Write => vma.prot.has(Prot::WRITE),
        };
        if !self.find_vma(start).is_some_and(allows) {
            return Err(Errno::EINVAL);
        }
        for page in (start..end).step_by(PAGE_SIZE as usize) {
            self.fill(hw, frames, page, need).map_err(|error| match error {
                FillError::Bus => Errno::EFAULT,
                FillError::OutOfMemory => Errno::ENOMEM,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::access::Access;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};

    const AT: u64 = 0x10_0000;
    const DONTNEED: u64 = 4;
    const REMOVE: u64 = 9;

    fn mapped(kind: u64) -> (Hw, FrameAllocator, AddressSpace) {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let flags = map::ANONYMOUS | map::FIXED | kind;
        let args = MmapArgs { addr: AT, len: 0x2000, prot: 3, flags, offset: 0 };
        mm.mmap(&mut hw, &mut frames, &args, &MapSource::Anonymous).unwrap();
        mm.write_bytes(&mut hw, &mut frames, AT, b"one", Access::User).unwrap();
        (hw, frames, mm)
    }

    #[test]
    fn answers_are_linux_answers() {
        let (mut hw, mut frames, mut mm) = mapped(map::PRIVATE);
        for (addr, len, advice, want) in [
            (AT + 1, 4096, 0, Err(Errno::EINVAL)),
            (AT, u64::MAX, 0, Err(Errno::EINVAL)),
            (AT, 4096, 5, Err(Errno::EINVAL)),
            (AT, 4096, 102, Err(Errno::EINVAL)),
            (AT, 0, DONTNEED, Ok(())),
            (AT + 0x1000, 0x2000, DONTNEED, Err(Errno::ENOMEM)),
            (AT - 0x1000, 0x1000, 14, Err(Errno::ENOMEM)),
            (AT, 0x2000, 14, Ok(())),
            (AT, 0x2000, 23, Ok(())),
            (AT, 0x3000, 22, Err(Errno::ENOMEM)),
            (AT, 0x1000, REMOVE, Err(Errno::EINVAL)),
        ] {
            let got = mm.madvise(&mut hw, &mut frames, addr, len, advice);
            assert_eq!(got, want, "{addr:#x} {len:#x} {advice}");
        }
    }

    #[test]
    fn private_pages_come_back_as_zeroes_and_shared_ones_as_they_were() {
        for (kind, want) in [(map::PRIVATE, b"\0\0\0"), (map::SHARED, b"one")] {
            let (mut hw, mut frames, mut mm) = mapped(kind);
            mm.madvise(&mut hw, &mut frames, AT, 0x2000, DONTNEED).unwrap();
            let mut bytes = [9; 3];
            mm.read_bytes(&mut hw, &mut frames, AT, &mut bytes, Access::User).unwrap();
            assert_eq!(&bytes, want);
            let removed = mm.madvise(&mut hw, &mut frames, AT, 0x1000, REMOVE);
            if kind == map::SHARED {
                assert_eq!(removed, Ok(()));
                mm.read_bytes(&mut hw, &mut frames, AT, &mut bytes, Access::User).unwrap();
                assert_eq!(bytes, [0; 3]);
            }
        }
    }

    #[test]
    fn fork_follows_advice() {
        for (advice, want) in [(10, None), (18, Some(*b"\0\0\0")), (11, Some(*b"one"))] {
            let (mut hw, mut frames, mut mm) = mapped(map::PRIVATE);
            mm.madvise(&mut hw, &mut frames, AT, 0x1000, advice).unwrap();
            let mut child = mm.fork(&mut hw, &mut frames).unwrap();
            let mut bytes = [9; 3];
            let read = child.read_bytes(&mut hw, &mut frames, AT, &mut bytes, Access::User);
            assert_eq!(read.ok().map(|()| bytes), want, "advice {advice}");
            child.teardown(&mut hw, &mut frames);
            mm.teardown(&mut hw, &mut frames);
            assert_eq!(frames.nr_used(), 1, "the template's top");
        }
    }
}
