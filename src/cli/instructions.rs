//! Arguments of `dr7 instructions`.

use clap::Args;

/// `dr7 instructions`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Columns: support, first model, CPUID features, mnemonic and operands. \
    Support is 'full' (built and compared with a processor), 'full (not compared: why)' or \
    'refused (why)'.")]
pub struct InstructionsArgs {
    /// Only those whose mnemonic or feature contains this.
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,

    /// Only those that are refused.
    #[arg(long)]
    pub refused: bool,

    /// The page docs/instructions.md.
    #[arg(long, conflicts_with_all = ["filter", "refused"])]
    pub markdown: bool,
}
