//! `--sched-seed` and `dr7 chaos`: threads that are right print the same under every
//! interleaving and on any number of CPUs; races are found, and their recordings replay to the
//! same end.

mod guest_programs;

use std::path::{Path, PathBuf};
use std::process::Output;

use guest_programs::recipe::Recipe;
use guest_programs::{Variant, build_or_skip, dr7, run, scratch_directory, text};

const fn threads(compiler: &'static str) -> Recipe {
    let options = &["-static", "-std=gnu11", "-O1", "-g"];
    Recipe { compiler, options, libraries: &["-lpthread"] }
}

const MUSL: Recipe = threads("musl-gcc");
const GLIBC: Recipe = threads("cc");

/// The programs of `tests/guest_programs/threads`, with what they print natively.
const RIGHT: [(&str, &str); 8] = [
    ("barrier", "12 serial, 12 writes, 48 turns, at most 2 inside: 1\n"),
    (
        "cancel",
        "0: cleaned 1, lock 0\n1: cleaned 2, lock 0\n2: cleaned 3, lock 0\n3: cleaned 4, lock 0\n\
         4: cleaned 5, lock 0\n5: cleaned 6, lock 0\n6: cleaned 7, lock 0\n",
    ),
    ("life", "31 threads, 16 leaves\n60 on their CPUs\nthe last thread\n"),
    ("own_data", "sum 441, once 1, destroyed 21, mine 7\n6 detached\n"),
    ("queue", "sum 16110, left 0\n"),
    (
        "robust",
        "threads: 5 died, value 15\nprocesses: 5 died, value 5\nrecursive and error-checking\n",
    ),
    (
        "signals",
        "thread 0: 10, 10\nthread 1: 10, 10\nthread 2: 10, 10\nthread 3: 10, 10\nsigwait: 10\n",
    ),
    ("timed", "in time\n"),
];

/// `dr7 chaos` with its recordings in a directory of their own.
fn chaos(options: &[&str], program: &Path, stdin: &[u8], directory: &Path) -> Output {
    let mut command = dr7();
    command.arg("chaos").args(options).arg("--").arg(program).current_dir(directory);
    run(&mut command, stdin)
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(scratch_directory()).expect("a temporary directory")
}

fn every_seed_agrees(recipe: &Recipe, cpus: &str) {
    let directory = directory();
    for (name, wanted) in RIGHT {
        let Some(program) = recipe.build(&format!("threads/{name}.c")) else { return };
        let plain = run(dr7().args(["run", "--cpus", cpus, "--"]).arg(&program), b"");
        assert_eq!(text(&plain.stdout), wanted, "{name} ({recipe}), --cpus {cpus}");
        let seeds = ["-n", "4", "--cpus", cpus];
        let output = chaos(&seeds, &program, b"", directory.path());
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name} ({recipe}), --cpus {cpus}:\n{said}");
        assert!(said.contains("4 seeds: all agree with the first run"), "{name}:\n{said}");
    }
}

#[test]
fn musl_on_one_cpu() {
    every_seed_agrees(&MUSL, "1");
}

#[test]
fn musl_on_four_cpus() {
    every_seed_agrees(&MUSL, "4");
}

#[test]
fn glibc_on_two_cpus() {
    every_seed_agrees(&GLIBC, "2");
}

/// Two recordings of a seed are the same bytes, another seed's are others, and each replays.
#[test]
fn a_seed_is_one_interleaving() {
    let directory = directory();
    for cpus in ["1", "2"] {
        let Some(program) = MUSL.build("threads/queue.c") else { return };
        let record = |seed: Option<&str>, name: &str| {
            let to = directory.path().join(name);
            let mut command = dr7();
            command.arg("record").arg("-o").arg(&to).args(["--cpus", cpus]);
            command.args(seed.iter().flat_map(|seed| ["--sched-seed", seed]));
            let output = run(command.arg("--").arg(&program), b"");
            assert_eq!(text(&output.stdout), "sum 16110, left 0\n", "{}", text(&output.stderr));
            let replay = run(dr7().arg("replay").arg(&to), b"");
            assert_eq!(replay.status.code(), Some(0), "{}", text(&replay.stderr));
            std::fs::read(to).expect("the recording")
        };
        let first = record(Some("5"), "first.dr7");
        assert!(first == record(Some("5"), "again.dr7"), "--cpus {cpus}");
        assert!(first != record(Some("6"), "other.dr7"), "--cpus {cpus}");
        assert!(first != record(None, "usual.dr7"), "--cpus {cpus}");
        let dump = run(dr7().arg("dump").arg(directory.path().join("first.dr7")), b"");
        assert!(text(&dump.stdout).contains("scheduler's seed: 5"));
    }
}

