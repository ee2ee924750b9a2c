//! Narrow lanes made wider, lanes repeated, and tests of all bits.

use std::marker::PhantomData;

use super::lane::sub;
use super::pack::widen;
use super::{Lane, VectorOp};

/// PMOVZXxx: the low lanes of the second operand, zero-extended. A result of 128
/// bits takes the low 128 / To * From bits; the upper half of the 256-bit form takes
/// the bits after those.
#[derive(Debug)]
pub struct ZeroExtend<From, To>(PhantomData<(From, To)>);
/// PMOVSXxx: the same with signs.
#[derive(Debug)]
pub struct SignExtend<From, To>(PhantomData<(From, To)>);
/// MOVSLDUP: the even doublewords of the second operand, each twice.
#[derive(Debug)]
pub struct RepeatEvenSingles;
/// MOVSHDUP: the odd doublewords of the second operand, each twice.
#[derive(Debug)]
pub struct RepeatOddSingles;
/// MOVDDUP: the low half of the second operand, twice.
#[derive(Debug)]
pub struct RepeatLowDouble;

/// Bits of the source that a result of 128 bits is made of.
#[must_use]
pub const fn source_bits<From: Lane, To: Lane>() -> u32 {
    128 / To::BITS * From::BITS
}

impl<From: Lane, To: Lane> VectorOp for ZeroExtend<From, To> {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        let mut wide = b;
        if From::BITS <= 8 && To::BITS >= 16 {
            wide = widen::<u8>(wide as u64);
        }
        if From::BITS <= 16 && To::BITS >= 32 {
            wide = widen::<u16>(wide as u64);
        }
        if From::BITS <= 32 && To::BITS >= 64 {
            wide = widen::<u32>(wide as u64);
        }
        wide
    }
}

impl<From: Lane, To: Lane> VectorOp for SignExtend<From, To> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let signs = To::LOW << (From::BITS - 1);
        sub::<To>(ZeroExtend::<From, To>::apply(a, b, imm) ^ signs, signs)
    }
}

const EVEN_SINGLES: u128 = 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;

impl VectorOp for RepeatEvenSingles {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        let evens = b & EVEN_SINGLES;
        evens | evens << 32
    }
}

impl VectorOp for RepeatOddSingles {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        RepeatEvenSingles::apply(a, b >> 32, imm)
    }
}

impl VectorOp for RepeatLowDouble {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        u128::from(b as u64) | b << 64
    }
}

/// What PTEST, VTESTPS and VTESTPD say of two vectors. Vectors of 256 bits have what
/// both halves have: see [`BitTest::and`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitTest {
    /// ZF: no bit is set in both.
    pub none_common: bool,
    /// CF: no bit is set in the second alone.
    pub none_missing: bool,
}

impl BitTest {
    /// Tests the bits that `mask` has: all for PTEST, [`Lane::HIGH`] for VTESTPx.
    #[inline(always)]
    #[must_use]
    pub fn of(a: u128, b: u128, mask: u128) -> Self {
        Self { none_common: a & b & mask == 0, none_missing: !a & b & mask == 0 }
    }

    /// What holds for this half and another.
    #[inline(always)]
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            none_common: self.none_common && other.none_common,
            none_missing: self.none_missing && other.none_missing,
        }
    }
}
