//! mremap.
//! Source: Linux 6.18 `mm/mremap.c`.

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::layout::{
    MAX_MAP_COUNT, PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_MAX, offset_in_page, page_align_up,
};
use super::placement::Placement;
use super::tlb::TlbGather;
use super::vma::{Backing, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// Bits of mremap's `flags`.
pub mod flag {
    /// The mapping may move.
    pub const MAYMOVE: u64 = 1;
    /// It must move to the given address.
    pub const FIXED: u64 = 2;
    /// The old range stays mapped, empty.
    pub const DONTUNMAP: u64 = 4;
}

/// The arguments of mremap, as the program gave them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MremapArgs {
    /// Start of the mapping.
    pub addr: u64,
    /// Bytes of it.
    pub old_len: u64,
    /// Bytes that it is to have.
    pub new_len: u64,
    /// Bits of [`flag`].
    pub flags: u64,
    /// Where it is to be, with [`flag::FIXED`].
    pub new_addr: u64,
}

impl AddressSpace {
    /// mremap: answers the mapping's new address.
    ///
    /// # Errors
    /// As Linux: EINVAL, EFAULT (not mapped), ENOMEM. Not supported: moving more than one area at
    /// once (EFAULT, as before Linux 6.17).
    pub fn mremap(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        args: &MremapArgs,
    ) -> Result<u64, Errno> {
        let (old_len, new_len) = check_args(args)?;
        let addr = args.addr;
        let vma = self.find_vma(addr).ok_or(Errno::EFAULT)?;
        if args.flags & flag::FIXED == 0 && new_len <= old_len && args.flags & flag::DONTUNMAP == 0
        {
            // A range that gets shorter may reach over several areas.
            if new_len < old_len {
                self.munmap(hw, frames, addr + new_len, old_len - new_len)?;
            }
            return Ok(addr);
        }
        check_area(vma, addr, old_len, new_len, args.flags)?;
        if old_len == 0 {
            return self.duplicate(hw, frames, args, new_len);
        }
        let (end, can_grow) = (vma.end, addr + old_len == vma.end);
        let must_move = args.flags & (flag::FIXED | flag::DONTUNMAP) != 0;
        if !must_move && can_grow && self.is_free(end, new_len - old_len) {
            Self::check_commit(frames, new_len - old_len)?;
            self.grow_in_place(hw, frames, addr, new_len - old_len);
            return Ok(addr);
        }
        if args.flags & flag::MAYMOVE == 0 {
            return Err(Errno::ENOMEM);
        }
        self.move_mapping(hw, frames, args, old_len.min(new_len), new_len)
    }

    fn is_free(&self, start: u64, len: u64) -> bool {
        let fits = start.checked_add(len).filter(|end| *end <= TASK_SIZE_MAX);
        fits.is_some_and(|end| {
            self.find_vma_ending_after(start).is_none_or(|vma| end <= vma.start_with_gap())
        })
    }

    fn grow_in_place(&mut self, hw: &Hw, frames: &mut FrameAllocator, addr: u64, more: u64) {
        if let Some((_, vma)) = self.vmas.range_mut(..=addr).next_back() {
            vma.end += more;
            let end = vma.end;
            self.merge_range(hw, frames, end, end);
        }
    }

    /// Moves `keep` bytes to another place, where the mapping has `new_len` bytes.
    fn move_mapping(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        args: &MremapArgs,
        keep: u64,
        new_len: u64,
    ) -> Result<u64, Errno> {
        if self.vmas.len() + 3 > MAX_MAP_COUNT {
            return Err(Errno::ENOMEM);
        }
        Self::check_commit(frames, new_len)?;
        let placement = if args.flags & flag::FIXED != 0 {
            Placement::Fixed(args.new_addr)
        } else {
            Placement::Hint(args.new_addr)
        };
        let to = self.get_unmapped_area(placement, new_len)?;
        self.isolate(frames, to, to + new_len)?;
        self.unmap_range(hw, frames, to, to + new_len);
        let old_end = args.addr + page_align_up(args.old_len).ok_or(Errno::EINVAL)?;
        if args.addr + keep < old_end {
            self.munmap(hw, frames, args.addr + keep, old_end - args.addr - keep)?;
        }
        self.isolate(frames, args.addr, args.addr + keep)?;
        self.move_area(hw, frames, args, to, new_len)?;
        Ok(to)
    }

