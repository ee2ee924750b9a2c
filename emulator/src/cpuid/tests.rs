//! CPUID against the psABI's levels, and against what the dispatcher offers.

use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, Instruction};

use super::{CpuModel, FEATURES, Leaf, Os, Output, Treatment};

/// The register of a leaf that holds an output.
fn read(model: CpuModel, output: Output) -> u32 {
    match output {
        Output::Leaf1Ecx => model.cpuid(1, 0, 0).ecx,
        Output::Leaf1Edx => model.cpuid(1, 0, 0).edx,
        Output::Leaf7Ebx => model.cpuid(7, 0, 0).ebx,
        Output::Leaf7Ecx => model.cpuid(7, 0, 0).ecx,
        Output::XsaveEax => model.cpuid(0xd, 1, 0).eax,
        Output::ExtendedEcx => model.cpuid(0x8000_0001, 0, 0).ecx,
        Output::ExtendedEdx => model.cpuid(0x8000_0001, 0, 0).edx,
    }
}

#[test]
fn names_are_read_back() {
    for model in CpuModel::ALL {
        assert_eq!(model.to_string().parse(), Ok(model));
    }
    assert!("v4".parse::<CpuModel>().is_err());
    assert_eq!(CpuModel::default(), CpuModel::V3);
}

#[test]
fn cpuid_and_the_dispatcher_agree() {
    for model in CpuModel::ALL {
        for feature in FEATURES {
            let Some((output, bit)) = feature.bit else { continue };
            let told = read(model, output) >> bit & 1 != 0;
            assert_eq!(told, model.has(feature.name), "{model} {:?}", feature.name);
        }
    }
}

#[test]
fn no_feature_is_listed_twice() {
    for (at, feature) in FEATURES.iter().enumerate() {
        let rest = &FEATURES[at + 1..];
        assert!(rest.iter().all(|other| other.name != feature.name), "{:?}", feature.name);
        assert!(feature.bit.is_none() || rest.iter().all(|other| other.bit != feature.bit));
    }
}

#[test]
fn the_first_model_answers_as_it_always_did() {
    let v1 = CpuModel::V1;
    assert_eq!(v1.cpuid(0, 0, 0).eax, 4);
    let leaf = Leaf { eax: 0x6f0, ebx: 2 << 24 | 0x800, ecx: 0, edx: 0x0789_fbfd };
    assert_eq!(v1.cpuid(1, 0, 2), leaf);
    assert_eq!(v1.cpuid(7, 0, 0), Leaf::default());
    assert_eq!(v1.cpuid(0xd, 0, 0), Leaf::default());
    assert_eq!(v1.cpuid(0x8000_0001, 0, 0), Leaf { ecx: 1, edx: 0x2c10_0800, ..Leaf::default() });
}

#[test]
fn the_levels_are_the_psabis() {
    use CpuidFeature as F;
    let v2 = [F::CMPXCHG16B, F::POPCNT, F::SSE3, F::SSE4_1, F::SSE4_2, F::SSSE3];
    let v3 = [F::AVX, F::AVX2, F::BMI1, F::BMI2, F::F16C, F::FMA, F::LZCNT, F::MOVBE, F::XSAVE];
    for feature in v2 {
        assert!(!CpuModel::V1.has(feature) && CpuModel::V2.has(feature), "{feature:?}");
    }
    for feature in v3 {
        assert!(!CpuModel::V2.has(feature) && CpuModel::V3.has(feature), "{feature:?}");
    }
}

#[test]
fn xsave_sizes_follow_xcr0() {
    let sizes = |osxsave, xcr0| {
        let os = Os { osxsave, xcr0 };
        let leaf = |function, subleaf| CpuModel::V3.cpuid_under(function, subleaf, 0, &os);
        (leaf(1, 0).ecx >> 27 & 1, leaf(0xd, 0).ebx, leaf(0xd, 0).ecx, leaf(0xd, 1).ebx)
    };
    assert_eq!(sizes(false, 1), (0, 576, 832, 576));
    assert_eq!(sizes(true, 3), (1, 576, 832, 576));
    assert_eq!(sizes(true, 7), (1, 832, 832, 832));
    let avx = CpuModel::V3.cpuid(0xd, 2, 0);
    assert_eq!((avx.eax, avx.ebx, avx.ecx), (256, 576, 0));
}

fn decode(bytes: &[u8]) -> Instruction {
    Decoder::with_ip(64, bytes, 0x1000, DecoderOptions::NONE).decode()
}

#[test]
fn what_a_model_lacks_is_undefined_ignored_or_older() {
    use CpuModel::{V1, V2, V3};
    use Treatment::{Executes, ExecutesAs, Ignores, Undefined};
    let cases: [(&str, &[u8], CpuModel, Treatment); 18] = [
        ("pshufb", &[0x66, 0x0f, 0x38, 0x00, 0xc1], V1, Undefined),
        ("pshufb", &[0x66, 0x0f, 0x38, 0x00, 0xc1], V2, Executes),
        ("vaddps", &[0xc5, 0xf0, 0x58, 0xc2], V2, Undefined),
        ("vaddps", &[0xc5, 0xf0, 0x58, 0xc2], V3, Executes),
        ("vaddps zmm", &[0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2], V3, Undefined),
        ("vaesenc xmm", &[0xc4, 0xe2, 0x71, 0xdc, 0xc2], V3, Executes),
        ("vaesenc ymm", &[0xc4, 0xe2, 0x75, 0xdc, 0xc2], V3, Undefined),
        ("gf2p8mulb", &[0x66, 0x0f, 0x38, 0xcf, 0xc1], V3, Undefined),
        ("tzcnt", &[0xf3, 0x0f, 0xbc, 0xc1], V1, ExecutesAs(Code::Bsf_r32_rm32)),
        ("tzcnt", &[0xf3, 0x0f, 0xbc, 0xc1], V3, Executes),
        ("lzcnt", &[0xf3, 0x48, 0x0f, 0xbd, 0xc1], V2, ExecutesAs(Code::Bsr_r64_rm64)),
        ("endbr64", &[0xf3, 0x0f, 0x1e, 0xfa], V3, Ignores),
        ("rdsspq", &[0xf3, 0x48, 0x0f, 0x1e, 0xc8], V1, Ignores),
        ("prefetchw", &[0x0f, 0x0d, 0x08], V1, Ignores),
        ("xbegin", &[0xc7, 0xf8, 0, 0, 0, 0], V3, Undefined),
        ("vmcall", &[0x0f, 0x01, 0xc1], V1, Executes),
        ("xsave", &[0x0f, 0xae, 0x20], V2, Undefined),
        ("nop", &[0x0f, 0x1f, 0x00], V1, Executes),
    ];
    for (name, bytes, model, expected) in cases {
        let insn = decode(bytes);
        assert_eq!(model.treatment(&insn), expected, "{name} on {model}");
        assert_eq!(model.missing(&insn).is_some(), expected == Undefined, "{name} on {model}");
    }
}
