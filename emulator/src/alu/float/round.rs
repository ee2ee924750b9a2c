//! From an exact number to the nearest value of a format, with overflow,
//! underflow and precision exceptions.

use super::env::{Env, Rounding, mxcsr};
use super::format::Layout;
use super::unpack::signed;

/// Shifts right and keeps in the lowest bit whether anything was lost.
#[inline]
#[must_use]
pub fn shift_right_jam(value: u128, count: u32) -> u128 {
    match count {
        0 => value,
        1..=127 => value >> count | u128::from(value << (128 - count) != 0),
        _ => u128::from(value != 0),
    }
}

/// The upper half of a product or quotient, with what is below it jammed.
#[inline]
#[must_use]
pub fn jam_to_u64(value: u128) -> u64 {
    (value >> 64) as u64 | u64::from(value as u64 != 0)
}

/// Whether a magnitude is rounded away from zero, given its last kept bit and
/// what is cut off as a fraction of `unit`.
fn rounds_up(rounding: Rounding, negative: bool, odd: bool, rest: u64, unit: u64) -> bool {
    let half = unit >> 1;
    match rounding {
        Rounding::Nearest => rest > half || (rest == half && odd),
        Rounding::Down => negative && rest != 0,
        Rounding::Up => !negative && rest != 0,
        Rounding::Zero => false,
    }
}

/// Drops `count` (1 to 63) low bits with rounding. Returns the kept bits and
/// whether the result is inexact.
#[must_use]
pub fn drop_bits(rounding: Rounding, negative: bool, value: u64, count: u32) -> (u64, bool) {
    let unit = 1u64 << count;
    let rest = value & (unit - 1);
    let kept = value >> count;
    let up = rounds_up(rounding, negative, kept & 1 != 0, rest, unit);
    (kept + u64::from(up), rest != 0)
}

/// Rounds `significand` times 2 to the power of (exponent - 63) to the format.
/// Bit 63 of the significand is set; its lowest bit may be a jam.
pub fn round<F: Layout>(env: &mut Env, negative: bool, exponent: i32, significand: u64) -> u64 {
    let rounding = env.rounding();
    let drop = 63 - F::FRACTION_BITS;
    let (kept, inexact) = drop_bits(rounding, negative, significand, drop);
    // Rounding up to the next power of two leaves one bit more.
    let carried = (kept >> (F::FRACTION_BITS + 1)) as i32;
    let exponent_rounded = exponent + carried;
    if exponent_rounded > F::BIAS {
        return overflow::<F>(env, negative, rounding, inexact);
    }
    if exponent < F::MIN_EXPONENT {
        let tiny = exponent_rounded < F::MIN_EXPONENT;
        if tiny && !env.masks(mxcsr::UE) {
            // A trap tells of every tiny result, and its precision is that of an
            // unbounded exponent (measured). No result is written.
            env.raise(if inexact { mxcsr::UE | mxcsr::PE } else { mxcsr::UE });
            return signed::<F>(negative, 0);
        }
        return round_small::<F>(env, negative, exponent, significand, tiny);
    }
    if inexact {
        env.raise(mxcsr::PE);
    }
    // The carry of `kept`'s leading bit raises the exponent field by itself.
    let field = (exponent - F::MIN_EXPONENT) as u64;
    signed::<F>(negative, (field << F::FRACTION_BITS) + kept)
}

/// A number above the format's range.
#[cold]
fn overflow<F: Layout>(env: &mut Env, negative: bool, rounding: Rounding, inexact: bool) -> u64 {
    env.raise(mxcsr::OE);
    let masked = env.masks(mxcsr::OE);
    if masked || inexact {
        env.raise(mxcsr::PE);
    }
    let away = match rounding {
        Rounding::Nearest => true,
        Rounding::Down => negative,
        Rounding::Up => !negative,
        Rounding::Zero => false,
    };
    signed::<F>(negative, if away { F::INFINITY } else { F::INFINITY - 1 })
}

/// A number below the least normal one before rounding; `tiny` says whether it
/// still is after rounding with an unbounded exponent. Underflow is masked or the
/// number is not tiny.
#[cold]
fn round_small<F: Layout>(
    env: &mut Env,
    negative: bool,
    exponent: i32,
    significand: u64,
    tiny: bool,
) -> u64 {
    if tiny && env.flushes_to_zero() {
        env.raise(mxcsr::UE | mxcsr::PE);
        return signed::<F>(negative, 0);
    }
    let below = (F::MIN_EXPONENT - exponent) as u32;
    let shifted = shift_right_jam(u128::from(significand), below) as u64;
    let drop = 63 - F::FRACTION_BITS;
    let (kept, inexact) = drop_bits(env.rounding(), negative, shifted, drop);
    if inexact {
        env.raise(if tiny { mxcsr::UE | mxcsr::PE } else { mxcsr::PE });
    }
    signed::<F>(negative, kept)
}
