//! Programs, events and options that cannot be used are refused with status 2
//! and a message that says why, and leave nothing behind.

mod guest_programs;
mod refusals;

use std::ops::Range;
use std::path::Path;

use guest_programs::{dr7, run, text};
use refusals::{STATUS_BAD_INPUT, assert_empty, assert_refused, directory, small_program, write};

/// Runs `dr7 run ARGUMENTS -- PROGRAM`, and `dr7 record` in the same way, which
/// must leave no file.
fn assert_program_refused(program: &Path, arguments: &[&str], reasons: &[&str], what: &str) {
    let output = run(dr7().arg("run").args(arguments).arg("--").arg(program), &[]);
    assert_refused(&output, reasons, what);
    assert!(output.stdout.is_empty(), "{what}: something ran: {}", text(&output.stdout));

    let directory = directory();
    let mut command = dr7();
    command.arg("record").arg("-o").arg(directory.path().join("refused.dr7"));
    let output = run(command.args(arguments).arg("--").arg(program), &[]);
    assert_refused(&output, reasons, what);
    assert_empty(directory.path(), what);
}

// -------------------------------------------------------------------- programs

#[test]
fn files_that_are_no_programs() {
    let directory = directory();
    let cases: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("text", b"int main(void) { return 0; }\n"),
        ("script", b"#!/bin/sh\nexit 0\n"),
        ("zeros", &[0; 4096]),
    ];
    for (name, bytes) in cases {
        let path = write(&directory, name, bytes);
        assert_program_refused(&path, &[], &["ELF"], name);
    }
    let missing = directory.path().join("missing");
    assert_program_refused(&missing, &[], &["No such file", "not found", "cannot read"], "missing");
    assert_program_refused(directory.path(), &[], &["directory", "cannot read"], "a directory");
}

#[test]
fn programs_for_other_machines() {
    let Some((_, image)) = small_program() else {
        return;
    };
    let directory = directory();
    // Offset in the ELF header, the byte put there, what the message must name.
    let cases: [(&str, usize, u8, &[&str]); 5] = [
        ("32-bit", 4, 1, &["32-bit", "ELF class", "64-bit"]),
        ("big-endian", 5, 2, &["endian"]),
        ("aarch64", 18, 183, &["machine", "x86-64"]),
        ("relocatable", 16, 1, &["executable", "object"]),
        ("core", 16, 4, &["executable", "core"]),
    ];
    for (name, offset, value, reasons) in cases {
        let mut bytes = image.clone();
        bytes[offset] = value;
        let path = write(&directory, name, &bytes);
        assert_program_refused(&path, &[], reasons, name);
    }
}

fn little_endian(bytes: &[u8], range: Range<usize>) -> u64 {
    bytes[range].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The end of the last byte of the file that is loaded.
fn loaded_end(image: &[u8]) -> usize {
    let table = little_endian(image, 32..40) as usize;
    let entry_bytes = little_endian(image, 54..56) as usize;
    let nr_entries = little_endian(image, 56..58) as usize;
    let headers = (0..nr_entries).map(|i| &image[table + i * entry_bytes..][..entry_bytes]);
    let loaded = headers.filter(|header| little_endian(header, 0..4) == 1);
    let ends = loaded.map(|h| little_endian(h, 8..16) + little_endian(h, 32..40));
    ends.max().expect("a loaded segment") as usize
}

/// A program cut off before its last loaded byte is refused. What comes after it
/// (symbols, debug information) is not needed to run, as on Linux.
#[test]
fn truncated_programs() {
    let Some((path, image)) = small_program() else {
        return;
    };
    let directory = directory();
    let end = loaded_end(&image);
    let headers = 0..end.min(400);
    let lengths = headers.chain((400..end).step_by(97)).chain([end.saturating_sub(1)]);
    for length in lengths {
        let path = write(&directory, "truncated", &image[..length]);
        let output = run(dr7().args(["run", "--"]).arg(&path), &[]);
        assert_refused(&output, &["ELF", "truncated"], &format!("{length} bytes of a program"));
        assert!(output.stdout.is_empty(), "{length} bytes of a program: something ran");
    }
    let whole = run(dr7().args(["run", "--"]).arg(&path), &[]);
    for length in (end..image.len()).step_by(211) {
        let path = write(&directory, "truncated", &image[..length]);
        let output = run(dr7().args(["run", "--"]).arg(&path), &[]);
        if output.status.code() == Some(STATUS_BAD_INPUT) {
            assert_refused(&output, &["ELF", "truncated"], &format!("{length} bytes"));
        } else {
            assert_eq!(output.stdout, whole.stdout, "{length} bytes of a program");
            assert_eq!(output.status, whole.status, "{length} bytes of a program");
        }
    }
}

/// Damaged headers lead to a refusal or to a run that ends, never to a panic.
#[test]
fn altered_program_headers() {
    let Some((_, image)) = small_program() else {
        return;
    };
    let directory = directory();
    for offset in 16..image.len().min(64 + 4 * 56) {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = image.clone();
            if bytes[offset] == value {
                continue;
            }
            bytes[offset] = value;
            let path = write(&directory, "altered", &bytes);
            let output = run(dr7().args(["run", "--"]).arg(&path), &[]);
            let said = text(&output.stderr);
            let what = format!("byte {offset} of the headers set to {value:#x}");
            assert!(!said.contains("panicked at"), "{what}: dr7 panicked:\n{said}");
            assert!(output.status.code().is_some(), "{what}: dr7 was killed: {}", output.status);
            if output.status.code() == Some(STATUS_BAD_INPUT) {
                assert!(!said.trim().is_empty(), "{what}: no message");
            }
        }
    }
}

