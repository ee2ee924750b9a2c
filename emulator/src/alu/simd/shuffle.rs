//! Lanes chosen by an immediate byte, and halves moved about.

use super::VectorOp;

/// PSHUFD.
#[derive(Debug)]
pub struct ShuffleDwords;
/// PSHUFLW: the low four words.
#[derive(Debug)]
pub struct ShuffleLowWords;
/// PSHUFHW: the high four words.
#[derive(Debug)]
pub struct ShuffleHighWords;
/// SHUFPS: two lanes of each operand.
#[derive(Debug)]
pub struct ShuffleSingles;
/// SHUFPD: one lane of each operand.
#[derive(Debug)]
pub struct ShuffleDoubles;
/// MOVSS between registers, and MOVLPx from memory: the low `BITS` bits of the
/// second operand.
#[derive(Debug)]
pub struct MergeLow<const BITS: u32>;
/// MOVHPx from memory, MOVLHPS: the second operand's low half goes high.
#[derive(Debug)]
pub struct LowToHigh;
/// MOVHLPS: the second operand's high half goes low.
#[derive(Debug)]
pub struct HighToLow;

const LOW_HALF: u128 = u64::MAX as u128;

/// Two bits of the immediate that choose lane `place`.
#[inline(always)]
fn choice(imm: u8, place: u32) -> u32 {
    u32::from(imm) >> (2 * place) & 3
}

/// The doubleword at the place of `value` that the immediate chooses.
#[inline(always)]
fn dword(value: u128, imm: u8, place: u32) -> u128 {
    let dwords: [u32; 4] = std::array::from_fn(|index| (value >> (32 * index)) as u32);
    u128::from(dwords[choice(imm, place) as usize]) << (32 * place)
}

/// Four words of a half in the order that the immediate says.
#[inline(always)]
fn shuffle_words(half: u64, imm: u8) -> u64 {
    (0..4).fold(0, |result, place| {
        let word = half >> (16 * choice(imm, place)) & 0xffff;
        result | word << (16 * place)
    })
}

impl VectorOp for ShuffleDwords {
    #[inline(always)]
    fn apply(_a: u128, b: u128, imm: u8) -> u128 {
        (0..4).fold(0, |result, place| result | dword(b, imm, place))
    }
}

impl VectorOp for ShuffleLowWords {
    #[inline(always)]
    fn apply(_a: u128, b: u128, imm: u8) -> u128 {
        b & !LOW_HALF | u128::from(shuffle_words(b as u64, imm))
    }
}

impl VectorOp for ShuffleHighWords {
    #[inline(always)]
    fn apply(_a: u128, b: u128, imm: u8) -> u128 {
        b & LOW_HALF | u128::from(shuffle_words((b >> 64) as u64, imm)) << 64
    }
}

impl VectorOp for ShuffleSingles {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let low = dword(a, imm, 0) | dword(a, imm, 1);
        low | dword(b, imm, 2) | dword(b, imm, 3)
    }
}

impl VectorOp for ShuffleDoubles {
    #[inline(always)]
    fn apply(a: u128, b: u128, imm: u8) -> u128 {
        let low = a >> (64 * u32::from(imm & 1)) & LOW_HALF;
        let high = b >> (64 * u32::from(imm >> 1 & 1)) & LOW_HALF;
        low | high << 64
    }
}

impl<const BITS: u32> VectorOp for MergeLow<BITS> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        let low = (1 << BITS) - 1;
        a & !low | b & low
    }
}

impl VectorOp for LowToHigh {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        a & LOW_HALF | b << 64
    }
}

impl VectorOp for HighToLow {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        a & !LOW_HALF | b >> 64
    }
}
