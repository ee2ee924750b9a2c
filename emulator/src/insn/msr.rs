//! RDMSR and WRMSR (SDM vol. 4, chapter 2).
//!
//! Those of the local APIC belong to the bus. One that is not modelled raises #GP(0), as
//! on a processor that has not got it.

use iced_x86::Mnemonic;

use super::system::check_cpl0;
use crate::bus::MsrRefused;
use crate::cpu::Cpu;
use crate::cpuid::CpuVendor;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::{cr0, debugctl, efer};
use crate::regs::gpr::reg::{RAX, RCX, RDX};
use crate::regs::{B32, Msrs, SegmentReg, Width};
use crate::timing::FixedEvent;

/// Instructions of this family.
pub(crate) const FAMILY: Family =
    &[(Mnemonic::Rdmsr, |_| last(rdmsr)), (Mnemonic::Wrmsr, |_| last(wrmsr))];

fn last(run: OpFn) -> Option<Lowered> {
    Some(Lowered { op: Op::new(run), ends: Ends::Yes })
}

/// Numbers of MSRs.
mod number {
    pub(super) const TSC: u32 = 0x10;
    pub(super) const PLATFORM_ID: u32 = 0x17;
    pub(super) const APIC_BASE: u32 = 0x1b;
    pub(super) const FEATURE_CONTROL: u32 = 0x3a;
    pub(super) const TSC_ADJUST: u32 = 0x3b;
    pub(super) const SPEC_CTRL: u32 = 0x48;
    pub(super) const PRED_CMD: u32 = 0x49;
    pub(super) const BIOS_SIGN_ID: u32 = 0x8b;
    pub(super) const MTRRCAP: u32 = 0xfe;
    pub(super) const SYSENTER_CS: u32 = 0x174;
    pub(super) const SYSENTER_ESP: u32 = 0x175;
    pub(super) const SYSENTER_EIP: u32 = 0x176;
    pub(super) const MCG_CAP: u32 = 0x179;
    pub(super) const MCG_STATUS: u32 = 0x17a;
    pub(super) const MISC_ENABLE: u32 = 0x1a0;
    pub(super) const LASTBRANCH_TOS: u32 = 0x1c9;
    pub(super) const DEBUGCTL: u32 = 0x1d9;
    pub(super) const LASTBRANCH_FROM_AMD: u32 = 0x1db;
    pub(super) const LASTBRANCH_TO_AMD: u32 = 0x1dc;
    pub(super) const MTRR_VARIABLE: u32 = 0x200;
    pub(super) const MTRR_FIXED: [u32; 11] =
        [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
    pub(super) const PAT: u32 = 0x277;
    pub(super) const MTRR_DEF_TYPE: u32 = 0x2ff;
    pub(super) const LASTBRANCH_FROM: u32 = 0x680;
    pub(super) const LASTBRANCH_TO: u32 = 0x6c0;
    pub(super) const TSC_DEADLINE: u32 = 0x6e0;
    pub(super) const EFER: u32 = 0xc000_0080;
    pub(super) const STAR: u32 = 0xc000_0081;
    pub(super) const LSTAR: u32 = 0xc000_0082;
    pub(super) const CSTAR: u32 = 0xc000_0083;
    pub(super) const FMASK: u32 = 0xc000_0084;
    pub(super) const FS_BASE: u32 = 0xc000_0100;
    pub(super) const GS_BASE: u32 = 0xc000_0101;
    pub(super) const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub(super) const TSC_AUX: u32 = 0xc000_0103;
}

/// Bit of IA32_APIC_BASE that does not exist without x2APIC.
const X2APIC_ENABLE: u64 = 1 << 10;
/// Eight variable ranges, fixed ranges, write combining.
const MTRRCAP: u64 = 8 | 1 << 8 | 1 << 10;
/// IA32_MISC_ENABLE: fast strings, and branch trace and precise events not there.
const MISC_ENABLE_RESET: u64 = 1 | 1 << 11 | 1 << 12;
/// Memory types that MTRRs may hold: UC, WC, WT, WP, WB.
const MTRR_TYPES: u32 = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;
/// The same for the PAT, which has UC- besides.
const PAT_TYPES: u32 = MTRR_TYPES | 1 << 7;

fn selected(cpu: &Cpu) -> u32 {
    B32::get(&cpu.regs.gpr, RCX) as u32
}

fn rdmsr(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let index = selected(cpu);
    let from = cpu.bus_cycle();
    let on_bus = mem.bus_mut().and_then(|bus| bus.read_msr(from, index));
    let value = match on_bus {
        Some(Ok(cycles)) if index == number::TSC_DEADLINE && cycles != 0 => {
            Some(cycles.wrapping_add(cpu.regs.msrs.tsc_offset))
        }
        Some(Ok(value)) => Some(value),
        Some(Err(MsrRefused)) => None,
        None => cpu.read_msr(index),
    };
    let Some(value) = value else { return Err(cpu.raise(Exception::gp0())) };
    B32::set(&mut cpu.regs.gpr, RAX, value);
    B32::set(&mut cpu.regs.gpr, RDX, value >> 32);
    cpu.charge_event(FixedEvent::Rdmsr);
    cpu.after_bus(mem);
    Ok(cpu.completed())
}

fn wrmsr(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let index = selected(cpu);
    let gpr = &cpu.regs.gpr;
    let value = B32::get(gpr, RDX) << 32 | B32::get(gpr, RAX);
    let unknown_mode = value & X2APIC_ENABLE != 0 && !cpu.model.has_x2apic();
    if index == number::APIC_BASE && unknown_mode {
        return Err(cpu.raise(Exception::gp0()));
    }
    let from = cpu.bus_cycle();
    let on_bus =
        mem.bus_mut().and_then(|bus| bus.write_msr(from, index, cpu.for_bus(index, value)));
    let done = match on_bus {
        Some(Ok(())) => true,
        Some(Err(MsrRefused)) => false,
        None => cpu.write_msr(index, value),
    };
    if !done {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.charge_event(FixedEvent::Wrmsr);
    cpu.after_bus(mem);
    Ok(Flow::Boundary)
}

/// Whether every byte of an MSR is one of some memory types.
fn holds_types(value: u64, types: u32) -> bool {
    value.to_le_bytes().iter().all(|&kind| kind < 8 && types >> kind & 1 != 0)
}

/// An MSR that takes any value, or any canonical one.
fn plain(msrs: &mut Msrs, index: u32) -> Option<(&mut u64, Taken)> {
    let found = match index {
        number::SYSENTER_CS => (&mut msrs.sysenter_cs, Taken::Any),
        number::SYSENTER_ESP => (&mut msrs.sysenter_esp, Taken::Canonical),
        number::SYSENTER_EIP => (&mut msrs.sysenter_eip, Taken::Canonical),
        number::STAR => (&mut msrs.star, Taken::Any),
        number::LSTAR => (&mut msrs.lstar, Taken::Canonical),
        number::CSTAR => (&mut msrs.cstar, Taken::Canonical),
        number::FMASK => (&mut msrs.fmask, Taken::Low),
        number::KERNEL_GS_BASE => (&mut msrs.kernel_gs_base, Taken::Canonical),
        number::TSC_AUX => (&mut msrs.tsc_aux, Taken::Low),
        number::PAT => (&mut msrs.pat, Taken::Types(PAT_TYPES)),
        number::MISC_ENABLE => (&mut msrs.misc_enable, Taken::Any),
        number::SPEC_CTRL => (&mut msrs.spec_ctrl, Taken::Only(0b111)),
        number::MTRR_DEF_TYPE => (&mut msrs.mtrr_def_type, Taken::Only(0xcff)),
        _ => {
            if let Some(at) = number::MTRR_FIXED.iter().position(|&fixed| fixed == index) {
                (&mut msrs.mtrr_fixed[at], Taken::Types(MTRR_TYPES))
            } else {
                let at = index.checked_sub(number::MTRR_VARIABLE)? as usize;
                (msrs.mtrr_variable.get_mut(at)?, Taken::Any)
            }
        }
    };
    Some(found)
}

/// Values that an MSR takes; others raise #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Any,
    Canonical,
    /// Bits 63 to 32 clear.
    Low,
    /// Bytes that are of these memory types.
    Types(u32),
    /// No bits beyond these.
    Only(u64),
}

impl Taken {
    fn accepts(self, value: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Canonical => is_canonical(value),
            Self::Low => value >> 32 == 0,
            Self::Types(types) => holds_types(value, types),
            Self::Only(bits) => value & !bits == 0,
        }
    }
}

