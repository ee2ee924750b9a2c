//! RCPPS and RSQRTPS: approximations of 12 bits that raise no exceptions.
//!
//! The manual allows any relative error up to 1.5 * 2^-12. Intel's processors look
//! the result up by the leading bits of the operand: for each of 2048 (reciprocal)
//! or 2 * 1024 (root) intervals the result is that of the interval's midpoint,
//! rounded to 12 fraction bits. Measured on an Ice Lake Xeon for every
//! significand; the formulas here give all its values.

use super::env::Env;
use super::format::{Format, Layout, Single};
use super::lanes::LaneOp;
use super::unpack::signed;

/// RCPPS, RCPSS: of the second operand. Only for [`Single`].
#[derive(Debug)]
pub struct Reciprocal;
/// RSQRTPS, RSQRTSS: of the second operand. Only for [`Single`].
#[derive(Debug)]
pub struct ReciprocalRoot;

/// Places of the 12 result bits in the fraction.
const RESULT_SHIFT: u32 = 11;

impl LaneOp for Reciprocal {
    fn lane<F: Format>(_env: &mut Env, _a: u64, b: u64, _imm: u8) -> u64 {
        reciprocal(b)
    }
}

impl LaneOp for ReciprocalRoot {
    fn lane<F: Format>(_env: &mut Env, _a: u64, b: u64, _imm: u8) -> u64 {
        reciprocal_root(b)
    }
}

/// RCPSS of a binary32 value. Denormals count as zeroes; tiny results are zero.
#[must_use]
pub fn reciprocal(bits: u64) -> u64 {
    let negative = bits & Single::SIGN != 0;
    let field = Single::exponent_field(bits);
    if Single::is_nan(bits) {
        return bits | Single::QUIET;
    }
    if field == 0 {
        return signed::<Single>(negative, Single::INFINITY);
    }
    // The result lies below the reciprocal of the operand's binade.
    let Some(result_field @ 1..) = 253u64.checked_sub(field) else {
        return signed::<Single>(negative, 0);
    };
    let interval = (bits & Single::FRACTION) >> 12;
    // 2^13 divided by the midpoint (4097 + 2 * interval) / 2^12, rounded.
    let midpoint = 4097 + 2 * interval;
    let rounded = ((1 << 25) + midpoint / 2) / midpoint;
    let fraction = (rounded - (1 << 12)) << RESULT_SHIFT;
    signed::<Single>(negative, result_field << Single::FRACTION_BITS | fraction)
}

/// RSQRTSS of a binary32 value. Denormals count as zeroes.
#[must_use]
pub fn reciprocal_root(bits: u64) -> u64 {
    let negative = bits & Single::SIGN != 0;
    let field = Single::exponent_field(bits);
    if Single::is_nan(bits) {
        return bits | Single::QUIET;
    }
    if field == 0 {
        return signed::<Single>(negative, Single::INFINITY);
    }
    if negative {
        return Single::DEFAULT_NAN;
    }
    if field == Single::EXPONENT_MAX {
        return 0;
    }
    let interval = (bits & Single::FRACTION) >> 13;
    // The midpoint is (2049 + 2 * interval) / 2^11, doubled for odd exponents; the
    // root of 2^26 divided by it, rounded: one more bit, then half up.
    let midpoint = 2049 + 2 * interval;
    let odd = (field + 1) & 1;
    let twice = ((1u64 << 39 >> odd) / midpoint).isqrt();
    let fraction = (twice.div_ceil(2) - (1 << 12)) << RESULT_SHIFT;
    let result_field = (380 - field) / 2;
    signed::<Single>(false, result_field << Single::FRACTION_BITS | fraction)
}
