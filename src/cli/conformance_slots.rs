//! Arguments of `dr7 conformance slots`.

use std::path::PathBuf;

use clap::Args;

/// `dr7 conformance slots`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Needs a kernel that lets this user open breakpoints on any task, CPU and \
    address, and nobody else who uses breakpoints; otherwise it says why not.\n\nExit status: 0 \
    no mismatch, or skipped; 1 a mismatch; 2 for what dr7 itself could not do.")]
pub struct SlotsArgs {
    /// Steps to compare.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub steps: u64,

    /// Where the steps come from.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// Write a mismatch here, as a scenario with the kernel's answers; otherwise it is
    /// slots-mismatch-SEED-STEP.scn in the current directory.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Also write the figures as a JSON object.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