    /// Maps the same pages of a shared mapping a second time (an old length of 0).
    fn duplicate(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        args: &MremapArgs,
        new_len: u64,
    ) -> Result<u64, Errno> {
        if args.flags & flag::MAYMOVE == 0 || self.vmas.len() + 3 > MAX_MAP_COUNT {
            return Err(Errno::ENOMEM);
        }
        let placement = if args.flags & flag::FIXED != 0 {
            Placement::Fixed(args.new_addr)
        } else {
            Placement::Hint(args.new_addr)
        };
        let to = self.get_unmapped_area(placement, new_len)?;
        self.isolate(frames, to, to + new_len)?;
        let old = self.find_vma(args.addr).ok_or(Errno::EFAULT)?;
        let skip = (args.addr - old.start) >> PAGE_SHIFT;
        let second = Vma {
            start: to,
            end: to + new_len,
            prot: old.prot,
            max_prot: old.max_prot,
            flags: old.flags,
            backing: old.backing.share_from(frames, skip),
            name: old.name.clone(),
        };
        self.unmap_range(hw, frames, to, to + new_len);
        self.insert(hw, frames, second);
        Ok(to)
    }

    /// Gives the isolated area at `args.addr` another place, and its pages with it.
    fn move_area(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        args: &MremapArgs,
        to: u64,
        new_len: u64,
    ) -> Result<(), Errno> {
        let old = self.vmas.get(&args.addr).ok_or(Errno::EFAULT)?;
        let (from, end) = (old.start, old.end);
        let moved = Vma {
            start: to,
            end: to + new_len,
            prot: old.prot,
            max_prot: old.max_prot,
            flags: old.flags,
            backing: old.backing.share_from(frames, 0),
            name: old.name.clone(),
        };
        let outcome = self.move_entries(hw, frames, from..end, to);
        if outcome.is_err() || args.flags & flag::DONTUNMAP == 0 {
            // An event's buffer is still mapped at its new place: this is no close.
            let left = self.vmas.remove(&from).map(|vma| vma.backing);
            self.note_gap(from);
            self.zap(hw, frames, from, end);
            self.page_table.free_empty_tables(hw, frames, from, end);
            if let Some(backing) = left {
                backing.release(hw, frames);
            }
        }
        self.insert(hw, frames, moved);
        outcome
    }

    /// Moves the entries of a range to `to`.
    fn move_entries(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        from: std::ops::Range<u64>,
        to: u64,
    ) -> Result<(), Errno> {
        let mut gather = TlbGather::default();
        let mut at = from.start;
        let mut outcome = Ok(());
        while let Some((page, pte)) = self.page_table.next_entry(hw, at, from.end) {
            let target = page - from.start + to;
            if let Err(errno) = self.page_table.set(hw, frames, target, pte) {
                outcome = Err(errno);
                break;
            }
            self.page_table.unmap(hw, page);
            gather.note(page);
            at = page + PAGE_SIZE;
        }
        gather.flush(hw);
        outcome
    }
}

