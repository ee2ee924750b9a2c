//! Products, sums across lanes and other integer operations that came with SSSE3 and
//! SSE4.1, in VEX encoding.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{NextBits, binary_imm_rule, binary_rule, is_256, unary_rule};
use crate::alu::simd::VectorOp;
use crate::alu::simd::horizontal::{
    Abs, AddPairs, AddPairsSaturated, MinPosition, Sign, SubPairs, SubPairsSaturated,
};
use crate::alu::simd::product::{
    MulAddBytes, MulEvenSigned, MulHighRounded, MulLowDwords, SumBlockDifferences,
};
use crate::dispatch::lower::{Family, Lowered};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vphaddw, binary_rule::<AddPairs<u16>>),
    (Mnemonic::Vphaddd, binary_rule::<AddPairs<u32>>),
    (Mnemonic::Vphaddsw, binary_rule::<AddPairsSaturated>),
    (Mnemonic::Vphsubw, binary_rule::<SubPairs<u16>>),
    (Mnemonic::Vphsubd, binary_rule::<SubPairs<u32>>),
    (Mnemonic::Vphsubsw, binary_rule::<SubPairsSaturated>),
    (Mnemonic::Vpsignb, binary_rule::<Sign<u8>>),
    (Mnemonic::Vpsignw, binary_rule::<Sign<u16>>),
    (Mnemonic::Vpsignd, binary_rule::<Sign<u32>>),
    (Mnemonic::Vpabsb, unary_rule::<Abs<u8>>),
    (Mnemonic::Vpabsw, unary_rule::<Abs<u16>>),
    (Mnemonic::Vpabsd, unary_rule::<Abs<u32>>),
    (Mnemonic::Vpmaddubsw, binary_rule::<MulAddBytes>),
    (Mnemonic::Vpmulhrsw, binary_rule::<MulHighRounded>),
    (Mnemonic::Vpmulld, binary_rule::<MulLowDwords>),
    (Mnemonic::Vpmuldq, binary_rule::<MulEvenSigned>),
    (Mnemonic::Vmpsadbw, binary_imm_rule::<SumBlockDifferences, NextBits<3>>),
    (Mnemonic::Vphminposuw, unary_128_rule::<MinPosition>),
];

/// One source of 128 bits.
pub(super) fn unary_128_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    if is_256(insn) { None } else { unary_rule::<O>(insn) }
}
