//! The kernel debugger's way to registers and slots, past perf core (rules 2.3.8, 6.3.4, 6.3.5).
//!
//! Its events are created once, disabled, so perf core never schedules them; it writes what they
//! are to watch into them and installs them itself. Neighbour: [`crate::arch::x86::kgdb`].
//! Source: Linux 6.18 arch/x86/kernel/kgdb.c.

use perf_core::{CpuId, Errno, EventId};

use super::HwBreakpoints;
use crate::arch::x86::debugreg::{DR_CONTROL, DR7_FIXED_1, DebugPort};
use crate::arch::x86::hw_breakpoint::{
    ArchHwBreakpoint, Owner, arch_install_hw_breakpoint, arch_uninstall_hw_breakpoint,
    hw_breakpoint_restore,
};

impl HwBreakpoints {
    /// Writes what an event is to watch into it and installs it on a CPU
    /// (`kgdb_correct_hw_break`). Returns the register.
    ///
    /// # Errors
    /// EBUSY where no register is free, ENODEV without such a CPU.
    pub fn dbg_install(
        &mut self,
        port: &mut impl DebugPort,
        cpu: CpuId,
        event: EventId,
        info: ArchHwBreakpoint,
    ) -> Result<usize, Errno> {
        self.info.insert(event, info);
        let registers = self.cpus.get_mut(cpu.index()).ok_or(Errno::ENODEV)?;
        arch_install_hw_breakpoint(port, cpu, registers, Owner { event, info })
    }

    /// Switches a CPU's registers off and takes these events out of them
    /// (`kgdb_disable_hw_debug`).
    pub fn dbg_disable(&mut self, port: &mut impl DebugPort, cpu: CpuId, events: &[EventId]) {
        port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
        let Some(registers) = self.cpus.get_mut(cpu.index()) else { return };
        for event in events {
            arch_uninstall_hw_breakpoint(port, cpu, registers, *event);
        }
        // Each uninstall has enabled perf's entries again; nothing runs, and nothing is to hit.
        port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
    }

    /// Takes an event out of a CPU's register, where it is in one.
    pub fn dbg_uninstall(&mut self, port: &mut impl DebugPort, cpu: CpuId, event: EventId) {
        if let Some(registers) = self.cpus.get_mut(cpu.index()) {
            arch_uninstall_hw_breakpoint(port, cpu, registers, event);
        }
    }

    /// Gives a CPU's registers back what the shadow has.
    pub fn dbg_restore(&self, port: &mut impl DebugPort, cpu: CpuId) {
        if let Some(registers) = self.cpu(cpu) {
            hw_breakpoint_restore(port, cpu, registers);
        }
    }
}
