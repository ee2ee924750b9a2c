//! `dr7 run`: a program, its watches, its hits.

use std::io::Read;

use super::{CommandError, Outcome, plan};
use crate::cli::RunArgs;
use crate::report::{HitLimit, Report, Streams};
use crate::session::drive::{Driven, Observer, Session};
use crate::session::event::{Done, Ending};
use crate::session::guest::Machine;
use crate::session::inputs::HostInputs;
use crate::session::plan::Plan;

pub(super) fn run(
    args: &RunArgs,
    machine: &dyn Machine,
    stdin: impl Read + 'static,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let plan = plan::make(&args.guest)?;
    let mut report = Report::new(&plan, streams, HitLimit(args.hits.hits));
    if let Some(path) = &args.output {
        report.write_json(path)?;
    }
    let done = live(machine, &plan, stdin, &mut report)?;
    report.finish(&done)?;
    outcome(&plan, &done)
}

/// Runs a plan with the host's answers, to its end.
pub(super) fn live<O>(
    machine: &dyn Machine,
    plan: &Plan,
    stdin: impl Read + 'static,
    observer: &mut O,
) -> Result<Done, CommandError>
where
    O: Observer,
    CommandError: From<O::Error>,
{
    let inputs = HostInputs::new(stdin, plan.machine.seed, &plan.machine.mounts);
    let mut session = Session::start(machine, plan, inputs)?;
    match session.drive(observer, None)? {
        Driven::Done(done) => Ok(done),
        Driven::InputFailed(_, error) => Err(CommandError::Input(error)),
        Driven::Enough | Driven::StillRunning(_) => {
            unreachable!("a live run has no bound on steps, and its observers want all")
        }
    }
}

/// The guest's own end, or what kept it from one.
pub(super) fn outcome(plan: &Plan, done: &Done) -> Result<Outcome, CommandError> {
    let program = plan.image.path.clone();
    match &done.ending {
        Ending::Exited(status) => Ok(Outcome::Guest(*status)),
        Ending::Stopped { reason } => {
            Err(CommandError::Stopped { program, reason: reason.clone() })
        }
        Ending::Limit { max_insns } => Err(CommandError::Limit { program, max_insns: *max_insns }),
    }
}
