//! Which attributes 2.6.33 can watch (linux-hw-breakpoint table 1.8, column [S]).
//!
//! A task's breakpoint has to be in user space and a CPU's in the kernel's; execution has any of
//! the lengths of data, and no kernel addresses; address 0 is refused. What no kernel on this
//! machine could bear to have watched ([`AddressRules::forbidden`]) is refused here as well.
//! Source: `arch_validate_hwbkpt_settings`, arch/x86/kernel/hw_breakpoint.c at 24f1e32c60c4.

use perf_core::attr::abi::{HW_BREAKPOINT_RW, HW_BREAKPOINT_W, HW_BREAKPOINT_X};
use perf_core::{Errno, PerfEventAttr};

use super::ArchHwBreakpoint;
use super::parse::{AddressRules, TASK_SIZE_MAX};
use crate::arch::x86::debugreg::{BreakpointLen, BreakpointType};

/// What a breakpoint counts on, as far as its address has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedTarget {
    /// A task: every byte has to be the user's.
    Task,
    /// A CPU: every byte has to be the kernel's.
    Cpu,
}

/// What a register has to hold for this attribute.
///
/// # Errors
/// EINVAL for types, lengths, alignment, address 0 and execution in the kernel, in this order;
/// EFAULT for an address on the other side.
pub fn arch_validate_hwbkpt_settings(
    attr: &PerfEventAttr,
    target: SeedTarget,
    rules: &AddressRules,
) -> Result<ArchHwBreakpoint, Errno> {
    let kind = match attr.bp_type {
        HW_BREAKPOINT_W => BreakpointType::Write,
        HW_BREAKPOINT_RW => BreakpointType::ReadWrite,
        HW_BREAKPOINT_X => BreakpointType::Execute,
        _ => return Err(Errno::EINVAL),
    };
    let len = match attr.bp_len {
        1 => BreakpointLen::Len1,
        2 => BreakpointLen::Len2,
        4 => BreakpointLen::Len4,
        8 => BreakpointLen::Len8,
        _ => return Err(Errno::EINVAL),
    };
    let (address, bytes) = (attr.bp_addr, len.bytes());
    let of_user = address <= TASK_SIZE_MAX - bytes;
    let executes = kind == BreakpointType::Execute;
    if executes && !of_user || address == 0 || !address.is_multiple_of(bytes) {
        return Err(Errno::EINVAL);
    }
    let last = address.checked_add(bytes - 1).ok_or(Errno::EFAULT)?;
    let of_kernel = address >= TASK_SIZE_MAX;
    match target {
        SeedTarget::Task if !of_user => return Err(Errno::EFAULT),
        SeedTarget::Cpu if !of_kernel => return Err(Errno::EFAULT),
        SeedTarget::Task | SeedTarget::Cpu => {}
    }
    if rules.forbids(address, last) {
        return Err(Errno::EINVAL);
    }
    // The register takes execution with LEN 1 only.
    let len = if executes { BreakpointLen::LEN_X } else { len };
    Ok(ArchHwBreakpoint { address, len, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Errno::{EFAULT, EINVAL};

    #[test]
    fn table_of_the_seed() {
        const KERNEL: u64 = 0xffff_8880_0010_0000;
        let (w, rw, x) = (HW_BREAKPOINT_W, HW_BREAKPOINT_RW, HW_BREAKPOINT_X);
        for (target, bp_type, addr, len, expected) in [
            (SeedTarget::Task, w, 0x1000, 1, None),
            (SeedTarget::Task, rw, 0x1008, 8, None),
            (SeedTarget::Task, x, 0x1004, 4, None),
            (SeedTarget::Task, x, 0x1003, 8, Some(EINVAL)),
            (SeedTarget::Task, w, 0x1000, 3, Some(EINVAL)),
            (SeedTarget::Task, w, 0x1000, 16, Some(EINVAL)),
            (SeedTarget::Task, 1, 0x1000, 1, Some(EINVAL)),
            (SeedTarget::Task, w, 0, 8, Some(EINVAL)),
            (SeedTarget::Task, w, TASK_SIZE_MAX - 8, 8, None),
            (SeedTarget::Task, w, TASK_SIZE_MAX, 8, Some(EFAULT)),
            (SeedTarget::Task, w, KERNEL, 8, Some(EFAULT)),
            (SeedTarget::Task, x, KERNEL, 1, Some(EINVAL)),
            (SeedTarget::Cpu, w, KERNEL, 8, None),
            (SeedTarget::Cpu, w, 0x1000, 8, Some(EFAULT)),
            (SeedTarget::Cpu, x, KERNEL, 1, Some(EINVAL)),
            (SeedTarget::Cpu, w, u64::MAX, 1, None),
            (SeedTarget::Cpu, w, 0xffff_fe00_0000_0000, 8, Some(EINVAL)),
        ] {
            let attr = PerfEventAttr::breakpoint(addr, len, bp_type);
            let result = arch_validate_hwbkpt_settings(&attr, target, &AddressRules::default());
            assert_eq!(result.err(), expected, "{target:?} {bp_type} {addr:#x}/{len}");
        }
    }
}
