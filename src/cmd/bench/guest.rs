//! dr7's own runs: a session in this process, as `dr7 run` makes it.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::Path;

use super::child::{Clock, OwnTime};
use super::{BenchError, Sample};
use crate::cli::watch_spec::WatchSpec;
use crate::cmd::CommandError;
use crate::session::config::MachineConfig;
use crate::session::drive::{Driven, Flow, Observer, Session};
use crate::session::event::{Ending, Entry, Event, Position};
use crate::session::guest::Machine;
use crate::session::inputs::HostInputs;
use crate::session::plan::{DEFAULT_ENVP, DEFAULT_MARK_EVERY, Image, Plan};
use crate::session::{program, watch};
use crate::symbols::Symbols;

/// A session for a program with one argument, and at most one watch.
pub(super) fn plan(path: &Path, count: u64, event: Option<&str>) -> Result<Plan, CommandError> {
    let shown = path.display().to_string();
    let bytes =
        fs::read(path).map_err(|source| CommandError::Open { path: path.to_owned(), source })?;
    program::check(&bytes)
        .map_err(|source| program::ProgramError::Elf { path: shown.clone(), source })?;
    let mut watches = Vec::new();
    if let Some(text) = event {
        let resolved = watch::resolve(&WatchSpec::parse(text)?, &Symbols::read(&bytes));
        let text = text.to_owned();
        watches.push(resolved.map_err(|source| CommandError::Watch { text, source })?);
    }
    Ok(Plan {
        machine: MachineConfig::default(),
        argv: vec![shown.clone().into_bytes(), count.to_string().into_bytes()],
        image: Image { path: shown, bytes },
        envp: DEFAULT_ENVP.iter().map(|variable| variable.as_bytes().to_vec()).collect(),
        watches,
        counters: Vec::new(),
        mark_every: DEFAULT_MARK_EVERY,
        max_insns: None,
    })
}

/// What the guest wrote, and how often a watch was hit.
#[derive(Debug, Default)]
struct Seen {
    output: Vec<u8>,
    hits: u64,
}

impl Observer for Seen {
    type Error = Infallible;

    fn entry(&mut self, _at: Position, entry: &Entry) -> Result<Flow, Infallible> {
        match entry {
            Entry::Event(Event::Output { bytes, .. }) => self.output.extend_from_slice(bytes),
            Entry::Event(Event::Hit(_)) => self.hits += 1,
            Entry::Event(_) | Entry::Input(_) | Entry::Mark(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn progress(&mut self, _at: Position) {}
}

/// Runs a plan to its end.
pub(super) fn run(
    machine: &dyn Machine,
    plan: &Plan,
    clock: Clock,
) -> Result<Sample, CommandError> {
    let watch = OwnTime::start(clock);
    let mut session = Session::start(machine, plan, HostInputs::new(io::empty(), 0, &[]))?;
    let mut seen = Seen::default();
    let Ok(driven) = session.drive(&mut seen, None);
    let time = watch.elapsed();
    let Driven::Done(done) = driven else {
        return Err(BenchError::Unfinished { program: plan.image.path.clone() }.into());
    };
    if let Ending::Stopped { reason } = done.ending {
        let program = plan.image.path.clone();
        return Err(CommandError::Stopped { program, reason });
    }
    if seen.hits > 0 {
        return Err(BenchError::WatchHit { program: plan.image.path.clone() }.into());
    }
    Ok(Sample { output: seen.output, time, insns: Some(done.totals.insns()) })
}
