//! MOV to and from the control registers, and LMSW (SDM vol. 2B, MOV; vol. 3A, 2.5 and
//! 9.8.5).

use iced_x86::{Instruction, OpKind};

use crate::cpu::Cpu;
use crate::dispatch::lower::{Lowered, is_legacy};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::PAGE_OFFSET_MASK;
use crate::mem::paging;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::{cr0, cr4, efer};
use crate::regs::{B32, B64, Width};
use crate::timing::FixedEvent;

/// The rule for MOV with a control register operand.
pub(crate) fn rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_kind() != OpKind::Register || insn.op1_kind() != OpKind::Register {
        return None;
    }
    let legacy = is_legacy(insn);
    if insn.op1_register().is_cr() {
        return Lowered::last(insn, if legacy { from_cr::<B32> } else { from_cr::<B64> });
    }
    if !insn.op0_register().is_cr() {
        return None;
    }
    Lowered::last(insn, if legacy { to_cr::<B32> } else { to_cr::<B64> })
}

/// #UD for a register that does not exist comes before #GP for the privilege.
fn check(cpu: &mut Cpu, number: u8) -> Result<(), Faulted> {
    if !matches!(number, 0 | 2 | 3 | 4 | 8) {
        return Err(cpu.raise(Exception::ud()));
    }
    if cpu.regs.cpl() > 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

fn from_cr<W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check(cpu, op.src)?;
    let control = &cpu.regs.control;
    let value = match op.src {
        0 => control.cr0,
        2 => control.cr2,
        3 => control.cr3,
        4 => control.cr4,
        _ => {
            let local = mem.bus().map(|bus| bus.task_priority(cpu.apic_id as usize));
            local.map_or(control.cr8, u64::from)
        }
    };
    W::set(&mut cpu.regs.gpr, op.dst, value & W::MASK);
    Ok(Flow::Next)
}

fn to_cr<W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check(cpu, op.dst)?;
    let value = W::get(&cpu.regs.gpr, op.src);
    let taken = match op.dst {
        0 => cpu.write_cr0(mem, value),
        2 => {
            cpu.regs.control.cr2 = value;
            true
        }
        3 => cpu.write_cr3(mem, value),
        4 => cpu.write_cr4(mem, value),
        _ => write_cr8(cpu, mem, value),
    };
    if !taken {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.charge_event(FixedEvent::MovToCr);
    Ok(Flow::Boundary)
}

/// CR8 is the local APIC's task priority.
fn write_cr8(cpu: &mut Cpu, mem: &mut PhysMem, value: u64) -> bool {
    if value > 15 {
        return false;
    }
    cpu.regs.control.cr8 = value;
    let from = cpu.bus_cycle();
    if let Some(bus) = mem.bus_mut() {
        bus.set_task_priority(from, value as u8);
    }
    cpu.after_bus(mem);
    true
}

/// Bits of CR0 that exist.
const CR0_BITS: u64 = cr0::PE
    | cr0::MP
    | cr0::EM
    | cr0::TS
    | cr0::ET
    | cr0::NE
    | cr0::WP
    | cr0::AM
    | cr0::NW
    | cr0::CD
    | cr0::PG;
/// Bits of CR4 whose change makes cached translations wrong.
const CR4_PAGING: u64 = cr4::PSE | cr4::PAE | cr4::PGE | cr4::PCIDE | cr4::SMEP | cr4::SMAP;
/// Bit of a value for CR3: translations of the new context are kept.
const NO_FLUSH: u64 = 1 << 63;

impl Cpu {
    /// Writes CR0; paging and IA-32e mode begin and end here. Returns whether the value
    /// was taken: MOV raises #GP(0) for others.
    pub(crate) fn write_cr0(&mut self, mem: &PhysMem, value: u64) -> bool {
        let control = &self.regs.control;
        let set = |bit: u64| value & bit != 0;
        let wrong = value >> 32 != 0
            || (set(cr0::PG) && !set(cr0::PE))
            || (set(cr0::NW) && !set(cr0::CD))
            || (!set(cr0::PG) && control.cr4 & cr4::PCIDE != 0);
        if wrong {
            return false;
        }
        let changed = value ^ control.cr0;
        let mut lma = control.efer & efer::LMA;
        if changed & cr0::PG != 0 {
            if set(cr0::PG) && control.efer & efer::LME != 0 {
                let long_code = self.regs.seg[1].access & crate::regs::Segment::LONG != 0;
                // A TSS of 16 bits, available or busy.
                let old_tss = matches!(control.tr_access & 0x1f, 1 | 3);
                if control.cr4 & cr4::PAE == 0 || long_code || old_tss {
                    return false;
                }
                lma = efer::LMA;
            } else if !set(cr0::PG) {
                if self.code.is_64() && lma != 0 {
                    return false;
                }
                lma = 0;
            }
        }
        let mut next = control.clone();
        next.cr0 = value & CR0_BITS | cr0::ET;
        next.efer = control.efer & !efer::LMA | lma;
        let reloads = changed & (cr0::PG | cr0::CD | cr0::NW) != 0;
        if reloads && !paging::pdptes_are_valid(mem, &next) {
            return false;
        }
        self.regs.control = next;
        if changed & (cr0::PG | cr0::WP | cr0::PE) != 0 {
            self.flush_tlb();
        }
        self.sync_mode();
        true
    }

    /// Writes CR3. Returns whether the value was taken.
    pub(crate) fn write_cr3(&mut self, mem: &PhysMem, value: u64) -> bool {
        let control = &self.regs.control;
        let pcid = control.cr4 & cr4::PCIDE != 0;
        let value = if pcid { value & !NO_FLUSH } else { value };
        if self.in_long_mode() && value >> paging::PHYSICAL_BITS != 0 {
            return false;
        }
        let mut next = control.clone();
        next.cr3 = value;
        if !paging::pdptes_are_valid(mem, &next) {
            return false;
        }
        self.set_cr3(value);
        true
    }

    /// Writes CR4. Returns whether the value was taken.
    pub(crate) fn write_cr4(&mut self, mem: &PhysMem, value: u64) -> bool {
        let control = &self.regs.control;
        let changed = value ^ control.cr4;
        let sets = |bit: u64| changed & value & bit != 0;
        let drops_pae = changed & !value & cr4::PAE != 0 && self.in_long_mode();
        let early_pcid =
            sets(cr4::PCIDE) && (!self.in_long_mode() || control.cr3 & PAGE_OFFSET_MASK != 0);
        if value & !self.model.cr4_supported() != 0 || drops_pae || early_pcid {
            return false;
        }
        let mut next = control.clone();
        next.cr4 = value;
        if changed & CR4_PAGING != 0 && !paging::pdptes_are_valid(mem, &next) {
            return false;
        }
        self.regs.control = next;
        if changed & CR4_PAGING != 0 {
            self.flush_tlb();
        }
        self.sync_mode();
        true
    }
}