impl Cpu {
    /// An MSR of the processor itself; `None` where it has none of that number.
    #[must_use]
    pub fn read_msr(&self, index: u32) -> Option<u64> {
        let msrs = &self.regs.msrs;
        let base = |reg: SegmentReg| self.regs.seg[reg as usize].base;
        let branches = &msrs.last_branches;
        let value = match index {
            number::TSC => self.tsc(),
            number::TSC_ADJUST => msrs.tsc_offset,
            number::PLATFORM_ID | number::BIOS_SIGN_ID => 0,
            // Locked, with VMX off.
            number::FEATURE_CONTROL => 1,
            number::MTRRCAP => MTRRCAP,
            number::MCG_CAP | number::MCG_STATUS => 0,
            number::MISC_ENABLE => msrs.misc_enable | MISC_ENABLE_RESET,
            number::DEBUGCTL => msrs.debugctl,
            number::EFER => self.regs.control.efer,
            number::FS_BASE => base(SegmentReg::Fs),
            number::GS_BASE => base(SegmentReg::Gs),
            number::LASTBRANCH_TOS if self.vendor == CpuVendor::Intel => branches.top(),
            number::LASTBRANCH_FROM_AMD if self.vendor == CpuVendor::Amd => branches.last().from,
            number::LASTBRANCH_TO_AMD if self.vendor == CpuVendor::Amd => branches.last().to,
            number::LASTBRANCH_FROM.. if self.vendor == CpuVendor::Intel && index < 0x700 => {
                let from = index.checked_sub(number::LASTBRANCH_TO).is_none();
                let first = if from { number::LASTBRANCH_FROM } else { number::LASTBRANCH_TO };
                let entry = branches.entry((index - first) as usize)?;
                if from { entry.from } else { entry.to }
            }
            _ => *plain(&mut msrs.clone(), index)?.0,
        };
        Some(value)
    }

