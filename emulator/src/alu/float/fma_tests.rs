//! Fused products and sums against the same with one bit per element of a vector.

use proptest::prelude::*;

use super::env::Outcome;
use super::fma::mul_add;
use super::tests::bits;
use super::{Double, Env, Format, Layout, Rounding, Single, mxcsr, quick};

/// A finite number: significand times 2 to the power of (exponent).
struct Parts {
    negative: bool,
    significand: u64,
    exponent: i32,
}

/// Exponent of the least denormal.
fn least<F: Format>() -> i32 {
    F::MIN_EXPONENT - F::FRACTION_BITS as i32
}

fn parts<F: Format>(bits: u64) -> Parts {
    let field = F::exponent_field(bits);
    let leading = if field == 0 { 0 } else { 1 << F::FRACTION_BITS };
    Parts {
        negative: bits & F::SIGN != 0,
        significand: bits & F::FRACTION | leading,
        exponent: least::<F>() + field.max(1) as i32 - 1,
    }
}

/// A natural number, its lowest bit first.
type Bits = Vec<bool>;

fn number(value: u128, shift: i32) -> Bits {
    let mut bits = vec![false; 4400];
    for bit in 0..128 {
        if value >> bit & 1 != 0 {
            bits[shift as usize + bit] = true;
        }
    }
    bits
}

fn add(a: &Bits, b: &Bits) -> Bits {
    let mut carry = 0;
    let sum = |(&a, &b): (&bool, &bool)| {
        carry = carry / 2 + u8::from(a) + u8::from(b);
        carry % 2 != 0
    };
    a.iter().zip(b).map(sum).collect()
}

fn sub(a: &Bits, b: &Bits) -> Bits {
    let mut borrow = 0;
    let difference = |(&a, &b): (&bool, &bool)| {
        let bit = i8::from(a) - i8::from(b) - borrow;
        borrow = i8::from(bit < 0);
        bit & 1 != 0
    };
    a.iter().zip(b).map(difference).collect()
}

/// Drops the bits below `cut`: what is kept, and whether anything was lost.
fn drop_below(bits: &Bits, cut: usize, negative: bool, rounding: Rounding) -> (u64, bool) {
    let kept = bits[cut..].iter().rev().fold(0, |kept, &bit| kept << 1 | u64::from(bit));
    let half = bits[cut - 1];
    let rest = bits[..cut - 1].contains(&true);
    let up = match rounding {
        Rounding::Nearest => half && (rest || kept & 1 != 0),
        Rounding::Down => negative && (half || rest),
        Rounding::Up => !negative && (half || rest),
        Rounding::Zero => false,
    };
    (kept + u64::from(up), half || rest)
}

/// The result of finite operands and the exceptions other than DE.
fn twin<F: Format>(operands: [u64; 3], rounding: Rounding) -> (u64, u32) {
    let [a, b, c] = operands.map(parts::<F>);
    let unit = 2 * least::<F>();
    let product = u128::from(a.significand) * u128::from(b.significand);
    let product = number(product, a.exponent + b.exponent - unit);
    let addend = number(u128::from(c.significand), c.exponent - unit);
    let negative = a.negative != b.negative;
    // From the highest bit, vectors compare as the numbers do.
    let addend_wins = addend.iter().rev().gt(product.iter().rev());
    let (sum, sign) = match (negative == c.negative, addend_wins) {
        (true, _) => (add(&product, &addend), negative),
        (false, false) => (sub(&product, &addend), negative),
        (false, true) => (sub(&addend, &product), c.negative),
    };
    let signed = |sign: bool, magnitude: u64| if sign { F::SIGN | magnitude } else { magnitude };
    let Some(top) = sum.iter().rposition(|&bit| bit) else {
        let minus = if negative == c.negative { negative } else { rounding == Rounding::Down };
        return (signed(minus, 0), 0);
    };
    let fraction = F::FRACTION_BITS as usize;
    let lowest = -least::<F>() as usize;
    let mut cut = lowest.max(top.saturating_sub(fraction));
    let (mut kept, inexact) = drop_below(&sum, cut, sign, rounding);
    if kept >> (fraction + 1) != 0 {
        kept >>= 1;
        cut += 1;
    }
    let field = if kept >> fraction == 0 { 0 } else { (cut - lowest + 1) as u64 };
    if field >= F::EXPONENT_MAX {
        let away = match rounding {
            Rounding::Nearest => true,
            Rounding::Down => sign,
            Rounding::Up => !sign,
            Rounding::Zero => false,
        };
        let magnitude = if away { F::INFINITY } else { F::INFINITY - 1 };
        return (signed(sign, magnitude), mxcsr::OE | mxcsr::PE);
    }
    // Tininess is that of a result with an unbounded exponent.
    let cut = top.saturating_sub(fraction).max(1);
    let unbounded = drop_below(&sum, cut, sign, rounding).0;
    let rounded_top = top + (unbounded >> (fraction + 1)) as usize;
    let tiny = rounded_top < lowest + fraction;
    let flags = match (inexact, tiny) {
        (false, _) => 0,
        (true, false) => mxcsr::PE,
        (true, true) => mxcsr::PE | mxcsr::UE,
    };
    (signed(sign, field << fraction | kept & F::FRACTION), flags)
}

