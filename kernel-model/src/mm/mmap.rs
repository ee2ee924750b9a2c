//! mmap and munmap.
//! Source: Linux 6.18 `mm/mmap.c` (`do_mmap`), `mm/vma.c` (`do_vmi_munmap`).

use perf_core::Errno;
use perf_core::EventId;

use super::address_space::AddressSpace;
use super::frame::{FrameAllocator, Pfn};
use super::layout::{
    MAX_MAP_COUNT, PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_MAX, offset_in_page, page_align_up,
};
use super::page_object::PageObject;
use super::placement::Placement;
use super::vma::{Backing, MappedFile, Prot, VmFlags, Vma, VmaName};
use crate::arch::x86::hw::Hw;

/// Bits of mmap's `flags` (Linux `include/uapi/asm-generic/mman.h`).
pub mod map {
    /// Changes are seen by all mappings.
    pub const SHARED: u64 = 0x01;
    /// Changes are this mapping's own.
    pub const PRIVATE: u64 = 0x02;
    /// Mask of the kind of mapping.
    pub const TYPE: u64 = 0x0f;
    /// The address is an order.
    pub const FIXED: u64 = 0x10;
    /// No file.
    pub const ANONYMOUS: u64 = 0x20;
    /// As SHARED, and unknown flags are refused.
    pub const SHARED_VALIDATE: u64 = 0x03;
    /// Below 2 GiB.
    pub const LOW_32BIT: u64 = 0x40;
    /// The area grows downwards.
    pub const GROWSDOWN: u64 = 0x100;
    /// Locked in memory.
    pub const LOCKED: u64 = 0x2000;
    /// Not counted against the commit limit.
    pub const NORESERVE: u64 = 0x4000;
    /// Filled at once.
    pub const POPULATE: u64 = 0x8000;
    /// Large pages.
    pub const HUGETLB: u64 = 0x4_0000;
    /// Written through to persistent memory, of which there is none.
    pub const SYNC: u64 = 0x8_0000;
    /// The flags that old kernels know, others than TYPE (`LEGACY_MAP_MASK`).
    pub const LEGACY: u64 = 0xfc07_f970;
    /// As FIXED, but never in place of something.
    pub const FIXED_NOREPLACE: u64 = 0x10_0000;
}

/// The arguments of mmap, as the program gave them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmapArgs {
    /// Wished or ordered address.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
    /// `PROT_*` bits.
    pub prot: u64,
    /// Bits of [`map`].
    pub flags: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
}

/// What is mapped.
#[derive(Debug)]
pub enum MapSource<'a> {
    /// Zeroes: MAP_ANONYMOUS, or /dev/zero.
    Anonymous,
    /// A file's contents.
    File {
        /// The file's pages.
        object: &'a PageObject,
        /// Bytes of the file.
        nr_bytes: u64,
        /// How it is shown.
        file: &'a MappedFile,
        /// What a shared mapping may be given at most: loads and execution, where the file
        /// was not opened for writing.
        max_shared: Prot,
    },
    /// A perf event's ring buffer. The event layer has checked offset and sharing.
    PerfBuffer {
        /// The control page and the data pages.
        pages: &'a [Pfn],
        /// The event that is mapped.
        event: EventId,
    },
}