/// The rules about the arguments alone; the lengths in whole pages.
fn check_args(args: &MremapArgs) -> Result<(u64, u64), Errno> {
    let has = |bit| args.flags & bit != 0;
    if args.flags & !(flag::MAYMOVE | flag::FIXED | flag::DONTUNMAP) != 0
        || (has(flag::FIXED) || has(flag::DONTUNMAP)) && !has(flag::MAYMOVE)
        || offset_in_page(args.addr) != 0
    {
        return Err(Errno::EINVAL);
    }
    let old_len = page_align_up(args.old_len).ok_or(Errno::EINVAL)?;
    let new_len = page_align_up(args.new_len).ok_or(Errno::EINVAL)?;
    if new_len == 0 || has(flag::DONTUNMAP) && old_len != new_len {
        return Err(Errno::EINVAL);
    }
    let old_end = args.addr.checked_add(old_len).ok_or(Errno::EINVAL)?;
    if has(flag::FIXED) || has(flag::DONTUNMAP) {
        let fits = args.new_addr.checked_add(new_len).filter(|end| *end <= TASK_SIZE_MAX);
        let new_end = fits.ok_or(Errno::EINVAL)?;
        let overlaps = args.addr < new_end && args.new_addr < old_end;
        if offset_in_page(args.new_addr) != 0 || overlaps {
            return Err(Errno::EINVAL);
        }
    }
    Ok((old_len, new_len))
}

