//! What CS and SS mean for fetches and the stack in the present mode
//! (SDM vol. 3A, 3.4.5 and 5.2.1).

use super::control::{cr0, efer};
use super::{Regs, Segment, SegmentReg};

/// Default size of operands and addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum CodeSize {
    /// 64-bit mode.
    #[default]
    Bits64 = 0,
    /// Compatibility mode or 32-bit protected mode.
    Bits32 = 1,
    /// 16-bit code in any mode.
    Bits16 = 2,
}

impl CodeSize {
    /// 16, 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits64 => 64,
            Self::Bits32 => 32,
            Self::Bits16 => 16,
        }
    }
}

/// How instructions are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeView {
    /// Default size.
    pub size: CodeSize,
    /// Added to RIP outside 64-bit mode.
    pub base: u64,
    /// Last offset that may be fetched.
    pub limit: u64,
}

impl Default for CodeView {
    fn default() -> Self {
        Self { size: CodeSize::Bits64, base: 0, limit: u64::MAX }
    }
}

impl CodeView {
    /// The view of a register file.
    #[must_use]
    pub fn of(regs: &Regs) -> Self {
        let code = &regs.seg[SegmentReg::Cs as usize];
        let long_mode = regs.control.efer & efer::LMA != 0;
        if long_mode && code.access & Segment::LONG != 0 {
            return Self::default();
        }
        let protected = regs.control.cr0 & cr0::PE != 0;
        let size = if protected && code.access & Segment::DEFAULT_BIG != 0 {
            CodeSize::Bits32
        } else {
            CodeSize::Bits16
        };
        Self { size, base: code.base, limit: u64::from(code.limit) }
    }

    /// Whether this is 64-bit mode.
    #[inline(always)]
    #[must_use]
    pub fn is_64(&self) -> bool {
        self.size == CodeSize::Bits64
    }

    /// Linear address of an instruction pointer.
    #[inline(always)]
    #[must_use]
    pub fn linear(&self, rip: u64) -> u64 {
        if self.is_64() { rip } else { self.base.wrapping_add(rip) & 0xffff_ffff }
    }

    /// An instruction pointer or linear address that sequential bytes reach.
    #[must_use]
    pub fn wrap(&self, rip: u64) -> u64 {
        if self.is_64() { rip } else { rip & 0xffff_ffff }
    }

    /// Whether blocks found under `other` may be used under this view, their tags apart.
    pub(crate) fn shares_links(&self, other: &Self) -> bool {
        let flat = |view: &Self| view.is_64() || (view.base == 0 && view.limit >= 0xffff_ffff);
        (flat(self) && flat(other)) || (self.base == other.base && self.limit == other.limit)
    }

    /// The size as bits that distinguish blocks.
    pub(crate) fn tag(&self) -> u32 {
        (self.size as u32) << 1
    }
}

/// How PUSH, POP, CALL and their like address the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackView {
    /// Bits of RSP that are the stack pointer.
    pub mask: u64,
}

impl Default for StackView {
    fn default() -> Self {
        Self { mask: u64::MAX }
    }
}

impl StackView {
    /// The view of a register file whose code is seen so.
    #[must_use]
    pub fn of(regs: &Regs, code: &CodeView) -> Self {
        if code.is_64() {
            return Self::default();
        }
        Self { mask: regs.seg[SegmentReg::Ss as usize].stack_mask() }
    }
}