    /// Writes an MSR of the processor itself. Returns whether it took the value: one that
    /// does not exist, or takes other values only, raises #GP(0) in WRMSR.
    pub fn write_msr(&mut self, index: u32, value: u64) -> bool {
        match index {
            number::TSC => self.regs.msrs.tsc_offset = value.wrapping_sub(self.cycles),
            number::TSC_ADJUST => self.regs.msrs.tsc_offset = value,
            number::PRED_CMD => return value & !1 == 0,
            number::BIOS_SIGN_ID | number::MCG_STATUS => {}
            number::DEBUGCTL => return self.set_debugctl(value),
            number::EFER => return self.set_efer(value),
            number::FS_BASE | number::GS_BASE => {
                if !is_canonical(value) {
                    return false;
                }
                let fs = index == number::FS_BASE;
                let reg = if fs { SegmentReg::Fs } else { SegmentReg::Gs };
                self.regs.seg[reg as usize].base = value;
            }
            _ => {
                let Some((place, taken)) = plain(&mut self.regs.msrs, index) else { return false };
                if !taken.accepts(value) {
                    return false;
                }
                *place = value;
            }
        }
        true
    }

    /// What the bus gets of a value for an MSR: it knows cycles, and not the TSC's offset.
    fn for_bus(&self, index: u32, value: u64) -> u64 {
        if index != number::TSC_DEADLINE || value == 0 {
            return value;
        }
        // A time that is over is over at once, and zero would disarm the timer.
        if value <= self.tsc() { 1 } else { value.wrapping_sub(self.regs.msrs.tsc_offset) }
    }

    /// IA32_DEBUGCTL: last-branch recording and single-stepping on branches are there.
    fn set_debugctl(&mut self, value: u64) -> bool {
        if value & !(debugctl::LBR | debugctl::BTF) != 0 {
            return false;
        }
        self.regs.msrs.debugctl = value;
        self.sync_mode();
        true
    }

    /// IA32_EFER: LMA is the processor's own.
    fn set_efer(&mut self, value: u64) -> bool {
        let writable = efer::SCE | efer::LME | efer::NXE;
        let control = &mut self.regs.control;
        let paging = control.cr0 & cr0::PG != 0;
        let changed = value ^ control.efer;
        if value & !(writable | efer::LMA) != 0 || (paging && changed & efer::LME != 0) {
            return false;
        }
        control.efer = control.efer & efer::LMA | value & writable;
        self.flush_tlb();
        self.sync_mode();
        true
    }
}
