//! Random breakpoint operations, played on the model and on the running kernel: the answer of
//! every call and every count are compared.
//!
//! [`run`] plays sequences of [`step`]s. `generate` makes them, with the model playing along;
//! [`native`] plays them on the running kernel; [`mod@compare`] tells noise from a difference;
//! [`mod@shrink`] makes a difference small. [`host`] says whether the host can be asked at all.

pub mod compare;
mod generate;
pub mod host;
#[cfg_attr(not(all(target_os = "linux", target_arch = "x86_64")), path = "native/absent.rs")]
pub mod native;
mod places;
pub mod shrink;
pub mod step;
pub mod tally;

use kernel_model::kernel::BootError;
use kernel_model::scenario::{ScenarioError, StageConfig};

use super::rng::Rng;
use compare::Model;
use generate::Generator;
use host::{Host, SkipReason};
use native::{NativeError, Program};
use shrink::{Mismatch, shrink};
use step::Step;
use tally::Tally;

/// Steps of a sequence, after which both sides start afresh.
const SEQUENCE_STEPS: u64 = 250;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps to compare.
    pub steps: u64,
    /// Where they come from.
    pub seed: u64,
    /// Another model than the host's: for a test of this comparison.
    pub stage: Option<StageConfig>,
}

/// Why nothing could be compared, or not all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The host cannot be asked.
    #[error("{0}")]
    Skipped(#[from] SkipReason),
    /// The host stopped answering.
    #[error("{0}")]
    Native(#[from] NativeError),
    /// The model cannot be built.
    #[error("the model: {0}")]
    Boot(#[from] BootError),
    /// The model cannot play what was generated.
    #[error("the model: {0}")]
    Model(#[from] ScenarioError),
}

/// Compares until the plan's steps are done or a sequence differs, which is then shrunk.
/// `progress` is told how many steps have been compared.
///
/// # Errors
/// [`RunError`].
pub fn run(plan: &Plan, mut progress: impl FnMut(u64)) -> Result<Tally, RunError> {
    let host = Host::take()?;
    let model = Model { config: plan.stage.unwrap_or(host.stage), others: host.others };
    let program = Program::write().map_err(SkipReason::Native)?;
    let mut tally = Tally::new(&host);
    let mut sequence = 0;
    while tally.steps < plan.steps {
        let length = SEQUENCE_STEPS.min(plan.steps - tally.steps);
        let steps = generate(plan.seed, sequence, length, model)?;
        let comparison = compare::compare(&program, &steps)?;
        let step = comparison.difference.as_ref().map(|difference| difference.step);
        tally.add(&steps, &comparison);
        if let Some(difference) = comparison.difference {
            if host::others(host.nr_cpus)? != model.others {
                return Err(SkipReason::Disturbed.into());
            }
            tally.mismatch = Some(shrink(&program, Mismatch { steps, difference, model })?);
            tally.at = sequence * SEQUENCE_STEPS + step.unwrap_or(0) as u64;
            return Ok(tally);
        }
        sequence += 1;
        progress(tally.steps);
    }
    Ok(tally)
}

/// The steps of a sequence; the first one, which declares things, does not count.
fn generate(seed: u64, sequence: u64, length: u64, model: Model) -> Result<Vec<Step>, RunError> {
    let (rng, stage) = (Rng::new(seed, sequence), compare::stage(model)?);
    let (mut generator, first) = Generator::new(rng, stage, model.config.nr_cpus)?;
    let mut steps = vec![first];
    for _ in 0..length {
        steps.push(generator.step()?);
    }
    Ok(steps)
}
