//! F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FPTAN and FPATAN.
//!
//! The processor's results are within one unit of the last place and not specified
//! further (SDM vol. 1, 8.3.10). These are the true values, computed with 128 bits
//! and rounded once. Angles are reduced with pi to 66 bits, as the processor does
//! (SDM vol. 1, 8.3.8).

mod series;
mod trigonometric;
mod wide;

use super::env::{Env, Precision, flag};
use super::format::{BIAS, Class, F80};
use super::round::{Exact, round};
pub use trigonometric::{Angle, arc_tangent, cosine, sine, tangent};
use wide::Wide;

/// Rounds to 64 bits.
fn rounded(env: &mut Env, exact: Exact) -> F80 {
    round(env, Precision::Extended, exact)
}

/// F2XM1: 2^a - 1, for a from -1 to 1. Beyond that the result is undefined: a.
pub fn exp2_minus_one(env: &mut Env, a: F80) -> F80 {
    if let Some(nan) = env.check_one(a) {
        return nan;
    }
    env.check_denormal(&[a]);
    let class = a.class();
    if env.aborts() || class == Class::Zero {
        return a;
    }
    if class == Class::Infinity {
        return if a.is_negative() { F80::ONE.negated() } else { a };
    }
    let x = Wide::of(a);
    if x.exponent >= 0 {
        // Exact results count as inexact too (measured).
        env.raise(flag::PE);
        let is_minus_one = a == F80::ONE.negated();
        return if is_minus_one { F80 { se: a.se - 1, ..a } } else { a };
    }
    rounded(env, series::exp_minus_one(x.mul(Wide::LN2)).inexact())
}

/// FYL2X: b times log2(a).
pub fn y_log2(env: &mut Env, a: F80, b: F80) -> F80 {
    if let Some(nan) = env.check_two(a, b) {
        return nan;
    }
    let (class_a, class_b) = (a.class(), b.class());
    if a.is_negative() && class_a != Class::Zero {
        return env.invalid();
    }
    let is_one = a == F80::ONE;
    let refused = match class_b {
        Class::Zero => matches!(class_a, Class::Zero | Class::Infinity),
        Class::Infinity => is_one,
        _ => false,
    };
    if refused {
        return env.invalid();
    }
    if class_a == Class::Zero {
        if class_b != Class::Infinity {
            env.raise(flag::ZE);
        }
        return F80::INFINITY.with_sign(!b.is_negative());
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    let below_one = a.field() < BIAS as u16;
    let negative = b.is_negative() != below_one;
    if class_a == Class::Infinity || class_b == Class::Infinity {
        return F80::INFINITY.with_sign(negative);
    }
    if class_b == Class::Zero || is_one {
        return F80::ZERO.with_sign(negative);
    }
    let x = Wide::of(a);
    if x.sig == 1 << 127 {
        // Exact, but it counts as inexact (measured).
        let product = Wide::of(b).mul(Wide::int(i64::from(x.exponent)));
        let result = rounded(env, product.exact());
        let tiny = result.class() == Class::Denormal;
        env.raise(if tiny { flag::PE | flag::UE } else { flag::PE });
        return result;
    }
    // Between the roots of a half and of two.
    let high = u32::from(x.sig >> 96 > 0xb504_f333);
    let exponent = x.exponent + high as i32;
    let logarithm = series::log2(Wide { exponent: -(high as i32), ..x });
    let sum = Wide::int(i64::from(exponent)).add(logarithm);
    rounded(env, Wide::of(b).mul(sum).inexact())
}

/// FYL2XP1: b times log2(a + 1), for a between 1 - sqrt(2) / 2 on both sides of
/// zero; beyond that the processor's result is undefined, here it goes on.
pub fn y_log2_plus_one(env: &mut Env, a: F80, b: F80) -> F80 {
    if let Some(nan) = env.check_two(a, b) {
        return nan;
    }
    let (class_a, class_b) = (a.class(), b.class());
    let refused = match (class_a, class_b) {
        (Class::Zero, Class::Infinity) | (Class::Infinity, Class::Zero) => true,
        (Class::Infinity, _) => a.is_negative(),
        _ => false,
    };
    if refused {
        return env.invalid();
    }
    env.check_denormal(&[a, b]);
    if env.aborts() {
        return F80::ZERO;
    }
    let negative = a.is_negative() != b.is_negative();
    if class_a == Class::Infinity || class_b == Class::Infinity {
        return F80::INFINITY.with_sign(negative);
    }
    if class_a == Class::Zero || class_b == Class::Zero {
        return F80::ZERO.with_sign(negative);
    }
    let x = Wide::of(a);
    if x.exponent >= 0 && a.is_negative() {
        env.raise(flag::PE);
        return a;
    }
    let logarithm = if x.exponent < -1 {
        series::log2_plus_one(x)
    } else {
        let one_more = x.add(Wide::ONE);
        let mantissa = Wide { exponent: 0, ..one_more };
        Wide::int(i64::from(one_more.exponent)).add(series::log2(mantissa))
    };
    rounded(env, Wide::of(b).mul(logarithm).inexact())
}
