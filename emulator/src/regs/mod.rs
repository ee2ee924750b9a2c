//! The register file of one vCPU.
//!
//! General registers are read with widths in [`gpr`]; RFLAGS is kept lazily in
//! [`flags`]; segments, control registers and MSRs are plain values.

pub mod control;
pub mod flags;
pub mod gpr;
pub mod seg;
pub mod vector;
pub mod view;
pub mod x87;
pub mod xsave;

pub use control::{Control, Msrs};
pub use flags::{LazyFlags, RFlags};
pub use gpr::{B8, B16, B32, B64, Gpr, Width};
pub use seg::{Segment, SegmentReg};
pub use vector::Vector;
pub use view::{CodeSize, CodeView, StackView};
pub use x87::X87;

/// Everything that the instruction set calls a register, without debug registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regs {
    /// General registers.
    pub gpr: Gpr,
    /// Instruction pointer: the next instruction to start.
    pub rip: u64,
    /// Status flags, lazily.
    pub status: LazyFlags,
    /// RFLAGS without the six status flags.
    pub system_flags: u64,
    /// ES, CS, SS, DS, FS, GS, in the manual's numbering.
    pub seg: [Segment; 6],
    /// XMM/YMM registers and MXCSR.
    pub vector: Vector,
    /// x87 FPU and MMX registers.
    pub x87: X87,
    /// CR0, CR2, CR3, CR4, CR8, EFER and the descriptor table registers.
    pub control: Control,
    /// Model-specific registers that are only stored.
    pub msrs: Msrs,
}

impl Regs {
    /// The registers after reset and INIT, but for the x87, the vector registers and the
    /// MSRs (SDM vol. 3A, table 10-1): real mode at 0xFFFFFFF0.
    #[must_use]
    pub fn at_reset() -> Self {
        let mut regs = Self::default();
        for segment in &mut regs.seg {
            *segment = Segment { selector: 0, base: 0, limit: 0xffff, access: 0x93 };
        }
        let code = &mut regs.seg[SegmentReg::Cs as usize];
        *code = Segment { selector: 0xf000, base: 0xffff_0000, limit: 0xffff, access: 0x9b };
        regs.rip = 0xfff0;
        regs.control.cr0 = control::cr0::RESET;
        regs.control.gdtr.limit = 0xffff;
        regs.control.idtr.limit = 0xffff;
        regs
    }

    /// RFLAGS as PUSHF would see it, RF and VM included.
    #[must_use]
    pub fn rflags(&self) -> u64 {
        self.system_flags | self.status.image() | RFlags::FIXED
    }

    /// Sets all of RFLAGS; reserved bits are forced to their fixed values.
    pub fn set_rflags(&mut self, image: u64) {
        self.status = LazyFlags::from_image(image);
        self.system_flags = image & RFlags::SYSTEM;
    }

    /// Current privilege level: CS.RPL, and 0 in real mode.
    #[must_use]
    pub fn cpl(&self) -> u8 {
        if self.control.cr0 & control::cr0::PE == 0 {
            return 0;
        }
        (self.seg[SegmentReg::Cs as usize].selector & 3) as u8
    }
}
