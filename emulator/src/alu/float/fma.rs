//! Products with a sum, rounded once (FMA). Source: SDM vol. 1, 14.5.
//!
//! The signs of product and addend and the order of the operands are zero-sized
//! parameters, so that each instruction is one type. The exact sum fits 128 bits: the
//! product of two significands has at most 106, and what an alignment shifts out of
//! the smaller number matters only where the larger one has more bits to spare.

use std::marker::PhantomData;

use super::arith::exact_zero;
use super::env::{Env, mxcsr};
use super::format::Format;
use super::quick;
use super::round::{jam_to_u64, round, shift_right_jam};
use super::unpack::{Class, Unpacked, invalid, signed, unpack};

/// Which signs are changed before the operation. NaNs keep theirs.
pub trait Signs: 'static {
    /// Whether the product is negated.
    const NEGATES_PRODUCT: bool;
    /// Whether the addend of an even (0) or odd (1) lane is negated.
    const NEGATES_ADDEND: [bool; 2];
}

/// FMADD.
#[derive(Debug)]
pub struct MulAdd;
/// FMSUB.
#[derive(Debug)]
pub struct MulSub;
/// FNMADD.
#[derive(Debug)]
pub struct NegMulAdd;
/// FNMSUB.
#[derive(Debug)]
pub struct NegMulSub;
/// FMADDSUB: odd lanes add, even lanes subtract.
#[derive(Debug)]
pub struct MulAddSub;
/// FMSUBADD: odd lanes subtract, even lanes add.
#[derive(Debug)]
pub struct MulSubAdd;

/// Implements [`Signs`].
macro_rules! signs {
    ($($name:ident => $product:expr, $even:expr, $odd:expr;)*) => {
        $(impl Signs for $name {
            const NEGATES_PRODUCT: bool = $product;
            const NEGATES_ADDEND: [bool; 2] = [$even, $odd];
        })*
    };
}

signs! {
    MulAdd => false, false, false;
    MulSub => false, true, true;
    NegMulAdd => true, false, false;
    NegMulSub => true, true, true;
    MulAddSub => false, true, false;
    MulSubAdd => false, false, true;
}

/// Which operands of an instruction are multiplied, and which is added.
pub trait Order: 'static {
    /// The two factors and the addend, of the operands in the instruction's order.
    fn arrange<T>(first: T, second: T, third: T) -> (T, T, T);
}

/// First times third plus second.
#[derive(Debug)]
pub struct Order132;
/// Second times first plus third.
#[derive(Debug)]
pub struct Order213;
/// Second times third plus first.
#[derive(Debug)]
pub struct Order231;

impl Order for Order132 {
    #[inline(always)]
    fn arrange<T>(first: T, second: T, third: T) -> (T, T, T) {
        (first, third, second)
    }
}

impl Order for Order213 {
    #[inline(always)]
    fn arrange<T>(first: T, second: T, third: T) -> (T, T, T) {
        (second, first, third)
    }
}

impl Order for Order231 {
    #[inline(always)]
    fn arrange<T>(first: T, second: T, third: T) -> (T, T, T) {
        (second, third, first)
    }
}

/// An operation on three vectors of 128 bits that rounds and raises exceptions.
pub trait FloatOp3: 'static {
    /// The result; `a` is what the destination had.
    fn apply(env: &mut Env, a: u128, b: u128, c: u128) -> u128;
}

/// Every lane.
#[derive(Debug)]
pub struct Fused<F, S, O>(PhantomData<(F, S, O)>);
/// The lowest lane; the others stay those of the destination.
#[derive(Debug)]
pub struct FusedScalar<F, S, O>(PhantomData<(F, S, O)>);

impl<F: Format, S: Signs, O: Order> FloatOp3 for Fused<F, S, O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, c: u128) -> u128 {
        let (x, y, z) = O::arrange(a, b, c);
        let (mut rest, mut nth) = (z, 0);
        F::zip(x, y, |x, y| {
            let result = lane::<F, S>(env, [x, y, rest as u64 & F::MASK], nth & 1);
            rest >>= F::BITS;
            nth += 1;
            result
        })
    }
}

impl<F: Format, S: Signs, O: Order> FloatOp3 for FusedScalar<F, S, O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, c: u128) -> u128 {
        let low = |value: u128| value as u64 & F::MASK;
        let (x, y, z) = O::arrange(low(a), low(b), low(c));
        a & !u128::from(F::MASK) | u128::from(lane::<F, S>(env, [x, y, z], 0))
    }
}

