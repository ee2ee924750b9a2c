//! Debug-register cases measured on a processor, played on the emulator.
//!
//! [`read`] reads a case file, one JSON object a line; [`run`] plays its rows and hands
//! out an [`Outcome`] for each; [`report`] counts and prints them. The first row of a file
//! describes memory and registers at the start in words; they are in [`layout`].
//!
//! The cases were measured in user mode under Linux through ptrace. A case runs at CPL 3;
//! handlers at CPL 0 report every exception ([`stand`]); what Linux adds or hides is in
//! [`linux`], and the fields of a row say where it matters. `sig` and `si_code` are
//! compared only through the vector that they come from, and `dr6` through `b` and `bs`.

mod answers;
#[cfg(test)]
mod case_tests;
mod compare;
mod fields;
mod layout;
mod linux;
mod matrix;
mod parse;
mod raw_frame;
mod replay;
pub mod report;
pub mod row;
mod stand;
mod sweep;
mod verdict;

use emulator::event::KeptHits;

pub use fields::BadField;
pub use parse::{FileError, LineError, read};
use row::{Content, Row};
pub use verdict::{Difference, Mismatch, Skip, Verdict, What};

/// How long the emulator runs at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slices {
    /// From stop to stop.
    #[default]
    Whole,
    /// One instruction: pending events, shadows and repetitions outlive a run.
    Single,
}

/// How rows are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What becomes of a hit that MOV SS kept (rule S6).
    pub kept_hits: KeptHits,
    /// How long the emulator runs at a time.
    pub slices: Slices,
}

/// The kinds of rows that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program and its exceptions.
    Case,
    /// The bytes on which breakpoints match an instruction.
    Sweep,
    /// An access against breakpoints of every length.
    Matrix,
    /// Frames before Linux edits them.
    RawFrame,
    /// A row of which something is not known.
    Unknown,
}

impl Kind {
    /// As the file calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Sweep => "sweep",
            Self::Matrix => "matrix",
            Self::RawFrame => "raw_frame",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of one row, or one cell of a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Line of the file, from 1.
    pub line: usize,
    /// Name of the row.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// What became of it.
    pub verdict: Verdict,
}

/// Plays rows in order and hands out what became of each.
pub fn run<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    options: &Options,
    mut tell: impl FnMut(Outcome),
) {
    for row in rows {
        let mut one = |kind, name: String, verdict| {
            tell(Outcome { line: row.line, name, kind, verdict });
        };
        let name = row.name.clone();
        match &row.content {
            Content::Header => {}
            Content::Case(case) => one(Kind::Case, name, replay::play(case, options)),
            Content::Sweep(sweep) => one(Kind::Sweep, name, sweep::play(sweep, options)),
            Content::RawFrame(frame) => {
                let verdict = raw_frame::play(&name, frame, options);
                one(Kind::RawFrame, name, verdict);
            }
            Content::Matrix(cells) => {
                for (cell, verdict) in cells.iter().zip(matrix::play(cells)) {
                    one(Kind::Matrix, matrix::name(&name, cell), verdict);
                }
            }
            Content::Unknown(unknown) => {
                one(Kind::Unknown, name, Skip::Unknown(unknown.clone()).into());
            }
        }
    }
}
