//! PCMPxSTRx: strings compared element by element (SDM vol. 1, 12.10.4.2; vol. 2B, 4.1).
//!
//! Elements are lanes, and a comparison of one element with all of the other vector
//! is one broadword operation. The first operand is the set, the ranges or the wanted
//! string; the second is the string that is looked through, and results are numbered
//! by its elements.

use super::Lane;
use super::lane::{equal, greater, repeat, sign_mask};

/// What a comparison leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Lanes of ones where the second operand's element meets the condition.
    lanes: u128,
    /// The same with a bit for each element.
    bits: u32,
    /// Elements in a vector: 16 or 8.
    pub nr_elements: u32,
    /// ZF: the second operand ends before its last element.
    pub ends_b: bool,
    /// SF: the first operand does.
    pub ends_a: bool,
}

impl Comparison {
    /// CF: an element meets the condition.
    #[inline(always)]
    #[must_use]
    pub fn found(&self) -> bool {
        self.bits != 0
    }

    /// OF: element 0 meets the condition.
    #[inline(always)]
    #[must_use]
    pub fn first(&self) -> bool {
        self.bits & 1 != 0
    }

    /// What PCMPxSTRI leaves in ECX: the number of the last (bit 6 of the immediate)
    /// or first element that meets the condition; the number of elements where none does.
    #[inline(always)]
    #[must_use]
    pub fn index(&self, imm: u8) -> u32 {
        if self.bits == 0 {
            self.nr_elements
        } else if imm & 0x40 != 0 {
            self.bits.ilog2()
        } else {
            self.bits.trailing_zeros()
        }
    }

    /// What PCMPxSTRM leaves in XMM0: lanes (bit 6 of the immediate) or bits.
    #[inline(always)]
    #[must_use]
    pub fn mask(&self, imm: u8) -> u128 {
        if imm & 0x40 != 0 { self.lanes } else { u128::from(self.bits) }
    }
}

/// How many elements of the operands count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// PCMPISTRx: those before the first zero.
    Implicit,
    /// PCMPESTRx: as RAX and RDX say, sign-extended for the 32-bit forms; more than
    /// fit count as all, and the sign for nothing.
    Explicit {
        /// Of the first operand (EAX, RAX).
        a: i64,
        /// Of the second operand (EDX, RDX).
        b: i64,
    },
}

/// Compares two vectors as the immediate says.
#[inline]
#[must_use]
pub fn compare(a: u128, b: u128, lengths: Lengths, imm: u8) -> Comparison {
    match imm & 3 {
        0 => compare_lanes::<u8>(a, b, lengths, imm),
        1 => compare_lanes::<u16>(a, b, lengths, imm),
        2 => compare_lanes::<i8>(a, b, lengths, imm),
        _ => compare_lanes::<i16>(a, b, lengths, imm),
    }
}

/// Lanes of ones for the elements that count.
#[inline(always)]
fn valid<L: Lane>(length: u32) -> u128 {
    u128::MAX.checked_shr(128u32.saturating_sub(length * L::BITS)).unwrap_or(0)
}

/// Elements before the first zero.
#[inline(always)]
fn implicit_length<L: Lane>(value: u128) -> u32 {
    equal::<L>(value, 0).trailing_zeros() / L::BITS
}

fn compare_lanes<L: Lane>(a: u128, b: u128, lengths: Lengths, imm: u8) -> Comparison {
    let nr_elements = 128 / L::BITS;
    let explicit = |length: i64| length.unsigned_abs().min(u64::from(nr_elements)) as u32;
    let (a_length, b_length) = match lengths {
        Lengths::Implicit => (implicit_length::<L>(a), implicit_length::<L>(b)),
        Lengths::Explicit { a, b } => (explicit(a), explicit(b)),
    };
    let b_valid = valid::<L>(b_length);
    let met = match imm >> 2 & 3 {
        0 => equal_any::<L>(a, a_length, b) & b_valid,
        1 => in_ranges::<L>(a, a_length, b) & b_valid,
        2 => equal_each::<L>(a, b, valid::<L>(a_length), b_valid),
        _ => equal_ordered::<L>(a, a_length, b, b_valid),
    };
    let lanes = met
        ^ match imm >> 4 & 3 {
            1 => u128::MAX,
            3 => b_valid,
            _ => 0,
        };
    Comparison {
        lanes,
        bits: sign_mask::<L>(lanes) as u32,
        nr_elements,
        ends_b: b_length < nr_elements,
        ends_a: a_length < nr_elements,
    }
}

/// The element of `value` at `place`, everywhere.
#[inline(always)]
fn everywhere<L: Lane>(value: u128, place: u32) -> u128 {
    repeat::<L>(value >> (place * L::BITS) & u128::MAX >> (128 - L::BITS))
}

/// Elements of `b` that are among the elements of `a`.
fn equal_any<L: Lane>(a: u128, a_length: u32, b: u128) -> u128 {
    (0..a_length).fold(0, |met, place| met | equal::<L>(everywhere::<L>(a, place), b))
}

/// Elements of `b` that are within a range that two elements of `a` bound; a bound
/// alone is no range.
fn in_ranges<L: Lane>(a: u128, a_length: u32, b: u128) -> u128 {
    (0..a_length / 2).fold(0, |met, range| {
        let low = everywhere::<L>(a, 2 * range);
        let high = everywhere::<L>(a, 2 * range + 1);
        met | !(greater::<L>(low, b) | greater::<L>(b, high))
    })
}

/// Elements that are the same in both; where both have ended, they are.
#[inline(always)]
fn equal_each<L: Lane>(a: u128, b: u128, a_valid: u128, b_valid: u128) -> u128 {
    let both = a_valid & b_valid;
    equal::<L>(a, b) & both | !(a_valid | b_valid)
}

/// Places of `b` at which `a` begins; what would be beyond the vector is not compared.
fn equal_ordered<L: Lane>(a: u128, a_length: u32, b: u128, b_valid: u128) -> u128 {
    (0..a_length).fold(u128::MAX, |met, place| {
        let same = equal::<L>(everywhere::<L>(a, place), b) & b_valid;
        let shift = place * L::BITS;
        met & (same >> shift | !(u128::MAX >> shift))
    })
}
