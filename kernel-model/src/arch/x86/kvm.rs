//! Debug registers around a guest of this kernel (linux-hw-breakpoint section 6.4).
//!
//! A guest that uses debug registers gets its own DR0 to DR3 and DR6 in the hardware; nobody
//! gives the host's back but [`leave_guest`], and only where a host breakpoint is active.
//! Source: Linux 6.18 `arch/x86/kvm/x86.c` (`vcpu_enter_guest`); SDM vol. 3C, "Loading Host
//! Control Registers, Debug Registers, MSRs" (DR7 at VM exit).

use perf_core::CpuId;

use super::debugreg::{DR_CONTROL, DR_STATUS, DR7_FIXED_1, DebugPort, HBP_NUM};
use super::hw_breakpoint::{CpuBreakpoints, hw_breakpoint_restore};

/// The debug registers of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestDebugRegs {
    /// DR0 to DR3.
    pub addresses: [u64; HBP_NUM],
    /// DR6.
    pub dr6: u64,
}

/// What the registers hold when a guest is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestDebug {
    /// The guest uses them (`switch_db_regs`).
    InUse(GuestDebugRegs),
    /// It does not.
    NotInUse,
}

/// Before entry (rule 6.4.1): DR7 is off first, so that the host's breakpoints do not meet the
/// guest's addresses, nor the guest run with the host's.
pub fn enter_guest(
    port: &mut impl DebugPort,
    cpu: CpuId,
    state: &CpuBreakpoints,
    guest: GuestDebug,
) {
    match guest {
        GuestDebug::InUse(registers) => {
            port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
            for (number, address) in registers.addresses.iter().enumerate() {
                port.set_debugreg(cpu, number, *address);
            }
            port.set_debugreg(cpu, DR_STATUS, registers.dr6);
        }
        GuestDebug::NotInUse if state.hw_breakpoint_active() => {
            port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
        }
        GuestDebug::NotInUse => {}
    }
}

/// After an exit: the processor has loaded DR7 with 0x400; what the guest left in the others is
/// replaced only where the host needs them (rules 6.4.1, 6.4.2).
pub fn leave_guest(port: &mut impl DebugPort, cpu: CpuId, state: &CpuBreakpoints) {
    port.set_debugreg(cpu, DR_CONTROL, DR7_FIXED_1);
    if state.hw_breakpoint_active() {
        hw_breakpoint_restore(port, cpu, state);
    }
}