impl AddressSpace {
    /// mmap: answers the address of the new mapping.
    ///
    /// # Errors
    /// As Linux: EINVAL, ENOMEM, EEXIST, EPERM (below `mmap_min_addr`), EOVERFLOW; EOPNOTSUPP for
    /// flags that MAP_SHARED_VALIDATE does not know. EACCES for a shared mapping that may be written
    /// of a file that may not.
    pub fn mmap(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        args: &MmapArgs,
        source: &MapSource<'_>,
    ) -> Result<u64, Errno> {
        let len = check_length(args)?;
        if self.vmas.len() > MAX_MAP_COUNT {
            return Err(Errno::ENOMEM);
        }
        let addr = self.get_unmapped_area(placement_of(args), len)?;
        let end = addr + len;
        if args.flags & map::FIXED_NOREPLACE != 0 && self.find_vma_intersection(addr, end).is_some()
        {
            return Err(Errno::EEXIST);
        }
        check_kind(args, source)?;
        // The offset of anonymous memory means nothing.
        let file_end = args.offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok());
        if matches!(source, MapSource::File { .. }) && file_end.is_none() {
            return Err(Errno::EOVERFLOW);
        }
        let is_accounted = matches!(source, MapSource::Anonymous)
            && (args.prot & u64::from(Prot::WRITE.bits()) != 0 || args.flags & map::SHARED != 0);
        if is_accounted && args.flags & map::NORESERVE == 0 {
            Self::check_commit(frames, len)?;
        }
        self.isolate(frames, addr, end)?;
        let mut vma = new_vma(hw, frames, args, source, addr..end)?;
        let locks = if args.flags & map::LOCKED != 0 { VmFlags::LOCKED } else { VmFlags::NONE };
        if !matches!(source, MapSource::PerfBuffer { .. }) {
            vma.flags = vma.flags.with(self.def_flags).with(locks);
        }
        let is_filled = args.flags & (map::POPULATE | map::LOCKED) != 0
            || vma.flags.has(VmFlags::LOCKED) && !vma.flags.has(VmFlags::LOCKONFAULT);
        self.unmap_range(hw, frames, addr, end);
        self.insert(hw, frames, vma);
        if is_filled {
            self.populate(hw, frames, addr, end);
        }
        Ok(addr)
    }

    /// munmap.
    ///
    /// # Errors
    /// EINVAL for an unaligned or impossible range, or where it would split a ring buffer;
    /// ENOMEM for too many areas.
    pub fn munmap(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        addr: u64,
        len: u64,
    ) -> Result<(), Errno> {
        let is_impossible = addr > TASK_SIZE_MAX || len > TASK_SIZE_MAX - addr;
        if offset_in_page(addr) != 0 || is_impossible || len == 0 {
            return Err(Errno::EINVAL);
        }
        let end = page_align_up(addr + len).ok_or(Errno::EINVAL)?;
        self.isolate(frames, addr, end)?;
        self.unmap_range(hw, frames, addr, end);
        Ok(())
    }
}

/// The length in whole pages.
fn check_length(args: &MmapArgs) -> Result<u64, Errno> {
    if args.len == 0 || offset_in_page(args.offset) != 0 {
        return Err(Errno::EINVAL);
    }
    if args.flags & map::HUGETLB != 0 {
        // The pool of large pages is empty.
        return Err(Errno::ENOMEM);
    }
    let len = page_align_up(args.len).ok_or(Errno::ENOMEM)?;
    Ok(len)
}

fn placement_of(args: &MmapArgs) -> Placement {
    if args.flags & (map::FIXED | map::FIXED_NOREPLACE) != 0 {
        return Placement::Fixed(args.addr);
    }
    if args.flags & map::LOW_32BIT != 0 {
        return Placement::Low;
    }
    Placement::Hint(args.addr)
}

/// The rules about the kind of mapping and what is mapped.
fn check_kind(args: &MmapArgs, source: &MapSource<'_>) -> Result<(), Errno> {
    let kind = args.flags & map::TYPE;
    if args.flags & map::GROWSDOWN != 0
        && !matches!((source, kind), (MapSource::Anonymous, map::PRIVATE))
    {
        return Err(Errno::EINVAL);
    }
    match (source, kind) {
        (MapSource::Anonymous, map::SHARED | map::PRIVATE)
        | (MapSource::File { .. }, map::PRIVATE)
        | (MapSource::PerfBuffer { .. }, map::SHARED) => Ok(()),
        (MapSource::File { .. }, map::SHARED_VALIDATE)
            if args.flags & !(map::LEGACY | map::TYPE) != 0 =>
        {
            Err(Errno::EOPNOTSUPP)
        }
        (MapSource::File { max_shared, .. }, map::SHARED | map::SHARED_VALIDATE) => {
            let wanted = Prot::from_syscall(args.prot);
            if max_shared.has(wanted) { Ok(()) } else { Err(Errno::EACCES) }
        }
        _ => Err(Errno::EINVAL),
    }
}

