//! What tests of memory start from.

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::layout::PAGE_SIZE;
use super::page_table::PageTable;
use crate::arch::x86::hw::Hw;

/// A machine with `nr_frames` frames of RAM, of which the first two are the kernel's.
pub(crate) fn machine(nr_frames: u64) -> (Hw, FrameAllocator) {
    let hw = Hw::new(1, nr_frames * PAGE_SIZE, Default::default(), Default::default());
    (hw, FrameAllocator::new(2, nr_frames))
}

/// An empty address space; its kernel template keeps one frame.
pub(crate) fn space(hw: &mut Hw, frames: &mut FrameAllocator) -> AddressSpace {
    let kernel = PageTable::new(hw, frames).unwrap();
    AddressSpace::new(hw, frames, &kernel).unwrap()
}
