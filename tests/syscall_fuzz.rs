//! Random system calls: whatever a program asks for, dr7 does not panic, hang, or take more
//! of the host than a few times the guest's memory.
//!
//! A short run is a test. `DR7_FUZZ_SECONDS=600 cargo test --test syscall_fuzz` goes on for so
//! long; `DR7_FUZZ_SEED=N` begins with a seed, so that a failure is seen again.

mod guest_programs;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use guest_programs::recipe::Recipe;
use guest_programs::{run, text};

const RECIPE: Recipe =
    Recipe { compiler: "cc", options: &["-static", "-std=gnu11", "-O1", "-w"], libraries: &[] };
/// Seeds of the short run.
const NR_SEEDS: u64 = 6;
/// Children of a run, and calls of each.
const SIZE: [&str; 2] = ["40", "60"];
/// What dr7 may take of the host, KiB.
const HOST_KIB: &str = "2500000";
/// Instructions, at most: children may loop for ever.
const MAX_INSNS: &str = "60000000";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What went wrong with a seed.
fn failure(program: &Path, seed: u64) -> Option<String> {
    let script = format!("ulimit -v {HOST_KIB}; exec timeout 120 \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_dr7"), "run", "--mem", "64M"]);
    command.args(["--max-insns", MAX_INSNS, "--"]).arg(program);
    command.arg(seed.to_string()).args(SIZE);
    let output = run(&mut command, b"");
    let stderr = text(&output.stderr);
    let words = ["panicked", "memory allocation", "the modelled kernel failed", "overflow"];
    let is_bad = output.status.code().is_none_or(|code| code == 124 || code == 101)
        || words.iter().any(|word| stderr.contains(word));
    is_bad.then(|| format!("seed {seed}: {}\n{stderr}", output.status))
}

#[expect(clippy::print_stdout, reason = "figures of a long run, with --nocapture")]
#[test]
fn any_call_with_any_arguments() {
    let Some(program) = RECIPE.build("hostile/random_calls.c") else { return };
    let first = number("DR7_FUZZ_SEED").unwrap_or(1);
    let end = number("DR7_FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    let goes_on = |seed: u64| match end {
        Some(end) => Instant::now() < end,
        None => seed < first + NR_SEEDS,
    };
    let mut failures = Vec::new();
    let mut seed = first;
    while goes_on(seed) {
        failures.extend(failure(&program, seed));
        seed += 1;
    }
    println!("{} seeds from {first}: {} failures", seed - first, failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
