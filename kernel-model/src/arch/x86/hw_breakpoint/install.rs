//! The registers of one CPU: owners, shadow, and the order in which hardware is written.
//!
//! Key type: [`CpuBreakpoints`]. Interrupts are off in all of these in Linux; in the model nothing
//! else runs. Source: `arch_install_hw_breakpoint` and neighbours, Linux 6.x
//! arch/x86/kernel/hw_breakpoint.c; `local_db_save`, arch/x86/include/asm/debugreg.h;
//! `initialize_debug_regs`, arch/x86/kernel/cpu/common.c.

use perf_core::{CpuId, Defect, Defects, Errno, EventId};

use super::ArchHwBreakpoint;
use crate::arch::x86::debugreg::{
    DR_CONTROL, DR_GLOBAL_ENABLE_MASK, DR_GLOBAL_SLOWDOWN, DR_STATUS, DR6_RESERVED, DR7_FIXED_1,
    DebugPort, HBP_NUM, encode_dr7, entry_bits,
};

/// An event in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The event.
    pub event: EventId,
    /// What the register was given.
    pub info: ArchHwBreakpoint,
}

/// What Linux remembers of one CPU's debug registers (`bp_per_reg`, `cpu_debugreg`, `cpu_dr7`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuBreakpoints {
    bp_per_reg: [Option<Owner>; HBP_NUM],
    cpu_debugreg: [u64; HBP_NUM],
    cpu_dr7: u64,
    uninstall: Uninstall,
}

/// What taking a breakpoint out does besides (rule 4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Uninstall {
    /// GE stays, and the shadow is written last.
    #[default]
    KeepsGlobalExact,
    /// S13: GE goes, though other breakpoints may need it, and the shadow is written first.
    ClearsGlobalExact,
}

impl Default for CpuBreakpoints {
    /// No owner; the shadow of the registers after reset.
    fn default() -> Self {
        Self {
            bp_per_reg: [None; HBP_NUM],
            cpu_debugreg: [0; HBP_NUM],
            cpu_dr7: DR7_FIXED_1,
            uninstall: Uninstall::default(),
        }
    }
}

impl CpuBreakpoints {
    /// As a kernel with these defects keeps them.
    #[must_use]
    pub fn of_kernel(defects: Defects) -> Self {
        let uninstall = if defects.has(Defect::GlobalExactCleared) {
            Uninstall::ClearsGlobalExact
        } else {
            Uninstall::KeepsGlobalExact
        };
        Self { uninstall, ..Self::default() }
    }

    /// Who owns each register.
    #[must_use]
    pub fn owners(&self) -> &[Option<Owner>; HBP_NUM] {
        &self.bp_per_reg
    }

    /// The register that an event is in.
    #[must_use]
    pub fn register_of(&self, event: EventId) -> Option<usize> {
        self.bp_per_reg.iter().position(|owner| owner.is_some_and(|o| o.event == event))
    }

    /// Shadow of DR0 to DR3; stale where there is no owner (rule 4.2.2).
    #[must_use]
    pub fn cpu_debugreg(&self) -> &[u64; HBP_NUM] {
        &self.cpu_debugreg
    }

    /// Shadow of DR7.
    #[must_use]
    pub fn cpu_dr7(&self) -> u64 {
        self.cpu_dr7
    }

    /// `hw_breakpoint_active`: whether any register is enabled (rule 4.2.6).
    #[must_use]
    pub fn hw_breakpoint_active(&self) -> bool {
        self.cpu_dr7 & DR_GLOBAL_ENABLE_MASK != 0
    }
}

