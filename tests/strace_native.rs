//! `dr7 run --strace` beside the host's strace: the same lines, task by task, with ids,
//! addresses and times masked. What differs is in `tests/data/strace-differences.txt`, with the
//! reason of each. And a trace changes nothing about the run.

mod guest_programs;
#[path = "strace_native/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_programs::recipe::Recipe;
use guest_programs::{dr7, run, scratch_directory, skip, text};
use trace::{by_task, difference};

const RECIPE: Recipe =
    Recipe { compiler: "gcc", options: &["-O1", "-static", "-pthread"], libraries: &[] };

/// Whose lines are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// All tasks'.
    All,
    /// The first task's: one that is traced itself cannot be followed by strace.
    First,
}

/// The environment that `dr7 run` gives its guests.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/"), ("LANG", "C"), ("TERM", "dumb")];

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").output();
    let works = found.is_ok_and(|output| text(&output.stdout).contains("version"));
    if !works {
        skip("strace is not installed");
    }
    works
}

fn native_trace(program: &Path, arguments: &[&str], follow: Follow, to: &Path) -> String {
    // Who starts the tests may ignore signals; the guest's first program does not.
    let mut command = Command::new("env");
    command
        .args(["--default-signal", "strace", "-q"])
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/");
    if follow == Follow::All {
        command.arg("-f");
    }
    // Its own standard error, so that the program's is none of the trace.
    command.arg("-o").arg(to).arg(program).args(arguments);
    run(&mut command, b"");
    fs::read_to_string(to).unwrap_or_default()
}

fn dr7_trace(program: &Path, arguments: &[&str], to: &Path) -> String {
    let mut command = dr7();
    let option = format!("--strace={}", to.display());
    command
        .args(["run", "--root", "/", "--chdir", "/", &option, "--"])
        .arg(program)
        .args(arguments);
    run(&mut command, b"");
    fs::read_to_string(to).unwrap_or_default()
}

/// Lines that may differ, by program; those of `*` may in every one.
fn known_differences() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/strace-differences.txt");
    let (mut known, mut program): (BTreeMap<String, Vec<String>>, _) = Default::default();
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("== ") {
            program = name.to_owned();
        } else if line.starts_with("- ") || line.starts_with("+ ") {
            known.entry(String::clone(&program)).or_default().push(line.to_owned());
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    known
}

/// Differences that no reason is known for.
fn unexplained(name: &str, program: &Path, arguments: &[&str], follow: Follow) -> Vec<String> {
    let place = |kind: &str| scratch_directory().join(format!("strace-{name}.{kind}"));
    let native = by_task(&native_trace(program, arguments, follow, &place("native")));
    let emulated = by_task(&dr7_trace(program, arguments, &place("dr7")));
    let nr_tasks = match follow {
        Follow::All => native.len().max(emulated.len()),
        Follow::First => 1,
    };
    assert!(!native.is_empty() && native[0].len() > 3, "{name}: strace shows nothing");
    let known = known_differences();
    let is_known = |line: &String| {
        ["*", name].iter().any(|whose| known.get(*whose).is_some_and(|lines| lines.contains(line)))
    };
    let nothing = Vec::new();
    let mut found = Vec::new();
    for task in 0..nr_tasks {
        let lines = |of: &[Vec<String>]| of.get(task).cloned().unwrap_or(nothing.clone());
        let differs = difference(&lines(&native), &lines(&emulated));
        found.extend(differs.into_iter().filter(|line| !is_known(line)));
    }
    found
}

fn compare(name: &str, program: &Path, arguments: &[&str], follow: Follow) {
    let found = unexplained(name, program, arguments, follow);
    assert!(found.is_empty(), "{name}: -strace +dr7\n{}\n", found.join("\n"));
}

fn compare_program(name: &str, follow: Follow) {
    if !has_strace() {
        return;
    }
    if let Some(program) = RECIPE.build(&format!("strace/{name}.c")) {
        compare(name, &program, &[], follow);
    }
}

#[test]
fn calls_with_structures() {
    compare_program("calls", Follow::All);
}

#[test]
fn signals() {
    compare_program("signals", Follow::All);
}

#[test]
fn threads_and_children() {
    compare_program("tasks", Follow::All);
}

#[test]
fn debug_registers() {
    compare_program("debug", Follow::First);
}

#[test]
fn busybox_commands() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|d| d.join("busybox")).find(|p| p.is_file());
    let (true, Some(busybox)) = (has_strace(), found) else { return };
    for (name, arguments) in [
        ("echo", &["echo", "a", "b"][..]),
        ("cat", &["cat", "/etc/hostname", "/nonexistent"]),
        ("head", &["head", "-c", "5", "/etc/passwd"]),
        ("sh", &["sh", "-c", "cd /etc; pwd; test -d /nonexistent; kill -9 $$"]),
        ("find", &["find", "/etc/passwd", "-type", "f"]),
    ] {
        compare(&format!("busybox-{name}"), &busybox, arguments, Follow::All);
    }
}

fn recording(program: &Path, with: &[&str], to: &Path) -> Vec<u8> {
    let mut command = dr7();
    command.args(["record", "--timing", "table", "--cpus", "2", "-e", "mem:watched:w", "-o"]);
    command.arg(to).args(with).arg("--").arg(program);
    let output = run(&mut command, b"");
    assert_eq!(output.status.code(), Some(128 + 5), "{}", text(&output.stderr));
    fs::read(to).unwrap()
}

/// Same recording byte by byte, and a replay that shows the same trace.
#[test]
fn a_trace_changes_nothing() {
    let Some(program) = RECIPE.build("strace/debug.c") else { return };
    let place = |name: &str| -> PathBuf { scratch_directory().join(name) };
    let (plain, traced) = (place("strace-plain.dr7"), place("strace-traced.dr7"));
    let (first, second) = (place("strace-first.txt"), place("strace-second.txt"));
    let option = |to: &Path| format!("--strace={}", to.display());
    let without = recording(&program, &[], &plain);
    let with = recording(&program, &[&option(&first)], &traced);
    assert!(without == with, "the recordings differ");
    let replayed = run(dr7().arg("replay").arg(option(&second)).arg(&plain), b"");
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    let trace = fs::read_to_string(first).unwrap();
    assert!(trace.contains("u_debugreg) + 7*8, 0xd0001 /* L0:w/4 */"), "{trace}");
    assert_eq!(fs::read_to_string(second).unwrap(), trace);
}

#[test]
fn a_filter_chooses_calls() {
    let Some(program) = RECIPE.build("strace/signals.c") else { return };
    let shown = |filter: &str| {
        let mut command = dr7();
        command.args(["run", "--strace", "--strace-filter", filter, "--"]).arg(&program);
        let output = run(&mut command, b"");
        let told = text(&output.stderr);
        let trace = told.split("\n\n").next().unwrap_or_default();
        trace.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let only = shown("kill,%memory");
    assert!(only.iter().any(|line| line.starts_with("kill(")), "{only:?}");
    assert!(only.iter().any(|line| line.starts_with("brk(")), "{only:?}");
    assert!(only.iter().any(|line| line.contains("--- SIGUSR1 {")), "{only:?}");
    assert!(!only.iter().any(|line| line.contains("pipe2(")), "{only:?}");
    let none = shown("none");
    assert!(none.iter().all(|line| line.contains("---") || line.contains("+++")), "{none:?}");
    let mut refused = dr7();
    refused.args(["run", "--strace", "--strace-filter", "opn", "--"]).arg(&program);
    let refused = run(&mut refused, b"");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("did you mean open"), "{}", text(&refused.stderr));
}
