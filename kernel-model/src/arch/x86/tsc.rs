//! Whether a task may read the time-stamp counter (PR_SET_TSC, and strict seccomp).
//! Source: Linux 6.18 `arch/x86/kernel/process.c` (`set_tsc_mode`, `__switch_to_xtra`).

use emulator::regs::control::cr4;
use perf_core::{CpuId, TaskId};

use super::hw::Hw;
use crate::kernel::Kernel;

/// What RDTSC does in a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TscMode {
    /// It works (`PR_TSC_ENABLE`).
    #[default]
    Enable,
    /// It raises SIGSEGV (`PR_TSC_SIGSEGV`).
    Sigsegv,
}

impl TscMode {
    /// By PR_SET_TSC's number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number as u32 {
            1 => Some(Self::Enable),
            2 => Some(Self::Sigsegv),
            _ => None,
        }
    }

    /// PR_GET_TSC's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Enable => 1,
            Self::Sigsegv => 2,
        }
    }
}

impl Kernel {
    /// Sets what RDTSC does in the current task.
    pub(crate) fn set_tsc_mode(&mut self, task: TaskId, mode: TscMode) {
        self.tasks.task_mut(task).arch.tsc = mode;
        if self.current_on(self.this_cpu) == Some(task) {
            self.hw.load_tsc_mode(self.this_cpu, mode);
        }
    }
}

impl Hw {
    /// Sets or clears CR4.TSD.
    pub fn load_tsc_mode(&mut self, cpu: CpuId, mode: TscMode) {
        let control = &mut self.machine_mut().cpu_mut(cpu.0 as usize).regs.control;
        match mode {
            TscMode::Enable => control.cr4 &= !cr4::TSD,
            TscMode::Sigsegv => control.cr4 |= cr4::TSD,
        }
    }
}
