//! What the host's processor has, in iced's names.

use iced_x86::CpuidFeature;

use super::super::native::BaseAccess;

/// Whether the host has a feature. What is not listed is not asked for.
#[cfg(target_arch = "x86_64")]
pub(super) fn on_host(feature: CpuidFeature) -> bool {
    use CpuidFeature as F;
    use std::arch::is_x86_feature_detected as has;
    match feature {
        F::INTEL8086 | F::INTEL186 | F::INTEL286 | F::INTEL386 | F::INTEL486 | F::X64 => true,
        // Part of every x86-64 processor.
        F::FPU | F::FPU287 | F::FPU387 | F::MMX | F::SSE | F::SSE2 | F::CMOV | F::CX8 => true,
        F::CLFSH | F::MULTIBYTENOP | F::PAUSE | F::CET_IBT => true,
        F::FXSR => has!("fxsr"),
        F::XSAVE => has!("xsave"),
        F::XSAVEC => has!("xsavec"),
        F::XSAVEOPT => has!("xsaveopt"),
        F::FSGSBASE => BaseAccess::on_host() == BaseAccess::Present,
        F::SSE3 => has!("sse3"),
        F::SSSE3 => has!("ssse3"),
        F::SSE4_1 => has!("sse4.1"),
        F::SSE4_2 => has!("sse4.2"),
        F::CMPXCHG16B => has!("cmpxchg16b"),
        F::POPCNT => has!("popcnt"),
        F::LZCNT => has!("lzcnt"),
        F::MOVBE => has!("movbe"),
        F::BMI1 => has!("bmi1"),
        F::BMI2 => has!("bmi2"),
        F::ADX => has!("adx"),
        F::AES => has!("aes"),
        F::PCLMULQDQ => has!("pclmulqdq"),
        F::SHA => has!("sha"),
        F::AVX => has!("avx"),
        F::AVX2 => has!("avx2"),
        F::FMA => has!("fma"),
        F::F16C => has!("f16c"),
        F::VAES => has!("vaes"),
        F::VPCLMULQDQ => has!("vpclmulqdq"),
        F::GFNI => has!("gfni"),
        F::PREFETCHW => has!("lzcnt"),
        _ => false,
    }
}

/// Another host has none of them.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn on_host(_feature: CpuidFeature) -> bool {
    false
}
