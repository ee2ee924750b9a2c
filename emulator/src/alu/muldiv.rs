//! Multiplication and division (SDM vol. 2A/2B: MUL, IMUL, DIV, IDIV).

use crate::regs::{LazyFlags, Width};

/// Low and high half of a product or a dividend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// Bits of the operand width.
    pub low: u64,
    /// The bits above.
    pub high: u64,
}

/// Flags of a multiplication: CF and OF tell whether the high half matters; the
/// others, undefined in the manual, are those of the low half on measured processors.
fn flags_of<W: Width>(low: u64, spills: bool) -> LazyFlags {
    LazyFlags::with_carry_overflow(W::sign_extend(low), spills, spills)
}

/// Unsigned product.
#[inline(always)]
pub fn mul<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> Halves {
    let full = u128::from(a) * u128::from(b);
    let halves = Halves { low: full as u64 & W::MASK, high: (full >> W::BITS) as u64 & W::MASK };
    *flags = flags_of::<W>(halves.low, halves.high != 0);
    halves
}

/// Signed product.
#[inline(always)]
pub fn imul<W: Width>(flags: &mut LazyFlags, a: u64, b: u64) -> Halves {
    let signed = |value: u64| i128::from(W::sign_extend(value) as i64);
    let full = signed(a) * signed(b);
    let low = full as u64 & W::MASK;
    let spills = full != signed(low);
    *flags = flags_of::<W>(low, spills);
    Halves { low, high: (full >> W::BITS) as u64 & W::MASK }
}

/// Unsigned quotient and remainder; `None` for #DE.
#[inline(always)]
#[must_use]
pub fn div<W: Width>(dividend: Halves, divisor: u64) -> Option<(u64, u64)> {
    let full = u128::from(dividend.high) << W::BITS | u128::from(dividend.low);
    let quotient = full.checked_div(u128::from(divisor))?;
    let remainder = full % u128::from(divisor);
    (quotient <= u128::from(W::MASK)).then_some((quotient as u64, remainder as u64))
}

/// Signed quotient and remainder, truncated towards zero; `None` for #DE.
#[inline(always)]
#[must_use]
pub fn idiv<W: Width>(dividend: Halves, divisor: u64) -> Option<(u64, u64)> {
    let wide = u128::from(dividend.high) << W::BITS | u128::from(dividend.low);
    let shift = 128 - 2 * W::BITS;
    let full = (wide << shift) as i128 >> shift;
    let divisor = i128::from(W::sign_extend(divisor) as i64);
    let quotient = full.checked_div(divisor)?;
    let remainder = full % divisor;
    let fits = quotient == i128::from(W::sign_extend(quotient as u64) as i64);
    fits.then_some((quotient as u64 & W::MASK, remainder as u64 & W::MASK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::{B8, B32, B64};

    #[test]
    fn quotients_that_do_not_fit() {
        assert_eq!(div::<B8>(Halves { low: 0, high: 1 }, 1), None);
        assert_eq!(div::<B32>(Halves { low: 7, high: 0 }, 0), None);
        assert_eq!(idiv::<B64>(Halves { low: 1 << 63, high: u64::MAX }, u64::MAX), None);
        assert_eq!(idiv::<B8>(Halves { low: 0x80, high: 0xff }, 0xff), None);
        assert_eq!(idiv::<B8>(Halves { low: 0xf9, high: 0xff }, 2), Some((0xfd, 0xff)));
    }

    #[test]
    fn signed_products() {
        let mut flags = LazyFlags::default();
        let product = imul::<B32>(&mut flags, 0xffff_fffe, 3);
        assert_eq!(product, Halves { low: 0xffff_fffa, high: 0xffff_ffff });
        assert!(!flags.carry() && !flags.overflow());
        imul::<B32>(&mut flags, 0x4000_0000, 2);
        assert!(flags.carry() && flags.overflow());
    }
}
