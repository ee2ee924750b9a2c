//! Suspend: a processor that loses power comes back with the debug registers of reset.
//!
//! Neither `save_processor_state` nor `restore_processor_state` has anything to do with debug
//! registers (rule 6.5.2), so the shadow of the CPU that slept keeps what it was, and hardware
//! and shadow differ until every event has been installed again.
//! Source: Linux 6.18 `arch/x86/power/cpu.c`; SDM vol. 3A, "Processor State After Reset".

use perf_core::CpuId;

use super::debugreg::DebugPort;
use super::hw_breakpoint::initialize_debug_regs;

/// The processor was without power: its registers are those of reset.
pub fn wake_from_reset(port: &mut impl DebugPort, cpu: CpuId) {
    initialize_debug_regs(port, cpu);
}
