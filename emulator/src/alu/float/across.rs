//! Sums across lanes: ADDSUBPx, HADDPx, HSUBPx, DPPx (SDM vol. 2, under each name).

use std::marker::PhantomData;

use super::arith::{Add, Mul, Sub};
use super::env::Env;
use super::format::{Double, Format, Single};
use super::lanes::{FloatOp, LaneOp, PackedOf};
use crate::alu::simd::VectorOp;
use crate::alu::simd::horizontal::{evens, odds};
use crate::alu::simd::select::mask_of_bits;
use crate::alu::simd::shuffle::ShuffleDwords;

/// ADDSUBPS, ADDSUBPD: differences at even places, sums at odd ones.
#[derive(Debug)]
pub struct AddSub<F>(PhantomData<F>);
/// HADDPS, HADDPD, HSUBPS, HSUBPD: the operation on each pair of neighbours; the
/// first operand's results are below.
#[derive(Debug)]
pub struct PairsOf<F, O>(PhantomData<(F, O)>);
/// DPPS: the sum of up to four products (bits 7 to 4 of the immediate), in the lanes
/// that bits 3 to 0 say. Both halves of VDPPS take the same immediate.
///
/// The order of the additions shows in which NaN goes on: every lane adds its own
/// product to its neighbour's, then the other half's sum to this one (measured).
#[derive(Debug)]
pub struct DotSingles;
/// DPPD: the sum of up to two products (bits 5 and 4), in the lanes of bits 1 and 0.
#[derive(Debug)]
pub struct DotDoubles;

impl<F: Format> FloatOp for AddSub<F> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        let mut even = false;
        F::zip(a, b, |a, b| {
            even = !even;
            if even { Sub::lane::<F>(env, a, b, imm) } else { Add::lane::<F>(env, a, b, imm) }
        })
    }
}

impl<F: Format, O: LaneOp> FloatOp for PairsOf<F, O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        let (left, right) = neighbours::<F>(a, b);
        F::zip(left, right, |a, b| O::lane::<F>(env, a, b, imm))
    }
}

/// The lanes at even places of two vectors, and those at odd places.
#[inline(always)]
fn neighbours<F: Format>(a: u128, b: u128) -> (u128, u128) {
    if F::BITS == 32 {
        (evens::<u32>(a, b), odds::<u32>(a, b))
    } else {
        (evens::<u64>(a, b), odds::<u64>(a, b))
    }
}

impl FloatOp for DotSingles {
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        dot_singles(env, [a], [b], imm)[0]
    }
}

/// DPPS, and both halves of VDPPS: a step is made in all of them before the next one,
/// unless an exception traps.
pub fn dot_singles<const HALVES: usize>(
    env: &mut Env,
    a: [u128; HALVES],
    b: [u128; HALVES],
    imm: u8,
) -> [u128; HALVES] {
    let wanted = mask_of_bits::<u32>(imm >> 4);
    let products: [u128; HALVES] =
        std::array::from_fn(|half| products::<Single>(env, a[half], b[half], wanted));
    if !env.ends_step() {
        return products;
    }
    let sums = products.map(|products| {
        let swapped = ShuffleDwords::apply(0, products, 0b10_11_00_01);
        PackedOf::<Single, Add>::apply(env, swapped, products, 0)
    });
    if !env.ends_step() {
        return sums;
    }
    sums.map(|sums| {
        let sum = PackedOf::<Single, Add>::apply(env, sums, sums.rotate_left(64), 0);
        sum & mask_of_bits::<u32>(imm & 15)
    })
}

impl FloatOp for DotDoubles {
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        let products = products::<Double>(env, a, b, mask_of_bits::<u64>(imm >> 4 & 3));
        if !env.ends_step() {
            return products;
        }
        let sum = PackedOf::<Double, Add>::apply(env, products, products.rotate_left(64), 0);
        sum & mask_of_bits::<u64>(imm & 3)
    }
}

/// The wanted products, zeroes elsewhere: lanes that are not wanted are zero before
/// they are multiplied.
fn products<F: Format>(env: &mut Env, a: u128, b: u128, wanted: u128) -> u128 {
    PackedOf::<F, Mul>::apply(env, a & wanted, b & wanted, 0)
}
