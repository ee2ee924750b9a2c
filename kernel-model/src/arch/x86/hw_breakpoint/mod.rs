//! x86 breakpoints: from an attribute to a register, and which event owns which register.
//!
//! `parse` decides whether an attribute can be watched by this processor, `install` writes the
//! registers and keeps their shadow. Key types: [`ArchHwBreakpoint`], [`AddressRules`],
//! [`CpuBreakpoints`]. Neighbours: [`super::debugreg`] has the bits, [`super::debug_trap`] what a
//! hit means, [`crate::events::hw_breakpoint`] calls from above.
//! Source: Linux 6.x arch/x86/kernel/hw_breakpoint.c.

mod install;
mod parse;
mod parse_2_6_33;
#[cfg(test)]
pub(crate) mod port_log;

pub use install::{
    CpuBreakpoints, Owner, Platform, SavedDr7, arch_install_hw_breakpoint,
    arch_uninstall_hw_breakpoint, hw_breakpoint_disable, hw_breakpoint_restore,
    initialize_debug_regs, local_db_restore, local_db_save,
};
pub use parse::{
    AddressRules, CPU_ENTRY_AREA, KernelExec, TASK_SIZE_MAX, arch_check_bp_in_kernelspace,
    hw_breakpoint_arch_parse,
};
pub use parse_2_6_33::{SeedTarget, arch_validate_hwbkpt_settings};

use super::debugreg::{BreakpointLen, BreakpointType};

/// A breakpoint as a register holds it (`struct arch_hw_breakpoint`, without the address mask
/// of AMD's BPEXT, which this processor does not have).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchHwBreakpoint {
    /// Linear address.
    pub address: u64,
    /// LEN field; for execution always one byte (rule 1.4.3).
    pub len: BreakpointLen,
    /// R/W field.
    pub kind: BreakpointType,
}
