//! RFLAGS: bit names, and the six status flags computed when asked for.
//!
//! Arithmetic leaves two words: the result, sign-extended from its width to 64
//! bits, and a word of carries, or the second operand from which the carries follow.
//! From the two every status flag follows, so the flag rules exist only here.

use super::Width;

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
/// The three carries.
const CARRIES: u64 = (1 << CARRY_TOP) | (1 << CARRY_INTO_TOP) | (1 << CARRY_HALF);

/// How the second word of [`LazyFlags`] gives the carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// It holds them.
    Held,
    /// It is the second operand of an addition of so many bits.
    OfSum(u8),
    /// It is the second operand of a subtraction of so many bits.
    OfDifference(u8),
}

/// CF, PF, AF, ZF, SF and OF as a result and a second word, from which the carries
/// follow when somebody asks: nobody asks after most additions.
#[derive(Clone, Copy, Debug, Eq)]
pub struct LazyFlags {
    result: u64,
    second: u64,
    carries: Carries,
    /// Eight bits that are XORed into the low result byte before its parity is taken.
    parity_delta: u8,
    /// Whether SF is not the sign of the result.
    sign_delta: bool,
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
    #[inline(always)]
    fn new(result: u64, second: u64, carries: Carries) -> Self {
        Self { result, second, carries, parity_delta: 0, sign_delta: false }
    }

    /// Flags of an addition or subtraction of `bits` bits.
    ///
    /// `result` is sign-extended; bit i of `carry_out` is the carry (or borrow)
    /// out of bit i. Other bits above the width may hold anything.
    #[inline(always)]
    #[must_use]
    pub fn arithmetic(result: u64, carry_out: u64, bits: u32) -> Self {
        Self::new(result, held(carry_out, bits), Carries::Held)
    }

    /// Flags of the sum, sign-extended from `W`, of something and `second`.
    #[inline(always)]
    #[must_use]
    pub fn of_sum<W: Width>(sum: u64, second: u64) -> Self {
        Self::new(sum, second, Carries::OfSum(W::BITS as u8))
    }

    /// Flags of the difference, sign-extended from `W`, of something and `second`.
    #[inline(always)]
    #[must_use]
    pub fn of_difference<W: Width>(difference: u64, second: u64) -> Self {
        Self::new(difference, second, Carries::OfDifference(W::BITS as u8))
    }

    /// Flags of a bitwise operation: CF, OF and AF clear.
    #[inline(always)]
    #[must_use]
    pub fn logic(result: u64) -> Self {
        Self::new(result, 0, Carries::Held)
    }

    /// Flags with SF, ZF and PF of a sign-extended result and explicit CF and OF; AF clear.
    #[inline(always)]
    #[must_use]
    pub fn with_carry_overflow(result: u64, carry: bool, overflow: bool) -> Self {
        let carries =
            (u64::from(carry) << CARRY_TOP) | (u64::from(carry ^ overflow) << CARRY_INTO_TOP);
        Self::new(result, carries, Carries::Held)
    }

    /// Carries out of every bit, as far as they are held, and how many bits there are.
    #[inline(always)]
    fn carry_out(&self) -> (u64, u32) {
        let (result, b) = (self.result, self.second);
        match self.carries {
            Carries::Held => (b, 64),
            Carries::OfSum(bits) => {
                (carries_of_sum(result.wrapping_sub(b), b, result), bits.into())
            }
            Carries::OfDifference(bits) => {
                (borrows(result.wrapping_add(b), b, result), bits.into())
            }
        }
    }

    /// The carry word: carry out of the top bit, into it, and out of bit 3.
    #[inline(always)]
    fn carry_word(&self) -> u64 {
        let (carries, bits) = self.carry_out();
        held(carries, bits)
    }

    /// The same flags with other carries.
    #[inline(always)]
    fn with_carry_word(self, word: u64) -> Self {
        Self { second: word, carries: Carries::Held, ..self }
    }

    /// The same flags with CF replaced and OF kept.
    #[inline(always)]
    #[must_use]
    pub fn set_carry(self, carry: bool) -> Self {
        let word = self.carry_word();
        let change = word >> CARRY_TOP ^ u64::from(carry);
        self.with_carry_word(word ^ (change << CARRY_TOP) ^ (change << CARRY_INTO_TOP))
    }

    /// The same flags with OF replaced and CF kept.
    #[inline(always)]
    #[must_use]
    pub fn set_overflow(self, overflow: bool) -> Self {
        let change = u64::from(self.overflow() ^ overflow);
        self.with_carry_word(self.carry_word() ^ (change << CARRY_INTO_TOP))
    }

    /// The same flags with CF and OF replaced.
    #[inline(always)]
    #[must_use]
    pub fn set_carry_overflow(self, carry: bool, overflow: bool) -> Self {
        let half = self.carry_out().0 & (1 << CARRY_HALF);
        let into_top = u64::from(carry ^ overflow) << CARRY_INTO_TOP;
        self.with_carry_word(u64::from(carry) << CARRY_TOP | into_top | half)
    }

