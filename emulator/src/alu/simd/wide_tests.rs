//! The operations of AVX2 against the same written lane by lane.

use proptest::prelude::*;

use super::VectorOp;
use super::cross::{
    Broadcast, BroadcastHalf, CrossOp, InsertHalf, PermuteDwords, PermuteHalves, PermuteQwords,
};
use super::variable::{LeftBy, RightArithmeticBy, RightLogicalBy};
use crate::regs::vector::VectorReg;

fn wide() -> impl Strategy<Value = VectorReg> {
    any::<[u8; 32]>().prop_map(VectorReg::from_le_bytes)
}

/// Counts around the widths of lanes, and any.
fn counts() -> impl Strategy<Value = u128> {
    let count = prop_oneof![
        3 => 0..34u32,
        2 => 62..66u32,
        1 => any::<u32>(),
        1 => Just(u32::MAX),
    ];
    let high = prop_oneof![4 => Just(0u32), 1 => Just(1), 1 => any::<u32>()];
    (prop::array::uniform2(count), prop::array::uniform2(high)).prop_map(|(count, high)| {
        [count[0], high[0], count[1], high[1]]
            .iter()
            .rev()
            .fold(0, |all, &dword| all << 32 | u128::from(dword))
    })
}

fn dwords(value: u128) -> [u32; 4] {
    std::array::from_fn(|lane| (value >> (32 * lane)) as u32)
}

fn qwords(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

fn join_dwords(lanes: [u32; 4]) -> u128 {
    lanes.iter().rev().fold(0, |all, &lane| all << 32 | u128::from(lane))
}

fn join_qwords(lanes: [u64; 2]) -> u128 {
    u128::from(lanes[0]) | u128::from(lanes[1]) << 64
}

/// The lanes of `N` bytes that `source` names, in their order.
fn pick<const N: usize>(bytes: &[u8], source: impl Fn(usize) -> Option<usize>) -> VectorReg {
    VectorReg::from_le_bytes(std::array::from_fn(|at| {
        source(at / N).map_or(0, |lane| bytes[lane * N + at % N])
    }))
}

proptest! {
    #[test]
    fn shifts_by_lane(a in any::<u128>(), b in counts()) {
        let each = |shift: fn(u32, u32) -> u32| {
            let (a, b) = (dwords(a), dwords(b));
            join_dwords(std::array::from_fn(|lane| shift(a[lane], b[lane])))
        };
        let left = each(|a, b| a.checked_shl(b).unwrap_or(0));
        let right = each(|a, b| a.checked_shr(b).unwrap_or(0));
        let signed = each(|a, b| (a as i32 >> b.min(31)) as u32);
        prop_assert_eq!(LeftBy::<u32>::apply(a, b, 0), left);
        prop_assert_eq!(RightLogicalBy::<u32>::apply(a, b, 0), right);
        prop_assert_eq!(RightArithmeticBy::<i32>::apply(a, b, 0), signed);

        let each = |shift: fn(u64, u32) -> Option<u64>| {
            let (a, b) = (qwords(a), qwords(b));
            join_qwords(std::array::from_fn(|lane| {
                u32::try_from(b[lane]).ok().and_then(|b| shift(a[lane], b)).unwrap_or(0)
            }))
        };
        prop_assert_eq!(LeftBy::<u64>::apply(a, b, 0), each(u64::checked_shl));
        prop_assert_eq!(RightLogicalBy::<u64>::apply(a, b, 0), each(u64::checked_shr));
    }

    #[test]
    fn lanes_across_halves(a in wide(), b in wide(), imm in any::<u8>()) {
        let (first, bytes) = (a.to_le_bytes(), b.to_le_bytes());
        let both = [first, bytes].concat();
        let two = |place: usize| usize::from(imm) >> (2 * place) & 3;
        let four = |place: usize| usize::from(imm) >> (4 * place) & 15;

        prop_assert_eq!(Broadcast::<u8>::apply(a, b, imm), pick::<1>(&bytes, |_| Some(0)));
        prop_assert_eq!(Broadcast::<u16>::apply(a, b, imm), pick::<2>(&bytes, |_| Some(0)));
        prop_assert_eq!(Broadcast::<u32>::apply(a, b, imm), pick::<4>(&bytes, |_| Some(0)));
        prop_assert_eq!(Broadcast::<u64>::apply(a, b, imm), pick::<8>(&bytes, |_| Some(0)));
        prop_assert_eq!(BroadcastHalf::apply(a, b, imm), pick::<16>(&bytes, |_| Some(0)));
        let qwords = pick::<8>(&bytes, |place| Some(two(place)));
        prop_assert_eq!(PermuteQwords::apply(a, b, imm), qwords);
        let dwords = pick::<4>(&bytes, |place| Some(usize::from(first[4 * place] & 7)));
        prop_assert_eq!(PermuteDwords::apply(a, b, imm), dwords);
        let halves =
            pick::<16>(&both, |place| (four(place) < 8).then_some(four(place) & 3));
        prop_assert_eq!(PermuteHalves::apply(a, b, imm), halves);
        let inserted = pick::<16>(&both, |place| {
            Some(if place == usize::from(imm & 1) { 2 } else { place })
        });
        prop_assert_eq!(InsertHalf::apply(a, b, imm), inserted);
    }
}

/// VPERM2I128 looks at bit 3 of each choice, and not at bit 2.
#[test]
fn permute_halves_by_hand() {
    let (a, b) = (VectorReg { lo: 1, hi: 2 }, VectorReg { lo: 3, hi: 4 });
    for (imm, lo, hi) in [(0x20, 1, 3), (0x31, 2, 4), (0x81, 2, 0), (0x28, 0, 3), (0x75, 2, 4)] {
        assert_eq!(PermuteHalves::apply(a, b, imm), VectorReg { lo, hi }, "{imm:#x}");
    }
}
