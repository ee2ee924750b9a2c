//! Everything that decides a run: what a recording holds besides the log.

use kernel_model::observe::{CounterRequest, WatchAccess, WatchRequest};

use super::config::MachineConfig;

/// A breakpoint that the command line asked for, resolved to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// As it was typed.
    pub text: String,
    /// What the kernel is asked for.
    pub request: WatchRequest,
}

/// An event that the command line asked to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// As it was typed.
    pub text: String,
    /// What the kernel is asked for; the group's leader is an index into [`Plan::counters`].
    pub request: CounterRequest,
}

/// The letters of an access, as perf writes them.
#[must_use]
pub const fn access_letters(access: WatchAccess) -> &'static str {
    match access {
        WatchAccess::Write => "w",
        WatchAccess::ReadWrite => "rw",
        WatchAccess::Execute => "x",
    }
}

/// A program with the path under which the guest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The path, as execve would be given it.
    pub path: String,
    /// The ELF file.
    pub bytes: Vec<u8>,
}

/// Everything that decides a run, save the answers to its questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The machine.
    pub machine: MachineConfig,
    /// The program.
    pub image: Image,
    /// Its arguments, the program's name first.
    pub argv: Vec<Vec<u8>>,
    /// Its environment, `NAME=VALUE` each.
    pub envp: Vec<Vec<u8>>,
    /// The breakpoints, in the order of the command line.
    pub watches: Vec<Watch>,
    /// The events to count, in the order of the command line.
    pub counters: Vec<Counter>,
    /// Steps between two digests of the machine's state; at least 1.
    pub mark_every: u64,
    /// Stop after so many instructions.
    pub max_insns: Option<u64>,
}

/// Steps between two digests unless told otherwise: rare enough to cost little,
/// near enough that a divergence is placed well.
pub const DEFAULT_MARK_EVERY: u64 = 256;

/// The guest's environment unless told otherwise: fixed, so that a run does not
/// depend on who started it.
pub const DEFAULT_ENVP: [&str; 4] =
    ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LANG=C", "TERM=dumb"];

impl Plan {
    /// The command line, for people.
    #[must_use]
    pub fn command_line(&self) -> String {
        let words: Vec<_> =
            self.argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        words.join(" ")
    }
}
