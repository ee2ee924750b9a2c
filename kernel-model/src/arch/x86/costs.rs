//! What kernel work costs that is not emulated instruction by instruction, in cycles.
//!
//! The figures are the measured wholes (`timing/data`) less what the machine itself
//! charges for entering and leaving. A timing model that charges one cycle an
//! instruction charges nothing for them.

use perf_core::CpuId;

use super::hw::Hw;

/// Work of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A system call that does nothing: 316 cycles in all.
    Syscall,
    /// A context switch: half of a pipe ping-pong's 3,600.
    ContextSwitch,
    /// Filling a page: 3,070 for an anonymous write.
    PageFault,
    /// Handling a #DB: exception entry, dispatch and return are about 950.
    DebugException,
    /// Setting up a signal frame and going back: 4,360.
    Signal,
    /// A timer tick.
    Tick,
    /// Handling a counter's NMI: about that of a #DB.
    CounterInterrupt,
}

impl Work {
    const fn cycles(self) -> u64 {
        match self {
            Self::Syscall => 180,
            Self::ContextSwitch => 1_500,
            Self::PageFault => 2_000,
            Self::DebugException | Self::CounterInterrupt => 500,
            Self::Signal => 3_300,
            Self::Tick => 2_000,
        }
    }
}

impl Hw {
    /// Charges kernel work to a CPU, where its timing model measures work.
    pub fn charge_work(&mut self, cpu: CpuId, work: Work) {
        if self.machine().cpu(cpu.0 as usize).timing().observes_memory() {
            self.charge(cpu, work.cycles());
        }
    }

    /// CR3 of a CPU.
    #[must_use]
    pub fn cr3(&self, cpu: CpuId) -> u64 {
        self.machine().cpu(cpu.0 as usize).regs.control.cr3
    }
}
