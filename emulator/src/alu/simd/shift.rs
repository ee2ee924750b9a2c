//! Shifts. The count is the low half of the second operand.

use std::marker::PhantomData;

use super::lane::{repeat, select, spread};
use super::{Lane, VectorOp};

/// PSLLW, PSLLD, PSLLQ: counts of a lane's width or more give zero.
#[derive(Debug)]
pub struct Left<L>(PhantomData<L>);
/// PSRLW, PSRLD, PSRLQ.
#[derive(Debug)]
pub struct RightLogical<L>(PhantomData<L>);
/// PSRAW, PSRAD: counts of a lane's width or more give the sign.
#[derive(Debug)]
pub struct RightArithmetic<L>(PhantomData<L>);
/// PSLLDQ: by bytes.
#[derive(Debug)]
pub struct LeftBytes;
/// PSRLDQ: by bytes.
#[derive(Debug)]
pub struct RightBytes;

/// All bits of the lowest lane.
const fn lane_mask<L: Lane>() -> u128 {
    u128::MAX >> (128 - L::BITS)
}

impl<L: Lane> VectorOp for Left<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let count = b as u64;
        if count >= u64::from(L::BITS) {
            return 0;
        }
        let kept = lane_mask::<L>() << count & lane_mask::<L>();
        (a << count) & repeat::<L>(kept)
    }
}

impl<L: Lane> VectorOp for RightLogical<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let count = b as u64;
        if count >= u64::from(L::BITS) {
            return 0;
        }
        (a >> count) & repeat::<L>(lane_mask::<L>() >> count)
    }
}

impl<L: Lane> VectorOp for RightArithmetic<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let count = (b as u64).min(u64::from(L::BITS - 1));
        let kept = repeat::<L>(lane_mask::<L>() >> count);
        select(kept, a >> count, spread::<L>(a))
    }
}

impl VectorOp for LeftBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        if b as u64 > 15 { 0 } else { a << (8 * (b as u32 & 15)) }
    }
}

impl VectorOp for RightBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        if b as u64 > 15 { 0 } else { a >> (8 * (b as u32 & 15)) }
    }
}
