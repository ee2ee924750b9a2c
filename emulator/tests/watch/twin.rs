//! The rules of matching, byte by byte: what the fast path is compared with.

/// Bytes of a page.
pub(crate) const PAGE: u64 = 0x1000;

/// DR0 to DR3 and DR7 as the twin keeps them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Twin {
    pub(crate) dr: [u64; 4],
    pub(crate) dr7: u64,
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Store,
}

impl Twin {
    /// R/W and LEN of an entry.
    pub(crate) fn field(&self, index: usize) -> u64 {
        self.dr7 >> (16 + 4 * index) & 0xf
    }

    /// Bytes that an entry covers.
    pub(crate) fn len(&self, index: usize) -> u64 {
        [1, 2, 8, 4][(self.field(index) >> 2) as usize]
    }

    /// The first of them.
    pub(crate) fn base(&self, index: usize) -> u64 {
        let len = self.len(index);
        self.dr[index] / len * len
    }

    /// Whether L or G is set.
    pub(crate) fn is_enabled(&self, index: usize) -> bool {
        self.dr7 >> (2 * index) & 3 != 0
    }

    /// Whether an entry, enabled or not, covers a byte for an access of the kind.
    fn covers(&self, index: usize, kind: Kind, byte: u64) -> bool {
        let applies = match self.field(index) & 3 {
            0b01 => kind == Kind::Store,
            0b11 => true,
            _ => false,
        };
        applies && (0..self.len(index)).any(|offset| self.base(index) + offset == byte)
    }

    /// Rules M3, M10 and M11, byte by byte: entries that are not enabled count beside one
    /// that is.
    pub(crate) fn hits(&self, kind: Kind, linear: u64, size: u64) -> u64 {
        let (mut bits, mut any_enabled) = (0, false);
        for offset in 0..size {
            for index in 0..4 {
                if self.covers(index, kind, linear.wrapping_add(offset)) {
                    bits |= 1 << index;
                    any_enabled |= self.is_enabled(index);
                }
            }
        }
        if any_enabled { bits } else { 0 }
    }

    /// Rule M1.
    pub(crate) fn executes(&self, linear: u64) -> u64 {
        (0..4)
            .filter(|&index| {
                self.is_enabled(index) && self.field(index) == 0 && self.dr[index] == linear
            })
            .fold(0, |bits, index| bits | 1 << index)
    }

    /// Whether a byte of the page is watched for the kind.
    pub(crate) fn watches_page(&self, kind: Kind, linear: u64) -> bool {
        (0..4).any(|index| {
            (0..self.len(index)).map(|offset| self.base(index) + offset).any(|byte| {
                byte / PAGE == linear / PAGE
                    && self.is_enabled(index)
                    && self.covers(index, kind, byte)
            })
        })
    }
}
