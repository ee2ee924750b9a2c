//! A bare start in 64-bit mode: memory identity-mapped, flat segments, no handlers.
//! For tests, benches and conformance runs that want to execute bytes and nothing else.
//! What the processor model has is enabled.

use iced_x86::CpuidFeature;

use crate::cpu::Cpu;
use crate::cpuid::CpuModel;
use crate::machine::Machine;
use crate::mem::paging::entry;
use crate::regs::control::{cr0, cr4, efer};
use crate::regs::{Segment, SegmentReg};

/// Physical address of the top page table; the tables take two frames.
const TABLES: u64 = 0x1000;
/// Physical address of the GDT.
const GDT: u64 = 0x3000;
/// Selector of 64-bit code at CPL 0.
pub const CODE0: u16 = 0x08;
/// Selector of data at CPL 0.
pub const DATA0: u16 = 0x10;
/// Selector of data at CPL 3.
pub const DATA3: u16 = 0x23;
/// Selector of 64-bit code at CPL 3.
pub const CODE3: u16 = 0x2b;

/// Descriptors behind the selectors above.
const DESCRIPTORS: [u64; 6] = [
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
];

/// The privilege to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// CPL 0.
    Kernel,
    /// CPL 3.
    User,
}

/// Brings a vCPU to 64-bit mode with the first GiB mapped onto itself, readable,
/// writable and executable at every privilege, RIP at `rip` and RSP at `rsp`.
///
/// # Panics
/// Where there is no such vCPU.
pub fn start(machine: &mut Machine, index: usize, level: Level, rip: u64, rsp: u64) {
    let all = entry::PRESENT | entry::WRITE | entry::USER;
    machine.mem.write_u64(TABLES, (TABLES + 0x1000) | all);
    machine.mem.write_u64(TABLES + 0x1000, all | entry::PAGE_SIZE);
    for (slot, descriptor) in DESCRIPTORS.iter().enumerate() {
        machine.mem.write_u64(GDT + 8 * slot as u64, *descriptor);
    }
    let cpu = machine.cpu_mut(index);
    let enabled = enabled_features(cpu.model());
    let xcr0 = cpu.model().xcr0_supported();
    let control = &mut cpu.regs.control;
    control.cr0 = cr0::PE | cr0::NE | cr0::WP | cr0::PG;
    control.cr3 = TABLES;
    control.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT | enabled;
    control.xcr0 = xcr0;
    control.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
    control.gdtr.base = GDT;
    control.gdtr.limit = (DESCRIPTORS.len() * 8 - 1) as u16;
    let (code, data) = match level {
        Level::Kernel => (CODE0, DATA0),
        Level::User => (CODE3, DATA3),
    };
    load(cpu, SegmentReg::Cs, code);
    for reg in [SegmentReg::Ss, SegmentReg::Ds, SegmentReg::Es] {
        load(cpu, reg, data);
    }
    cpu.regs.rip = rip;
    cpu.regs.gpr.set(crate::regs::gpr::reg::RSP, rsp);
    cpu.flush_tlb();
    cpu.set_rflags(0x2);
}

/// The CR4 bits that let programs use what the model has.
fn enabled_features(model: CpuModel) -> u64 {
    let bit = |feature, bit| if model.has(feature) { bit } else { 0 };
    bit(CpuidFeature::XSAVE, cr4::OSXSAVE) | bit(CpuidFeature::FSGSBASE, cr4::FSGSBASE)
}

fn load(cpu: &mut Cpu, reg: SegmentReg, selector: u16) {
    let descriptor = DESCRIPTORS[usize::from(selector >> 3)];
    cpu.regs.seg[reg as usize] = Segment::from_descriptor(selector, descriptor);
}