// ---------------------------------------------------------------------- events

#[test]
fn events_that_say_nothing() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let cases = [
        "",
        "mem",
        "mem:",
        "mem:/8",
        "mem::w",
        "mem:0x",
        "mem:0xg",
        "mem:0x601040/",
        "mem:0x601040/3:w",
        "mem:0x601040/0:w",
        "mem:0x601040/-8:w",
        "mem:0x601040/16:w",
        "mem:0x601040/8:",
        "mem:0x601040/8:q",
        "mem:0x601040/8:ww",
        "mem:0x601040/8:r",
        "mem:0x601040/8:rx",
        "mem:0x601040/4:x",
        "mem:0x601040/8:w:w",
        "mem:0x10000000000000000/8:w",
        "mem:said+/4:w",
        "mem:said+x/4:w",
        "cyclops",
        "mem:said/4:w,mem:said/4:w",
        "mem:said +4/4:w",
        "mem:\u{e9}\u{df}/8:\u{fc}",
    ];
    for event in cases {
        let reasons = ["mem:", "event", "symbol", "column"];
        assert_program_refused(&path, &["-e", event], &reasons, &format!("event {event:?}"));
    }
}

#[test]
fn events_that_no_register_can_watch() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let cases: [(&str, &[&str]); 6] = [
        ("mem:no_such_symbol/4:w", &["no_such_symbol"]),
        ("mem:sayd/4:w", &["sayd"]),
        ("mem:0x601041/8:w", &["align", "EINVAL"]),
        ("mem:0x601042/4:w", &["align", "EINVAL"]),
        ("mem:0xffffffffffffffff/2:w", &["align", "EINVAL", "beyond the end"]),
        ("mem:said+0xffffffffffffffff/1:w", &["overflow", "address", "beyond", "symbol"]),
    ];
    for (event, reasons) in cases {
        assert_program_refused(&path, &["-e", event], reasons, &format!("event {event:?}"));
    }
}

#[test]
fn more_events_than_registers() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let five = ["-e", "mem:said/4:w"].repeat(5);
    let reasons = ["ENOSPC", "slot", "debug register"];
    assert_program_refused(&path, &five, &reasons, "five events");
    let four =
        run(dr7().arg("run").args(["-e", "mem:said/4:w"].repeat(4)).arg("--").arg(&path), &[]);
    assert_ne!(four.status.code(), Some(STATUS_BAD_INPUT), "four events: {}", text(&four.stderr));
}

/// Rule 2.4.1: one counter for the machine, and its last unit is never given out.
#[test]
fn more_events_than_2_6_33_has() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let watches = |nr: usize| ["-e", "mem:said/4:w"].repeat(nr);
    let of_kernel = |options: &[&'static str], nr| [options, &watches(nr)].concat();
    let four = of_kernel(&["--kernel", "2.6.33"], 4);
    assert_program_refused(&path, &four, &["ENOSPC", "slot"], "four events on 2.6.33");
    for arguments in [
        of_kernel(&["--kernel", "2.6.33"], 3),
        of_kernel(&["--kernel", "2.6.33", "--defect", "S1=off"], 4),
    ] {
        let output = run(dr7().arg("run").args(&arguments).arg("--").arg(&path), &[]);
        let said = text(&output.stderr);
        assert_ne!(output.status.code(), Some(STATUS_BAD_INPUT), "{arguments:?}: {said}");
    }
}

#[test]
fn options_that_say_nothing() {
    let Some((path, _)) = small_program() else {
        return;
    };
    let cases: [&[&str]; 9] = [
        &["--kernel", "2.4"],
        &["--defect", "S99=off"],
        &["--defect", "S1=maybe"],
        &["--cpus", "0"],
        &["--cpus", "65"],
        &["--cpus", "many"],
        &["--timing", "exact"],
        &["--no-such-option"],
        &["-e"],
    ];
    for options in cases {
        let output = run(dr7().arg("run").args(options).arg("--").arg(&path), &[]);
        assert_refused(
            &output,
            &[options[0], options.last().unwrap_or(&"")],
            &format!("{options:?}"),
        );
    }
    for arguments in [&["run"][..], &["record"], &["replay"], &["dump"], &["no-such-command"]] {
        let output = run(dr7().args(arguments), &[]);
        assert_refused(&output, &["usage"], &format!("{arguments:?}"));
    }
}
