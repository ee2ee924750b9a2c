//! The broadword operations against the same written lane by lane.

use proptest::prelude::*;

use super::VectorOp;
use super::integer::{Add, AddSaturated, Average, Equal, Greater, Max, Min, Sub, SubSaturated};
use super::lane::sign_mask;
use super::multiply::{MulAddPairs, MulEven, MulHigh, MulLow, SumAbsDifferences};
use super::pack::{PackSignedBytes, PackSignedWords, PackUnsignedBytes, UnpackHigh, UnpackLow};
use super::shift::{Left, LeftBytes, RightArithmetic, RightBytes, RightLogical};
use super::shuffle::{
    ShuffleDoubles, ShuffleDwords, ShuffleHighWords, ShuffleLowWords, ShuffleSingles,
};

/// Vectors whose bytes are often at the borders of their range.
fn vector() -> impl Strategy<Value = u128> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    prop::array::uniform16(byte).prop_map(u128::from_le_bytes)
}

/// Lanes of `$int`, each `$bits` wide.
macro_rules! lanes {
    ($int:ident, $value:expr) => {
        (0..128 / $int::BITS).map(|lane| ($value >> (lane * $int::BITS)) as $int)
    };
}

/// Puts lanes together, the lowest first.
fn join(bits: u32, lanes: impl IntoIterator<Item = u128>) -> u128 {
    let mask = u128::MAX >> (128 - bits);
    lanes
        .into_iter()
        .enumerate()
        .fold(0, |all, (lane, value)| all | (value & mask) << (lane as u32 * bits))
}

/// A twin: applies `$function` to pairs of lanes of `$int`.
macro_rules! twin {
    ($op:ty, $int:ident, $a:expr, $b:expr, $function:expr) => {{
        let function: fn($int, $int) -> $int = $function;
        let pairs = lanes!($int, $a).zip(lanes!($int, $b));
        let expected = join($int::BITS, pairs.map(|(x, y)| function(x, y) as u128));
        prop_assert_eq!(<$op>::apply($a, $b, 0), expected, "{}", stringify!($op));
    }};
}

/// Every operation that exists for all lane types.
macro_rules! all_operations {
    ($int:ident, $a:expr, $b:expr) => {
        twin!(Add<$int>, $int, $a, $b, $int::wrapping_add);
        twin!(Sub<$int>, $int, $a, $b, $int::wrapping_sub);
        twin!(AddSaturated<$int>, $int, $a, $b, $int::saturating_add);
        twin!(SubSaturated<$int>, $int, $a, $b, $int::saturating_sub);
        twin!(Equal<$int>, $int, $a, $b, |x, y| if x == y { !0 } else { 0 });
        twin!(Greater<$int>, $int, $a, $b, |x, y| if x > y { !0 } else { 0 });
        twin!(Min<$int>, $int, $a, $b, std::cmp::min);
        twin!(Max<$int>, $int, $a, $b, std::cmp::max);
    };
}

/// The shifts of a lane type of 16 bits and more.
macro_rules! all_shifts {
    ($unsigned:ident, $signed:ident, $a:expr, $count:expr) => {
        let count = $count;
        let left = |x: $unsigned| u64::checked_shl(x.into(), count).unwrap_or(0) as u128;
        let right = |x: $unsigned| u64::checked_shr(x.into(), count).unwrap_or(0) as u128;
        let arithmetic = |x: $signed| (i64::from(x) >> count.min(63)) as u128;
        let bits = $unsigned::BITS;
        let b = u128::from(count);
        // What lies above the low half of the count is not looked at.
        let noisy = b | 7 << 64;
        let expected = join(bits, lanes!($unsigned, $a).map(left));
        prop_assert_eq!(Left::<$unsigned>::apply($a, noisy, 0), expected);
        let expected = join(bits, lanes!($unsigned, $a).map(right));
        prop_assert_eq!(RightLogical::<$unsigned>::apply($a, b, 0), expected);
        let expected = join(bits, lanes!($signed, $a).map(arithmetic));
        prop_assert_eq!(RightArithmetic::<$signed>::apply($a, b, 0), expected);
    };
}

