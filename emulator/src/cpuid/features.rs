//! Which instructions a processor model has: one table from the decoder's features to
//! CPUID's bits and to the first model that sets them. CPUID's answers
//! ([`super::CpuModel::cpuid`]) and what the dispatcher offers both come from it.
//! Source: SDM vol. 2A, CPUID; psABI for x86-64, "micro-architecture levels".

use iced_x86::{Code, CpuidFeature, Instruction, Mnemonic};

use super::CpuModel;
use CpuModel::{V1, V2, V3};

/// A register of a CPUID leaf that holds feature bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Leaf 1, ECX.
    Leaf1Ecx,
    /// Leaf 1, EDX.
    Leaf1Edx,
    /// Leaf 7 subleaf 0, EBX.
    Leaf7Ebx,
    /// Leaf 7 subleaf 0, ECX.
    Leaf7Ecx,
    /// Leaf 0xD subleaf 1, EAX.
    XsaveEax,
    /// Leaf 0x80000001, ECX.
    ExtendedEcx,
    /// Leaf 0x80000001, EDX.
    ExtendedEdx,
}

/// A feature that some model has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feature {
    /// The decoder's name.
    pub(super) name: CpuidFeature,
    /// Where CPUID tells of it; `None` for what every 64-bit processor has.
    pub(super) bit: Option<(Output, u32)>,
    /// The first model that has it.
    pub(super) since: CpuModel,
}

const fn always(name: CpuidFeature) -> Feature {
    Feature { name, bit: None, since: V1 }
}

const fn since(model: CpuModel, name: CpuidFeature, output: Output, bit: u32) -> Feature {
    Feature { name, bit: Some((output, bit)), since: model }
}

/// Every feature of an instruction that some model has. Features that are not here
/// are in no model.
pub(super) const FEATURES: &[Feature] = {
    use CpuidFeature as F;
    use Output::{ExtendedEcx, ExtendedEdx, Leaf1Ecx, Leaf1Edx, Leaf7Ebx, Leaf7Ecx, XsaveEax};
    &[
        always(F::INTEL8086),
        always(F::INTEL186),
        always(F::INTEL286),
        always(F::INTEL386),
        always(F::INTEL486),
        always(F::FPU287),
        always(F::FPU387),
        always(F::CPUID),
        always(F::MULTIBYTENOP),
        always(F::PAUSE),
        always(F::RDPMC),
        since(V1, F::X64, ExtendedEdx, 29),
        since(V1, F::SSE, Leaf1Edx, 25),
        since(V1, F::SSE2, Leaf1Edx, 26),
        since(V1, F::FPU, Leaf1Edx, 0),
        since(V1, F::TSC, Leaf1Edx, 4),
        since(V1, F::MSR, Leaf1Edx, 5),
        since(V1, F::CX8, Leaf1Edx, 8),
        since(V1, F::SEP, Leaf1Edx, 11),
        since(V1, F::CMOV, Leaf1Edx, 15),
        since(V1, F::CLFSH, Leaf1Edx, 19),
        since(V1, F::MMX, Leaf1Edx, 23),
        since(V1, F::FXSR, Leaf1Edx, 24),
        since(V1, F::SYSCALL, ExtendedEdx, 11),
        since(V1, F::RDTSCP, ExtendedEdx, 27),
        since(V2, F::SSE3, Leaf1Ecx, 0),
        since(V2, F::SSSE3, Leaf1Ecx, 9),
        since(V2, F::CMPXCHG16B, Leaf1Ecx, 13),
        since(V2, F::SSE4_1, Leaf1Ecx, 19),
        since(V2, F::SSE4_2, Leaf1Ecx, 20),
        since(V2, F::POPCNT, Leaf1Ecx, 23),
        since(V3, F::PCLMULQDQ, Leaf1Ecx, 1),
        since(V3, F::FMA, Leaf1Ecx, 12),
        since(V3, F::MOVBE, Leaf1Ecx, 22),
        since(V3, F::AES, Leaf1Ecx, 25),
        since(V3, F::XSAVE, Leaf1Ecx, 26),
        since(V3, F::AVX, Leaf1Ecx, 28),
        since(V3, F::F16C, Leaf1Ecx, 29),
        since(V3, F::RDRAND, Leaf1Ecx, 30),
        since(V3, F::FSGSBASE, Leaf7Ebx, 0),
        since(V3, F::BMI1, Leaf7Ebx, 3),
        since(V3, F::AVX2, Leaf7Ebx, 5),
        since(V3, F::BMI2, Leaf7Ebx, 8),
        since(V3, F::INVPCID, Leaf7Ebx, 10),
        since(V3, F::RDSEED, Leaf7Ebx, 18),
        since(V3, F::ADX, Leaf7Ebx, 19),
        since(V3, F::SMAP, Leaf7Ebx, 20),
        since(V3, F::CLFLUSHOPT, Leaf7Ebx, 23),
        since(V3, F::CLWB, Leaf7Ebx, 24),
        since(V3, F::SHA, Leaf7Ebx, 29),
        since(V3, F::RDPID, Leaf7Ecx, 22),
        since(V3, F::XSAVEOPT, XsaveEax, 0),
        since(V3, F::XSAVEC, XsaveEax, 1),
        since(V3, F::LZCNT, ExtendedEcx, 5),
        since(V3, F::PREFETCHW, ExtendedEcx, 8),
    ]
};

