//! SYSCALL, SYSRET, SWAPGS and IRETQ (SDM vol. 2B; vol. 3A, 5.8.8).

use crate::cpu::{Cpu, StepRule};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::efer;
use crate::regs::gpr::reg::{R11, RCX, RSP};
use crate::regs::{B16, B64, RFlags, Segment, SegmentReg};
use crate::run::{Exit, Unsupported};
use crate::timing::FixedEvent;

/// Access rights of the flat segments that SYSCALL and SYSRET load.
const CODE64: u16 = 0xa09b;
const DATA: u16 = 0xc093;
/// DPL field set to 3.
const DPL3: u16 = 0x60;
/// Flags that IRETQ may not change at any privilege.
const IRET_LOADS: u64 = RFlags::TF | RFlags::DF | RFlags::NT | RFlags::RF | RFlags::AC | RFlags::ID;

/// A flat segment.
fn flat(selector: u16, access: u16) -> Segment {
    Segment { selector, base: 0, limit: u32::MAX, access }
}

/// SYSCALL. `op.imm` is the next RIP.
pub(super) fn syscall(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.control.efer & efer::SCE == 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    cpu.charge_event(FixedEvent::Syscall);
    let flags = cpu.regs.rflags() & !RFlags::RF;
    cpu.regs.gpr.set(RCX, op.imm);
    cpu.regs.gpr.set(R11, flags);
    cpu.regs.rip = cpu.regs.msrs.lstar;
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
    Ok(refuse_compatibility(cpu, "SYSRETD"))
}

/// Stops the run at a transfer to compatibility mode, which is not built.
fn refuse_compatibility(cpu: &mut Cpu, by: &str) -> Flow {
    let name = format!("{by} to compatibility mode");
    cpu.exit = Some(Exit::Unsupported(Unsupported { rip: 0, name, bytes: Vec::new() }));
    Flow::Refused
}

/// SYSRETQ.
pub(super) fn sysretq(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_sysret(cpu)?;
    let target = cpu.regs.gpr.get(RCX);
    if !is_canonical(target) {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.charge_event(FixedEvent::Sysret);
    let star = (cpu.regs.msrs.star >> 48) as u16;
    let selector = star.wrapping_add(16) | 3;
    cpu.regs.rip = target;
    cpu.regs.seg[SegmentReg::Cs as usize] = flat(selector, CODE64 | DPL3);
    cpu.regs.seg[SegmentReg::Ss as usize] = flat(star.wrapping_add(8) | 3, DATA | DPL3);
    // SYSRET cannot set RF (rule T5).
    let flags = cpu.regs.gpr.get(R11) & !(RFlags::RF | RFlags::VM);
    cpu.set_rflags(flags);
    cpu.rule = StepRule::AtEnd;
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

/// Loads from a slot of the frame at RSP.
fn frame_slot<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, slot: u64) -> Result<u64, Faulted> {
    let at = cpu.regs.gpr.get(RSP).wrapping_add(slot * 8);
    W::load(cpu, mem, at).map_err(|_| cpu.blame_stack())
}

/// IRETQ to 64-bit code. It loads the slots in pieces: RIP 8, CS 2, RFLAGS 8, RSP 8,
/// SS 2 bytes (x86-debug section 9).
pub(super) fn iretq(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let rip = frame_slot::<B64>(cpu, mem, 0)?;
    let cs = frame_slot::<B16>(cpu, mem, 1)? as u16;
    let image = frame_slot::<B64>(cpu, mem, 2)?;
    let rsp = frame_slot::<B64>(cpu, mem, 3)?;
    let ss = frame_slot::<B16>(cpu, mem, 4)? as u16;
    let cpl = cpu.regs.cpl();
    let target = (cs & 3) as u8;
    let refuse = |cpu: &mut Cpu, selector: u16| {
        let error = u32::from(selector & !3);
        cpu.raise(Exception::with_error(crate::event::Vector::GeneralProtection, error))
    };
    if cs & !3 == 0 || target < cpl {
        return Err(refuse(cpu, cs));
    }
    let descriptor = cpu.read_descriptor(mem, cs)?;
    let code = Segment::from_descriptor(cs, descriptor);
    let usable = code.access & 0x18 == 0x18 && code.access & Segment::PRESENT != 0;
    if !usable || (code.access & 4 == 0 && code.dpl() != target) {
        return Err(refuse(cpu, cs));
    }
    if code.access & Segment::LONG == 0 {
        return Ok(refuse_compatibility(cpu, "IRETQ"));
    }
    if !is_canonical(rip) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let stack = if ss & !3 == 0 {
        if target == 3 {
            return Err(refuse(cpu, ss));
        }
        Segment { selector: ss, ..Segment::default() }
    } else {
        let descriptor = cpu.read_descriptor(mem, ss)?;
        Segment::from_descriptor(ss, descriptor)
    };
    cpu.charge_event(FixedEvent::Iret);
    let mut loads = IRET_LOADS;
    if cpl == 0 {
        loads |= RFlags::IF | RFlags::IOPL | RFlags::VIF | RFlags::VIP;
    } else if u64::from(cpl) <= cpu.regs.system_flags >> 12 & 3 {
        loads |= RFlags::IF;
    }
    let flags = cpu.regs.system_flags & !loads | image & (loads | RFlags::STATUS);
    cpu.regs.rip = rip;
    cpu.regs.gpr.set(RSP, rsp);
    cpu.regs.seg[SegmentReg::Cs as usize] = code;
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    cpu.set_rflags(flags);
    Ok(Flow::JumpBoundary)
}
