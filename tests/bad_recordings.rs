//! Recordings that were truncated or altered anywhere, or cannot be written, are
//! refused with status 2 and a message that says why.

mod guest_programs;
mod refusals;

use std::fs;
use std::thread;

use guest_programs::{dr7, run, text};
use refusals::{assert_empty, assert_refused, directory, small_program, write};
use tempfile::TempDir;

/// Up to this size each byte is damaged in turn; above it, this many of them.
const NR_DAMAGED_BYTES: usize = 1500;

#[test]
fn files_that_are_no_recordings() {
    let directory = directory();
    let cases: [(&str, &[u8]); 3] =
        [("empty", b""), ("text", b"not a recording\n"), ("zeros", &[0; 4096])];
    for (name, bytes) in cases {
        let path = write(&directory, name, bytes);
        for command in ["replay", "dump"] {
            let output = run(dr7().arg(command).arg(&path), &[]);
            assert_refused(&output, &["recording", "magic"], &format!("{command} {name}"));
        }
    }
    for command in ["replay", "dump"] {
        let output = run(dr7().arg(command).arg(directory.path().join("missing")), &[]);
        assert_refused(
            &output,
            &["No such file", "not found", "cannot read"],
            "a missing recording",
        );
    }
}

/// A recording of the smallest program, with a watch.
fn small_recording(directory: &TempDir) -> Option<Vec<u8>> {
    let (path, _) = small_program()?;
    let to = directory.path().join("small.dr7");
    let mut command = dr7();
    command.arg("record").arg("-o").arg(&to).args(["-e", "mem:said/4:w", "--"]).arg(path);
    let output = run(&mut command, &[]);
    Some(fs::read(&to).unwrap_or_else(|e| panic!("{e}:\n{}", text(&output.stderr))))
}

/// Every position of a small file, evenly spread ones of a larger file.
fn positions(length: usize) -> Vec<usize> {
    let step = length.div_ceil(NR_DAMAGED_BYTES).max(1);
    let mut positions: Vec<usize> = (0..length).step_by(step).collect();
    positions.extend(length.checked_sub(1));
    positions
}

/// Runs `check` for each position, on two threads.
fn for_each_position(positions: &[usize], check: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for half in positions.chunks(positions.len().div_ceil(2).max(1)) {
            let check = &check;
            scope.spawn(move || half.iter().for_each(|&at| check(at)));
        }
    });
}

fn assert_recording_refused(directory: &TempDir, name: &str, bytes: &[u8], what: &str) {
    let path = write(directory, name, bytes);
    let output = run(dr7().arg("replay").arg(&path), &[]);
    assert_refused(&output, &["offset", "recording"], what);
    fs::remove_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

#[test]
fn truncated_recordings() {
    let directory = directory();
    let Some(whole) = small_recording(&directory) else {
        return;
    };
    for_each_position(&positions(whole.len()), |length| {
        let what = format!("{length} of {} bytes of a recording", whole.len());
        assert_recording_refused(&directory, &length.to_string(), &whole[..length], &what);
    });
    let longer = [whole.as_slice(), b"x"].concat();
    assert_recording_refused(&directory, "longer", &longer, "a byte too much");
}

#[test]
fn altered_recordings() {
    let directory = directory();
    let Some(whole) = small_recording(&directory) else {
        return;
    };
    for_each_position(&positions(whole.len()), |at| {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        let what = format!("byte {at} of {} altered", whole.len());
        assert_recording_refused(&directory, &at.to_string(), &altered, &what);
    });
}

/// A recording that cannot be written leaves nothing, and an older one of that
/// name stays as it was.
#[test]
fn recordings_that_cannot_be_written() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let directory = directory();
    let nowhere = directory.path().join("missing").join("out.dr7");
    let output = run(dr7().arg("record").arg("-o").arg(&nowhere).arg("--").arg(&path), &[]);
    assert_refused(
        &output,
        &["No such file", "cannot write", "cannot create"],
        "no such directory",
    );

    let older = write(&directory, "older.dr7", b"older");
    let mut command = dr7();
    command
        .arg("record")
        .arg("-o")
        .arg(&older)
        .args(["-e", "mem:no_such_symbol/4:w", "--"])
        .arg(&path);
    assert_refused(&run(&mut command, &[]), &["no_such_symbol"], "an older recording");
    assert_eq!(fs::read(&older).ok().as_deref(), Some(b"older".as_slice()), "the older recording");
    fs::remove_file(&older).unwrap_or_else(|e| panic!("{}: {e}", older.display()));
    assert_empty(directory.path(), "recordings that could not be written");
}
