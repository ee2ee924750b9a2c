//! The machine of a build without the kernel model: it says so.

use kernel_model::inputs::Inputs;

use super::config::MachineConfig;
use super::guest::{Guest, GuestError, Machine};

/// Boots nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AbsentMachine;

/// There is nothing to boot.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this build has no kernel model")]
struct NoKernel;

impl Machine for AbsentMachine {
    fn boot(
        &self,
        _config: &MachineConfig,
        _inputs: Box<dyn Inputs>,
    ) -> Result<Box<dyn Guest>, GuestError> {
        Err(GuestError::Boot(NoKernel.into()))
    }
}