/// One lane: factor, factor, addend.
#[inline(always)]
fn lane<F: Format, S: Signs>(env: &mut Env, operands: [u64; 3], odd: usize) -> u64 {
    let [x, y, z] = operands;
    let sign = |negates: bool| if negates { F::SIGN } else { 0 };
    let signs = [sign(S::NEGATES_PRODUCT), sign(S::NEGATES_ADDEND[odd])];
    quick::mul_add::<F>(env, x ^ signs[0], y, z ^ signs[1])
        .unwrap_or_else(|| mul_add::<F>(env, operands, signs))
}

/// The product of the first two operands plus the third, after changing the signs of
/// product and addend as `signs` says.
#[inline(never)]
pub fn mul_add<F: Format>(env: &mut Env, operands: [u64; 3], signs: [u64; 2]) -> u64 {
    if let Some(nan) = propagate3::<F>(env, operands) {
        return nan;
    }
    let [x, y, z] = operands;
    let (x, y) = (unpack::<F>(env, x ^ signs[0]), unpack::<F>(env, y));
    let z = unpack::<F>(env, z ^ signs[1]);
    let negative = x.negative != y.negative;
    let product = match (x.class, y.class) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => {
            return invalid::<F>(env);
        }
        (Class::Infinity, _) | (_, Class::Infinity) => Class::Infinity,
        (Class::Zero, _) | (_, Class::Zero) => Class::Zero,
        (Class::Finite, Class::Finite) => Class::Finite,
    };
    let infinities = product == Class::Infinity && z.class == Class::Infinity;
    if infinities && negative != z.negative {
        return invalid::<F>(env);
    }
    if x.denormal || y.denormal || z.denormal {
        env.raise(mxcsr::DE);
    }
    match (product, z.class) {
        (Class::Infinity, _) => signed::<F>(negative, F::INFINITY),
        (_, Class::Infinity) => signed::<F>(z.negative, F::INFINITY),
        (Class::Zero, Class::Zero) if negative == z.negative => signed::<F>(negative, 0),
        (Class::Zero, Class::Zero) => exact_zero::<F>(env),
        (Class::Zero, Class::Finite) => round::<F>(env, z.negative, z.exponent, z.significand),
        (Class::Finite, _) => round_sum::<F>(env, Exact::product(&x, &y), Exact::number(&z)),
    }
}

/// The result where one of three operands is a NaN: the first of them, in the order
/// factor, factor, addend. A quiet addend hides an invalid product.
fn propagate3<F: Format>(env: &mut Env, operands: [u64; 3]) -> Option<u64> {
    let first = operands.into_iter().find(|&bits| F::is_nan(bits))?;
    if operands.into_iter().any(F::is_signalling) {
        env.raise(mxcsr::IE);
    }
    Some(first | F::QUIET)
}

/// A number: significand times 2 to the power of (exponent - 126). The significand's
/// leading bit is bit 126, or it is zero.
struct Exact {
    negative: bool,
    exponent: i32,
    significand: u128,
}

/// Place of the leading bit.
const LEADING: u32 = 126;

impl Exact {
    /// The product of two finite numbers.
    fn product(a: &Unpacked, b: &Unpacked) -> Self {
        let product = u128::from(a.significand) * u128::from(b.significand);
        // Significands have 53 bits at most, so nothing is shifted out.
        let above = 1 - product.leading_zeros();
        Self {
            negative: a.negative != b.negative,
            exponent: a.exponent + b.exponent + above as i32,
            significand: product >> above,
        }
    }

    /// A finite number or zero.
    fn number(a: &Unpacked) -> Self {
        let zero = a.class == Class::Zero;
        Self {
            negative: a.negative,
            exponent: if zero { i32::MIN / 2 } else { a.exponent },
            significand: if zero { 0 } else { u128::from(a.significand) << (LEADING - 63) },
        }
    }
}

/// Adds and rounds. `a` is not zero.
fn round_sum<F: Format>(env: &mut Env, a: Exact, b: Exact) -> u64 {
    let smaller = (a.exponent, a.significand) < (b.exponent, b.significand);
    let (big, small) = if smaller { (b, a) } else { (a, b) };
    let distance = big.exponent.abs_diff(small.exponent);
    let addend = shift_right_jam(small.significand, distance);
    let total = if big.negative == small.negative {
        big.significand + addend
    } else {
        big.significand - addend
    };
    if total == 0 {
        return exact_zero::<F>(env);
    }
    let shift = total.leading_zeros();
    let exponent = big.exponent + 1 - shift as i32;
    round::<F>(env, big.negative, exponent, jam_to_u64(total << shift))
}
