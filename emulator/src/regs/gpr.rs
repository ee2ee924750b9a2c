//! General registers, and the four operand widths.
//!
//! A register is named by a byte: 0 to 15 as the manual numbers them, [`ZERO`]
//! for "no register" (reads as zero), and 20 to 23 for AH, CH, DH and BH.

/// Names a register that is always zero: absent base or index of an address.
pub const ZERO: u8 = 16;
/// Adding this to 0..=3 names AH, CH, DH, BH.
pub const HIGH_BYTE: u8 = 20;

/// The manual's numbers of the general registers.
pub mod reg {
    /// RAX.
    pub const RAX: u8 = 0;
    /// RCX.
    pub const RCX: u8 = 1;
    /// RDX.
    pub const RDX: u8 = 2;
    /// RBX.
    pub const RBX: u8 = 3;
    /// RSP.
    pub const RSP: u8 = 4;
    /// RBP.
    pub const RBP: u8 = 5;
    /// RSI.
    pub const RSI: u8 = 6;
    /// RDI.
    pub const RDI: u8 = 7;
    /// R8.
    pub const R8: u8 = 8;
    /// R9.
    pub const R9: u8 = 9;
    /// R10.
    pub const R10: u8 = 10;
    /// R11.
    pub const R11: u8 = 11;
}

/// RAX to R15.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpr {
    /// 16 registers, then zeroes that are never written: a word for every byte, so
    /// that an index needs no check.
    words: [u64; 256],
}

impl Default for Gpr {
    fn default() -> Self {
        Self { words: [0; 256] }
    }
}

impl Gpr {
    /// All 64 bits of a register (0 to 15, or [`ZERO`]).
    #[inline(always)]
    #[must_use]
    pub fn get(&self, reg: u8) -> u64 {
        self.words[reg as usize]
    }

    /// Sets all 64 bits of a register (0 to 15).
    #[inline(always)]
    pub fn set(&mut self, reg: u8, value: u64) {
        self.words[(reg & 15) as usize] = value;
    }

    /// The sixteen registers in the manual's order.
    #[must_use]
    pub fn all(&self) -> [u64; 16] {
        std::array::from_fn(|index| self.words[index])
    }
}

/// An operand width. Values travel zero-extended in a `u64`.
pub trait Width: Copy + 'static {
    /// Bytes of the operand.
    const BYTES: u32;
    /// Bits of the operand.
    const BITS: u32 = Self::BYTES * 8;
    /// All bits of the operand set.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);

    /// Reads a register.
    fn get(gpr: &Gpr, reg: u8) -> u64;
    /// Writes a register: 32 bits clear the upper half, 8 and 16 keep the rest.
    fn set(gpr: &mut Gpr, reg: u8, value: u64);

    /// Sign-extends a value of this width.
    #[inline(always)]
    #[must_use]
    fn sign_extend(value: u64) -> u64 {
        let shift = 64 - Self::BITS;
        ((value << shift) as i64 >> shift) as u64
    }
}

/// 8 bits.
#[derive(Clone, Copy, Debug)]
pub struct B8;
/// 16 bits.
#[derive(Clone, Copy, Debug)]
pub struct B16;
/// 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct B32;
/// 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct B64;

impl Width for B8 {
    const BYTES: u32 = 1;

    #[inline(always)]
    fn get(gpr: &Gpr, reg: u8) -> u64 {
        if reg >= HIGH_BYTE { (gpr.get(reg - HIGH_BYTE) >> 8) & 0xff } else { gpr.get(reg) & 0xff }
    }

    #[inline(always)]
    fn set(gpr: &mut Gpr, reg: u8, value: u64) {
        let (full, shift) = if reg >= HIGH_BYTE { (reg - HIGH_BYTE, 8) } else { (reg, 0) };
        let kept = gpr.get(full) & !(0xff << shift);
        gpr.set(full, kept | (value & 0xff) << shift);
    }
}

impl Width for B16 {
    const BYTES: u32 = 2;

    #[inline(always)]
    fn get(gpr: &Gpr, reg: u8) -> u64 {
        gpr.get(reg) & 0xffff
    }

    #[inline(always)]
    fn set(gpr: &mut Gpr, reg: u8, value: u64) {
        gpr.set(reg, gpr.get(reg) & !0xffff | value & 0xffff);
    }
}

impl Width for B32 {
    const BYTES: u32 = 4;

    #[inline(always)]
    fn get(gpr: &Gpr, reg: u8) -> u64 {
        gpr.get(reg) & 0xffff_ffff
    }

    #[inline(always)]
    fn set(gpr: &mut Gpr, reg: u8, value: u64) {
        gpr.set(reg, value & 0xffff_ffff);
    }
}

impl Width for B64 {
    const BYTES: u32 = 8;

    #[inline(always)]
    fn get(gpr: &Gpr, reg: u8) -> u64 {
        gpr.get(reg)
    }

    #[inline(always)]
    fn set(gpr: &mut Gpr, reg: u8, value: u64) {
        gpr.set(reg, value);
    }
}
