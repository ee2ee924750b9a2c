//! The subcommands from the typed words to what is printed, on a scripted machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use kernel_model::observe::ExitStatus;
use tempfile::TempDir;

use super::{CommandError, Outcome, execute};
use crate::cli::Cli;
use crate::report::Streams;
use crate::session::event::Event;
use crate::session::script::{self, Act, Script};

/// A directory with a program in it.
struct Place {
    directory: TempDir,
}

/// What a command answered and printed.
struct Answer {
    outcome: Result<Outcome, CommandError>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("small"), script::tiny_elf()).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `dr7` with these words; `@name` is a file in the directory.
    fn dr7(&self, machine: &Script, words: &str) -> Answer {
        let words = words.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name).into_os_string(),
            None => OsString::from(word),
        });
        let cli = Cli::try_parse_from([OsString::from("dr7")].into_iter().chain(words)).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let streams = Streams { out: &mut out, err: &mut err, err_is_terminal: false };
        let outcome = execute(cli.command, machine, &b"hi there"[..], streams);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Answer { outcome, out: text(&out), err: text(&err) }
    }
}

const WATCHES: &str = "-e mem:0x4c7310/8:w -e mem:0x4c7400/8 --mark-every 2";

fn recorded(machine: &Script) -> Place {
    let place = Place::new();
    let answer = place.dr7(machine, &format!("record -o @small.dr7 {WATCHES} -- @small"));
    assert!(answer.outcome.is_ok(), "{:?}", answer.outcome);
    place
}

fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn run_prints_hits_and_a_summary() {
    let place = Place::new();
    let answer = place.dr7(&script::varied(), &format!("run {WATCHES} -- @small"));
    assert_eq!(answer.outcome.unwrap(), Outcome::Guest(ExitStatus::Exited(3)));
    assert!(answer.out.ends_with("hi there"), "{}", answer.out);
    let expected = [
        "dr7: small/1000: system call 334 (rseq) is not supported",
        "[    0.000000450] CPU 0 small/1000  mem:0x4c7400/8  W 4 bytes at 0x4c7400: 0x0 -> 0x6968",
        "[kernel: read]",
        "mem:0x4c7310/8:w  W 8 bytes at 0x4c7310: 0x1 -> 0x2",
        "mov [rdi], rax",
        "Performance counter stats",
        "2      mem:0x4c7310/8:w                 #  2 user, 0 kernel",
        "DR0 of CPU 0: insns 10..600 for small/1000",
        "1      mem:0x4c7400/8                   #  0 user, 1 kernel",
        "DR1 of CPU 0: insns 10..600 for small/1000",
        "1,000      instructions                     #  0.50 insn per cycle",
        "2,000      cycles",
        "1      task exit                        #  exited with 3",
        "0.000001000 seconds of guest time",
        "seconds elapsed",
    ];
    assert_in_order(&answer.err, &expected);
}

#[test]
fn many_hits_are_counted() {
    let mut acts: Vec<_> = (0..30).map(|n| Act::Tell(script::hit(0, n, n, n + 1))).collect();
    acts.push(Act::Exit(ExitStatus::Exited(0)));
    let machine = Script { acts, slots: 4 };
    let place = Place::new();
    let answer = place.dr7(&machine, &format!("run --hits 5 {WATCHES} -- @small"));
    assert_eq!(answer.err.matches("W 8 bytes").count(), 5);
    assert_eq!(answer.err.matches("5 hits shown; more are counted").count(), 1);
    assert!(answer.err.contains("30      mem:0x4c7310/8:w"), "{}", answer.err);
    assert_in_order(&answer.err, &["0      mem:0x4c7400/8", "never armed in a debug register"]);
}

#[test]
fn json_lines_are_the_same_each_time() {
    let place = Place::new();
    let machine = script::varied();
    place.dr7(&machine, &format!("run -o @one.json {WATCHES} -- @small"));
    place.dr7(&machine, &format!("run -o @two.json {WATCHES} -- @small"));
    let text = std::fs::read_to_string(place.path("one.json")).unwrap();
    assert_eq!(text, std::fs::read_to_string(place.path("two.json")).unwrap());
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["start", "unsupported_syscall", "hit", "hit", "span", "hit", "span", "exit", "summary"]
    );
    assert_eq!(objects[2]["syscall"], "read");
    assert_eq!(objects[3]["new"], "0x2");
    let summary = objects.last().unwrap();
    assert_eq!(summary["end"], "exited");
    assert_eq!(summary["code"], 3);
    assert_eq!(summary["watches"][0]["hits"], 2);
    assert_eq!(summary["watches"][0]["armed"][0]["slot"], 0);
}