/// Puts an event into the lowest free register and enables it (rule 4.2.1). Returns its number.
///
/// # Errors
/// EBUSY when all are taken, which slot admission rules out.
pub fn arch_install_hw_breakpoint(
    port: &mut impl DebugPort,
    cpu: CpuId,
    state: &mut CpuBreakpoints,
    owner: Owner,
) -> Result<usize, Errno> {
    let free = state.bp_per_reg.iter().position(Option::is_none).ok_or(Errno::EBUSY)?;
    let info = owner.info;
    state.bp_per_reg[free] = Some(owner);
    port.set_debugreg(cpu, free, info.address);
    state.cpu_debugreg[free] = info.address;
    // The shadow comes first, so that an NMI never finds a register live whose shadow is not.
    state.cpu_dr7 |= encode_dr7(free, info.len, info.kind);
    port.set_debugreg(cpu, DR_CONTROL, state.cpu_dr7);
    Ok(free)
}

/// Disables the register that an event is in and forgets the event (rule 4.2.2). The register
/// keeps its stale address, and GE stays set. Returns the register's number, `None` where the
/// event is in none.
pub fn arch_uninstall_hw_breakpoint(
    port: &mut impl DebugPort,
    cpu: CpuId,
    state: &mut CpuBreakpoints,
    event: EventId,
) -> Option<usize> {
    let register = state.register_of(event)?;
    state.bp_per_reg[register] = None;
    let dr7 = state.cpu_dr7 & !entry_bits(register);
    match state.uninstall {
        Uninstall::KeepsGlobalExact => {
            port.set_debugreg(cpu, DR_CONTROL, dr7);
            // The shadow comes last, for the same reason.
            state.cpu_dr7 = dr7;
        }
        Uninstall::ClearsGlobalExact => {
            state.cpu_dr7 = dr7 & !DR_GLOBAL_SLOWDOWN;
            port.set_debugreg(cpu, DR_CONTROL, state.cpu_dr7);
        }
    }
    Some(register)
}

/// Writes the shadow back to the hardware, after somebody else used it (rule 4.2.4).
pub fn hw_breakpoint_restore(port: &mut impl DebugPort, cpu: CpuId, state: &CpuBreakpoints) {
    for (number, address) in state.cpu_debugreg.iter().enumerate() {
        port.set_debugreg(cpu, number, *address);
    }
    port.set_debugreg(cpu, DR_STATUS, DR6_RESERVED);
    port.set_debugreg(cpu, DR_CONTROL, state.cpu_dr7);
}

/// Switches all registers off without touching the shadow (rule 4.2.5).
pub fn hw_breakpoint_disable(port: &mut impl DebugPort, cpu: CpuId) {
    port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
    for number in 0..HBP_NUM {
        port.set_debugreg(cpu, number, 0);
    }
}

/// Gives a CPU's debug registers their reset values when it comes up (rule 6.5.1).
pub fn initialize_debug_regs(port: &mut impl DebugPort, cpu: CpuId) {
    port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
    port.set_debugreg(cpu, DR_STATUS, DR6_RESERVED);
    for number in 0..HBP_NUM {
        port.set_debugreg(cpu, number, 0);
    }
}

/// Whether Linux knows that it runs under a hypervisor, where touching DR7 is expensive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// No hypervisor (CPUID.1:ECX.HYPERVISOR clear).
    BareMetal,
    /// A hypervisor is announced.
    Guest,
}

/// DR7 as it was before a #DB from kernel mode; `None` where it was not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SavedDr7(Option<u64>);

/// Switches all breakpoints off while a #DB from kernel mode is handled (rule 4.3.2).
pub fn local_db_save(
    port: &mut impl DebugPort,
    cpu: CpuId,
    state: &CpuBreakpoints,
    platform: Platform,
) -> SavedDr7 {
    if platform == Platform::Guest && !state.hw_breakpoint_active() {
        return SavedDr7(None);
    }
    let dr7 = port.get_debugreg(cpu, DR_CONTROL) & !DR7_FIXED_1;
    if dr7 == 0 {
        return SavedDr7(None);
    }
    port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
    SavedDr7(Some(dr7 | DR7_FIXED_1))
}

/// Undoes [`local_db_save`].
pub fn local_db_restore(port: &mut impl DebugPort, cpu: CpuId, saved: SavedDr7) {
    if let Some(dr7) = saved.0 {
        port.set_debugreg(cpu, DR_CONTROL, dr7);
    }
}

#[cfg(test)]
mod tests;
