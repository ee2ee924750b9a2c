//! Arguments of `dr7 conformance ring0`.

use std::path::PathBuf;

use clap::Args;

/// `dr7 conformance ring0`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Needs gcc, ld and objcopy; QEMU and Bochs are run where they are \
    installed.\n\nExit status: 0 nothing failed here, or skipped; 1 something did; 2 for what \
    dr7 itself could not do.")]
pub struct Ring0Args {
    /// Build the image here and keep it.
    #[arg(long, value_name = "DIR")]
    pub build_dir: Option<PathBuf>,

    /// As a page of documentation.
    #[arg(long)]
    pub markdown: bool,

    /// CPUs of the machines.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub cpus: usize,

    /// Command line of the image, such as only=NAME.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub append: String,

    /// Only on this emulator.
    #[arg(long)]
    pub only_here: bool,
}
