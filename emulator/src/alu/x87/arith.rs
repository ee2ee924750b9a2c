//! Add, subtract, multiply, divide and square root.
//!
//! Each takes its operands and an [`Env`] and returns the register result. Where
//! [`Env::aborts`] holds afterwards, the result is not to be written.

use super::env::{Env, flag};
use super::format::{Class, F80};
use super::round::{Exact, round};
use crate::alu::float::Rounding;
use crate::alu::float::round::shift_right_jam;

/// The binary operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// a + b.
    Add,
    /// a * b.
    Mul,
    /// a - b.
    Sub,
    /// b - a.
    SubReversed,
    /// a / b.
    Div,
    /// b / a.
    DivReversed,
}

/// Applies a binary operation.
pub fn binary(env: &mut Env, operation: Binary, a: F80, b: F80) -> F80 {
    if let Some(nan) = env.check_two(a, b) {
        return nan;
    }
    match operation {
        Binary::Add => add(env, a, b),
        Binary::Sub => add(env, a, b.negated()),
        Binary::SubReversed => add(env, b, a.negated()),
        Binary::Mul => mul(env, a, b),
        Binary::Div => div(env, a, b),
        Binary::DivReversed => div(env, b, a),
    }
}

/// The sum of numbers that are not NaN.
pub(super) fn add(env: &mut Env, a: F80, b: F80) -> F80 {
    let negative = a.is_negative();
    let same_sign = negative == b.is_negative();
    let (class_a, class_b) = (a.class(), b.class());
    if class_a == Class::Infinity && class_b == Class::Infinity && !same_sign {
        return env.invalid();
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    match (class_a, class_b) {
        (Class::Infinity, _) => a,
        (_, Class::Infinity) => b,
        (Class::Zero, Class::Zero) => {
            let down = env.rounding() == Rounding::Down;
            F80::ZERO.with_sign(if same_sign { negative } else { down })
        }
        (Class::Zero, _) => exactly(env, b),
        (_, Class::Zero) => exactly(env, a),
        _ => add_finite(env, a, b, same_sign),
    }
}

/// A finite number rounded to the precision.
fn exactly(env: &mut Env, value: F80) -> F80 {
    let (exponent, sig) = value.finite();
    let significand = u128::from(sig) << 64;
    let precision = env.precision();
    round(env, precision, Exact { negative: value.is_negative(), exponent, significand })
}

fn add_finite(env: &mut Env, a: F80, b: F80, same_sign: bool) -> F80 {
    let (first, second) = if a.finite() >= b.finite() { (a, b) } else { (b, a) };
    let ((exponent, high), (low_exponent, low)) = (first.finite(), second.finite());
    // One bit is left free for the carry.
    let high = u128::from(high) << 63;
    let low = shift_right_jam(u128::from(low) << 63, exponent.abs_diff(low_exponent));
    let sum = if same_sign { high + low } else { high - low };
    if sum == 0 {
        return F80::ZERO.with_sign(env.rounding() == Rounding::Down);
    }
    let precision = env.precision();
    round(env, precision, Exact::normalized(first.is_negative(), exponent + 1, sum))
}

fn mul(env: &mut Env, a: F80, b: F80) -> F80 {
    let negative = a.is_negative() != b.is_negative();
    let classes = (a.class(), b.class());
    if matches!(classes, (Class::Zero, Class::Infinity) | (Class::Infinity, Class::Zero)) {
        return env.invalid();
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    match classes {
        (Class::Infinity, _) | (_, Class::Infinity) => F80::INFINITY.with_sign(negative),
        (Class::Zero, _) | (_, Class::Zero) => F80::ZERO.with_sign(negative),
        _ => {
            let ((exponent_a, sig_a), (exponent_b, sig_b)) = (a.finite(), b.finite());
            let product = u128::from(sig_a) * u128::from(sig_b);
            let exact = Exact::normalized(negative, exponent_a + exponent_b + 1, product);
            let precision = env.precision();
            round(env, precision, exact)
        }
    }
}

fn div(env: &mut Env, a: F80, b: F80) -> F80 {
    let negative = a.is_negative() != b.is_negative();
    let classes = (a.class(), b.class());
    if matches!(classes, (Class::Zero, Class::Zero) | (Class::Infinity, Class::Infinity)) {
        return env.invalid();
    }
    // Division by zero comes before the denormal exception (measured).
    if matches!(classes, (Class::Normal | Class::Denormal, Class::Zero)) {
        env.raise(flag::ZE);
        return F80::INFINITY.with_sign(negative);
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    match classes {
        (Class::Infinity, _) => F80::INFINITY.with_sign(negative),
        (_, Class::Infinity) | (Class::Zero, _) => F80::ZERO.with_sign(negative),
        _ => {
            let ((exponent_a, sig_a), (exponent_b, sig_b)) = (a.finite(), b.finite());
            let divisor = u128::from(sig_b);
            // 64 quotient bits, then 62 more, then the remainder as a jam.
            let top = u128::from(sig_a) << 63;
            let (high, rest) = (top / divisor, top % divisor);
            let (low, rest) = ((rest << 62) / divisor, (rest << 62) % divisor);
            let quotient = (high << 62 | low) << 1 | u128::from(rest != 0);
            // Bit 126 is worth 2^(exponent_a - exponent_b).
            let exact = Exact::normalized(negative, exponent_a - exponent_b + 1, quotient);
            let precision = env.precision();
            round(env, precision, exact)
        }
    }
}

/// The square root.
pub fn sqrt(env: &mut Env, a: F80) -> F80 {
    if let Some(nan) = env.check_one(a) {
        return nan;
    }
    let class = a.class();
    if a.is_negative() && class != Class::Zero {
        return env.invalid();
    }
    env.check_denormal(&[a]);
    if env.aborts() || matches!(class, Class::Zero | Class::Infinity) {
        return a;
    }
    let (exponent, sig) = a.finite();
    let odd = exponent & 1;
    // An even exponent: the radicand is in [1, 4) with 126 fraction bits.
    let radicand = u128::from(sig) << (63 + odd);
    let (root, rest) = isqrt(radicand);
    let (bits, rest) = extend(root, rest);
    let significand = bits << 62 | u128::from(rest);
    let precision = env.precision();
    round(env, precision, Exact::normalized(false, (exponent - odd) / 2, significand))
}

/// Integer square root and remainder, bit by bit.
fn isqrt(value: u128) -> (u128, u128) {
    let mut root = 0u128;
    let mut rest = value;
    let mut bit = 1u128 << 126;
    while bit != 0 {
        if rest >= root + bit {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    (root, rest)
}

/// Two more bits of a root, and whether anything is left below them.
fn extend(mut root: u128, mut rest: u128) -> (u128, bool) {
    for _ in 0..2 {
        rest <<= 2;
        let candidate = root << 2 | 1;
        root <<= 1;
        if rest >= candidate {
            rest -= candidate;
            root |= 1;
        }
    }
    (root, rest != 0)
}
