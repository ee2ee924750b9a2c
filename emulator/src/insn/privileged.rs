//! What user code may only try: privileged instructions and ports.
//!
//! These raise #GP(0) before they touch anything; at CPL 0, or where the I/O bitmap
//! lets user code through to a port, they are not built and the run stops at them.
//! Sources: SDM vol. 3A, 5.9 (privileged instructions); vol. 1, 19.5 (I/O privilege).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::system::unsupported;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::RDX;
use crate::regs::{B16, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Lgdt, privileged_rule),
    (Mnemonic::Lidt, privileged_rule),
    (Mnemonic::Lldt, privileged_rule),
    (Mnemonic::Ltr, privileged_rule),
    (Mnemonic::Lmsw, privileged_rule),
    (Mnemonic::Invd, privileged_rule),
    (Mnemonic::Wbinvd, privileged_rule),
    (Mnemonic::Wbnoinvd, privileged_rule),
    (Mnemonic::Rdmsr, privileged_rule),
    (Mnemonic::Wrmsr, privileged_rule),
    (Mnemonic::Rdpmc, privileged_rule),
    (Mnemonic::Invpcid, privileged_rule),
    (Mnemonic::Sysexit, privileged_rule),
    (Mnemonic::Sysexitq, privileged_rule),
    (Mnemonic::Clac, undefined_below_rule),
    (Mnemonic::Stac, undefined_below_rule),
    (Mnemonic::Monitor, undefined_below_rule),
    (Mnemonic::Mwait, undefined_below_rule),
    (Mnemonic::In, port_rule),
    (Mnemonic::Out, port_rule),
    (Mnemonic::Insb, port_rule),
    (Mnemonic::Insw, port_rule),
    (Mnemonic::Insd, port_rule),
    (Mnemonic::Outsb, port_rule),
    (Mnemonic::Outsw, port_rule),
    (Mnemonic::Outsd, port_rule),
];

/// The decoder's code in `imm`, for the refusal's name.
fn named(insn: &Instruction, run: OpFn) -> Op {
    let mut op = Op::new(run);
    op.imm = insn.code() as u64;
    op
}

fn privileged_rule(insn: &Instruction) -> Option<Lowered> {
    Some(Lowered { op: named(insn, privileged), ends: Ends::Yes })
}

/// RDPMC too: nothing sets CR4.PCE.
fn privileged(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    unsupported(cpu, mem, op)
}

fn undefined_below_rule(insn: &Instruction) -> Option<Lowered> {
    Some(Lowered { op: named(insn, undefined_below), ends: Ends::Yes })
}

/// Instructions that do not exist above CPL 0.
fn undefined_below(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    unsupported(cpu, mem, op)
}

/// An immediate port in `dst`, the number of ports in `third`.
fn port_rule(insn: &Instruction) -> Option<Lowered> {
    let has_immediate = (0..insn.op_count()).any(|at| insn.op_kind(at) == OpKind::Immediate8);
    let mut op = named(insn, if has_immediate { at_immediate } else { at_dx });
    if has_immediate {
        op.dst = insn.immediate8();
    }
    op.third = match insn.mnemonic() {
        Mnemonic::In => insn.op0_register().size() as u8,
        Mnemonic::Out => insn.op1_register().size() as u8,
        _ => insn.memory_size().size() as u8,
    };
    Some(Lowered { op, ends: Ends::Yes })
}

fn at_immediate(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_ports(cpu, mem, u64::from(op.dst), op.third)?;
    unsupported(cpu, mem, op)
}

fn at_dx(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let port = B16::get(&cpu.regs.gpr, RDX);
    check_ports(cpu, mem, port, op.third)?;
    unsupported(cpu, mem, op)
}

/// Offset in the TSS of the word that says where the I/O bitmap begins.
const BITMAP_OFFSET: u64 = 102;

/// Refuses ports that neither IOPL nor the bitmap allows: two bytes of it are read
/// whatever the width, and both must be within the TSS.
fn check_ports(cpu: &mut Cpu, mem: &mut PhysMem, port: u64, count: u8) -> Result<(), Faulted> {
    if u64::from(cpu.regs.cpl()) <= cpu.regs.system_flags >> 12 & 3 {
        return Ok(());
    }
    let begin = tss_word(cpu, mem, BITMAP_OFFSET)?;
    let bits = tss_word(cpu, mem, begin + port / 8)?;
    let wanted = ((1u64 << count) - 1) << (port % 8);
    if bits & wanted != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// A word of the TSS.
fn tss_word(cpu: &mut Cpu, mem: &mut PhysMem, offset: u64) -> Result<u64, Faulted> {
    let control = &cpu.regs.control;
    if offset + 1 > u64::from(control.tss_limit) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let at = control.tss_base.wrapping_add(offset);
    cpu.with_system_rights(|cpu| B16::load(cpu, mem, at))
}
