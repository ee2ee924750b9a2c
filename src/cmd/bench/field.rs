//! The contenders that are here, and how each runs a program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::child::{self, Clock};
use super::kernels::QUIET_WATCH;
use super::{Sample, guest};
use crate::cli::bench::Contender;
use crate::cmd::CommandError;
use crate::session::guest::Machine;

/// A contender that is installed.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) contender: Contender,
    /// What it says of its version.
    pub(super) version: String,
}

/// A contender, or why it does not run.
pub(super) fn look_for(contender: Contender) -> Option<Present> {
    let version = match contender {
        Contender::Dr7 | Contender::Watch => Some(format!("dr7 {}", env!("CARGO_PKG_VERSION"))),
        Contender::Qemu => first_line("qemu-x86_64", &["--version"]),
        Contender::Valgrind => first_line("valgrind", &["--version"]),
        Contender::Unicorn => {
            let script = "import unicorn; print('Unicorn', unicorn.__version__)";
            first_line("python3", &["-c", script])
        }
    };
    version.map(|version| Present { contender, version })
}

/// What a program prints first; none if it is not there or fails.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// How a program came to its end, or why it did not.
#[derive(Debug)]
pub(super) enum Attempt {
    Ended(Sample),
    /// In words.
    Failed(String),
}

/// What contenders need to run a program.
pub(super) struct Field<'m> {
    pub(super) machine: &'m dyn Machine,
    pub(super) unicorn_script: PathBuf,
    pub(super) clock: Clock,
}

impl Field<'_> {
    /// The processor's own run.
    pub(super) fn native(&self, program: &Path, count: u64) -> Result<Attempt, CommandError> {
        self.child(Command::new(program), count)
    }

    /// A contender's run.
    pub(super) fn run(
        &self,
        contender: Contender,
        program: &Path,
        count: u64,
    ) -> Result<Attempt, CommandError> {
        let mut command = match contender {
            Contender::Dr7 => return self.guest(program, count, None),
            Contender::Watch => return self.guest(program, count, Some(QUIET_WATCH)),
            Contender::Qemu => Command::new("qemu-x86_64"),
            Contender::Unicorn => Command::new("python3"),
            Contender::Valgrind => Command::new("valgrind"),
        };
        match contender {
            Contender::Unicorn => {
                command.arg(&self.unicorn_script);
            }
            Contender::Valgrind => {
                command.args(["--tool=none", "-q"]);
            }
            Contender::Dr7 | Contender::Watch | Contender::Qemu => {}
        }
        command.arg(program);
        self.child(command, count)
    }

    fn guest(
        &self,
        program: &Path,
        count: u64,
        event: Option<&str>,
    ) -> Result<Attempt, CommandError> {
        let plan = guest::plan(program, count, event)?;
        match guest::run(self.machine, &plan, self.clock) {
            Ok(sample) => Ok(Attempt::Ended(sample)),
            Err(CommandError::Stopped { reason, .. }) => Ok(Attempt::Failed(reason)),
            Err(error) => Err(error),
        }
    }

    fn child(&self, mut command: Command, count: u64) -> Result<Attempt, CommandError> {
        command.arg(count.to_string());
        let run = child::run(command, self.clock)?;
        if !run.success {
            return Ok(Attempt::Failed("did not end well".to_owned()));
        }
        Ok(Attempt::Ended(Sample { output: run.output, time: run.time, insns: None }))
    }
}
