//! The heap: brk.
//! Source: Linux 6.18 `mm/mmap.c` (`SYSCALL_DEFINE1(brk)`).

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::layout::{PAGE_SIZE, TASK_SIZE_MAX, page_align_up};
use super::vma::{Prot, VmFlags, Vma};
use crate::arch::x86::hw::Hw;

impl AddressSpace {
    /// Sets the start of the heap, which is empty then. For exec.
    pub fn set_start_brk(&mut self, start: u64) {
        self.start_brk = start;
        self.brk = start;
    }

    /// Start of the heap and the program break.
    #[must_use]
    pub fn heap(&self) -> (u64, u64) {
        (self.start_brk, self.brk)
    }

    /// brk: moves the program break and answers where it is, which is where it was when the
    /// wish cannot be granted.
    pub fn brk(&mut self, hw: &mut Hw, frames: &mut FrameAllocator, wanted: u64) -> u64 {
        if wanted >= self.start_brk && wanted < TASK_SIZE_MAX {
            self.move_brk(hw, frames, wanted);
        }
        self.brk
    }

    /// Moves the break if nothing is in the way.
    fn move_brk(&mut self, hw: &mut Hw, frames: &mut FrameAllocator, wanted: u64) -> Option<()> {
        let old_end = page_align_up(self.brk)?;
        let new_end = page_align_up(wanted)?;
        if new_end < old_end {
            self.isolate(frames, new_end, old_end).ok()?;
            self.unmap_range(hw, frames, new_end, old_end);
        } else if new_end > old_end {
            let next = self.find_vma_ending_after(old_end);
            if next.is_some_and(|vma| new_end + PAGE_SIZE > vma.start_with_gap()) {
                return None;
            }
            Self::check_commit(frames, new_end - old_end).ok()?;
            let mut grown = Vma::anonymous(old_end, new_end, Prot::READ.with(Prot::WRITE));
            grown.flags = self.def_flags;
            self.insert(hw, frames, grown);
            if self.def_flags.has(VmFlags::LOCKED) && !self.def_flags.has(VmFlags::LOCKONFAULT) {
                self.populate(hw, frames, old_end, new_end);
            }
        }
        self.brk = wanted;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::access::Access;
    use crate::mm::fixture::{machine, space};

    const START: u64 = 0x60_0000;

    #[test]
    fn the_break_moves_or_stays() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        mm.set_start_brk(START);
        let wall = Vma::anonymous(START + 0x8000, START + 0x9000, Prot::READ);
        mm.insert(&hw, &mut frames, wall);
        for (wanted, want) in [
            (0, START),
            (START + 0x10, START + 0x10),
            (START + 0x7001, START + 0x10),
            (START + 0x7000, START + 0x7000),
            (START - 1, START + 0x7000),
            (u64::MAX, START + 0x7000),
            (START, START),
        ] {
            assert_eq!(mm.brk(&mut hw, &mut frames, wanted), want, "{wanted:#x}");
        }
        assert_eq!(mm.vmas().count(), 1, "an empty heap has no area");
    }

    #[test]
    fn what_comes_back_is_zero() {
        let (mut hw, mut frames) = machine(128);
        let mut mm = space(&mut hw, &mut frames);
        mm.set_start_brk(START);
        mm.brk(&mut hw, &mut frames, START + 0x2000);
        mm.write_bytes(&mut hw, &mut frames, START + 0x1000, &[7], Access::User).unwrap();
        mm.brk(&mut hw, &mut frames, START + 0x1000);
        mm.brk(&mut hw, &mut frames, START + 0x2000);
        let mut byte = [1];
        mm.read_bytes(&mut hw, &mut frames, START + 0x1000, &mut byte, Access::User).unwrap();
        assert_eq!(byte, [0]);
        mm.teardown(&mut hw, &mut frames);
    }
}
