//! Counts [`Outcome`]s and says them, as text and as JSON lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::{Kind, Outcome, Skip, Verdict};

/// How many rows passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As measured.
    pub passed: usize,
    /// Not as measured.
    pub failed: usize,
    /// Not compared.
    pub skipped: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// How much is said at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The line of all rows together.
    Total,
    /// Before it, each kind of row, and the skipped rows by reason and name.
    Skips,
}

/// What became of all rows.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<Kind, Counts>,
    skips: BTreeMap<String, Vec<String>>,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        self.kinds.entry(outcome.kind).or_default().add(&outcome.verdict);
        if let Verdict::Skipped(skip) = &outcome.verdict {
            self.skips.entry(skip.to_string()).or_default().push(outcome.name.clone());
        }
    }

    /// The counts of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Counts {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// The counts of all kinds together.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.kinds.values().fold(Counts::default(), |sum, counts| Counts {
            passed: sum.passed + counts.passed,
            failed: sum.failed + counts.failed,
            skipped: sum.skipped + counts.skipped,
        })
    }

    /// The lines at the end; the last one has the counts of all rows together.
    #[must_use]
    pub fn summary(&self, detail: Detail) -> String {
        let mut text = String::new();
        if detail == Detail::Skips {
            self.tell_skips(&mut text);
        }
        let _ = writeln!(text, "{}", self.total());
        text
    }

    fn tell_skips(&self, text: &mut String) {
        for (reason, rows) in &self.skips {
            let _ = writeln!(text, "skipped, {reason}:");
            for name in rows {
                let _ = writeln!(text, "  {name}");
            }
        }
        for (kind, Counts { passed, failed, skipped }) in &self.kinds {
            let rows = passed + failed + skipped;
            let _ = writeln!(text, "{}: {passed} of {rows} as measured", kind.name());
        }
    }
}

/// The line of a row that failed; nothing for others.
#[must_use]
pub fn failure(outcome: &Outcome) -> Option<String> {
    match &outcome.verdict {
        Verdict::Failed(difference) => Some(format!("FAILED {}: {difference}\n", outcome.name)),
        Verdict::Passed | Verdict::Skipped(_) => None,
    }
}

/// A row as a JSON object in one line.
#[must_use]
pub fn json_line(outcome: &Outcome) -> String {
    let (verdict, why) = match &outcome.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(difference) => ("failed", Some(difference.to_string())),
        Verdict::Skipped(skip) => ("skipped", Some(Skip::to_string(skip))),
    };
    let mut line = json!({
        "line": outcome.line,
        "kind": outcome.kind.name(),
        "name": outcome.name,
        "verdict": verdict,
    });
    if let Some(why) = why {
        line["why"] = why.into();
    }
    line.to_string()
}
