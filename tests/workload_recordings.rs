//! The recordings in `workloads/` replay, and stay small.

mod guest_programs;

use std::fs;
use std::path::{Path, PathBuf};

use guest_programs::{dr7, run, text};

/// All recordings together.
const MAX_TOTAL_BYTES: u64 = 1_000_000;

/// Recordings that there must be, and what their replay must show.
const EXPECTED: [(&str, &str); 4] = [
    ("overflow", "copy_name"),
    ("perf_bp", "6 samples"),
    ("sort", "elements"),
    ("two_tasks", "ENOSPC"),
];

fn recordings() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "dr7")).collect();
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn the_expected_ones_are_there() {
    let found: Vec<String> = recordings().iter().map(|path| stem(path)).collect();
    for (name, _) in EXPECTED {
        assert!(
            found.iter().any(|stem| stem == name),
            "workloads/{name}.dr7 is missing: {found:?}"
        );
    }
}

#[test]
fn each_replays_identically() {
    for path in recordings() {
        let name = stem(&path);
        let output = run(dr7().arg("replay").arg(&path), &[]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}:\n{said}");
        assert!(said.contains("identical"), "{name} does not say identical:\n{said}");
        for (_, shown) in EXPECTED.iter().filter(|(stem, _)| *stem == name) {
            assert!(said.contains(shown), "{name} does not show {shown}:\n{said}");
        }
    }
}

#[test]
fn they_are_small() {
    let sizes: Vec<(u64, PathBuf)> = recordings()
        .into_iter()
        .map(|path| (fs::metadata(&path).map_or(u64::MAX, |about| about.len()), path))
        .collect();
    let total = sizes.iter().fold(0_u64, |sum, (bytes, _)| sum.saturating_add(*bytes));
    assert!(total < MAX_TOTAL_BYTES, "{total} bytes in all, at most {MAX_TOTAL_BYTES}: {sizes:?}");
}
