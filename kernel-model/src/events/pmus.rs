//! The machine's PMUs together, as perf core wants them.

use perf_core::{Pmu, PmuId, Pmus};

use super::cpu_pmu::CpuPmu;
use super::hw_breakpoint::BreakpointPmu;

/// The PMUs behind perf core, for the length of one call.
#[derive(Debug)]
pub struct MachinePmus<'a> {
    /// `breakpoint`: the debug registers.
    pub breakpoint: BreakpointPmu<'a>,
    /// `cpu`: the processor's counters. They stand at the moment of the call
    /// ([`CpuPmu::sync`]).
    pub cpu: &'a mut CpuPmu,
}

impl Pmus for MachinePmus<'_> {
    fn pmu(&mut self, id: PmuId) -> Option<&mut dyn Pmu> {
        match id {
            PmuId::Breakpoint => Some(&mut self.breakpoint),
            PmuId::Cpu => Some(self.cpu),
            PmuId::Swevent | PmuId::CpuClock | PmuId::TaskClock => None,
        }
    }

    fn serving(&mut self, attr_type: u32) -> Option<&mut dyn Pmu> {
        if self.breakpoint.serves(attr_type) {
            Some(&mut self.breakpoint)
        } else if self.cpu.serves(attr_type) {
            Some(self.cpu)
        } else {
            None
        }
    }
}
