//! The switch of a rule over which processors differ.

use clap::ValueEnum;
use emulator::event::KeptHits;

/// What becomes of a data breakpoint's hit by MOV SS or POP SS when the instruction after
/// it enters a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KeptHitsArg {
    /// It is forgotten.
    #[default]
    Lost,
    /// It is reported at the first instruction of the handler.
    Delivered,
}

impl From<KeptHitsArg> for KeptHits {
    fn from(arg: KeptHitsArg) -> Self {
        match arg {
            KeptHitsArg::Lost => Self::Lost,
            KeptHitsArg::Delivered => Self::Delivered,
        }
    }
}
