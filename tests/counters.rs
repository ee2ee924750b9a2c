//! `-e cycles` and its like, end to end: what is counted, what takes turns, what is refused.

mod guest_programs;

use std::fs;

use guest_programs::{Variant, build_or_skip, dr7, run, scratch_directory, text};
use serde_json::Value;

/// The summary of a run of `spin` with these options, from its JSON lines.
fn summary(name: &str, options: &[&str], rounds: &str) -> Option<(Value, String)> {
    let program = build_or_skip("spin", Variant::SMALL)?;
    let json = scratch_directory().join(format!("counters-{name}.jsonl"));
    let mut command = dr7();
    command.arg("run").args(options).arg("-o").arg(&json).arg("--").arg(program).arg(rounds);
    let output = run(&mut command, b"");
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let lines = fs::read_to_string(&json).expect("the JSON lines were written");
    let last = lines.lines().last().expect("there is a summary");
    Some((serde_json::from_str(last).expect("a line is an object"), printed))
}

fn value(summary: &Value, index: usize) -> u64 {
    summary["counts"][index]["value"].as_u64().expect("an event has a count")
}

/// User and kernel mode add up, a loop of so many rounds has its instructions, and the program's
/// own events are there beside the processor's.
#[test]
fn counts_of_a_loop() {
    let list = "{instructions:u,instructions:k,instructions},page-faults,task-clock,cs";
    let Some((summary, printed)) = summary("loop", &["-e", list], "100000") else { return };
    let [user, kernel, both] = [0, 1, 2].map(|index| value(&summary, index));
    assert_eq!(user + kernel, both, "{summary}");
    assert!((700_000..3_000_000).contains(&user), "{summary}");
    assert!(kernel > 0 && kernel < user / 10, "{summary}");
    assert!(value(&summary, 3) > 0, "the stack and the data are faulted in");
    assert!(printed.contains("msec task-clock") || printed.contains(" task-clock"), "{printed}");
}

/// More events than counters take turns; each count scaled up is near what it would have been.
#[test]
fn events_take_turns() {
    let list = "cycles,cycles,cycles,instructions,instructions,instructions,ref-cycles,ref-cycles";
    // 100 ms of guest time, so that there are ticks.
    let Some((summary, printed)) = summary("turns", &["-e", list], "40000000") else { return };
    let total = summary["cycles"].as_u64().expect("there is a total");
    for index in 0..8 {
        let count = &summary["counts"][index];
        let (enabled, running) = (&count["enabled_ns"], &count["running_ns"]);
        assert!(running.as_u64() < enabled.as_u64(), "{count}");
        let scaled = count["scaled"].as_u64().expect("every event had a turn");
        assert!(scaled.abs_diff(total) < total / 5, "{count} of {total}");
    }
    assert!(printed.contains("counted  ("), "{printed}");
}

/// Branches and caches are counted by the timing model that has them, and refused without.
#[test]
fn what_the_timing_model_counts() {
    let list = "branches,branch-misses,cache-references,cache-misses";
    let options = ["--timing", "table", "-e", list];
    let Some((summary, _)) = summary("table", &options, "100000") else { return };
    let [branches, misses, references, misses_of_cache] =
        [0, 1, 2, 3].map(|index| value(&summary, index));
    assert!(branches >= 50_000 && misses < branches / 10, "{summary}");
    assert!(misses_of_cache <= references, "{summary}");

    let Some(program) = build_or_skip("spin", Variant::SMALL) else { return };
    let output = run(dr7().args(["run", "-e", "branches", "--"]).arg(program), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("branches: this processor does not count it (ENOENT)"));
}

/// A recording has the events and what they counted, and a replay finds the same.
#[test]
fn recorded_and_replayed() {
    let Some(program) = build_or_skip("spin", Variant::SMALL) else { return };
    let file = scratch_directory().join("counters.dr7");
    let mut command = dr7();
    command.args(["record", "-e", "{cycles,instructions:u}:D", "-o"]).arg(&file).arg("--");
    let output = run(command.arg(program), b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run(dr7().arg("replay").arg(&file), b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("instructions:u"), "{}", text(&output.stderr));
    let output = run(dr7().arg("dump").arg(&file), b"");
    assert!(text(&output.stdout).contains("counters: cycles instructions:u"));
}
