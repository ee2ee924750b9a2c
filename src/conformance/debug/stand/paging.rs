//! Four-level page tables of 4 KiB pages, built in the stand's memory.

use emulator::mem::paging::entry;
use emulator::mem::phys::PhysMem;
use emulator::mem::{PAGE_OFFSET_MASK, PAGE_SIZE};

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Anything at CPL 0, nothing at CPL 3.
    Supervisor,
    /// Nothing: not present. The frame is remembered.
    None,
    /// Loads at CPL 3.
    Read,
    /// Loads and stores at CPL 3.
    Write,
    /// Loads, stores and fetches at CPL 3.
    Execute,
}

impl Rights {
    fn bits(self) -> u64 {
        let user = entry::PRESENT | entry::USER;
        match self {
            Self::Supervisor => entry::PRESENT | entry::WRITE,
            Self::None => 0,
            Self::Read => user | entry::NX,
            Self::Write => user | entry::WRITE | entry::NX,
            Self::Execute => user | entry::WRITE,
        }
    }
}

/// Page tables and the frames that are not used yet.
#[derive(Debug)]
pub(crate) struct PageTables {
    root: u64,
    next: u64,
}

impl PageTables {
    /// An empty top table at `first`; frames after it are handed out in order.
    pub(crate) fn new(mem: &mut PhysMem, first: u64) -> Self {
        mem.write(first, &[0; PAGE_SIZE as usize]);
        Self { root: first, next: first + PAGE_SIZE }
    }

    /// What goes to CR3.
    pub(crate) fn root(&self) -> u64 {
        self.root
    }

    /// A frame that nothing uses.
    pub(crate) fn frame(&mut self) -> u64 {
        self.next += PAGE_SIZE;
        self.next - PAGE_SIZE
    }

    /// Maps the page of `linear`.
    pub(crate) fn map(&mut self, mem: &mut PhysMem, linear: u64, frame: u64, rights: Rights) {
        let mut table = self.root;
        for level in [3, 2, 1] {
            let at = table + index(linear, level);
            let mut value = mem.read_u64(at);
            if value == 0 {
                value = self.frame() | entry::PRESENT | entry::WRITE | entry::USER;
                mem.write_u64(at, value);
            }
            table = value & entry::ADDRESS;
        }
        mem.write_u64(table + index(linear, 0), frame | rights.bits());
    }

    /// Changes the rights of a page that was mapped before.
    pub(crate) fn protect(&mut self, mem: &mut PhysMem, linear: u64, rights: Rights) {
        let at = self.leaf(mem, linear).expect("mapped before");
        let frame = mem.read_u64(at) & entry::ADDRESS;
        mem.write_u64(at, frame | rights.bits());
    }

    /// Physical address of a byte whose page was mapped before, present or not.
    pub(crate) fn physical(&self, mem: &PhysMem, linear: u64) -> Option<u64> {
        let value = mem.read_u64(self.leaf(mem, linear)?) & entry::ADDRESS;
        (value != 0).then_some(value | linear & PAGE_OFFSET_MASK)
    }

    /// Physical address of the last entry on the way to a page.
    fn leaf(&self, mem: &PhysMem, linear: u64) -> Option<u64> {
        let mut table = self.root;
        for level in [3, 2, 1] {
            let value = mem.read_u64(table + index(linear, level));
            table = value & entry::ADDRESS;
            if value == 0 {
                return None;
            }
        }
        Some(table + index(linear, 0))
    }
}

/// Offset of a linear address's entry in a table of the given level.
fn index(linear: u64, level: u32) -> u64 {
    (linear >> (12 + 9 * level) & 0x1ff) * 8
}
