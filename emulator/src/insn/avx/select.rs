//! Bytes and lanes chosen by a mask, an immediate or another vector.

use iced_x86::Mnemonic;

use super::operand::{NextBits, binary_imm_rule, binary_rule};
use super::shuffle::ternary_rule;
use crate::alu::simd::pack::PackUnsignedWords;
use crate::alu::simd::select::{AlignRight, Blend, BlendByMask, ShuffleBytes};
use crate::dispatch::lower::Family;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpshufb, binary_rule::<ShuffleBytes>),
    (Mnemonic::Vpalignr, binary_rule::<AlignRight>),
    (Mnemonic::Vpackusdw, binary_rule::<PackUnsignedWords>),
    (Mnemonic::Vpblendw, binary_rule::<Blend<u16>>),
    (Mnemonic::Vpblendd, binary_imm_rule::<Blend<u32>, NextBits<4>>),
    (Mnemonic::Vpblendvb, ternary_rule::<BlendByMask<u8>>),
];
