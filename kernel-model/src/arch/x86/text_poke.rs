//! Breakpoints while the kernel writes its own text through a temporary address space: a watched
//! user address there would be the kernel's alias (rule 6.5.3).
//! Source: Linux 6.18 `arch/x86/kernel/alternative.c` (`use_temporary_mm`,
//! `unuse_temporary_mm`), `arch/x86/kernel/machine_kexec_64.c`.

use perf_core::CpuId;

use super::debugreg::DebugPort;
use super::hw_breakpoint::{CpuBreakpoints, hw_breakpoint_disable, hw_breakpoint_restore};

/// Before the temporary address space is used.
pub fn use_temporary_mm(port: &mut impl DebugPort, cpu: CpuId, state: &CpuBreakpoints) {
    if state.hw_breakpoint_active() {
        hw_breakpoint_disable(port, cpu);
    }
}

/// After it has been left.
pub fn unuse_temporary_mm(port: &mut impl DebugPort, cpu: CpuId, state: &CpuBreakpoints) {
    if state.hw_breakpoint_active() {
        hw_breakpoint_restore(port, cpu, state);
    }
}

/// `machine_kexec`: the next kernel finds no breakpoint.
pub fn machine_kexec(port: &mut impl DebugPort, cpu: CpuId) {
    hw_breakpoint_disable(port, cpu);
}
