//! SHA extensions: rounds and message schedules of SHA-1 and SHA-256
//! (FIPS 180-4; SDM vol. 2, under each name).

use super::lane::add;
use super::{VectorOp, VectorOp3};

/// SHA1RNDS4: four rounds; the immediate chooses the function and the constant.
#[derive(Debug)]
pub struct Sha1Rounds;
/// SHA1NEXTE: the first operand's top word, rotated, added to the second's.
#[derive(Debug)]
pub struct Sha1NextE;
/// SHA1MSG1: the first step of four words of the schedule.
#[derive(Debug)]
pub struct Sha1Message1;
/// SHA1MSG2: the last step of four words of the schedule.
#[derive(Debug)]
pub struct Sha1Message2;
/// SHA256RNDS2: two rounds; the third operand has the words with their constants.
#[derive(Debug)]
pub struct Sha256Rounds;
/// SHA256MSG1: the first step of four words of the schedule.
#[derive(Debug)]
pub struct Sha256Message1;
/// SHA256MSG2: the last step of four words of the schedule.
#[derive(Debug)]
pub struct Sha256Message2;

/// The words of a vector, the lowest first.
#[inline(always)]
fn words(value: u128) -> [u32; 4] {
    std::array::from_fn(|place| (value >> (32 * place)) as u32)
}

/// The vector of these words.
#[inline(always)]
fn join(words: [u32; 4]) -> u128 {
    (0..4).fold(0, |value, place| value | u128::from(words[place]) << (32 * place))
}

/// Ch of FIPS 180-4.
#[inline(always)]
fn choose(x: u32, y: u32, z: u32) -> u32 {
    z ^ x & (y ^ z)
}

/// Maj of FIPS 180-4.
#[inline(always)]
fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | z & (x | y)
}

/// Parity of FIPS 180-4.
#[inline(always)]
fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

impl VectorOp for Sha1Rounds {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        match imm & 3 {
            0 => sha1_rounds(a, b, choose, 0x5a82_7999),
            1 => sha1_rounds(a, b, parity, 0x6ed9_eba1),
            2 => sha1_rounds(a, b, majority, 0x8f1b_bcdc),
            _ => sha1_rounds(a, b, parity, 0xca62_c1d6),
        }
    }
}

/// Four rounds. The first word to be added has E added already.
#[inline(always)]
fn sha1_rounds(
    state: u128,
    message: u128,
    function: impl Fn(u32, u32, u32) -> u32,
    constant: u32,
) -> u128 {
    let [mut d, mut c, mut b, mut a] = words(state);
    let mut e = 0u32;
    for word in words(message).into_iter().rev() {
        let sum = function(b, c, d)
            .wrapping_add(a.rotate_left(5))
            .wrapping_add(word)
            .wrapping_add(e)
            .wrapping_add(constant);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    join([d, c, b, a])
}

impl VectorOp for Sha1NextE {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let e = ((a >> 96) as u32).rotate_left(30);
        b.wrapping_add(u128::from(e) << 96)
    }
}

impl VectorOp for Sha1Message1 {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        a ^ (a << 64 | b >> 64)
    }
}

impl VectorOp for Sha1Message2 {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let [third, second, first, zeroth] = words(a ^ b << 32);
        let word16 = zeroth.rotate_left(1);
        let word19 = (third ^ word16).rotate_left(1);
        join([word19, second.rotate_left(1), first.rotate_left(1), word16])
    }
}

impl VectorOp3 for Sha256Rounds {
    #[inline(always)]
    fn apply(cdgh: u128, abef: u128, message: u128) -> u128 {
        let [mut f, mut e, mut b, mut a] = words(abef);
        let [mut h, mut g, mut d, mut c] = words(cdgh);
        for word in &words(message)[..2] {
            let big_sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let big_sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let sum = choose(e, f, g).wrapping_add(big_sigma1).wrapping_add(*word).wrapping_add(h);
            let next = sum.wrapping_add(majority(a, b, c)).wrapping_add(big_sigma0);
            (h, g, f, e) = (g, f, e, sum.wrapping_add(d));
            (d, c, b, a) = (c, b, a, next);
        }
        join([f, e, b, a])
    }
}

/// The lower-case sigma 0 of FIPS 180-4.
#[inline(always)]
fn sigma0(word: u32) -> u32 {
    word.rotate_right(7) ^ word.rotate_right(18) ^ word >> 3
}

/// The lower-case sigma 1 of FIPS 180-4.
#[inline(always)]
fn sigma1(word: u32) -> u32 {
    word.rotate_right(17) ^ word.rotate_right(19) ^ word >> 10
}

impl VectorOp for Sha256Message1 {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        // Each word with the one after it.
        add::<u32>(a, join(words(a >> 32 | b << 96).map(sigma0)))
    }
}

impl VectorOp for Sha256Message2 {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let [w0, w1, w2, w3] = words(a);
        let [_, _, word14, word15] = words(b);
        let word16 = w0.wrapping_add(sigma1(word14));
        let word17 = w1.wrapping_add(sigma1(word15));
        let word18 = w2.wrapping_add(sigma1(word16));
        join([word16, word17, word18, w3.wrapping_add(sigma1(word17))])
    }
}
