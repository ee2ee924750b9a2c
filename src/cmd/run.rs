//! `dr7 run`: a program, its watches, its hits.

use std::io::{Read, Write};
use std::path::Path;

use kernel_model::debug::KgdbIo;

use super::{CommandError, Outcome, plan, strace};
use crate::cli::RunArgs;
use crate::kgdb::{Listener, Server, kernel_symbols};
use crate::output_file::OutputFile;
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
    let calls = strace::start(&args.strace, &mut report)?;
    let debugger = match listener {
        Some(listener) => {
            let place = listener.place().map_err(CommandError::KgdbPlace)?;
            report.say(&format!("dr7: kgdb: waiting for gdb: target remote {place}\n"))?;
            let server = Server::start(listener, plan.machine.nr_cpus);
            Some(Box::new(server) as Box<dyn KgdbIo>)
        }
        None => None,
    };
    let companions = Companions { debugger, calls, ksym: &args.ksym };
    let (done, ksym) = live(machine, &plan, stdin, &mut report, companions)?;
    if !args.ksym.is_empty() {
        let trace = shortened(&ksym.trace, args.hits.hits);
        report.say(&format!("\n{trace}\n{}", ksym.profile))?;
    }
    report.finish(&done)?;
    outcome(&plan, &done)
}

/// The first hits of a trace, after its header, and how many more there are.
fn shortened(trace: &str, max_hits: u64) -> String {
    let is_header = |line: &&str| line.starts_with('#');
    let nr_hits = trace.lines().filter(|line| !is_header(line)).count() as u64;
    let mut left = max_hits;
    let mut text = String::new();
    for line in trace.lines() {
        let shown = is_header(&line) || left > 0;
        if shown {
            left -= u64::from(!is_header(&line));
            text.push_str(line);
            text.push('\n');
        }
    }
    if nr_hits > max_hits {
        text.push_str(&format!("and {} more (--hits)\n", nr_hits - max_hits));
    }
    text
}

fn write_kernel_symbols(path: &Path) -> Result<(), CommandError> {
    let write = || {
        let mut file = OutputFile::create(path)?;
        file.write_all(&kernel_symbols())?;
        file.finish()
    };
    write().map_err(|source| CommandError::KernelSymbols { path: path.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_trace_is_cut_after_its_first_hits() {
        let trace = "# header\n# more\na\nb\nc\n";
        assert_eq!(shortened(trace, 3), trace);
        assert_eq!(shortened(trace, 1), "# header\n# more\na\nand 2 more (--hits)\n");
        assert_eq!(shortened("# header\n", 0), "# header\n");
    }
}
