//! Where a replay stopped being the recorded run, told with both sides.

use std::fmt::Write;

use crate::report::describe::{differing_ends, differing_fields, done_line, entry_line};
use crate::session::event::{Done, Entry, Position};
use crate::symbols::Symbols;

/// One side of a divergence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// An entry of the log.
    Entry(Entry),
    /// The end of the run.
    End(Done),
    /// The run was not over.
    StillRunning,
    /// A question that the recording has no answer to, in words.
    Question(String),
}

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Divergence {
    /// How far the replay had got.
    pub(super) at: Position,
    /// Index in the log of what was expected, from 0.
    pub(super) index: u64,
    /// What the recording holds.
    pub(super) recorded: Side,
    /// What the replay did.
    pub(super) replayed: Side,
    /// The last entries that were alike, with their indices.
    pub(super) before: Vec<(u64, Entry)>,
}

impl Divergence {
    /// What is printed.
    pub(super) fn text(&self, symbols: &Symbols<'_>) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, symbols);
        text
    }

    fn write(&self, text: &mut String, symbols: &Symbols<'_>) -> std::fmt::Result {
        let Position { step, insns } = self.at;
        let index = self.index;
        writeln!(text, "diverged at entry {index} of the log, step {step}, instruction {insns}")?;
        for (index, entry) in &self.before {
            writeln!(text, "  {index:>8}  {}", entry_line(entry, symbols))?;
        }
        writeln!(text, "  recorded  {}", self.recorded.line(symbols))?;
        writeln!(text, "  replayed  {}", self.replayed.line(symbols))?;
        let fields = self.differing();
        if fields.is_empty() { Ok(()) } else { writeln!(text, "  differ in {}", fields.join(", ")) }
    }

    fn differing(&self) -> Vec<String> {
        match (&self.recorded, &self.replayed) {
            (Side::Entry(recorded), Side::Entry(replayed)) => differing_fields(recorded, replayed),
            (Side::End(recorded), Side::End(replayed)) => differing_ends(recorded, replayed),
            // Sides of two kinds have no fields in common.
            _ => Vec::new(),
        }
    }
}

impl Side {
    fn line(&self, symbols: &Symbols<'_>) -> String {
        match self {
            Self::Entry(entry) => entry_line(entry, symbols),
            Self::End(done) => done_line(done),
            Self::StillRunning => "the run goes on".to_owned(),
            Self::Question(words) => words.clone(),
        }
    }
}
