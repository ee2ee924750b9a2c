//! CPUID: the processor that the guest sees, by x86-64 psABI level.
//!
//! [`CpuModel`] is the processor, [`features`] the table of what it has, and
//! [`CpuModel::cpuid`] its answers. Not in any model, on purpose:
//! - ERMS and FSRM: the results of programs are the same, and libraries that see them
//!   turn to REP MOVS and REP STOS;
//! - AVX-512, VAES with 256 bits, VPCLMULQDQ with 256 bits, GFNI: beyond x86-64-v3, and
//!   no program needs them unless CPUID offers them;
//! - RTM and HLE: fused off in present processors;
//! - CET and protection keys: they need a system that turns them on.
//!
//! Source: SDM vol. 2A, CPUID; psABI for x86-64, "micro-architecture levels".

use std::fmt;
use std::str::FromStr;

use iced_x86::CpuidFeature;

use crate::regs::control::{cr4, xcr0};
use crate::regs::xsave::{AVX_BYTES, AVX_OFFSET, area_bytes};

mod features;
#[cfg(test)]
mod tests;

pub(crate) use features::Treatment;
use features::{FEATURES, Output};

/// A processor model, named after the psABI level that it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CpuModel {
    /// x86-64 baseline: SSE2.
    V1,
    /// x86-64-v2: CMPXCHG16B, POPCNT and SSE3 to SSE4.2.
    V2,
    /// x86-64-v3 (AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE, XSAVE), and what
    /// processors of that level have had since: AES, PCLMULQDQ, SHA, ADX, RDRAND,
    /// RDSEED, FSGSBASE, RDPID, PREFETCHW, CLFLUSHOPT, CLWB, XSAVEC and XSAVEOPT.
    #[default]
    V3,
}

impl CpuModel {
    /// Every model, the oldest first.
    pub const ALL: [Self; 3] = [Self::V1, Self::V2, Self::V3];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }
}

/// The maker of the processor, where makers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuVendor {
    /// Intel: what the rules were measured on.
    #[default]
    Intel,
    /// AMD (APM vol. 2, chapter 13).
    Amd,
}

impl CpuVendor {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intel => "intel",
            Self::Amd => "amd",
        }
    }

    /// What CPUID answers on this vendor's processors in place of Intel's.
    #[must_use]
    pub fn cpuid(self, function: u32, intel: Leaf) -> Leaf {
        let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
        let name = Leaf { ebx: word(b"Auth"), edx: word(b"enti"), ecx: word(b"cAMD"), ..intel };
        match (self, function) {
            (Self::Intel, _) => intel,
            (Self::Amd, 0 | 0x8000_0000) => name,
            // Family 17h, model 31h.
            (Self::Amd, 1) => Leaf { eax: 0x0083_0f10, ..intel },
            // Data breakpoint extension is not offered; CR8 by LOCK MOV CR0 is not either.
            (Self::Amd, 2 | 4) => Leaf::default(),
            (Self::Amd, _) => intel,
        }
    }
}

/// A vendor that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown processor vendor '{0}' (known: intel, amd)")]
pub struct UnknownVendor(pub String);

impl FromStr for CpuVendor {
    type Err = UnknownVendor;

    fn from_str(text: &str) -> Result<Self, UnknownVendor> {
        let known = [Self::Intel, Self::Amd].into_iter();
        let mut known = known.filter(|vendor| vendor.name() == text);
        known.next().ok_or_else(|| UnknownVendor(text.to_owned()))
    }
}

impl fmt::Display for CpuVendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A processor model that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown processor model '{0}' (known: v1, v2, v3)")]
pub struct UnknownModel(pub String);

impl FromStr for CpuModel {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let found = Self::ALL.into_iter().find(|model| model.name() == text);
        found.ok_or_else(|| UnknownModel(text.to_owned()))
    }
}

impl fmt::Display for CpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// EAX, EBX, ECX and EDX of a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

const fn leaf(eax: u32, ebx: u32, ecx: u32, edx: u32) -> Leaf {
    Leaf { eax, ebx, ecx, edx }
}

/// Features that are no instruction's. Leaf 1 EDX: DE, PSE, PAE, MCE, APIC, MTRR, PGE,
/// MCA, PAT.
const MACHINE_1_EDX: u32 =
    1 << 2 | 1 << 3 | 1 << 6 | 1 << 7 | APIC | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16;
