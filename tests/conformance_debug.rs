//! The measured cases of `tests/data/silicon-cases.jsonl`, played on the emulator.

use dr7::conformance::debug::report::{Counts, Tally, failure};
use dr7::conformance::debug::{Kind, Options, Outcome, Slices, Verdict, read, run};
use emulator::event::KeptHits;

/// Rows that passed when this was last looked at. It may only grow.
const REACHED: [(Kind, usize); 4] =
    [(Kind::Case, 281), (Kind::Sweep, 152), (Kind::Matrix, 900), (Kind::RawFrame, 16)];

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
