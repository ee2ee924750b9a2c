//! Shifts, rotates and double shifts (SDM vol. 2B: SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR,
//! SHLD, SHRD). A count of zero, after masking, changes no flag. Flags that the manual
//! leaves undefined are as measured processors have them.

use crate::regs::{LazyFlags, Width};

/// A shift or rotate by a count.
pub trait Shift: 'static {
    /// The result, zero-extended. `count` is unmasked.
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64;
}

/// The count as shifts take it: 6 bits for 64-bit operands, 5 otherwise.
#[inline(always)]
fn mask_count<W: Width>(count: u64) -> u32 {
    (count & if W::BITS == 64 { 63 } else { 31 }) as u32
}

/// The top bit of a value.
#[inline(always)]
fn top<W: Width>(value: u64) -> bool {
    value >> (W::BITS - 1) & 1 != 0
}

/// SHL.
#[derive(Debug)]
pub struct Shl;

impl Shift for Shl {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let count = mask_count::<W>(count);
        if count == 0 {
            return a;
        }
        let result = a << count & W::MASK;
        // The last bit shifted out; for a narrow operand it may come from above its top.
        let last = if W::BITS == 64 { a >> (64 - count) } else { a << count >> W::BITS };
        let carry = last & 1 != 0;
        let overflow = top::<W>(result) ^ carry;
        *flags = LazyFlags::with_carry_overflow(W::sign_extend(result), carry, overflow);
        result
    }
}

/// SHR.
#[derive(Debug)]
pub struct Shr;

impl Shift for Shr {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let count = mask_count::<W>(count);
        if count == 0 {
            return a;
        }
        let result = a >> count;
        let carry = a >> (count - 1) & 1 != 0;
        // Defined for a count of 1 only: the old top bit.
        let overflow = top::<W>(result << 1 ^ result) && count == 1;
        *flags = LazyFlags::with_carry_overflow(W::sign_extend(result), carry, overflow);
        result
    }
}

/// SAR.
#[derive(Debug)]
pub struct Sar;

impl Shift for Sar {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let count = mask_count::<W>(count);
        if count == 0 {
            return a;
        }
        let signed = W::sign_extend(a) as i64;
        let result = (signed >> count) as u64;
        let carry = (signed >> (count - 1)) & 1 != 0;
        *flags = LazyFlags::with_carry_overflow(W::sign_extend(result), carry, false);
        result & W::MASK
    }
}

/// ROL.
#[derive(Debug)]
pub struct Rol;

impl Shift for Rol {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let masked = mask_count::<W>(count);
        if masked == 0 {
            return a;
        }
        let by = masked % W::BITS;
        let result = if by == 0 { a } else { (a << by | a >> (W::BITS - by)) & W::MASK };
        let carry = result & 1 != 0;
        *flags = flags.set_carry_overflow(carry, top::<W>(result) ^ carry);
        result
    }
}

/// ROR.
#[derive(Debug)]
pub struct Ror;

impl Shift for Ror {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let masked = mask_count::<W>(count);
        if masked == 0 {
            return a;
        }
        let by = masked % W::BITS;
        let result = if by == 0 { a } else { (a >> by | a << (W::BITS - by)) & W::MASK };
        let carry = top::<W>(result);
        *flags = flags.set_carry_overflow(carry, carry ^ top::<W>(result << 1));
        result
    }
}

/// RCL: through the carry.
#[derive(Debug)]
pub struct Rcl;

impl Shift for Rcl {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let bits = W::BITS + 1;
        let by = mask_count::<W>(count) % bits;
        if by == 0 {
            return a;
        }
        let ring = u128::from(a) | u128::from(flags.carry()) << W::BITS;
        let turned = ring << by | ring >> (bits - by);
        let result = turned as u64 & W::MASK;
        let carry = turned >> W::BITS & 1 != 0;
        *flags = flags.set_carry_overflow(carry, top::<W>(result) ^ carry);
        result
    }
}

/// RCR: through the carry.
#[derive(Debug)]
pub struct Rcr;

impl Shift for Rcr {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, a: u64, count: u64) -> u64 {
        let bits = W::BITS + 1;
        let by = mask_count::<W>(count) % bits;
        if by == 0 {
            return a;
        }
        let ring = u128::from(a) | u128::from(flags.carry()) << W::BITS;
        let turned = ring >> by | ring << (bits - by);
        let result = turned as u64 & W::MASK;
        let carry = turned >> W::BITS & 1 != 0;
        *flags = flags.set_carry_overflow(carry, top::<W>(result) ^ top::<W>(result << 1));
        result
    }
}

