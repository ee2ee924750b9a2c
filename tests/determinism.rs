//! Two recordings of the same run are the same bytes, on one CPU and on four,
//! with each timing model; and a replay of them is identical.

mod guest_programs;

use std::fs;
use std::path::Path;

use guest_programs::{Variant, build_or_skip, dr7, run, scratch_directory, text};

/// A run: the program, what is watched, its arguments and its input.
struct Workload {
    program: &'static str,
    watches: &'static [&'static str],
    arguments: &'static [&'static str],
    stdin: &'static [u8],
    variant: Variant,
}

const PLAIN: Workload = Workload {
    program: "hello",
    watches: &[],
    arguments: &[],
    stdin: b"",
    variant: Variant::SMALL,
};

const WORKLOADS: &[Workload] = &[
    PLAIN,
    Workload { variant: Variant::HOST, arguments: &["3", "words"], ..PLAIN },
    Workload { program: "overflow", watches: &["mem:guard/8:w"], ..PLAIN },
    Workload { program: "sort", watches: &["mem:elements+40/8:w", "mem:main:x"], ..PLAIN },
    Workload {
        program: "read_stdin",
        watches: &["mem:buffer/8:w", "mem:buffer+8/8:rw"],
        stdin: b"what a person might type, in more bytes than the buffer has room for: \
                 the rest of it comes with another read\n",
        ..PLAIN
    },
    Workload { program: "perf_bp", ..PLAIN },
    Workload { program: "perf_sample", variant: Variant::HOST, ..PLAIN },
    Workload { program: "sigtrap", ..PLAIN },
    Workload { program: "two_tasks", watches: &["mem:own_word/4:w"], ..PLAIN },
    Workload { program: "two_tasks", variant: Variant::HOST, ..PLAIN },
];

/// Records the workload into `to`; returns the file's bytes.
fn record(workload: &Workload, path: &Path, cpus: &str, timing: &str, to: &Path) -> Vec<u8> {
    let mut command = dr7();
    command.arg("record").arg("-o").arg(to).args(["--cpus", cpus, "--timing", timing]);
    command.args(workload.watches.iter().flat_map(|watch| ["-e", watch]));
    command.arg("--").arg(path).args(workload.arguments);
    let output = run(&mut command, workload.stdin);
    fs::read(to).unwrap_or_else(|error| {
        let complaint = text(&output.stderr);
        panic!("{}: no recording ({error}), {}:\n{complaint}", workload.program, output.status)
    })
}

fn assert_identical_replay(file: &Path, name: &str) {
    let output = run(dr7().arg("replay").arg(file), &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}: replay:\n{said}");
    assert!(said.contains("identical"), "{name}: replay does not say identical:\n{said}");
}

fn two_recordings_are_the_same(cpus: &str, timing: &str) {
    let directory = tempfile::tempdir_in(scratch_directory()).expect("a temporary directory");
    for workload in WORKLOADS {
        let Some(path) = build_or_skip(workload.program, workload.variant) else {
            continue;
        };
        let name =
            format!("{} ({}, --cpus {cpus} --timing {timing})", workload.program, workload.variant);
        let files = ["first.dr7", "second.dr7"].map(|file| directory.path().join(file));
        let [first, second] = files.each_ref().map(|to| record(workload, &path, cpus, timing, to));
        let difference = first.iter().zip(&second).position(|(a, b)| a != b);
        assert!(
            first == second,
            "{name}: {} and {} bytes, the first difference at {difference:?}",
            first.len(),
            second.len()
        );
        assert_identical_replay(&files[0], &name);
    }
}

#[test]
fn one_cpu_without_timing() {
    two_recordings_are_the_same("1", "none");
}

#[test]
fn one_cpu_with_the_table() {
    two_recordings_are_the_same("1", "table");
}

#[test]
fn four_cpus_without_timing() {
    two_recordings_are_the_same("4", "none");
}

#[test]
fn four_cpus_with_the_table() {
    two_recordings_are_the_same("4", "table");
}

/// The environment and the directory of the one who records are not in the
/// recording; nor is the time.
#[test]
fn the_surroundings_are_not_recorded() {
    let Some(path) = build_or_skip("hello", Variant::SMALL) else {
        return;
    };
    let directory = tempfile::tempdir_in(scratch_directory()).expect("a temporary directory");
    let record = |file: &str, variable: &str, from: &Path| {
        let to = directory.path().join(file);
        let mut command = dr7();
        command.env("DR7_TEST_SURROUNDINGS", variable).current_dir(from);
        command.arg("record").arg("-o").arg(&to).arg("--").arg(&path);
        let output = run(&mut command, &[]);
        fs::read(&to).unwrap_or_else(|e| panic!("{e}:\n{}", text(&output.stderr)))
    };
    let here = record("here.dr7", "one thing", directory.path());
    let there = record("there.dr7", "another thing, longer", Path::new("/"));
    assert!(here == there, "recordings differ with the environment or the directory");
}
