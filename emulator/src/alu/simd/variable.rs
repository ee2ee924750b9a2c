//! Shifts of every lane by its own count (AVX2).
//! Source: SDM vol. 2C, VPSLLVD/VPSLLVQ, VPSRLVD/VPSRLVQ, VPSRAVD.

use std::marker::PhantomData;

use super::{Lane, VectorOp};

/// VPSLLVD, VPSLLVQ: counts of a lane's width or more give zero.
#[derive(Debug)]
pub struct LeftBy<L>(PhantomData<L>);
/// VPSRLVD, VPSRLVQ.
#[derive(Debug)]
pub struct RightLogicalBy<L>(PhantomData<L>);
/// VPSRAVD: counts of a lane's width or more give the sign.
#[derive(Debug)]
pub struct RightArithmeticBy<L>(PhantomData<L>);

/// Applies `shift` to every lane of `a` and the count in the same lane of `b`.
#[inline(always)]
fn each<L: Lane>(a: u128, b: u128, shift: impl Fn(u64, u64) -> u64) -> u128 {
    let mask = u64::MAX >> (64 - L::BITS);
    (0..128 / L::BITS).fold(0, |result, lane| {
        let at = lane * L::BITS;
        let shifted = shift((a >> at) as u64 & mask, (b >> at) as u64 & mask) & mask;
        result | u128::from(shifted) << at
    })
}

impl<L: Lane> VectorOp for LeftBy<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        each::<L>(a, b, |value, count| if count < u64::from(L::BITS) { value << count } else { 0 })
    }
}

impl<L: Lane> VectorOp for RightLogicalBy<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        each::<L>(a, b, |value, count| if count < u64::from(L::BITS) { value >> count } else { 0 })
    }
}

impl<L: Lane> VectorOp for RightArithmeticBy<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let unused = 64 - L::BITS;
        each::<L>(a, b, |value, count| {
            let signed = (value << unused) as i64 >> unused;
            (signed >> count.min(u64::from(L::BITS - 1))) as u64
        })
    }
}
