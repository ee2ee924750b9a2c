//! DR7, the debug control register (SDM vol. 3B, 17.2.4; rules R4 to R7).

/// What an entry looks for (its R/W field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// 00: instruction execution.
    Execute,
    /// 01: data writes.
    Write,
    /// 10: I/O accesses (with CR4.DE).
    Io,
    /// 11: data reads or writes.
    ReadWrite,
}

/// A value of DR7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dr7(pub u64);

impl Dr7 {
    /// Value after reset.
    pub const RESET: Self = Self(0x400);
    /// General detect.
    pub const GD: u64 = 1 << 13;
    /// Bits that read as zero: 11 (no RTM), 12, 14, 15.
    const FIXED_ZEROES: u64 = 0xd800;

    /// What DR7 becomes when software writes `value` (rule D5). The upper half
    /// must have been checked (rule D3).
    #[must_use]
    pub const fn write(value: u64) -> Self {
        Self(value & 0xffff_ffff & !Self::FIXED_ZEROES | Self::RESET.0)
    }

    /// Whether entry `index` is enabled, locally or globally (rule R5).
    #[must_use]
    pub const fn is_enabled(self, index: usize) -> bool {
        self.0 >> (2 * index) & 3 != 0
    }

    /// The R/W field of entry `index`.
    #[must_use]
    pub const fn kind(self, index: usize) -> EntryKind {
        match self.0 >> (16 + 4 * index) & 3 {
            0 => EntryKind::Execute,
            1 => EntryKind::Write,
            2 => EntryKind::Io,
            _ => EntryKind::ReadWrite,
        }
    }

    /// Bytes that entry `index` covers, from its LEN field: 1, 2, 8 or 4 (rule R6).
    #[must_use]
    pub const fn len(self, index: usize) -> u64 {
        [1, 2, 8, 4][(self.0 >> (18 + 4 * index) & 3) as usize]
    }
}
