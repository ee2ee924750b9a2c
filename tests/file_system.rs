//! Programs that try the file system as several users would: what they print is what they print
//! natively, where the tests run as root on Linux.
//!
//! The sources are in `tests/guest_programs/fs`; each makes a directory of its own below `/tmp`.

mod guest_programs;

use guest_programs::beside::{emulated, native};
use guest_programs::recipe::Recipe;
use guest_programs::skip;

const NO_ARGUMENTS: [&str; 0] = [];

/// glibc's and musl's way to call the same kernel.
const RECIPES: [Recipe; 2] = [
    Recipe { compiler: "cc", options: &["-static", "-std=gnu11", "-O1"], libraries: &[] },
    Recipe { compiler: "musl-gcc", options: &["-static", "-std=gnu11", "-O1"], libraries: &[] },
];

/// Whether the native run is the superuser's, as the emulated one is.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t0\t0\t0"));
    if !is_root {
        skip("the native run has to be root's");
    }
    is_root
}

/// The program natively and on a tree with the tools that it starts.
fn compare(name: &str) {
    if !is_root() {
        return;
    }
    for recipe in RECIPES {
        let Some(program) = recipe.build(&format!("fs/{name}.c")) else { continue };
        let expected = native(&program, &NO_ARGUMENTS, None, b"");
        let difference = match emulated(&["--root", "/"], &program, &NO_ARGUMENTS, b"") {
            Ok(found) => expected.difference(&found),
            Err(reason) => Some(reason),
        };
        assert_eq!(difference, None, "{name} ({recipe})");
        assert!(!expected.stdout.is_empty(), "{name} says something");
    }
}

/// Owner, group, others, capabilities, sticky and set-id bits.
#[test]
fn permissions() {
    compare("permissions");
}

/// FIFOs, devices, files without a name, holes, copies inside the kernel, attributes, locks.
#[test]
fn special_files() {
    compare("special");
}
