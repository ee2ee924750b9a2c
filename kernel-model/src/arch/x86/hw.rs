//! The machine as the kernel model sees it: physical memory, control of each CPU,
//! debug registers, and running it.
//!
//! Everything else in the kernel model goes through [`Hw`]; no other module names
//! the emulator's types (but for its siblings here).

pub use emulator::cpuid::{CpuModel, CpuVendor};
use emulator::machine::{Machine, MachineConfig};
pub use emulator::timing::TimingChoice;
use perf_core::CpuId;

/// Bytes in a page frame.
pub const PAGE_SIZE: u64 = 4096;
/// Bits of an address below the page number.
pub const PAGE_SHIFT: u32 = 12;

/// The emulated machine.
#[derive(Debug)]
pub struct Hw {
    machine: Machine,
}

impl Hw {
    /// A machine with the default processor model, after reset.
    #[must_use]
    pub fn boot(nr_cpus: u32, ram_bytes: u64, timing: TimingChoice) -> Self {
        Self::new(nr_cpus, ram_bytes, timing, CpuModel::default())
    }

    /// CPUID.1:EDX, which programs find as AT_HWCAP.
    #[must_use]
    pub fn hwcap(&self) -> u64 {
        u64::from(self.machine.cpu(0).model().cpuid(1, 0, 0).edx)
    }

    /// What programs find as AT_HWCAP2: the system lets them use FSGSBASE.
    #[must_use]
    pub fn hwcap2(&self) -> u64 {
        const HWCAP2_FSGSBASE: u64 = 1 << 1;
        if self.machine.cpu(0).model().has_fsgsbase() { HWCAP2_FSGSBASE } else { 0 }
    }

    /// A machine after reset.
    #[must_use]
    pub fn new(nr_cpus: u32, ram_bytes: u64, timing: TimingChoice, model: CpuModel) -> Self {
        let nr_cpus = nr_cpus.max(1) as usize;
        Self { machine: Machine::new(&MachineConfig { nr_cpus, ram_bytes, timing, model }) }
    }

    /// Chooses the processors' vendor, before anything runs.
    pub fn set_vendor(&mut self, vendor: CpuVendor) {
        self.machine.set_vendor(vendor);
    }

    /// Whether programs find RDRAND or RDSEED.
    #[must_use]
    pub fn has_random_numbers(&self) -> bool {
        const RDRAND: u32 = 1 << 30;
        const RDSEED: u32 = 1 << 18;
        let cpu = self.machine.cpu(0);
        cpu.cpuid(1, 0).ecx & RDRAND != 0 || cpu.cpuid(7, 0).ebx & RDSEED != 0
    }

    /// Gives the seed of what RDRAND and RDSEED give.
    pub fn seed_random(&mut self, seed: u64) {
        self.machine.seed_random(seed);
    }

    /// The machine itself, for the entry and trap code beside this module.
    pub(in crate::arch) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The same, to be changed.
    pub(in crate::arch) fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Number of CPUs.
    #[must_use]
    pub fn nr_cpus(&self) -> u32 {
        self.machine.nr_cpus() as u32
    }

    /// The CPUs in order.
    pub fn cpus(&self) -> impl Iterator<Item = CpuId> + use<> {
        (0..self.nr_cpus()).map(CpuId)
    }

    /// Number of 4 KiB frames of RAM.
    #[must_use]
    pub fn nr_frames(&self) -> u64 {
        self.machine.mem.nr_frames()
    }

    /// Reads physical memory; ones where there is no RAM.
    pub fn read_phys(&self, physical: u64, out: &mut [u8]) {
        self.machine.mem.read(physical, out);
    }

    /// Writes physical memory; bytes beyond RAM vanish.
    pub fn write_phys(&mut self, physical: u64, data: &[u8]) {
        self.machine.mem.write(physical, data);
    }

    /// Reads a 64-bit word of physical memory.
    #[must_use]
    pub fn read_phys_u64(&self, physical: u64) -> u64 {
        self.machine.mem.read_u64(physical)
    }

    /// Writes a 64-bit word of physical memory.
    pub fn write_phys_u64(&mut self, physical: u64, value: u64) {
        self.machine.mem.write_u64(physical, value);
    }

