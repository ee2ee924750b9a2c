//! The host's arithmetic against the software's, and properties of rounding.

use proptest::prelude::*;

use super::env::Outcome;
use super::{Double, Env, Format, Single, arith, convert, mxcsr, quick};

/// Bits of a value: often near the ends of its range, of another value's exponent,
/// or with few bits in the fraction.
pub(super) fn bits<F: Format>() -> impl Strategy<Value = u64> {
    let exponent = prop_oneof![
        Just(0),
        1u64..4,
        F::EXPONENT_MAX - 4..=F::EXPONENT_MAX,
        F::BIAS as u64 - 30..F::BIAS as u64 + 30,
        0..=F::EXPONENT_MAX,
    ];
    let fraction = prop_oneof![
        Just(0),
        Just(1),
        Just(F::FRACTION),
        (0..F::FRACTION_BITS).prop_map(|bit| 1 << bit),
        0..=F::FRACTION,
    ];
    (any::<bool>(), exponent, fraction).prop_map(|(negative, exponent, fraction)| {
        u64::from(negative) << (F::BITS - 1) | exponent << F::FRACTION_BITS | fraction
    })
}

/// MXCSR with all exceptions masked.
fn masked() -> impl Strategy<Value = u32> {
    (0u32..4, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(rc, ftz, daz, pe)| {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        mxcsr::MASKS
            | rc << mxcsr::RC_SHIFT
            | bit(ftz, mxcsr::FTZ)
            | bit(daz, mxcsr::DAZ)
            | bit(pe, mxcsr::PE)
    })
}

/// What an operation leaves: its result and MXCSR.
fn software(control: u32, operation: impl FnOnce(&mut Env) -> u64) -> (u64, Outcome) {
    let mut env = Env::new(control);
    let result = operation(&mut env);
    (result, env.outcome())
}

/// Where the host is asked, the software gives the same value and flags.
fn host_agrees<F: Format>(a: u64, b: u64, control: u32) -> Result<(), TestCaseError> {
    let env = Env::new(control);
    let untouched = Outcome::Done(control);
    if let Some(sum) = quick::add::<F>(&env, a, b) {
        prop_assert_eq!((sum, untouched), software(control, |env| arith::add::<F>(env, a, b)));
    }
    if let Some(product) = quick::mul::<F>(&env, a, b) {
        prop_assert_eq!((product, untouched), software(control, |env| arith::mul::<F>(env, a, b)));
    }
    if let Some(quotient) = quick::div::<F>(&env, a, b) {
        prop_assert_eq!((quotient, untouched), software(control, |env| arith::div::<F>(env, a, b)));
    }
    if let Some(root) = quick::sqrt::<F>(&env, a) {
        prop_assert_eq!((root, untouched), software(control, |env| arith::sqrt::<F>(env, a)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn host_agrees_in_single(a in bits::<Single>(), b in bits::<Single>(), control in masked()) {
        host_agrees::<Single>(a, b, control)?;
        host_agrees::<Single>(a, a ^ b & 3, mxcsr::MASKS)?;
    }

    #[test]
    fn host_agrees_in_double(a in bits::<Double>(), b in bits::<Double>(), control in masked()) {
        host_agrees::<Double>(a, b, control)?;
        host_agrees::<Double>(a, a ^ b & 3, mxcsr::MASKS)?;
    }

    #[test]
    fn host_agrees_in_narrowing(a in bits::<Double>(), control in masked()) {
        if let Some(narrowed) = quick::narrow(&Env::new(control), a) {
            let twin = software(control, |env| convert::convert::<Double, Single>(env, a));
            prop_assert_eq!((narrowed, Outcome::Done(control)), twin);
        }
    }

    #[test]
    fn integers_survive_doubles(value in any::<i64>(), shift in 0u32..64) {
        let value = value >> shift;
        let mut env = Env::new(mxcsr::MASKS);
        let double = convert::from_int::<Double>(&mut env, value);
        prop_assert_eq!(double, (value as f64).to_bits());
        let inexact = env.raised() != 0;
        prop_assert_eq!(inexact, value as f64 as i128 != i128::from(value));
        let back = convert::to_int::<Double>(&mut env, double, 64, convert::ToInt::Truncate);
        if !inexact {
            prop_assert_eq!(back as i64, value);
        }
    }

    #[test]
    fn directed_results_enclose_the_nearest(a in bits::<Double>(), b in bits::<Double>()) {
        let product = |rc: u32| {
            let mut env = Env::new(mxcsr::MASKS | rc << mxcsr::RC_SHIFT);
            f64::from_bits(arith::mul::<Double>(&mut env, a, b))
        };
        let (nearest, down, up, zero) = (product(0), product(1), product(2), product(3));
        if nearest.is_nan() {
            prop_assert!(down.is_nan() && up.is_nan() && zero.is_nan());
        } else {
            prop_assert!(down <= nearest && nearest <= up);
            prop_assert!(nearest == down || nearest == up);
            prop_assert_eq!(zero.to_bits(), if nearest.is_sign_negative() { up } else { down }.to_bits());
            prop_assert_eq!(nearest.to_bits(), (f64::from_bits(a) * f64::from_bits(b)).to_bits());
        }
    }
}

#[test]
fn approximations_have_twelve_bits() {
    for step in 0..=0xffffu64 {
        let bits = 127 << 23 | step << 7;
        let operand = f64::from(f32::from_bits(bits as u32));
        let value = |bits: u64| f64::from(f32::from_bits(bits as u32));
        let error = value(super::approx::reciprocal(bits)) * operand - 1.0;
        assert!(error.abs() <= 1.5 / 4096.0, "1/{operand}: {error}");
        for (bits, operand) in [(bits, operand), (bits + (1 << 23), 2.0 * operand)] {
            let error = value(super::approx::reciprocal_root(bits)) * operand.sqrt() - 1.0;
            assert!(error.abs() <= 1.5 / 4096.0, "1/sqrt({operand}): {error}");
        }
    }
}
