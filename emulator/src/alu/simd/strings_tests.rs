//! String comparisons against the manual's table of every pair of elements
//! (SDM vol. 1, 12.10.4.2, table 12-5).

use proptest::prelude::*;

use super::strings::{Comparison, Lengths, compare};

/// The elements of a vector, by the low two bits of the immediate.
fn elements(value: u128, imm: u8) -> Vec<i32> {
    let byte = |index: u32| (value >> (8 * index)) as u8;
    let word = |index: u32| (value >> (16 * index)) as u16;
    match imm & 3 {
        0 => (0..16).map(|index| byte(index).into()).collect(),
        1 => (0..8).map(|index| word(index).into()).collect(),
        2 => (0..16).map(|index| (byte(index) as i8).into()).collect(),
        _ => (0..8).map(|index| (word(index) as i16).into()).collect(),
    }
}

/// How many elements count.
fn length(elements: &[i32], explicit: Option<i64>) -> usize {
    match explicit {
        Some(length) => (length.unsigned_abs() as usize).min(elements.len()),
        None => elements.iter().position(|&element| element == 0).unwrap_or(elements.len()),
    }
}

/// Whether the element of `b` at `at` meets the condition.
fn meets(a: &[i32], a_length: usize, b: &[i32], b_length: usize, imm: u8, at: usize) -> bool {
    let n = a.len();
    let both = |i: usize, j: usize| i < a_length && j < b_length;
    match imm >> 2 & 3 {
        0 => (0..n).any(|i| both(i, at) && a[i] == b[at]),
        1 => (0..n / 2).any(|pair| {
            let bounds = 2 * pair..=2 * pair + 1;
            both(*bounds.end(), at) && a[*bounds.start()] <= b[at] && b[at] <= a[*bounds.end()]
        }),
        2 => {
            let neither = at >= a_length && at >= b_length;
            neither || (both(at, at) && a[at] == b[at])
        }
        _ => (0..n - at).all(|i| {
            let j = at + i;
            i >= a_length || (j < b_length && a[i] == b[j])
        }),
    }
}

/// The comparison, pair by pair: the bits of the elements, ZF and SF.
fn twin(a: u128, b: u128, lengths: Lengths, imm: u8) -> (Vec<bool>, bool, bool) {
    let (a, b) = (elements(a, imm), elements(b, imm));
    let (of_a, of_b) = match lengths {
        Lengths::Implicit => (None, None),
        Lengths::Explicit { a, b } => (Some(a), Some(b)),
    };
    let (a_length, b_length) = (length(&a, of_a), length(&b, of_b));
    let bits = (0..b.len()).map(|at| {
        let negated = match imm >> 4 & 3 {
            1 => true,
            3 => at < b_length,
            _ => false,
        };
        meets(&a, a_length, &b, b_length, imm, at) != negated
    });
    (bits.collect(), b_length < b.len(), a_length < a.len())
}

/// Compares everything that is visible of a comparison.
fn check(found: Comparison, twin: (Vec<bool>, bool, bool), imm: u8) -> Result<(), TestCaseError> {
    let (bits, ends_b, ends_a) = twin;
    prop_assert_eq!((found.ends_b, found.ends_a), (ends_b, ends_a));
    prop_assert_eq!(found.found(), bits.contains(&true));
    prop_assert_eq!(found.first(), bits[0]);
    let first = bits.iter().position(|&bit| bit).unwrap_or(bits.len());
    let last = bits.iter().rposition(|&bit| bit).unwrap_or(bits.len());
    prop_assert_eq!(found.index(imm & !0x40) as usize, first);
    prop_assert_eq!(found.index(imm | 0x40) as usize, last);
    let width = 128 / bits.len();
    let (mut mask, mut lanes) = (0u128, 0u128);
    for (place, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
        mask |= 1 << place;
        lanes |= (u128::MAX >> (128 - width)) << (place * width);
    }
    prop_assert_eq!(found.mask(imm & !0x40), mask);
    prop_assert_eq!(found.mask(imm | 0x40), lanes);
    Ok(())
}

/// Strings of few different bytes, so that parts of them are the same.
fn string() -> impl Strategy<Value = u128> {
    let byte = prop_oneof![Just(0u8), 1u8..3, Just(0x7f), Just(0x80), Just(0xff)];
    let few = prop::array::uniform16(byte).prop_map(u128::from_le_bytes);
    let words = prop::array::uniform16(prop_oneof![4 => Just(1u8), 1 => 0u8..3]);
    prop_oneof![few, words.prop_map(u128::from_le_bytes), any::<u128>()]
}

fn string_length() -> impl Strategy<Value = i64> {
    prop_oneof![0i64..18, -18i64..0, any::<i64>(), Just(i64::MIN)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn as_the_table_says(
        a in string(), b in string(), imm in any::<u8>(), of_a in string_length(), of_b in string_length()
    ) {
        let explicit = Lengths::Explicit { a: of_a, b: of_b };
        for lengths in [Lengths::Implicit, explicit] {
            check(compare(a, b, lengths, imm), twin(a, b, lengths, imm), imm)?;
        }
    }
}

#[test]
fn a_word_is_found() {
    let text = |text: &[u8]| {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text);
        u128::from_le_bytes(bytes)
    };
    // Unsigned bytes, equal ordered.
    let found = compare(text(b"string"), text(b"a string"), Lengths::Implicit, 0x0c);
    assert_eq!((found.index(0), found.ends_a, found.ends_b), (2, true, true));
    // Ranges: the first byte that is no letter.
    let found = compare(text(b"azAZ"), text(b"Some0thing"), Lengths::Implicit, 0x34);
    assert_eq!(found.index(0), 4);
}
