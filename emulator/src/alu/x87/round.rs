//! From an exact number to the nearest 80-bit, 64-bit or 32-bit one.

use super::env::{Env, Precision, flag};
use super::format::{BIAS, F80, INTEGER, MIN_EXPONENT};
use crate::alu::float::Rounding;
use crate::alu::float::round::shift_right_jam;

/// What unmasked overflow and underflow change the exponent by, so that a
/// handler sees a number (SDM vol. 1, 8.5.4).
const EXPONENT_ADJUST: i32 = 24576;

/// A number to be rounded: significand (bit 127 set, lowest bit may be a jam)
/// times 2 to the power of (exponent - 127).
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    /// Sign.
    pub negative: bool,
    /// Exponent of the leading bit.
    pub exponent: i32,
    /// Significand.
    pub significand: u128,
}

impl Exact {
    /// A number from any significand but zero: its bit 127 is worth
    /// 2 to the power of `exponent`.
    #[must_use]
    pub fn normalized(negative: bool, exponent: i32, significand: u128) -> Self {
        let shift = significand.leading_zeros().min(127);
        Self { negative, exponent: exponent - shift as i32, significand: significand << shift }
    }
}

/// A significand cut to a number of bits.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// The kept bits.
    kept: u128,
    inexact: bool,
    up: bool,
}

/// Drops the low `drop` (1 to 127) bits with rounding.
fn cut(rounding: Rounding, negative: bool, value: u128, drop: u32) -> Cut {
    let unit = 1u128 << drop;
    let half = unit >> 1;
    let rest = value & (unit - 1);
    let kept = value >> drop;
    let up = match rounding {
        Rounding::Nearest => rest > half || (rest == half && kept & 1 != 0),
        Rounding::Down => negative && rest != 0,
        Rounding::Up => !negative && rest != 0,
        Rounding::Zero => false,
    };
    Cut { kept: kept + u128::from(up), inexact: rest != 0, up }
}

/// Whether an overflow gives an infinity and not the largest number.
fn overflows_to_infinity(rounding: Rounding, negative: bool) -> bool {
    match rounding {
        Rounding::Nearest => true,
        Rounding::Down => negative,
        Rounding::Up => !negative,
        Rounding::Zero => false,
    }
}

/// Notes what a cut did in PE and C1.
fn note(env: &mut Env, cut: Cut) {
    if cut.inexact {
        env.raise(flag::PE);
    }
    env.rounded_up = cut.up;
}

/// Rounds to the 80-bit format with a significand of the given precision.
pub fn round(env: &mut Env, precision: Precision, exact: Exact) -> F80 {
    let rounding = env.rounding();
    let drop = 128 - precision.bits();
    let whole = cut(rounding, exact.negative, exact.significand, drop);
    let carried = (whole.kept >> precision.bits()) as i32;
    let exponent = exact.exponent + carried;
    if exponent > BIAS {
        return overflow(env, precision, exact, whole, exponent);
    }
    if exponent < MIN_EXPONENT {
        return underflow(env, exact, whole, drop, exponent);
    }
    if exact.exponent < MIN_EXPONENT {
        // Rounds up to the least normal number: not tiny, but rounded as a
        // denormal is.
        let shifted = shift_right_jam(exact.significand, (MIN_EXPONENT - exact.exponent) as u32);
        let small = cut(rounding, exact.negative, shifted, drop);
        note(env, small);
        return pack_small(exact.negative, small.kept, drop);
    }
    note(env, whole);
    pack(exact.negative, exponent, whole.kept, drop, carried)
}

/// A normal number from kept bits, which a carry made one bit longer.
fn pack(negative: bool, exponent: i32, kept: u128, drop: u32, carried: i32) -> F80 {
    let sig = (kept >> carried << (drop - 64)) as u64;
    F80 { sig, se: (exponent + BIAS) as u16 }.with_sign(negative)
}

/// A number below the normal ones, or the least of them.
fn pack_small(negative: bool, kept: u128, drop: u32) -> F80 {
    let sig = (kept << (drop - 64)) as u64;
    F80 { sig, se: u16::from(sig & INTEGER != 0) }.with_sign(negative)
}

