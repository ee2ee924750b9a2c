//! docs/syscalls.md is what the kernel model's table says, and what is not supported is named
//! when it is called.

mod guest_programs;

use std::fs;
use std::path::Path;

use dr7::syscall_table::{show, table};
use guest_programs::recipe::Recipe;
use guest_programs::{dr7, run, text};

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/syscalls.md");
    let page = fs::read_to_string(path).unwrap();
    let now = show::markdown(&table());
    let line = page.lines().zip(now.lines()).position(|(page, now)| page != now);
    assert!(
        page == now,
        "write docs/syscalls.md again with `dr7 syscalls --markdown` (line {:?} differs)",
        line.map(|line| line + 1)
    );
}

#[test]
fn names_that_do_not_exist_are_refused_with_near_ones() {
    let known = run(dr7().args(["syscalls", "openat", "59", "--json"]), b"");
    assert_eq!(known.status.code(), Some(0));
    assert!(text(&known.stdout).lines().all(|line| line.starts_with('{')));
    assert_eq!(text(&known.stdout).lines().count(), 2);
    let unknown = run(dr7().args(["syscalls", "opneat"]), b"");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("did you mean openat"), "{}", text(&unknown.stderr));
}

/// The program makes uprobe(), which nothing supports here, and a call without a number's name.
#[test]
fn an_unsupported_call_is_named_once_and_answers_enosys() {
    let recipe = Recipe { compiler: "gcc", options: &["-O1", "-static"], libraries: &[] };
    let Some(program) = recipe.build("strace/unsupported.c") else { return };
    let output = run(dr7().arg("run").arg("--").arg(&program), b"");
    assert_eq!(text(&output.stdout), "-1 38\n-1 38\n-1 38\n");
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    let of = |what: &str| told.lines().filter(|line| line.contains(what)).count();
    assert_eq!(of("system call 336 (uprobe) is not supported"), 1, "{told}");
    assert_eq!(of("system call 400 (no name) is not supported"), 1, "{told}");
    assert!(told.contains("dr7: unsupported/1"), "{told}");
}
