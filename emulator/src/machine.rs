//! A machine: guest memory and several vCPUs, of which one runs at a time.

use crate::cpu::Cpu;
use crate::cpuid::{CpuModel, CpuVendor};
use crate::dispatch::cache::CodeCache;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::random::RandomNumbers;
use crate::run::{self, Exit};
use crate::timing::TimingChoice;

/// What a machine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Number of vCPUs, at least 1.
    pub nr_cpus: usize,
    /// Bytes of RAM.
    pub ram_bytes: u64,
    /// Timing model of every vCPU.
    pub timing: TimingChoice,
    /// Features that CPUID tells of.
    pub model: CpuModel,
}

/// A vCPU with its translated code.
#[derive(Debug)]
struct Processor {
    cpu: Cpu,
    cache: CodeCache,
}

/// Memory and processors.
#[derive(Debug)]
pub struct Machine {
    /// Guest-physical memory.
    pub mem: PhysMem,
    processors: Vec<Processor>,
}

impl Machine {
    /// A machine after reset.
    #[must_use]
    pub fn new(config: &MachineConfig) -> Self {
        let processor = |apic_id| Processor {
            cpu: Cpu::new(config.model, config.timing.build(), apic_id as u32),
            cache: CodeCache::default(),
        };
        Self {
            mem: PhysMem::new(config.ram_bytes),
            processors: (0..config.nr_cpus.max(1)).map(processor).collect(),
        }
    }

    /// Starts the numbers of RDRAND and RDSEED anew, with others on each vCPU. Without
    /// this the seed is 0.
    pub fn seed_random(&mut self, seed: u64) {
        for processor in &mut self.processors {
            let cpu = &mut processor.cpu;
            cpu.random = RandomNumbers::new(seed, cpu.apic_id);
        }
    }

    /// Chooses the vendor of every vCPU.
    pub fn set_vendor(&mut self, vendor: CpuVendor) {
        for processor in &mut self.processors {
            processor.cpu.set_vendor(vendor);
        }
    }

    /// Number of vCPUs.
    #[must_use]
    pub fn nr_cpus(&self) -> usize {
        self.processors.len()
    }

    /// A vCPU.
    ///
    /// # Panics
    /// Where there is no such vCPU.
    #[must_use]
    pub fn cpu(&self, index: usize) -> &Cpu {
        &self.processors[index].cpu
    }

    /// A vCPU, to be changed.
    ///
    /// # Panics
    /// Where there is no such vCPU.
    pub fn cpu_mut(&mut self, index: usize) -> &mut Cpu {
        &mut self.processors[index].cpu
    }

    /// A vCPU and memory at once.
    ///
    /// # Panics
    /// Where there is no such vCPU.
    pub fn cpu_and_mem(&mut self, index: usize) -> (&mut Cpu, &mut PhysMem) {
        (&mut self.processors[index].cpu, &mut self.mem)
    }

    /// Runs a vCPU until something ends the run, at the latest at the first
    /// instruction boundary at which its cycle count is `deadline` or more.
    ///
    /// # Panics
    /// Where there is no such vCPU.
    pub fn run(&mut self, index: usize, deadline: u64) -> Exit {
        let Processor { cpu, cache } = &mut self.processors[index];
        run::run(cpu, cache, &mut self.mem, deadline)
    }

    /// Reads memory at a linear address of a vCPU as a debugger would: no marks,
    /// no faults, no matches. Returns how many bytes could be read.
    ///
    /// # Panics
    /// Where there is no such vCPU.
    pub fn peek(&mut self, index: usize, linear: u64, out: &mut [u8]) -> usize {
        let (cpu, mem) = self.cpu_and_mem(index);
        cpu.peek(mem, linear, out)
    }

    /// Stores to a linear address through the vCPU's data port with its present
    /// privilege: faults, marks and debug register matches as any store.
    ///
    /// # Errors
    /// The fault waits in the CPU for [`Cpu::take_fault`].
    ///
    /// # Panics
    /// Where there is no such vCPU.
    pub fn store(&mut self, index: usize, linear: u64, data: &[u8]) -> Result<(), Faulted> {
        let (cpu, mem) = self.cpu_and_mem(index);
        data.chunks(8)
            .zip(0u64..)
            .try_for_each(|(chunk, nth)| cpu.store_slow(mem, linear.wrapping_add(nth * 8), chunk))
    }

    /// Feeds all state that the future depends on to `hasher`: processors, and the
    /// frames written since the last call.
    pub fn digest(&mut self, hasher: &mut dyn FnMut(&[u8])) {
        for processor in &self.processors {
            processor.cpu.digest(hasher);
        }
        self.mem.drain_written(|frame, bytes| {
            hasher(&frame.to_le_bytes());
            hasher(bytes);
        });
    }
}

impl Cpu {
    /// Takes the fault that the last access raised.
    pub fn take_fault(&mut self) -> Option<crate::event::Exception> {
        self.fault.take()
    }
}
