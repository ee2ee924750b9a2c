//! IRET, IRETD and IRETQ in 64-bit mode (SDM vol. 2A, IRET; vol. 3A, 6.14.3).
//!
//! All forms take RIP, CS, RFLAGS, RSP and SS from the stack, whatever the privilege.

use iced_x86::Mnemonic;

use super::descriptor::{self, rpl};
use super::far::{
    Target, drop_inner_segments, refuse_transfer, return_target, set_code, stack_slot,
};
use super::segload::stack_segment;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
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
fn iret<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.system_flags & RFlags::NT != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    let image = stack_slot::<W, W>(cpu, mem, 2, 0)?;
    let cs = stack_slot::<W, B16>(cpu, mem, 1, 0)? as u16;
    let rip = stack_slot::<W, W>(cpu, mem, 0, 0)?;
    let mut code = match return_target(cpu, mem, cs)? {
        Target::Code(code) => code,
        Target::NotBuilt(what) => return Ok(refuse_transfer(cpu, format!("IRET {what}"))),
    };
    let target = rpl(cs);
    let ss = stack_slot::<W, B16>(cpu, mem, 4, 0)? as u16;
    let rsp = stack_slot::<W, W>(cpu, mem, 3, 0)?;
    let stack = stack_segment(cpu, mem, ss, target)?;
    if !is_canonical(rip) {
        return Err(cpu.raise(Exception::gp0()));
    }
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    cpu.charge_event(FixedEvent::Iret);
    let flags = flags_of::<W>(cpu, image);
    let outward = target > cpu.regs.cpl();
    cpu.regs.rip = rip;
    cpu.regs.gpr.set(RSP, rsp);
    set_code(cpu, code, target);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    if outward {
        drop_inner_segments(cpu);
    }
    cpu.set_rflags(flags);
    Ok(Flow::JumpBoundary)
}
