//! `dr7 scenario`: files of breakpoint operations, played on the kernel model.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::scenario::ScenarioArgs;
use crate::cmd::{CommandError, Outcome};
use crate::output_file::OutputFile;
use crate::report::Streams;
use crate::scenario::run::Refusals;
use crate::scenario::{Scenario, parse, run};

pub(super) fn scenario(args: &ScenarioArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    // A file that says nothing is found before anything is played.
    let read = |path: &std::path::PathBuf| Ok((path.clone(), read_file(path)?));
    let scenarios = args.files.iter().map(read).collect::<Result<Vec<_>, CommandError>>()?;
    let mut json = match &args.json {
        Some(path) => Some(OutputFile::create(path).map_err(CommandError::DataFiles)?),
        None => None,
    };
    let mut is_right = true;
    for (path, scenario) in &scenarios {
        let refusals = if args.explain { Refusals::Explained } else { Refusals::Bare };
        let outcome = run::play(scenario, refusals).map_err(CommandError::Stage)?;
        is_right &= outcome.wrong().next().is_none();
        let file = path.display().to_string();
        streams
            .out
            .write_all(run::report(&file, &outcome).as_bytes())
            .map_err(CommandError::Output)?;
        if let Some(json) = &mut json {
            write_lines(json, &file, &outcome).map_err(CommandError::DataFiles)?;
        }
    }
    if let Some(json) = json {
        json.finish().map_err(CommandError::DataFiles)?;
    }
    Ok(if is_right { Outcome::Shown } else { Outcome::Diverged })
}

fn write_lines(json: &mut OutputFile, file: &str, outcome: &run::Outcome) -> io::Result<()> {
    run::json(file, outcome).iter().try_for_each(|line| writeln!(json, "{line}"))
}

fn read_file(path: &Path) -> Result<Scenario, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CommandError::Open { path: path.to_owned(), source })?;
    parse::scenario(&text)
        .map_err(|source| CommandError::Scenario { path: path.to_owned(), source })
}
