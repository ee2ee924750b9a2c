//! `dr7 chaos`: one program under many interleavings of its threads, compared with its first run.
//!
//! Parts: `shown` (what a run shows, and how two differ), `in_order` (several runs at once).
//! A seed that differs is run once more and recorded: runs are deterministic.

mod in_order;
mod shown;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::run::live;
use super::{CommandError, Outcome, plan, record};
use crate::cli::chaos::ChaosArgs;
use crate::recording::RecordingWriter;
use crate::report::Streams;
use crate::report::describe::ending_text;
use crate::report::progress::Progress;
use crate::session::drive::{Companions, Driven, Flow, Observer, Session};
use crate::session::event::{Ending, Entry, Position};
use crate::session::guest::Machine;
use crate::session::inputs::HostInputs;
use crate::session::plan::Plan;
use crate::symbols::Symbols;
use in_order::{host_processors, in_order};
use shown::{Collector, Difference, Shown};

/// A seed's run may take so many times the instructions of the first run,
const LIMIT_TIMES: u64 = 20;
/// and so many more: starting threads and waiting for them costs what a short run has not.
const LIMIT_MORE: u64 = 100_000_000;

/// What is run, and what each run is given.
struct Subject<'a> {
    machine: &'a dyn Machine,
    /// As `dr7 run` would run it.
    plan: Plan,
    stdin: Vec<u8>,
}

impl Subject<'_> {
    /// The plan of a seed.
    fn seeded(&self, seed: u64) -> Plan {
        let mut plan = self.plan.clone();
        plan.machine.sched_seed = Some(seed);
        plan
    }

    /// Runs a plan to its end.
    fn run(&self, plan: &Plan) -> Result<Shown, CommandError> {
        let stdin = Cursor::new(self.stdin.clone());
        let inputs = HostInputs::new(stdin, plan.machine.seed, &plan.machine.mounts);
        let mut session = Session::start(self.machine, plan, inputs)?;
        let mut seen = Collector::new(plan.watches.len());
        let Ok(driven) = session.drive(&mut seen, None);
        match driven {
            Driven::Done(done) => {
                let (killed_at, insns) = (session.killed_at(), done.totals.insns());
                Ok(Shown { ending: done.ending, killed_at, insns, seen })
            }
            Driven::InputFailed(_, error) => Err(CommandError::Input(error)),
            Driven::Enough | Driven::StillRunning(_) => {
                unreachable!("the run has no bound on steps, and its collector wants all")
            }
        }
    }

    /// Runs a seed again and writes its recording.
    fn record(&self, seed: u64, path: &Path) -> Result<(), CommandError> {
        let plan = self.seeded(seed);
        let writer = RecordingWriter::create(path, &plan).map_err(record::in_file(path))?;
        let mut keeper = Keeper { writer, path };
        let stdin = Cursor::new(self.stdin.clone());
        let (done, _) = live(self.machine, &plan, stdin, &mut keeper, Companions::default())?;
        keeper.writer.finish(&done).map_err(record::in_file(path))?;
        Ok(())
    }
}

/// Writes a run down and says nothing.
struct Keeper<'p> {
    writer: RecordingWriter,
    path: &'p Path,
}

impl Observer for Keeper<'_> {
    type Error = CommandError;

    fn entry(&mut self, _at: Position, entry: &Entry) -> Result<Flow, CommandError> {
        self.writer.entry(entry).map_err(record::in_file(self.path))?;
        Ok(Flow::Continue)
    }

    fn progress(&mut self, _at: Position) {}
}

