//! Sums, differences, comparisons, minima, means and bitwise operations.

use std::marker::PhantomData;

use super::lane::{add, borrows, carries, equal, greater, select, signed_bound, spread, sub};
use super::{Lane, VectorOp};

/// PADDx: wraps.
#[derive(Debug)]
pub struct Add<L>(PhantomData<L>);
/// PSUBx: wraps.
#[derive(Debug)]
pub struct Sub<L>(PhantomData<L>);
/// PADDSx, PADDUSx.
#[derive(Debug)]
pub struct AddSaturated<L>(PhantomData<L>);
/// PSUBSx, PSUBUSx.
#[derive(Debug)]
pub struct SubSaturated<L>(PhantomData<L>);
/// PCMPEQx: ones where equal.
#[derive(Debug)]
pub struct Equal<L>(PhantomData<L>);
/// PCMPGTx: ones where greater.
#[derive(Debug)]
pub struct Greater<L>(PhantomData<L>);
/// PMINx.
#[derive(Debug)]
pub struct Min<L>(PhantomData<L>);
/// PMAXx.
#[derive(Debug)]
pub struct Max<L>(PhantomData<L>);
/// PAVGx: of unsigned lanes, rounded up.
#[derive(Debug)]
pub struct Average<L>(PhantomData<L>);
/// PAND, ANDPS, ANDPD.
#[derive(Debug)]
pub struct And;
/// PANDN, ANDNPS, ANDNPD: the first operand is inverted.
#[derive(Debug)]
pub struct AndNot;
/// POR, ORPS, ORPD.
#[derive(Debug)]
pub struct Or;
/// PXOR, XORPS, XORPD.
#[derive(Debug)]
pub struct Xor;

/// Implements [`VectorOp`] for any lane.
macro_rules! lanewise {
    ($($name:ident => $function:expr;)*) => {
        $(impl<L: Lane> VectorOp for $name<L> {
            #[inline(always)]
            fn apply(a: u128, b: u128, _imm: u8) -> u128 {
                let function: fn(u128, u128) -> u128 = $function;
                function(a, b)
            }
        })*
    };
}

lanewise! {
    Add => add::<L>;
    Sub => sub::<L>;
    AddSaturated => add_saturated::<L>;
    SubSaturated => sub_saturated::<L>;
    Equal => equal::<L>;
    Greater => greater::<L>;
    Min => |a, b| select(greater::<L>(a, b), b, a);
    Max => |a, b| select(greater::<L>(a, b), a, b);
    // a + b = 2 * (a | b) - (a ^ b); halving must not take bits from the next lane.
    Average => |a, b| sub::<L>(a | b, ((a ^ b) & !L::LOW) >> 1);
}

fn add_saturated<L: Lane>(a: u128, b: u128) -> u128 {
    let sum = add::<L>(a, b);
    if L::SIGNED {
        let overflow = spread::<L>((a ^ sum) & (b ^ sum));
        select(overflow, signed_bound::<L>(a), sum)
    } else {
        sum | spread::<L>(carries(a, b, sum))
    }
}

fn sub_saturated<L: Lane>(a: u128, b: u128) -> u128 {
    let difference = sub::<L>(a, b);
    if L::SIGNED {
        let overflow = spread::<L>((a ^ b) & (a ^ difference));
        select(overflow, signed_bound::<L>(a), difference)
    } else {
        difference & !spread::<L>(borrows(a, b, difference))
    }
}

/// Implements [`VectorOp`] for the vector as a whole.
macro_rules! whole {
    ($($name:ident => $function:expr;)*) => {
        $(impl VectorOp for $name {
            #[inline(always)]
            fn apply(a: u128, b: u128, _imm: u8) -> u128 {
                let function: fn(u128, u128) -> u128 = $function;
                function(a, b)
            }
        })*
    };
}

whole! {
    And => |a, b| a & b;
    AndNot => |a, b| !a & b;
    Or => |a, b| a | b;
    Xor => |a, b| a ^ b;
}
