//! Operations that belong together, with what the model answered.

use kernel_model::scenario::op::{Answer, Op};

/// A step of a sequence: one operation, or several that make no sense apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    played: Vec<(Op, Answer)>,
}

impl Step {
    /// Adds an operation and its answer.
    pub fn push(&mut self, op: Op, answer: Answer) {
        self.played.push((op, answer));
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.played.is_empty()
    }

    /// The operations with the model's answers.
    #[must_use]
    pub fn played(&self) -> &[(Op, Answer)] {
        &self.played
    }
}
