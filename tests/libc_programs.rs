//! Programs linked with glibc, with musl and with Rust's library, at several
//! levels of optimisation and for several levels of the instruction set: their
//! output under `dr7 run` is that of the native run, byte by byte.
//!
//! Libraries choose variants of their functions by CPUID. Where a variant may
//! answer differently (glibc's libm with and without FMA), the native run is told by
//! `GLIBC_TUNABLES` to choose as under dr7.

mod guest_programs;

use std::collections::BTreeMap;
use std::path::Path;

use guest_programs::beside::{Answer, emulated, native};
use guest_programs::recipe::Recipe;
use guest_programs::text;

const NO_ARGUMENTS: [&str; 0] = [];

/// A level of the instruction set that dr7 offers.
#[derive(Clone, Copy, Debug)]
struct Model {
    options: &'static [&'static str],
    /// What makes glibc choose so on a newer processor.
    tunables: &'static str,
}

const V1: Model = Model {
    options: &["--cpu", "v1"],
    tunables: "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-FMA,-SSE4_2,-SSE4_1,-SSSE3",
};
const V2: Model = Model {
    options: &["--cpu", "v2"],
    tunables: "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-FMA",
};
const V3: Model =
    Model { options: &["--cpu", "v3"], tunables: "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW" };

const fn c(compiler: &'static str, options: &'static [&'static str]) -> Recipe {
    Recipe { compiler, options, libraries: &["-lm"] }
}

const fn rust(options: &'static [&'static str]) -> Recipe {
    Recipe { compiler: "rustc", options, libraries: &[] }
}

const GLIBC: [Recipe; 3] = [
    c("cc", &["-static", "-std=gnu11", "-O0"]),
    c("cc", &["-static", "-std=gnu11", "-O2"]),
    c("cc", &["-static", "-std=gnu11", "-O3"]),
];
const GLIBC_V3: Recipe = c("cc", &["-static", "-std=gnu11", "-O3", "-march=x86-64-v3"]);
const MUSL: [Recipe; 4] = [
    c("musl-gcc", &["-static", "-std=gnu11", "-O0"]),
    c("musl-gcc", &["-static", "-std=gnu11", "-O1"]),
    c("musl-gcc", &["-static", "-std=gnu11", "-O2"]),
    c("musl-gcc", &["-static", "-std=gnu11", "-O3"]),
];
const MUSL_V3: Recipe = c("musl-gcc", &["-static", "-std=gnu11", "-O3", "-march=x86-64-v3"]);
const RUST: Recipe =
    rust(&["--edition=2021", "-O", "-Ctarget-feature=+crt-static", "-Crelocation-model=static"]);
const RUST_V3: Recipe = rust(&[
    "--edition=2021",
    "-O",
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Ctarget-cpu=x86-64-v3",
]);

/// Whether this processor can run programs for x86-64-v3.
fn native_has_v3() -> bool {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| text.split_whitespace().any(|word| word == flag);
    let all = ["avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"].into_iter().all(has);
    if !all {
        guest_programs::skip("this processor has no x86-64-v3");
    }
    all
}

/// Both runs of a built program; dr7's own end is told as a difference.
fn difference(model: Model, program: &Path, arguments: &[&str]) -> Option<String> {
    let expected = native(program, arguments, Some(model.tunables), b"");
    match emulated(model.options, program, arguments, b"") {
        Ok(found) => expected.difference(&found),
        Err(reason) => Some(reason),
    }
}

/// One source in one way of building on one model.
fn compare(source: &str, recipe: &Recipe, model: Model) {
    let Some(program) = recipe.build(source) else {
        return;
    };
    if let Some(difference) = difference(model, &program, &NO_ARGUMENTS) {
        panic!("{source} ({recipe}) {}: {difference}", model.options.join(" "));
    }
}

/// A source in every way of building for the baseline, and for v3.
fn compare_all(source: &str, baseline: &[Recipe], for_v3: &Recipe) {
    for recipe in baseline {
        compare(source, recipe, V1);
    }
    if let Some(last) = baseline.last() {
        compare(source, last, V2);
        compare(source, last, V3);
    }
    if native_has_v3() {
        compare(source, for_v3, V3);
    }
}

#[test]
fn glibc_strings() {
    compare_all("c/strings.c", &GLIBC, &GLIBC_V3);
}

#[test]
fn glibc_numbers() {
    compare_all("c/numbers.c", &GLIBC, &GLIBC_V3);
}

#[test]
fn glibc_rounding() {
    compare_all("c/rounding.c", &GLIBC, &GLIBC_V3);
}

#[test]
fn musl_strings() {
    compare_all("c/strings.c", &MUSL, &MUSL_V3);
}

#[test]
fn musl_numbers() {
    compare_all("c/numbers.c", &MUSL, &MUSL_V3);
}

#[test]
fn musl_rounding() {
    compare_all("c/rounding.c", &MUSL, &MUSL_V3);
}

#[test]
fn rust_checks() {
    compare_all("rust/checks.rs", &[RUST], &RUST_V3);
}

