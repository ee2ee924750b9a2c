//! Instructions of CPL 0 that are about caches, translations and access rights
//! (SDM vol. 3A, 5.9; vol. 2).

use iced_x86::{Instruction, Mnemonic};

use super::forms::operand_bytes;
use super::syscall::sysexit;
use super::system::check_cpl0;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr4;
use crate::regs::gpr::reg::RCX;
use crate::regs::{B32, B64, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Invd, |_| last(flush_caches)),
    (Mnemonic::Wbinvd, |_| last(flush_caches)),
    (Mnemonic::Wbnoinvd, |_| last(flush_caches)),
    (Mnemonic::Rdpmc, |_| last(rdpmc)),
    (Mnemonic::Invpcid, invpcid_rule),
    (Mnemonic::Sysexit, |_| last(sysexit::<B32>)),
    (Mnemonic::Sysexitq, |_| last(sysexit::<B64>)),
    (Mnemonic::Clac, |_| last(clac)),
    (Mnemonic::Stac, |_| last(stac)),
];

fn last(run: OpFn) -> Option<Lowered> {
    Some(Lowered { op: Op::new(run), ends: Ends::Yes })
}

/// INVD, WBINVD and WBNOINVD: caches are not modelled by content.
fn flush_caches(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    Ok(cpu.completed())
}

/// RDPMC: the processor has no counters, so that every number raises #GP(0).
fn rdpmc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.cpl() != 0 && cpu.regs.control.cr4 & cr4::PCE == 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    let _number = B32::get(&cpu.regs.gpr, RCX);
    Err(cpu.raise(Exception::gp0()))
}

fn invpcid_rule(insn: &Instruction) -> Option<Lowered> {
    let wide = operand_bytes(insn, 0) == 8;
    Lowered::last(insn, if wide { invpcid::<B64> } else { invpcid::<B32> })
}

/// INVPCID: kinds 0 to 3; translations are not kept by context, so that each forgets at
/// least what it must.
fn invpcid<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let kind = W::get(&cpu.regs.gpr, op.dst);
    let linear = op.linear(cpu);
    let context = B64::load(cpu, mem, linear)?;
    let address = B64::load(cpu, mem, linear.wrapping_add(8))?;
    let of_context = kind < 2 && context >> 12 != 0;
    let without_pcid = kind < 2 && context != 0 && cpu.regs.control.cr4 & cr4::PCIDE == 0;
    if kind > 3 || of_context || without_pcid || (kind == 0 && !is_canonical(address)) {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.flush_tlb();
    Ok(Flow::Boundary)
}

/// CLAC and STAC do not exist above CPL 0.
fn check_exists(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    Ok(())
}

fn clac(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_exists(cpu)?;
    cpu.regs.system_flags &= !RFlags::AC;
    cpu.sync_mode();
    Ok(cpu.completed())
}

fn stac(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_exists(cpu)?;
    cpu.regs.system_flags |= RFlags::AC;
    cpu.sync_mode();
    Ok(cpu.completed())
}
