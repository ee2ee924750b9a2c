//! Comparisons and FXAM.

use super::env::Env;
use super::format::{Class, F80};

/// How two operands compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// a > b.
    Greater,
    /// a < b.
    Less,
    /// a = b.
    Equal,
    /// One is a NaN or cannot be compared.
    Unordered,
}

/// Which NaNs a comparison refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanRule {
    /// All of them: FCOM.
    Every,
    /// Signalling ones: FUCOM.
    Signalling,
}

/// Compares two operands.
pub fn compare(env: &mut Env, a: F80, b: F80, nans: NanRule) -> Order {
    if env.check_two(a, b).is_some() {
        if nans == NanRule::Every {
            env.invalid();
        }
        return Order::Unordered;
    }
    env.check_denormal(&[a, b]);
    let key = |value: F80| {
        let zero = value.class() == Class::Zero;
        let (exponent, sig) = if zero { (i32::MIN, 0) } else { value.finite() };
        (!zero && value.is_negative(), exponent, sig)
    };
    let (key_a, key_b) = (key(a), key(b));
    if key_a == key_b {
        return Order::Equal;
    }
    let less = match (key_a.0, key_b.0) {
        (true, false) => true,
        (false, true) => false,
        (false, false) => key_a < key_b,
        (true, true) => key_b < key_a,
    };
    if less { Order::Less } else { Order::Greater }
}
