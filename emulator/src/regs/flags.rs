//! RFLAGS: bit names, and the six status flags computed when asked for.
//!
//! Arithmetic leaves two words: the result, sign-extended from its width to 64
//! bits, and a word of carries. From the two every status flag follows, so the
//! flag rules exist only here.

/// Bits of RFLAGS (SDM vol. 1, 3.4.3).
#[derive(Debug)]
pub struct RFlags;

impl RFlags {
    /// Carry.
    pub const CF: u64 = 1 << 0;
    /// Parity of the low byte.
    pub const PF: u64 = 1 << 2;
    /// Carry out of bit 3.
    pub const AF: u64 = 1 << 4;
    /// Zero.
    pub const ZF: u64 = 1 << 6;
    /// Sign.
    pub const SF: u64 = 1 << 7;
    /// Trap: single step.
    pub const TF: u64 = 1 << 8;
    /// Interrupt enable.
    pub const IF: u64 = 1 << 9;
    /// Direction of string instructions.
    pub const DF: u64 = 1 << 10;
    /// Overflow.
    pub const OF: u64 = 1 << 11;
    /// I/O privilege level (two bits).
    pub const IOPL: u64 = 3 << 12;
    /// Nested task.
    pub const NT: u64 = 1 << 14;
    /// Resume: suppresses instruction breakpoints for one instruction.
    pub const RF: u64 = 1 << 16;
    /// Virtual-8086 mode.
    pub const VM: u64 = 1 << 17;
    /// Alignment check / access control.
    pub const AC: u64 = 1 << 18;
    /// Virtual interrupt flag.
    pub const VIF: u64 = 1 << 19;
    /// Virtual interrupt pending.
    pub const VIP: u64 = 1 << 20;
    /// CPUID may be used.
    pub const ID: u64 = 1 << 21;
    /// Bit 1 reads as one.
    pub const FIXED: u64 = 1 << 1;
    /// The six status flags.
    pub const STATUS: u64 = Self::CF | Self::PF | Self::AF | Self::ZF | Self::SF | Self::OF;
    /// Every other flag that exists.
    pub const SYSTEM: u64 = Self::TF
        | Self::IF
        | Self::DF
        | Self::IOPL
        | Self::NT
        | Self::RF
        | Self::VM
        | Self::AC
        | Self::VIF
        | Self::VIP
        | Self::ID;
}

/// Where the carry word keeps the carry out of the top bit.
const CARRY_TOP: u32 = 63;
/// Where it keeps the carry into the top bit.
const CARRY_INTO_TOP: u32 = 62;
/// Where it keeps the carry out of bit 3.
const CARRY_HALF: u32 = 3;
/// Eight bits that are XORed into the low result byte before its parity is taken.
const PARITY_DELTA: u32 = 8;
/// A bit that is XORed into the sign of the result.
const SIGN_DELTA: u32 = 16;
/// The three carries.
const CARRIES: u64 = (1 << CARRY_TOP) | (1 << CARRY_INTO_TOP) | (1 << CARRY_HALF);

/// CF, PF, AF, ZF, SF and OF as a result and a carry word.
#[derive(Clone, Copy, Debug, Eq)]
pub struct LazyFlags {
    result: u64,
    carries: u64,
}

impl Default for LazyFlags {
    fn default() -> Self {
        Self::from_image(0)
    }
}

impl PartialEq for LazyFlags {
    fn eq(&self, other: &Self) -> bool {
        self.image() == other.image()
    }
}

impl LazyFlags {
    /// Flags of an addition or subtraction of `bits` bits.
    ///
    /// `result` is sign-extended; bit i of `carry_out` is the carry (or borrow)
    /// out of bit i. Other bits above the width may hold anything.
    #[inline(always)]
    #[must_use]
    pub fn arithmetic(result: u64, carry_out: u64, bits: u32) -> Self {
        let top = carry_out << (64 - bits);
        let carries = if bits == 64 {
            carry_out & CARRIES
        } else {
            (top & (3 << CARRY_INTO_TOP)) | (carry_out & (1 << CARRY_HALF))
        };
        Self { result, carries }
    }

    /// Flags of a bitwise operation: CF, OF and AF clear.
    #[inline(always)]
    #[must_use]
    pub fn logic(result: u64) -> Self {
        Self { result, carries: 0 }
    }

    /// Flags with SF, ZF and PF of a sign-extended result and explicit CF and OF; AF clear.
    #[inline(always)]
    #[must_use]
    pub fn with_carry_overflow(result: u64, carry: bool, overflow: bool) -> Self {
        let carries =
            (u64::from(carry) << CARRY_TOP) | (u64::from(carry ^ overflow) << CARRY_INTO_TOP);
        Self { result, carries }
    }

    /// The same flags with CF replaced and OF kept.
    #[inline(always)]
    #[must_use]
    pub fn set_carry(self, carry: bool) -> Self {
        let change = u64::from(self.carry() ^ carry);
        Self { carries: self.carries ^ (change << CARRY_TOP) ^ (change << CARRY_INTO_TOP), ..self }
    }

