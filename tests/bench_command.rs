//! `dr7 bench` with next to no work: every kernel compiles, prints under dr7 what
//! it prints natively, and leaves the silent watch alone. Times are not looked at.

mod guest_programs;

use guest_programs::{dr7, run, skip, text};

const KERNELS: [&str; 8] =
    ["sieve", "quicksort", "sha256", "mix", "bytecode", "nbody", "strings", "hash"];
/// One round of each kernel.
const TINY: [&str; 5] = ["bench", "--runs", "1", "--divide", "1000000000"];

#[test]
fn every_kernel_is_timed() {
    let output = run(dr7().args(TINY).args(["--contenders", "dr7,watch"]), b"");
    let (table, complaint) = (text(&output.stdout), text(&output.stderr));
    if table.starts_with("skipped: ") {
        skip(table.trim_start_matches("skipped: ").trim_end());
        return;
    }
    assert!(output.status.success(), "{table}{complaint}");
    for kernel in KERNELS {
        let line = table.lines().find(|line| line.starts_with(kernel)).unwrap_or_default();
        // Name, native time and unit, two slowdowns, instructions a second.
        assert_eq!(line.split_whitespace().count(), 6, "{kernel}:\n{table}");
    }
    assert!(table.contains("geometric mean"), "{table}");
}

#[test]
fn figures_come_as_json_lines() {
    let words = ["--contenders", "dr7", "--filter", "siev", "--json"];
    let output = run(dr7().args(TINY).args(words), b"");
    let lines = text(&output.stdout);
    if lines.starts_with("skipped: ") {
        skip(lines.trim_start_matches("skipped: ").trim_end());
        return;
    }
    assert!(output.status.success(), "{lines}{}", text(&output.stderr));
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["contender"], "dr7");
    }
}

#[test]
fn slots_are_measured_by_tasks() {
    let output = run(dr7().args(["bench", "slots", "--rounds", "1", "--tasks", "70"]), b"");
    let (table, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}{complaint}");
    assert!(!table.contains("FAILED"), "{table}");
    for wanted in ["reserve + release, any CPU: 70 tasks cost", "rotation", "this kernel"] {
        assert!(table.contains(wanted), "no {wanted:?} in\n{table}");
    }
}

#[test]
fn the_kernel_layer_is_measured() {
    let output = run(dr7().args(["bench", "linux", "--runs", "1", "--divide", "1000"]), b"");
    let (table, complaint) = (text(&output.stdout), text(&output.stderr));
    if table.starts_with("skipped: ") {
        skip(table.trim_start_matches("skipped: ").trim_end());
        return;
    }
    assert!(output.status.success(), "{table}{complaint}");
    for wanted in ["getppid", "fork+exit+wait", "context switch", "page fault", "thread+join"] {
        let line = table.lines().find(|line| line.starts_with(wanted)).unwrap_or_default();
        assert!(line.ends_with('x'), "{wanted}:\n{table}");
    }
}

#[test]
fn an_unknown_kernel_is_refused() {
    let output = run(dr7().args(TINY).args(["--filter", "fortran"]), b"");
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("fortran") && complaint.contains("quicksort"), "{complaint}");
}
