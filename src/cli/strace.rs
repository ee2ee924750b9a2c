//! `--strace` of `run`, `record` and `replay`.

use std::path::PathBuf;

use clap::Args;

/// What `--help` says of `--strace-filter`.
const FILTER_LONG_HELP: &str = "Which calls are shown: names, and %file, %desc, %process, \
    %memory, %signal, %network, %ipc, in a comma list; after ! all others. Signals and ends of \
    tasks are always shown";

/// Whether system calls are shown, which and where.
#[derive(Clone, Debug, Default, Args)]
pub struct StraceArgs {
    /// Show system calls, signals and ends of tasks as strace does, on standard error or in FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub strace: Option<PathBuf>,

    /// Show these calls only: names, %file, %process and so on; !SET shows all others.
    #[arg(long, value_name = "SET", requires = "strace", long_help = FILTER_LONG_HELP)]
    pub strace_filter: Option<String>,
}
