//! A short comparison with the processor that the tests run on. Where another
//! process cannot be taken over, it says `skipped` and holds.

use dr7::conformance::isa::{Plan, RunError, Strictness, report, run};

/// Cases: a moment's work.
const CASES: u64 = if cfg!(debug_assertions) { 2_000 } else { 10_000 };

fn compare(seed: u64, max_block: u64) {
    let plan = Plan {
        cases: CASES,
        from: 0,
        seed,
        filter: None,
        max_block,
        strictness: Strictness::Defined,
    };
    match run(&plan, |_| {}) {
        Ok(tally) => {
            assert!(tally.compared > CASES / 2, "{}", report::summary(&tally));
            assert_eq!(tally.mismatches, 0, "{}", report::summary(&tally));
        }
        Err(RunError::Native(reason)) => eprintln!("skipped: {reason}"),
        Err(error @ RunError::NoForms) => panic!("{error}"),
    }
}

#[test]
fn single_instructions() {
    compare(1, 1);
}

#[test]
fn blocks() {
    compare(2, 30);
}
