//! Segment registers with their hidden parts (SDM vol. 3A, 3.4).

/// The manual's numbers of the segment registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SegmentReg {
    /// ES.
    Es = 0,
    /// CS.
    Cs = 1,
    /// SS.
    Ss = 2,
    /// DS.
    Ds = 3,
    /// FS.
    Fs = 4,
    /// GS.
    Gs = 5,
}

/// A segment register: selector and descriptor cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The visible selector.
    pub selector: u16,
    /// Base linear address. In 64-bit mode only those of FS and GS are used.
    pub base: u64,
    /// Last valid offset (granularity already applied). Not checked in 64-bit mode.
    pub limit: u32,
    /// Access rights: bits 40 to 55 of the descriptor (type, S, DPL, P, AVL, L, D/B, G).
    pub access: u16,
}

impl Segment {
    /// L bit of a code segment: 64-bit code.
    pub const LONG: u16 = 1 << 13;
    /// D/B bit.
    pub const DEFAULT_BIG: u16 = 1 << 14;
    /// Present.
    pub const PRESENT: u16 = 1 << 7;
    /// Bit of a TSS descriptor's type: the task is running, or waits for one that does.
    pub const BUSY_TSS: u16 = 1 << 1;
    /// Bit of a TSS descriptor's type: of 32 or 64 bits, not of 16.
    pub const WIDE_TSS: u16 = 1 << 3;

    /// The segment that a descriptor describes, given its low eight bytes.
    #[must_use]
    pub fn from_descriptor(selector: u16, descriptor: u64) -> Self {
        let access = (descriptor >> 40) as u16 & 0xf0ff;
        let raw_limit = (descriptor & 0xffff | descriptor >> 32 & 0xf_0000) as u32;
        let limit = if access & 0x8000 != 0 { raw_limit << 12 | 0xfff } else { raw_limit };
        let base = descriptor >> 16 & 0xff_ffff | descriptor >> 32 & 0xff00_0000;
        Self { selector, base, limit, access }
    }

    /// Whether this is a data segment whose limit is its lower end.
    #[must_use]
    pub fn is_expand_down(&self) -> bool {
        self.access & 0x1c == 0x14
    }

    /// The bits of a stack pointer in this segment, outside 64-bit mode.
    #[must_use]
    pub fn stack_mask(&self) -> u64 {
        if self.access & Self::DEFAULT_BIG != 0 { 0xffff_ffff } else { 0xffff }
    }

    /// Descriptor privilege level.
    #[must_use]
    pub fn dpl(&self) -> u8 {
        (self.access >> 5 & 3) as u8
    }
}
