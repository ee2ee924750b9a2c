//! The subcommands: each joins a plan, a machine and observers.
//!
//! Neighbours: `cli` says what was typed, `session` runs, `report` and
//! `recording` observe. Exit codes are `main`'s.

mod bench;
mod boot;
mod chaos;
mod conformance;
mod divergence;
mod dump;
mod instructions;
mod plan;
mod record;
mod replay;
mod ring0;
mod run;
mod scenario;
mod strace;
mod syscalls;

#[cfg(test)]
mod cmd_tests;

use std::io::{self, Read};
use std::path::PathBuf;

use kernel_model::inputs::InputError;
use kernel_model::observe::ExitStatus;

use crate::cli::Command;
use crate::cli::watch_spec::WatchSpecError;
use crate::conformance::isa::RunError;
use crate::kgdb::ListenError;
use crate::recording::RecordingError;
use crate::report::{ReportError, Streams};
use crate::session::config::ConfigError;
use crate::session::guest::{GuestError, Machine};
use crate::session::host_tree::MountError;
use crate::session::program::{ElfError, ProgramError};
use crate::session::watch::ResolveError;
use crate::syscall_table::UnknownSyscall;

pub use bench::BenchError;
pub use boot::{BareEnd, BootError, CpuStates};
pub use ring0::Ring0Error;

/// How a command ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest ended so.
    Guest(ExitStatus),
    /// The replay was the recorded run, or every seed's run was like the first.
    Identical,
    /// The replay was another run, a seed's run was, or the emulator is not what it emulates.
    Diverged,
    /// What was asked for was shown.
    Shown,
    /// The guest ended its bare machine so.
    Bare(BareEnd),
}

/// Why a command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program.
    #[error("{0}")]
    Program(#[from] ProgramError),
    /// The machine.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A directory of the host.
    #[error("{0}")]
    Mount(#[from] MountError),
    /// An event that says nothing.
    #[error("{0}")]
    Spec(#[from] WatchSpecError),
    /// An event that says nothing about this program.
    #[error("-e {text}: {source}")]
    Watch {
        /// As typed.
        text: String,
        /// What is wrong.
        source: ResolveError,
    },
    /// A variable without a name.
    #[error("--env {text}: a variable is NAME=VALUE")]
    Env {
        /// As typed.
        text: String,
    },
    /// No digests.
    #[error("--mark-every 0: there is at least one step between two digests")]
    MarkEvery,
    /// The machine refuses the plan.
    #[error("{0}")]
    Guest(#[from] GuestError),
    /// The machine could not go on.
    #[error("{program}: the machine stopped: {reason}")]
    Stopped {
        /// The program.
        program: String,
        /// The kernel model's words.
        reason: String,
    },
    /// The limit was reached.
    #[error("{program}: stopped at the limit of --max-insns {max_insns}")]
    Limit {
        /// The program.
        program: String,
        /// The limit.
        max_insns: u64,
    },
    /// The guest could not be answered.
    #[error("{0}")]
    Input(InputError),
    /// Nothing can be told.
    #[error("{0}")]
    Report(#[from] ReportError),
    /// A recording that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: RecordingError,
    },
    /// A recording of what this version cannot run.
    #[error("{}: the recorded program: {source}", path.display())]
    RecordedProgram {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ElfError,
    },
    /// A file that cannot be opened.
    #[error("{}: cannot read: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A case file that is not as it should be.
    #[error("{}: {source}", path.display())]
    Cases {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::conformance::debug::FileError,
    },
    /// A scenario that says nothing, with line and column.
    #[error("{}:{source}", path.display())]
    Scenario {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::scenario::parse::ParseError,
    },
    /// A scenario's machine cannot be had.
    #[error("the scenario's machine: {0}")]
    Stage(#[source] kernel_model::kernel::BootError),
    /// Nothing can be compared.
    #[error("{0}")]
    Conformance(#[source] RunError),
    /// Breakpoint operations cannot be compared.
    #[error("{0}")]
    Slots(#[source] crate::conformance::slots::RunError),
    /// Data files cannot be written.
    #[error("data files: {0}")]
    DataFiles(#[source] io::Error),
    /// An image cannot be run.
    #[error("{0}")]
    Boot(#[from] BootError),
    /// The ring-0 image cannot be compared.
    #[error("{0}")]
    Ring0(#[from] Ring0Error),
    /// Nowhere for a debugger to connect.
    #[error("{0}")]
    Kgdb(#[from] ListenError),
    /// The host does not say where a debugger can connect.
    #[error("--kgdb: {0}")]
    KgdbPlace(#[source] io::Error),
    /// A recording of what is not a function of the program and its inputs.
    #[error(
        "record --kgdb: what a debugger does is no input of the guest, so it could not be \
         replayed; use dr7 run --kgdb"
    )]
    RecordKgdb,
    /// The kernel's symbols cannot be written.
    #[error("{}: cannot write: {source}", path.display())]
    KernelSymbols {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A filter of system calls that says nothing.
    #[error("--strace-filter: {0}")]
    Filter(#[source] crate::strace::filter::FilterError),
    /// A system call that does not exist.
    #[error("{0}")]
    Syscall(#[from] UnknownSyscall),
    /// The guest's input cannot be read.
    #[error("standard input: {0}")]
    Stdin(#[source] io::Error),
    /// Nothing can be measured.
    #[error("{0}")]
    Bench(#[from] BenchError),
    /// What was asked for cannot be shown.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
}

/// Does what was typed.
///
/// # Errors
/// If it cannot be done; the guest's own failure is not an error.
pub fn execute(
    command: Command,
    machine: &dyn Machine,
    stdin: impl Read + 'static,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    match command {
        Command::Run(args) => run::run(&args, machine, stdin, streams),
        Command::Record(args) => record::record(&args, machine, stdin, streams),
        Command::Replay(args) => replay::replay(&args, machine, streams),
        Command::Chaos(args) => chaos::chaos(&args, machine, stdin, streams),
        Command::Dump(args) => dump::dump(&args, streams),
        Command::Boot(args) => boot::boot(&args, stdin, streams),
        Command::Conformance(args) => conformance::conformance(&args, streams),
        Command::Instructions(args) => instructions::instructions(&args, streams),
        Command::Syscalls(args) => syscalls::syscalls(&args, streams),
        Command::Scenario(args) => scenario::scenario(&args, streams),
        Command::Bench(args) => bench::bench(&args, machine, streams),
    }
}
