//! Why a form is not built.

use emulator::cpuid::CpuModel;
use iced_x86::Code;

use crate::conformance::isa::forms;

/// Why a form is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// EVEX encodings and mask registers.
    Avx512,
    /// Tiles.
    Amx,
    /// Xeon Phi only.
    XeonPhi,
    /// VMX and SVM.
    VirtualMachines,
    /// SGX, SMX, SEV and TDX.
    Enclaves,
    /// RTM, HLE and TSXLDTRK.
    Transactions,
    /// Shadow stacks.
    ShadowStacks,
    /// Bounds registers, which processors have no more.
    Mpx,
    /// 3DNow!, XOP, FMA4, SSE4a and others of AMD's alone.
    AmdOnly,
    /// Cyrix, Centaur, VIA and Zhaoxin.
    OtherMakers,
    /// Extensions that x86-64-v3 does not ask for.
    LaterExtension,
    /// Of processors before 64-bit mode.
    Obsolete,
    /// Read differently by Intel's processors.
    AmdReading,
    /// A model has it; it is of no use to user code.
    Privileged,
    /// A model has it.
    NotBuilt,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 15] = [
        Self::Avx512,
        Self::Amx,
        Self::XeonPhi,
        Self::VirtualMachines,
        Self::Enclaves,
        Self::Transactions,
        Self::ShadowStacks,
        Self::Mpx,
        Self::AmdOnly,
        Self::OtherMakers,
        Self::LaterExtension,
        Self::Obsolete,
        Self::AmdReading,
        Self::Privileged,
        Self::NotBuilt,
    ];

    /// The reason in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512: no model has it",
            Self::Amx => "AMX: no model has it",
            Self::XeonPhi => "Xeon Phi only",
            Self::VirtualMachines => "virtual machines: no model has VMX or SVM",
            Self::Enclaves => "enclaves and measured launch: no model has them",
            Self::Transactions => "transactions: no model has TSX",
            Self::ShadowStacks => "shadow stacks: no model has CET",
            Self::Mpx => "bounds registers: no model has MPX",
            Self::AmdOnly => "AMD's processors only",
            Self::OtherMakers => "other makers' processors only",
            Self::LaterExtension => "other extensions: no model has them",
            Self::Obsolete => "of processors before 64-bit mode",
            Self::AmdReading => "a form that only AMD's processors have",
            Self::Privileged => "privileged, not built",
            Self::NotBuilt => "not built",
        }
    }
}

/// Beginnings of the decoder's feature names, and what they stand for.
const BY_FEATURE: &[(Reason, &[&str])] = &[
    (Reason::Avx512, &["AVX512"]),
    (Reason::Amx, &["AMX"]),
    (Reason::XeonPhi, &["KNC"]),
    (Reason::VirtualMachines, &["VMX", "INVEPT", "INVVPID", "SVM", "SKINIT"]),
    (Reason::Enclaves, &["SGX", "SMX", "SEV", "TDX", "PCONFIG", "TSE"]),
    (Reason::Transactions, &["RTM", "HLE", "TSX"]),
    (Reason::ShadowStacks, &["CET_SS"]),
    (Reason::Mpx, &["MPX"]),
    (
        Reason::AmdOnly,
        &[
            "D3NOW", "XOP", "FMA4", "TBM", "LWP", "SSE4A", "CLZERO", "MONITORX", "MCOMMIT",
            "RDPRU", "INVLPGB", "RMPQUERY",
        ],
    ),
    (Reason::OtherMakers, &["CYRIX", "PADLOCK", "CENTAUR"]),
    (
        Reason::Obsolete,
        &[
            "INTEL8086_ONLY",
            "INTEL286_ONLY",
            "INTEL386_ONLY",
            "INTEL386_A0_ONLY",
            "INTEL486_A_ONLY",
            "FPU287XL_ONLY",
            "FPU387SL_ONLY",
            "UMOV",
            "MOV_TR",
            "IA64",
            "CL1INVMB",
            "OSS",
            "UDBG",
            "PCOMMIT",
        ],
    ),
    (Reason::Privileged, &["SMM"]),
];

/// Why a form is not built, given the first model that has it.
#[must_use]
pub fn of(code: Code, since: Option<CpuModel>) -> Reason {
    let op = code.op_code();
    let privileged = op.is_privileged() || op.is_input_output() || !op.cpl3();
    let names = code.cpuid_features().iter().map(|feature| format!("{feature:?}"));
    match (since, names.into_iter().find_map(|name| by_name(&name))) {
        (None, Some(reason)) => reason,
        (None, None) => Reason::LaterExtension,
        // With 66h, near branches are of 16 bits on AMD's processors.
        (Some(_), _) if forms::differs_by_vendor(code) => Reason::AmdReading,
        _ if privileged => Reason::Privileged,
        _ => Reason::NotBuilt,
    }
}

fn by_name(name: &str) -> Option<Reason> {
    let among = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    BY_FEATURE.iter().find(|(_, starts)| among(starts)).map(|&(reason, _)| reason)
}