/// SHLD: `a` shifted left, filled from the top of `b`.
#[inline(always)]
pub fn shld<W: Width>(flags: &mut LazyFlags, a: u64, b: u64, count: u64) -> u64 {
    let count = mask_count::<W>(count);
    if count == 0 {
        return a;
    }
    // Counts above 16 for 16-bit operands go on into the first operand again, as
    // processors do; the manual leaves them undefined.
    let wide = (u128::from(a) << W::BITS | u128::from(b)) << W::BITS | u128::from(a);
    let wide = if W::BITS == 16 { wide } else { u128::from(a) << W::BITS | u128::from(b) };
    let width = if W::BITS == 16 { 3 * W::BITS } else { 2 * W::BITS };
    let result = (wide >> (width - W::BITS - count)) as u64 & W::MASK;
    let carry = wide >> (width - count) & 1 != 0;
    let overflow = top::<W>(result) ^ top::<W>(a);
    *flags = LazyFlags::with_carry_overflow(W::sign_extend(result), carry, overflow);
    result
}

/// SHRD: `a` shifted right, filled from the bottom of `b`.
#[inline(always)]
pub fn shrd<W: Width>(flags: &mut LazyFlags, a: u64, b: u64, count: u64) -> u64 {
    let count = mask_count::<W>(count);
    if count == 0 {
        return a;
    }
    let high = if W::BITS == 16 { u128::from(a) << 32 } else { 0 };
    let wide = high | u128::from(b) << W::BITS | u128::from(a);
    let result = (wide >> count) as u64 & W::MASK;
    let carry = wide >> (count - 1) & 1 != 0;
    let overflow = top::<W>(result) ^ top::<W>(a);
    *flags = LazyFlags::with_carry_overflow(W::sign_extend(result), carry, overflow);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::{B8, B16, B32, B64, RFlags};
    use proptest::prelude::*;

    const OVERFLOW_CARRY: u64 = RFlags::OF | RFlags::CF;

    /// One bit at a time, by the manual's pseudo code.
    fn bitwise<W: Width>(op: usize, mut a: u64, count: u32, carry: bool) -> (u64, bool) {
        let mut c = carry;
        for _ in 0..count {
            let high = a >> (W::BITS - 1) & 1;
            let low = a & 1;
            let top = W::BITS - 1;
            let (next, out) = match op {
                0 => (a << 1, high),
                1 => (a >> 1, low),
                2 => (a >> 1 | high << top, low),
                3 => (a << 1 | high, high),
                4 => (a >> 1 | low << top, low),
                5 => (a << 1 | u64::from(c), high),
                _ => (a >> 1 | u64::from(c) << top, low),
            };
            a = next & W::MASK;
            c = out != 0;
        }
        (a, c)
    }

    fn check<W: Width>(a: u64, count: u64, carry: bool) {
        let a = a & W::MASK;
        let start = LazyFlags::from_image(u64::from(carry) | RFlags::ZF);
        let ops: [fn(&mut LazyFlags, u64, u64) -> u64; 7] = [
            Shl::apply::<W>,
            Shr::apply::<W>,
            Sar::apply::<W>,
            Rol::apply::<W>,
            Ror::apply::<W>,
            Rcl::apply::<W>,
            Rcr::apply::<W>,
        ];
        for (index, op) in ops.iter().enumerate() {
            let mut flags = start;
            let result = op(&mut flags, a, count);
            let (expected, carry_out) = bitwise::<W>(index, a, mask_count::<W>(count), carry);
            assert_eq!(result, expected, "op {index}");
            if mask_count::<W>(count) == 0 {
                assert_eq!(flags.image(), start.image());
            } else {
                assert_eq!(flags.carry(), carry_out, "carry of op {index}");
            }
            if index >= 3 {
                let rest = !OVERFLOW_CARRY;
                assert_eq!(flags.image() & rest, start.image() & rest);
            }
        }
    }

    proptest! {
        #[test]
        fn a_bit_at_a_time(a: u64, count in 0u64..256, carry: bool) {
            check::<B8>(a, count, carry);
            check::<B16>(a, count, carry);
            check::<B32>(a, count, carry);
            check::<B64>(a, count, carry);
        }

        #[test]
        fn double_shifts(a: u64, b: u64, count in 1u64..32) {
            let (x, y) = (a & 0xffff_ffff, b & 0xffff_ffff);
            let mut flags = LazyFlags::default();
            let left = (x << 32 | y) << count >> 32;
            prop_assert_eq!(shld::<B32>(&mut flags, x, y, count), left & 0xffff_ffff);
            let right = (y << 32 | x) >> count;
            prop_assert_eq!(shrd::<B32>(&mut flags, x, y, count), right & 0xffff_ffff);
        }
    }
}
