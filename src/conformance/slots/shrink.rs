//! A sequence that differs made small: fewer steps, then fewer options.

use kernel_model::scenario::StageConfig;
use kernel_model::scenario::op::Op;

use super::RunError;
use super::compare::{Difference, still_differs};
use super::native::Program;
use super::step::Step;
use crate::scenario::{self, Expected, print};

/// A sequence that ends with a difference.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Its steps; the last one has the difference.
    pub steps: Vec<Step>,
    /// The difference.
    pub difference: Difference,
    /// The stage that gave the model's answers.
    pub config: StageConfig,
}

impl Mismatch {
    /// What differs: the operation and the model's answer.
    #[must_use]
    pub fn op(&self) -> Option<&(Op, kernel_model::scenario::op::Answer)> {
        self.steps.get(self.difference.step)?.played().get(self.difference.op)
    }

    /// One line: what was done, what the model says, what the kernel says.
    #[must_use]
    pub fn explanation(&self) -> String {
        let native = print::answer(&self.difference.native);
        match self.op() {
            Some((op, model)) => {
                let (op, model) = (print::op(op), print::answer(model));
                format!("{op}: the model {model}, the kernel {native}")
            }
            None => format!("the kernel {native}"),
        }
    }

    /// A scenario file that expects the kernel's answers: the model fails it until it is right.
    #[must_use]
    pub fn scenario(&self) -> String {
        let last = (self.difference.step, self.difference.op);
        let mut steps = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            for (nth, (op, model)) in step.played().iter().enumerate() {
                let answer = if (number, nth) == last { &self.difference.native } else { model };
                let expected = Some(Expected::Text(print::answer(answer)));
                if (number, nth) <= last {
                    steps.push(scenario::Step { line: 0, op: op.clone(), expected });
                }
            }
        }
        print::scenario(&scenario::Scenario { config: self.config, steps })
    }

    fn ops(&self) -> Vec<Vec<Op>> {
        let ops = |step: &Step| step.played().iter().map(|(op, _)| op.clone()).collect();
        self.steps.iter().map(ops).collect()
    }
}

/// What a sequence is played on.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The native program.
    pub program: &'a Program,
    /// The model.
    pub stage: &'a StageConfig,
}

/// Makes a mismatch small. What is left differs in an operation of the same kind.
///
/// # Errors
/// [`RunError`] if one side cannot be played.
pub fn shrink(sides: Sides<'_>, mut best: Mismatch) -> Result<Mismatch, RunError> {
    let last = best.difference.step;
    best.steps.truncate(last + 1);
    let mut chunk = best.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut end = best.steps.len();
        // From the end: what is late depends on what is early.
        while end > 0 {
            let start = end.saturating_sub(chunk);
            let mut candidate = best.ops();
            candidate.drain(start..end);
            attempt(sides, &mut best, &candidate)?;
            end = start.min(best.steps.len());
        }
        chunk /= 2;
    }
    single_operations(sides, &mut best)?;
    fewer_options(sides, &mut best)?;
    Ok(best)
}

/// Keeps a candidate if it differs.
fn attempt(sides: Sides<'_>, best: &mut Mismatch, candidate: &[Vec<Op>]) -> Result<bool, RunError> {
    let wanted = (&best.difference, best.steps.as_slice());
    let found = still_differs(sides.program, sides.stage, candidate, wanted)?;
    let differs = found.is_some();
    if let Some((steps, difference)) = found {
        (best.steps, best.difference) = (steps, difference);
    }
    Ok(differs)
}

/// Operations of steps that hold several: declarations, and running and idling.
fn single_operations(sides: Sides<'_>, best: &mut Mismatch) -> Result<(), RunError> {
    for step in (0..best.steps.len()).rev() {
        let mut op = best.steps.get(step).map_or(0, |step| step.played().len());
        while op > 0 {
            op -= 1;
            let mut candidate = best.ops();
            match candidate.get_mut(step) {
                Some(ops) if op < ops.len() => drop(ops.remove(op)),
                _ => continue,
            }
            attempt(sides, best, &candidate)?;
        }
    }
    Ok(())
}

fn fewer_options(sides: Sides<'_>, best: &mut Mismatch) -> Result<(), RunError> {
    for step in 0..best.steps.len() {
        let options = |best: &Mismatch| match best.ops().get(step).map(Vec::as_slice) {
            Some([Op::Open(open)]) => open.options.len(),
            _ => 0,
        };
        for option in (0..options(best)).rev() {
            let mut candidate = best.ops();
            if let Some([Op::Open(open)]) = candidate.get_mut(step).map(Vec::as_mut_slice) {
                open.options.remove(option);
            }
            attempt(sides, best, &candidate)?;
        }
    }
    Ok(())
}
