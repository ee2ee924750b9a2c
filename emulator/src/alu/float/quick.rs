//! When the host's arithmetic is right, flags included.
//!
//! IEEE 754 fixes the value of sums, products, quotients and square roots, so with
//! rounding to nearest the host gives it; only the exceptions need a thought. With
//! normal or zero operands and a result well inside the normal range the only one
//! is precision. It need not be found where MXCSR.PE is set already, and
//! otherwise it is found exactly from the operands.

use super::env::Env;
use super::format::{Double, Format, Layout, Single};

/// Whether an operand is normal or zero.
#[inline(always)]
fn is_plain<F: Format>(bits: u64) -> bool {
    F::is_normal(bits) || F::is_zero(bits)
}

/// Whether a result can neither have overflowed nor be tiny. The least normal
/// binade is excluded: a tiny number may round up into it.
#[inline(always)]
fn is_inside<F: Format>(bits: u64) -> bool {
    F::exponent_field(bits).wrapping_sub(2) < F::EXPONENT_MAX - 2
}

/// The host's sum of `a` and `b`, or difference, where that is all there is to it.
#[inline(always)]
pub fn add<F: Format>(env: &Env, a: u64, b: u64) -> Option<u64> {
    if !(env.is_default() && is_plain::<F>(a) && is_plain::<F>(b)) {
        return None;
    }
    let sum = F::host_add(a, b);
    let inside = is_inside::<F>(sum) || F::is_zero(sum);
    let silent = || env.inexact_is_known() || sum_is_exact::<F>(a, b, sum);
    (inside && silent()).then_some(sum)
}

/// The host's product, where that is all there is to it.
#[inline(always)]
pub fn mul<F: Format>(env: &Env, a: u64, b: u64) -> Option<u64> {
    if !(env.is_default() && is_plain::<F>(a) && is_plain::<F>(b)) {
        return None;
    }
    let product = F::host_mul(a, b);
    let zero = F::is_zero(a) || F::is_zero(b);
    let silent = || env.inexact_is_known() || product_is_exact::<F>(a, b);
    (zero || (is_inside::<F>(product) && silent())).then_some(product)
}

/// The host's quotient, where that is all there is to it.
#[inline(always)]
pub fn div<F: Format>(env: &Env, a: u64, b: u64) -> Option<u64> {
    if !(env.is_default() && is_plain::<F>(a) && F::is_normal(b)) {
        return None;
    }
    let quotient = F::host_div(a, b);
    let silent = || env.inexact_is_known() || product_equals::<F>(quotient, b, a);
    (F::is_zero(a) || (is_inside::<F>(quotient) && silent())).then_some(quotient)
}

/// The host's square root, where that is all there is to it.
#[inline(always)]
pub fn sqrt<F: Format>(env: &Env, a: u64) -> Option<u64> {
    if !(env.is_default() && F::is_normal(a) && a & F::SIGN == 0) {
        return None;
    }
    let root = F::host_sqrt(a);
    let silent = || env.inexact_is_known() || product_equals::<F>(root, root, a);
    silent().then_some(root)
}

/// The host's fused product and sum, where that is all there is to it. It may be
/// inexact in a way that is not worth finding out.
#[inline(always)]
pub fn mul_add<F: Format>(env: &Env, a: u64, b: u64, c: u64) -> Option<u64> {
    let plain = || is_plain::<F>(a) && is_plain::<F>(b) && is_plain::<F>(c);
    if !(env.is_default() && env.inexact_is_known() && plain()) {
        return None;
    }
    let sum = F::host_mul_add(a, b, c);
    is_inside::<F>(sum).then_some(sum)
}

/// The host's conversion to binary32, where that is all there is to it.
#[inline(always)]
pub fn narrow(env: &Env, bits: u64) -> Option<u64> {
    if !(env.is_default() && is_plain::<Double>(bits)) {
        return None;
    }
    let value = f64::from_bits(bits);
    let narrowed = value as f32;
    let result = u64::from(narrowed.to_bits());
    let silent = || env.inexact_is_known() || f64::from(narrowed).to_bits() == bits;
    let inside = Double::is_zero(bits) || is_inside::<Single>(result);
    (inside && silent()).then_some(result)
}

/// Whether a rounded sum is exact: the error of the sum, computed without error
/// (Knuth, TAOCP vol. 2, 4.2.2, theorem B), is zero. No step of it can overflow
/// here unless the sum does.
#[inline]
fn sum_is_exact<F: Format>(a: u64, b: u64, sum: u64) -> bool {
    let b_part = F::host_sub(sum, a);
    let a_part = F::host_sub(sum, b_part);
    let b_error = F::host_sub(b, b_part);
    let a_error = F::host_sub(a, a_part);
    F::is_zero(F::host_add(a_error, b_error))
}

/// The significand with its leading bit.
#[inline(always)]
fn significand<F: Format>(bits: u64) -> u64 {
    bits & F::FRACTION | 1 << F::FRACTION_BITS
}

/// Whether the product of two normal numbers needs no more bits than there are.
#[inline]
fn product_is_exact<F: Format>(a: u64, b: u64) -> bool {
    let product = u128::from(significand::<F>(a)) * u128::from(significand::<F>(b));
    let width = 128 - product.leading_zeros() - product.trailing_zeros();
    width <= F::FRACTION_BITS + 1
}

/// Whether `a` times `b` is exactly `c` (normal numbers; the product is near `c`,
/// so that equal significands suffice).
#[inline]
fn product_equals<F: Format>(a: u64, b: u64, c: u64) -> bool {
    let product = u128::from(significand::<F>(a)) * u128::from(significand::<F>(b));
    let normalised = product << product.leading_zeros();
    let wanted = u128::from(significand::<F>(c));
    normalised == wanted << wanted.leading_zeros()
}
