//! `dr7 conformance ring0`: the ring-0 conformance image here and on other emulators.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use emulator::bare::BareEnding;

use super::{CommandError, Outcome};
use crate::cli::conformance_ring0::Ring0Args;
use crate::conformance::ring0::emulated::{self, StartError};
use crate::conformance::ring0::peers::{self, PeerError, PeerRun};
use crate::conformance::ring0::results::Results;
use crate::conformance::ring0::table::{self, Column};
use crate::conformance::ring0::toolchain::{self, BuildError, Built};
use crate::report::Streams;

/// Why the image could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum Ring0Error {
    /// There is no image.
    #[error("the ring-0 image: {0}")]
    Build(#[from] BuildError),
    /// A file of the build.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// This emulator did not start it.
    #[error("the ring-0 image: {0}")]
    Start(#[from] StartError),
    /// Another emulator could not be run.
    #[error("{0}")]
    Peer(#[from] PeerError),
}

pub(super) fn ring0(args: &Ring0Args, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let scratch = tempfile::tempdir().map_err(CommandError::DataFiles)?;
    let directory = args.build_dir.clone().unwrap_or_else(|| scratch.path().to_owned());
    let built = match toolchain::build(&directory) {
        Ok(built) => built,
        Err(missing @ BuildError::Missing { .. }) => {
            return tell(&format!("skipped: {missing}\n"), streams).map(|()| Outcome::Shown);
        }
        Err(error) => return Err(Ring0Error::from(error).into()),
    };
    let mut columns = vec![
        here("dr7", &built.multiboot(), args)?,
        here("dr7, 64-bit entry", &built.elf64(), args)?,
    ];
    let passed = columns.iter().all(|column| column.results.all_passed());
    let mut absent = Vec::new();
    if !args.only_here {
        for (name, run) in [("QEMU TCG", peers::qemu as Peer), ("Bochs", peers::bochs)] {
            match run(&built, args.cpus, &command_line(args)) {
                Ok(run) => columns.push(peer(name, run)),
                Err(missing @ PeerError::Missing(_)) => absent.push(missing.to_string()),
                Err(error) => return Err(Ring0Error::from(error).into()),
            }
        }
    }
    let text =
        if args.markdown { markdown(&columns, &absent, args) } else { summary(&columns, &absent) };
    tell(&text, streams)?;
    Ok(if passed { Outcome::Shown } else { Outcome::Diverged })
}

/// The image's command line: on a busy host other CPUs may take their time to start.
fn command_line(args: &Ring0Args) -> String {
    format!("cpus={} {}", args.cpus, args.append)
}

type Peer = fn(&Built, usize, &str) -> Result<PeerRun, PeerError>;

fn tell(text: &str, streams: Streams<'_>) -> Result<(), CommandError> {
    streams.out.write_all(text.as_bytes()).map_err(CommandError::Output)
}

/// The image on this emulator.
fn here(name: &str, path: &PathBuf, args: &Ring0Args) -> Result<Column, Ring0Error> {
    let file = fs::read(path).map_err(|source| Ring0Error::File { path: path.clone(), source })?;
    let ran = emulated::run(&file, args.cpus, &command_line(args))?;
    let trouble = match ran.ending {
        BareEnding::DebugExit(_) => None,
        other => Some(other.to_string()),
    };
    Ok(Column {
        name: name.to_owned(),
        version: format!("dr7 {}", env!("CARGO_PKG_VERSION")),
        results: Results::parse(&ran.output),
        trouble,
    })
}

fn peer(name: &str, run: PeerRun) -> Column {
    let results = Results::parse(&run.output);
    Column { name: name.to_owned(), version: run.version, results, trouble: run.trouble }
}

/// What is shown on a terminal: the table, and what dr7 fails.
fn summary(columns: &[Column], absent: &[String]) -> String {
    let mut text = table::plain(&table::rules(columns));
    for column in columns.iter().filter(|column| column.version.starts_with("dr7")) {
        let failures = table::failures(column);
        if !failures.is_empty() {
            let _ = write!(text, "\n{}:\n{failures}", column.name);
        }
    }
    for absent in absent {
        let _ = writeln!(text, "{absent}");
    }
    text
}

/// The page `docs/ring0-conformance.md`.
fn markdown(columns: &[Column], absent: &[String], args: &Ring0Args) -> String {
    let mut text = format!(
        "# The ring-0 conformance image\n\n\
         Checks of debug registers and #DB at every privilege level, printed by the image in \
         `workloads/ring0` on each implementation. Made by\n\n\
         ```\ndr7 conformance ring0 --markdown --cpus {}\n```\n\n\
         with\n\n",
        args.cpus
    );
    for column in columns {
        let _ = writeln!(text, "- {}: {}", column.name, column.version);
    }
    for absent in absent {
        let _ = writeln!(text, "- {absent}");
    }
    text.push_str(
        "\nA number is how many checks of the rule passed; \"3 of 4\" has a failure; \"told\" are \
         checks that are reported and not judged, because processors may differ. A check that \
         is about two rules counts for both; one that runs in several modes counts in each.\n\n",
    );
    text.push_str(&table::rules(columns));
    text.push_str("\n## Told and not judged\n\n");
    text.push_str(&table::differences(columns));
    for column in columns {
        let _ = write!(text, "\n## What fails on {}\n\n", column.name);
        let failures = table::failures(column);
        text.push_str(if failures.is_empty() { "Nothing.\n" } else { &failures });
    }
    text
}
