//! `dr7 conformance slots`: random breakpoint operations beside the running kernel.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::tell;
use crate::cli::conformance_slots::SlotsArgs;
use crate::cmd::{CommandError, Outcome};
use crate::conformance::slots::shrink::Mismatch;
use crate::conformance::slots::{Plan, RunError, run};
use crate::output_file::OutputFile;
use crate::report::Streams;

pub(super) fn slots(args: &SlotsArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let plan = Plan { steps: args.steps, seed: args.seed, stage: None };
    let start = Instant::now();
    let tally = match run(&plan, |_| {}) {
        Ok(tally) => tally,
        Err(RunError::Skipped(reason)) => {
            tell(&format!("skipped: {reason}\n"), streams)?;
            return Ok(Outcome::Shown);
        }
        Err(error) => return Err(CommandError::Slots(error)),
    };
    let seconds = start.elapsed().as_secs_f64();
    let rate = tally.steps as f64 / seconds.max(f64::EPSILON);
    let mut text = tally.summary();
    if let Some(mismatch) = &tally.mismatch {
        let path = path(args, tally.at);
        write(mismatch, &path)?;
        text.push_str(&format!("{}\nin {}\n", mismatch.explanation(), path.display()));
    }
    text.push_str(&format!("seed {}, {seconds:.1} s, {rate:.0} steps/s\n", args.seed));
    if let Some(path) = &args.json {
        let mut file = OutputFile::create(path).map_err(CommandError::DataFiles)?;
        writeln!(file, "{}", tally.json(args.seed)).map_err(CommandError::DataFiles)?;
        file.finish().map_err(CommandError::DataFiles)?;
    }
    tell(&text, streams)?;
    Ok(if tally.mismatch.is_none() { Outcome::Shown } else { Outcome::Diverged })
}

fn path(args: &SlotsArgs, step: u64) -> PathBuf {
    let default = || PathBuf::from(format!("slots-mismatch-{}-{step}.scn", args.seed));
    args.output.clone().unwrap_or_else(default)
}

fn write(mismatch: &Mismatch, path: &std::path::Path) -> Result<(), CommandError> {
    let mut file = OutputFile::create(path).map_err(CommandError::DataFiles)?;
    file.write_all(mismatch.scenario().as_bytes()).map_err(CommandError::DataFiles)?;
    file.finish().map_err(CommandError::DataFiles)
}
