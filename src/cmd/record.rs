//! `dr7 record`: a run that can be run again.

use std::io::Read;
use std::path::Path;

use kernel_model::strace::CallTold;

use super::run::{live, outcome};
use super::{CommandError, Outcome, plan, strace};
use crate::cli::RecordArgs;
use crate::recording::{RecordingError, RecordingWriter};
use crate::report::{HitLimit, Report, Streams};
use crate::session::drive::{Companions, Flow, Observer};
use crate::session::event::{Entry, Position};
use crate::session::guest::Machine;

/// Reports a run and writes it down.
struct Recorder<'run, 'io> {
    report: Report<'run, 'io>,
    writer: RecordingWriter,
    path: &'run Path,
}

impl Observer for Recorder<'_, '_> {
    type Error = CommandError;

    fn entry(&mut self, at: Position, entry: &Entry) -> Result<Flow, Self::Error> {
        self.writer.entry(entry).map_err(in_file(self.path))?;
        Ok(self.report.entry(at, entry)?)
    }

    fn call(&mut self, told: &CallTold) -> Result<(), Self::Error> {
        Ok(self.report.call(told)?)
    }

    fn progress(&mut self, at: Position) {
        self.report.progress(at);
    }
}

pub(super) fn record(
    args: &RecordArgs,
    machine: &dyn Machine,
    stdin: impl Read + 'static,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    if args.kgdb.is_some() {
        return Err(CommandError::RecordKgdb);
    }
    let plan = plan::make(&args.guest)?;
    let mut report = Report::new(&plan, streams, HitLimit(args.hits.hits));
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    report.show_progress(plan.max_insns);
    let calls = strace::start(&args.strace, &mut report)?;
    let path = args.output.as_path();
    let writer = RecordingWriter::create(path, &plan).map_err(in_file(path))?;
    let mut recorder = Recorder { report, writer, path };
    let (done, _) =
        live(machine, &plan, stdin, &mut recorder, Companions { calls, ..Companions::default() })?;
    // A run that stopped is worth a recording too: its replay stops likewise.
    let counts = recorder.writer.finish(&done).map_err(in_file(path))?;
    recorder.report.finish(&done)?;
    recorder.report.say(&format!(
        "dr7: {}: {} hits, {} inputs, {} marks recorded\n",
        path.display(),
        counts.hits,
        counts.inputs,
        counts.marks
    ))?;
    outcome(&plan, &done)
}

pub(super) fn in_file(path: &Path) -> impl FnOnce(RecordingError) -> CommandError + '_ {
    move |source| CommandError::Recording { path: path.to_owned(), source }
}