/// Leaf 1 EDX: the local APIC, while it is enabled.
pub(crate) const APIC: u32 = 1 << 9;
/// Leaf 1 ECX: x2APIC.
const X2APIC: u32 = 1 << 21;
/// Leaf 1 ECX from v2 on: PCID, x2APIC, TSC deadline.
const MACHINE_1_ECX: u32 = 1 << 17 | X2APIC | 1 << 24;
/// Leaf 7 EBX from v3 on: SMEP.
const MACHINE_7_EBX: u32 = 1 << 7;
/// Leaf 7 ECX from v3 on: UMIP.
const MACHINE_7_ECX: u32 = 1 << 2;
/// Leaf 0x80000001 EDX: NX, 1 GiB pages.
const MACHINE_EXTENDED_EDX: u32 = 1 << 20 | 1 << 26;
/// Leaf 0x80000001 ECX: LAHF and SAHF in 64-bit mode.
const LAHF: u32 = 1 << 0;
/// Leaf 1 ECX: CR4.OSXSAVE as it is.
const OSXSAVE: u32 = 1 << 27;
/// Leaf 7 EBX: x87 data pointer for unmasked exceptions only; FCS and FDS are zero.
const X87_POINTERS: u32 = 1 << 6 | 1 << 13;
/// Leaf 0xD subleaf 1 EAX: XGETBV with ECX = 1.
const XGETBV1: u32 = 1 << 2;
/// Highest extended leaf.
const MAX_EXTENDED: u32 = 0x8000_0008;
/// 48 bits of linear and 46 of physical address.
const ADDRESS_BITS: u32 = 48 << 8 | 46;
/// CLFLUSH line of 8 quadwords.
const CLFLUSH_LINE: u32 = 8 << 8;

impl CpuModel {
    /// Highest basic leaf.
    const fn max_basic(self) -> u32 {
        match self {
            Self::V1 => 4,
            Self::V2 => 7,
            Self::V3 => 0xd,
        }
    }

    /// Family, model and stepping of a processor of that level: Merom, Nehalem, and
    /// Alder Lake, the first with SHA and CLWB that has no AVX-512.
    const fn signature(self) -> u32 {
        match self {
            Self::V1 => 0x0000_06f0,
            Self::V2 => 0x0001_06a5,
            Self::V3 => 0x0009_0672,
        }
    }

    /// XCR0 bits that the model has; zero without XSAVE.
    #[must_use]
    pub fn xcr0_supported(self) -> u64 {
        let sse = if self.has(CpuidFeature::XSAVE) { xcr0::X87 | xcr0::SSE } else { 0 };
        let avx = if self.has(CpuidFeature::AVX) { xcr0::AVX } else { 0 };
        sse | avx
    }

    /// Whether a local APIC may be switched to x2APIC mode.
    #[must_use]
    pub fn has_x2apic(self) -> bool {
        self.cpuid(1, 0, 0).ecx & X2APIC != 0
    }

    /// Bits of CR4 that software may set.
    #[must_use]
    pub fn cr4_supported(self) -> u64 {
        let base = cr4::TSD
            | cr4::DE
            | cr4::PSE
            | cr4::PAE
            | cr4::MCE
            | cr4::PGE
            | cr4::PCE
            | cr4::OSFXSR
            | cr4::OSXMMEXCPT;
        let newer = if self >= Self::V2 { cr4::PCIDE } else { 0 };
        let newest = cr4::UMIP | cr4::FSGSBASE | cr4::OSXSAVE | cr4::SMEP | cr4::SMAP;
        base | newer | if self >= Self::V3 { newest } else { 0 }
    }

    /// Whether programs may use RDFSBASE and its like where CR4.FSGSBASE is set.
    #[must_use]
    pub fn has_fsgsbase(self) -> bool {
        self.has(CpuidFeature::FSGSBASE)
    }

    /// The feature bits of one output register.
    fn bits(self, output: Output) -> u32 {
        FEATURES
            .iter()
            .filter(|feature| feature.since <= self)
            .filter_map(|feature| feature.bit)
            .filter(|&(place, _)| place == output)
            .fold(0, |bits, (_, bit)| bits | 1 << bit)
    }

