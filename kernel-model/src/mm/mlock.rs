//! mlock and mincore: pages that stay in memory, and whether they are there.
//!
//! Nothing is ever swapped out, so a lock only fills pages and counts against
//! `RLIMIT_MEMLOCK`.
//! Source: Linux 6.18 `mm/mlock.c`, `mm/mincore.c`, `mm/msync.c`.

use perf_core::Errno;

use super::address_space::AddressSpace;
use super::fault::Need;
use super::frame::FrameAllocator;
use super::layout::{PAGE_SHIFT, PAGE_SIZE};
use super::page_table::Pte;
use super::vma::{Backing, Prot, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

/// Both flags of a lock.
const LOCKS: VmFlags = VmFlags::LOCKED.with(VmFlags::LOCKONFAULT);

/// What becomes of the locks of areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// They are taken away.
    None,
    /// The pages are filled now.
    Filled,
    /// They are filled on first use.
    OnFault,
}

impl Lock {
    /// Its flags of an area.
    #[must_use]
    pub const fn flags(self) -> VmFlags {
        match self {
            Self::None => VmFlags::NONE,
            Self::Filled => VmFlags::LOCKED,
            Self::OnFault => LOCKS,
        }
    }
}

impl AddressSpace {
    /// Bytes that are locked (`locked_vm`).
    #[must_use]
    pub fn locked_bytes(&self) -> u64 {
        self.vmas().filter(|vma| vma.flags.has(VmFlags::LOCKED)).map(Vma::len).sum()
    }

    /// Bytes that are locked between two addresses.
    #[must_use]
    pub fn locked_bytes_between(&self, start: u64, end: u64) -> u64 {
        let locked = self.vmas().filter(|vma| vma.flags.has(VmFlags::LOCKED));
        locked.map(|vma| vma.end.min(end).saturating_sub(vma.start.max(start))).sum()
    }

    /// Sets or clears the locks of `start..end`, and fills the pages.
    ///
    /// # Errors
    /// ENOMEM for a hole, after the areas before it, or for pages that cannot be filled;
    /// EAGAIN where no frame is free.
    pub fn lock_range(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
        lock: Lock,
    ) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let stop = self.find_vma(at).ok_or(Errno::ENOMEM)?.end.min(end);
            self.isolate(frames, at, stop)?;
            if let Some(vma) = self.vmas.get_mut(&at)
                && !matches!(vma.backing, Backing::PerfBuffer { .. })
            {
                vma.flags = vma.flags.without(LOCKS).with(lock.flags());
            }
            at = stop;
        }
        self.merge_range(hw, frames, start, end);
        if lock == Lock::Filled { self.fill_range(hw, frames, start, end) } else { Ok(()) }
    }

    /// Fills every page (`__mm_populate` with the errors of mlock).
    fn fill_range(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        start: u64,
        end: u64,
    ) -> Result<(), Errno> {
        for page in (start..end).step_by(PAGE_SIZE as usize) {
            let vma = self.find_vma(page).ok_or(Errno::ENOMEM)?;
            let need = match (&vma.backing, vma.prot) {
                (Backing::PerfBuffer { .. }, _) => continue,
                (_, prot) if prot == Prot::NONE => return Err(Errno::ENOMEM),
                (backing, prot) if prot.has(Prot::WRITE) && !backing.is_shared() => Need::Write,
                _ => Need::Read,
            };
            self.fill(hw, frames, page, need).map_err(|error| match error {
                super::fault::FillError::Bus => Errno::ENOMEM,
                super::fault::FillError::OutOfMemory => Errno::EAGAIN,
            })?;
        }
        Ok(())
    }

    /// Locks or unlocks all areas there are; pages that cannot be filled are left out.
    pub fn lock_all(&mut self, hw: &mut Hw, frames: &mut FrameAllocator, lock: Lock) {
        let areas: Vec<(u64, u64)> = self.vmas().map(|vma| (vma.start, vma.end)).collect();
        for (start, end) in areas {
            if let Some(vma) = self.vmas.get_mut(&start)
                && !matches!(vma.backing, Backing::PerfBuffer { .. })
            {
                vma.flags = vma.flags.without(LOCKS).with(lock.flags());
            }
            if lock == Lock::Filled {
                self.populate(hw, frames, start, end);
            }
        }
    }

    /// What new areas have from now on.
    pub fn set_lock_of_new(&mut self, lock: Lock) {
        self.def_flags = lock.flags();
    }

    /// Whether the page of an address is in memory; nothing where it is not mapped.
    #[must_use]
    pub fn is_resident(&self, hw: &Hw, addr: u64) -> Option<bool> {
        let vma = self.find_vma(addr)?;
        if !self.page_table.entry(hw, addr).is_none() {
            return Some(true);
        }
        let object = vma.backing.object();
        Some(object.is_some_and(|object| object.page(hw, vma.page_of(addr)).is_some()))
    }

    /// The rules of msync about a range.
    ///
    /// # Errors
    /// ENOMEM for a hole; EBUSY where `is_invalidating` and something is locked.
    pub fn check_sync(
        &self,
        start: u64,
        end: u64,
        is_invalidating: Invalidate,
    ) -> Result<(), Errno> {
        let mut at = start;
        let mut has_hole = false;
        while at < end {
            let Some(vma) = self.find_vma_ending_after(at).filter(|vma| vma.start < end) else {
                return Err(Errno::ENOMEM);
            };
            has_hole |= vma.start > at;
            if is_invalidating == Invalidate::Yes && vma.flags.has(VmFlags::LOCKED) {
                return Err(Errno::EBUSY);
            }
            at = vma.end;
        }
        if has_hole { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Pages that are in memory, by what they are.
    #[must_use]
    pub fn resident(&self, hw: &Hw) -> Resident {
        self.vmas().map(|vma| self.resident_of(hw, vma)).fold(Resident::default(), Resident::plus)
    }

    /// Pages of one area that are in memory.
    #[must_use]
    pub fn resident_of(&self, hw: &Hw, vma: &Vma) -> Resident {
        let mut found = Resident::default();
        for (page, pte) in self.pages_of(hw, vma) {
            let object = vma.backing.object();
            let is_objects =
                object.is_some_and(|object| object.page(hw, vma.page_of(page)) == Some(pte.pfn()));
            match &vma.backing {
                _ if !is_objects => found.anonymous += 1,
                Backing::Shared { nr_pages: u64::MAX, .. } => found.shmem += 1,
                _ => found.file += 1,
            }
        }
        found
    }

    /// The pages of an area that are in memory, with their entries.
    pub fn pages_of<'space>(
        &'space self,
        hw: &'space Hw,
        vma: &Vma,
    ) -> impl Iterator<Item = (u64, Pte)> + use<'space> {
        let (start, end) = (vma.start, vma.end);
        let first = self.page_table.next_entry(hw, start, end);
        std::iter::successors(first, move |(page, _)| {
            self.page_table.next_entry(hw, page + PAGE_SIZE, end)
        })
    }

    /// Pages of its page tables.
    #[must_use]
    pub fn nr_tables(&self, hw: &Hw) -> u64 {
        self.page_table.nr_tables(hw)
    }

    /// Pages of private memory that may be written (`data_vm`), and of the stack.
    #[must_use]
    pub fn data_and_stack_pages(&self) -> (u64, u64) {
        let pages = |is_wanted: &dyn Fn(&Vma) -> bool| {
            self.vmas().filter(|vma| is_wanted(vma)).map(|vma| vma.len() >> PAGE_SHIFT).sum()
        };
        let is_data = |vma: &Vma| vma.prot.has(Prot::WRITE) && !vma.backing.is_shared();
        let is_stack = |vma: &Vma| vma.flags.has(VmFlags::GROWSDOWN);
        (pages(&|vma| is_data(vma) && !is_stack(vma)), pages(&is_stack))
    }
}

