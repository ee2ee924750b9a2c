//! Programs about memory and System V IPC print under `dr7 run` what they print natively.

mod guest_programs;

use guest_programs::beside::{emulated, native};
use guest_programs::recipe::Recipe;

const RECIPE: Recipe =
    Recipe { compiler: "cc", options: &["-static", "-std=gnu11", "-O1"], libraries: &["-pthread"] };

/// Runs a program in both ways; what it prints and how it ends is the same.
fn compare(source: &str) {
    let Some(program) = RECIPE.build(source) else { return };
    let none: [&str; 0] = [];
    let expected = native(&program, &none, None, b"");
    let difference = match emulated(&[], &program, &none, b"") {
        Ok(found) => expected.difference(&found),
        Err(reason) => Some(reason),
    };
    assert_eq!(difference, None, "{source}");
}

#[test]
fn system_v_ipc() {
    compare("c/sysv_ipc.c");
}

#[test]
fn memory_calls() {
    compare("c/memory_calls.c");
}

#[test]
fn posix_message_queues() {
    compare("c/posix_mqueue.c");
}
