//! IRET, IRETD and IRETQ (SDM vol. 2A, IRET; vol. 3A, 6.14.3).
//!
//! In 64-bit mode all forms take RIP, CS, RFLAGS, RSP and SS from the stack, whatever the
//! privilege; elsewhere RSP and SS only for a lower one.

use iced_x86::Mnemonic;

use super::descriptor::{self, rpl};
use super::far::{
    check_offset, drop_inner_segments, is_64, is_real, return_target, set_code, stack_slot,
};
use super::segload::{NullStack, stack_segment};
use super::system::refuse_by_name;
use super::task;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::RSP;
use crate::regs::{B16, B32, B64, RFlags, SegmentReg};
use crate::timing::FixedEvent;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Iret, |_| last(iret::<B16>)),
    (Mnemonic::Iretd, |_| last(iret::<B32>)),
    (Mnemonic::Iretq, |_| last(iret::<B64>)),
];

fn last(run: OpFn) -> Option<Lowered> {
    Some(Lowered { op: Op::new(run), ends: Ends::Yes })
}

/// Flags that IRET may change at any privilege.
const LOADS: u64 = RFlags::TF | RFlags::DF | RFlags::NT | RFlags::RF | RFlags::AC | RFlags::ID;

/// The flags after IRET: what privilege and operand size allow of the image.
fn flags_of<W: MemWidth>(cpu: &Cpu, image: u64) -> u64 {
    let cpl = cpu.regs.cpl();
    let mut loads = LOADS;
    if cpl == 0 {
        loads |= RFlags::IF | RFlags::IOPL | RFlags::VIF | RFlags::VIP;
    } else if u64::from(cpl) <= cpu.regs.system_flags >> 12 & 3 {
        loads |= RFlags::IF;
    }
    loads &= W::MASK;
    cpu.regs.system_flags & !loads | image & (loads | RFlags::STATUS)
}

/// It reads two bytes of the slots of CS and SS (x86-debug section 9). As measured, it
/// reads RFLAGS, CS and RIP in this order and checks CS, reads SS and RSP and checks
/// SS, and only then looks at RIP.
fn iret<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.system_flags & RFlags::NT != 0 && !is_real(cpu) {
        if cpu.in_long_mode() {
            return Err(cpu.raise(Exception::gp0()));
        }
        return task::leave(cpu, mem, op);
    }
    let image = stack_slot::<W, W>(cpu, mem, 2, 0)?;
    let cs = stack_slot::<W, B16>(cpu, mem, 1, 0)? as u16;
    let rip = stack_slot::<W, W>(cpu, mem, 0, 0)?;
    if is_real(cpu) {
        return iret_real::<W>(cpu, cs, rip, image);
    }
    let enters_vm86 = image & RFlags::VM != 0 && W::BYTES == 4 && cpu.regs.cpl() == 0;
    if enters_vm86 && !cpu.in_long_mode() {
        return Ok(refuse_by_name(cpu, "IRET to virtual-8086 mode"));
    }
    let mut code = return_target(cpu, mem, cs)?;
    let target = rpl(cs);
    let outward = target > cpu.regs.cpl();
    let mut stack = cpu.regs.seg[SegmentReg::Ss as usize];
    let mut rsp = cpu.stack_pointer(3 * u64::from(W::BYTES));
    if outward || cpu.code.is_64() {
        let ss = stack_slot::<W, B16>(cpu, mem, 4, 0)? as u16;
        rsp = stack_slot::<W, W>(cpu, mem, 3, 0)?;
        let null = NullStack::of(is_64(cpu, &code));
        stack = stack_segment(cpu, mem, ss, target, null)?;
    }
    check_offset(cpu, &code, rip)?;
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    cpu.charge_event(FixedEvent::Iret);
    let flags = flags_of::<W>(cpu, image);
    cpu.regs.rip = rip;
    set_code(cpu, code, target);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    cpu.pending.nmi_blocked = false;
    cpu.set_rflags(flags);
    cpu.set_stack_pointer(rsp);
    if !cpu.code.is_64() {
        // A 16-bit stack pointer leaves bits 16 to 31 as they were, and no others (measured).
        let low = cpu.regs.gpr.get(RSP) & 0xffff_ffff;
        cpu.regs.gpr.set(RSP, low);
    }
    if outward {
        drop_inner_segments(cpu);
    }
    Ok(Flow::JumpBoundary)
}

/// IRET in real mode.
fn iret_real<W: MemWidth>(cpu: &mut Cpu, cs: u16, rip: u64, image: u64) -> Result<Flow, Faulted> {
    if rip > u64::from(cpu.regs.seg[SegmentReg::Cs as usize].limit) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let flags = flags_of::<W>(cpu, image);
    let top = cpu.stack_pointer(3 * u64::from(W::BYTES));
    cpu.set_real_segment(SegmentReg::Cs as u8, cs);
    cpu.regs.rip = rip;
    cpu.pending.nmi_blocked = false;
    cpu.set_rflags(flags);
    cpu.set_stack_pointer(top);
    Ok(Flow::JumpBoundary)
}
