//! What is outside the processors and RAM, as a processor sees it: ports, device memory,
//! the MSRs of its local APIC, and interrupts.
//!
//! A machine without a bus behaves as one on which nothing answers. The devices of a bare
//! machine are in [`crate::board`]; here is only the door to them.

use crate::cpu::Cpu;
use crate::event::pending::Attention;
use crate::mem::phys::PhysMem;

/// Who accesses the bus, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusCycle {
    /// Number of the vCPU.
    pub cpu: usize,
    /// Cycles of that vCPU since reset.
    pub cycles: u64,
}

/// The bus refuses an access to an MSR: the instruction raises #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsrRefused;

/// The devices of a machine. Their owner gets its own type back by upcasting to [`Any`](std::any::Any).
pub trait Bus: std::fmt::Debug + std::any::Any {
    /// IN: `size` is 1, 2 or 4 bytes. Ones where nothing answers.
    fn read_port(&mut self, from: BusCycle, port: u16, size: u8) -> u32;

    /// OUT: `size` is 1, 2 or 4 bytes.
    fn write_port(&mut self, from: BusCycle, port: u16, size: u8, value: u32);

    /// Loads from physical addresses that are not RAM. Ones where nothing answers.
    fn read_memory(&mut self, from: BusCycle, address: u64, out: &mut [u8]);

    /// Stores to physical addresses that are not RAM.
    fn write_memory(&mut self, from: BusCycle, address: u64, data: &[u8]);

    /// RDMSR of a register that belongs to the bus (IA32_APIC_BASE, the x2APIC's,
    /// IA32_TSC_DEADLINE); `None` for all others.
    fn read_msr(&mut self, from: BusCycle, index: u32) -> Option<Result<u64, MsrRefused>>;

    /// WRMSR of a register that belongs to the bus; `None` for all others.
    fn write_msr(
        &mut self,
        from: BusCycle,
        index: u32,
        value: u64,
    ) -> Option<Result<(), MsrRefused>>;

    /// CR8: the task priority class, 0 to 15.
    fn task_priority(&self, cpu: usize) -> u8;

    /// Sets CR8.
    fn set_task_priority(&mut self, from: BusCycle, class: u8);

    /// Whether a vCPU's local APIC is enabled (IA32_APIC_BASE.EN), which CPUID tells.
    fn has_local_apic(&self, cpu: usize) -> bool;

    /// Whether an interrupt waits that the vCPU would take with RFLAGS.IF set.
    fn has_interrupt(&self, cpu: usize) -> bool;

    /// Acknowledges the highest interrupt that waits, if one still does.
    fn acknowledge(&mut self, from: BusCycle) -> Option<u8>;

    /// Whether something changed since the last call that the machine's owner must look
    /// at before the vCPU goes on: a timer was set, another vCPU was signalled, the
    /// machine was told to end.
    fn take_changed(&mut self) -> bool;
}

impl Cpu {
    /// Where and when this vCPU accesses the bus.
    #[must_use]
    pub fn bus_cycle(&self) -> BusCycle {
        BusCycle { cpu: self.apic_id as usize, cycles: self.cycles }
    }

    /// Takes the interrupt that the bus has for this vCPU.
    pub(crate) fn acknowledge(&mut self, mem: &mut PhysMem) -> Option<u8> {
        let from = self.bus_cycle();
        let vector = mem.bus_mut().and_then(|bus| bus.acknowledge(from));
        self.after_bus(mem);
        vector
    }

    /// After an access to the bus: ends the run at the next boundary where its owner must
    /// look, and takes over the interrupt line.
    pub(crate) fn after_bus(&mut self, mem: &mut PhysMem) {
        let Some(bus) = mem.bus_mut() else { return };
        let changed = bus.take_changed();
        let waits = bus.has_interrupt(self.apic_id as usize);
        self.set_interrupt_line(waits);
        if changed {
            self.deadline = self.cycles;
            self.soft_deadline = self.cycles;
            self.attention.raise(Attention::DEADLINE);
        }
    }
}
