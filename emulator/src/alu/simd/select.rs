//! Lanes chosen by a mask or by the bytes of a vector.

use std::marker::PhantomData;

use super::lane::{select, spread};
use super::{Lane, VectorOp, VectorOp3};

/// PSHUFB: bytes of the first operand at the places that the second one names.
#[derive(Debug)]
pub struct ShuffleBytes;
/// PALIGNR: 16 bytes of both operands (the first above the second) from the place
/// that the immediate says. Both halves of VPALIGNR take the same immediate.
#[derive(Debug)]
pub struct AlignRight;
/// BLENDPS, BLENDPD, PBLENDW, VPBLENDD: lanes of the second operand where the
/// immediate has a one, the lowest bit for the lowest lane.
/// Of the 256-bit forms, PBLENDW's halves take the same immediate; for the others
/// the upper half takes the bits after the lower half's.
#[derive(Debug)]
pub struct Blend<L>(PhantomData<L>);
/// BLENDVPS, BLENDVPD, PBLENDVB: lanes of the second operand where the third one's
/// top bit is set.
#[derive(Debug)]
pub struct BlendByMask<L>(PhantomData<L>);
/// INSERTPS from a register: bits 7 and 6 of the immediate choose the lane of the
/// second operand, 5 and 4 its new place; 3 to 0 clear lanes.
#[derive(Debug)]
pub struct InsertSingle;
/// INSERTPS from memory: the loaded value is the lowest lane, bits 7 and 6 of the
/// immediate count for nothing.
#[derive(Debug)]
pub struct InsertLoadedSingle;

impl VectorOp for ShuffleBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let bytes = a.to_le_bytes();
        let chosen = b.to_le_bytes().map(|place| bytes[usize::from(place & 15)]);
        u128::from_le_bytes(chosen) & !spread::<i8>(b)
    }
}

impl VectorOp for AlignRight {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let shift = 8 * u32::from(imm);
        let low = b.checked_shr(shift).unwrap_or(0);
        let high = if shift <= 128 {
            a.checked_shl(128 - shift).unwrap_or(0)
        } else {
            a.checked_shr(shift - 128).unwrap_or(0)
        };
        low | high
    }
}

/// Lanes of ones where `bits` has a one, the lowest bit for the lowest lane.
#[inline(always)]
#[must_use]
pub fn mask_of_bits<L: Lane>(bits: u8) -> u128 {
    let lanes = 128 / L::BITS;
    let tops = (0..lanes.min(8)).fold(0, |tops, lane| {
        // Bit `lane` of the bits becomes the lane's top bit.
        tops | u128::from(bits >> lane & 1) << (lane * L::BITS + L::BITS - 1)
    });
    spread::<L>(tops)
}

impl<L: Lane> VectorOp for Blend<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        select(mask_of_bits::<L>(imm), b, a)
    }
}

impl<L: Lane> VectorOp3 for BlendByMask<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, c: u128) -> u128 {
        select(spread::<L>(c), b, a)
    }
}

impl VectorOp for InsertSingle {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        InsertLoadedSingle::apply(a, b >> (32 * u32::from(imm >> 6)), imm)
    }
}

impl VectorOp for InsertLoadedSingle {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let lane = u128::from(u32::MAX) << (32 * u32::from(imm >> 4 & 3));
        let value = u128::from(b as u32) * (lane & lane.wrapping_neg());
        select(lane, value, a) & !mask_of_bits::<u32>(imm & 15)
    }
}