fn rounding(number: u32) -> Rounding {
    Env::new(number << mxcsr::RC_SHIFT).rounding()
}

fn agrees<F: Format>(operands: [u64; 3], rc: u32) -> Result<(), TestCaseError> {
    if operands.iter().any(|&bits| F::exponent_field(bits) == F::EXPONENT_MAX) {
        return Ok(());
    }
    let control = mxcsr::MASKS | rc << mxcsr::RC_SHIFT;
    let mut env = Env::new(control);
    let result = mul_add::<F>(&mut env, operands, [0, 0]);
    let (expected, raised) = twin::<F>(operands, rounding(rc));
    let denormal = operands.iter().any(|&bits| F::is_denormal(bits));
    let flags = raised | if denormal { mxcsr::DE } else { 0 };
    prop_assert_eq!((result, env.outcome()), (expected, Outcome::Done(control | flags)));

    // Changed signs are those of changed operands.
    let [a, b, c] = operands;
    let sign = F::SIGN;
    let negated = mul_add::<F>(&mut Env::new(control), [a ^ sign, b, c ^ sign], [sign, sign]);
    prop_assert_eq!(negated, expected);

    let inexact = Env::new(control | mxcsr::PE);
    if let Some(quick) = quick::mul_add::<F>(&inexact, a, b, c) {
        prop_assert_eq!((quick, 0), (expected, flags & !mxcsr::PE));
    }
    Ok(())
}

/// An addend near the product, with the other sign.
fn cancelling<F: Format>(a: u64, b: u64, change: u64) -> u64 {
    F::host_mul(a, b) ^ F::SIGN ^ change
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn doubles(
        a in bits::<Double>(), b in bits::<Double>(), c in bits::<Double>(),
        rc in 0u32..4, change in 0u64..4,
    ) {
        agrees::<Double>([a, b, c], rc)?;
        agrees::<Double>([a, b, cancelling::<Double>(a, b, change)], rc)?;
        agrees::<Double>([a, b, cancelling::<Double>(a, b, change << 51)], rc)?;
    }

    #[test]
    fn singles(
        a in bits::<Single>(), b in bits::<Single>(), c in bits::<Single>(),
        rc in 0u32..4, change in 0u64..4,
    ) {
        agrees::<Single>([a, b, c], rc)?;
        agrees::<Single>([a, b, cancelling::<Single>(a, b, change)], rc)?;
        agrees::<Single>([a, b, cancelling::<Single>(a, b, change << 22)], rc)?;
    }
}

#[test]
fn the_first_nan_wins() {
    const A: u64 = 0x7ff8_0000_0000_000a;
    const B: u64 = 0x7ff0_0000_0000_000b;
    const QUIET_B: u64 = 0x7ff8_0000_0000_000b;
    const C: u64 = 0x7ff8_0000_0000_000c;
    let one = 1.0f64.to_bits();
    let cases = [
        ([A, B, C], A, mxcsr::IE),
        ([one, B, C], QUIET_B, mxcsr::IE),
        ([C, one, A], C, 0),
        ([one, one, A], A, 0),
        // An invalid product next to a quiet addend goes unmentioned.
        ([Double::INFINITY, 0, A], A, 0),
        ([Double::INFINITY, 0, one], Double::DEFAULT_NAN, mxcsr::IE),
        ([Double::INFINITY, one, Double::SIGN | Double::INFINITY], Double::DEFAULT_NAN, mxcsr::IE),
    ];
    for (operands, expected, flags) in cases {
        let mut env = Env::new(mxcsr::MASKS);
        let found = mul_add::<Double>(&mut env, operands, [0, 0]);
        assert_eq!((found, env.raised()), (expected, flags), "{operands:x?}");
    }
}
