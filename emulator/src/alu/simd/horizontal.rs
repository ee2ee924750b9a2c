//! Sums and differences of neighbouring lanes, and other operations across lanes.

use std::marker::PhantomData;

use super::integer::{AddSaturated, SubSaturated};
use super::lane::{add, equal, spread, sub};
use super::{Lane, VectorOp};

/// PHADDW, PHADDD: sums of pairs, those of the first operand below.
#[derive(Debug)]
pub struct AddPairs<L>(PhantomData<L>);
/// PHSUBW, PHSUBD: the lane at the even place less its neighbour.
#[derive(Debug)]
pub struct SubPairs<L>(PhantomData<L>);
/// PHADDSW.
#[derive(Debug)]
pub struct AddPairsSaturated;
/// PHSUBSW.
#[derive(Debug)]
pub struct SubPairsSaturated;
/// PABSx, of the second operand; the least value stays.
#[derive(Debug)]
pub struct Abs<L>(PhantomData<L>);
/// PSIGNx: the first operand with the second's sign multiplied in.
#[derive(Debug)]
pub struct Sign<L>(PhantomData<L>);
/// PHMINPOSUW: the least word of the second operand and its number.
#[derive(Debug)]
pub struct MinPosition;

/// The lanes at even places, put together in the low half.
#[inline(always)]
fn compress<L: Lane>(value: u128) -> u128 {
    let mut kept = value;
    if L::BITS <= 8 {
        kept &= 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
        kept |= kept >> 8;
    }
    if L::BITS <= 16 {
        kept &= 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
        kept |= kept >> 16;
    }
    if L::BITS <= 32 {
        kept &= 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
        kept |= kept >> 32;
    }
    kept & u128::from(u64::MAX)
}

/// The lanes at even places: those of `a` in the low half, those of `b` in the high.
#[inline(always)]
#[must_use]
pub fn evens<L: Lane>(a: u128, b: u128) -> u128 {
    compress::<L>(a) | compress::<L>(b) << 64
}

/// The lanes at odd places: those of `a` in the low half, those of `b` in the high.
#[inline(always)]
#[must_use]
pub fn odds<L: Lane>(a: u128, b: u128) -> u128 {
    evens::<L>(a >> L::BITS, b >> L::BITS)
}

impl<L: Lane> VectorOp for AddPairs<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        add::<L>(evens::<L>(a, b), odds::<L>(a, b))
    }
}

impl<L: Lane> VectorOp for SubPairs<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        sub::<L>(evens::<L>(a, b), odds::<L>(a, b))
    }
}

impl VectorOp for AddPairsSaturated {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        AddSaturated::<i16>::apply(evens::<i16>(a, b), odds::<i16>(a, b), imm)
    }
}

impl VectorOp for SubPairsSaturated {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        SubSaturated::<i16>::apply(evens::<i16>(a, b), odds::<i16>(a, b), imm)
    }
}

/// Lanes of `value`, negated where `mask` has ones.
#[inline(always)]
fn negate_where<L: Lane>(mask: u128, value: u128) -> u128 {
    sub::<L>(value ^ mask, mask)
}

impl<L: Lane> VectorOp for Abs<L> {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        negate_where::<L>(spread::<L>(b), b)
    }
}

impl<L: Lane> VectorOp for Sign<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        negate_where::<L>(spread::<L>(b), a) & !equal::<L>(b, 0)
    }
}

impl VectorOp for MinPosition {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        // Of equal words the first: the number breaks the tie.
        let least = (0..8).map(|place| (b >> (16 * place)) as u16 as u32 * 8 + place).min();
        let least = u128::from(least.unwrap_or(0));
        least >> 3 | (least & 7) << 16
    }
}