/// Both halves interleaved, lane by lane.
macro_rules! interleaves {
    ($int:ident, $a:expr, $b:expr) => {
        let half = (64 / $int::BITS) as usize;
        let both: Vec<u128> = lanes!($int, $a)
            .zip(lanes!($int, $b))
            .flat_map(|(x, y)| [u128::from(x), u128::from(y)])
            .collect();
        let low = join($int::BITS, both[..2 * half].iter().copied());
        let high = join($int::BITS, both[2 * half..].iter().copied());
        prop_assert_eq!(UnpackLow::<$int>::apply($a, $b, 0), low);
        prop_assert_eq!(UnpackHigh::<$int>::apply($a, $b, 0), high);
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lane_by_lane(a in vector(), b in vector(), same in any::<bool>()) {
        let b = if same { a ^ (b & 0xff) } else { b };
        all_operations!(u8, a, b);
        all_operations!(u16, a, b);
        all_operations!(u32, a, b);
        all_operations!(u64, a, b);
        all_operations!(i8, a, b);
        all_operations!(i16, a, b);
        all_operations!(i32, a, b);
        all_operations!(i64, a, b);
        twin!(Average<u8>, u8, a, b, |x, y| (u16::from(x) + u16::from(y)).div_ceil(2) as u8);
        twin!(Average<u16>, u16, a, b, |x, y| (u32::from(x) + u32::from(y)).div_ceil(2) as u16);
    }

    #[test]
    fn shifts(a in vector(), count in prop_oneof![0u32..70, Just(255), Just(u32::MAX)]) {
        all_shifts!(u16, i16, a, count);
        all_shifts!(u32, i32, a, count);
        all_shifts!(u64, i64, a, count);
        let bytes = 8 * count.min(16);
        let b = u128::from(count);
        prop_assert_eq!(LeftBytes::apply(a, b, 0), a.checked_shl(bytes).unwrap_or(0));
        prop_assert_eq!(RightBytes::apply(a, b, 0), a.checked_shr(bytes).unwrap_or(0));
    }

    #[test]
    fn products(a in vector(), b in vector()) {
        twin!(MulLow, i16, a, b, i16::wrapping_mul);
        twin!(MulHigh<i16>, i16, a, b, |x, y| ((i32::from(x) * i32::from(y)) >> 16) as i16);
        twin!(MulHigh<u16>, u16, a, b, |x, y| ((u32::from(x) * u32::from(y)) >> 16) as u16);
        twin!(MulEven, u64, a, b, |x, y| (x as u32 as u64) * (y as u32 as u64));
        let products: Vec<i64> = lanes!(i16, a)
            .zip(lanes!(i16, b))
            .map(|(x, y)| i64::from(x) * i64::from(y))
            .collect();
        let pairs = products.chunks(2).map(|pair| (pair[0] + pair[1]) as u128);
        prop_assert_eq!(MulAddPairs::apply(a, b, 0), join(32, pairs));
        let differences: Vec<u128> = lanes!(u8, a)
            .zip(lanes!(u8, b))
            .map(|(x, y)| u128::from(x.abs_diff(y)))
            .collect();
        let sums = differences.chunks(8).map(|half| half.iter().sum());
        prop_assert_eq!(SumAbsDifferences::apply(a, b, 0), join(64, sums));
    }

    #[test]
    fn packs_and_interleavings(a in vector(), b in vector()) {
        let words: Vec<i16> = lanes!(i16, a).chain(lanes!(i16, b)).collect();
        let narrow = |low, high| join(8, words.iter().map(|&w| w.clamp(low, high) as u128));
        prop_assert_eq!(PackSignedBytes::apply(a, b, 0), narrow(-128, 127));
        prop_assert_eq!(PackUnsignedBytes::apply(a, b, 0), narrow(0, 255));
        let dwords = lanes!(i32, a).chain(lanes!(i32, b));
        let packed = join(16, dwords.map(|d| d.clamp(-0x8000, 0x7fff) as u128));
        prop_assert_eq!(PackSignedWords::apply(a, b, 0), packed);
        interleaves!(u8, a, b);
        interleaves!(u16, a, b);
        interleaves!(u32, a, b);
        interleaves!(u64, a, b);
    }

    #[test]
    fn shuffles(a in any::<u128>(), b in any::<u128>(), imm in any::<u8>()) {
        let choice = |place: usize| usize::from(imm >> (2 * place) & 3);
        let x: Vec<u128> = lanes!(u32, a).map(u128::from).collect();
        let y: Vec<u128> = lanes!(u32, b).map(u128::from).collect();
        let chosen = (0..4).map(|place| y[choice(place)]);
        prop_assert_eq!(ShuffleDwords::apply(a, b, imm), join(32, chosen));
        let chosen = (0..4).map(|place| if place < 2 { &x } else { &y }[choice(place)]);
        prop_assert_eq!(ShuffleSingles::apply(a, b, imm), join(32, chosen));
        let words: Vec<u128> = lanes!(u16, b).map(u128::from).collect();
        let low = (0..8).map(|place| words[if place < 4 { choice(place) } else { place }]);
        prop_assert_eq!(ShuffleLowWords::apply(a, b, imm), join(16, low));
        let high = (0..8).map(|place| words[if place < 4 { place } else { 4 + choice(place - 4) }]);
        prop_assert_eq!(ShuffleHighWords::apply(a, b, imm), join(16, high));
        let half = |value: u128, bit: u8| value >> (64 * u32::from(imm >> bit & 1));
        prop_assert_eq!(ShuffleDoubles::apply(a, b, imm), join(64, [half(a, 0), half(b, 1)]));
    }

    #[test]
    fn sign_masks(a in vector()) {
        let mask = |signs: Vec<bool>| {
            signs.iter().enumerate().fold(0u64, |mask, (lane, &sign)| mask | u64::from(sign) << lane)
        };
        prop_assert_eq!(sign_mask::<u8>(a), mask(lanes!(i8, a).map(|x| x < 0).collect()));
        prop_assert_eq!(sign_mask::<u16>(a), mask(lanes!(i16, a).map(|x| x < 0).collect()));
        prop_assert_eq!(sign_mask::<u32>(a), mask(lanes!(i32, a).map(|x| x < 0).collect()));
        prop_assert_eq!(sign_mask::<u64>(a), mask(lanes!(i64, a).map(|x| x < 0).collect()));
    }
}