#[test]
fn a_replay_is_identical() {
    let place = recorded(&script::varied());
    let answer = place.dr7(&script::varied(), "replay @small.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Identical);
    assert!(answer.out.ends_with("hi there"));
    let expected = ["[kernel: read]", "identical: 3 hits, 3 inputs, 4 marks, 1000 instructions\n"];
    assert_in_order(&answer.err, &expected);
}

/// Replays a recording of `varied` on another machine, which must diverge.
fn diverged(change: impl FnOnce(&mut Vec<Act>)) -> String {
    let place = recorded(&script::varied());
    let mut other = script::varied();
    change(&mut other.acts);
    let answer = place.dr7(&other, "replay @small.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Diverged, "{}", answer.err);
    let at = answer.err.find("diverged at entry").unwrap_or_else(|| panic!("{}", answer.err));
    answer.err[at..].to_owned()
}

#[test]
fn another_hit_is_the_divergence() {
    let text = diverged(|acts| acts[7] = Act::Tell(script::hit(0, 301, 2, 4)));
    assert_in_order(
        &text,
        &[
            "step 8, instruction 800",
            "span   #0 in DR0 of CPU 0",
            "recorded  hit    #0 0.000000900 CPU 0 icount 300 cycle 600 small/1000",
            "replayed  hit    #0 0.000000903 CPU 0 icount 301",
            "differ in cycles, icount, ip, new, time_ns",
        ],
    );
}

#[test]
fn another_state_is_the_divergence() {
    let text = diverged(|acts| acts[4] = Act::Compute(2));
    assert_in_order(&text, &["step 6", "recorded  mark   step 6", "replayed  mark   step 6"]);
    assert!(text.ends_with("differ in digest\n"), "{text}");
}

#[test]
fn another_question_is_the_divergence() {
    let text = diverged(|acts| acts[2] = Act::Echo(63));
    assert_in_order(
        &text,
        &["recorded  input  standard input, at most 64", "replayed  input 2: the guest asked for"],
    );
    let text = diverged(|acts| acts[2] = Act::Random(8));
    assert_in_order(&text, &["recorded  input  standard input", "asked for random bytes"]);
}

#[test]
fn another_end_is_the_divergence() {
    let text = diverged(|acts| acts[9] = Act::Exit(ExitStatus::Exited(4)));
    assert_in_order(
        &text,
        &["recorded  exit", "exited with 3", "replayed  exit", "differ in code"],
    );
    let text = diverged(|acts| acts[9] = Act::Fail("out of memory"));
    assert_in_order(&text, &["recorded  exit", "replayed  end    stopped: out of memory"]);
    let text = diverged(|acts| acts.insert(9, Act::Compute(0)));
    assert_in_order(&text, &["recorded  exit", "replayed  mark   step 10"]);
    let text = diverged(|acts| acts.truncate(8));
    assert_in_order(&text, &["recorded  span", "replayed  end    stopped: nothing can run"]);
}

#[test]
fn output_that_differs_is_the_divergence() {
    let place = Place::new();
    let say = |text: &[u8]| Script {
        acts: vec![
            Act::Tell(Event::Output { fd: 1, bytes: text.to_vec() }),
            Act::Exit(ExitStatus::Exited(0)),
        ],
        slots: 4,
    };
    place.dr7(&say(b"yes\n"), "record -o @say.dr7 -- @small");
    let answer = place.dr7(&say(b"no\n"), "replay @say.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Diverged);
    assert_in_order(&answer.err, &["recorded  output 1: 4 bytes \"yes\\n\"", "replayed", "no"]);
}

#[test]
fn a_stopped_run_says_why_and_replays() {
    let mut machine = script::varied();
    machine.acts[6] = Act::Fail("vpaddd is not built");
    let place = Place::new();
    let answer = place.dr7(&machine, &format!("record -o @small.dr7 {WATCHES} -- @small"));
    let message = answer.outcome.unwrap_err().to_string();
    assert!(message.ends_with("small: the machine stopped: vpaddd is not built"), "{message}");
    let answer = place.dr7(&machine, "replay @small.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Identical);
}

#[test]
fn a_limit_stops_and_replays() {
    let place = Place::new();
    let words = format!("record -o @small.dr7 --max-insns 450 {WATCHES} -- @small");
    let answer = place.dr7(&script::varied(), &words);
    assert!(matches!(answer.outcome, Err(CommandError::Limit { max_insns: 450, .. })));
    let answer = place.dr7(&script::varied(), "replay @small.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Identical);
    assert!(answer.err.contains("500 instructions"), "{}", answer.err);
}

#[test]
fn refusals_name_what_and_why() {
    let place = Place::new();
    std::fs::write(place.path("script"), "#!/bin/sh\n").unwrap();
    std::fs::write(place.path("text"), "hello").unwrap();
    let few = Script { acts: Vec::new(), slots: 1 };
    let cases = [
        ("run -- @nowhere", "nowhere: cannot read: No such file"),
        ("run -- no-such-program-anywhere", "not found in PATH"),
        ("run -- @script", "not an ELF file (a script"),
        ("run -- @text", "not an ELF file"),
        ("run -e mem:main:x -- @small", "-e mem:main:x: the program has no symbol table"),
        ("run -e mem:0x11/4 -- @small", "-e mem:0x11/4: 0x11 is not a multiple of 4"),
        ("run -e mem:0x10:r -- @small", "-e mem:0x10:r: column 10: x86 has no read-only watch"),
        ("run -e mem:1:x -e mem:2:x -- @small", "mem:2:x: no free slot: DR0..DR3 are held"),
        ("run --cpus 0 -- @small", "--cpus 0: a machine has 1 to 64 CPUs"),
        ("run --mem 1M -- @small", "--mem 1048576: a machine has 16 MiB to 64 GiB"),
        ("run -o @ -- @small", "cannot write: is a directory"),
        ("record -o @no/dir/f -- @small", "cannot write: No such file"),
        ("replay @nowhere", "cannot read: No such file"),
        ("replay @text", "text: offset 0: not a dr7 recording"),
        ("dump @text", "text: offset 0: not a dr7 recording"),
    ];
    for (words, expected) in cases {
        let answer = place.dr7(&few, words);
        let message = answer.outcome.expect_err(words).to_string();
        assert!(message.contains(expected), "{words}: {message}");
        assert!(answer.out.is_empty(), "{words}");
    }
}

#[test]
fn nothing_is_left_behind_by_a_refusal() {
    let place = Place::new();
    let few = Script { acts: Vec::new(), slots: 0 };
    let answer = place.dr7(&few, &format!("record -o @f --json @j {WATCHES} -- @small"));
    assert!(matches!(answer.outcome, Err(CommandError::Guest(_))));
    let left: Vec<_> = std::fs::read_dir(place.directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_dump_shows_everything() {
    let place = recorded(&script::varied());
    let answer = place.dr7(&script::varied(), "dump @small.dr7");
    assert_eq!(answer.outcome.unwrap(), Outcome::Shown);
    assert_in_order(
        &answer.out,
        &[
            "recording, format version 5",
            "section META at 20",
            "machine: 1 CPUs, processor v3 (intel), 536870912 bytes of memory, timing none, seed 0, kernel 6.x",
            "120 bytes, BLAKE3 ",
            "watches: 2",
            "#0 mem:0x4c7310/8:w: 0x4c7310, 8 bytes, w",
            "inputs: 3, 32 bytes",
            "events: 9, of which 3 hits",
            "marks: 4, every 2 steps",
            "       0  input  the date of boot: 1735689600.000000000 s since 1970",
            "input  standard input, at most 64: 8 bytes \"hi there\"",
            "hit    #1",
            "end    exited with 3; 10 steps, 1,000 instructions",
        ],
    );
    let answer = place.dr7(&script::varied(), "dump --json @small.dr7");
    let lines: Vec<serde_json::Value> =
        answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "recording");
    assert_eq!(lines[0]["hits"], 3);
    assert_eq!(lines.last().unwrap()["type"], "summary");
    assert_eq!(lines.iter().filter(|line| line["type"] == "mark").count(), 4);
}

#[test]
fn a_damaged_recording_is_refused() {
    let place = recorded(&script::varied());
    let path: &Path = &place.path("small.dr7");
    let mut file = std::fs::read(path).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    std::fs::write(path, file).unwrap();
    for command in ["replay @small.dr7", "dump @small.dr7"] {
        let answer = place.dr7(&script::varied(), command);
        let message = answer.outcome.unwrap_err().to_string();
        assert!(message.contains("small.dr7: offset "), "{message}");
        assert!(message.contains("altered"), "{message}");
    }
}