pub(super) fn chaos(
    args: &ChaosArgs,
    machine: &dyn Machine,
    mut stdin: impl Read + 'static,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let plan = plan::make(&args.guest)?;
    let mut given = Vec::new();
    stdin.read_to_end(&mut given).map_err(CommandError::Stdin)?;
    let mut subject = Subject { machine, plan, stdin: given };
    let first = subject.run(&subject.plan)?;
    let program = || subject.plan.image.path.clone();
    match &first.ending {
        Ending::Exited(_) => {}
        Ending::Stopped { reason } => {
            return Err(CommandError::Stopped { program: program(), reason: reason.clone() });
        }
        Ending::Limit { max_insns } => {
            return Err(CommandError::Limit { program: program(), max_insns: *max_insns });
        }
    }
    let usual = first.insns.saturating_mul(LIMIT_TIMES).saturating_add(LIMIT_MORE);
    subject.plan.max_insns.get_or_insert(usual);
    let mut teller = Teller {
        subject: &subject,
        symbols: Symbols::read(&subject.plan.image.bytes),
        progress: Progress::hidden(),
        streams,
        output: args.output.as_deref(),
        nr_told: 0,
        nr_differ: 0,
    };
    if teller.streams.err_is_terminal {
        teller.progress = Progress::of_seeds(args.seeds.get());
    }
    let (ending, insns) = (ending_text(&first.ending), first.insns);
    teller.say(&format!("first run: {ending}, {insns} instructions\n"))?;
    let end = args.from.saturating_add(args.seeds.get());
    let jobs = args.jobs.unwrap_or_else(host_processors);
    let work = |seed| {
        let found = subject.run(&subject.seeded(seed))?;
        Ok::<_, CommandError>(first.difference(&found))
    };
    in_order(args.from..end, jobs, work, |seed, result| {
        let differs = teller.tell(seed, result?.as_ref())?;
        Ok::<_, CommandError>(if differs && !args.all { Flow::Enough } else { Flow::Continue })
    })?;
    teller.finish()
}

/// Tells which seeds differ, in their order, and records them.
struct Teller<'run, 'io> {
    subject: &'run Subject<'run>,
    symbols: Symbols<'run>,
    progress: Progress,
    streams: Streams<'io>,
    /// Where the first recording goes.
    output: Option<&'run Path>,
    nr_told: u64,
    nr_differ: u64,
}

impl Teller<'_, '_> {
    fn say(&mut self, text: &str) -> Result<(), CommandError> {
        let out = &mut self.streams.out;
        let written = self
            .progress
            .around(text.as_bytes(), || out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        written.map_err(CommandError::Output)
    }

    /// Whether the seed differs.
    fn tell(&mut self, seed: u64, found: Option<&Difference>) -> Result<bool, CommandError> {
        self.nr_told += 1;
        self.progress.reach(self.nr_told);
        let Some(difference) = found else { return Ok(false) };
        self.nr_differ += 1;
        let path = self.path(seed);
        self.subject.record(seed, &path)?;
        let watches = &self.subject.plan.watches;
        let watch = |index: usize| watches.get(index).map_or(String::new(), |it| it.text.clone());
        let what = difference.text(|address| self.place(address), watch);
        self.say(&format!("seed {seed}: {what}; recorded: {}\n", path.display()))?;
        Ok(true)
    }

    /// Where the recording of a seed goes.
    fn path(&self, seed: u64) -> PathBuf {
        match self.output {
            Some(output) if self.nr_differ == 1 => output.to_owned(),
            Some(output) => output.with_extension(format!("seed{seed}.dr7")),
            None => {
                let name = Path::new(&self.subject.plan.image.path).file_name();
                let name = name.unwrap_or_default().to_string_lossy();
                PathBuf::from(format!("{name}.seed{seed}.dr7"))
            }
        }
    }

    /// An address with its symbol and its line of source.
    fn place(&self, address: u64) -> String {
        let name = self.symbols.place(address).map(|name| format!(" {name}")).unwrap_or_default();
        let line = self.symbols.line(address);
        let line = line.map(|line| format!(" ({}:{})", line.file_name(), line.line));
        format!("{address:#x}{name}{}", line.unwrap_or_default())
    }

    fn finish(mut self) -> Result<Outcome, CommandError> {
        self.progress.finish();
        let (told, differ) = (self.nr_told, self.nr_differ);
        let seeds = if told == 1 { "seed" } else { "seeds" };
        self.say(&match differ {
            0 => format!("{told} {seeds}: all agree with the first run\n"),
            1 => format!("{told} {seeds}: 1 differs from the first run\n"),
            _ => format!("{told} {seeds}: {differ} differ from the first run\n"),
        })?;
        Ok(if differ == 0 { Outcome::Identical } else { Outcome::Diverged })
    }
}
