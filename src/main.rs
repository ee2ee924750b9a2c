//! The `dr7` command: exit codes are decided here and nowhere else.
//!
//! | status | when |
//! |---|---|
//! | the guest's own, 128 + signal if it was killed | `run`, `record` |
//! | 0 | `replay` of an identical run, `dump`, `conformance` and `bench` without a mismatch, `--help` |
//! | 1 | `replay` of a run that diverged, `conformance` or `bench` with a mismatch |
//! | 2 | anything that dr7 itself could not do |

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use dr7::cli::Cli;
use dr7::cmd::{CommandError, Outcome, execute};
use dr7::report::Streams;
use kernel_model::observe::ExitStatus;

const IDENTICAL: u8 = 0;
const DIVERGED: u8 = 1;
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // A closed terminal has nobody to tell.
            let _ = message.print();
            return if message.use_stderr() { BAD_INPUT.into() } else { ExitCode::SUCCESS };
        }
    };
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let streams = Streams { err_is_terminal: err.is_terminal(), out: &mut out, err: &mut err };
    let outcome = execute(cli.command, &dr7::session::machine(), io::stdin(), streams);
    match outcome {
        Ok(outcome) => status(outcome).into(),
        Err(error) => {
            tell(&error);
            BAD_INPUT.into()
        }
    }
}

fn status(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Guest(ExitStatus::Exited(code)) => code,
        Outcome::Guest(ExitStatus::Signaled { signal, .. }) => signal.saturating_add(128),
        Outcome::Identical | Outcome::Shown => IDENTICAL,
        Outcome::Diverged => DIVERGED,
    }
}

fn tell(error: &CommandError) {
    // Nobody reads what goes to a closed standard error.
    let _ = writeln!(io::stderr(), "dr7: {error}");
}
