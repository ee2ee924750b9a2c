//! Integer and bitwise operations that are the same on each 128-bit half: the VEX
//! forms of SSE2's.

use iced_x86::Mnemonic;

use super::operand::{binary_rule, unary_rule};
use crate::alu::simd::integer::{
    Add, AddSaturated, And, AndNot, Average, Equal, Greater, Max, Min, Or, Sub, SubSaturated, Xor,
};
use crate::alu::simd::multiply::{MulAddPairs, MulEven, MulHigh, MulLow, SumAbsDifferences};
use crate::alu::simd::pack::{
    PackSignedBytes, PackSignedWords, PackUnsignedBytes, UnpackHigh, UnpackLow,
};
use crate::alu::simd::shuffle::{ShuffleDwords, ShuffleHighWords, ShuffleLowWords};
use crate::dispatch::lower::Family;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpaddb, binary_rule::<Add<u8>>),
    (Mnemonic::Vpaddw, binary_rule::<Add<u16>>),
    (Mnemonic::Vpaddd, binary_rule::<Add<u32>>),
    (Mnemonic::Vpaddq, binary_rule::<Add<u64>>),
    (Mnemonic::Vpsubb, binary_rule::<Sub<u8>>),
    (Mnemonic::Vpsubw, binary_rule::<Sub<u16>>),
    (Mnemonic::Vpsubd, binary_rule::<Sub<u32>>),
    (Mnemonic::Vpsubq, binary_rule::<Sub<u64>>),
    (Mnemonic::Vpaddsb, binary_rule::<AddSaturated<i8>>),
    (Mnemonic::Vpaddsw, binary_rule::<AddSaturated<i16>>),
    (Mnemonic::Vpaddusb, binary_rule::<AddSaturated<u8>>),
    (Mnemonic::Vpaddusw, binary_rule::<AddSaturated<u16>>),
    (Mnemonic::Vpsubsb, binary_rule::<SubSaturated<i8>>),
    (Mnemonic::Vpsubsw, binary_rule::<SubSaturated<i16>>),
    (Mnemonic::Vpsubusb, binary_rule::<SubSaturated<u8>>),
    (Mnemonic::Vpsubusw, binary_rule::<SubSaturated<u16>>),
    (Mnemonic::Vpcmpeqb, binary_rule::<Equal<u8>>),
    (Mnemonic::Vpcmpeqw, binary_rule::<Equal<u16>>),
    (Mnemonic::Vpcmpeqd, binary_rule::<Equal<u32>>),
    (Mnemonic::Vpcmpeqq, binary_rule::<Equal<u64>>),
    (Mnemonic::Vpcmpgtb, binary_rule::<Greater<i8>>),
    (Mnemonic::Vpcmpgtw, binary_rule::<Greater<i16>>),
    (Mnemonic::Vpcmpgtd, binary_rule::<Greater<i32>>),
    (Mnemonic::Vpcmpgtq, binary_rule::<Greater<i64>>),
    (Mnemonic::Vpminub, binary_rule::<Min<u8>>),
    (Mnemonic::Vpminuw, binary_rule::<Min<u16>>),
    (Mnemonic::Vpminud, binary_rule::<Min<u32>>),
    (Mnemonic::Vpminsb, binary_rule::<Min<i8>>),
    (Mnemonic::Vpminsw, binary_rule::<Min<i16>>),
    (Mnemonic::Vpminsd, binary_rule::<Min<i32>>),
    (Mnemonic::Vpmaxub, binary_rule::<Max<u8>>),
    (Mnemonic::Vpmaxuw, binary_rule::<Max<u16>>),
    (Mnemonic::Vpmaxud, binary_rule::<Max<u32>>),
    (Mnemonic::Vpmaxsb, binary_rule::<Max<i8>>),
    (Mnemonic::Vpmaxsw, binary_rule::<Max<i16>>),
    (Mnemonic::Vpmaxsd, binary_rule::<Max<i32>>),
    (Mnemonic::Vpavgb, binary_rule::<Average<u8>>),
    (Mnemonic::Vpavgw, binary_rule::<Average<u16>>),
    (Mnemonic::Vpmullw, binary_rule::<MulLow>),
    (Mnemonic::Vpmulhw, binary_rule::<MulHigh<i16>>),
    (Mnemonic::Vpmulhuw, binary_rule::<MulHigh<u16>>),
    (Mnemonic::Vpmuludq, binary_rule::<MulEven>),
    (Mnemonic::Vpmaddwd, binary_rule::<MulAddPairs>),
    (Mnemonic::Vpsadbw, binary_rule::<SumAbsDifferences>),
    (Mnemonic::Vpand, binary_rule::<And>),
    (Mnemonic::Vpandn, binary_rule::<AndNot>),
    (Mnemonic::Vpor, binary_rule::<Or>),
    (Mnemonic::Vpxor, binary_rule::<Xor>),
    (Mnemonic::Vpacksswb, binary_rule::<PackSignedBytes>),
    (Mnemonic::Vpackuswb, binary_rule::<PackUnsignedBytes>),
    (Mnemonic::Vpackssdw, binary_rule::<PackSignedWords>),
    (Mnemonic::Vpunpcklbw, binary_rule::<UnpackLow<u8>>),
    (Mnemonic::Vpunpcklwd, binary_rule::<UnpackLow<u16>>),
    (Mnemonic::Vpunpckldq, binary_rule::<UnpackLow<u32>>),
    (Mnemonic::Vpunpcklqdq, binary_rule::<UnpackLow<u64>>),
    (Mnemonic::Vpunpckhbw, binary_rule::<UnpackHigh<u8>>),
    (Mnemonic::Vpunpckhwd, binary_rule::<UnpackHigh<u16>>),
    (Mnemonic::Vpunpckhdq, binary_rule::<UnpackHigh<u32>>),
    (Mnemonic::Vpunpckhqdq, binary_rule::<UnpackHigh<u64>>),
    (Mnemonic::Vpshufd, unary_rule::<ShuffleDwords>),
    (Mnemonic::Vpshuflw, unary_rule::<ShuffleLowWords>),
    (Mnemonic::Vpshufhw, unary_rule::<ShuffleHighWords>),
];
