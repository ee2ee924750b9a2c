//! Products and sums across lanes.

use std::marker::PhantomData;

use super::VectorOp;
use super::lane::{greater, select, sub};

/// PMULLW: low halves of the products.
#[derive(Debug)]
pub struct MulLow;
/// PMULHW, PMULHUW: high halves of the products, by the signedness of the lane.
#[derive(Debug)]
pub struct MulHigh<L>(PhantomData<L>);
/// PMULUDQ: products of the even doublewords.
#[derive(Debug)]
pub struct MulEven;
/// PMADDWD: sums of pairs of products.
#[derive(Debug)]
pub struct MulAddPairs;
/// PSADBW: sums of absolute differences, of each half.
#[derive(Debug)]
pub struct SumAbsDifferences;

/// The lane of `$int` at `index`.
macro_rules! lane {
    ($int:ident, $value:expr, $index:expr) => {
        ($value >> ($int::BITS * $index)) as $int
    };
}

/// Applies `product` to every pair of words.
#[inline(always)]
fn words(a: u128, b: u128, product: impl Fn(u16, u16) -> u16) -> u128 {
    (0..8).fold(0, |result, index| {
        let word = product(lane!(u16, a, index), lane!(u16, b, index));
        result | u128::from(word) << (16 * index)
    })
}

impl VectorOp for MulLow {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        words(a, b, u16::wrapping_mul)
    }
}

impl VectorOp for MulHigh<i16> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        words(a, b, |a, b| ((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u16)
    }
}

impl VectorOp for MulHigh<u16> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        words(a, b, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16)
    }
}

impl VectorOp for MulEven {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let low = u64::from(a as u32) * u64::from(b as u32);
        let high = u64::from(lane!(u32, a, 2)) * u64::from(lane!(u32, b, 2));
        u128::from(low) | u128::from(high) << 64
    }
}

impl VectorOp for MulAddPairs {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        (0..4).fold(0, |result, index| {
            let (a, b) = (lane!(i32, a, index), lane!(i32, b, index));
            let low = i32::from(a as i16) * i32::from(b as i16);
            let high = (a >> 16) * (b >> 16);
            // Overflows only for four times -32768, where hardware wraps too.
            let sum = low.wrapping_add(high) as u32;
            result | u128::from(sum) << (32 * index)
        })
    }
}

impl VectorOp for SumAbsDifferences {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let a_greater = greater::<u8>(a, b);
        let differences = sub::<u8>(select(a_greater, a, b), select(a_greater, b, a));
        let total = |half: u64| {
            const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
            let pairs = (half & EVEN) + (half >> 8 & EVEN);
            pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48
        };
        u128::from(total(differences as u64)) | u128::from(total((differences >> 64) as u64)) << 64
    }
}
