//! From an operation on one lane to one on a vector.

use std::marker::PhantomData;

use super::env::Env;
use super::format::Format;

/// An operation on one lane of either format.
pub trait LaneOp: 'static {
    /// The result; exceptions go to `env`.
    fn lane<F: Format>(env: &mut Env, a: u64, b: u64, imm: u8) -> u64;
}

/// An operation on 128 bits that rounds and raises exceptions.
pub trait FloatOp: 'static {
    /// The result; exceptions go to `env`.
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128;
}

/// Every lane.
#[derive(Debug)]
pub struct PackedOf<F, O>(PhantomData<(F, O)>);
/// The lowest lane; the others stay those of the first operand.
#[derive(Debug)]
pub struct ScalarOf<F, O>(PhantomData<(F, O)>);

impl<F: Format, O: LaneOp> FloatOp for PackedOf<F, O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        F::zip(a, b, |a, b| O::lane::<F>(env, a, b, imm))
    }
}

impl<F: Format, O: LaneOp> FloatOp for ScalarOf<F, O> {
    #[inline(always)]
    fn apply(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
        let result = O::lane::<F>(env, a as u64 & F::MASK, b as u64 & F::MASK, imm);
        a & !u128::from(F::MASK) | u128::from(result)
    }
}
