//! Which instruction forms are compared, and why others are not.

use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, OpCodeOperandKind};

use super::super::native::BaseAccess;
use super::{features, system, undefined};

/// Why a form is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// CPUID, RDTSC and their like tell of the machine.
    TellsOfTheMachine,
    /// RDRAND and RDSEED.
    Random,
    /// Results that approximate: their last place is the maker's choice.
    Approximation,
    /// System calls and software interrupts that a kernel serves.
    EntersTheKernel,
    /// SGDT and its like: Linux answers in their place (UMIP).
    KernelAnswers,
    /// Writing a segment register where its base cannot be given back.
    SegmentLoads,
    /// Far transfers that name their target.
    FarTransfer,
    /// Privileged, or I/O.
    Privileged,
    /// Transactions, shadow stacks, enclaves, virtual machines.
    OtherModes,
    /// Forms that Intel's and AMD's processors read differently.
    DiffersByVendor,
    /// WAIT and another, which the decoder reads one by one.
    TwoInstructions,
    /// AVX-512, XOP and other encodings that are not made here.
    Encoding,
    /// Operands that are not made here.
    Operand,
    /// The host has not the instruction, or is not asked for it.
    NotOnThisHost,
    /// The emulated model has it not.
    NotOnThisModel,
}

impl Exclusion {
    /// The reason, for reports.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TellsOfTheMachine => "tells of the machine",
            Self::Random => "random numbers",
            Self::Approximation => "approximates, compared only with --undefined",
            Self::EntersTheKernel => "enters the kernel",
            Self::KernelAnswers => "answered by the kernel (UMIP)",
            Self::SegmentLoads => "loads a segment",
            Self::FarTransfer => "far transfer",
            Self::Privileged => "privileged or I/O",
            Self::OtherModes => "another mode of the processor",
            Self::DiffersByVendor => "differs between vendors",
            Self::TwoInstructions => "read as WAIT and another",
            Self::Encoding => "encoding not made",
            Self::Operand => "operand not made",
            Self::NotOnThisHost => "not on this host",
            Self::NotOnThisModel => "not on the emulated model",
        }
    }
}

/// All forms that exist in 64-bit mode.
pub fn all() -> impl Iterator<Item = Code> {
    Code::values().filter(|code| {
        let op = code.op_code();
        op.is_instruction() && op.mode64()
    })
}

/// Why a form is not compared on this host, if it is not.
#[must_use]
pub fn exclusion(code: Code) -> Option<Exclusion> {
    never_compared(code)
        .or_else(|| has_no_bases(code).then_some(Exclusion::SegmentLoads))
        .or_else(|| by_feature(code.cpuid_features()))
}

/// Why a form is compared on no host unless that is asked for, if it is not.
#[must_use]
pub fn not_compared(code: Code) -> Option<Exclusion> {
    never_compared(code).or_else(|| {
        undefined::is_approximation(code.mnemonic()).then_some(Exclusion::Approximation)
    })
}

/// Why a form is compared on no host.
fn never_compared(code: Code) -> Option<Exclusion> {
    let op = code.op_code();
    if matches!(op.encoding(), EncodingKind::EVEX | EncodingKind::XOP | EncodingKind::MVEX)
        || op.encoding() == EncodingKind::D3NOW
    {
        return Some(Exclusion::Encoding);
    }
    if op.fwait() {
        return Some(Exclusion::TwoInstructions);
    }
    by_name(code.mnemonic())
        .or_else(|| by_operands(op.op_kinds()))
        .or_else(|| {
            let privileged = op.is_privileged() || op.is_input_output() || !op.cpl3();
            privileged.then_some(Exclusion::Privileged)
        })
        .or_else(|| differs_by_vendor(code).then_some(Exclusion::DiffersByVendor))
}

fn by_feature(needed: &[CpuidFeature]) -> Option<Exclusion> {
    let has_all = needed.iter().all(|&feature| features::on_host(feature));
    (!has_all).then_some(Exclusion::NotOnThisHost)
}

fn by_name(mnemonic: Mnemonic) -> Option<Exclusion> {
    use Mnemonic::*;
    Some(match mnemonic {
        Cpuid | Xgetbv | Rdtsc | Rdtscp | Rdpmc | Rdpid | Rdpru | Rdpkru | Wrpkru => {
            Exclusion::TellsOfTheMachine
        }
        Rdrand | Rdseed => Exclusion::Random,
        Syscall | Sysenter | Sysexit | Sysexitq | Sysret | Sysretq | Int | Int1 | Into | Uiret => {
            Exclusion::EntersTheKernel
        }
        Sgdt | Sidt | Sldt | Smsw | Str => Exclusion::KernelAnswers,
        Lkgs | Xsaves | Xsaves64 | Xrstors | Xrstors64 => Exclusion::Privileged,
        Jmpe => Exclusion::FarTransfer,
        Xbegin | Xend | Xabort | Xtest | Encls | Enclu | Enclv | Vmcall | Vmfunc | Vmlaunch
        | Vmresume | Vmxoff | Getsec | Rdsspd | Rdsspq | Monitor | Mwait | Umonitor | Umwait
        | Tpause => Exclusion::OtherModes,
        _ => return None,
    })
}

fn by_operands(kinds: &[OpCodeOperandKind]) -> Option<Exclusion> {
    use OpCodeOperandKind::*;
    kinds.iter().find_map(|kind| {
        Some(match kind {
            farbr2_2 | farbr4_2 => Exclusion::FarTransfer,
            cr_reg | dr_reg | tr_reg => Exclusion::Privileged,
            mem_mpx | mem_mib | r32_or_mem_mpx | r64_or_mem_mpx | bnd_or_mem_mpx | bnd_reg
            | mem_vsib32z | mem_vsib64z | zmm_or_mem | k_or_mem | k_reg | kp1_reg | k_rm
            | k_vvvv | zmm_reg | zmm_rm | zmm_vvvv | zmmp3_vvvv | xmmp3_vvvv | xmm_is5
            | ymm_is5 | imm4_m2z | xbegin_2 | xbegin_4 | brdisp_2 | brdisp_4 | sibmem | tmm_reg
            | tmm_rm | tmm_vvvv => Exclusion::Operand,
            _ => return Option::None,
        })
    })
}

/// Segments can be given back their state only where user code may write bases.
fn has_no_bases(code: Code) -> bool {
    system::changes_segments(code) && BaseAccess::on_host() == BaseAccess::Absent
}

/// Near branches with an operand-size prefix, which only AMD's processors obey.
pub(crate) fn differs_by_vendor(code: Code) -> bool {
    use OpCodeOperandKind::{br16_1, br16_2, br32_1, br32_4};
    let is_short = |kind: &OpCodeOperandKind| matches!(kind, br16_1 | br16_2 | br32_1 | br32_4);
    let word = matches!(code, Code::Call_rm16 | Code::Jmp_rm16 | Code::Retnw | Code::Retnw_imm16);
    word || code.op_code().op_kinds().iter().any(is_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_by_name() {
        assert_eq!(exclusion(Code::Cpuid), Some(Exclusion::TellsOfTheMachine));
        assert_eq!(exclusion(Code::Hlt), Some(Exclusion::Privileged));
        assert_eq!(exclusion(Code::In_AL_DX), Some(Exclusion::Privileged));
        assert_eq!(
            exclusion(Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Some(Exclusion::Encoding)
        );
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_base_instruction_set_is_compared() {
        for code in [Code::Add_rm64_r64, Code::Retnq, Code::Paddd_xmm_xmmm128] {
            assert_eq!(exclusion(code), None, "{code:?}");
        }
    }
}
