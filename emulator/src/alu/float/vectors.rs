//! Conversions on vectors, where source and result have lanes of different kinds.

use std::marker::PhantomData;

use super::convert::{ToInt, from_int, narrow, to_int, widen};
use super::env::Env;
use super::format::{Double, Format, Single};
use super::lanes::FloatOp;

/// How a family of conversions to integer rounds.
pub trait Direction: 'static {
    /// The rounding.
    const HOW: ToInt;
}

/// As MXCSR says.
#[derive(Debug)]
pub struct Current;
/// Towards zero.
#[derive(Debug)]
pub struct Truncated;

impl Direction for Current {
    const HOW: ToInt = ToInt::Current;
}

impl Direction for Truncated {
    const HOW: ToInt = ToInt::Truncate;
}

/// CVTSS2SD: the low lane.
#[derive(Debug)]
pub struct Widen;
/// CVTSD2SS: the low lane.
#[derive(Debug)]
pub struct Narrow;
/// CVTPS2PD: of the low half.
#[derive(Debug)]
pub struct DoublesOfSingles;
/// CVTPD2PS: to the low half; the high half is zero.
#[derive(Debug)]
pub struct SinglesOfDoubles;
/// CVTDQ2PS.
#[derive(Debug)]
pub struct SinglesOfInts;
/// CVTDQ2PD: of the low half.
#[derive(Debug)]
pub struct DoublesOfInts;
/// CVTPS2DQ, CVTTPS2DQ.
#[derive(Debug)]
pub struct IntsOfSingles<D>(PhantomData<D>);
/// CVTPD2DQ, CVTTPD2DQ: to the low half; the high half is zero.
#[derive(Debug)]
pub struct IntsOfDoubles<D>(PhantomData<D>);

/// The low four bytes.
#[inline(always)]
fn low32(value: u128) -> u64 {
    u64::from(value as u32)
}

/// Two results, each of the doubleword at its place in the low half.
#[inline(always)]
fn from_low_half(value: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    let low = f(low32(value));
    u128::from(low) | u128::from(f(low32(value >> 32))) << 64
}

/// Two results of 32 bits, each of a quadword.
#[inline(always)]
fn to_low_half(value: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    let low = f(value as u64);
    u128::from(low) | u128::from(f((value >> 64) as u64)) << 32
}

impl FloatOp for Widen {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, _imm: u8) -> u128 {
        a & !u128::from(u64::MAX) | u128::from(widen(env, low32(b)))
    }
}

impl FloatOp for Narrow {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, _imm: u8) -> u128 {
        a & !u128::from(u32::MAX) | u128::from(narrow(env, b as u64))
    }
}

impl FloatOp for DoublesOfSingles {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        from_low_half(b, |lane| widen(env, lane))
    }
}

impl FloatOp for SinglesOfDoubles {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        to_low_half(b, |lane| narrow(env, lane))
    }
}

impl FloatOp for SinglesOfInts {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        Single::zip(b, b, |lane, _| from_int::<Single>(env, i64::from(lane as i32)))
    }
}

impl FloatOp for DoublesOfInts {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        from_low_half(b, |lane| from_int::<Double>(env, i64::from(lane as i32)))
    }
}

impl<D: Direction> FloatOp for IntsOfSingles<D> {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        Single::zip(b, b, |lane, _| to_int::<Single>(env, lane, 32, D::HOW))
    }
}

impl<D: Direction> FloatOp for IntsOfDoubles<D> {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        to_low_half(b, |lane| to_int::<Double>(env, lane, 32, D::HOW))
    }
}
