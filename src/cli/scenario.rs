//! Arguments of `dr7 scenario`.

use std::path::PathBuf;

use clap::Args;

/// `dr7 scenario`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status: 0 every answer is as expected; 1 one is not; 2 for a file \
    that cannot be read, with line, column and reason.")]
pub struct ScenarioArgs {
    /// Files in the scenario language.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Follow each ENOSPC with who holds the slots, and the rule that refuses.
    #[arg(long)]
    pub explain: bool,

    /// Also write every step and the registers at the end as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