fn new_vma(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    args: &MmapArgs,
    source: &MapSource<'_>,
    range: std::ops::Range<u64>,
) -> Result<Vma, Errno> {
    let mut vma = Vma::anonymous(range.start, range.end, Prot::from_syscall(args.prot));
    match source {
        MapSource::Anonymous if args.flags & map::TYPE == map::SHARED => {
            let object = PageObject::new(hw, frames)?;
            vma.backing = Backing::Shared { object, first_page: 0, nr_pages: u64::MAX };
            vma.name = VmaName::File(MappedFile::unnumbered("/dev/zero (deleted)"));
        }
        MapSource::Anonymous if args.flags & map::GROWSDOWN != 0 => {
            vma.flags = VmFlags::GROWSDOWN;
        }
        MapSource::Anonymous => {}
        MapSource::File { object, nr_bytes, file, max_shared } => {
            let (object, first_page) = (object.share(frames), args.offset >> PAGE_SHIFT);
            let nr_pages = nr_bytes.div_ceil(PAGE_SIZE);
            vma.backing = if args.flags & map::TYPE == map::PRIVATE {
                Backing::PrivateFile { object, first_page, nr_pages }
            } else {
                vma.max_prot = *max_shared;
                Backing::Shared { object, first_page, nr_pages }
            };
            vma.name = VmaName::File((*file).clone());
        }
        MapSource::PerfBuffer { pages, event } => {
            if vma.nr_pages() != pages.len() as u64 {
                return Err(Errno::EINVAL);
            }
            let object = PageObject::of_frames(hw, frames, pages)?;
            vma.backing = Backing::PerfBuffer { object, event: *event };
            vma.name = VmaName::File(MappedFile::unnumbered("anon_inode:[perf_event]"));
            vma.flags = VmFlags::DONTCOPY.with(VmFlags::DONTEXPAND);
        }
    }
    Ok(vma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::{machine, space};

    const RW: u64 = 3;
    const ANON: u64 = map::ANONYMOUS | map::PRIVATE;

    fn args(addr: u64, len: u64, flags: u64) -> MmapArgs {
        MmapArgs { addr, len, prot: RW, flags, offset: 0 }
    }

    #[test]
    fn errors_are_linux_errors() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let mut try_map =
            |args: &MmapArgs| mm.mmap(&mut hw, &mut frames, args, &MapSource::Anonymous);
        let at = 0x10_0000;
        for (case, want) in [
            (args(0, 0, ANON), Err(Errno::EINVAL)),
            (args(0, u64::MAX, ANON), Err(Errno::ENOMEM)),
            (args(0, 1 << 47, ANON), Err(Errno::ENOMEM)),
            (args(0, 1 << 40, ANON), Err(Errno::ENOMEM)),
            (args(0, 4096, map::ANONYMOUS), Err(Errno::EINVAL)),
            (args(0, 4096, map::ANONYMOUS | 3), Err(Errno::EINVAL)),
            (args(0, 4096, map::ANONYMOUS | map::SHARED | map::GROWSDOWN), Err(Errno::EINVAL)),
            (args(0, 4096, ANON | map::HUGETLB), Err(Errno::ENOMEM)),
            (args(at + 1, 4096, ANON | map::FIXED), Err(Errno::EINVAL)),
            (args(0, 4096, ANON | map::FIXED), Err(Errno::EPERM)),
            (args(1 << 47, 4096, ANON | map::FIXED), Err(Errno::ENOMEM)),
            (args(u64::MAX - 4095, 4096, ANON | map::FIXED), Err(Errno::ENOMEM)),
            (args(at, 8192, ANON | map::FIXED), Ok(at)),
            (args(at + 4096, 4096, ANON | map::FIXED_NOREPLACE), Err(Errno::EEXIST)),
            (args(at + 8192, 4096, ANON | map::FIXED_NOREPLACE), Ok(at + 8192)),
            (args(0, 4096, ANON | map::LOW_32BIT), Ok(0x4000_0000)),
            (MmapArgs { offset: 1, ..args(0, 4096, ANON) }, Err(Errno::EINVAL)),
            (
                MmapArgs { offset: !4095, ..args(at + 0x3000, 4096, ANON | map::FIXED) },
                Ok(at + 0x3000),
            ),
        ] {
            assert_eq!(try_map(&case), want, "{case:x?}");
        }
        assert_eq!(mm.vmas().count(), 2, "the adjacent areas merged");
    }

    #[test]
    fn placement_is_top_down_and_deterministic() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let mut place = |hint: u64, len: u64| {
            mm.mmap(&mut hw, &mut frames, &args(hint, len, ANON), &MapSource::Anonymous).unwrap()
        };
        assert_eq!(place(0, 1), 0x7fff_f7ff_e000);
        assert_eq!(place(0, 0x3000), 0x7fff_f7ff_b000);
        assert_eq!(place(0x5000_0123, 0x1000), 0x5000_0000);
        assert_eq!(place(0x5000_0123, 0x1000), 0x7fff_f7ff_a000, "the wished place is taken");
        assert_eq!(place(0x123, 0x1000), 0x7fff_f7ff_9000, "a hint in page 0 is none");
        assert_eq!(place(0x1000, 0x1000), 0x1_0000, "a low hint is raised");
    }

    #[test]
    fn munmap_errors_and_holes() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let at = 0x10_0000;
        let whole = args(at, 0x3000, ANON | map::FIXED);
        mm.mmap(&mut hw, &mut frames, &whole, &MapSource::Anonymous).unwrap();
        for (addr, len, want) in [
            (at + 1, 4096, Err(Errno::EINVAL)),
            (at, 0, Err(Errno::EINVAL)),
            (at, u64::MAX, Err(Errno::EINVAL)),
            (TASK_SIZE_MAX + 4096, 4096, Err(Errno::EINVAL)),
            (0, 4096, Ok(())),
            (at + 4096, 1, Ok(())),
        ] {
            assert_eq!(mm.munmap(&mut hw, &mut frames, addr, len), want, "{addr:#x} {len:#x}");
        }
        let areas: Vec<_> = mm.vmas().map(|vma| (vma.start, vma.end)).collect();
        assert_eq!(areas, [(at, at + 0x1000), (at + 0x2000, at + 0x3000)]);
        mm.teardown(&mut hw, &mut frames);
    }

    #[test]
    fn ring_buffers_are_whole_and_tell_of_their_end() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let pages = [frames.alloc().unwrap(), frames.alloc().unwrap()];
        let source = MapSource::PerfBuffer { pages: &pages, event: EventId(9) };
        let shared = args(0, 0x2000, map::SHARED);
        let private = args(0, 0x2000, map::PRIVATE);
        assert_eq!(mm.mmap(&mut hw, &mut frames, &private, &source), Err(Errno::EINVAL));
        let at = mm.mmap(&mut hw, &mut frames, &shared, &source).unwrap();
        assert_eq!(mm.munmap(&mut hw, &mut frames, at + 4096, 4096), Err(Errno::EINVAL));
        assert_eq!(mm.take_closed_perf_buffers(), []);
        mm.munmap(&mut hw, &mut frames, at, 0x2000).unwrap();
        assert_eq!(mm.take_closed_perf_buffers(), [EventId(9)]);
        assert_eq!(frames.users(pages[0]), 1);
    }
}
