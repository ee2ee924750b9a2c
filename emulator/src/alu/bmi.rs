//! Bit manipulation of BMI1, BMI2, LZCNT, POPCNT and ADX (SDM vol. 2).
//!
//! Flags that the manual leaves undefined are those of measured Intel processors.

use super::arith::{Binary, Unary, binary};
use crate::regs::{LazyFlags, RFlags, Width};

/// ZF and SF of a result and an explicit CF; the other flags clear, PF among them.
#[inline(always)]
fn with_carry<W: Width>(flags: &mut LazyFlags, result: u64, carry: bool) -> u64 {
    let result = result & W::MASK;
    let zero = u64::from(result == 0) * RFlags::ZF;
    let sign = (result >> (W::BITS - 1)) * RFlags::SF;
    *flags = LazyFlags::from_image(u64::from(carry) | zero | sign);
    result
}

/// All bits below `count`, which may be any number.
#[inline(always)]
fn low_bits(count: u64) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

binary! {
    /// ANDN: the complement of the first operand and the second.
    Andn = |flags, a, b| with_carry::<W>(flags, !a & b, false);
    /// BEXTR: the bits that the second operand names: start in byte 0, length in byte 1.
    Bextr = |flags, a, b| {
        let (start, length) = (b & 0xff, b >> 8 & 0xff);
        let shifted = if start < 64 { a >> start } else { 0 };
        let result = shifted & low_bits(length);
        // SF, which the manual leaves undefined, is clear whatever the result.
        *flags = LazyFlags::from_image(if result == 0 { RFlags::ZF } else { 0 });
        result
    };
    /// BZHI: the bits below the index in the low byte of the second operand.
    Bzhi = |flags, a, b| {
        let index = b & 0xff;
        with_carry::<W>(flags, a & low_bits(index), index >= u64::from(W::BITS))
    };
    /// PDEP: the low bits of the first operand go to the places that the mask names.
    Pdep = |_flags, a, b| deposit(a, b);
    /// PEXT: the bits at the places that the mask names become the low bits.
    Pext = |_flags, a, b| extract(a, b);
    /// SHLX.
    Shlx = |_flags, a, b| a << (b & u64::from(W::BITS - 1)) & W::MASK;
    /// SHRX.
    Shrx = |_flags, a, b| a >> (b & u64::from(W::BITS - 1));
    /// SARX.
    Sarx = |_flags, a, b| {
        let count = b & u64::from(W::BITS - 1);
        (W::sign_extend(a) as i64 >> count) as u64 & W::MASK
    };
    /// RORX.
    Rorx = |_flags, a, b| {
        let count = b as u32 & (W::BITS - 1);
        let left = (W::BITS - count) & (W::BITS - 1);
        (a >> count | a << left) & W::MASK
    };
    /// ADCX: only CF is read and written.
    Adcx = |flags, a, b| {
        let (sum, carry) = add_carry::<W>(a, b, flags.carry());
        *flags = flags.set_carry(carry);
        sum
    };
    /// ADOX: OF takes the place of CF.
    Adox = |flags, a, b| {
        let (sum, carry) = add_carry::<W>(a, b, flags.overflow());
        *flags = flags.set_overflow(carry);
        sum
    };
}

/// The sum and the carry out of its top bit.
#[inline(always)]
fn add_carry<W: Width>(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    (sum as u64 & W::MASK, sum >> W::BITS & 1 != 0)
}

/// One step for each bit of the mask, from the lowest.
fn deposit(value: u64, mut mask: u64) -> u64 {
    let mut result = 0;
    let mut bit = value;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        result |= lowest & (bit & 1).wrapping_neg();
        bit >>= 1;
        mask ^= lowest;
    }
    result
}

/// The same backwards.
fn extract(value: u64, mut mask: u64) -> u64 {
    let (mut result, mut place) = (0, 0);
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        result |= u64::from(value & lowest != 0) << place;
        place += 1;
        mask ^= lowest;
    }
    result
}

