//! Arguments of `dr7 syscalls`.

use clap::Args;

/// `dr7 syscalls`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Columns: number, name, support. Support is 'full', 'partial (what is \
    missing)', 'refused (errno: why)', 'absent (ENOSYS, as: which Linux)' or 'not supported', which \
    is ENOSYS and a message.\n\nExit status: 2 for a name that x86-64 Linux does not have.")]
pub struct SyscallsArgs {
    /// Only these, by name or number.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Only those that never work.
    #[arg(long)]
    pub unsupported: bool,

    /// As JSON lines.
    #[arg(long)]
    pub json: bool,

    /// The page docs/syscalls.md.
    #[arg(long, conflicts_with_all = ["names", "unsupported", "json"])]
    pub markdown: bool,
}
