//! AES-NI, PCLMULQDQ and the SHA extensions on XMM registers.

use iced_x86::Mnemonic;

use super::integer::rule;
use super::sse41::implicit_rule;
use crate::alu::simd::aes::{
    AesDecrypt, AesDecryptLast, AesEncrypt, AesEncryptLast, AesInvMixColumns, AesKeygenAssist,
};
use crate::alu::simd::carryless::CarrylessMul;
use crate::alu::simd::sha::{
    Sha1Message1, Sha1Message2, Sha1NextE, Sha1Rounds, Sha256Message1, Sha256Message2, Sha256Rounds,
};
use crate::dispatch::lower::Family;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Aesenc, rule::<AesEncrypt>),
    (Mnemonic::Aesenclast, rule::<AesEncryptLast>),
    (Mnemonic::Aesdec, rule::<AesDecrypt>),
    (Mnemonic::Aesdeclast, rule::<AesDecryptLast>),
    (Mnemonic::Aesimc, rule::<AesInvMixColumns>),
    (Mnemonic::Aeskeygenassist, rule::<AesKeygenAssist>),
    (Mnemonic::Pclmulqdq, rule::<CarrylessMul>),
    (Mnemonic::Sha1rnds4, rule::<Sha1Rounds>),
    (Mnemonic::Sha1nexte, rule::<Sha1NextE>),
    (Mnemonic::Sha1msg1, rule::<Sha1Message1>),
    (Mnemonic::Sha1msg2, rule::<Sha1Message2>),
    (Mnemonic::Sha256rnds2, implicit_rule::<Sha256Rounds>),
    (Mnemonic::Sha256msg1, rule::<Sha256Message1>),
    (Mnemonic::Sha256msg2, rule::<Sha256Message2>),
];