/// A race that chaos finds.
struct Race {
    name: &'static str,
    /// What the line of the seed says.
    says: &'static str,
    /// The status of `dr7 replay`'s guest, as the replay tells it.
    replays: &'static str,
}

const RACES: [Race; 5] = [
    Race { name: "lost_update", says: "of standard output is", replays: "exited with 0" },
    Race { name: "abba", says: "stopped: deadlock: 3 task(s)", replays: "deadlock: 3 task(s)" },
    Race { name: "use_after_free", says: "killed by SIGSEGV at 0x", replays: "killed by SIGSEGV" },
    Race {
        name: "missed_wakeup",
        says: "stopped: deadlock: 2 task(s)",
        replays: "deadlock: 2 task(s)",
    },
    Race { name: "slow_user", says: "(slow_user.c:12)", replays: "killed by SIGSEGV" },
];

/// The recording that a line of chaos names.
fn recording(said: &str, directory: &Path) -> PathBuf {
    let name = said.lines().find_map(|line| line.split("recorded: ").nth(1));
    directory.join(name.unwrap_or_else(|| panic!("no recording:\n{said}")))
}

fn is_found(race: &Race, recipe: &Recipe, cpus: &str) {
    let Some(program) = recipe.build(&format!("races/{}.c", race.name)) else { return };
    let directory = directory();
    let output = chaos(&["-n", "200", "--cpus", cpus], &program, b"", directory.path());
    let said = text(&output.stdout);
    let what = format!("{} ({recipe}), --cpus {cpus}:\n{said}", race.name);
    assert_eq!(output.status.code(), Some(1), "{what}{}", text(&output.stderr));
    let line = said.lines().find(|line| line.starts_with("seed ")).unwrap_or_default();
    assert!(line.contains(race.says), "{what}");
    let file = recording(&said, directory.path());
    let replay = run(dr7().arg("replay").arg(&file), b"");
    let told = text(&replay.stderr);
    assert_eq!(replay.status.code(), Some(0), "{what}{told}");
    assert!(told.contains("identical: ") && told.contains(race.replays), "{what}{told}");
    if race.name == "lost_update" {
        assert!(line.contains(&format!("{:?}", text(&replay.stdout))), "{what}");
    }
}

#[test]
fn races_are_found_on_one_cpu() {
    for race in &RACES {
        is_found(race, &MUSL, "1");
    }
}

#[test]
fn races_are_found_on_two_cpus() {
    for race in &RACES {
        is_found(race, &MUSL, "2");
    }
}

/// What is told does not depend on how many runs there are at once; the hits of a watch count
/// as well, standard input is given to each run, and -o names the recording.
#[test]
fn what_is_told_is_the_same_with_any_number_of_jobs() {
    let Some(program) = MUSL.build("races/two_outputs.c") else { return };
    let directory = directory();
    let told = |jobs: &str| {
        let options = ["-n", "12", "--all", "--jobs", jobs, "--from", "100"];
        let output = chaos(&options, &program, b"", directory.path());
        assert_eq!(output.status.code(), Some(1));
        text(&output.stdout)
    };
    let one = told("1");
    assert!(one.contains("is \"b\\n\", not \"a\\n\"") && one.contains("seeds: "), "{one}");
    assert_eq!(told("3"), one);

    let Some(program) = MUSL.build("races/lost_update.c") else { return };
    let options = ["-n", "200", "-e", "mem:word/4:w", "-o", "found.dr7"];
    let output = chaos(&options, &program, b"", directory.path());
    assert_eq!(output.status.code(), Some(1));
    let dump = run(dr7().arg("dump").arg(directory.path().join("found.dr7")), b"");
    assert!(text(&dump.stdout).contains("scheduler's seed: "), "{}", text(&dump.stderr));
}

#[test]
fn standard_input_is_given_to_each_run() {
    let Some(program) = build_or_skip("read_stdin", Variant::SMALL) else { return };
    let output = chaos(&["-n", "3"], &program, b"some words\n", &scratch_directory());
    let said = text(&output.stdout);
    assert!(said.ends_with("3 seeds: all agree with the first run\n"), "{said}");
}

/// A first run that comes to no end is nothing to compare with.
#[test]
fn what_cannot_be_compared_is_refused() {
    let Some(program) = MUSL.build("threads/timed.c") else { return };
    let output = chaos(&["--max-insns", "1000"], &program, b"", &scratch_directory());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--max-insns 1000"), "{}", text(&output.stderr));
    let output = chaos(&["-n", "0"], &program, b"", &scratch_directory());
    assert_eq!(output.status.code(), Some(2));
}
