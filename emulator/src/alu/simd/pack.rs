//! Narrowing with saturation and interleaving.

use std::marker::PhantomData;

use super::{Lane, VectorOp};

/// PACKSSWB: signed words to signed bytes.
#[derive(Debug)]
pub struct PackSignedBytes;
/// PACKUSWB: signed words to unsigned bytes.
#[derive(Debug)]
pub struct PackUnsignedBytes;
/// PACKSSDW: signed doublewords to signed words.
#[derive(Debug)]
pub struct PackSignedWords;
/// PACKUSDW: signed doublewords to unsigned words.
#[derive(Debug)]
pub struct PackUnsignedWords;
/// PUNPCKLx, UNPCKLPx: interleaves the low halves.
#[derive(Debug)]
pub struct UnpackLow<L>(PhantomData<L>);
/// PUNPCKHx, UNPCKHPx: interleaves the high halves.
#[derive(Debug)]
pub struct UnpackHigh<L>(PhantomData<L>);

/// The eight words of a vector.
#[inline(always)]
fn words(value: u128) -> [i16; 8] {
    std::array::from_fn(|index| (value >> (16 * index)) as i16)
}

/// The words of two vectors, each narrowed to a byte.
#[inline(always)]
fn pack_words(a: u128, b: u128, narrow: impl Fn(i16) -> u8) -> u128 {
    let (low, high) = (words(a), words(b));
    u128::from_le_bytes(std::array::from_fn(|index| {
        narrow(if index < 8 { low[index] } else { high[index - 8] })
    }))
}

impl VectorOp for PackSignedBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        pack_words(a, b, |word| word.clamp(-128, 127) as u8)
    }
}

impl VectorOp for PackUnsignedBytes {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        pack_words(a, b, |word| word.clamp(0, 255) as u8)
    }
}

/// The doublewords of two vectors, each narrowed to a word.
#[inline(always)]
fn pack_dwords(a: u128, b: u128, narrow: impl Fn(i32) -> u16) -> u128 {
    let pick = |index: u32| {
        if index < 4 { a >> (32 * index) } else { b >> (32 * (index - 4)) }
    };
    (0..8).fold(0, |packed, index| packed | u128::from(narrow(pick(index) as i32)) << (16 * index))
}

impl VectorOp for PackSignedWords {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        pack_dwords(a, b, |dword| dword.clamp(-0x8000, 0x7fff) as u16)
    }
}

impl VectorOp for PackUnsignedWords {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        pack_dwords(a, b, |dword| dword.clamp(0, 0xffff) as u16)
    }
}

/// Moves each lane of the low half to the even lane of twice its number.
#[inline(always)]
pub(super) fn widen<L: Lane>(half: u64) -> u128 {
    let mut spread = u128::from(half);
    if L::BITS <= 32 {
        spread = (spread | spread << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    }
    if L::BITS <= 16 {
        spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    }
    if L::BITS <= 8 {
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    }
    spread
}

impl<L: Lane> VectorOp for UnpackLow<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        widen::<L>(a as u64) | widen::<L>(b as u64) << L::BITS
    }
}

impl<L: Lane> VectorOp for UnpackHigh<L> {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        UnpackLow::<L>::apply(a >> 64, b >> 64, 0)
    }
}