    /// From the bits of an RFLAGS image.
    #[must_use]
    pub fn from_image(image: u64) -> Self {
        let set = |flag: u64| image & flag != 0;
        let zero = set(RFlags::ZF);
        let word = (u64::from(set(RFlags::CF)) << CARRY_TOP)
            | (u64::from(set(RFlags::CF) ^ set(RFlags::OF)) << CARRY_INTO_TOP)
            | (u64::from(set(RFlags::AF)) << CARRY_HALF);
        Self {
            result: u64::from(!zero),
            second: word,
            carries: Carries::Held,
            // Parity of the result byte itself: even for 0, odd for 1.
            parity_delta: u8::from(set(RFlags::PF) != zero),
            sign_delta: set(RFlags::SF),
        }
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
        self.carry_word() >> CARRY_TOP != 0
    }

    /// OF.
    #[inline(always)]
    #[must_use]
    pub fn overflow(&self) -> bool {
        let word = self.carry_word();
        (word ^ (word << 1)) >> CARRY_TOP != 0
    }

    /// AF.
    #[inline(always)]
    #[must_use]
    pub fn half_carry(&self) -> bool {
        self.carry_out().0 & (1 << CARRY_HALF) != 0
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
        ((self.result as i64) < 0) ^ self.sign_delta
    }

    /// PF.
    #[inline(always)]
    #[must_use]
    pub fn parity(&self) -> bool {
        let byte = self.result as u8 ^ self.parity_delta;
        byte.count_ones().is_multiple_of(2)
    }
}

/// The carry word of the carries out of every bit of an operation of `bits` bits.
#[inline(always)]
fn held(carry_out: u64, bits: u32) -> u64 {
    if bits == 64 {
        return carry_out & CARRIES;
    }
    let top = carry_out << (64 - bits);
    (top & (3 << CARRY_INTO_TOP)) | (carry_out & (1 << CARRY_HALF))
}

/// Carries out of every bit of `a + b` (+ 1), given the sum.
#[inline(always)]
#[must_use]
pub fn carries_of_sum(a: u64, b: u64, sum: u64) -> u64 {
    (a & b) | ((a | b) & !sum)
}

/// Borrows out of every bit of `a - b` (- 1), given the difference.
#[inline(always)]
#[must_use]
pub fn borrows(a: u64, b: u64, difference: u64) -> u64 {
    (!a & b) | (!(a ^ b) & difference)
}

/// One of the sixteen condition codes of Jcc, SETcc and CMOVcc (SDM vol. 1, app. B).
pub trait Condition {
    /// Whether the condition holds.
    fn holds(flags: &LazyFlags) -> bool;

    /// Whether it holds after `a - b` (zero-extended values), where that is a
    /// comparison of the two.
    #[inline(always)]
    fn compares<W: Width>(_a: u64, _b: u64) -> Option<bool> {
        None
    }
}

/// The conditions, named as in the manual's `cc` suffixes.
pub mod condition {
    use super::{Condition, LazyFlags};
    use crate::regs::Width;

    /// Two values, unsigned and signed.
    #[derive(Clone, Copy)]
    struct Pair {
        a: u64,
        b: u64,
        signed_a: i64,
        signed_b: i64,
    }

    impl Pair {
        #[inline(always)]
        fn of<W: Width>(a: u64, b: u64) -> Self {
            let (signed_a, signed_b) = (W::sign_extend(a) as i64, W::sign_extend(b) as i64);
            Self { a, b, signed_a, signed_b }
        }
    }

    /// Declares a condition and its negation.
    macro_rules! pair {
        ($yes:ident, $no:ident, $test:expr $(, $compare:expr)?) => {
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

                $(#[inline(always)]
                fn compares<W: Width>(a: u64, b: u64) -> Option<bool> {
                    let compare: fn(Pair) -> bool = $compare;
                    Some(compare(Pair::of::<W>(a, b)))
                })?
            }
            impl Condition for $no {
                #[inline(always)]
                fn holds(flags: &LazyFlags) -> bool {
                    !$yes::holds(flags)
                }

                #[inline(always)]
                fn compares<W: Width>(a: u64, b: u64) -> Option<bool> {
                    $yes::compares::<W>(a, b).map(|holds| !holds)
                }
            }
        };
    }

    pair!(O, No, LazyFlags::overflow);
    pair!(B, Ae, LazyFlags::carry, |pair| pair.a < pair.b);
    pair!(E, Ne, LazyFlags::zero, |pair| pair.a == pair.b);
    pair!(Be, A, |flags| flags.carry() | flags.zero(), |pair| pair.a <= pair.b);
    pair!(S, Ns, LazyFlags::sign);
    pair!(P, Np, LazyFlags::parity);
    pair!(L, Ge, |flags| flags.sign() != flags.overflow(), |pair| pair.signed_a < pair.signed_b);
    pair!(Le, G, |flags| flags.zero() | (flags.sign() != flags.overflow()), |pair| pair.signed_a
        <= pair.signed_b);
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
                let both = lazy.set_carry(true).set_overflow(carry);
                assert_eq!(lazy.set_carry_overflow(true, carry), both);
            }
        }
    }
}
