//! The measured cases of `tests/data/silicon-cases.jsonl`, played on the emulator.

use std::process::{Command, Output};

use dr7::conformance::debug::report::{Counts, Tally, failure};
use dr7::conformance::debug::{Kind, Options, Outcome, Skip, Slices, Verdict, read, run};
use emulator::event::KeptHits;

/// Rows that passed when this was last looked at. It may only grow.
const REACHED: [(Kind, usize); 4] =
    [(Kind::Case, 310), (Kind::Sweep, 168), (Kind::Matrix, 900), (Kind::RawFrame, 16)];

fn play(options: &Options) -> Vec<Outcome> {
    let rows = read(include_bytes!("data/silicon-cases.jsonl")).expect("the file is in good form");
    let mut outcomes = Vec::new();
    run(&rows, options, |outcome| outcomes.push(outcome));
    outcomes
}

/// Holds the outcomes to what was reached before.
fn settle(outcomes: &[Outcome]) -> Tally {
    let mut tally = Tally::default();
    outcomes.iter().for_each(|outcome| tally.add(outcome));
    let failed: String = outcomes.iter().filter_map(failure).collect();
    assert!(failed.is_empty(), "differs from the silicon:\n{failed}");
    for (kind, reached) in REACHED {
        let Counts { passed, .. } = tally.of(kind);
        assert!(passed >= reached, "{}: {passed} passed; {reached} did before", kind.name());
    }
    assert_eq!(tally.of(Kind::Unknown), Counts::default(), "everything in the file is known");
    tally
}

#[test]
fn as_measured() {
    settle(&play(&Options::default()));
}

/// Where runs begin and end makes no difference.
#[test]
fn one_instruction_at_a_time() {
    let single = play(&Options { slices: Slices::Single, ..Options::default() });
    settle(&single);
    assert_eq!(single, play(&Options::default()));
}

/// Rule S6: only rows that say so depend on what becomes of kept hits.
#[test]
fn kept_hits_matter_only_where_the_file_says() {
    let lost = play(&Options::default());
    let delivered = play(&Options { kept_hits: KeptHits::Delivered, ..Options::default() });
    let mut differing = 0;
    for (lost, delivered) in lost.iter().zip(&delivered) {
        let skipped = matches!(&delivered.verdict, Verdict::Skipped(skip)
            if skip.to_string().starts_with("microarchitectural: "));
        assert!(lost == delivered || skipped, "{delivered:?}");
        differing += usize::from(lost != delivered);
    }
    assert!(differing > 0, "the option does something");
}

/// Every skipped row is one that this processor or no exact model can play.
#[test]
fn rows_are_skipped_for_the_processor_only() {
    for outcome in play(&Options::default()) {
        let Verdict::Skipped(skip) = outcome.verdict else { continue };
        let about_the_processor =
            matches!(skip, Skip::Feature(_) | Skip::StateComponents | Skip::Microarchitectural(_));
        assert!(about_the_processor, "{}: {skip}", outcome.name);
    }
}

/// Runs `dr7 conformance debug` on a text.
fn command(text: &str, options: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("cases.jsonl");
    std::fs::write(&file, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dr7"));
    command.args(["conformance", "debug"]).arg(file).args(options);
    command.output().expect("dr7 runs")
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_says_what_differs() {
    let file = include_str!("data/silicon-cases.jsonl");
    let basic = file.lines().find(|line| line.contains("\"x_basic\"")).expect("a case");
    let masked = file.lines().find(|line| line.contains("\"v_kld_part\"")).expect("a case");
    let text = format!("{basic}\n{masked}\n");
    let (status, out, _) = printed(&command(&text, &["--skips", "--one-by-one"]));
    assert_eq!(status, Some(0));
    assert_eq!(
        out,
        "skipped, needs AVX512BW, which the processor has not:\n  v_kld_part\n\
         case: 1 of 2 as measured\n1 passed, 0 failed, 1 skipped\n"
    );
    let wrong = text.replace("\"b\": [0]", "\"b\": [2]");
    let (status, out, _) = printed(&command(&wrong, &["--filter", "x_"]));
    assert_eq!(status, Some(1));
    assert_eq!(
        out,
        "FAILED x_basic: stop 0: dr6.b0-3: expected 0x4, got 0x1\n0 passed, 1 failed, 0 skipped\n"
    );
    let (status, out, err) = printed(&command(&format!("{text}{{\"kind\": 1}}"), &[]));
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.ends_with("cases.jsonl: line 3: kind: not text\n"), "{err}");
}
