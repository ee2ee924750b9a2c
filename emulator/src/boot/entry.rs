//! The state of the first processor at an image's entry.
//! Sources: Multiboot Specification 0.6.96, section 3.2; Xen, docs/misc/pvh.pandoc;
//! for 64-bit mode the conventions of [`super`].

use super::BOOT_MAGIC;
use crate::cpu::Cpu;
use crate::regs::control::{TableReg, cr0, cr4, efer};
use crate::regs::gpr::reg;
use crate::regs::{RFlags, Regs, Segment, SegmentReg};

/// Selector of 32-bit code.
pub const CODE32: u16 = 0x08;
/// Selector of data.
pub const DATA: u16 = 0x10;
/// Selector of 64-bit code.
pub const CODE64: u16 = 0x18;
/// Selector of the task state segment: 32-bit, at address 0.
pub const TASK: u16 = 0x20;

/// Limit of a 32-bit task state segment.
const TASK_LIMIT: u32 = 0x67;

/// The GDT: descriptors behind the selectors above, all accessed already.
pub(super) const GDT: [u64; 5] =
    [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00af_9b00_0000_ffff, 0x0000_8b00_0000_0067];

/// Addresses that the state has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// First instruction.
    pub(super) entry: u64,
    /// What the image is told.
    pub(super) info: u64,
    /// The GDT.
    pub(super) gdt: u64,
    /// The end of the stack.
    pub(super) stack_end: u64,
}

/// 32-bit protected mode without paging. `eax` is [`BOOT_MAGIC`] for multiboot.
pub(super) fn enter_32(cpu: &mut Cpu, at: &Addresses, eax: u32) {
    let mut regs = flat(at, CODE32);
    regs.control.cr0 = cr0::PE | cr0::ET;
    regs.gpr.set(reg::RAX, u64::from(eax));
    regs.gpr.set(reg::RBX, at.info);
    regs.gpr.set(reg::RSP, at.stack_end);
    load(cpu, regs);
}

/// 64-bit mode under the page tables at `tables`.
pub(super) fn enter_64(cpu: &mut Cpu, at: &Addresses, tables: u64) {
    let mut regs = flat(at, CODE64);
    regs.control.cr0 = cr0::PE | cr0::ET | cr0::NE | cr0::WP | cr0::PG;
    regs.control.cr3 = tables;
    regs.control.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT;
    regs.control.efer = efer::LME | efer::LMA | efer::NXE;
    regs.gpr.set(reg::RDI, at.info);
    regs.gpr.set(reg::RSI, u64::from(BOOT_MAGIC));
    // As after a call; the return address is the zero that is there.
    regs.gpr.set(reg::RSP, at.stack_end - 8);
    load(cpu, regs);
}

/// Flat segments, no handlers, interrupts off.
fn flat(at: &Addresses, code: u16) -> Regs {
    let mut regs = Regs::at_reset();
    for segment in &mut regs.seg {
        *segment = descriptor(DATA);
    }
    regs.seg[SegmentReg::Cs as usize] = descriptor(code);
    regs.rip = at.entry;
    regs.set_rflags(RFlags::FIXED);
    regs.control.gdtr = TableReg { base: at.gdt, limit: (GDT.len() * 8 - 1) as u16 };
    // The vector table of real mode, as a BIOS leaves it.
    regs.control.idtr = TableReg { base: 0, limit: 0x3ff };
    regs.control.tr = TASK;
    // Busy, of 32 or 64 bits.
    regs.control.tr_access = 0x8b;
    regs.control.tss_base = 0;
    regs.control.tss_limit = TASK_LIMIT;
    regs
}

fn descriptor(selector: u16) -> Segment {
    Segment::from_descriptor(selector, GDT[usize::from(selector >> 3)])
}

/// Loads the registers; those that a boot loader does not touch stay as after reset.
fn load(cpu: &mut Cpu, mut regs: Regs) {
    regs.x87 = cpu.regs.x87.clone();
    regs.vector = cpu.regs.vector.clone();
    regs.msrs = cpu.regs.msrs.clone();
    regs.control.xcr0 = cpu.regs.control.xcr0;
    cpu.load_regs(regs);
}
