//! x87 state as FXSAVE lays it out, for both sides (SDM vol. 1, 10.5.1).
//!
//! The pointers to the last instruction and operand are not part of it: processors
//! differ in when they keep them.

/// Bytes of the x87 part of an FXSAVE area.
pub const FXSAVE_BYTES: usize = 160;
/// Offset of ST(0).
const ST_AT: usize = 32;
/// Bits of a data register.
const EIGHTY_BITS: u128 = (1 << 80) - 1;

/// x87 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X87 {
    /// Control word.
    pub control: u16,
    /// Status word.
    pub status: u16,
    /// A bit for each physical register that is in use.
    pub used: u8,
    /// ST(0) to ST(7): 80 bits each, in use or not.
    pub st: [u128; 8],
}

impl Default for X87 {
    /// As FNINIT leaves it.
    fn default() -> Self {
        Self { control: 0x37f, status: 0, used: 0, st: [0; 8] }
    }
}

impl X87 {
    /// Reads an FXSAVE area.
    #[must_use]
    pub fn from_fxsave(area: &[u8; FXSAVE_BYTES]) -> Self {
        let word = |at: usize| u16::from_le_bytes([area[at], area[at + 1]]);
        let (slots, _) = area[ST_AT..].as_chunks::<16>();
        let mut st = [0; 8];
        for (register, slot) in st.iter_mut().zip(slots) {
            *register = u128::from_le_bytes(*slot) & EIGHTY_BITS;
        }
        Self { control: word(0), status: word(2), used: area[4], st }
    }

    /// Writes an FXSAVE area, but for MXCSR and its mask.
    pub fn to_fxsave(&self, area: &mut [u8; FXSAVE_BYTES]) {
        area[0..2].copy_from_slice(&self.control.to_le_bytes());
        area[2..4].copy_from_slice(&self.status.to_le_bytes());
        area[4] = self.used;
        let (slots, _) = area[ST_AT..].as_chunks_mut::<16>();
        for (slot, register) in slots.iter_mut().zip(&self.st) {
            *slot = (register & EIGHTY_BITS).to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_gives_back_what_was_written() {
        let mut area = [0; FXSAVE_BYTES];
        let st = std::array::from_fn(|i| EIGHTY_BITS - i as u128);
        let x87 = X87 { control: 0x27f, status: 0x3800, used: 0x81, st };
        x87.to_fxsave(&mut area);
        assert_eq!(X87::from_fxsave(&area), x87);
        assert_eq!(area[24..32], [0; 8]);
    }
}
