//! Between the 80-bit format and those in memory: binary32, binary64, integers
//! and packed decimals.

use super::env::{Env, flag};
use super::format::{BIAS, Class, EXPONENT_MAX, F80, INTEGER, QUIET};
use super::round::{Exact, Narrow, round_narrow, round_to_integer};

/// Bytes of a packed decimal.
pub const BCD_BYTES: usize = 10;
/// The packed decimal that stands for what does not fit.
const BCD_INDEFINITE: [u8; BCD_BYTES] = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];
/// The least integer with more than 18 digits.
const BCD_LIMIT: u64 = 1_000_000_000_000_000_000;

/// Widens a value as it is: signalling NaNs stay so, and `env` learns whether the
/// source is denormal.
#[must_use]
pub fn widen(env: &mut Env, format: Narrow, bits: u64) -> F80 {
    let fraction_bits = format.fraction_bits();
    let field_max = 2 * format.bias() as u64 + 1;
    let field = bits >> fraction_bits & field_max;
    let fraction = bits & ((1 << fraction_bits) - 1);
    let negative = bits & format.sign(true) != 0;
    let shifted = fraction << (63 - fraction_bits);
    let magnitude = if field == field_max {
        F80 { sig: INTEGER | shifted, se: EXPONENT_MAX }
    } else if field != 0 {
        F80 { sig: INTEGER | shifted, se: (field as i32 - format.bias() + BIAS) as u16 }
    } else if fraction == 0 {
        F80::ZERO
    } else {
        env.denormal_source = true;
        let shift = shifted.leading_zeros();
        let exponent = 1 - format.bias() - shift as i32;
        F80 { sig: shifted << shift, se: (exponent + BIAS) as u16 }
    };
    magnitude.with_sign(negative)
}

/// What FLD makes of a widened value.
pub fn load(env: &mut Env, value: F80) -> F80 {
    if let Some(nan) = env.check_one(value) {
        return nan;
    }
    env.check_denormal(&[]);
    value
}

/// FST to a narrower format. With an unmasked exception other than PE nothing is
/// to be stored.
pub fn narrow(env: &mut Env, format: Narrow, value: F80) -> u64 {
    let sign = format.sign(value.is_negative());
    let nan = |sig: u64| format.infinity() | (sig & !INTEGER) >> (63 - format.fraction_bits());
    match value.class() {
        Class::Zero => sign,
        Class::Infinity => sign | format.infinity(),
        Class::Quiet => sign | nan(value.sig),
        Class::Signalling => {
            env.raise(flag::IE);
            sign | nan(value.sig | QUIET)
        }
        Class::Unsupported => {
            env.raise(flag::IE);
            format.sign(true) | nan(F80::INDEFINITE.sig)
        }
        Class::Normal | Class::Denormal => {
            let (exponent, sig) = value.finite();
            let significand = u128::from(sig) << 64;
            let negative = value.is_negative();
            round_narrow(env, format, Exact { negative, exponent, significand })
        }
    }
}

/// An integer as an 80-bit number, which is exact.
#[must_use]
pub fn from_integer(value: i64) -> F80 {
    if value == 0 {
        return F80::ZERO;
    }
    let magnitude = value.unsigned_abs();
    let shift = magnitude.leading_zeros();
    let se = (BIAS + 63 - shift as i32) as u16;
    F80 { sig: magnitude << shift, se }.with_sign(value < 0)
}

/// Magnitude of a value rounded to an integer, if that is at most `limit`; else
/// the operation is invalid.
fn integer_magnitude(env: &mut Env, value: F80, limit: u64) -> Option<u64> {
    let magnitude = match value.class() {
        Class::Zero => return Some(0),
        Class::Normal | Class::Denormal => {
            let (exponent, sig) = value.finite();
            let mut trial = *env;
            round_to_integer(&mut trial, value.is_negative(), exponent, sig)
                .filter(|magnitude| *magnitude <= limit)
                .map(|magnitude| (trial, magnitude))
        }
        _ => None,
    };
    let Some((after, magnitude)) = magnitude else {
        env.raise(flag::IE);
        return None;
    };
    *env = after;
    Some(magnitude)
}

/// FIST: a signed integer of `bits` (16, 32 or 64) bits, or the integer indefinite.
pub fn to_integer(env: &mut Env, value: F80, bits: u32) -> i64 {
    let negative = value.is_negative();
    let most = 1u64 << (bits - 1);
    match integer_magnitude(env, value, most - u64::from(!negative)) {
        Some(magnitude) if negative => (magnitude as i64).wrapping_neg(),
        Some(magnitude) => magnitude as i64,
        None => i64::MIN >> (64 - bits),
    }
}

/// FBLD: digits above nine count as their value.
#[must_use]
pub fn from_bcd(bytes: [u8; BCD_BYTES]) -> F80 {
    let magnitude = bytes[..9].iter().rev().fold(0u64, |sum, byte| {
        let pair = u64::from(byte >> 4) * 10 + u64::from(byte & 15);
        sum.wrapping_mul(100).wrapping_add(pair)
    });
    from_integer(magnitude as i64).with_sign(bytes[9] & 0x80 != 0)
}

/// FBSTP: 18 digits and a sign, or the decimal indefinite.
pub fn to_bcd(env: &mut Env, value: F80) -> [u8; BCD_BYTES] {
    let Some(mut rest) = integer_magnitude(env, value, BCD_LIMIT - 1) else {
        return BCD_INDEFINITE;
    };
    let mut bytes = [0; BCD_BYTES];
    for byte in &mut bytes[..9] {
        let pair = (rest % 100) as u8;
        *byte = ((pair / 10) << 4) | (pair % 10);
        rest /= 100;
    }
    bytes[9] = if value.is_negative() { 0x80 } else { 0 };
    bytes
}
