//! Programs that take all they can get, or pull the ground from under themselves, end as on
//! Linux or at the limit that the command line sets; dr7 itself lives, says why, and stays
//! within a few times the guest's memory.

mod guest_programs;

use std::path::Path;
use std::process::Command;

use guest_programs::recipe::Recipe;
use guest_programs::{run, text};

const RECIPE: Recipe =
    Recipe { compiler: "cc", options: &["-static", "-std=gnu11", "-O1"], libraries: &["-pthread"] };

/// Memory of the machine.
const MEMORY: &str = "64M";
/// What dr7 may take of the host, KiB: its own needs, and the guest's memory several times.
const HOST_KIB: &str = "2000000";
/// The status of a run that ends at the limit of instructions.
const STATUS_LIMIT: i32 = 2;
const LIMIT: &str = "stopped at the limit of --max-insns";

/// How a program ends.
struct End<'text> {
    status: i32,
    stdout: &'text str,
    /// Words of standard error.
    says: &'text str,
}

/// Runs a program for so many instructions at most, with a bound on dr7's own memory.
fn check(source: &str, max_insns: u64, expected: &End<'_>) {
    let Some(program) = RECIPE.build(&format!("hostile/{source}.c")) else { return };
    let found = bounded(&program, max_insns);
    let (stdout, stderr) = (text(&found.stdout), text(&found.stderr));
    assert!(!stderr.contains("panicked"), "{source}: {stderr}");
    assert_eq!(found.status.code(), Some(expected.status), "{source}: {stdout}{stderr}");
    assert_eq!(stdout, expected.stdout, "{source}: {stderr}");
    assert!(stderr.contains(expected.says), "{source}: {stderr}");
}

fn bounded(program: &Path, max_insns: u64) -> std::process::Output {
    let script = format!("ulimit -v {HOST_KIB}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_dr7"), "run", "--mem", MEMORY]);
    command.args(["--max-insns", &max_insns.to_string(), "--"]).arg(program);
    run(&mut command, b"")
}

#[test]
fn memory_without_end() {
    let says = "out of memory: killed memory_hog";
    check("memory_hog", 100_000_000, &End { status: 137, stdout: "", says });
}

#[test]
fn children_are_killed_and_the_parent_lives() {
    let stdout =
        "child 0 ended by signal 9\nchild 1 ended by signal 9\nchild 2 ended by signal 9\n";
    let says = "out of memory: killed hog_children/1003";
    check("hog_children", 200_000_000, &End { status: 0, stdout, says });
}

#[test]
fn areas_have_a_limit() {
    let stdout = "1 areas more: Cannot allocate memory\nunmapped 0\n";
    check("many_maps", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn files_fill_their_part_of_memory() {
    let stdout = "memfd: No space left on device\ntmp: No space left on device\nmapped 1\n\
                  punched 0\nremoved 0\n";
    check("fill_files", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn pipes_fill_their_part_of_memory() {
    let stdout = "all pipes are tried\n";
    check("fill_pipes", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn ipc_objects_fill_their_part_of_memory() {
    let stdout = "sets 1: Cannot allocate memory\nenlarged 0\nmessages: Cannot allocate memory\n\
                  segments 1: No space left on device\n";
    check("many_ipc_objects", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn processes_and_threads_have_a_limit() {
    check("fork_bomb", 10_000_000, &End { status: STATUS_LIMIT, stdout: "", says: LIMIT });
    let stdout = "more than 50 threads: 1: Resource temporarily unavailable\n";
    check("many_threads", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn signals_that_answer_signals_use_up_the_stack() {
    check("signal_storm", 100_000_000, &End { status: 139, stdout: "", says: "" });
}

#[test]
fn the_ground_pulled_away() {
    for source in ["unmap_all", "unmap_stack", "protect_code", "deep_stack"] {
        check(source, 10_000_000, &End { status: 139, stdout: "going\n", says: "" });
    }
}

#[test]
fn deep_directories() {
    check(
        "deep_directories",
        100_000_000,
        &End { status: 0, stdout: "deep 1\npath 1\n", says: "" },
    );
}

#[test]
fn huge_arguments() {
    let stdout = "1: Argument list too long\nArgument list too long\n";
    check("huge_arguments", 100_000_000, &End { status: 0, stdout, says: "" });
}

#[test]
fn programs_that_never_end() {
    for source in ["endless_loop", "exec_for_ever"] {
        check(source, 5_000_000, &End { status: STATUS_LIMIT, stdout: "", says: LIMIT });
    }
}
