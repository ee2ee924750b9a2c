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

    /// Writes a whole YMM register.
    #[inline(always)]
    pub fn set_ymm(&mut self, reg: u8, value: VectorReg) {
        self.regs[(reg & 15) as usize] = value;
    }
}