    /// The same flags with OF replaced and CF kept.
    #[inline(always)]
    #[must_use]
    pub fn set_overflow(self, overflow: bool) -> Self {
        let change = u64::from(self.overflow() ^ overflow);
        Self { carries: self.carries ^ (change << CARRY_INTO_TOP), ..self }
    }

    /// From the bits of an RFLAGS image.
    #[must_use]
    pub fn from_image(image: u64) -> Self {
        let set = |flag: u64| image & flag != 0;
        let zero = set(RFlags::ZF);
        let result = u64::from(!zero);
        // Parity of the result byte itself: even for 0, odd for 1.
        let delta = u64::from(set(RFlags::PF) != zero);
        let carries = (u64::from(set(RFlags::CF)) << CARRY_TOP)
            | (u64::from(set(RFlags::CF) ^ set(RFlags::OF)) << CARRY_INTO_TOP)
            | (u64::from(set(RFlags::AF)) << CARRY_HALF)
            | (delta << PARITY_DELTA)
            | (u64::from(set(RFlags::SF)) << SIGN_DELTA);
        Self { result, carries }
    }

    /// The six flags at their places in RFLAGS.
    #[must_use]
    pub fn image(&self) -> u64 {
        let bit = |set: bool, flag: u64| if set { flag } else { 0 };
        bit(self.carry(), RFlags::CF)
            | bit(self.parity(), RFlags::PF)
            | bit(self.half_carry(), RFlags::AF)
            | bit(self.zero(), RFlags::ZF)
            | bit(self.sign(), RFlags::SF)
            | bit(self.overflow(), RFlags::OF)
    }

    /// CF.
    #[inline(always)]
    #[must_use]
    pub fn carry(&self) -> bool {
        self.carries >> CARRY_TOP != 0
    }

    /// OF.
    #[inline(always)]
    #[must_use]
    pub fn overflow(&self) -> bool {
        (self.carries ^ (self.carries << 1)) >> CARRY_TOP != 0
    }

    /// AF.
    #[inline(always)]
    #[must_use]
    pub fn half_carry(&self) -> bool {
        self.carries & (1 << CARRY_HALF) != 0
    }

    /// ZF.
    #[inline(always)]
    #[must_use]
    pub fn zero(&self) -> bool {
        self.result == 0
    }

    /// SF.
    #[inline(always)]
    #[must_use]
    pub fn sign(&self) -> bool {
        (self.result >> 63) ^ ((self.carries >> SIGN_DELTA) & 1) != 0
    }

    /// PF.
    #[inline(always)]
    #[must_use]
    pub fn parity(&self) -> bool {
        let byte = (self.result ^ (self.carries >> PARITY_DELTA)) as u8;
        byte.count_ones().is_multiple_of(2)
    }
}

/// One of the sixteen condition codes of Jcc, SETcc and CMOVcc (SDM vol. 1, app. B).
pub trait Condition {
    /// Whether the condition holds.
    fn holds(flags: &LazyFlags) -> bool;
}

/// The conditions, named as in the manual's `cc` suffixes.
pub mod condition {
    use super::{Condition, LazyFlags};

    /// Declares a condition and its negation.
    macro_rules! pair {
        ($yes:ident, $no:ident, $test:expr) => {
            #[doc = concat!("Condition `", stringify!($yes), "`.")]
            #[derive(Debug)]
            pub struct $yes;
            #[doc = concat!("Condition `", stringify!($no), "`.")]
            #[derive(Debug)]
            pub struct $no;
            impl Condition for $yes {
                #[inline(always)]
                fn holds(flags: &LazyFlags) -> bool {
                    let test: fn(&LazyFlags) -> bool = $test;
                    test(flags)
                }
            }
            impl Condition for $no {
                #[inline(always)]
                fn holds(flags: &LazyFlags) -> bool {
                    !$yes::holds(flags)
                }
            }
        };
    }

    pair!(O, No, LazyFlags::overflow);
    pair!(B, Ae, LazyFlags::carry);
    pair!(E, Ne, LazyFlags::zero);
    pair!(Be, A, |flags| flags.carry() | flags.zero());
    pair!(S, Ns, LazyFlags::sign);
    pair!(P, Np, LazyFlags::parity);
    pair!(L, Ge, |flags| flags.sign() != flags.overflow());
    pair!(Le, G, |flags| flags.zero() | (flags.sign() != flags.overflow()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_survives_the_lazy_form() {
        for bits in 0..64u64 {
            let flags = [RFlags::CF, RFlags::PF, RFlags::AF, RFlags::ZF, RFlags::SF, RFlags::OF];
            let image = flags
                .iter()
                .enumerate()
                .filter(|(index, _)| bits >> index & 1 != 0)
                .fold(0, |image, (_, flag)| image | flag);
            let lazy = LazyFlags::from_image(image);
            assert_eq!(lazy.image(), image);
            for carry in [false, true] {
                let expected = image & !RFlags::CF | u64::from(carry);
                assert_eq!(lazy.set_carry(carry).image(), expected);
                let expected = image & !RFlags::OF | if carry { RFlags::OF } else { 0 };
                assert_eq!(lazy.set_overflow(carry).image(), expected);
            }
        }
    }
}
