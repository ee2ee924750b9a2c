//! SSE3 and SSSE3 (SDM vol. 1, 12.3 to 12.8).

use iced_x86::{Instruction, Mnemonic};

use super::moves::load;
use super::operand::{Loose128, M64, M128, Operand, operands};
use super::{float, integer};
use crate::alu::float::across::{AddSub, PairsOf};
use crate::alu::float::arith::{Add, Sub};
use crate::alu::float::{Double, Single};
use crate::alu::simd::extend::{RepeatEvenSingles, RepeatLowDouble, RepeatOddSingles};
use crate::alu::simd::horizontal::{
    Abs, AddPairs, AddPairsSaturated, Sign, SubPairs, SubPairsSaturated,
};
use crate::alu::simd::product::{MulAddBytes, MulHighRounded};
use crate::alu::simd::select::{AlignRight, ShuffleBytes};
use crate::dispatch::lower::{Family, Lowered};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Addsubps, float::rule::<AddSub<Single>, M128>),
    (Mnemonic::Addsubpd, float::rule::<AddSub<Double>, M128>),
    (Mnemonic::Haddps, float::rule::<PairsOf<Single, Add>, M128>),
    (Mnemonic::Haddpd, float::rule::<PairsOf<Double, Add>, M128>),
    (Mnemonic::Hsubps, float::rule::<PairsOf<Single, Sub>, M128>),
    (Mnemonic::Hsubpd, float::rule::<PairsOf<Double, Sub>, M128>),
    (Mnemonic::Lddqu, load_anywhere_rule),
    (Mnemonic::Movddup, integer::narrow_rule::<RepeatLowDouble, M64>),
    (Mnemonic::Movsldup, integer::rule::<RepeatEvenSingles>),
    (Mnemonic::Movshdup, integer::rule::<RepeatOddSingles>),
    (Mnemonic::Pabsb, integer::rule::<Abs<i8>>),
    (Mnemonic::Pabsw, integer::rule::<Abs<i16>>),
    (Mnemonic::Pabsd, integer::rule::<Abs<i32>>),
    (Mnemonic::Palignr, integer::rule::<AlignRight>),
    (Mnemonic::Phaddw, integer::rule::<AddPairs<u16>>),
    (Mnemonic::Phaddd, integer::rule::<AddPairs<u32>>),
    (Mnemonic::Phaddsw, integer::rule::<AddPairsSaturated>),
    (Mnemonic::Phsubw, integer::rule::<SubPairs<u16>>),
    (Mnemonic::Phsubd, integer::rule::<SubPairs<u32>>),
    (Mnemonic::Phsubsw, integer::rule::<SubPairsSaturated>),
    (Mnemonic::Pmaddubsw, integer::rule::<MulAddBytes>),
    (Mnemonic::Pmulhrsw, integer::rule::<MulHighRounded>),
    (Mnemonic::Pshufb, integer::rule::<ShuffleBytes>),
    (Mnemonic::Psignb, integer::rule::<Sign<i8>>),
    (Mnemonic::Psignw, integer::rule::<Sign<i16>>),
    (Mnemonic::Psignd, integer::rule::<Sign<i32>>),
];

/// LDDQU: a load only, of any address.
fn load_anywhere_rule(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Xmm, Operand::Memory) => Lowered::plain(insn, load::<Loose128>),
        _ => None,
    }
}
