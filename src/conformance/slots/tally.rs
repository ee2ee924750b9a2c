//! What was compared, and how it is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel_model::scenario::op::{Answer, Op};
use perf_core::Errno;
use serde_json::{Value, json};

use super::compare::Comparison;
use super::host::Host;
use super::shrink::Mismatch;
use super::step::Step;

/// Figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The host's kernel.
    pub release: String,
    /// The host's CPUs.
    pub nr_cpus: u32,
    /// Steps that were compared.
    pub steps: u64,
    /// Operations in them.
    pub ops: u64,
    /// `perf_event_open` calls.
    pub opens: u64,
    /// How many of them were refused, by error.
    pub refusals: BTreeMap<Errno, u64>,
    /// Counts that were compared.
    pub counts: u64,
    /// How many of them are not 0.
    pub nonzero_counts: u64,
    /// Clones.
    pub forks: u64,
    /// Runs that differed but not again.
    pub retries: u64,
    /// SIGTRAPs that no breakpoint explains.
    pub spurious: u64,
    /// What differs, made small.
    pub mismatch: Option<Mismatch>,
    /// The step at which it came up.
    pub at: u64,
}

impl Tally {
    /// Of nothing yet.
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self { release: host.release.clone(), nr_cpus: host.nr_cpus, ..Self::default() }
    }

    /// Counts a sequence, up to its difference.
    pub fn add(&mut self, steps: &[Step], comparison: &Comparison) {
        self.retries += comparison.nr_retries;
        self.spurious += comparison.nr_spurious;
        let last = comparison.difference.as_ref().map_or(steps.len(), |difference| difference.step);
        self.steps += last.saturating_sub(1) as u64;
        for (op, answer) in steps.iter().take(last).flat_map(Step::played) {
            self.ops += 1;
            self.opens += u64::from(matches!(op, Op::Open(_)));
            self.forks += u64::from(matches!(op, Op::Fork { .. }));
            match answer {
                Answer::Errno(errno) if matches!(op, Op::Open(_)) => {
                    *self.refusals.entry(*errno).or_default() += 1;
                }
                Answer::Count(count) => {
                    self.counts += 1;
                    self.nonzero_counts += u64::from(*count > 0);
                }
                _ => {}
            }
        }
    }

    /// Mismatches: 0 or 1, since a run ends with the first.
    #[must_use]
    pub fn mismatches(&self) -> usize {
        usize::from(self.mismatch.is_some())
    }

    /// The figures as JSON.
    #[must_use]
    pub fn json(&self, seed: u64) -> Value {
        let refusals: Value = self.refusals.iter().map(|(e, n)| (e.name(), *n)).collect();
        json!({
            "kernel": self.release,
            "cpus": self.nr_cpus,
            "seed": seed,
            "steps": self.steps,
            "operations": self.ops,
            "clones": self.forks,
            "opens": self.opens,
            "refusals": refusals,
            "counts": self.counts,
            "nonzero_counts": self.nonzero_counts,
            "retries": self.retries,
            "spurious_sigtraps": self.spurious,
            "mismatches": self.mismatches(),
        })
    }

    /// The lines that tell it.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("Linux {}, {} CPUs\n", self.release, self.nr_cpus);
        let refused: u64 = self.refusals.values().sum();
        let list: Vec<String> =
            self.refusals.iter().map(|(errno, n)| format!("{} {n}", errno.name())).collect();
        let list = if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) };
        let _ =
            writeln!(text, "{} steps, {} operations, {} clones", self.steps, self.ops, self.forks);
        let _ = writeln!(text, "{} opens, {refused} refused{list}", self.opens);
        let (counts, nonzero) = (self.counts, self.nonzero_counts);
        let _ = writeln!(text, "{counts} counts, {nonzero} of them not 0");
        let (retries, spurious) = (self.retries, self.spurious);
        let _ = writeln!(text, "{retries} retries, {spurious} SIGTRAPs of nothing");
        let _ = writeln!(text, "{} mismatches", self.mismatches());
        text
    }
}
