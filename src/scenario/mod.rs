//! The scenario language: breakpoint operations by name, and what each must answer.
//!
//! One operation a line, `#` starts a comment, and what follows a lone `=` is the answer that is
//! expected. [`parse`] reads it, [`print`](mod@print) writes it, [`run`] plays it on a
//! [`kernel_model::scenario::Stage`]. `docs/scenarios.md` has every operation with an example.

pub mod parse;
pub mod print;
pub mod run;

use kernel_model::scenario::StageConfig;
use kernel_model::scenario::op::Op;

/// A scenario as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The machine.
    pub config: StageConfig,
    /// What happens on it, in order.
    pub steps: Vec<Step>,
}

/// One operation of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is done.
    pub op: Op,
    /// The answer that is expected.
    pub expected: Option<Expected>,
}

/// An expected answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This text, as [`print::answer`] writes it.
    Text(String),
    /// A number larger than this.
    Above(u64),
}
