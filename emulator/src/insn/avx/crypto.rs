//! AES-NI and PCLMULQDQ in VEX encoding, 128 bits only: the 256-bit forms are of other
//! extensions (VAES, VPCLMULQDQ) and not built.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{binary_rule, is_256};
use super::product::unary_128_rule;
use crate::alu::simd::VectorOp;
use crate::alu::simd::aes::{
    AesDecrypt, AesDecryptLast, AesEncrypt, AesEncryptLast, AesInvMixColumns, AesKeygenAssist,
};
use crate::alu::simd::carryless::CarrylessMul;
use crate::dispatch::lower::{Family, Lowered};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vaesenc, binary_128_rule::<AesEncrypt>),
    (Mnemonic::Vaesenclast, binary_128_rule::<AesEncryptLast>),
    (Mnemonic::Vaesdec, binary_128_rule::<AesDecrypt>),
    (Mnemonic::Vaesdeclast, binary_128_rule::<AesDecryptLast>),
    (Mnemonic::Vaesimc, unary_128_rule::<AesInvMixColumns>),
    (Mnemonic::Vaeskeygenassist, unary_128_rule::<AesKeygenAssist>),
    (Mnemonic::Vpclmulqdq, binary_128_rule::<CarrylessMul>),
];

/// Two sources of 128 bits.
fn binary_128_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    if is_256(insn) { None } else { binary_rule::<O>(insn) }
}
