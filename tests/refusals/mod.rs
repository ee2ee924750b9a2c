//! What a refusal looks like: status 2, a message that says why, and nothing
//! left behind.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::guest_programs::{Variant, build_or_skip, scratch_directory, text};

/// How the status ends on bad input.
pub(crate) const STATUS_BAD_INPUT: i32 = 2;

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(scratch_directory()).expect("a temporary directory")
}

/// Checks that bad input was refused as it should be: with a message that has
/// one of `reasons` in it, whatever their case.
pub(crate) fn assert_refused(output: &Output, reasons: &[&str], what: &str) {
    let said = text(&output.stderr);
    assert!(!said.contains("panicked at"), "{what}: dr7 panicked:\n{said}");
    assert_eq!(output.status.code(), Some(STATUS_BAD_INPUT), "{what}: stderr:\n{said}");
    let first = said.lines().next().unwrap_or_default();
    assert!(!first.trim().is_empty(), "{what}: no message");
    let lower = said.to_lowercase();
    let names_it = reasons.iter().any(|reason| lower.contains(&reason.to_lowercase()));
    assert!(names_it, "{what}: none of {reasons:?} in:\n{said}");
}

pub(crate) fn assert_empty(directory: &Path, what: &str) {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let left: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{what}: left behind {left:?}");
}

pub(crate) fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

pub(crate) fn small_program() -> Option<(PathBuf, Vec<u8>)> {
    let path = build_or_skip("tiny", Variant::HOST)?;
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some((path, bytes))
}
