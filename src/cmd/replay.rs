//! `dr7 replay`: a recording run again, and compared entry by entry.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use kernel_model::strace::CallTold;

use super::divergence::{Divergence, Side};
use super::{CommandError, Outcome, strace};
use crate::cli::ReplayArgs;
use crate::recording::{Entries, Recording, RecordingError};
use crate::report::{HitLimit, Report, Streams};
use crate::session::drive::{Companions, Driven, Flow, Observer, Session};
use crate::session::event::{Done, Entry, Position};
use crate::session::guest::Machine;
use crate::session::inputs::ReplayInputs;
use crate::session::program;

/// Entries that are shown before a divergence.
const SHOWN_BEFORE: usize = 4;

/// Reports a run and compares it with a recording.
struct Verifier<'run, 'io> {
    report: Report<'run, 'io>,
    entries: Entries<'run>,
    done: &'run Done,
    path: &'run Path,
    index: u64,
    before: VecDeque<(u64, Entry)>,
    divergence: Option<Divergence>,
}

impl Verifier<'_, '_> {
    /// What the recording holds next: an entry, or its end.
    fn next_recorded(&mut self) -> Result<Side, CommandError> {
        match self.entries.next() {
            None => Ok(Side::End(self.done.clone())),
            Some(entry) => Ok(Side::Entry(entry.map_err(in_file(self.path))?)),
        }
    }

    fn diverge(&mut self, at: Position, recorded: Side, replayed: Side) {
        let before = self.before.drain(..).collect();
        self.divergence = Some(Divergence { at, index: self.index, recorded, replayed, before });
    }

    /// Compares one entry; the guest's doings are shown even if they differ.
    fn compare(&mut self, at: Position, entry: &Entry) -> Result<Flow, CommandError> {
        let recorded = self.next_recorded()?;
        if matches!(&recorded, Side::Entry(recorded) if recorded == entry) {
            if self.before.len() == SHOWN_BEFORE {
                self.before.pop_front();
            }
            self.before.push_back((self.index, entry.clone()));
            self.index += 1;
            return Ok(Flow::Continue);
        }
        self.diverge(at, recorded, Side::Entry(entry.clone()));
        Ok(Flow::Enough)
    }

    /// Compares how the runs ended.
    fn compare_end(&mut self, driven: Driven) -> Result<(), CommandError> {
        let (at, replayed) = match driven {
            Driven::Enough => return Ok(()),
            Driven::Done(done) => {
                (Position { step: done.steps, insns: done.totals.insns() }, Side::End(done))
            }
            Driven::StillRunning(at) => (at, Side::StillRunning),
            Driven::InputFailed(at, error) => (at, Side::Question(error.to_string())),
        };
        let recorded = self.next_recorded()?;
        if recorded != replayed {
            self.diverge(at, recorded, replayed);
        }
        Ok(())
    }
}

impl Observer for Verifier<'_, '_> {
    type Error = CommandError;

    fn entry(&mut self, at: Position, entry: &Entry) -> Result<Flow, Self::Error> {
        let flow = self.compare(at, entry)?;
        self.report.entry(at, entry)?;
        Ok(flow)
    }

    fn call(&mut self, told: &CallTold) -> Result<(), Self::Error> {
        Ok(self.report.call(told)?)
    }

    fn progress(&mut self, at: Position) {
        self.report.progress(at);
    }
}

pub(super) fn replay(
    args: &ReplayArgs,
    machine: &dyn Machine,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let recording = open(&args.file)?;
    let plan = recording.plan();
    plan.machine.check()?;
    let mut report = Report::new(plan, streams, HitLimit(args.hits.hits));
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    report.show_progress(Some(recording.done().totals.insns()));
    let calls = strace::start(&args.strace, &mut report)?;
    let mut verifier = Verifier {
        report,
        entries: recording.entries(),
        done: recording.done(),
        path: &args.file,
        index: 0,
        before: VecDeque::new(),
        divergence: None,
    };
    let with = Companions { calls, ..Companions::default() };
    let inputs = ReplayInputs::new(recording.inputs().to_vec());
    let mut session = Session::start_with(machine, plan, inputs, with)?;
    let driven = session.drive(&mut verifier, Some(recording.done().steps))?;
    verifier.compare_end(driven)?;
    verdict(verifier, &recording)
}

fn verdict(verifier: Verifier<'_, '_>, recording: &Recording) -> Result<Outcome, CommandError> {
    let Verifier { mut report, divergence, .. } = verifier;
    if let Some(divergence) = divergence {
        let text = divergence.text(report.symbols());
        report.abandon();
        report.say(&text)?;
        return Ok(Outcome::Diverged);
    }
    report.finish(recording.done())?;
    let counts = recording.counts();
    report.say(&format!(
        "identical: {} hits, {} inputs, {} marks, {} instructions\n",
        counts.hits,
        counts.inputs,
        counts.marks,
        recording.done().totals.insns()
    ))?;
    Ok(Outcome::Identical)
}

/// Reads a recording and checks that it holds what can be run.
fn open(path: &Path) -> Result<Recording, CommandError> {
    let recording = read(path)?;
    let plan = recording.plan();
    if plan.machine.mounts.is_empty() {
        program::check(&plan.image.bytes)
            .map_err(|source| CommandError::RecordedProgram { path: path.to_owned(), source })?;
    }
    Ok(recording)
}

/// Reads a recording.
pub(super) fn read(path: &Path) -> Result<Recording, CommandError> {
    let file =
        File::open(path).map_err(|source| CommandError::Open { path: path.to_owned(), source })?;
    Recording::read_from(file).map_err(in_file(path))
}

fn in_file(path: &Path) -> impl FnOnce(RecordingError) -> CommandError + '_ {
    move |source| CommandError::Recording { path: path.to_owned(), source }
}
