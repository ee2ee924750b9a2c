//! Sums, products, quotients and square roots.

use super::env::{Env, Rounding, mxcsr};
use super::format::Format;
use super::lanes::LaneOp;
use super::quick;
use super::round::{jam_to_u64, round, shift_right_jam};
use super::unpack::{Class, Unpacked, invalid, propagate, signed, unpack};

/// ADDPS, ADDPD, ADDSS, ADDSD.
#[derive(Debug)]
pub struct Add;
/// SUBPS, SUBPD, SUBSS, SUBSD.
#[derive(Debug)]
pub struct Sub;
/// MULPS, MULPD, MULSS, MULSD.
#[derive(Debug)]
pub struct Mul;
/// DIVPS, DIVPD, DIVSS, DIVSD.
#[derive(Debug)]
pub struct Div;
/// SQRTPS, SQRTPD, SQRTSS, SQRTSD: of the second operand.
#[derive(Debug)]
pub struct Sqrt;

impl LaneOp for Add {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        quick::add::<F>(env, a, b).unwrap_or_else(|| add::<F>(env, a, b))
    }
}

impl LaneOp for Sub {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        let negated = b ^ F::SIGN;
        quick::add::<F>(env, a, negated).unwrap_or_else(|| sub::<F>(env, a, b))
    }
}

impl LaneOp for Mul {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        quick::mul::<F>(env, a, b).unwrap_or_else(|| mul::<F>(env, a, b))
    }
}

impl LaneOp for Div {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        quick::div::<F>(env, a, b).unwrap_or_else(|| div::<F>(env, a, b))
    }
}

impl LaneOp for Sqrt {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, _a: u64, b: u64, _imm: u8) -> u64 {
        quick::sqrt::<F>(env, b).unwrap_or_else(|| sqrt::<F>(env, b))
    }
}

/// Raises the denormal-operand exception where it is due.
#[inline]
fn note_denormal(env: &mut Env, a: &Unpacked, b: &Unpacked) {
    if a.denormal || b.denormal {
        env.raise(mxcsr::DE);
    }
}

/// The sum of two values.
#[inline(never)]
pub fn add<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    sum::<F>(env, unpack::<F>(env, a), unpack::<F>(env, b))
}

/// The difference of two values; a NaN keeps its sign.
#[inline(never)]
pub fn sub<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    sum::<F>(env, unpack::<F>(env, a), unpack::<F>(env, b ^ F::SIGN))
}

fn sum<F: Format>(env: &mut Env, a: Unpacked, b: Unpacked) -> u64 {
    if a.class == Class::Infinity && b.class == Class::Infinity && a.negative != b.negative {
        return invalid::<F>(env);
    }
    note_denormal(env, &a, &b);
    match (a.class, b.class) {
        (Class::Infinity, _) => signed::<F>(a.negative, F::INFINITY),
        (_, Class::Infinity) => signed::<F>(b.negative, F::INFINITY),
        (Class::Zero, Class::Zero) if a.negative == b.negative => signed::<F>(a.negative, 0),
        (Class::Zero, Class::Zero) => exact_zero::<F>(env),
        (Class::Zero, Class::Finite) => round::<F>(env, b.negative, b.exponent, b.significand),
        (Class::Finite, Class::Zero) => round::<F>(env, a.negative, a.exponent, a.significand),
        (Class::Finite, Class::Finite) => finite_sum::<F>(env, a, b),
    }
}

/// The zero that a cancellation leaves.
pub(super) fn exact_zero<F: Format>(env: &Env) -> u64 {
    signed::<F>(env.rounding() == Rounding::Down, 0)
}

fn finite_sum<F: Format>(env: &mut Env, a: Unpacked, b: Unpacked) -> u64 {
    let smaller = (a.exponent, a.significand) < (b.exponent, b.significand);
    let (big, small) = if smaller { (b, a) } else { (a, b) };
    // Two bits of room above, 62 below: what is shifted out beyond is jammed.
    const ROOM: u32 = 62;
    let distance = big.exponent.abs_diff(small.exponent);
    let large = u128::from(big.significand) << ROOM;
    let addend = shift_right_jam(u128::from(small.significand) << ROOM, distance);
    let total = if big.negative == small.negative { large + addend } else { large - addend };
    if total == 0 {
        return exact_zero::<F>(env);
    }
    let shift = total.leading_zeros();
    let exponent = big.exponent + 2 - shift as i32;
    round::<F>(env, big.negative, exponent, jam_to_u64(total << shift))
}

/// The product of two values.
#[inline(never)]
pub fn mul<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    let (a, b) = (unpack::<F>(env, a), unpack::<F>(env, b));
    let negative = a.negative != b.negative;
    if matches!((a.class, b.class), (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity))
    {
        return invalid::<F>(env);
    }
    note_denormal(env, &a, &b);
    if a.class == Class::Infinity || b.class == Class::Infinity {
        return signed::<F>(negative, F::INFINITY);
    }
    if a.class == Class::Zero || b.class == Class::Zero {
        return signed::<F>(negative, 0);
    }
    let product = u128::from(a.significand) * u128::from(b.significand);
    let shift = product.leading_zeros();
    let exponent = a.exponent + b.exponent + 1 - shift as i32;
    round::<F>(env, negative, exponent, jam_to_u64(product << shift))
}

/// The quotient of two values.
#[inline(never)]
pub fn div<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    let (a, b) = (unpack::<F>(env, a), unpack::<F>(env, b));
    let negative = a.negative != b.negative;
    match (a.class, b.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => {
            return invalid::<F>(env);
        }
        (Class::Finite, Class::Zero) => {
            // A denormal dividend goes unmentioned (measured).
            env.raise(mxcsr::ZE);
            return signed::<F>(negative, F::INFINITY);
        }
        _ => note_denormal(env, &a, &b),
    }
    match (a.class, b.class) {
        (Class::Infinity, _) => return signed::<F>(negative, F::INFINITY),
        (Class::Zero, _) | (_, Class::Infinity) => return signed::<F>(negative, 0),
        _ => {}
    }
    // A quotient of 64 bits with its leading bit set.
    let below = u32::from(a.significand < b.significand);
    let numerator = u128::from(a.significand) << (63 + below);
    let divisor = u128::from(b.significand);
    let quotient = (numerator / divisor) as u64 | u64::from(numerator % divisor != 0);
    round::<F>(env, negative, a.exponent - b.exponent - below as i32, quotient)
}

/// The square root of a value.
#[inline(never)]
pub fn sqrt<F: Format>(env: &mut Env, a: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, a) {
        return nan;
    }
    let a = unpack::<F>(env, a);
    match a.class {
        Class::Zero => return signed::<F>(a.negative, 0),
        _ if a.negative => return invalid::<F>(env),
        Class::Infinity => return F::INFINITY,
        Class::Finite => note_denormal(env, &a, &a),
    }
    let odd = a.exponent & 1;
    let radicand = u128::from(a.significand) << (63 + odd);
    let root = radicand.isqrt();
    let significand = root as u64 | u64::from(root * root != radicand);
    round::<F>(env, false, (a.exponent - odd) / 2, significand)
}
