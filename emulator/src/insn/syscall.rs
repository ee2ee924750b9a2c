//! SYSCALL, SYSENTER, SYSRET, SYSEXIT and SWAPGS (SDM vol. 2B; vol. 3A, 5.8.7 and 5.8.8).

use super::system::refuse_by_name;
use crate::cpu::{Cpu, StepRule};
use crate::cpuid::CpuVendor;
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::{cr0, efer};
use crate::regs::gpr::reg::{R11, RCX, RDX, RSP};
use crate::regs::{RFlags, Segment, SegmentReg, Width};
use crate::timing::FixedEvent;

/// Access rights of the flat segments that SYSCALL and SYSRET load.
const CODE64: u16 = 0xa09b;
const CODE32: u16 = 0xc09b;
const DATA: u16 = 0xc093;
/// DPL field set to 3.
const DPL3: u16 = 0x60;

/// A flat segment.
fn flat(selector: u16, access: u16) -> Segment {
    Segment { selector, base: 0, limit: u32::MAX, access }
}

/// SYSCALL. `op.imm` is the next RIP.
pub(super) fn syscall(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let amd_only = !cpu.code.is_64() && cpu.vendor == CpuVendor::Intel;
    if cpu.regs.control.efer & efer::SCE == 0 || amd_only {
        return Err(cpu.raise(Exception::ud()));
    }
    if !cpu.in_long_mode() {
        return Ok(refuse_by_name(cpu, "SYSCALL outside IA-32e mode"));
    }
    cpu.charge_event(FixedEvent::Syscall);
    let flags = cpu.regs.rflags() & !RFlags::RF;
    let target = if cpu.code.is_64() { cpu.regs.msrs.lstar } else { cpu.regs.msrs.cstar };
    cpu.regs.gpr.set(RCX, op.imm);
    cpu.regs.gpr.set(R11, flags);
    cpu.regs.rip = target;
    let selector = (cpu.regs.msrs.star >> 32) as u16 & !3;
    cpu.regs.seg[SegmentReg::Cs as usize] = flat(selector, CODE64);
    cpu.regs.seg[SegmentReg::Ss as usize] = flat(selector.wrapping_add(8), DATA);
    let fmask = cpu.regs.msrs.fmask;
    cpu.set_rflags(flags & !fmask);
    cpu.drop_kept_hits();
    // BS follows TF after the mask (x86-debug section 6).
    cpu.rule = StepRule::AtEnd;
    Ok(Flow::JumpBoundary)
}

/// SYSENTER. TF stays: the step is reported at the target.
pub(super) fn sysenter(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.control.cr0 & cr0::PE == 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    // On AMD processors it does not exist in IA-32e mode.
    if cpu.vendor == CpuVendor::Amd && cpu.in_long_mode() {
        return Err(cpu.raise(Exception::ud()));
    }
    let long = cpu.in_long_mode();
    let msrs = &cpu.regs.msrs;
    let (selector, target, top) =
        (msrs.sysenter_cs as u16 & !3, msrs.sysenter_eip, msrs.sysenter_esp);
    if selector == 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.charge_event(FixedEvent::Syscall);
    let reach = if long { u64::MAX } else { 0xffff_ffff };
    cpu.regs.rip = target & reach;
    cpu.regs.gpr.set(RSP, top & reach);
    cpu.regs.seg[SegmentReg::Cs as usize] = flat(selector, if long { CODE64 } else { CODE32 });
    cpu.regs.seg[SegmentReg::Ss as usize] = flat(selector.wrapping_add(8), DATA);
    let flags = cpu.regs.rflags() & !(RFlags::IF | RFlags::RF | RFlags::VM);
    cpu.set_rflags(flags);
    cpu.drop_kept_hits();
    Ok(Flow::JumpBoundary)
}

/// What SYSRET checks in both its forms.
fn check_sysret(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.efer & efer::SCE == 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// SYSRETD: to compatibility mode.
pub(super) fn sysretd(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_sysret(cpu)?;
    let target = cpu.regs.gpr.get(RCX) & 0xffff_ffff;
    let selector = (cpu.regs.msrs.star >> 48) as u16 | 3;
    sysret_to(cpu, target, flat(selector, CODE32 | DPL3))
}

/// SYSRETQ.
pub(super) fn sysretq(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_sysret(cpu)?;
    let target = cpu.regs.gpr.get(RCX);
    if !is_canonical(target) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let selector = ((cpu.regs.msrs.star >> 48) as u16).wrapping_add(16) | 3;
    sysret_to(cpu, target, flat(selector, CODE64 | DPL3))
}

fn sysret_to(cpu: &mut Cpu, target: u64, code: Segment) -> Result<Flow, Faulted> {
    cpu.charge_event(FixedEvent::Sysret);
    let star = (cpu.regs.msrs.star >> 48) as u16;
    cpu.regs.rip = target;
    cpu.regs.seg[SegmentReg::Cs as usize] = code;
    cpu.regs.seg[SegmentReg::Ss as usize] = flat(star.wrapping_add(8) | 3, DATA | DPL3);
    // SYSRET cannot set RF (rule T5).
    let flags = cpu.regs.gpr.get(R11) & !(RFlags::RF | RFlags::VM);
    cpu.set_rflags(flags);
    cpu.rule = StepRule::AtEnd;
    Ok(Flow::JumpBoundary)
}

/// SYSEXIT, to 32-bit code, and with REX.W to 64-bit code.
pub(super) fn sysexit<W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    _op: &Op,
) -> Result<Flow, Faulted> {
    let long = W::BYTES == 8;
    if cpu.vendor == CpuVendor::Amd && cpu.in_long_mode() {
        return Err(cpu.raise(Exception::ud()));
    }
    let base = cpu.regs.msrs.sysenter_cs as u16 & !3;
    let protected = cpu.regs.control.cr0 & cr0::PE != 0;
    let (target, top) = (W::get(&cpu.regs.gpr, RDX), W::get(&cpu.regs.gpr, RCX));
    let reachable = !long || (is_canonical(target) && is_canonical(top));
    if !protected || cpu.regs.cpl() != 0 || base == 0 || !reachable {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.charge_event(FixedEvent::Sysret);
    let (offset, code) = if long { (32, CODE64) } else { (16, CODE32) };
    let selector = base.wrapping_add(offset) | 3;
    cpu.regs.rip = target;
    cpu.regs.gpr.set(RSP, top);
    cpu.regs.seg[SegmentReg::Cs as usize] = flat(selector, code | DPL3);
    cpu.regs.seg[SegmentReg::Ss as usize] = flat(selector.wrapping_add(8), DATA | DPL3);
    cpu.sync_mode();
    Ok(Flow::JumpBoundary)
}

/// SWAPGS.
pub(super) fn swapgs(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    let gs = &mut cpu.regs.seg[SegmentReg::Gs as usize].base;
    std::mem::swap(gs, &mut cpu.regs.msrs.kernel_gs_base);
    Ok(Flow::Next)
}
