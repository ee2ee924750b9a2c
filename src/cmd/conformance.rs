//! `dr7 conformance`: the emulator beside what it emulates.

mod debug;
mod slots;

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::{CommandError, Outcome};
use crate::cli::{Conformance, ConformanceArgs, IsaArgs};
use crate::conformance::isa::data::write::{DataSet, data_set, regressions};
use crate::conformance::isa::{self, Plan, RunError, Strictness, report};
use crate::conformance::native::NativeError;
use crate::output_file::OutputFile;
use crate::report::Streams;

pub(super) fn conformance(
    args: &ConformanceArgs,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    match &args.what {
        Conformance::Isa(args) => compare_isa(args, streams),
        Conformance::Debug(args) => debug::debug(args, streams),
        Conformance::Slots(args) => slots::slots(args, streams),
        Conformance::Ring0(args) => super::ring0::ring0(args, streams),
    }
}

fn compare_isa(args: &IsaArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let filter = args.filter.as_deref().map(str::to_lowercase);
    if let Some(directory) = &args.write_data {
        return write_data(args, filter.as_deref(), directory, streams);
    }
    let plan = Plan {
        cases: args.cases,
        from: args.from,
        seed: args.seed,
        filter,
        max_block: args.block_len,
        strictness: if args.undefined { Strictness::Everything } else { Strictness::Defined },
    };
    let start = Instant::now();
    let tally = match isa::run(&plan, |_| {}) {
        Ok(tally) => tally,
        Err(RunError::Native(reason)) => return skipped(&reason, streams),
        Err(error @ RunError::NoForms) => return Err(CommandError::Conformance(error)),
    };
    let seconds = start.elapsed().as_secs_f64();
    let mut text = report::summary(&tally);
    let rate = tally.compared as f64 / seconds.max(f64::EPSILON);
    if tally.mismatches > 0
        && let Ok(lines) = regressions(&tally)
    {
        text.push_str("for tests/insn/regressions.insn:\n");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    let _ = writeln!(text, "seed {}, {seconds:.1} s, {rate:.0} cases/s", args.seed);
    tell(&text, streams)?;
    Ok(if tally.mismatches == 0 { Outcome::Shown } else { Outcome::Diverged })
}

/// Says why nothing was compared; that is no failure.
fn skipped(reason: &NativeError, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    tell(&format!("skipped: {reason}\n"), streams)?;
    Ok(Outcome::Shown)
}

fn tell(text: &str, streams: Streams<'_>) -> Result<(), CommandError> {
    streams.out.write_all(text.as_bytes()).map_err(CommandError::Output)
}

fn write_data(
    args: &IsaArgs,
    filter: Option<&str>,
    directory: &Path,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let (set, differing) = match data_set(args.seed, args.per_form, filter) {
        Ok(made) => made,
        Err(reason) => return skipped(&reason, streams),
    };
    write_files(&set, args, directory).map_err(CommandError::DataFiles)?;
    let lines: usize = set.values().map(Vec::len).sum();
    let text = format!("{lines} lines in {} files; {differing} cases differed\n", set.len());
    tell(&text, streams)?;
    Ok(if differing == 0 { Outcome::Shown } else { Outcome::Diverged })
}

fn write_files(set: &DataSet, args: &IsaArgs, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for (family, lines) in set.iter().filter(|(_, lines)| !lines.is_empty()) {
        let mut file = OutputFile::create(&directory.join(format!("{family}.insn")))?;
        writeln!(file, "# Answers of a processor, written by dr7 conformance isa --write-data")?;
        writeln!(file, "# (seed {}, {} cases of a form).", args.seed, args.per_form)?;
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.finish()?;
    }
    Ok(())
}
