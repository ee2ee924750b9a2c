//! Conversions between the formats and to and from integers.

use super::env::{Env, Rounding, mxcsr};
use super::format::{Double, Format, Layout, Single};
use super::quick;
use super::round::{drop_bits, round};
use super::unpack::{Class, signed, unpack};

/// How a conversion to integer rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToInt {
    /// As MXCSR says (CVTSD2SI).
    Current,
    /// Towards zero (CVTTSD2SI).
    Truncate,
}

/// Converts a value to a signed integer of `width` bits (32 or 64), returned
/// zero-extended. NaNs and values out of range give the least integer and raise
/// the invalid exception.
#[inline]
pub fn to_int<F: Format>(env: &mut Env, bits: u64, width: u32, how: ToInt) -> u64 {
    let indefinite = 1u64 << (width - 1);
    if F::is_nan(bits) {
        env.raise(mxcsr::IE);
        return indefinite;
    }
    let number = unpack::<F>(env, bits);
    let rounding = match how {
        ToInt::Current => env.rounding(),
        ToInt::Truncate => Rounding::Zero,
    };
    let magnitude = match number.class {
        Class::Zero => Some((0, false)),
        Class::Infinity => None,
        Class::Finite => {
            integer_magnitude(rounding, number.negative, number.exponent, number.significand)
        }
    };
    let limit = indefinite - u64::from(!number.negative);
    match magnitude {
        Some((value, inexact)) if value <= limit => {
            if inexact {
                env.raise(mxcsr::PE);
            }
            let value = if number.negative { value.wrapping_neg() } else { value };
            value & u64::MAX >> (64 - width)
        }
        _ => {
            env.raise(mxcsr::IE);
            indefinite
        }
    }
}

/// The integer nearest to a number in the rounding's direction and whether it is
/// inexact; `None` from 2 to the power of 64 on.
fn integer_magnitude(
    rounding: Rounding,
    negative: bool,
    exponent: i32,
    significand: u64,
) -> Option<(u64, bool)> {
    match exponent {
        64.. => None,
        63 => Some((significand, false)),
        0..=62 => Some(drop_bits(rounding, negative, significand, 63 - exponent as u32)),
        // From a half on the fraction counts; below, only that there is one.
        _ => {
            let fraction = if exponent == -1 { significand >> 1 | significand & 1 } else { 1 };
            Some(drop_bits(rounding, negative, fraction, 63))
        }
    }
}

/// Converts a signed integer.
#[inline]
pub fn from_int<F: Format>(env: &mut Env, value: i64) -> u64 {
    let magnitude = value.unsigned_abs();
    let exact = magnitude >> (F::FRACTION_BITS + 1) == 0;
    if exact || (env.is_default() && env.inexact_is_known()) {
        return F::host_from_int(value);
    }
    let shift = magnitude.leading_zeros();
    round::<F>(env, value < 0, 63 - shift as i32, magnitude << shift)
}

/// Converts between the formats (CVTSS2SD, CVTSD2SS).
#[inline]
pub fn convert<From: Layout, To: Layout>(env: &mut Env, bits: u64) -> u64 {
    let negative = bits & From::SIGN != 0;
    if From::is_nan(bits) {
        if From::is_signalling(bits) {
            env.raise(mxcsr::IE);
        }
        return signed::<To>(negative, convert_nan::<From, To>(bits));
    }
    let number = unpack::<From>(env, bits);
    if number.denormal {
        env.raise(mxcsr::DE);
    }
    match number.class {
        Class::Zero => signed::<To>(negative, 0),
        Class::Infinity => signed::<To>(negative, To::INFINITY),
        Class::Finite => round::<To>(env, negative, number.exponent, number.significand),
    }
}

/// Keeps the upper bits of a NaN's payload and makes it quiet.
fn convert_nan<From: Layout, To: Layout>(bits: u64) -> u64 {
    let fraction = bits & From::FRACTION;
    let payload = (fraction << (63 - From::FRACTION_BITS)) >> (63 - To::FRACTION_BITS);
    To::INFINITY | To::QUIET | payload
}

/// CVTSS2SD for one value: exact but for NaNs.
#[inline]
pub fn widen(env: &mut Env, bits: u64) -> u64 {
    if Single::is_normal(bits) {
        return f64::from(f32::from_bits(bits as u32)).to_bits();
    }
    convert::<Single, Double>(env, bits)
}

/// CVTSD2SS for one value.
#[inline]
pub fn narrow(env: &mut Env, bits: u64) -> u64 {
    if let Some(narrowed) = quick::narrow(env, bits) {
        return narrowed;
    }
    convert::<Double, Single>(env, bits)
}
