//! Addition, subtraction and bitwise operations with their flags
//! (SDM vol. 1, 7.3.2 and 7.3.4; flag effects in vol. 1, appendix A).

use crate::regs::flags::{Condition, borrows, carries_of_sum};
use crate::regs::{LazyFlags, Width};

/// A two-operand operation that sets all status flags.
pub trait Binary: 'static {
    /// Whether the result goes to the first operand (CMP and TEST drop it).
    const STORES: bool = true;

    /// The result, zero-extended, with `flags` replaced.
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> u64;

    /// Whether a condition holds after the operation, which left `flags`.
    #[inline(always)]
    fn decides<C: Condition, W: Width>(flags: &LazyFlags, _a: u64, _b: u64) -> bool {
        C::holds(flags)
    }
}

/// A one-operand operation.
pub trait Unary: 'static {
    /// The result, zero-extended, with `flags` replaced where the operation has any.
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64) -> u64;
}

/// `a + b`.
#[inline(always)]
fn add<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> u64 {
    let sum = a.wrapping_add(b);
    *flags = LazyFlags::of_sum::<W>(W::sign_extend(sum), b);
    sum & W::MASK
}

/// `a - b`.
#[inline(always)]
fn sub<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> u64 {
    let difference = a.wrapping_sub(b);
    *flags = LazyFlags::of_difference::<W>(W::sign_extend(difference), b);
    difference & W::MASK
}

/// `a + b + carry`.
#[inline(always)]
fn add_with_carry<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> u64 {
    let sum = a.wrapping_add(b).wrapping_add(u64::from(flags.carry()));
    let carries = carries_of_sum(a, b, sum);
    *flags = LazyFlags::arithmetic(W::sign_extend(sum), carries, W::BITS);
    sum & W::MASK
}

/// `a - b - borrow`.
#[inline(always)]
fn sub_with_borrow<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> u64 {
    let difference = a.wrapping_sub(b).wrapping_sub(u64::from(flags.carry()));
    let borrows = borrows(a, b, difference);
    *flags = LazyFlags::arithmetic(W::sign_extend(difference), borrows, W::BITS);
    difference & W::MASK
}

/// Flags of a bitwise result.
#[inline(always)]
fn logic<W: Width>(flags: &mut LazyFlags, value: u64) -> u64 {
    *flags = LazyFlags::logic(W::sign_extend(value));
    value & W::MASK
}

/// Declares operations from their formulas.
macro_rules! binary {
    // After a subtraction, most conditions are comparisons of the operands.
    (@subtraction) => {
        #[inline(always)]
        fn decides<C: Condition, W: Width>(flags: &LazyFlags, a: u64, b: u64) -> bool {
            C::compares::<W>(a, b).unwrap_or_else(|| C::holds(flags))
        }
    };
    ($($(#[$doc:meta])* $name:ident $(($stores:literal))? $([$kind:ident])? = |$flags:ident, $a:ident, $b:ident| $body:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;
            impl Binary for $name {
                $(const STORES: bool = $stores;)?
                #[inline(always)]
                fn apply<W: Width>($flags: &mut LazyFlags, $a: u64, $b: u64) -> u64 {
                    $body
                }

                $(binary!(@$kind);)?
            }
        )*
    };
}
pub(super) use binary;

binary! {
    /// ADD.
    Add = |flags, a, b| add::<W>(flags, a, b);
    /// ADC.
    Adc = |flags, a, b| add_with_carry::<W>(flags, a, b);
    /// SUB.
    Sub [subtraction] = |flags, a, b| sub::<W>(flags, a, b);
    /// SBB.
    Sbb = |flags, a, b| sub_with_borrow::<W>(flags, a, b);
    /// CMP.
    Cmp (false) [subtraction] = |flags, a, b| sub::<W>(flags, a, b);
    /// AND.
    And = |flags, a, b| logic::<W>(flags, a & b);
    /// OR.
    Or = |flags, a, b| logic::<W>(flags, a | b);
    /// XOR.
    Xor = |flags, a, b| logic::<W>(flags, a ^ b);
    /// TEST.
    Test (false) = |flags, a, b| logic::<W>(flags, a & b);
}

/// INC: CF stays.
#[derive(Debug)]
pub struct Inc;

impl Unary for Inc {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64) -> u64 {
        let carry = flags.carry();
        let result = add::<W>(flags, a, 1);
        *flags = flags.set_carry(carry);
        result
    }
}

