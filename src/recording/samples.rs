//! Recordings for tests.

use std::path::Path;

use super::{Counts, RecordingWriter};
use crate::session::drive::{Driven, Flow, Observer, Session};
use crate::session::event::{Done, Entry, Position};
use crate::session::guest::Machine;
use crate::session::inputs::HostInputs;
use crate::session::plan::Plan;
use crate::session::script;

/// Keeps the log.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Vec<Entry>);

impl Observer for Log {
    type Error = std::convert::Infallible;

    fn entry(&mut self, _at: Position, entry: &Entry) -> Result<Flow, Self::Error> {
        self.0.push(entry.clone());
        Ok(Flow::Continue)
    }

    fn progress(&mut self, _at: Position) {}
}

/// Runs a script to its end.
pub(crate) fn run(machine: &dyn Machine, plan: &Plan) -> (Vec<Entry>, Done) {
    let inputs = HostInputs::new(&b"hi there"[..], plan.machine.seed, &[]);
    let mut session = Session::start(machine, plan, inputs).unwrap();
    let mut log = Log::default();
    match session.drive(&mut log, None).unwrap() {
        Driven::Done(done) => (log.0, done),
        other => panic!("{other:?}"),
    }
}

/// Writes a recording of these.
pub(crate) fn write(path: &Path, plan: &Plan, log: &[Entry], done: &Done) -> Counts {
    let mut writer = RecordingWriter::create(path, plan).unwrap();
    for entry in log {
        writer.entry(entry).unwrap();
    }
    writer.finish(done).unwrap()
}

/// The file of [`script::varied`].
pub(crate) fn small_file() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("small.dr7");
    let plan = script::plan();
    let (log, done) = run(&script::varied(), &plan);
    write(&path, &plan, &log, &done);
    std::fs::read(path).unwrap()
}