/// The rules about the area that is to move or grow (`vma_to_resize`).
fn check_area(vma: &Vma, addr: u64, old_len: u64, new_len: u64, flags: u64) -> Result<(), Errno> {
    if old_len == 0
        && (!matches!(vma.backing, Backing::Shared { .. }) || flags & flag::DONTUNMAP != 0)
    {
        return Err(Errno::EINVAL);
    }
    if flags & flag::DONTUNMAP != 0 && vma.flags.has(VmFlags::DONTEXPAND) {
        return Err(Errno::EINVAL);
    }
    if old_len > vma.end - addr {
        return Err(Errno::EFAULT);
    }
    if new_len == old_len {
        return Ok(());
    }
    if let Backing::Shared { first_page, .. } | Backing::PrivateFile { first_page, .. } =
        &vma.backing
    {
        let page = first_page + ((addr - vma.start) >> PAGE_SHIFT);
        page.checked_add(new_len >> PAGE_SHIFT).ok_or(Errno::EINVAL)?;
    }
    if new_len > old_len && vma.flags.has(VmFlags::DONTEXPAND) {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::access::Access;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};

    const AT: u64 = 0x10_0000;
    const FAR: u64 = 0x4000_0000;

    /// Two pages at AT with "one" and "two", and a wall behind a free page.
    fn mapped(kind: u64) -> (Hw, FrameAllocator, AddressSpace) {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let flags = map::ANONYMOUS | map::FIXED | kind;
        for (addr, len) in [(AT, 0x2000), (AT + 0x3000, 0x1000)] {
            let args = MmapArgs { addr, len, prot: 3, flags, offset: 0 };
            mm.mmap(&mut hw, &mut frames, &args, &MapSource::Anonymous).unwrap();
        }
        mm.write_bytes(&mut hw, &mut frames, AT, b"one", Access::User).unwrap();
        mm.write_bytes(&mut hw, &mut frames, AT + 0x1000, b"two", Access::User).unwrap();
        (hw, frames, mm)
    }

    #[test]
    fn answers_are_linux_answers() {
        let move_up = 0x7fff_f7ff_b000;
        for (addr, old_len, new_len, flags, new_addr, want) in [
            (AT + 1, 4096, 4096, 0, 0, Err(Errno::EINVAL)),
            (AT, 4096, 0, 0, 0, Err(Errno::EINVAL)),
            (AT, 0, 4096, 1, 0, Err(Errno::EINVAL)),
            (AT, 4096, 4096, 8, 0, Err(Errno::EINVAL)),
            (AT, 4096, 4096, 2, FAR, Err(Errno::EINVAL)),
            (AT, 4096, 4096, 3, FAR + 1, Err(Errno::EINVAL)),
            (AT, 8192, 8192, 3, AT + 4096, Err(Errno::EINVAL)),
            (AT, 4096, 8192, 5, 0, Err(Errno::EINVAL)),
            (AT, 4096, 4096, 5, FAR + 1, Err(Errno::EINVAL)),
            (AT, u64::MAX, 4096, 0, 0, Err(Errno::EINVAL)),
            (AT - 4096, 4096, 8192, 1, 0, Err(Errno::EFAULT)),
            (AT, 0x3000, 0x4000, 1, 0, Err(Errno::EFAULT)),
            (AT, 0x2000, 1 << 46, 1, 0, Err(Errno::ENOMEM)),
            (AT, 0x2000, 0x3000, 0, 0, Ok(AT)),
            (AT, 0x2000, 0x4000, 0, 0, Err(Errno::ENOMEM)),
            (AT, 0x2000, 0x4000, 1, 0, Ok(move_up)),
            (AT, 0x2000, 0x1000, 0, 0, Ok(AT)),
            (AT, 0x2000, 0x1000, 3, FAR, Ok(FAR)),
            (AT, 0x1000, 0x1000, 5, 0, Ok(0x7fff_f7ff_e000)),
        ] {
            let (mut hw, mut frames, mut mm) = mapped(map::PRIVATE);
            let args = MremapArgs { addr, old_len, new_len, flags, new_addr };
            assert_eq!(mm.mremap(&mut hw, &mut frames, &args), want, "{args:x?}");
            if let Ok(at) = want {
                assert_eq!(mm.peek_bytes(&hw, at, 3), b"one", "{args:x?}");
            }
            mm.teardown(&mut hw, &mut frames);
            assert_eq!(frames.nr_used(), 1, "the template's top; {args:x?}");
        }
    }

    #[test]
    fn the_old_range_can_stay_empty() {
        let (mut hw, mut frames, mut mm) = mapped(map::PRIVATE);
        let flags = flag::MAYMOVE | flag::DONTUNMAP;
        let args = MremapArgs { addr: AT, old_len: 4096, new_len: 4096, flags, new_addr: 0 };
        mm.mremap(&mut hw, &mut frames, &args).unwrap();
        assert!(mm.is_mapped(AT, AT + 0x2000));
        let mut bytes = [9; 3];
        mm.read_bytes(&mut hw, &mut frames, AT, &mut bytes, Access::User).unwrap();
        assert_eq!(bytes, [0; 3]);
        assert_eq!(mm.peek_bytes(&hw, AT + 0x1000, 3), b"two");
    }

    #[test]
    fn shared_pages_move_with_their_object() {
        let (mut hw, mut frames, mut mm) = mapped(map::SHARED);
        let child = mm.fork(&mut hw, &mut frames).unwrap();
        let (from, flags) = (AT + 0x1000, flag::MAYMOVE | flag::FIXED);
        let args = MremapArgs { addr: from, old_len: 4096, new_len: 4096, flags, new_addr: FAR };
        mm.mremap(&mut hw, &mut frames, &args).unwrap();
        let mut child = child;
        child.write_bytes(&mut hw, &mut frames, from, b"new", Access::User).unwrap();
        assert_eq!(mm.peek_bytes(&hw, FAR, 3), b"new");
        child.teardown(&mut hw, &mut frames);
        mm.teardown(&mut hw, &mut frames);
        assert_eq!(frames.nr_used(), 1, "the template's top");
    }

    #[test]
    fn neighbours_in_the_wrong_order_stay_apart() {
        let (mut hw, mut frames, mut mm) = mapped(map::SHARED);
        for (from, to) in [(AT + 0x1000, FAR), (AT, FAR + 0x1000)] {
            let flags = flag::MAYMOVE | flag::FIXED;
            let args = MremapArgs { addr: from, old_len: 4096, new_len: 4096, flags, new_addr: to };
            mm.mremap(&mut hw, &mut frames, &args).unwrap();
        }
        mm.madvise(&mut hw, &mut frames, FAR, 0x2000, 4).unwrap();
        let mut bytes = [0; 3];
        for (at, want) in [(FAR, b"two"), (FAR + 0x1000, b"one")] {
            mm.read_bytes(&mut hw, &mut frames, at, &mut bytes, Access::User).unwrap();
            assert_eq!(&bytes, want);
        }
    }
}
