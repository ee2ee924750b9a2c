//! Lanes of a vector, and arithmetic on all of them in one `u128`.
//!
//! A carry must not leave its lane. Sums are therefore made without the top bits,
//! which are put in afterwards (Knuth, TAOCP vol. 4A, 7.1.3, "broadword" computing).
//! That is portable, and much faster than taking the vector apart.

/// An integer type that vectors are divided into.
pub trait Lane: Copy + 'static {
    /// Bits of a lane.
    const BITS: u32;
    /// Whether lanes are signed.
    const SIGNED: bool;
    /// The lowest bit of every lane.
    const LOW: u128 = u128::MAX / (u128::MAX >> (128 - Self::BITS));
    /// The top bit of every lane.
    const HIGH: u128 = Self::LOW << (Self::BITS - 1);
}

/// Declares a type as a lane.
macro_rules! lanes {
    ($($int:ident)*) => {
        $(impl Lane for $int {
            const BITS: u32 = $int::BITS;
            const SIGNED: bool = $int::MIN != 0;
        })*
    };
}

lanes!(u8 u16 u32 u64 i8 i16 i32 i64);

/// Sums of the lanes, without carry.
#[inline(always)]
#[must_use]
pub fn add<L: Lane>(a: u128, b: u128) -> u128 {
    ((a & !L::HIGH) + (b & !L::HIGH)) ^ ((a ^ b) & L::HIGH)
}

/// Differences of the lanes, without borrow.
#[inline(always)]
#[must_use]
pub fn sub<L: Lane>(a: u128, b: u128) -> u128 {
    ((a | L::HIGH) - (b & !L::HIGH)) ^ ((a ^ !b) & L::HIGH)
}

/// Lanes of ones where the top bit of the lane is set.
#[inline(always)]
#[must_use]
pub fn spread<L: Lane>(top: u128) -> u128 {
    let ones = (top & L::HIGH) >> (L::BITS - 1);
    // Each lane becomes 2^BITS - 1 times what it was.
    (ones << L::BITS).wrapping_sub(ones)
}

/// Lanes of ones where `a` and `b` are equal.
#[inline(always)]
#[must_use]
pub fn equal<L: Lane>(a: u128, b: u128) -> u128 {
    let difference = a ^ b;
    let low_bits_differ = (difference & !L::HIGH) + !L::HIGH;
    spread::<L>(!(low_bits_differ | difference))
}

/// Lanes of ones where `a` is greater than `b`, by the signedness of the lane.
#[inline(always)]
#[must_use]
pub fn greater<L: Lane>(a: u128, b: u128) -> u128 {
    let bias = if L::SIGNED { L::HIGH } else { 0 };
    let (a, b) = (a ^ bias, b ^ bias);
    spread::<L>(borrows(b, a, sub::<L>(b, a)))
}

/// Borrow out of every bit of `a - b`, given the difference of the lanes.
#[inline(always)]
#[must_use]
pub fn borrows(a: u128, b: u128, difference: u128) -> u128 {
    !a & b | (!a | b) & difference
}

/// Carry out of every bit of `a + b`, given the sum of the lanes.
#[inline(always)]
#[must_use]
pub fn carries(a: u128, b: u128, sum: u128) -> u128 {
    a & b | (a | b) & !sum
}

/// `a` where the mask has ones, else `b`.
#[inline(always)]
#[must_use]
pub fn select(mask: u128, a: u128, b: u128) -> u128 {
    b ^ (a ^ b) & mask
}

/// The bound that a signed lane saturates to: the least value where `a` is
/// negative, else the greatest.
#[inline(always)]
#[must_use]
pub fn signed_bound<L: Lane>(a: u128) -> u128 {
    spread::<L>(a) ^ !L::HIGH
}

/// The same lane value everywhere.
#[inline(always)]
#[must_use]
pub fn repeat<L: Lane>(value: u128) -> u128 {
    value.wrapping_mul(L::LOW)
}

/// The top bit of every lane, the lowest lane first (PMOVMSKB, MOVMSKPS, MOVMSKPD).
#[inline(always)]
#[must_use]
pub fn sign_mask<L: Lane>(value: u128) -> u64 {
    let gather = |half: u64| {
        let bits = (half & L::HIGH as u64) >> (L::BITS - 1);
        match L::BITS {
            // Bit 8 * i moves to bit 56 + i; no two meet on the way.
            8 => bits.wrapping_mul(0x0102_0408_1020_4080) >> 56,
            16 => bits.wrapping_mul(0x1000_2000_4000_8000) >> 60,
            32 => (bits | bits >> 31) & 3,
            _ => bits,
        }
    };
    gather(value as u64) | gather((value >> 64) as u64) << (64 / L::BITS)
}
