//! Debug registers for tests: they remember what was written, in order.

use perf_core::CpuId;

use crate::arch::x86::debugreg::DebugPort;

/// Debug registers of some CPUs, and the writes to them.
#[derive(Debug)]
pub(crate) struct PortLog {
    /// DR0 to DR7 of each CPU.
    pub(crate) registers: Vec<[u64; 8]>,
    /// CPU number, register number, value.
    pub(crate) writes: Vec<(u32, usize, u64)>,
    /// What every CPU says it has retired; cycles are ten times that.
    pub(crate) icount: u64,
}

impl PortLog {
    pub(crate) fn new(nr_cpus: usize) -> Self {
        Self { registers: vec![[0; 8]; nr_cpus], writes: Vec::new(), icount: 0 }
    }
}

impl DebugPort for PortLog {
    fn get_debugreg(&self, cpu: CpuId, number: usize) -> u64 {
        self.registers[cpu.index()][number]
    }
    fn set_debugreg(&mut self, cpu: CpuId, number: usize, value: u64) {
        self.registers[cpu.index()][number] = value;
        self.writes.push((cpu.0, number, value));
    }
    fn icount(&self, _cpu: CpuId) -> u64 {
        self.icount
    }
    fn cycles(&self, _cpu: CpuId) -> u64 {
        self.icount * 10
    }
}
