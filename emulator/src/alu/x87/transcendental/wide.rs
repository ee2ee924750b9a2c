//! Floating-point numbers of 128 bits for the inside of the transcendental
//! functions. Results are truncated: each operation errs by less than two units
//! of the last place.

use super::super::format::F80;
use super::super::round::Exact;

/// Sign, exponent of the leading bit, and significand (bit 127 set); zero has a
/// significand of zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) sig: u128,
}

/// The high and the low half of a product.
fn product(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let ((a1, a0), (b1, b0)) = ((a >> 64, a & LOW), (b >> 64, b & LOW));
    let (high, low) = (a1 * b1, a0 * b0);
    let (mid_a, mid_b) = (a1 * b0, a0 * b1);
    let carry = (low >> 64) + (mid_a & LOW) + (mid_b & LOW);
    (high + (mid_a >> 64) + (mid_b >> 64) + (carry >> 64), carry << 64 | low & LOW)
}

impl Wide {
    pub(super) const ZERO: Self = Self { negative: false, exponent: 0, sig: 0 };
    pub(super) const ONE: Self = Self { negative: false, exponent: 0, sig: 1 << 127 };
    pub(super) const PI: Self =
        Self { negative: false, exponent: 1, sig: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1 };
    pub(super) const LN2: Self =
        Self { negative: false, exponent: -1, sig: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af };

    /// A number whose bit 127 is worth 2 to the power of `exponent`.
    pub(super) fn new(negative: bool, exponent: i32, sig: u128) -> Self {
        if sig == 0 {
            return Self::ZERO;
        }
        let shift = sig.leading_zeros();
        Self { negative, exponent: exponent - shift as i32, sig: sig << shift }
    }

    /// A finite register value.
    pub(super) fn of(value: F80) -> Self {
        if value.sig == 0 {
            return Self::ZERO;
        }
        let (exponent, sig) = value.finite();
        Self { negative: value.is_negative(), exponent, sig: u128::from(sig) << 64 }
    }

    /// An integer.
    pub(super) fn int(value: i64) -> Self {
        Self::new(value < 0, 127, u128::from(value.unsigned_abs()))
    }

    pub(super) fn neg(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    /// The number times a power of two.
    pub(super) fn scaled(self, by: i32) -> Self {
        Self { exponent: self.exponent + by, ..self }
    }

    pub(super) fn mul(self, other: Self) -> Self {
        if self.sig == 0 || other.sig == 0 {
            return Self::ZERO;
        }
        let negative = self.negative != other.negative;
        let (high, low) = product(self.sig, other.sig);
        let exponent = self.exponent + other.exponent;
        if high >> 127 != 0 {
            Self { negative, exponent: exponent + 1, sig: high }
        } else {
            Self { negative, exponent, sig: high << 1 | low >> 127 }
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        if self.sig == 0 {
            return other;
        }
        if other.sig == 0 {
            return self;
        }
        let ahead = (self.exponent, self.sig) >= (other.exponent, other.sig);
        let (large, small) = if ahead { (self, other) } else { (other, self) };
        let distance = large.exponent.abs_diff(small.exponent);
        let low = small.sig.checked_shr(distance).unwrap_or(0);
        if large.negative != small.negative {
            return Self::new(large.negative, large.exponent, large.sig - low);
        }
        match large.sig.checked_add(low) {
            Some(sig) => Self { sig, ..large },
            None => {
                let sig = large.sig.wrapping_add(low) >> 1 | 1 << 127;
                Self { sig, exponent: large.exponent + 1, ..large }
            }
        }
    }

    pub(super) fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    /// The quotient, bit by bit; the divisor is not zero.
    pub(super) fn div(self, other: Self) -> Self {
        if self.sig == 0 {
            return Self::ZERO;
        }
        let negative = self.negative != other.negative;
        let exponent = self.exponent - other.exponent;
        let below = self.sig < other.sig;
        let mut rest = self.sig;
        let mut carry = false;
        let mut quotient = 0u128;
        if below {
            carry = rest >> 127 != 0;
            rest <<= 1;
        }
        for step in 0..128 {
            quotient <<= 1;
            if carry || rest >= other.sig {
                rest = rest.wrapping_sub(other.sig);
                quotient |= 1;
            }
            if step < 127 {
                carry = rest >> 127 != 0;
                rest <<= 1;
            }
        }
        Self { negative, exponent: exponent - i32::from(below), sig: quotient }
    }

    /// For rounding: a number that is not exact, so that its last bit is a jam.
    pub(super) fn inexact(self) -> Exact {
        Exact { significand: self.sig | 1, ..self.exact() }
    }

    /// For rounding: a number that is not exact and at most this, such as a sine of
    /// which only the first term counts.
    pub(super) fn just_below(self) -> Exact {
        Self::new(self.negative, self.exponent, self.sig.saturating_sub(1)).inexact()
    }

    /// For rounding: exactly this number.
    pub(super) fn exact(self) -> Exact {
        Exact { negative: self.negative, exponent: self.exponent, significand: self.sig }
    }
}
