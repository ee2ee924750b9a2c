//! `dr7 run`: a program, its watches, its hits.

use std::io::Read;
use std::path::Path;

use kernel_model::debug::KgdbIo;

use super::{CommandError, Outcome, plan};
use crate::cli::RunArgs;
use crate::kgdb::{Listener, Server, kernel_symbols};
use crate::report::{HitLimit, Report, Streams};
use crate::session::drive::{Companions, Driven, Observer, Session};
use crate::session::event::{Done, Ending};
use crate::session::guest::{KsymTexts, Machine};
use crate::session::inputs::HostInputs;
use crate::session::plan::Plan;

pub(super) fn run(
    args: &RunArgs,
    machine: &dyn Machine,
    stdin: impl Read + 'static,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let plan = plan::make(&args.guest)?;
    if let Some(path) = &args.kernel_symbols {
        write_kernel_symbols(path)?;
    }
    let listener = args.kgdb.as_deref().map(Listener::open).transpose()?;
    let mut report = Report::new(&plan, streams, HitLimit(args.hits.hits));
    if let Some(path) = &args.output {
        report.write_json(path)?;
    }
    let debugger = match listener {
        Some(listener) => {
            let place = listener.place().map_err(CommandError::KgdbPlace)?;
            report.say(&format!("dr7: kgdb: waiting for gdb: target remote {place}\n"))?;
            let server = Server::start(listener, plan.machine.nr_cpus);
            Some(Box::new(server) as Box<dyn KgdbIo>)
        }
        None => None,
    };
    let companions = Companions { debugger, ksym: &args.ksym };
    let (done, ksym) = live(machine, &plan, stdin, &mut report, companions)?;
    if !args.ksym.is_empty() {
        report.say(&format!("\n{}\n{}", ksym.trace, ksym.profile))?;
    }
    report.finish(&done)?;
    outcome(&plan, &done)
}

fn write_kernel_symbols(path: &Path) -> Result<(), CommandError> {
    std::fs::write(path, kernel_symbols())
        .map_err(|source| CommandError::KernelSymbols { path: path.to_owned(), source })
}

/// Runs a plan with the host's answers, to its end; also what the ksym tracer saw.
pub(super) fn live<O>(
    machine: &dyn Machine,
    plan: &Plan,
    stdin: impl Read + 'static,
    observer: &mut O,
    companions: Companions<'_>,
) -> Result<(Done, KsymTexts), CommandError>
where
    O: Observer,
    CommandError: From<O::Error>,
{
    let inputs = HostInputs::new(stdin, plan.machine.seed, &plan.machine.mounts);
    let mut session = Session::start_with(machine, plan, inputs, companions)?;
    match session.drive(observer, None)? {
        Driven::Done(done) => Ok((done, session.ksym_texts())),
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
