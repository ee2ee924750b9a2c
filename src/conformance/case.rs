//! A case: instructions, the state that they start from, and how they ended.

use emulator::regs::RFlags;
use iced_x86::Instruction;

use super::layout::{FS_BASE, GS_BASE, STACK_MIDDLE, image_offset};
use super::x87::X87;

/// The manual's number of RSP.
pub const RSP: usize = 4;

/// RFLAGS bits that are compared: all that user code can change.
pub const COMPARED_FLAGS: u64 =
    RFlags::STATUS | RFlags::DF | RFlags::TF | RFlags::AC | RFlags::NT | RFlags::ID;

/// The registers of user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// RAX to R15 in the manual's order.
    pub gpr: [u64; 16],
    /// RIP.
    pub rip: u64,
    /// RFLAGS.
    pub rflags: u64,
    /// Low and high half of each YMM register.
    pub vector: [[u128; 2]; 16],
    /// SSE control and status.
    pub mxcsr: u32,
    /// x87 and MMX registers.
    pub x87: X87,
    /// Selectors in ES, DS, FS and GS. Every case starts with null ones.
    pub selectors: [u16; 4],
    /// Bases of FS and GS. Every case starts with the same ones.
    pub bases: [u64; 2],
}

impl Default for Registers {
    /// All zero, RSP in the middle of the stack, all SSE exceptions masked.
    fn default() -> Self {
        let mut gpr = [0; 16];
        gpr[RSP] = STACK_MIDDLE;
        Self {
            gpr,
            rip: 0,
            rflags: RFlags::FIXED | RFlags::IF,
            vector: [[0; 2]; 16],
            mxcsr: 0x1f80,
            x87: X87::default(),
            selectors: [0; 4],
            bases: [FS_BASE, GS_BASE],
        }
    }
}

/// Bytes that a case has somewhere in data or stack, instead of the run's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Linear address of the first byte.
    pub at: u64,
    /// The bytes: at most [`Patch::MAX_BYTES`].
    pub bytes: Vec<u8>,
}

impl Patch {
    /// Most bytes of a patch.
    pub const MAX_BYTES: usize = 64;
    /// Most patches of a case.
    pub const MAX_NUMBER: usize = 32;

    /// A patch, if all of it lies in memory that cases can change.
    #[must_use]
    pub fn new(at: u64, bytes: &[u8]) -> Option<Self> {
        let last = at.checked_add(bytes.len().checked_sub(1)? as u64)?;
        let (from, to) = (image_offset(at)?, image_offset(last)?);
        let whole = to - from == bytes.len() - 1 && bytes.len() <= Self::MAX_BYTES;
        whole.then(|| Self { at, bytes: bytes.to_vec() })
    }

    /// Puts the bytes into an image.
    pub fn apply(&self, image: &mut [u8]) {
        if let Some(from) = image_offset(self.at)
            && let Some(place) = image.get_mut(from..from + self.bytes.len())
        {
            place.copy_from_slice(&self.bytes);
        }
    }
}

/// One instruction of a case.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The instruction. The target of a branch with [`Step::skip`] is filled in when
    /// the case is assembled.
    pub insn: Instruction,
    /// For direct branches: how many of the next instructions the branch leaves out.
    pub skip: Option<u8>,
}

/// An assembled case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its instructions.
    pub steps: Vec<Step>,
    /// Their bytes, to be placed at `start.rip`. INT3 follows.
    pub code: Vec<u8>,
    /// Offset of each instruction in `code`.
    pub offsets: Vec<usize>,
    /// Registers at the start.
    pub start: Registers,
    /// Memory at the start, over the run's image.
    pub patches: Vec<Patch>,
}

impl Case {
    /// Memory at the start.
    #[must_use]
    pub fn memory(&self, image: &[u8]) -> Vec<u8> {
        let mut memory = image.to_vec();
        for patch in &self.patches {
            patch.apply(&mut memory);
        }
        memory
    }

    /// The INT3 that ends the case.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.rip + self.code.len() as u64
    }
}

/// The exception that ended a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Vector: 3 for the INT3 after the case.
    pub vector: u8,
    /// Error code, 0 where the vector has none.
    pub error: u32,
    /// CR2 of a page fault, else 0.
    pub address: u64,
}

impl Fault {
    /// The same fault as the kernel tells of it: for addresses that belong to it, the
    /// error code says "present" (Linux 6.18 arch/x86/mm/fault.c,
    /// `sanitize_error_code`).
    #[must_use]
    pub fn as_told(mut self) -> Self {
        const PAGE_FAULT: u8 = 14;
        const KERNEL_HALF: u64 = 0x7fff_ffff_f000;
        if self.vector == PAGE_FAULT && self.address >= KERNEL_HALF {
            self.error |= 1;
        }
        self
    }
}

/// How a case ended, but for its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The exception.
    pub fault: Fault,
    /// Registers when it came; RIP as pushed for the handler.
    pub registers: Registers,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::layout::{DATA, IMAGE_BYTES, READ_ONLY, STACK};

    #[test]
    fn a_patch_stays_in_one_area() {
        assert!(Patch::new(READ_ONLY - 4, &[0; 4]).is_some());
        assert!(Patch::new(READ_ONLY - 4, &[0; 5]).is_none());
        assert!(Patch::new(DATA, &[]).is_none());
        assert!(Patch::new(DATA, &[0; 65]).is_none());
        assert!(Patch::new(u64::MAX, &[0; 2]).is_none());
        let mut image = vec![0; IMAGE_BYTES];
        Patch::new(STACK, &[1, 2]).unwrap().apply(&mut image);
        assert_eq!(image[0x2000..0x2003], [1, 2, 0]);
    }
}
