//! The measured cases: what a processor did, played on the emulator.
//!
//! `data/silicon-cases.jsonl` was measured in user mode under Linux through ptrace. A
//! case runs at CPL 3 in the layout and initial state of the file's header; handlers at
//! CPL 0 report every exception (x86-debug section 18 says how the rows are compared).
//! A case that needs an instruction which is not built is skipped, by name.

mod silicon {
    pub(crate) mod case;
    pub(crate) mod layout;
    pub(crate) mod matrix;
    pub(crate) mod replay;
    pub(crate) mod sweep;
}
mod stand;

use silicon::case::Row;
use silicon::replay::{Slices, Verdict};
use silicon::{matrix, replay, sweep};

/// Cases that passed when this was last looked at. It may only grow.
const CASES_REACHED: usize = 275;
/// The same for sweeps.
const SWEEPS_REACHED: usize = 152;

/// The rows of the data file.
fn rows() -> Vec<Row> {
    include_str!("data/silicon-cases.jsonl").lines().map(Row::parse).collect()
}

/// Verdicts by kind, with names.
#[derive(Default)]
struct Score {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Score {
    fn add(&mut self, name: &str, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(why) => self.failed.push(format!("{name}: {why}")),
            Verdict::Skipped(why) => self.skipped.push(format!("{name}: {why}")),
        }
    }

    /// Prints the score and holds it to what was reached before.
    fn settle(&self, reached: usize) {
        for line in &self.skipped {
            eprintln!("skipped: {line}");
        }
        for line in &self.failed {
            eprintln!("FAILED {line}");
        }
        let (passed, failed, skipped) = (self.passed, self.failed.len(), self.skipped.len());
        eprintln!("{passed} passed, {failed} failed, {skipped} skipped");
        assert_eq!(failed, 0, "cases differ from the silicon");
        assert!(passed >= reached, "{passed} passed; {reached} did before");
    }
}

fn play_cases(slices: Slices) {
    let mut score = Score::default();
    for case in rows().iter().filter_map(Row::case) {
        score.add(&case.name, replay::play(case, slices));
    }
    score.settle(CASES_REACHED);
}

#[test]
fn cases() {
    play_cases(Slices::Whole);
}

/// Where runs begin and end makes no difference.
#[test]
fn cases_one_instruction_at_a_time() {
    play_cases(Slices::Single);
}

#[test]
fn sweeps() {
    let mut score = Score::default();
    for sweep in rows().iter().filter_map(Row::sweep) {
        score.add(&sweep.name, sweep::play(sweep));
    }
    score.settle(SWEEPS_REACHED);
}

#[test]
fn overlap_matrix() {
    let rows = rows();
    let matrix: Vec<_> = rows.iter().filter_map(Row::matrix).flatten().collect();
    assert_eq!(matrix.len(), 900);
    for cell in matrix {
        assert_eq!(matrix::hits(cell), cell.hits, "{cell:?}");
    }
}
