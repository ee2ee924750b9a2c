//! Operations on 64 bits made of those on 128: operands come zero-extended, and the
//! low half of the result counts.
//!
//! Most operations work lane by lane and need nothing. Those that move lanes across
//! the vector are given operands with which their low half is the right one.

use std::marker::PhantomData;

use crate::alu::simd::VectorOp;

/// Both operands side by side in the first one: for operations whose low half is made
/// of the first operand alone (PACKx, PHADDx).
#[derive(Debug)]
pub(super) struct Joined<O>(PhantomData<O>);
/// The high doublewords of both operands: PUNPCKHx by way of PUNPCKLx.
#[derive(Debug)]
pub(super) struct Upper<O>(PhantomData<O>);
/// The first operand in both halves: for PSHUFB, whose places wrap at 8 then.
#[derive(Debug)]
pub(super) struct Repeated<O>(PhantomData<O>);
/// The first operand above the second, in the second: PALIGNR.
#[derive(Debug)]
pub(super) struct Stacked<O>(PhantomData<O>);

impl<O: VectorOp> VectorOp for Joined<O> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        O::apply(a | b << 64, 0, imm)
    }
}

impl<O: VectorOp> VectorOp for Upper<O> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        O::apply(a >> 32, b >> 32, imm)
    }
}

impl<O: VectorOp> VectorOp for Repeated<O> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        O::apply(a | a << 64, b, imm)
    }
}

impl<O: VectorOp> VectorOp for Stacked<O> {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        O::apply(0, b | a << 64, imm)
    }
}
