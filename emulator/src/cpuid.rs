//! CPUID: the processor that the guest sees, by x86-64 psABI level.
//! Source: SDM vol. 2A, CPUID; psABI for x86-64, "micro-architecture levels".

use std::fmt;
use std::str::FromStr;

/// A processor model, named after the psABI level that it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CpuModel {
    /// x86-64 baseline: SSE2.
    #[default]
    V1,
}

/// A processor model that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown processor model '{0}' (known: v1)")]
pub struct UnknownModel(pub String);

impl FromStr for CpuModel {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        match text {
            "v1" => Ok(Self::V1),
            other => Err(UnknownModel(other.to_owned())),
        }
    }
}

impl fmt::Display for CpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
        })
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

/// Leaf 1 EDX: FPU DE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT CLFSH MMX FXSR SSE SSE2.
/// x87 and MMX are named because every x86-64 processor has them.
const FEATURES_EDX: u32 = 1 << 0
    | 1 << 2
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 8
    | 1 << 9
    | 1 << 11
    | 1 << 13
    | 1 << 15
    | 1 << 16
    | 1 << 19
    | 1 << 23
    | 1 << 24
    | 1 << 25
    | 1 << 26;
/// Leaf 0x80000001 EDX: SYSCALL, NX, 1 GiB pages, RDTSCP, long mode.
const EXTENDED_EDX: u32 = 1 << 11 | 1 << 20 | 1 << 26 | 1 << 27 | 1 << 29;
/// Highest basic leaf.
const MAX_BASIC: u32 = 4;
/// Highest extended leaf.
const MAX_EXTENDED: u32 = 0x8000_0008;
/// Family 6, model 15: a processor with SSE2 and nothing that needs probing.
const SIGNATURE: u32 = 0x0000_06f0;
/// 48 bits of linear and 46 of physical address.
const ADDRESS_BITS: u32 = 48 << 8 | 46;
/// CLFLUSH line of 8 quadwords.
const CLFLUSH_LINE: u32 = 8 << 8;

impl CpuModel {
    /// What CPUID answers for a leaf and subleaf on the vCPU with this APIC id.
    #[must_use]
    pub fn cpuid(self, function: u32, subleaf: u32, apic_id: u32) -> Leaf {
        match function {
            0 => {
                let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
                leaf(MAX_BASIC, word(b"Genu"), word(b"ntel"), word(b"ineI"))
            }
            1 => leaf(SIGNATURE, apic_id << 24 | CLFLUSH_LINE, 0, FEATURES_EDX),
            // One descriptor that sends readers to leaf 4.
            2 => leaf(0x00ff_ff01, 0, 0, 0),
            4 => deterministic_cache(subleaf),
            0x8000_0000 => leaf(MAX_EXTENDED, 0, 0, 0),
            0x8000_0001 => leaf(0, 0, 1, EXTENDED_EDX),
            0x8000_0002..=0x8000_0004 => brand(function),
            0x8000_0006 => leaf(0, 0, 256 << 16 | 6 << 12 | 64, 0),
            // Invariant TSC.
            0x8000_0007 => leaf(0, 0, 0, 1 << 8),
            0x8000_0008 => leaf(ADDRESS_BITS, 0, 0, 0),
            _ => Leaf::default(),
        }
    }
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
