//! `--cpu`: what a program of the C library finds on each processor model, that a
//! recording keeps the model, and what is said of an instruction that it lacks.

mod guest_programs;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use guest_programs::{dr7, run, scratch_directory, skip, text};

/// Prints what the compiler's run-time support and the kernel tell of the processor.
const FEATURES: &str = r#"
#include <stdio.h>
#include <sys/auxv.h>
int main(void)
{
	__builtin_cpu_init();
	printf("sse4.2 %d avx2 %d fma %d bmi2 %d avx512f %d hwcap2 %lu minsigstksz %lu\n",
	       !!__builtin_cpu_supports("sse4.2"), !!__builtin_cpu_supports("avx2"),
	       !!__builtin_cpu_supports("fma"), !!__builtin_cpu_supports("bmi2"),
	       !!__builtin_cpu_supports("avx512f"), getauxval(AT_HWCAP2), getauxval(51));
	return 0;
}
"#;

/// Executes VADDPS without asking CPUID.
const AVX: &str = r#"
int main(void)
{
	__asm__ volatile("vaddps %%ymm0, %%ymm1, %%ymm2" ::: "xmm2");
	return 0;
}
"#;

/// Executes VADDPS of AVX-512.
const AVX512: &str = r#"
int main(void)
{
	__asm__ volatile(".byte 0x62, 0xf1, 0x74, 0x48, 0x58, 0xd0");
	return 0;
}
"#;

/// Compiles a static program; none (and a `skipped:` line) where that is not possible.
fn build(name: &str, source: &str) -> Option<PathBuf> {
    let directory = scratch_directory().join("cpu_models");
    fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{error}"));
    let (from, to) = (directory.join(name).with_extension("c"), directory.join(name));
    fs::write(&from, source).unwrap_or_else(|error| panic!("{error}"));
    let compiled = Command::new("cc").args(["-O1", "-static", "-o"]).arg(&to).arg(&from).output();
    let is_built = compiled.is_ok_and(|output| output.status.success());
    if !is_built {
        skip("no static C compiler (cc)");
    }
    is_built.then_some(to)
}

#[test]
fn programs_find_the_features_of_the_model() {
    let Some(program) = build("features", FEATURES) else { return };
    let cases = [
        ("v1", "sse4.2 0 avx2 0 fma 0 bmi2 0 avx512f 0 hwcap2 0 minsigstksz 1456\n"),
        ("v2", "sse4.2 1 avx2 0 fma 0 bmi2 0 avx512f 0 hwcap2 0 minsigstksz 1456\n"),
        ("v3", "sse4.2 1 avx2 1 fma 1 bmi2 1 avx512f 0 hwcap2 2 minsigstksz 1776\n"),
    ];
    for (model, expected) in cases {
        let output = run(dr7().args(["run", "--cpu", model, "--"]).arg(&program), b"");
        assert_eq!(text(&output.stdout), expected, "{model}: {}", text(&output.stderr));
    }
}

#[test]
fn a_recording_keeps_the_model() {
    let Some(program) = build("recorded", FEATURES) else { return };
    for model in ["v1", "v3"] {
        let file = scratch_directory().join(format!("cpu_model_{model}.dr7"));
        let recorded =
            run(dr7().args(["record", "--cpu", model, "-o"]).arg(&file).arg(&program), b"");
        assert_eq!(recorded.status.code(), Some(0), "{}", text(&recorded.stderr));
        let replayed = run(dr7().arg("replay").arg(&file), b"");
        let said = text(&replayed.stdout) + &text(&replayed.stderr);
        assert!(said.contains("identical"), "{said}");
        let dumped = run(dr7().arg("dump").arg(&file), b"");
        let found = text(&dumped.stdout).contains(&format!("processor {model}"));
        assert!(found, "dump of {model}");
    }
}

#[test]
fn an_instruction_that_the_model_lacks_is_named() {
    const SIGILL: i32 = 128 + 4;
    let cases = [
        ("avx", AVX, "v1", Some("vaddps ymm2, ymm1, ymm0"), "needs AVX, which --cpu v1"),
        ("avx", AVX, "v3", None, ""),
        ("avx512", AVX512, "v3", Some("vaddps zmm2, zmm1, zmm0"), "needs AVX512F, which --cpu v3"),
    ];
    for (name, source, model, insn, reason) in cases {
        let Some(program) = build(name, source) else { return };
        let output = run(dr7().args(["run", "--cpu", model, "--"]).arg(&program), b"");
        let said = text(&output.stderr);
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(" needs ")).collect();
        match insn {
            None => assert_eq!((output.status.code(), lines.len()), (Some(0), 0), "{said}"),
            Some(insn) => {
                assert_eq!((output.status.code(), lines.len()), (Some(SIGILL), 1), "{said}");
                assert!(lines[0].contains(insn) && lines[0].contains(reason), "{said}");
            }
        }
    }
}
