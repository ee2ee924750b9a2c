//! Comparisons, minima and maxima.

use super::env::{Env, mxcsr};
use super::format::Format;
use super::lanes::LaneOp;

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The first is less.
    Less,
    /// They are equal.
    Equal,
    /// The first is greater.
    Greater,
    /// One is a NaN.
    Unordered,
}

/// Which NaNs are invalid operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanRule {
    /// Signalling ones.
    Quiet,
    /// All.
    Signalling,
}

/// CMPPS, CMPPD, CMPSS, CMPSD: a mask of ones where the predicate, one of eight, holds.
#[derive(Debug)]
pub struct Compare;
/// VCMPPS and its like: the same with 32 predicates.
#[derive(Debug)]
pub struct ComparePredicate;
/// MINPS and its like: the second operand where the two are unordered or zeroes.
#[derive(Debug)]
pub struct Min;
/// MAXPS and its like.
#[derive(Debug)]
pub struct Max;

/// Compares two values.
#[inline]
pub fn relation<F: Format>(env: &mut Env, a: u64, b: u64, nans: NanRule) -> Relation {
    if F::is_nan(a) || F::is_nan(b) {
        let signalling = F::is_signalling(a) || F::is_signalling(b);
        if nans == NanRule::Signalling || signalling {
            env.raise(mxcsr::IE);
        }
        return Relation::Unordered;
    }
    let (a, b) = (operand::<F>(env, a), operand::<F>(env, b));
    match ordered::<F>(a).cmp(&ordered::<F>(b)) {
        std::cmp::Ordering::Less => Relation::Less,
        std::cmp::Ordering::Equal => Relation::Equal,
        std::cmp::Ordering::Greater => Relation::Greater,
    }
}

/// An operand with DAZ applied; denormals raise their exception.
#[inline(always)]
fn operand<F: Format>(env: &mut Env, bits: u64) -> u64 {
    if !F::is_denormal(bits) {
        bits
    } else if env.denormals_are_zeroes() {
        bits & F::SIGN
    } else {
        env.raise(mxcsr::DE);
        bits
    }
}

/// An integer that orders as the value does; both zeroes are 0.
#[inline(always)]
fn ordered<F: Format>(bits: u64) -> i64 {
    // Binary64 magnitudes fit 63 bits, so the negation cannot overflow.
    let magnitude = (bits & !F::SIGN) as i64;
    if bits & F::SIGN != 0 { -magnitude } else { magnitude }
}

const LESS: u8 = 1 << Relation::Less as u8;
const EQUAL: u8 = 1 << Relation::Equal as u8;
const GREATER: u8 = 1 << Relation::Greater as u8;
const UNORDERED: u8 = 1 << Relation::Unordered as u8;

/// The relations for which a predicate holds, as bits, by the low four bits of its
/// number (SDM vol. 2A, CMPPS, tables 3-1 and 3-7).
const HOLDS: [u8; 16] = [
    // EQ, LT, LE, UNORD.
    EQUAL,
    LESS,
    LESS | EQUAL,
    UNORDERED,
    // NEQ, NLT, NLE, ORD.
    LESS | GREATER | UNORDERED,
    EQUAL | GREATER | UNORDERED,
    GREATER | UNORDERED,
    LESS | EQUAL | GREATER,
    // EQ_UQ, NGE, NGT, FALSE.
    EQUAL | UNORDERED,
    LESS | UNORDERED,
    LESS | EQUAL | UNORDERED,
    0,
    // NEQ_OQ, GE, GT, TRUE.
    LESS | GREATER,
    EQUAL | GREATER,
    GREATER,
    LESS | EQUAL | GREATER | UNORDERED,
];

/// What a predicate does about quiet NaNs: of each four, the middle two refuse them;
/// from predicate 16 on it is the other way round.
#[inline(always)]
fn nan_rule(predicate: u8) -> NanRule {
    let middle = (predicate + 1) & 2 != 0;
    if middle == (predicate & 16 != 0) { NanRule::Quiet } else { NanRule::Signalling }
}

/// A mask of ones where one of the 32 predicates holds.
#[inline(always)]
fn compare<F: Format>(env: &mut Env, a: u64, b: u64, predicate: u8) -> u64 {
    let relation = relation::<F>(env, a, b, nan_rule(predicate));
    let holds = HOLDS[usize::from(predicate & 15)];
    if holds >> relation as u8 & 1 != 0 { F::MASK } else { 0 }
}

impl LaneOp for Compare {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, imm: u8) -> u64 {
        compare::<F>(env, a, b, imm & 7)
    }
}

impl LaneOp for ComparePredicate {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, imm: u8) -> u64 {
        compare::<F>(env, a, b, imm & 31)
    }
}

impl LaneOp for Min {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        select::<F>(env, a, b, Relation::Less)
    }
}

impl LaneOp for Max {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, _imm: u8) -> u64 {
        select::<F>(env, a, b, Relation::Greater)
    }
}

/// The first operand where it relates to the second as wanted, else the second.
/// A NaN comes through as it is; a denormal that counts as zero becomes one.
#[inline(always)]
fn select<F: Format>(env: &mut Env, a: u64, b: u64, wanted: Relation) -> u64 {
    let chosen = if relation::<F>(env, a, b, NanRule::Signalling) == wanted { a } else { b };
    if F::is_denormal(chosen) && env.denormals_are_zeroes() { chosen & F::SIGN } else { chosen }
}
