//! From bits to numbers, and the NaN rules.

use super::env::{Env, mxcsr};
use super::format::Layout;

/// Kinds of operands that are not NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero, or a denormal that counts as zero.
    Zero,
    /// A finite number.
    Finite,
    /// An infinity.
    Infinity,
}

/// An operand taken apart: for finite numbers, significand times
/// 2 to the power of (exponent - 63).
#[derive(Clone, Copy, Debug)]
pub struct Unpacked {
    /// Kind.
    pub class: Class,
    /// Whether the sign bit is set.
    pub negative: bool,
    /// Whether the operand is denormal (and does not count as zero).
    pub denormal: bool,
    /// Exponent of the leading bit.
    pub exponent: i32,
    /// Significand with its leading bit at bit 63.
    pub significand: u64,
}

/// Takes a value apart that is not a NaN.
pub fn unpack<F: Layout>(env: &Env, bits: u64) -> Unpacked {
    let field = F::exponent_field(bits);
    let fraction = bits & F::FRACTION;
    let mut number = Unpacked {
        class: Class::Finite,
        negative: bits & F::SIGN != 0,
        denormal: false,
        exponent: field as i32 - F::BIAS,
        significand: (fraction | 1 << F::FRACTION_BITS) << (63 - F::FRACTION_BITS),
    };
    if field == F::EXPONENT_MAX {
        number.class = Class::Infinity;
    } else if field == 0 {
        if fraction == 0 || env.denormals_are_zeroes() {
            number.class = Class::Zero;
        } else {
            let shift = fraction.leading_zeros();
            number.denormal = true;
            number.significand = fraction << shift;
            number.exponent = F::MIN_EXPONENT + 63 - F::FRACTION_BITS as i32 - shift as i32;
        }
    }
    number
}

/// The result of an operation on two operands of which one is a NaN; `None`
/// where none is. The first operand has precedence (SDM vol. 1, table 4-7).
#[inline]
pub fn propagate<F: Layout>(env: &mut Env, a: u64, b: u64) -> Option<u64> {
    let chosen = if F::is_nan(a) {
        a
    } else if F::is_nan(b) {
        b
    } else {
        return None;
    };
    if F::is_signalling(a) || F::is_signalling(b) {
        env.raise(mxcsr::IE);
    }
    Some(chosen | F::QUIET)
}

/// The result of an invalid operation.
#[cold]
pub fn invalid<F: Layout>(env: &mut Env) -> u64 {
    env.raise(mxcsr::IE);
    F::DEFAULT_NAN
}

/// A value with the given sign.
#[inline(always)]
pub fn signed<F: Layout>(negative: bool, magnitude: u64) -> u64 {
    if negative { F::SIGN | magnitude } else { magnitude }
}