    /// Physical bytes, where all of them are RAM.
    #[must_use]
    pub fn phys_slice(&self, physical: u64, len: u64) -> Option<&[u8]> {
        self.machine.mem.slice(physical, len)
    }

    /// Zeroes a page frame.
    pub fn zero_frame(&mut self, frame: u64) {
        if let Some(bytes) = self.machine.mem.slice_mut(frame << PAGE_SHIFT, PAGE_SIZE) {
            bytes.fill(0);
        }
    }

    /// Copies a page frame.
    pub fn copy_frame(&mut self, from: u64, to: u64) {
        let mut bytes = [0; PAGE_SIZE as usize];
        self.read_phys(from << PAGE_SHIFT, &mut bytes);
        self.write_phys(to << PAGE_SHIFT, &bytes);
    }

    /// Cycles of a CPU since boot.
    #[must_use]
    pub fn cycles(&self, cpu: CpuId) -> u64 {
        self.machine.cpu(cpu.0 as usize).cycles()
    }

    /// Instructions that a CPU has retired since boot.
    #[must_use]
    pub fn icount(&self, cpu: CpuId) -> u64 {
        self.machine.cpu(cpu.0 as usize).icount()
    }

    /// Lets a CPU's clock run on by `cycles`, for work that is not emulated.
    pub fn charge(&mut self, cpu: CpuId, cycles: u64) {
        self.machine.cpu_mut(cpu.0 as usize).charge(cycles);
    }

    /// Loads CR3: the physical address of the top page table.
    pub fn write_cr3(&mut self, cpu: CpuId, top: u64) {
        self.machine.cpu_mut(cpu.0 as usize).set_cr3(top);
    }

    /// Forgets the translation of one page on every CPU.
    pub fn flush_tlb_page(&mut self, linear: u64) {
        for cpu in 0..self.machine.nr_cpus() {
            self.machine.cpu_mut(cpu).flush_tlb_page(linear);
        }
    }

    /// Forgets all translations on every CPU.
    pub fn flush_tlb_all(&mut self) {
        for cpu in 0..self.machine.nr_cpus() {
            self.machine.cpu_mut(cpu).flush_tlb();
        }
    }

    /// `get_debugreg`: reads DR0 to DR3, DR6 or DR7 (numbers 4 and 5 name 6 and 7).
    #[must_use]
    pub fn get_debugreg(&self, cpu: CpuId, number: usize) -> u64 {
        let debug = self.machine.cpu(cpu.0 as usize).debug();
        match number {
            0..=3 => debug.address(number),
            4 | 6 => debug.dr6(),
            _ => debug.dr7().0,
        }
    }

    /// `set_debugreg`: writes DR0 to DR3, DR6 or DR7 (numbers 4 and 5 name 6 and 7).
    pub fn set_debugreg(&mut self, cpu: CpuId, number: usize, value: u64) {
        let processor = self.machine.cpu_mut(cpu.0 as usize);
        match number {
            0..=3 => processor.set_dr_address(number, value),
            4 | 6 => processor.set_dr6(value),
            _ => processor.set_dr7(value),
        }
        processor.charge_event(emulator::timing::FixedEvent::MovToDr);
    }
}

/// Cycles of guest time in a nanosecond: the emulated clock runs at 3 GHz.
const CYCLES_PER_NS: u64 = emulator::timing::CYCLES_PER_SECOND / 1_000_000_000;

impl Hw {
    /// Guest time of a CPU, ns since boot.
    #[must_use]
    pub fn time_ns(&self, cpu: CpuId) -> u64 {
        self.cycles(cpu) / CYCLES_PER_NS
    }

    /// The cycle count at a guest time.
    #[must_use]
    pub fn cycles_at(&self, time_ns: u64) -> u64 {
        time_ns.saturating_mul(CYCLES_PER_NS)
    }

    /// Lets an idle CPU's clock run on to a guest time, if it is behind.
    pub fn idle_until(&mut self, cpu: CpuId, time_ns: u64) {
        let behind = self.cycles_at(time_ns).saturating_sub(self.cycles(cpu));
        self.charge(cpu, behind);
    }
}
