//! PCLMULQDQ: products of polynomials over the field of two elements.

use super::VectorOp;

/// PCLMULQDQ: of a half of each operand; bit 0 of the immediate chooses the first
/// operand's, bit 4 the second's. Both halves of the 256-bit form take the same.
#[derive(Debug)]
pub struct CarrylessMul;

/// Every fifth bit.
const SPARSE: u128 = {
    let mut bits = 0;
    let mut bit = 0;
    while bit < 128 {
        bits |= 1 << bit;
        bit += 5;
    }
    bits
};

/// Distance of the bits that are multiplied at once.
const STEP: usize = 5;

/// The product of two polynomials.
///
/// An ordinary product of numbers whose bits are five apart counts, at every fifth
/// bit, how many terms meet there. At most 13 do, so that the count's parity is not
/// disturbed by the count below (the idea is Thomas Pornin's, for BearSSL's GHASH).
#[inline(always)]
#[must_use]
pub fn product(a: u64, b: u64) -> u128 {
    let part = |value: u64, class: usize| u128::from(value) & SPARSE << class;
    (0..STEP).fold(0, |result, class| {
        let sum = (0..STEP)
            .fold(0, |sum, of_a| sum ^ (part(a, of_a) * part(b, (class + STEP - of_a) % STEP)));
        result | sum & SPARSE << class
    })
}

impl VectorOp for CarrylessMul {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let half = |value: u128, bit: u8| (value >> (64 * u32::from(imm >> bit & 1))) as u64;
        product(half(a, 0), half(b, 4))
    }
}