    /// What CPUID answers for a leaf and subleaf on the vCPU with this APIC id, where
    /// software has not enabled XSAVE. See [`Cpu::cpuid`](crate::cpu::Cpu::cpuid) for
    /// the answer of a vCPU as it is.
    #[must_use]
    pub fn cpuid(self, function: u32, subleaf: u32, apic_id: u32) -> Leaf {
        let known = match function {
            0..0x8000_0000 => function <= self.max_basic(),
            _ => function <= MAX_EXTENDED,
        };
        if !known {
            return Leaf::default();
        }
        match function {
            0 => {
                let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
                leaf(self.max_basic(), word(b"Genu"), word(b"ntel"), word(b"ineI"))
            }
            1 => {
                let edx = self.bits(Output::Leaf1Edx) | MACHINE_1_EDX;
                let ebx = apic_id << 24 | CLFLUSH_LINE;
                let ecx = self.bits(Output::Leaf1Ecx);
                let machine = if self >= Self::V2 { MACHINE_1_ECX } else { 0 };
                leaf(self.signature(), ebx, ecx | machine, edx)
            }
            // One descriptor that sends readers to leaf 4.
            2 => leaf(0x00ff_ff01, 0, 0, 0),
            4 => deterministic_cache(subleaf),
            7 if subleaf == 0 => {
                let ebx = self.bits(Output::Leaf7Ebx) | X87_POINTERS;
                let ecx = self.bits(Output::Leaf7Ecx);
                let newer = self >= Self::V3;
                let (more_b, more_c) = if newer { (MACHINE_7_EBX, MACHINE_7_ECX) } else { (0, 0) };
                leaf(0, ebx | more_b, ecx | more_c, 0)
            }
            0xb => topology(subleaf, apic_id),
            0xd => self.xsave_leaf(subleaf, xcr0::X87),
            0x8000_0000 => leaf(MAX_EXTENDED, 0, 0, 0),
            0x8000_0001 => {
                let ecx = self.bits(Output::ExtendedEcx) | LAHF;
                leaf(0, 0, ecx, self.bits(Output::ExtendedEdx) | MACHINE_EXTENDED_EDX)
            }
            0x8000_0002..=0x8000_0004 => brand(function),
            0x8000_0006 => leaf(0, 0, 256 << 16 | 6 << 12 | 64, 0),
            // Invariant TSC.
            0x8000_0007 => leaf(0, 0, 0, 1 << 8),
            0x8000_0008 => leaf(ADDRESS_BITS, 0, 0, 0),
            _ => Leaf::default(),
        }
    }

    /// The same with CR4 and XCR0, which leaves 1 and 0xD show.
    pub(crate) fn cpuid_under(self, function: u32, subleaf: u32, apic_id: u32, os: &Os) -> Leaf {
        let mut leaf = self.cpuid(function, subleaf, apic_id);
        match function {
            1 if os.osxsave => leaf.ecx |= OSXSAVE,
            0xd if function <= self.max_basic() => leaf = self.xsave_leaf(subleaf, os.xcr0),
            _ => {}
        }
        leaf
    }

    /// Leaf 0xD: what XSAVE can save, and the bytes that it takes.
    fn xsave_leaf(self, subleaf: u32, enabled: u64) -> Leaf {
        let supported = self.xcr0_supported();
        match subleaf {
            0 => leaf(supported as u32, area_bytes(enabled), area_bytes(supported), 0),
            // No supervisor state: the compacted area is as large.
            1 => leaf(self.bits(Output::XsaveEax) | XGETBV1, area_bytes(enabled), 0, 0),
            2 if supported & xcr0::AVX != 0 => leaf(AVX_BYTES, AVX_OFFSET, 0, 0),
            _ => Leaf::default(),
        }
    }
}

/// What system software has enabled, as far as CPUID shows it.
pub(crate) struct Os {
    /// CR4.OSXSAVE.
    pub(crate) osxsave: bool,
    /// XCR0.
    pub(crate) xcr0: u64,
}

/// A cache of leaf 4.
struct Cache {
    kind: u32,
    level: u32,
    ways: u32,
    sets: u32,
}

/// The caches that the `table` timing model has.
const CACHES: [Cache; 4] = [
    Cache { kind: 1, level: 1, ways: 12, sets: 64 },
    Cache { kind: 2, level: 1, ways: 8, sets: 64 },
    Cache { kind: 3, level: 2, ways: 16, sets: 2048 },
    Cache { kind: 3, level: 3, ways: 12, sets: 32768 },
];

/// Leaf 0xB: one thread in a core, and a package that may have 64. EDX is the x2APIC
/// identifier in every subleaf.
fn topology(subleaf: u32, apic_id: u32) -> Leaf {
    const THREADS: u32 = 1 << 8;
    const CORES: u32 = 2 << 8;
    match subleaf {
        0 => leaf(0, 1, THREADS, apic_id),
        1 => leaf(6, 64, CORES | 1, apic_id),
        _ => leaf(0, 0, subleaf & 0xff, apic_id),
    }
}

fn deterministic_cache(subleaf: u32) -> Leaf {
    CACHES.get(subleaf as usize).map_or_else(Leaf::default, |cache| {
        // Bit 8: self-initialising.
        let eax = cache.kind | cache.level << 5 | 1 << 8;
        leaf(eax, (cache.ways - 1) << 22 | 63, cache.sets - 1, 0)
    })
}

/// The brand string, sixteen bytes a leaf.
fn brand(function: u32) -> Leaf {
    let mut text = [0u8; 48];
    let name = b"dr7 emulated x86-64 processor";
    text[..name.len()].copy_from_slice(name);
    let at = (function - 0x8000_0002) as usize * 16;
    let word = |index: usize| {
        let start = at + 4 * index;
        u32::from_le_bytes([text[start], text[start + 1], text[start + 2], text[start + 3]])
    };
    leaf(word(0), word(1), word(2), word(3))
}