// ------------------------------------------------------------------------ libm

/// Arguments of each function: all that the program has where time allows.
const NR_ARGUMENTS: &str = if cfg!(debug_assertions) { "1000" } else { "10000" };

/// The long double functions that glibc or musl make from FSIN, FYL2X, F2XM1, FPATAN
/// and their like. Intel does not specify the last place of those (SDM vol. 1, 8.3.10);
/// here they are rounded once from the true value, and an Intel Xeon (Ice Lake) answers
/// otherwise in 0.5 to 12 % of cases. Each with the units of the last place by which
/// its answers may differ: few, and more where the function subtracts what is almost
/// equal, or multiplies on.
const LAST_PLACE: &[(&str, u128)] = &[
    ("acoshl", 2),
    ("acosl", 2),
    ("asinhl", 2),
    ("asinl", 2),
    ("atan2l", 2),
    ("atanhl", 2),
    ("atanl", 2),
    ("coshl", 3),
    ("erfcl", 3),
    ("exp2l", 2),
    ("expl", 2),
    ("expm1l", 3),
    ("lgammal", 64),
    ("log10l", 2),
    ("log1pl", 2),
    ("log2l", 2),
    ("logl", 2),
    ("powl", 2),
    ("sinhl", 3),
    ("tanhl", 4),
    ("tgammal", 8),
];

/// `name checksum` lines.
fn checksums(answer: &Answer) -> BTreeMap<String, String> {
    let text = text(&answer.stdout);
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    text.lines().filter_map(pair).collect()
}

/// The 80 bits of an answer as a number that grows with it: the field
/// `exponent:significand` of a line.
fn ordinal(line: &str) -> Option<i128> {
    let (sign_exponent, significand) = line.split_whitespace().nth(2)?.split_once(':')?;
    let sign_exponent = i128::from_str_radix(sign_exponent, 16).ok()?;
    let significand = i128::from(u64::from_str_radix(significand, 16).ok()?);
    let magnitude = (sign_exponent & 0x7fff) << 63 | significand & !(1 << 63);
    Some(if sign_exponent & 0x8000 == 0 { magnitude } else { -magnitude })
}

/// Compares one function's answers in full; lines differ by its allowance at most,
/// and in nothing but the answer.
fn within_the_last_place(
    model: Model,
    program: &Path,
    function: &str,
) -> Result<(usize, u128), String> {
    let arguments = [NR_ARGUMENTS, function];
    let expected = native(program, &arguments, Some(model.tunables), b"");
    let found = emulated(model.options, program, &arguments, b"")?;
    let allowed = LAST_PLACE.iter().find(|(name, _)| *name == function).map_or(0, |(_, n)| *n);
    let (mut nr_differing, mut most) = (0, 0);
    for (a, b) in text(&expected.stdout).lines().zip(text(&found.stdout).lines()) {
        if a == b {
            continue;
        }
        let same_rest = a.split_whitespace().last() == b.split_whitespace().last();
        let apart = ordinal(a).zip(ordinal(b)).map(|(a, b)| a.abs_diff(b));
        match apart.filter(|apart| same_rest && *apart <= allowed) {
            Some(apart) => most = most.max(apart),
            None => return Err(format!("\n  native: {a}\n  dr7:    {b}")),
        }
        nr_differing += 1;
    }
    Ok((nr_differing, most))
}

/// Every function that has another checksum than natively is one whose last place
/// is not specified, and differs in no more than that.
fn compare_libm(recipe: &Recipe, model: Model) {
    let Some(program) = recipe.build("c/libm.c") else {
        return;
    };
    let expected = native(&program, &[NR_ARGUMENTS], Some(model.tunables), b"");
    let found = match emulated(model.options, &program, &[NR_ARGUMENTS], b"") {
        Ok(found) => found,
        Err(reason) => panic!("libm ({recipe}) {}: {reason}", model.options.join(" ")),
    };
    assert_eq!(found.status, expected.status);
    let (expected, found) = (checksums(&expected), checksums(&found));
    assert!(expected.len() > 100 && expected.keys().eq(found.keys()));
    let mut wrong = Vec::new();
    for function in expected.keys().filter(|name| expected.get(*name) != found.get(*name)) {
        match within_the_last_place(model, &program, function) {
            Ok((nr, most)) => {
                tell(format_args!("{function}: {nr} of {NR_ARGUMENTS} by at most {most} units"));
            }
            Err(lines) => wrong.push(format!("{function}: {lines}")),
        }
    }
    let model = model.options.join(" ");
    assert!(wrong.is_empty(), "libm ({recipe}) {model}:\n{}", wrong.join("\n"));
}

#[expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]
fn tell(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}

#[test]
fn glibc_libm_v1() {
    compare_libm(&GLIBC[1], V1);
}

#[test]
fn glibc_libm_v3() {
    compare_libm(&GLIBC[1], V3);
}

#[test]
fn musl_libm() {
    compare_libm(&MUSL[2], V1);
}