/// The two halves of a product, low half first.
#[inline(always)]
#[must_use]
pub fn wide_product<W: Width>(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    (product as u64 & W::MASK, (product >> W::BITS) as u64)
}

/// Declares one-operand operations from their formulas.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident = |$flags:ident, $a:ident| $body:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;
            impl Unary for $name {
                #[inline(always)]
                fn apply<W: Width>($flags: &mut LazyFlags, $a: u64) -> u64 {
                    $body
                }
            }
        )*
    };
}

unary! {
    /// BLSI: the lowest set bit; CF tells that there is one.
    Blsi = |flags, a| with_carry::<W>(flags, a & a.wrapping_neg(), a != 0);
    /// BLSMSK: all bits up to the lowest set one; CF tells that there is none.
    Blsmsk = |flags, a| with_carry::<W>(flags, a ^ a.wrapping_sub(1), a == 0);
    /// BLSR: without the lowest set bit; CF tells that there is none.
    Blsr = |flags, a| with_carry::<W>(flags, a & a.wrapping_sub(1), a == 0);
    /// TZCNT: zeroes below the lowest set bit, the width for 0.
    Tzcnt = |flags, a| with_carry::<W>(flags, u64::from(a.trailing_zeros().min(W::BITS)), a == 0);
    /// LZCNT: zeroes above the highest set bit, the width for 0.
    Lzcnt = |flags, a| {
        let zeroes = a.leading_zeros() - (64 - W::BITS);
        with_carry::<W>(flags, u64::from(zeroes), a == 0)
    };
    /// POPCNT: the number of set bits; all flags but ZF clear.
    Popcnt = |flags, a| {
        *flags = LazyFlags::from_image(if a == 0 { RFlags::ZF } else { 0 });
        u64::from(a.count_ones())
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::{B16, B32, B64};
    use proptest::prelude::*;

    fn bits<W: Width>(value: u64) -> Vec<bool> {
        (0..W::BITS).map(|bit| value >> bit & 1 != 0).collect()
    }

    fn number(bits: impl IntoIterator<Item = bool>) -> u64 {
        bits.into_iter().zip(0..).fold(0, |all, (bit, place)| all | u64::from(bit) << place)
    }

    fn flags(carry: bool, sign: bool, zero: bool) -> u64 {
        u64::from(carry) | if sign { RFlags::SF } else { 0 } | if zero { RFlags::ZF } else { 0 }
    }

    /// Result, and the flags that the manual defines for nearly all of these.
    fn run(apply: impl FnOnce(&mut LazyFlags) -> u64, start: u64) -> (u64, u64) {
        let mut flags = LazyFlags::from_image(start);
        let result = apply(&mut flags);
        (result, flags.image() & (RFlags::CF | RFlags::SF | RFlags::ZF | RFlags::OF))
    }

    /// The operations by their definitions on lists of bits.
    fn check_bits<W: Width>(a: u64, b: u64) {
        let (a, b) = (a & W::MASK, b & W::MASK);
        let (av, bv) = (bits::<W>(a), bits::<W>(b));
        let width = W::BITS as usize;
        let sign = |value: u64| value >> (W::BITS - 1) & 1 != 0;
        let keeps = RFlags::OF | RFlags::CF;

        let (start, length) = ((b & 0xff) as usize, (b >> 8 & 0xff) as usize);
        let expected = number(av.iter().copied().skip(start).take(length));
        let (result, image) = run(|f| Bextr::apply::<W>(f, a, b), keeps);
        assert_eq!((result, image), (expected, flags(false, false, expected == 0)));

        let expected = number(av.iter().copied().take(start));
        let after = flags(start >= width, sign(expected), expected == 0);
        assert_eq!(run(|f| Bzhi::apply::<W>(f, a, b), keeps), (expected, after));

        let picked = number(av.iter().zip(&bv).filter(|(_, mask)| **mask).map(|(bit, _)| *bit));
        assert_eq!(run(|f| Pext::apply::<W>(f, a, b), keeps), (picked, keeps));
        let mut rest = av.iter().copied();
        let spread = number(bv.iter().map(|mask| *mask && rest.next() == Some(true)));
        assert_eq!(run(|f| Pdep::apply::<W>(f, a, b), keeps), (spread, keeps));

        let lowest = av.iter().position(|bit| *bit);
        let at = |place: usize| 1u64 << place;
        let (isolated, mask, rest) = match lowest {
            Some(place) => (at(place), low_bits(place as u64 + 1), a & !at(place)),
            None => (0, W::MASK, 0),
        };
        let none = lowest.is_none();
        let after = |carry, value| (value, flags(carry, sign(value), value == 0));
        assert_eq!(run(|f| Blsi::apply::<W>(f, a), keeps), after(!none, isolated));
        assert_eq!(run(|f| Blsmsk::apply::<W>(f, a), keeps), after(none, mask));
        assert_eq!(run(|f| Blsr::apply::<W>(f, a), keeps), after(none, rest));
        let trailing = lowest.unwrap_or(width) as u64;
        let leading = av.iter().rev().position(|bit| *bit).unwrap_or(width) as u64;
        let counted = |value: u64| (value, flags(none, false, value == 0));
        assert_eq!(run(|f| Tzcnt::apply::<W>(f, a), keeps), counted(trailing));
        assert_eq!(run(|f| Lzcnt::apply::<W>(f, a), keeps), counted(leading));
        let set = av.iter().filter(|bit| **bit).count() as u64;
        assert_eq!(run(|f| Popcnt::apply::<W>(f, a), keeps), (set, flags(false, false, none)));
    }

    /// Shifts one place at a time, sums and products in 128 bits.
    fn check_arithmetic<W: Width>(a: u64, b: u64, start: u64) {
        let (a, b) = (a & W::MASK, b & W::MASK);
        let count = b % u64::from(W::BITS);
        let top = 1u64 << (W::BITS - 1);
        let by_one = |change: fn(u64, u64) -> u64| (0..count).fold(a, |v, _| change(v, top));
        let kept = |value: u64| (value & W::MASK, start);
        assert_eq!(run(|f| Shlx::apply::<W>(f, a, b), start), kept(by_one(|v, _| v << 1)));
        assert_eq!(run(|f| Shrx::apply::<W>(f, a, b), start), kept(by_one(|v, _| v >> 1)));
        let sar = by_one(|v, top| v >> 1 | v & top);
        assert_eq!(run(|f| Sarx::apply::<W>(f, a, b), start), kept(sar));
        let ror = by_one(|v, top| v >> 1 | if v & 1 != 0 { top } else { 0 });
        assert_eq!(run(|f| Rorx::apply::<W>(f, a, b), start), kept(ror));

        for (flag, result) in [
            (RFlags::CF, run(|f| Adcx::apply::<W>(f, a, b), start)),
            (RFlags::OF, run(|f| Adox::apply::<W>(f, a, b), start)),
        ] {
            let sum = u128::from(a) + u128::from(b) + u128::from(start & flag != 0);
            let carry = if sum > u128::from(W::MASK) { flag } else { 0 };
            assert_eq!(result, (sum as u64 & W::MASK, start & !flag | carry));
        }
        let (low, high) = wide_product::<W>(a, b);
        assert_eq!(u128::from(high) << W::BITS | u128::from(low), u128::from(a) * u128::from(b));
    }

    fn value() -> impl Strategy<Value = u64> {
        let edges = [0, 1, 0xff, 0x100, 0x0820, 0x4000, 1 << 31, 1 << 32, 1 << 63, u64::MAX];
        prop_oneof![any::<u64>(), 0..0x4000u64, prop::sample::select(edges.to_vec())]
    }

    proptest! {
        #[test]
        fn results_follow_the_definitions(a in value(), b in value(), carry: bool, overflow: bool) {
            check_bits::<B16>(a, b);
            check_bits::<B32>(a, b);
            check_bits::<B64>(a, b);
            let start = u64::from(carry) | if overflow { RFlags::OF } else { 0 };
            check_arithmetic::<B32>(a, b, start);
            check_arithmetic::<B64>(a, b, start);
        }
    }
}