/// DEC: CF stays.
#[derive(Debug)]
pub struct Dec;

impl Unary for Dec {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64) -> u64 {
        let carry = flags.carry();
        let result = sub::<W>(flags, a, 1);
        *flags = flags.set_carry(carry);
        result
    }
}

/// NEG.
#[derive(Debug)]
pub struct Neg;

impl Unary for Neg {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64) -> u64 {
        sub::<W>(flags, 0, a)
    }
}

/// NOT: no flags.
#[derive(Debug)]
pub struct Not;

impl Unary for Not {
    #[inline(always)]
    fn apply<W: Width>(_flags: &mut LazyFlags, a: u64) -> u64 {
        !a & W::MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::{B8, B16, B32, B64, RFlags};
    use proptest::prelude::*;

    /// Flags of `a ± b ± c` computed in 128 bits, by the manual's definitions.
    fn wide<W: Width>(a: u64, b: u64, c: u64, subtract: bool) -> (u64, u64) {
        let mask = u128::from(W::MASK);
        let (a, b, c) = (u128::from(a), u128::from(b), u128::from(c));
        let full = if subtract { a.wrapping_sub(b).wrapping_sub(c) } else { a + b + c };
        let result = (full & mask) as u64;
        let signed = |v: u128| i128::from(W::sign_extend(v as u64) as i64);
        let exact = if subtract {
            signed(a) - signed(b) - c as i128
        } else {
            signed(a) + signed(b) + c as i128
        };
        let low = |v: u128| v & 0xf;
        let half = if subtract { low(a) < low(b) + c } else { low(a) + low(b) + c > 0xf };
        let sign = result >> (W::BITS - 1) & 1 != 0;
        let mut flags = 0;
        let mut set = |on: bool, flag: u64| flags |= if on { flag } else { 0 };
        set(full & !mask != 0, RFlags::CF);
        set((result as u8).count_ones().is_multiple_of(2), RFlags::PF);
        set(half, RFlags::AF);
        set(result == 0, RFlags::ZF);
        set(sign, RFlags::SF);
        set(exact != signed(u128::from(result)), RFlags::OF);
        (result, flags)
    }

    fn check<W: Width>(a: u64, b: u64, carry: bool) {
        let (a, b) = (a & W::MASK, b & W::MASK);
        let start = LazyFlags::from_image(u64::from(carry));
        let run = |apply: fn(&mut LazyFlags, u64, u64) -> u64| {
            let mut flags = start;
            let result = apply(&mut flags, a, b);
            (result, flags.image())
        };
        let c = u64::from(carry);
        assert_eq!(run(Add::apply::<W>), wide::<W>(a, b, 0, false));
        assert_eq!(run(Adc::apply::<W>), wide::<W>(a, b, c, false));
        assert_eq!(run(Sub::apply::<W>), wide::<W>(a, b, 0, true));
        assert_eq!(run(Sbb::apply::<W>), wide::<W>(a, b, c, true));
        let mut flags = start;
        let result = Inc::apply::<W>(&mut flags, a);
        let (expected, image) = wide::<W>(a, 1, 0, false);
        assert_eq!((result, flags.image()), (expected, image & !RFlags::CF | c));
        let mut flags = start;
        let result = Dec::apply::<W>(&mut flags, a);
        let (expected, image) = wide::<W>(a, 1, 0, true);
        assert_eq!((result, flags.image()), (expected, image & !RFlags::CF | c));
    }

    fn edge() -> impl Strategy<Value = u64> {
        let edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000];
        let wide = [u64::MAX, i64::MAX as u64, 1 << 63];
        prop_oneof![
            any::<u64>(),
            prop::sample::select(edges.into_iter().chain(wide).collect::<Vec<u64>>()),
        ]
    }

    proptest! {
        #[test]
        fn flags_follow_the_definitions(a in edge(), b in edge(), carry: bool) {
            check::<B8>(a, b, carry);
            check::<B16>(a, b, carry);
            check::<B32>(a, b, carry);
            check::<B64>(a, b, carry);
        }
    }
}
