//! The report as it grows: observes a run, prints, counts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::disassembly::{disassemble, missing_feature};
use super::hit::hit_lines;
use super::host_time::Stopwatch;
use super::json;
use super::progress::Progress;
use super::strace::{Strace, StraceTo};
use super::streams::Streams;
use super::summary::Summary;
use super::tally::{Exited, WatchTally, task_name};
use kernel_model::strace::CallTold;

use crate::output_file::OutputFile;
use crate::session::drive::{Flow, Observer};
use crate::session::event::{Done, Entry, Event, Hit, Position};
use crate::session::plan::Plan;
use crate::symbols::Symbols;

/// Something that could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Standard output or error.
    #[error("standard output or error: {0}")]
    Stream(#[source] io::Error),
    /// The file of JSON lines, or of system calls.
    #[error("{}: cannot write: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// How many hits of each watch are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitLimit(pub u64);

/// JSON lines on their way to a file.
#[derive(Debug)]
struct JsonFile {
    path: PathBuf,
    file: OutputFile,
}

impl JsonFile {
    fn error(&self) -> impl Fn(io::Error) -> ReportError + use<> {
        let path = self.path.clone();
        move |source| ReportError::File { path: path.clone(), source }
    }

    fn line(&mut self, object: &serde_json::Value) -> Result<(), ReportError> {
        writeln!(self.file, "{object}").map_err(self.error())
    }
}

/// Observes a run and tells about it.
#[derive(Debug)]
pub struct Report<'run, 'io> {
    plan: &'run Plan,
    symbols: Symbols<'run>,
    streams: Streams<'io>,
    progress: Progress,
    limit: HitLimit,
    tallies: Vec<WatchTally>,
    exits: Vec<Exited>,
    json: Option<JsonFile>,
    strace: Option<Strace>,
    stopwatch: Stopwatch,
}

impl<'run, 'io> Report<'run, 'io> {
    /// A report on a run of `plan`.
    #[must_use]
    pub fn new(plan: &'run Plan, streams: Streams<'io>, limit: HitLimit) -> Self {
        Self {
            plan,
            symbols: Symbols::read(&plan.image.bytes),
            streams,
            progress: Progress::hidden(),
            limit,
            tallies: vec![WatchTally::default(); plan.watches.len()],
            exits: Vec::new(),
            json: None,
            strace: None,
            stopwatch: Stopwatch::start(),
        }
    }

    /// Also writes JSON lines.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_json(&mut self, path: &Path) -> Result<(), ReportError> {
        let path = path.to_owned();
        match OutputFile::create(&path) {
            Err(source) => Err(ReportError::File { path, source }),
            Ok(file) => {
                let mut json = JsonFile { path, file };
                json.line(&json::start(self.plan, &self.symbols))?;
                self.json = Some(json);
                Ok(())
            }
        }
    }

    /// Also shows the system calls that it is told of.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn show_strace(&mut self, to: &StraceTo) -> Result<(), ReportError> {
        self.strace = Some(Strace::start(to)?);
        Ok(())
    }

    fn show_calls(&mut self, text: &str) -> Result<(), ReportError> {
        match &mut self.strace {
            _ if text.is_empty() => Ok(()),
            Some(Strace { file: Some(file), .. }) => file.write(text),
            Some(Strace { file: None, .. }) => self.say(text),
            None => Ok(()),
        }
    }

    /// Shows a call that has not returned at the end of the run.
    fn end_calls(&mut self) -> Result<(), ReportError> {
        let text = self.strace.as_mut().map(|strace| strace.lines.end()).unwrap_or_default();
        self.show_calls(&text)
    }

    /// Shows a progress bar if standard error is a terminal.
    pub fn show_progress(&mut self, total_insns: Option<u64>) {
        if self.streams.err_is_terminal {
            self.progress = Progress::on_terminal(total_insns);
        }
    }

    /// The names of the program.
    #[must_use]
    pub const fn symbols(&self) -> &Symbols<'run> {
        &self.symbols
    }

    /// Says something on standard error, around the progress bar.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say(&mut self, text: &str) -> Result<(), ReportError> {
        let (progress, streams) = (&mut self.progress, &mut self.streams);
        progress.around(b"", || streams.say(text)).map_err(ReportError::Stream)
    }

    /// Prints the summary and completes the JSON lines.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn finish(&mut self, done: &Done) -> Result<(), ReportError> {
        let elapsed = self.stopwatch.elapsed();
        self.end_calls()?;
        self.progress.finish();
        let summary = Summary {
            plan: self.plan,
            symbols: &self.symbols,
            tallies: &self.tallies,
            exits: &self.exits,
            done,
            elapsed,
        };
        let text = summary.text();
        self.say(&text)?;
        if let Some(mut json) = self.json.take() {
            json.line(&json::summary(done, self.plan, &self.tallies))?;
            let error = json.error();
            json.file.finish().map_err(error)?;
        }
        Ok(())
    }

    /// Takes the progress bar away; JSON lines are not completed.
    pub fn abandon(&mut self) {
        self.progress.finish();
        self.json = None;
    }

    fn event(&mut self, event: &Event) -> Result<(), ReportError> {
        match event {
            Event::Hit(hit) => self.hit(hit)?,
            Event::Span(span) => {
                if let Some(tally) = self.tallies.get_mut(span.watch as usize) {
                    tally.span(span);
                }
            }
            Event::Output { fd, bytes } => {
                let (progress, streams) = (&mut self.progress, &mut self.streams);
                let written = progress.around(bytes, || streams.pass(*fd, bytes));
                return written.map_err(ReportError::Stream);
            }
            Event::Exit { who, status, .. } => {
                self.exits.push(Exited { who: who.clone(), status: *status });
            }
            Event::UndefinedInsn { ip, insn_bytes, who } => {
                let model = self.plan.machine.model;
                if let Some(feature) = missing_feature(model, *ip, insn_bytes) {
                    let text = disassemble(*ip, insn_bytes);
                    let text = text.as_deref().unwrap_or("an instruction");
                    let who = task_name(who);
                    self.say(&format!(
                        "dr7: {who}: {text} at {ip:#x} needs {feature}, which --cpu {model} does \
                         not have\n"
                    ))?;
                }
            }
            Event::OutOfMemory { who, resident_bytes, ram_bytes } => {
                let who = task_name(who);
                let (had, all) = (resident_bytes >> 10, ram_bytes >> 10);
                self.say(&format!(
                    "dr7: out of memory: killed {who}, which had {had} of {all} KiB\n"
                ))?;
            }
            Event::UnsupportedSyscall { nr, name, who } => {
                let name = name.as_deref().unwrap_or("no name");
                let who = task_name(who);
                self.say(&format!("dr7: {who}: system call {nr} ({name}) is not supported\n"))?;
            }
        }
        match &mut self.json {
            None => Ok(()),
            Some(json) => json.line(&json::event(event, &self.symbols)),
        }
    }

    fn hit(&mut self, hit: &Hit) -> Result<(), ReportError> {
        let index = hit.watch as usize;
        let (Some(tally), Some(watch)) =
            (self.tallies.get_mut(index), self.plan.watches.get(index))
        else {
            return Ok(());
        };
        tally.hit(hit);
        if tally.shown < self.limit.0 {
            tally.shown += 1;
            let lines = hit_lines(hit, watch, &self.symbols);
            return self.say(&lines);
        }
        if tally.hits == self.limit.0.saturating_add(1) {
            let shown = self.limit.0;
            return self.say(&format!(
                "dr7: {}: {shown} hits shown; more are counted, not shown (--hits N)\n",
                watch.text
            ));
        }
        Ok(())
    }
}

impl Observer for Report<'_, '_> {
    type Error = ReportError;

    fn entry(&mut self, _at: Position, entry: &Entry) -> Result<Flow, Self::Error> {
        match entry {
            Entry::Event(event) => self.event(event)?,
            // What the guest was told and the machine's state are for recordings.
            Entry::Input(_) | Entry::Mark(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn call(&mut self, told: &CallTold) -> Result<(), Self::Error> {
        let text = self.strace.as_mut().map(|strace| strace.lines.told(told)).unwrap_or_default();
        self.show_calls(&text)
    }

    fn progress(&mut self, at: Position) {
        self.progress.reach(at.insns);
    }
}