#[cold]
fn overflow(env: &mut Env, precision: Precision, exact: Exact, whole: Cut, exponent: i32) -> F80 {
    env.raise(flag::OE);
    let adjusted = exponent - EXPONENT_ADJUST;
    if !env.masks(flag::OE) && adjusted <= BIAS {
        note(env, whole);
        let carried = exponent - exact.exponent;
        return pack(exact.negative, adjusted, whole.kept, 128 - precision.bits(), carried);
    }
    env.raise(flag::PE);
    // Out of reach of the adjustment: an infinity whatever the direction (measured).
    let infinite = !env.masks(flag::OE) || overflows_to_infinity(env.rounding(), exact.negative);
    env.rounded_up = infinite;
    let drop = 64 - precision.bits();
    let largest = F80 { sig: u64::MAX >> drop << drop, se: 0x7ffe };
    let magnitude = if infinite { F80::INFINITY } else { largest };
    magnitude.with_sign(exact.negative)
}

#[cold]
fn underflow(env: &mut Env, exact: Exact, whole: Cut, drop: u32, exponent: i32) -> F80 {
    let adjusted = exponent + EXPONENT_ADJUST;
    if !env.masks(flag::UE) {
        env.raise(flag::UE);
        if adjusted < MIN_EXPONENT {
            // Out of reach of the adjustment: zero whatever the direction (measured).
            env.raise(flag::PE);
            return F80::ZERO.with_sign(exact.negative);
        }
        note(env, whole);
        return pack(exact.negative, adjusted, whole.kept, drop, exponent - exact.exponent);
    }
    let below = (MIN_EXPONENT - exact.exponent) as u32;
    let shifted = shift_right_jam(exact.significand, below);
    let small = cut(env.rounding(), exact.negative, shifted, drop);
    note(env, small);
    if small.inexact {
        env.raise(flag::UE);
    }
    pack_small(exact.negative, small.kept, drop)
}

/// The two narrow memory formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

impl Narrow {
    /// Fraction bits.
    #[must_use]
    pub fn fraction_bits(self) -> u32 {
        match self {
            Self::Single => 23,
            Self::Double => 52,
        }
    }

    /// Exponent bias; also the largest exponent.
    #[must_use]
    pub fn bias(self) -> i32 {
        match self {
            Self::Single => 127,
            Self::Double => 1023,
        }
    }

    /// Bits of an infinity.
    #[must_use]
    pub fn infinity(self) -> u64 {
        (2 * self.bias() as u64 + 1) << self.fraction_bits()
    }

    /// The sign bit.
    #[must_use]
    pub fn sign(self, negative: bool) -> u64 {
        let bit = match self {
            Self::Single => 31,
            Self::Double => 63,
        };
        u64::from(negative) << bit
    }
}

/// Rounds a finite number other than zero to a memory format. An unmasked
/// overflow or underflow leaves no result: the caller looks at `env`.
pub fn round_narrow(env: &mut Env, format: Narrow, exact: Exact) -> u64 {
    let rounding = env.rounding();
    let fraction = format.fraction_bits();
    let drop = 127 - fraction;
    let sign = format.sign(exact.negative);
    let whole = cut(rounding, exact.negative, exact.significand, drop);
    let exponent = exact.exponent + (whole.kept >> (fraction + 1)) as i32;
    let least = 1 - format.bias();
    if exponent > format.bias() {
        env.raise(flag::OE);
        if !env.masks(flag::OE) {
            return sign;
        }
        env.raise(flag::PE);
        let infinite = overflows_to_infinity(rounding, exact.negative);
        env.rounded_up = infinite;
        return sign | (format.infinity() - u64::from(!infinite));
    }
    if exact.exponent < least {
        let tiny = exponent < least;
        if tiny && !env.masks(flag::UE) {
            env.raise(flag::UE);
            return sign;
        }
        let shifted = shift_right_jam(exact.significand, (least - exact.exponent) as u32);
        let small = cut(rounding, exact.negative, shifted, drop);
        note(env, small);
        if tiny && small.inexact {
            env.raise(flag::UE);
        }
        return sign | small.kept as u64;
    }
    note(env, whole);
    let field = (exact.exponent - least) as u64;
    sign | ((field << fraction) + whole.kept as u64)
}

/// An integer magnitude from a finite number other than zero, with rounding;
/// `None` where it has more than 64 bits. `env` gets PE and C1.
pub fn round_to_integer(env: &mut Env, negative: bool, exponent: i32, sig: u64) -> Option<u64> {
    if exponent > 63 {
        return None;
    }
    // Two fraction bits below the units: the second is a jam.
    let value = u128::from(sig) << 64;
    let shifted = shift_right_jam(value, (63 - exponent).min(127) as u32);
    let whole = cut(env.rounding(), negative, shifted, 64);
    note(env, whole);
    u64::try_from(whole.kept).ok()
}
