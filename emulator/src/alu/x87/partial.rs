//! Remainders, scaling, extraction and rounding to an integer.

use super::convert::from_integer;
use super::env::{Env, Precision, flag};
use super::format::{BIAS, Class, F80, INTEGER};
use super::round::{Exact, round, round_to_integer};

/// How FPREM and FPREM1 round the quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotient {
    /// Towards zero: FPREM.
    Truncated,
    /// To nearest, ties to even: FPREM1.
    Nearest,
}

/// A remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// The new ST0.
    pub value: F80,
    /// Whether the reduction is incomplete: condition code C2.
    pub partial: bool,
    /// The low three bits of the quotient, zero where it is incomplete; `None`
    /// for NaNs and where there is no result.
    pub quotient: Option<u8>,
}

/// FPREM and FPREM1: a step of the exact remainder of a divided by b.
pub fn remainder(env: &mut Env, a: F80, b: F80, kind: Quotient) -> Remainder {
    let none = |value| Remainder { value, partial: false, quotient: None };
    let whole = |value| Remainder { value, partial: false, quotient: Some(0) };
    if let Some(nan) = env.check_two(a, b) {
        return none(nan);
    }
    let (class_a, class_b) = (a.class(), b.class());
    if class_a == Class::Infinity || class_b == Class::Zero {
        return none(env.invalid());
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return none(a);
    }
    if class_a == Class::Zero {
        return whole(a);
    }
    if class_b == Class::Infinity {
        return whole(unchanged(a));
    }
    let ((exponent_a, sig_a), (exponent_b, sig_b)) = (a.finite(), b.finite());
    let distance = exponent_a - exponent_b;
    if distance >= 64 {
        // The processor takes 32 to 63 bits of the quotient at a time.
        let bits = 32 + distance % 32;
        let rest = (u128::from(sig_a) << bits) % u128::from(sig_b);
        let value = packed(env, a.is_negative(), exponent_a - bits, rest as u64);
        return Remainder { value, partial: true, quotient: Some(0) };
    }
    if distance < -1 || (distance == -1 && kind == Quotient::Truncated) {
        return whole(packed(env, a.is_negative(), exponent_a, sig_a));
    }
    let divisor = u128::from(sig_b) << u32::from(distance < 0);
    let dividend = u128::from(sig_a) << distance.max(0);
    let unit = exponent_b.min(exponent_a);
    let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
    let mut negative = a.is_negative();
    let twice = rest << 1;
    if kind == Quotient::Nearest && (twice > divisor || (twice == divisor && quotient & 1 != 0)) {
        quotient += 1;
        rest = divisor - rest;
        negative = !negative;
    }
    let value = if rest == 0 {
        F80::ZERO.with_sign(a.is_negative())
    } else {
        packed(env, negative, unit, rest as u64)
    };
    Remainder { value, partial: false, quotient: Some((quotient & 7) as u8) }
}

/// The exact number sig * 2^(exponent - 63).
fn packed(env: &mut Env, negative: bool, exponent: i32, sig: u64) -> F80 {
    if sig == 0 {
        return F80::ZERO.with_sign(negative);
    }
    let exact = Exact::normalized(negative, exponent, u128::from(sig) << 64);
    round(env, Precision::Extended, exact)
}

/// The same number; a pseudo-denormal becomes normal.
fn unchanged(a: F80) -> F80 {
    let normal = a.field() == 0 && a.sig & INTEGER != 0;
    F80 { se: a.se | u16::from(normal), ..a }
}

/// FSCALE: a times 2 to the power of b truncated.
pub fn scale(env: &mut Env, a: F80, b: F80) -> F80 {
    if let Some(nan) = env.check_two(a, b) {
        return nan;
    }
    let (class_a, class_b) = (a.class(), b.class());
    let negative = a.is_negative();
    let refused = match (class_a, class_b) {
        (Class::Infinity, Class::Infinity) => b.is_negative(),
        (Class::Zero, Class::Infinity) => !b.is_negative(),
        _ => false,
    };
    if refused {
        return env.invalid();
    }
    env.check_denormal(&[a, b]);
    if env.aborts() || matches!(class_a, Class::Zero | Class::Infinity) {
        return a;
    }
    if class_b == Class::Zero {
        return unchanged(a);
    }
    if class_b == Class::Infinity {
        let magnitude = if b.is_negative() { F80::ZERO } else { F80::INFINITY };
        return magnitude.with_sign(negative);
    }
    let (exponent, sig) = a.finite();
    let exact =
        Exact { negative, exponent: exponent + scale_of(b), significand: u128::from(sig) << 64 };
    round(env, Precision::Extended, exact)
}

/// A finite number truncated to an integer, and to the range beyond which no
/// result is finite.
fn scale_of(b: F80) -> i32 {
    /// More than all exponents together.
    const FAR: i32 = 1 << 17;
    let (exponent, sig) = b.finite();
    let magnitude = match exponent {
        ..0 => 0,
        0..17 => (sig >> (63 - exponent)) as i32,
        _ => FAR,
    };
    if b.is_negative() { -magnitude } else { magnitude }
}

/// FXTRACT: exponent and significand.
pub fn extract(env: &mut Env, a: F80) -> (F80, F80) {
    if let Some(nan) = env.check_one(a) {
        return (nan, nan);
    }
    match a.class() {
        Class::Infinity => (F80::INFINITY, a),
        Class::Zero => {
            env.raise(flag::ZE);
            (F80::INFINITY.negated(), a)
        }
        _ => {
            env.check_denormal(&[a]);
            let (exponent, sig) = a.finite();
            let significand = F80 { sig, se: BIAS as u16 }.with_sign(a.is_negative());
            (from_integer(i64::from(exponent)), significand)
        }
    }
}

/// FRNDINT.
pub fn round_to_int(env: &mut Env, a: F80) -> F80 {
    if let Some(nan) = env.check_one(a) {
        return nan;
    }
    env.check_denormal(&[a]);
    let class = a.class();
    if env.aborts() || matches!(class, Class::Zero | Class::Infinity) {
        return a;
    }
    let (exponent, sig) = a.finite();
    if exponent >= 63 {
        return a;
    }
    let negative = a.is_negative();
    match round_to_integer(env, negative, exponent, sig) {
        None | Some(0) => F80::ZERO.with_sign(negative),
        // At most 2^63, which is not negative as i64 only when below it.
        Some(magnitude) => {
            let shift = magnitude.leading_zeros();
            let se = (BIAS + 63 - shift as i32) as u16;
            F80 { sig: magnitude << shift, se }.with_sign(negative)
        }
    }
}

/// Condition code bits of the status word.
mod condition {
    pub(super) const C0: u16 = 1 << 8;
    pub(super) const C1: u16 = 1 << 9;
    pub(super) const C2: u16 = 1 << 10;
    pub(super) const C3: u16 = 1 << 14;
}

impl Remainder {
    /// Condition codes as a mask of those written, and their values: C2 for a
    /// partial remainder, else the quotient's low bits in C0, C3 and C1. Without a
    /// quotient C0 and C3 stay (measured).
    #[must_use]
    pub fn conditions(self) -> (u16, u16) {
        use condition::{C0, C1, C2, C3};
        let Some(quotient) = self.quotient else { return (C1 | C2, 0) };
        let bit = |index: u8, code: u16| if quotient >> index & 1 != 0 { code } else { 0 };
        let partial = if self.partial { C2 } else { 0 };
        (C0 | C1 | C2 | C3, partial | bit(2, C0) | bit(1, C3) | bit(0, C1))
    }
}