/// Whether msync drops what others hold of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidate {
    /// It does not.
    No,
    /// It does (`MS_INVALIDATE`).
    Yes,
}

/// Pages in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Private ones.
    pub anonymous: u64,
    /// Of files.
    pub file: u64,
    /// Of shared memory without a file.
    pub shmem: u64,
}

impl Resident {
    /// All.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.anonymous + self.file + self.shmem
    }

    /// Together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            anonymous: self.anonymous + other.anonymous,
            file: self.file + other.file,
            shmem: self.shmem + other.shmem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::fixture::{machine, space};
    use crate::mm::mmap::{MapSource, MmapArgs, map};

    const AT: u64 = 0x10_0000;

    #[test]
    fn locks_fill_and_count() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        let flags = map::ANONYMOUS | map::FIXED | map::PRIVATE;
        let args = MmapArgs { addr: AT, len: 0x4000, prot: 3, flags, offset: 0 };
        mm.mmap(&mut hw, &mut frames, &args, &MapSource::Anonymous).unwrap();
        assert_eq!(mm.is_resident(&hw, AT), Some(false));
        let lock = mm.lock_range(&mut hw, &mut frames, AT + 0x1000, AT + 0x3000, Lock::Filled);
        assert_eq!((lock, mm.locked_bytes()), (Ok(()), 0x2000));
        let resident = [AT, AT + 0x1000, AT + 0x3000].map(|at| mm.is_resident(&hw, at));
        assert_eq!(resident, [Some(false), Some(true), Some(false)]);
        assert_eq!(mm.resident(&hw), Resident { anonymous: 2, ..Resident::default() });
        assert_eq!(mm.locked_bytes_between(AT, AT + 0x2000), 0x1000);
        assert_eq!(mm.check_sync(AT, AT + 0x4000, Invalidate::Yes), Err(Errno::EBUSY));
        assert_eq!(mm.check_sync(AT, AT + 0x5000, Invalidate::No), Err(Errno::ENOMEM));
        let hole = mm.lock_range(&mut hw, &mut frames, AT, AT + 0x5000, Lock::None);
        assert_eq!((hole, mm.locked_bytes(), mm.vmas().count()), (Err(Errno::ENOMEM), 0, 3));
    }
}
