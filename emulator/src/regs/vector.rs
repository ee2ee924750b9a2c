//! XMM/YMM registers and MXCSR (SDM vol. 1, 10.2 and 14.1).

/// MXCSR after reset: all exceptions masked, round to nearest.
pub const MXCSR_RESET: u32 = 0x1f80;

/// One vector register: the XMM half and the upper half of the YMM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorReg {
    /// Bits 127 to 0.
    pub lo: u128,
    /// Bits 255 to 128.
    pub hi: u128,
}

impl VectorReg {
    /// The register of these bytes, the lowest first.
    #[inline(always)]
    #[must_use]
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        let (halves, _) = bytes.as_chunks::<16>();
        Self { lo: u128::from_le_bytes(halves[0]), hi: u128::from_le_bytes(halves[1]) }
    }

    /// Its bytes, the lowest first.
    #[inline(always)]
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.lo.to_le_bytes());
        bytes[16..].copy_from_slice(&self.hi.to_le_bytes());
        bytes
    }
}

/// Sixteen vector registers and their control word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    regs: [VectorReg; 16],
    /// SSE control and status.
    pub mxcsr: u32,
}

impl Default for Vector {
    fn default() -> Self {
        Self { regs: [VectorReg::default(); 16], mxcsr: MXCSR_RESET }
    }
}

impl Vector {
    /// The XMM register `reg` (0 to 15).
    #[inline(always)]
    #[must_use]
    pub fn xmm(&self, reg: u8) -> u128 {
        self.regs[(reg & 15) as usize].lo
    }

    /// Writes an XMM register and keeps the upper half, as legacy SSE does.
    #[inline(always)]
    pub fn set_xmm(&mut self, reg: u8, value: u128) {
        self.regs[(reg & 15) as usize].lo = value;
    }

    /// The whole YMM register `reg` (0 to 15).
    #[inline(always)]
    #[must_use]
    pub fn ymm(&self, reg: u8) -> VectorReg {
        self.regs[(reg & 15) as usize]
    }

    /// Takes back the registers that code outside 64-bit mode cannot name.
    pub fn keep_upper_registers(&mut self, before: &Self) {
        self.regs[8..].copy_from_slice(&before.regs[8..]);
    }

    /// Writes a whole YMM register.
    #[inline(always)]
    pub fn set_ymm(&mut self, reg: u8, value: VectorReg) {
        self.regs[(reg & 15) as usize] = value;
    }
}
