//! The `dr7` command: exit codes are decided here and nowhere else.
//!
//! | status | when |
//! |---|---|
//! | the guest's own, 128 + signal if it was killed | `run`, `record` |
//! | 0 | `replay` of an identical run, `chaos` where all seeds agree, `dump`, `conformance`, `bench` and `scenario` without a mismatch, `--help` |
//! | 1 | `replay` of a run that diverged, `chaos` where a seed differs, `conformance`, `bench` or `scenario` with a mismatch |
//! | 2 | anything that dr7 itself could not do |
//! | the guest's value * 2 + 1 | `boot` of an image that wrote to the debug-exit port |
//! | 0, 4, 6, 8 | `boot`: turned off or reset, triple fault, halted for ever, at the limit |

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use dr7::cli::Cli;
use dr7::cli::boot::rewrite_qemu_spellings;
use dr7::cmd::{BareEnd, CommandError, Outcome, execute};
use dr7::report::Streams;
use kernel_model::observe::ExitStatus;

const IDENTICAL: u8 = 0;
const DIVERGED: u8 = 1;
const BAD_INPUT: u8 = 2;
// Debug exits have the odd numbers.
const TRIPLE_FAULT: u8 = 4;
const HALTED_FOR_EVER: u8 = 6;
/// A bare machine on which a processor delivers exceptions without end.
const LIVELOCK: u8 = 10;
const LIMIT: u8 = 8;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(rewrite_qemu_spellings(std::env::args_os())) {
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
        Outcome::Bare(end) => bare_status(end),
    }
}

fn bare_status(end: BareEnd) -> u8 {
    match end {
        // As QEMU's device does, and then as a shell sees it.
        BareEnd::DebugExit(value) => (value as u8).wrapping_mul(2).wrapping_add(1),
        BareEnd::Ended => 0,
        BareEnd::TripleFault => TRIPLE_FAULT,
        BareEnd::HaltedForEver => HALTED_FOR_EVER,
        BareEnd::Livelock => LIVELOCK,
        BareEnd::Limit => LIMIT,
    }
}

fn tell(error: &CommandError) {
    // Nobody reads what goes to a closed standard error.
    let _ = writeln!(io::stderr(), "dr7: {error}");
}
