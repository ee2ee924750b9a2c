//! Products that came with SSSE3 and SSE4.1. Source: SDM vol. 2, under each name.

use super::VectorOp;

/// PMULLD: low halves of the products of doublewords.
#[derive(Debug)]
pub struct MulLowDwords;
/// PMULDQ: signed products of the even doublewords.
#[derive(Debug)]
pub struct MulEvenSigned;
/// PMULHRSW: products of words as fractions of 15 bits, rounded.
#[derive(Debug)]
pub struct MulHighRounded;
/// PMADDUBSW: saturated sums of pairs of products; the first operand is unsigned,
/// the second signed.
#[derive(Debug)]
pub struct MulAddBytes;
/// MPSADBW: sums of the absolute differences of four bytes of the second operand and
/// eight places of the first. Bit 2 of the immediate moves the first operand by four
/// bytes, bits 1 and 0 choose the doubleword of the second. The upper half of VMPSADBW
/// takes the immediate shifted right by 3.
#[derive(Debug)]
pub struct SumBlockDifferences;

/// The word of `value` at `place`.
#[inline(always)]
fn word(value: u128, place: u32) -> i32 {
    i32::from((value >> (16 * place)) as i16)
}

/// A vector of words.
#[inline(always)]
fn words(lane: impl Fn(u32) -> u16) -> u128 {
    (0..8).fold(0, |result, place| result | u128::from(lane(place)) << (16 * place))
}

impl VectorOp for MulLowDwords {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        (0..4).fold(0, |result, place| {
            let shift = 32 * place;
            let product = ((a >> shift) as u32).wrapping_mul((b >> shift) as u32);
            result | u128::from(product) << shift
        })
    }
}

impl VectorOp for MulEvenSigned {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let product = |a: u128, b: u128| (i64::from(a as i32) * i64::from(b as i32)) as u64;
        u128::from(product(a, b)) | u128::from(product(a >> 64, b >> 64)) << 64
    }
}

impl VectorOp for MulHighRounded {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        words(|place| ((((word(a, place) * word(b, place)) >> 14) + 1) >> 1) as u16)
    }
}

impl VectorOp for MulAddBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        words(|place| {
            let (a, b) = (word(a, place), word(b, place));
            let low = (a & 0xff) * i32::from(b as i8);
            let high = (a >> 8 & 0xff) * (b >> 8);
            (low + high).clamp(-0x8000, 0x7fff) as u16
        })
    }
}

impl VectorOp for SumBlockDifferences {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let a = a >> (32 * u32::from(imm >> 2 & 1));
        let block = ((b >> (32 * u32::from(imm & 3))) as u32).to_le_bytes();
        words(|place| {
            let bytes = ((a >> (8 * place)) as u32).to_le_bytes();
            bytes.iter().zip(block).map(|(a, b)| u16::from(a.abs_diff(b))).sum()
        })
    }
}
