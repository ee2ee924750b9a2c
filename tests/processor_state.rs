//! Programs that look at what the processor and the kernel keep of a program beside its general
//! registers: segments and their descriptors, filters of system calls, and what a debugger does
//! with a tracee. Their output under `dr7 run` is that of the native run, byte by byte.

mod guest_programs;

use guest_programs::beside::{emulated, native};
use guest_programs::recipe::Recipe;

const GLIBC: Recipe = Recipe {
    compiler: "cc",
    options: &["-static", "-std=gnu11", "-O1", "-w", "-pthread"],
    libraries: &[],
};
const NO_ARGUMENTS: [&str; 0] = [];

/// What a native run says first where the host does not let it do what it is to show.
fn is_refused(output: &[u8]) -> bool {
    output.windows(b"Operation not permitted".len()).any(|part| part == b"Operation not permitted")
}

/// One program natively and on machines with one and with two CPUs.
fn compare(source: &str) {
    let Some(program) = GLIBC.build(source) else { return };
    let expected = native(&program, &NO_ARGUMENTS, None, b"");
    if is_refused(&expected.stdout) {
        guest_programs::skip(format_args!("{source} is refused by this host"));
        return;
    }
    for cpus in ["1", "2"] {
        let difference = match emulated(&["--cpus", cpus], &program, &NO_ARGUMENTS, b"") {
            Ok(found) => expected.difference(&found),
            Err(reason) => Some(reason),
        };
        assert_eq!(difference, None, "{source}, {cpus} CPUs");
    }
}

#[test]
fn segments() {
    compare("c/segments.c");
}

#[test]
fn filters_of_system_calls() {
    compare("c/syscall_filters.c");
}

#[test]
fn a_debugger_and_its_program() {
    compare("c/debugger.c");
}
