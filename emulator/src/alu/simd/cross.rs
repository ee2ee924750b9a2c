//! Operations that move lanes between the 128-bit halves of a vector (AVX2).
//! Source: SDM vol. 2C, VPBROADCAST, VPERMD, VPERMQ, VPERM2I128, VINSERTI128.

use std::marker::PhantomData;

use super::Lane;
use super::lane::repeat;
use crate::regs::vector::VectorReg;

/// An operation on 256 bits as a whole, without flags and exceptions.
pub trait CrossOp: 'static {
    /// The result. `imm` is the immediate byte, for operations that have one.
    fn apply(a: VectorReg, b: VectorReg, imm: u8) -> VectorReg;
}

/// VPBROADCASTx, VBROADCASTSS, VBROADCASTSD: the lowest lane of the second operand
/// everywhere.
#[derive(Debug)]
pub struct Broadcast<L>(PhantomData<L>);
/// VBROADCASTI128, VBROADCASTF128: the lower half of the second operand twice.
#[derive(Debug)]
pub struct BroadcastHalf;
/// VINSERTI128, VINSERTF128: the half that bit 0 of the immediate names is the lower
/// half of the second operand.
#[derive(Debug)]
pub struct InsertHalf;
/// VPERM2I128, VPERM2F128: four bits of the immediate for each half.
#[derive(Debug)]
pub struct PermuteHalves;
/// VPERMD, VPERMPS: the first operand says which doubleword of the second.
#[derive(Debug)]
pub struct PermuteDwords;
/// VPERMQ, VPERMPD: two bits of the immediate for each quadword.
#[derive(Debug)]
pub struct PermuteQwords;

impl<L: Lane> CrossOp for Broadcast<L> {
    #[inline(always)]
    fn apply(_a: VectorReg, b: VectorReg, _imm: u8) -> VectorReg {
        let all = repeat::<L>(b.lo & u128::MAX >> (128 - L::BITS));
        VectorReg { lo: all, hi: all }
    }
}

impl CrossOp for BroadcastHalf {
    #[inline(always)]
    fn apply(_a: VectorReg, b: VectorReg, _imm: u8) -> VectorReg {
        VectorReg { lo: b.lo, hi: b.lo }
    }
}

impl CrossOp for InsertHalf {
    #[inline(always)]
    fn apply(a: VectorReg, b: VectorReg, imm: u8) -> VectorReg {
        if imm & 1 == 0 {
            VectorReg { lo: b.lo, hi: a.hi }
        } else {
            VectorReg { lo: a.lo, hi: b.lo }
        }
    }
}

impl CrossOp for PermuteHalves {
    #[inline(always)]
    fn apply(a: VectorReg, b: VectorReg, imm: u8) -> VectorReg {
        const ZERO: u8 = 8;
        let halves = [a.lo, a.hi, b.lo, b.hi];
        let half = |choice: u8| {
            if choice & ZERO != 0 { 0 } else { halves[usize::from(choice & 3)] }
        };
        VectorReg { lo: half(imm), hi: half(imm >> 4) }
    }
}

impl CrossOp for PermuteDwords {
    #[inline(always)]
    fn apply(a: VectorReg, b: VectorReg, _imm: u8) -> VectorReg {
        let dwords: [u32; 8] = std::array::from_fn(|lane| {
            let half = if lane < 4 { b.lo } else { b.hi };
            (half >> (32 * (lane & 3))) as u32
        });
        let half = |choices: u128| {
            (0..4).fold(0, |result, place| {
                let choice = (choices >> (32 * place)) as usize & 7;
                result | u128::from(dwords[choice]) << (32 * place)
            })
        };
        VectorReg { lo: half(a.lo), hi: half(a.hi) }
    }
}

impl CrossOp for PermuteQwords {
    #[inline(always)]
    fn apply(_a: VectorReg, b: VectorReg, imm: u8) -> VectorReg {
        let qwords = [b.lo as u64, (b.lo >> 64) as u64, b.hi as u64, (b.hi >> 64) as u64];
        let qword = |place: u8| u128::from(qwords[usize::from(imm >> (2 * place) & 3)]);
        VectorReg { lo: qword(0) | qword(1) << 64, hi: qword(2) | qword(3) << 64 }
    }
}
