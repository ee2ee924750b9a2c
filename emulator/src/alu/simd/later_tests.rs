//! What SSE3 to SSE4.1 added, against the same written lane by lane.

use proptest::prelude::*;

use super::extend::{
    BitTest, RepeatEvenSingles, RepeatLowDouble, RepeatOddSingles, SignExtend, ZeroExtend,
};
use super::horizontal::{
    Abs, AddPairs, AddPairsSaturated, MinPosition, Sign, SubPairs, SubPairsSaturated,
};
use super::pack::PackUnsignedWords;
use super::product::{
    MulAddBytes, MulEvenSigned, MulHighRounded, MulLowDwords, SumBlockDifferences,
};
use super::select::{
    AlignRight, Blend, BlendByMask, InsertLoadedSingle, InsertSingle, ShuffleBytes,
};
use super::{Lane, VectorOp, VectorOp3};

/// Vectors whose bytes are often at the borders of their range.
fn vector() -> impl Strategy<Value = u128> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    prop::array::uniform16(byte).prop_map(u128::from_le_bytes)
}

/// Lanes as numbers, by the signedness of the lane.
fn lanes<L: Lane>(value: u128) -> Vec<i64> {
    let lane = |index: u32| {
        let top = (value >> (L::BITS * index)) << (128 - L::BITS);
        if L::SIGNED {
            (top as i128 >> (128 - L::BITS)) as i64
        } else {
            (top >> (128 - L::BITS)) as i64
        }
    };
    (0..128 / L::BITS).map(lane).collect()
}

/// Puts lanes together, the lowest first.
fn join<L: Lane>(lanes: impl IntoIterator<Item = i64>) -> u128 {
    let mask = u128::MAX >> (128 - L::BITS);
    let place = |(lane, value): (usize, i64)| (value as u128 & mask) << (lane as u32 * L::BITS);
    lanes.into_iter().enumerate().map(place).fold(0, |all, lane| all | lane)
}

/// A function of each pair of neighbours, of `a` and then of `b`.
fn pairs<L: Lane>(a: u128, b: u128, f: impl Fn(i64, i64) -> i64) -> u128 {
    let all: Vec<i64> = lanes::<L>(a).into_iter().chain(lanes::<L>(b)).collect();
    join::<L>(all.chunks(2).map(|pair| f(pair[0], pair[1])))
}

/// A function of each pair of lanes at the same place.
fn zip<L: Lane>(a: u128, b: u128, f: impl Fn(i64, i64) -> i64) -> u128 {
    join::<L>(lanes::<L>(a).into_iter().zip(lanes::<L>(b)).map(|(a, b)| f(a, b)))
}

fn word_bounds(value: i64) -> i64 {
    value.clamp(-0x8000, 0x7fff)
}

/// Absolute values and signs of a lane type.
fn signs<L: Lane>(a: u128, b: u128) -> Result<(), TestCaseError> {
    prop_assert_eq!(Abs::<L>::apply(a, b, 0), zip::<L>(a, b, |_, b| b.abs()));
    prop_assert_eq!(Sign::<L>::apply(a, b, 0), zip::<L>(a, b, |a, b| a * b.signum()));
    Ok(())
}

/// Both extensions; `S` is `U` with signs.
fn extensions<U: Lane, S: Lane, To: Lane>(b: u128) -> Result<(), TestCaseError> {
    let nr_lanes = 128 / To::BITS as usize;
    let zeroes = join::<To>(lanes::<U>(b).into_iter().take(nr_lanes));
    prop_assert_eq!(ZeroExtend::<U, To>::apply(0, b, 0), zeroes);
    let signs = join::<To>(lanes::<S>(b).into_iter().take(nr_lanes));
    prop_assert_eq!(SignExtend::<U, To>::apply(0, b, 0), signs);
    Ok(())
}

