//! A sequence on both sides.

use kernel_model::scenario::op::{Answer, Op};
use kernel_model::scenario::{ScenarioError, Stage, StageConfig};

use super::RunError;
use super::native::{Machine, NativeError, Program};
use super::step::Step;

/// Times that a difference is seen before it is believed.
const CONFIRMATIONS: usize = 3;
/// Runs after which what differs differently each time is a difference all the same.
const MAX_RUNS: usize = 20;

/// Where the kernel answered something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The step.
    pub step: usize,
    /// The operation in it.
    pub op: usize,
    /// What the kernel answered.
    pub native: Answer,
}

impl Difference {
    /// Whether both are about the same kind of operation.
    fn resembles(&self, steps: &[Step], other: &Self, others: &[Step]) -> bool {
        let kind = |difference: &Self, steps: &[Step]| {
            let played = steps.get(difference.step)?.played().get(difference.op)?;
            Some(std::mem::discriminant(&played.0))
        };
        kind(self, steps) == kind(other, others)
    }
}

/// The runs of a sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What differs in the end.
    pub difference: Option<Difference>,
    /// Runs that differed but not again.
    pub nr_retries: u64,
    /// SIGTRAPs that no breakpoint explains (linux-hw-breakpoint E1).
    pub nr_spurious: u64,
}

/// Plays steps on the running kernel, up to the first answer that is not the model's.
///
/// # Errors
/// [`NativeError`].
fn play(
    program: &Program,
    steps: &[Step],
    seen: &mut u64,
) -> Result<Option<Difference>, NativeError> {
    let mut machine = Machine::new(program)?;
    for (number, step) in steps.iter().enumerate() {
        for (nth, (op, expected)) in step.played().iter().enumerate() {
            let native = machine.apply(op)?;
            if native != *expected {
                *seen += machine.nr_spurious();
                return Ok(Some(Difference { step: number, op: nth, native }));
            }
        }
    }
    *seen += machine.nr_spurious();
    Ok(None)
}

/// Plays steps until the answers agree, or differ in the same way again and again: a hit that
/// the host loses (linux-hw-breakpoint E1) is no difference.
///
/// # Errors
/// [`NativeError`].
pub fn compare(program: &Program, steps: &[Step]) -> Result<Comparison, NativeError> {
    let mut comparison = Comparison::default();
    let mut differences: Vec<Difference> = Vec::new();
    for _ in 0..MAX_RUNS {
        let Some(difference) = play(program, steps, &mut comparison.nr_spurious)? else {
            comparison.nr_retries = differences.len() as u64;
            return Ok(comparison);
        };
        differences.push(difference.clone());
        let same = differences.iter().filter(|seen| **seen == difference).count();
        if same >= CONFIRMATIONS {
            comparison.nr_retries = (differences.len() - same) as u64;
            comparison.difference = Some(difference);
            return Ok(comparison);
        }
    }
    comparison.nr_retries = differences.len() as u64;
    comparison.difference = differences.pop();
    Ok(comparison)
}

/// Plays operations on a fresh model; what makes no sense there is left out.
///
/// # Errors
/// If there is no stage.
pub fn answers(config: &StageConfig, steps: &[Vec<Op>]) -> Result<Vec<Step>, RunError> {
    let mut stage = Stage::new(*config)?;
    let mut played = Vec::new();
    for ops in steps {
        let mut step = Step::default();
        for op in ops {
            match stage.apply(op) {
                Ok(answer) => step.push(op.clone(), answer),
                Err(error @ ScenarioError::Stopped(_)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        if !step.is_empty() {
            played.push(step);
        }
    }
    Ok(played)
}

/// A difference that stays when a sequence is shortened.
///
/// # Errors
/// [`RunError`] if one side cannot be played.
pub fn still_differs(
    program: &Program,
    config: &StageConfig,
    candidate: &[Vec<Op>],
    wanted: (&Difference, &[Step]),
) -> Result<Option<(Vec<Step>, Difference)>, RunError> {
    let mut steps = answers(config, candidate)?;
    let Some(difference) = compare(program, &steps)?.difference else { return Ok(None) };
    if !difference.resembles(&steps, wanted.0, wanted.1) {
        return Ok(None);
    }
    steps.truncate(difference.step + 1);
    Ok(Some((steps, difference)))
}
