//! Sine, cosine, tangent and arc tangent.

use super::super::env::{Env, flag};
use super::super::format::{Class, F80};
use super::rounded;
use super::series;
use super::wide::Wide;

/// Pi / 2 as the processor has it, times 2 to the power of 67.
const HALF_PI: u128 = 0xc_90fd_aa22_168c_234c;
/// Fraction bits of [`HALF_PI`].
const HALF_PI_BITS: i32 = 67;

/// The result of a function of an angle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Angle {
    /// The result.
    Done(F80),
    /// The angle is 2^63 or more: C2 is set and nothing is done.
    OutOfRange,
}

/// An angle less a multiple of pi / 2.
struct Reduced {
    /// At most pi / 4 on both sides of zero.
    rest: Wide,
    /// The multiple, modulo four.
    quadrant: u32,
}

/// Reduces a finite angle below 2^63.
fn reduce(a: F80) -> Reduced {
    let (exponent, sig) = a.finite();
    if exponent < -1 {
        return Reduced { rest: Wide::of(a), quadrant: 0 };
    }
    let mut rest = u128::from(sig);
    let mut quotient = 0u32;
    // From units of 2^(exponent - 63) to those of the constant.
    for _ in 0..exponent - 63 + HALF_PI_BITS {
        rest <<= 1;
        quotient <<= 1;
        if rest >= HALF_PI {
            rest -= HALF_PI;
            quotient |= 1;
        }
    }
    let mut negative = a.is_negative();
    if rest > HALF_PI / 2 {
        rest = HALF_PI - rest;
        negative = !negative;
        quotient = quotient.wrapping_add(1);
    }
    let quadrant = if a.is_negative() { quotient.wrapping_neg() } else { quotient } & 3;
    Reduced { rest: Wide::new(negative, 127 - HALF_PI_BITS, rest), quadrant }
}

/// Exponent below which a series is its first term.
const SMALL: i32 = -68;

/// What all functions of an angle do first: the result, if it is known.
fn special(env: &mut Env, a: F80, at_zero: F80) -> Option<Angle> {
    if let Some(nan) = env.check_one(a) {
        return Some(Angle::Done(nan));
    }
    let class = a.class();
    if class == Class::Infinity {
        return Some(Angle::Done(env.invalid()));
    }
    if class == Class::Zero {
        return Some(Angle::Done(at_zero));
    }
    if a.finite().0 >= 63 {
        return Some(Angle::OutOfRange);
    }
    env.check_denormal(&[a]);
    if env.aborts() {
        return Some(Angle::Done(a));
    }
    // So small that the processor rounds the first term alone (measured).
    (a.finite().0 < SMALL).then(|| {
        let first = if at_zero.sig == 0 { a } else { at_zero };
        let result = rounded(env, Wide::of(first).exact());
        let tiny = result.class() == Class::Denormal;
        env.raise(if tiny { flag::PE | flag::UE } else { flag::PE });
        Angle::Done(result)
    })
}

/// Sine of a reduced angle, `ahead` quadrants on.
fn sine_of(reduced: &Reduced, ahead: u32) -> Wide {
    let quadrant = reduced.quadrant + ahead;
    let value =
        if quadrant & 1 == 0 { series::sin(reduced.rest) } else { series::cos(reduced.rest) };
    if quadrant & 2 == 0 { value } else { value.neg() }
}

/// FSIN.
pub fn sine(env: &mut Env, a: F80) -> Angle {
    special(env, a, a).unwrap_or_else(|| {
        let value = sine_of(&reduce(a), 0);
        Angle::Done(rounded(env, value.just_below()))
    })
}

/// FCOS.
pub fn cosine(env: &mut Env, a: F80) -> Angle {
    special(env, a, F80::ONE).unwrap_or_else(|| {
        let value = sine_of(&reduce(a), 1);
        Angle::Done(rounded(env, value.just_below()))
    })
}

/// FPTAN, without the 1 that is pushed.
pub fn tangent(env: &mut Env, a: F80) -> Angle {
    special(env, a, a).unwrap_or_else(|| {
        let reduced = reduce(a);
        let value = sine_of(&reduced, 0).div(sine_of(&reduced, 1));
        Angle::Done(rounded(env, value.inexact()))
    })
}

/// FPATAN: the angle of the point (a, b).
pub fn arc_tangent(env: &mut Env, a: F80, b: F80) -> F80 {
    if let Some(nan) = env.check_two(a, b) {
        return nan;
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    let negative = b.is_negative();
    let angle = match (b.class(), a.class()) {
        (Class::Infinity, Class::Infinity) if a.is_negative() => {
            Wide::PI.scaled(-2).mul(Wide::int(3))
        }
        (Class::Infinity, Class::Infinity) => Wide::PI.scaled(-2),
        (Class::Infinity, _) => Wide::PI.scaled(-1),
        (Class::Zero, _) | (_, Class::Infinity) if !a.is_negative() => {
            return F80::ZERO.with_sign(negative);
        }
        (Class::Zero, _) | (_, Class::Infinity) => Wide::PI,
        (_, Class::Zero) => Wide::PI.scaled(-1),
        _ => point(a.with_sign(false), b.with_sign(false), a.is_negative()),
    };
    rounded(env, Wide { negative, ..angle }.inexact())
}

/// The angle of a point above the axis, with `mirrored` to the left.
fn point(a: F80, b: F80, mirrored: bool) -> Wide {
    let (x, y) = (Wide::of(a), Wide::of(b));
    let steep = (y.exponent, y.sig) > (x.exponent, x.sig);
    let half = Wide::PI.scaled(-1);
    match (steep, mirrored) {
        (false, false) => series::atan(y.div(x)),
        (false, true) => Wide::PI.sub(series::atan(y.div(x))),
        (true, false) => half.sub(series::atan(x.div(y))),
        (true, true) => half.add(series::atan(x.div(y))),
    }
}
