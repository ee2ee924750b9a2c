//! Rounding to integers against the host's, and sums across lanes against their
//! parts.

use proptest::prelude::*;

use super::across::{AddSub, DotDoubles, DotSingles, PairsOf};
use super::arith::{Add, Mul, Sub};
use super::env::Outcome;
use super::integral::round_to_integral;
use super::{Double, Env, FloatOp, Format, LaneOp, Layout, Single, mxcsr};

/// Values of both formats: near integers and halves, and anything.
fn singles() -> impl Strategy<Value = u32> {
    let near = (-40i32..40, -2i32..3)
        .prop_map(|(halves, ulps)| (halves as f32 * 0.5).to_bits().wrapping_add_signed(ulps));
    let large = (0u32..30, any::<u32>()).prop_map(|(up, low)| (126 + up) << 23 | low >> 9);
    prop_oneof![near, large, any::<u32>()]
}

fn doubles() -> impl Strategy<Value = u64> {
    let near = (-40i32..40, -2i64..3)
        .prop_map(|(halves, ulps)| (f64::from(halves) * 0.5).to_bits().wrapping_add_signed(ulps));
    let large = (0u64..60, any::<u64>()).prop_map(|(up, low)| (1022 + up) << 52 | low >> 12);
    prop_oneof![near, large, any::<u64>()]
}

/// The immediate's direction, or MXCSR's.
fn rounding(imm: u8, control: u32) -> u32 {
    if imm & 4 != 0 { control >> mxcsr::RC_SHIFT & 3 } else { u32::from(imm & 3) }
}

/// Rounds without DAZ; the result and the flags raised.
fn rounded<F: Format>(bits: u64, imm: u8, control: u32) -> (u64, u32) {
    let mut env = Env::new(control);
    let result = round_to_integral::<F>(&mut env, bits, imm);
    (result, env.raised())
}

/// What a rounded value must raise.
fn inexact(same: bool, imm: u8) -> u32 {
    if same || imm & 8 != 0 { 0 } else { mxcsr::PE }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn integers_of_doubles(bits in doubles(), imm in 0u8..16, rc in 0u32..4) {
        let value = f64::from_bits(bits);
        let control = mxcsr::MASKS | rc << mxcsr::RC_SHIFT;
        prop_assume!(!value.is_nan());
        let expected = match rounding(imm, control) {
            0 => value.round_ties_even(),
            1 => value.floor(),
            2 => value.ceil(),
            _ => value.trunc(),
        };
        let flags = inexact(expected == value, imm);
        prop_assert_eq!(rounded::<Double>(bits, imm, control), (expected.to_bits(), flags));
    }

    #[test]
    fn integers_of_singles(bits in singles(), imm in 0u8..16, rc in 0u32..4) {
        let value = f32::from_bits(bits);
        let control = mxcsr::MASKS | rc << mxcsr::RC_SHIFT;
        prop_assume!(!value.is_nan());
        let expected = match rounding(imm, control) {
            0 => value.round_ties_even(),
            1 => value.floor(),
            2 => value.ceil(),
            _ => value.trunc(),
        };
        let flags = inexact(expected == value, imm);
        let expected = u64::from(expected.to_bits());
        prop_assert_eq!(rounded::<Single>(bits.into(), imm, control), (expected, flags));
    }

    #[test]
    fn pairs_of_doubles(a in [doubles(), doubles()], b in [doubles(), doubles()]) {
        let join = |lanes: [u64; 2]| u128::from(lanes[0]) | u128::from(lanes[1]) << 64;
        let (mut env, mut twin) = (Env::new(mxcsr::MASKS), Env::new(mxcsr::MASKS));
        let sums = PairsOf::<Double, Add>::apply(&mut env, join(a), join(b), 0);
        let expected = [a, b].map(|[low, high]| Add::lane::<Double>(&mut twin, low, high, 0));
        prop_assert_eq!(sums, join(expected));
        prop_assert_eq!(env.raised(), twin.raised());
        let alternating = AddSub::<Double>::apply(&mut env, join(a), join(b), 0);
        let low = Sub::lane::<Double>(&mut twin, a[0], b[0], 0);
        let high = Add::lane::<Double>(&mut twin, a[1], b[1], 0);
        prop_assert_eq!(alternating, join([low, high]));
        prop_assert_eq!(env.raised(), twin.raised());
        let dot = DotDoubles::apply(&mut env, join(a), join(b), 0x31);
        let products: Vec<u64> =
            a.iter().zip(b).map(|(&a, b)| Mul::lane::<Double>(&mut twin, a, b, 0)).collect();
        let sum = Add::lane::<Double>(&mut twin, products[0], products[1], 0);
        prop_assert_eq!(dot, u128::from(sum));
        prop_assert_eq!(env.outcome(), twin.outcome());
    }
}

fn singles_of(lanes: [u32; 4]) -> u128 {
    lanes.iter().rev().fold(0, |value, &lane| value << 32 | u128::from(lane))
}

#[test]
fn products_that_are_not_wanted() {
    let a = singles_of([2.0f32, 3.0, 5.0, f32::INFINITY].map(f32::to_bits));
    let b = singles_of([7.0f32, 11.0, 13.0, 0.0].map(f32::to_bits));
    let mut env = Env::new(mxcsr::MASKS);
    let dot = DotSingles::apply(&mut env, a, b, 0x5a);
    let sum = (2.0f32 * 7.0 + 5.0 * 13.0).to_bits();
    assert_eq!(dot, singles_of([0, sum, 0, sum]));
    // Infinity times zero is not looked at.
    assert_eq!(env.outcome(), Outcome::Done(mxcsr::MASKS));
}

/// Measured on an Ice Lake Xeon: which NaN goes on tells the order of the additions.
#[test]
fn nans_of_dot_products() {
    let nan = |payload: u32| 0x7fc0_0000 | payload;
    let a = singles_of([nan(1), nan(2), nan(3), nan(4)]);
    let dot = |imm: u8| DotSingles::apply(&mut Env::new(mxcsr::MASKS), a, 0, imm);
    assert_eq!(dot(0xff), singles_of([nan(2), nan(1), nan(4), nan(3)]));
    assert_eq!(dot(0x5f), singles_of([nan(1), nan(1), nan(3), nan(3)]));
    let low = u128::from(Double::DEFAULT_NAN);
    let high = u128::from(Double::INFINITY | Double::QUIET) << 64;
    let dot = DotDoubles::apply(&mut Env::new(mxcsr::MASKS), high | low, 0, 0x33);
    assert_eq!(dot, high | low);
}

/// A product that traps leaves no trace of the sum.
#[test]
fn traps_between_the_steps() {
    let control = mxcsr::MASKS & !(mxcsr::OE << mxcsr::MASK_SHIFT);
    let a = singles_of([0x7f7f_ffff, 0x7f80_0000, 0, 0]);
    let b = singles_of([0x4000_0000, 0xbf80_0000, 0, 0]);
    let mut env = Env::new(control);
    DotSingles::apply(&mut env, a, b, 0xff);
    assert_eq!(env.outcome(), Outcome::Trap(control | mxcsr::OE));
}

/// Measured: a sum that traps leaves what the products raised.
#[test]
fn exceptions_of_earlier_steps() {
    let a = 0xa14f_be84_beab_eb8c_8080_0000_007f_ffff;
    let b = 0x4004_0000_0000_0000_8010_0000_0000_0001;
    let mut env = Env::new(0x5e0d);
    DotDoubles::apply(&mut env, a, b, 0xbd);
    assert_eq!(env.outcome(), Outcome::Trap(0x5e3f));
}