/// What a processor does at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It has the instruction.
    Executes,
    /// It has not; the encoding is a hint that it ignores.
    Ignores,
    /// It has not; the prefix that makes the difference is ignored, and this is left.
    ExecutesAs(Code),
    /// It has not: #UD.
    Undefined,
}

impl CpuModel {
    /// Whether the model has a feature, by the decoder's name.
    #[must_use]
    pub fn has(self, feature: CpuidFeature) -> bool {
        FEATURES.iter().any(|known| known.name == feature && known.since <= self)
    }

    /// The first feature that an instruction needs and the model has not, where that
    /// makes the instruction undefined (#UD).
    #[must_use]
    pub fn missing(self, insn: &Instruction) -> Option<CpuidFeature> {
        if self.treatment(insn) == Treatment::Undefined { self.first_missing(insn) } else { None }
    }

    fn first_missing(self, insn: &Instruction) -> Option<CpuidFeature> {
        // VMCALL is how a guest reaches its monitor, whatever VMX would need.
        if insn.mnemonic() == Mnemonic::Vmcall {
            return None;
        }
        insn.cpuid_features().iter().copied().find(|&feature| !self.has(feature))
    }

    /// What this model does at an instruction.
    pub(crate) fn treatment(self, insn: &Instruction) -> Treatment {
        if self.first_missing(insn).is_none() {
            return Treatment::Executes;
        }
        match insn.code() {
            Code::Tzcnt_r16_rm16 => Treatment::ExecutesAs(Code::Bsf_r16_rm16),
            Code::Tzcnt_r32_rm32 => Treatment::ExecutesAs(Code::Bsf_r32_rm32),
            Code::Tzcnt_r64_rm64 => Treatment::ExecutesAs(Code::Bsf_r64_rm64),
            Code::Lzcnt_r16_rm16 => Treatment::ExecutesAs(Code::Bsr_r16_rm16),
            Code::Lzcnt_r32_rm32 => Treatment::ExecutesAs(Code::Bsr_r32_rm32),
            Code::Lzcnt_r64_rm64 => Treatment::ExecutesAs(Code::Bsr_r64_rm64),
            Code::Wbnoinvd => Treatment::ExecutesAs(Code::Wbinvd),
            code if is_hint(code.mnemonic()) => Treatment::Ignores,
            _ => Treatment::Undefined,
        }
    }
}

/// Whether an instruction is in the space of hints and long NOPs (0F 0D, 0F 18 to
/// 0F 1F), which older processors ignore (SDM vol. 2B, NOP; vol. 1, 17.3.8).
fn is_hint(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Endbr32
            | M::Endbr64
            | M::Rdsspd
            | M::Rdsspq
            | M::Cldemote
            | M::Prefetch
            | M::Prefetchw
            | M::Prefetchwt1
            | M::Prefetchit0
            | M::Prefetchit1
            | M::Reservednop
            | M::Bndmk
            | M::Bndcl
            | M::Bndcu
            | M::Bndcn
            | M::Bndmov
            | M::Bndldx
            | M::Bndstx
    )
}
