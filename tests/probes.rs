//! The probe programs print under `dr7 run` what they printed on Linux 6.18.
//!
//! `tests/data/probes/` has what was measured. Words of a line are compared one by one; a number
//! of a thousand or more is a time, an id or an address, and any number will do in its place,
//! unless its key says that it counts. `differences.txt` lists every other line that differs,
//! with the reason; an entry that is not needed is an error too.

mod guest_programs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use guest_programs::recipe::Recipe;
use guest_programs::{dr7, run, skip, text};

const STATIC: Recipe =
    Recipe { compiler: "cc", options: &["-O1", "-w", "-mavx", "-static"], libraries: &[] };

/// Numbers below this are never times, ids or addresses.
const SMALL: u64 = 1_000;

/// Keys whose numbers count something, however large.
const COUNTS: [&str; 7] = ["count", "samples", "leader", "sibling", "size", "read", "period"];

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probes").join(file)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Words of letters and digits, and every other character by itself.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

/// A decimal or hexadecimal number.
fn number(word: &str) -> Option<u64> {
    let hex = word.strip_prefix("0x").unwrap_or(word);
    word.parse().ok().or_else(|| u64::from_str_radix(hex, 16).ok())
}

/// Whether `found` is what was measured, but for times, ids and addresses.
fn agrees(measured: &str, found: &str) -> bool {
    let (measured, found) = (words(measured), words(found));
    measured.len() == found.len()
        && (0..measured.len()).all(|at| {
            let (wanted, got) = (measured[at], found[at]);
            let is_value_of = |key: &str| at >= 2 && measured[at - 2..at] == [key, "="];
            let counts = COUNTS.iter().any(|key| is_value_of(key));
            let any_number = number(wanted).is_some_and(|n| n >= SMALL) && number(got).is_some();
            wanted == got || any_number && !counts
        })
}

/// Lines that may differ, with the reasons: `PROBE LINE[-LINE]: reason`.
fn known_differences(probe: &str) -> BTreeMap<usize, String> {
    let mut known = BTreeMap::new();
    for line in read(&data("differences.txt")).lines().filter(|line| !line.starts_with('#')) {
        let (place, reason) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        let (of, lines) = place.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
        let [first, last] = [first, last].map(|n| n.parse().unwrap_or_else(|_| panic!("{line}")));
        if of == probe {
            known.extend((first..=last).map(|number: usize| (number, reason.to_owned())));
        }
    }
    known
}

/// Runs a probe and compares every line. `options` are `dr7 run`'s.
fn compare(probe: &str, options: &[&str], arguments: &[&str]) {
    let Some(program) = STATIC.build(&format!("probes/{probe}.c")) else { return };
    let mut command = dr7();
    command.args(["run", "--cpus", "2"]).args(options).arg("--").arg(&program).args(arguments);
    let output = run(&mut command, &[]);
    let found = text(&output.stdout);
    let measured = read(&data(&format!("{probe}.txt")));
    let mut known = known_differences(probe);
    let nr_lines = measured.lines().count().max(found.lines().count());
    let mut wrong = String::new();
    for number in 1..=nr_lines {
        let side = |all: &str| all.lines().nth(number - 1).unwrap_or("(end)").to_owned();
        let (wanted, got) = (side(&measured), side(&found));
        let is_known = known.remove(&number).is_some();
        if agrees(&wanted, &got) == is_known {
            let what = if is_known { "is listed and agrees" } else { "differs" };
            wrong.push_str(&format!(
                "line {number} {what}\n  measured {wanted}\n  found    {got}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "{probe}:\n{wrong}{}", text(&output.stderr));
    assert!(known.is_empty(), "{probe} has no lines {known:?}");
}

#[test]
fn p01_validate() {
    compare("p01_validate", &[], &[]);
}

#[test]
fn p03_slots() {
    compare("p03_slots", &[], &[]);
}

/// The probe's own random test, with five seeds.
#[test]
fn p03_random() {
    let Some(program) = STATIC.build("probes/p03_slots.c") else { return };
    for (seed, measured) in (1..).zip(read(&data("p03_random.txt")).lines()) {
        let mut command = dr7();
        command.args(["run", "--cpus", "2", "--"]).arg(&program).args(["4000", &seed.to_string()]);
        let output = run(&mut command, &[]);
        assert_eq!(text(&output.stdout).lines().last(), Some(measured), "seed {seed}");
    }
}

#[test]
fn p04_life() {
    compare("p04_life", &[], &[]);
}

#[test]
fn p05_count() {
    compare("p05_count", &[], &[]);
}

/// It executes /bin/true, which is the host's.
#[test]
fn p06_core() {
    if Path::new("/bin/true").exists() {
        compare("p06_core", &["--root", "/"], &[]);
    } else {
        skip("there is no /bin/true");
    }
}

/// Its last part samples for 300 ms, which without the cost of a #DB would be a hundred million
/// hits.
#[test]
fn p07_sample() {
    compare("p07_sample", &["--timing", "table"], &[]);
}

#[test]
fn p09_modify() {
    compare("p09_modify", &[], &[]);
}

#[test]
fn p11_ptrace() {
    compare("p11_ptrace", &[], &[]);
}

/// It executes `true` of the host, with the host's C library: their records are compared where
/// those are what they were where this was measured.
#[test]
fn p12_sideband() {
    if Path::new("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").exists() {
        compare("p12_sideband", &["--root", "/"], &[]);
    } else {
        skip("there is no dynamic linker where the probe's output names it");
    }
}

#[test]
fn p13_kaddr() {
    compare("p13_kaddr", &[], &[]);
}

/// 32-bit programs make other system calls; the kernel model refuses to run them by name.
#[test]
fn p15_compat() {
    let recipe = Recipe {
        compiler: "cc",
        options: &["-m32", "-O1", "-w", "-nostdlib", "-static", "-ffreestanding", "-fno-pie"],
        libraries: &[],
    };
    skip("p15_compat: 32-bit programs are not run by the kernel model");
    let Some(program) = recipe.build("probes/p15_compat.c") else { return };
    let output = run(dr7().args(["run", "--"]).arg(program), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("32-bit"), "{}", text(&output.stderr));
}

#[test]
fn numbers_are_masked_and_counts_are_not() {
    assert!(agrees("id=3e41 pid=1221 at 0x55e9ff9e", "id=6 pid=17 at 0x40"));
    assert!(!agrees("pid=12", "pid=13"));
    assert!(!agrees("count=100000", "count=99999"));
    assert!(!agrees("a b", "a b c"));
    assert!(agrees("raw: 00000a62", "raw: 000003e8"));
}
