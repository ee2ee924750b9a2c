//! Arguments of `dr7 conformance debug`.

use std::path::PathBuf;

use clap::Args;

use super::kept_hits::KeptHitsArg;

/// `dr7 conformance debug`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status: 0 nothing failed; 1 something did; 2 for a file that \
    cannot be read, with the line and the reason.")]
pub struct DebugArgs {
    /// Cases measured on a processor, one JSON object a line.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Only rows whose name contains this.
    #[arg(long, value_name = "SUBSTRING")]
    pub filter: Option<String>,

    /// What becomes of a data hit that MOV SS kept when INT n, INT3, ICEBP or SYSCALL is
    /// in its shadow: processors differ.
    #[arg(long, value_name = "FATE", value_enum, default_value_t = KeptHitsArg::default())]
    pub kept_hits: KeptHitsArg,

    /// Leave the emulator and enter it again after every instruction.
    #[arg(long)]
    pub one_by_one: bool,

    /// List skipped rows by reason and name, and count each kind of row.
    #[arg(long)]
    pub skips: bool,

    /// Also write what became of each row as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
