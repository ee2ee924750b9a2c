//! Published vectors (FIPS 197, FIPS 180-4), put together of the instructions as
//! programs do, and products bit by bit.

use proptest::prelude::*;

use super::aes::{
    AesDecrypt, AesDecryptLast, AesEncrypt, AesEncryptLast, AesInvMixColumns, AesKeygenAssist,
};
use super::carryless::CarrylessMul;
use super::lane::add;
use super::select::AlignRight;
use super::sha::{
    Sha1Message1, Sha1Message2, Sha1NextE, Sha1Rounds, Sha256Message1, Sha256Message2, Sha256Rounds,
};
use super::{VectorOp, VectorOp3};

/// The round keys of AES-128.
fn key_schedule(key: u128) -> Vec<u128> {
    let constants = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];
    constants.iter().fold(vec![key], |mut keys, &constant| {
        let last = keys[keys.len() - 1];
        let word = AesKeygenAssist::apply(0, last, constant) >> 96;
        // Each word is the sum of those before it.
        let sums = last ^ last << 32 ^ last << 64 ^ last << 96;
        keys.push(sums ^ (word | word << 32 | word << 64 | word << 96));
        keys
    })
}

fn encrypt(keys: &[u128], block: u128) -> u128 {
    let middle = keys[1..10].iter().fold(block ^ keys[0], |b, &key| AesEncrypt::apply(b, key, 0));
    AesEncryptLast::apply(middle, keys[10], 0)
}

fn decrypt(keys: &[u128], block: u128) -> u128 {
    let middle = keys[1..10].iter().rev().fold(block ^ keys[10], |b, &key| {
        AesDecrypt::apply(b, AesInvMixColumns::apply(0, key, 0), 0)
    });
    AesDecryptLast::apply(middle, keys[0], 0)
}

/// FIPS 197, appendices B and C.1.
#[test]
fn aes_examples() {
    let examples: [[u128; 3]; 2] = [
        [
            0x2b7e1516_28aed2a6_abf71588_09cf4f3c,
            0x3243f6a8_885a308d_313198a2_e0370734,
            0x3925841d_02dc09fb_dc118597_196a0b32,
        ],
        [
            0x00010203_04050607_08090a0b_0c0d0e0f,
            0x00112233_44556677_8899aabb_ccddeeff,
            0x69c4e0d8_6a7b0430_d8cdb780_70b4c55a,
        ],
    ];
    for [key, plain, secret] in examples.map(|example| example.map(u128::swap_bytes)) {
        let keys = key_schedule(key);
        assert_eq!(encrypt(&keys, plain), secret, "{key:x}");
        assert_eq!(decrypt(&keys, secret), plain, "{key:x}");
    }
}

/// The padded message of one block that is "abc": FIPS 180-4, 5.1.1.
fn abc() -> [u32; 16] {
    let mut words = [0; 16];
    words[0] = u32::from_be_bytes(*b"abc\x80");
    words[15] = 24;
    words
}

/// A vector of words, the first one given in the lowest lane.
fn vector(words: [u32; 4]) -> u128 {
    words.iter().rev().fold(0, |value, &word| value << 32 | u128::from(word))
}

#[test]
fn sha1_of_abc() {
    let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let [a, b, c, d, e] = start;
    let words = abc();
    // The first word in the top lane.
    let mut message: Vec<u128> =
        words.chunks(4).map(|w| vector([w[3], w[2], w[1], w[0]])).collect();
    for at in 4..20 {
        let first = Sha1Message1::apply(message[at - 4], message[at - 3], 0) ^ message[at - 2];
        message.push(Sha1Message2::apply(first, message[at - 1], 0));
    }
    let initial = vector([d, c, b, a]);
    let (mut state, mut before) = (initial, 0);
    for (group, &words) in message.iter().enumerate() {
        let with_e = if group == 0 {
            add::<u32>(words, u128::from(e) << 96)
        } else {
            Sha1NextE::apply(before, words, 0)
        };
        before = state;
        state = Sha1Rounds::apply(state, with_e, (group / 5) as u8);
    }
    let last = Sha1NextE::apply(before, u128::from(e) << 96, 0) >> 96;
    assert_eq!(add::<u32>(state, initial), 0xa999_3e36_4706_816a_ba3e_2571_7850_c26c);
    assert_eq!(last, 0x9cd0_d89d);
}

/// The first 32 bits of the fractions of the primes' cube roots.
fn sha256_constants() -> Vec<u32> {
    let is_prime = |number: &u128| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
    let cube_root = |value: u128| {
        (0..40).rev().fold(0u128, |root, bit| {
            let higher = root | 1 << bit;
            if higher * higher * higher <= value { higher } else { root }
        })
    };
    (2..).filter(is_prime).take(64).map(|prime| cube_root(prime << 96) as u32).collect()
}

#[test]
fn sha256_of_abc() {
    let constants = sha256_constants();
    assert_eq!(constants[0], 0x428a_2f98);
    let [a, b, c, d, e, f, g, h] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let mut message: Vec<u128> =
        abc().chunks(4).map(|w| vector([w[0], w[1], w[2], w[3]])).collect();
    for at in 4..16 {
        let first = Sha256Message1::apply(message[at - 4], message[at - 3], 0);
        let middle = AlignRight::apply(message[at - 1], message[at - 2], 4);
        message.push(Sha256Message2::apply(add::<u32>(first, middle), message[at - 1], 0));
    }
    let initial = (vector([f, e, b, a]), vector([h, g, d, c]));
    let (mut abef, mut cdgh) = initial;
    for (words, k) in message.into_iter().zip(constants.chunks(4)) {
        let sum = add::<u32>(words, vector([k[0], k[1], k[2], k[3]]));
        cdgh = Sha256Rounds::apply(cdgh, abef, sum);
        abef = Sha256Rounds::apply(abef, cdgh, sum >> 64);
    }
    let (abef, cdgh) = (add::<u32>(abef, initial.0), add::<u32>(cdgh, initial.1));
    assert_eq!(abef, 0xba78_16bf_8f01_cfea_b003_61a3_9617_7a9c);
    assert_eq!(cdgh, 0x4141_40de_5dae_2223_b410_ff61_f200_15ad);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn carryless_products(
        a in any::<u128>(), b in any::<u128>(), dense in any::<bool>(), imm in any::<u8>()
    ) {
        // Many ones, so that many terms meet.
        let (a, b) = if dense { (!(a & b), !(a & !b & b >> 7)) } else { (a, b) };
        let half = |value: u128, bit: u8| {
            if imm >> bit & 1 != 0 { value >> 64 } else { value & u128::from(u64::MAX) }
        };
        let (x, y) = (half(a, 0), half(b, 4));
        let product = (0..64).filter(|bit| y >> bit & 1 != 0).fold(0, |sum, bit| sum ^ x << bit);
        prop_assert_eq!(CarrylessMul::apply(a, b, imm), product);
    }
}

#[test]
fn carryless_product_of_ones() {
    // Every other bit: the square of a polynomial spreads its bits.
    let spread = u128::MAX / 3;
    assert_eq!(CarrylessMul::apply(u128::MAX, u128::MAX, 0), spread);
}
