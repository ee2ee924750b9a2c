//! Lanes of floating-point vectors chosen within 128 bits (AVX).
//! Source: SDM vol. 2C, VPERMILPS, VPERMILPD.

use super::VectorOp;

/// VPERMILPS: bits 1 and 0 of each doubleword of the second operand choose a lane
/// of the first.
#[derive(Debug)]
pub struct PermuteSingles;
/// VPERMILPD: bit 1 of each quadword of the second operand chooses a lane of the
/// first.
#[derive(Debug)]
pub struct PermuteDoubles;
/// VPERMILPD with an immediate: its bits 0 and 1 choose lanes of the second operand.
/// The upper half takes the next two bits.
#[derive(Debug)]
pub struct ShuffleOwnDoubles;

const LOW_HALF: u128 = u64::MAX as u128;

/// The quadword of `value` with the number 0 or 1.
#[inline(always)]
fn qword(value: u128, number: u32) -> u128 {
    value >> (64 * number) & LOW_HALF
}

impl VectorOp for PermuteSingles {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let dwords: [u32; 4] = std::array::from_fn(|lane| (a >> (32 * lane)) as u32);
        (0..4).fold(0, |result, place| {
            let choice = (b >> (32 * place)) as usize & 3;
            result | u128::from(dwords[choice]) << (32 * place)
        })
    }
}

impl VectorOp for PermuteDoubles {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let choice = |place: u32| (b >> (64 * place + 1)) as u32 & 1;
        qword(a, choice(0)) | qword(a, choice(1)) << 64
    }
}

impl VectorOp for ShuffleOwnDoubles {
    #[inline(always)]
    fn apply(_a: u128, b: u128, imm: u8) -> u128 {
        qword(b, u32::from(imm & 1)) | qword(b, u32::from(imm >> 1 & 1)) << 64
    }
}
