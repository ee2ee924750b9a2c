//! `dr7 bench`: how much slower than the processor, beside other ways to run
//! x86-64 programs.
//!
//! Each kernel is compiled once and run by the processor and by every contender
//! with the same count. The time is that on a processor ([`child::Clock`]), the
//! median of some runs, less the median of runs with a count of 0: programs
//! start, libraries load and translators warm up at no cost to the figures.
//! Outputs are compared: a fast wrong answer is a failure.
//!
//! `dr7 bench slots` and `dr7 bench linux` are other benches, in `slots` and `linux`.
//!
//! Parts: `kernels` (what is run), `build` (compiled), `field` (by whom), `child`
//! and `guest` (one run), `figures` and `table` (what came out).

mod build;
mod child;
mod field;
mod figures;
mod guest;
mod kernels;
mod linux;
mod slots;
mod table;

use std::io;
use std::path::Path;
use std::time::Duration;

use perf_core::Errno;

use super::{CommandError, Outcome};
use crate::cli::bench::{BenchArgs, BenchFormat, BenchWhat};
use crate::report::Streams;
use crate::session::guest::Machine;
use build::Workshop;
use child::Clock;
use field::{Attempt, Field, Present, look_for};
use figures::{Cell, Timed, Work};
use kernels::{KERNELS, Kernel};

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No kernel has the name.
    #[error("--filter {0}: no kernel has this in its name: {names}", names = names())]
    NoKernel(String),
    /// The event layer refused what it always admits.
    #[error("the event layer refused a breakpoint of the bench: {}", .0.name())]
    Stand(#[from] Errno),
    /// No place for the programs.
    #[error("a temporary directory: {0}")]
    Directory(#[source] io::Error),
    /// A program that cannot be started.
    #[error("{program}: cannot be run: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A kernel that does not compile here.
    #[error("{kernel}: does not compile:\n{complaint}")]
    Compile {
        /// The kernel.
        kernel: &'static str,
        /// The compiler's words.
        complaint: String,
    },
    /// The processor's own run has no answer to compare with.
    #[error("{kernel}: the native run {reason}")]
    Native {
        /// The kernel.
        kernel: &'static str,
        /// What happened.
        reason: String,
    },
    /// The guest asked for something that a bench does not give.
    #[error("{program}: the run has no end")]
    Unfinished {
        /// The program.
        program: String,
    },
    /// The watch that is to be silent was not.
    #[error("{program}: the silent watch was hit")]
    WatchHit {
        /// The program.
        program: String,
    },
}

fn names() -> String {
    KERNELS.map(|kernel| kernel.name).join(", ")
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    /// What was printed.
    output: Vec<u8>,
    /// How long it took, start-up included.
    time: Duration,
    /// Instructions retired, where they are counted.
    insns: Option<u64>,
}

/// What came out for one kernel.
#[derive(Debug)]
struct Row {
    kernel: &'static str,
    native: Duration,
    /// In the order of the contenders.
    cells: Vec<Cell>,
}

/// Measures and prints.
pub(super) fn bench(
    args: &BenchArgs,
    machine: &dyn Machine,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let mut streams = streams;
    match &args.what {
        Some(BenchWhat::Slots(args)) => return tell(&mut streams, &slots::measure(args)?),
        Some(BenchWhat::Linux(args)) => return linux::bench(args, machine, &mut streams),
        None => {}
    }
    let filter = args.filter.as_deref().unwrap_or("");
    let kernels: Vec<&Kernel> =
        KERNELS.iter().filter(|kernel| kernel.name.contains(filter)).collect();
    if kernels.is_empty() {
        return Err(BenchError::NoKernel(filter.to_owned()).into());
    }
    let Some(workshop) = Workshop::open()? else {
        return tell(&mut streams, "skipped: no static C compiler (musl-gcc, cc)\n");
    };
    let field =
        Field { machine, unicorn_script: workshop.unicorn_script(), clock: Clock::of_this_host() };
    let (present, missing) = gather(args);
    if args.format() == BenchFormat::Table {
        tell(&mut streams, &heading(args, &workshop, &field, &present, &missing))?;
    }
    let mut rows = Vec::new();
    for kernel in kernels {
        let program = workshop.build(kernel)?;
        let rounds = Rounds { runs: args.runs, divide: args.divide };
        rows.push(measure(&field, &present, kernel, &program, rounds)?);
    }
    let text = match args.format() {
        BenchFormat::Table => table::table(&rows, &present),
        BenchFormat::Json => table::json_lines(&rows, &present),
    };
    tell(&mut streams, &text)?;
    let all_alike =
        rows.iter().flat_map(|row| &row.cells).all(|cell| matches!(cell, Cell::Timed(_)));
    Ok(if all_alike { Outcome::Shown } else { Outcome::Diverged })
}

fn tell(streams: &mut Streams<'_>, text: &str) -> Result<Outcome, CommandError> {
    let written = streams.out.write_all(text.as_bytes()).and_then(|()| streams.out.flush());
    written.map(|()| Outcome::Shown).map_err(CommandError::Output)
}

/// Who is here, and the names of those who are not.
fn gather(args: &BenchArgs) -> (Vec<Present>, Vec<&'static str>) {
    let mut missing = Vec::new();
    let present = args.contenders().filter_map(|contender| {
        let found = look_for(contender);
        if found.is_none() {
            missing.push(contender.name());
        }
        found
    });
    (present.collect(), missing)
}

fn heading(
    args: &BenchArgs,
    workshop: &Workshop,
    field: &Field<'_>,
    present: &[Present],
    missing: &[&str],
) -> String {
    let mut text = format!(
        "{}, start-up subtracted; median of {}; {}\n",
        field.clock.name(),
        args.runs,
        workshop.command_line()
    );
    for Present { contender, version } in present {
        text.push_str(&format!("{}: {version}\n", contender.name()));
    }
    for name in missing {
        text.push_str(&format!("{name}: not installed\n"));
    }
    text
}

/// How often something is run.
#[derive(Clone, Copy, Debug)]
struct Rounds {
    /// Runs of each, whose median counts.
    runs: u32,
    /// Each does an n-th of its usual work.
    divide: u64,
}

/// One kernel, by the processor and by all contenders.
fn measure(
    field: &Field<'_>,
    present: &[Present],
    kernel: &Kernel,
    program: &Path,
    rounds: Rounds,
) -> Result<Row, CommandError> {
    let count = (kernel.count / rounds.divide).max(1);
    let both = |run: &dyn Fn(u64) -> Result<Attempt, CommandError>| {
        let start = sample(rounds.runs, || run(0))?;
        let work = sample(rounds.runs, || run(count))?;
        Ok::<_, CommandError>(start.and_then(|start| work.map(|work| (start, work))))
    };
    let native_error = |reason| BenchError::Native { kernel: kernel.name, reason };
    let (start, work) = both(&|count| field.native(program, count))?.map_err(native_error)?;
    let native = Work::median(&work).time.saturating_sub(Work::median(&start).time);
    let mut cells = Vec::new();
    for Present { contender, .. } in present {
        let runs = both(&|count| field.run(*contender, program, count))?;
        cells.push(match runs {
            Err(reason) => Cell::Failed(reason),
            Ok((own_start, own_work)) => {
                let same = outputs(&own_start).eq(outputs(&start))
                    && outputs(&own_work).eq(outputs(&work));
                let timed =
                    Timed::between(&Work::median(&own_start), &Work::median(&own_work), native);
                if same { Cell::Timed(timed) } else { Cell::Differs }
            }
        });
    }
    Ok(Row { kernel: kernel.name, native, cells })
}

fn outputs(samples: &[Sample]) -> impl Iterator<Item = &[u8]> {
    samples.iter().map(|sample| sample.output.as_slice())
}

/// Some runs of the same; the words of the first that fails.
fn sample(
    runs: u32,
    mut run: impl FnMut() -> Result<Attempt, CommandError>,
) -> Result<Result<Vec<Sample>, String>, CommandError> {
    let mut samples = Vec::new();
    for _ in 0..runs {
        match run()? {
            Attempt::Ended(sample) => samples.push(sample),
            Attempt::Failed(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(samples))
}
