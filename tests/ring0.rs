//! The ring-0 conformance image: built, and run on bare machines.
//!
//! What QEMU and Bochs make of it is their own affair; of theirs only the reading of their
//! output is tested.

use std::collections::BTreeSet;
use std::path::Path;

use dr7::conformance::ring0::emulated::{self, Ran};
use dr7::conformance::ring0::results::{Results, Verdict};
use dr7::conformance::ring0::rules::RULES;
use dr7::conformance::ring0::table::{self, Column};
use dr7::conformance::ring0::toolchain::{self, BuildError, Built};
use emulator::bare::BareEnding;

/// The image, or nothing and a note on a machine without a compiler.
fn image(directory: &Path) -> Option<Built> {
    match toolchain::build(directory) {
        Ok(built) => Some(built),
        Err(missing @ BuildError::Missing { .. }) => {
            eprintln!("skipped: {missing}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn run(file: &Path, cpus: usize, command_line: &str) -> Ran {
    emulated::run(&std::fs::read(file).unwrap(), cpus, command_line).unwrap()
}

fn lines(results: &Results, verdict: Verdict) -> Vec<String> {
    let lines = results.lines.iter().filter(|line| line.verdict == verdict);
    lines.map(|line| format!("{} {}: {}", line.rules.join(","), line.name, line.reason)).collect()
}

#[test]
fn every_check_passes_from_both_entries_on_one_cpu_and_on_four() {
    let directory = tempfile::tempdir().unwrap();
    let Some(built) = image(directory.path()) else { return };
    for cpus in [1, 4] {
        for file in [built.multiboot(), built.elf64()] {
            let what = format!("{} on {cpus}", file.display());
            let ran = run(&file, cpus, "");
            let results = Results::parse(&ran.output);
            assert_eq!(lines(&results, Verdict::Fail), [""; 0], "{what}");
            assert_eq!(results.other, [""; 0], "{what}");
            assert_eq!(ran.ending, BareEnding::DebugExit(0), "{what}");
            assert!(results.all_passed(), "{what}: {:?}", results.totals);
            assert!(results.count(Verdict::Pass) > 1000, "{what}: {:?}", results.totals);
            let skipped = lines(&results, Verdict::Skip);
            let for_want_of_cpus = |line: &String| cpus == 1 && line.ends_with(": one CPU");
            assert!(skipped.iter().all(for_want_of_cpus), "{what}: {skipped:?}");
        }
    }
}

#[test]
fn two_runs_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let Some(built) = image(directory.path()) else { return };
    let once = run(&built.multiboot(), 2, "skip=matrix");
    assert_eq!(once, run(&built.multiboot(), 2, "skip=matrix"));
}

#[test]
fn names_are_unique_and_rules_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let Some(built) = image(directory.path()) else { return };
    let ran = run(&built.elf64(), 1, "list");
    let mut names = BTreeSet::new();
    let known: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    let mut checked = BTreeSet::new();
    for line in ran.output.lines().filter_map(|line| line.strip_prefix("NAME ")) {
        let (rules, _) = line.split_once(' ').unwrap();
        assert!(names.insert(line.to_owned()), "{line} twice");
        checked.extend(rules.split(',').map(str::to_owned));
    }
    let checked: BTreeSet<&str> = checked.iter().map(String::as_str).collect();
    assert_eq!(checked, known);
}

#[test]
fn one_check_is_selected_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let Some(built) = image(directory.path()) else { return };
    let ran = run(&built.multiboot(), 1, "only=icebp-rf one-cpu no-legacy");
    let results = Results::parse(&ran.output);
    assert_eq!(results.count(Verdict::Pass), 2, "{}", ran.output);
    assert_eq!(results.lines.len(), 2, "{}", ran.output);
}

#[test]
fn reports_of_others_are_read() {
    let column = |name: &str, text: &str| Column {
        name: name.to_owned(),
        version: String::new(),
        results: Results::parse(text),
        trouble: None,
    };
    let qemu = column("QEMU", include_str!("ring0/qemu.txt"));
    let bochs = column("Bochs", include_str!("ring0/bochs.txt"));
    for column in [&qemu, &bochs] {
        assert_eq!(column.results.other, [""; 0], "{}", column.name);
        assert!(column.results.totals.is_some(), "{}", column.name);
        assert!(!column.results.all_passed(), "{}", column.name);
    }
    let failures = table::failures(&qemu);
    assert!(failures.contains("- B clflush (cpl0, cpl3): `expected accessed"), "{failures}");
    let columns = [qemu, bochs];
    let rules = table::rules(&columns);
    assert!(rules.contains("| **0 of 4** | 4 |"), "{rules}");
    let told = table::differences(&columns);
    assert!(told.contains("| S6 hit-then-int3 |"), "{told}");
}
