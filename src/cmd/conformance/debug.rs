//! `dr7 conformance debug`: a file of measured cases, played on the emulator.

use std::io::{self, Write};

use crate::cli::conformance_debug::DebugArgs;
use crate::cmd::{CommandError, Outcome};
use crate::conformance::debug::report::{Detail, Tally, failure, json_line};
use crate::conformance::debug::row::Row;
use crate::conformance::debug::{Options, Slices, read, run};
use crate::output_file::OutputFile;
use crate::report::Streams;

pub(super) fn debug(args: &DebugArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let path = || args.file.clone();
    let file =
        std::fs::read(&args.file).map_err(|source| CommandError::Open { path: path(), source })?;
    let rows = read(&file).map_err(|source| CommandError::Cases { path: path(), source })?;
    let options = Options {
        kept_hits: args.kept_hits.into(),
        slices: if args.one_by_one { Slices::Single } else { Slices::Whole },
    };
    let wanted = |row: &&Row| args.filter.as_ref().is_none_or(|part| row.name.contains(part));
    let mut json = match &args.json {
        Some(path) => Some(OutputFile::create(path).map_err(CommandError::DataFiles)?),
        None => None,
    };
    let mut tally = Tally::default();
    let (mut printed, mut written): (io::Result<()>, io::Result<()>) = (Ok(()), Ok(()));
    run(rows.iter().filter(wanted), &options, |outcome| {
        tally.add(&outcome);
        if let (Some(line), Ok(())) = (failure(&outcome), &printed) {
            printed = streams.out.write_all(line.as_bytes());
        }
        if let (Some(file), Ok(())) = (&mut json, &written) {
            written = writeln!(file, "{}", json_line(&outcome));
        }
    });
    printed.map_err(CommandError::Output)?;
    if let Some(file) = json {
        written.and_then(|()| file.finish()).map_err(CommandError::DataFiles)?;
    }
    let detail = if args.skips { Detail::Skips } else { Detail::Total };
    streams.out.write_all(tally.summary(detail).as_bytes()).map_err(CommandError::Output)?;
    Ok(if tally.total().failed == 0 { Outcome::Shown } else { Outcome::Diverged })
}