/// Both blends of a lane type.
fn blends<L: Lane>(a: u128, b: u128, c: u128, imm: u8) -> Result<(), TestCaseError> {
    let (x, y) = (lanes::<L>(a), lanes::<L>(b));
    let choose = |takes_b: &dyn Fn(usize) -> bool| {
        join::<L>((0..x.len()).map(|place| if takes_b(place) { y[place] } else { x[place] }))
    };
    if x.len() <= 8 {
        prop_assert_eq!(Blend::<L>::apply(a, b, imm), choose(&|place| imm >> place & 1 != 0));
    }
    let tops = |place: usize| c >> ((place as u32 + 1) * L::BITS - 1) & 1 != 0;
    prop_assert_eq!(BlendByMask::<L>::apply(a, b, c), choose(&tops));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pairs_and_signs(a in vector(), b in vector()) {
        prop_assert_eq!(AddPairs::<u16>::apply(a, b, 0), pairs::<u16>(a, b, |x, y| x + y));
        prop_assert_eq!(AddPairs::<u32>::apply(a, b, 0), pairs::<u32>(a, b, |x, y| x + y));
        prop_assert_eq!(SubPairs::<u16>::apply(a, b, 0), pairs::<u16>(a, b, |x, y| x - y));
        prop_assert_eq!(SubPairs::<u32>::apply(a, b, 0), pairs::<u32>(a, b, |x, y| x - y));
        let sums = pairs::<i16>(a, b, |x, y| word_bounds(x + y));
        prop_assert_eq!(AddPairsSaturated::apply(a, b, 0), sums);
        let differences = pairs::<i16>(a, b, |x, y| word_bounds(x - y));
        prop_assert_eq!(SubPairsSaturated::apply(a, b, 0), differences);
        signs::<i8>(a, b)?;
        signs::<i16>(a, b)?;
        signs::<i32>(a, b)?;
    }

    #[test]
    fn products(a in vector(), b in vector(), imm in any::<u8>()) {
        let low = zip::<i32>(a, b, |x, y| (x as i32).wrapping_mul(y as i32).into());
        prop_assert_eq!(MulLowDwords::apply(a, b, 0), low);
        let even = zip::<i64>(a, b, |x, y| i64::from(x as i32) * i64::from(y as i32));
        prop_assert_eq!(MulEvenSigned::apply(a, b, 0), even);
        let rounded = zip::<i16>(a, b, |x, y| (x * y + 0x4000) >> 15);
        prop_assert_eq!(MulHighRounded::apply(a, b, 0), rounded);
        let bytes: Vec<i64> =
            lanes::<u8>(a).into_iter().zip(lanes::<i8>(b)).map(|(x, y)| x * y).collect();
        let sums = join::<i16>(bytes.chunks(2).map(|pair| word_bounds(pair[0] + pair[1])));
        prop_assert_eq!(MulAddBytes::apply(a, b, 0), sums);
        let (x, y) = (lanes::<u8>(a), lanes::<u8>(b));
        let (from_x, from_y) = (usize::from(imm >> 2 & 1) * 4, usize::from(imm & 3) * 4);
        let sums = (0..8).map(|place| {
            (0..4).map(|byte| (x[from_x + place + byte] - y[from_y + byte]).abs()).sum()
        });
        prop_assert_eq!(SumBlockDifferences::apply(a, b, imm), join::<u16>(sums));
    }

    #[test]
    fn minimum_and_pack(a in vector(), b in vector()) {
        let words = lanes::<u16>(b);
        let least = *words.iter().min().unwrap();
        let place = words.iter().position(|&word| word == least).unwrap();
        prop_assert_eq!(MinPosition::apply(a, b, 0), join::<u16>([least, place as i64]));
        let all = lanes::<i32>(a).into_iter().chain(lanes::<i32>(b));
        let packed = join::<u16>(all.map(|dword| dword.clamp(0, 0xffff)));
        prop_assert_eq!(PackUnsignedWords::apply(a, b, 0), packed);
    }

    #[test]
    fn bytes_by_place(a in any::<u128>(), b in vector(), shift in 0u8..40) {
        let bytes = lanes::<u8>(a);
        let chosen = lanes::<u8>(b).into_iter().map(|place| {
            if place & 0x80 != 0 { 0 } else { bytes[place as usize & 15] }
        });
        prop_assert_eq!(ShuffleBytes::apply(a, b, 0), join::<u8>(chosen));
        let mut both = lanes::<u8>(b);
        both.extend(bytes);
        let from = usize::from(shift);
        let aligned = (from..from + 16).map(|place| both.get(place).copied().unwrap_or(0));
        prop_assert_eq!(AlignRight::apply(a, b, shift), join::<u8>(aligned));
    }

    #[test]
    fn blends_and_insertions(a in vector(), b in vector(), c in vector(), imm in any::<u8>()) {
        blends::<u8>(a, b, c, imm)?;
        blends::<u16>(a, b, c, imm)?;
        blends::<u32>(a, b, c, imm)?;
        blends::<u64>(a, b, c, imm)?;
        let insert = |from: usize| {
            let mut singles = lanes::<u32>(a);
            singles[usize::from(imm >> 4 & 3)] = lanes::<u32>(b)[from];
            let cleared = |place: usize| imm >> place & 1 != 0;
            join::<u32>((0..4).map(|place| if cleared(place) { 0 } else { singles[place] }))
        };
        prop_assert_eq!(InsertSingle::apply(a, b, imm), insert(usize::from(imm >> 6)));
        prop_assert_eq!(InsertLoadedSingle::apply(a, b, imm), insert(0));
    }

    #[test]
    fn wider_lanes(b in vector()) {
        extensions::<u8, i8, u16>(b)?;
        extensions::<u8, i8, u32>(b)?;
        extensions::<u8, i8, u64>(b)?;
        extensions::<u16, i16, u32>(b)?;
        extensions::<u16, i16, u64>(b)?;
        extensions::<u32, i32, u64>(b)?;
        let x = lanes::<u32>(b);
        prop_assert_eq!(RepeatEvenSingles::apply(0, b, 0), join::<u32>([x[0], x[0], x[2], x[2]]));
        prop_assert_eq!(RepeatOddSingles::apply(0, b, 0), join::<u32>([x[1], x[1], x[3], x[3]]));
        prop_assert_eq!(RepeatLowDouble::apply(0, b, 0), join::<u32>([x[0], x[1], x[0], x[1]]));
    }

    #[test]
    fn tests_of_bits(a in vector(), b in vector(), kind in 0u8..3) {
        // Unrelated vectors nearly always have and miss something.
        let b = match kind {
            0 => b,
            1 => b & a,
            _ => b & !a,
        };
        let common = (0..128).any(|bit| a >> bit & b >> bit & 1 != 0);
        let missing = (0..128).any(|bit| !(a >> bit) & b >> bit & 1 != 0);
        let expected = BitTest { none_common: !common, none_missing: !missing };
        let all = BitTest::of(a, b, u128::MAX);
        prop_assert_eq!(all, expected);
        let half = u128::from(u64::MAX);
        prop_assert_eq!(BitTest::of(a, b, half).and(BitTest::of(a, b, !half)), all);
    }
}
