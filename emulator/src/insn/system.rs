//! Everything else: NOPs and hints, CPUID and the clock, software interrupts, halting
//! and hypercalls, control registers, undefined and unsupported instructions.
//! Source: SDM vol. 2.

use iced_x86::{Code, CodeSize, Instruction, Mnemonic};

use super::syscall;
use crate::bus::Bus;
use crate::cpu::{Cpu, StepRule};
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::{cr0, cr4};
use crate::regs::gpr::reg::{RAX, RBX, RCX, RDX};
use crate::regs::{B8, B32, RFlags, Width};
use crate::run::{Exit, Unsupported};
use crate::timing::FixedEvent;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Nop, nop_rule),
    (Mnemonic::Endbr64, nop_rule),
    (Mnemonic::Endbr32, nop_rule),
    (Mnemonic::Lfence, nop_rule),
    (Mnemonic::Mfence, nop_rule),
    (Mnemonic::Sfence, nop_rule),
    (Mnemonic::Prefetcht0, nop_rule),
    (Mnemonic::Prefetcht1, nop_rule),
    (Mnemonic::Prefetcht2, nop_rule),
    (Mnemonic::Prefetchnta, nop_rule),
    (Mnemonic::Prefetchw, nop_rule),
    (Mnemonic::Prefetchwt1, nop_rule),
    (Mnemonic::Rdsspq, nop_rule),
    (Mnemonic::Rdsspd, nop_rule),
    (Mnemonic::Pause, |insn| bare(insn, pause, Ends::No)),
    (Mnemonic::Reservednop, nop_rule),
    (Mnemonic::Cldemote, nop_rule),
    (Mnemonic::Clflush, |insn| Lowered::plain(insn, clflush)),
    (Mnemonic::Clflushopt, |insn| Lowered::plain(insn, clflush)),
    (Mnemonic::Clwb, |insn| Lowered::plain(insn, clflush)),
    (Mnemonic::Cpuid, |insn| bare(insn, cpuid, Ends::Yes)),
    (Mnemonic::Rdtsc, |insn| bare(insn, rdtsc, Ends::Yes)),
    (Mnemonic::Rdtscp, |insn| bare(insn, rdtscp, Ends::Yes)),
    (Mnemonic::Int3, |insn| interrupt(insn, 3)),
    (Mnemonic::Int1, |insn| bare(insn, icebp, Ends::Yes)),
    (Mnemonic::Int, |insn| interrupt(insn, insn.immediate8())),
    (Mnemonic::Into, |insn| with_next_rip(insn, into)),
    (Mnemonic::Ud0, |insn| bare(insn, undefined, Ends::Yes)),
    (Mnemonic::Ud1, |insn| bare(insn, undefined, Ends::Yes)),
    (Mnemonic::Ud2, |insn| bare(insn, undefined, Ends::Yes)),
    (Mnemonic::Hlt, |insn| bare(insn, hlt, Ends::Yes)),
    (Mnemonic::Vmcall, |insn| bare(insn, vmcall, Ends::Yes)),
    (Mnemonic::Cli, |insn| bare(insn, cli, Ends::Yes)),
    (Mnemonic::Sti, |insn| bare(insn, sti, Ends::Yes)),
    (Mnemonic::Syscall, |insn| with_next_rip(insn, syscall::syscall)),
    (Mnemonic::Sysenter, |insn| bare(insn, syscall::sysenter, Ends::Yes)),
    (Mnemonic::Sysretq, |insn| bare(insn, syscall::sysretq, Ends::Yes)),
    (Mnemonic::Sysret, |insn| bare(insn, syscall::sysretd, Ends::Yes)),
    (Mnemonic::Swapgs, |insn| bare(insn, syscall::swapgs, Ends::Yes)),
    (Mnemonic::Invlpg, |insn| Lowered::last(insn, invlpg)),
    (Mnemonic::Clts, |insn| bare(insn, clts, Ends::Yes)),
];

/// An op without operands.
fn bare(_insn: &Instruction, run: OpFn, ends: Ends) -> Option<Lowered> {
    Some(Lowered { op: Op::new(run), ends })
}

fn with_next_rip(insn: &Instruction, run: OpFn) -> Option<Lowered> {
    let mut op = Op::new(run);
    op.imm = insn.next_ip();
    if insn.code_size() != CodeSize::Code64 {
        op.imm &= 0xffff_ffff;
    }
    Some(Lowered { op, ends: Ends::Yes })
}

/// Prefetches and hints touch nothing (x86-debug section 9).
fn nop_rule(insn: &Instruction) -> Option<Lowered> {
    bare(insn, nop, Ends::No)
}

/// Does nothing.
pub(crate) fn nop(_cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    Ok(Flow::Next)
}

fn pause(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.charge_event(FixedEvent::Pause);
    Ok(cpu.completed())
}

/// CLFLUSH, CLFLUSHOPT and CLWB fault and match as a read of one byte (x86-debug
/// section 9).
fn clflush(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    B8::load(cpu, mem, op.linear(cpu))?;
    Ok(cpu.completed())
}

fn cpuid(cpu: &mut Cpu, mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.charge_event(FixedEvent::Cpuid);
    let gpr = &cpu.regs.gpr;
    let (function, subleaf) = (B32::get(gpr, RAX) as u32, B32::get(gpr, RCX) as u32);
    let mut leaf = cpu.cpuid(function, subleaf);
    let has_local_apic = |bus: &dyn Bus| bus.has_local_apic(cpu.apic_id as usize);
    if function == 1 && !mem.bus().is_none_or(has_local_apic) {
        leaf.edx &= !crate::cpuid::APIC;
    }
    for (reg, value) in [(RAX, leaf.eax), (RBX, leaf.ebx), (RCX, leaf.ecx), (RDX, leaf.edx)] {
        B32::set(&mut cpu.regs.gpr, reg, u64::from(value));
    }
    Ok(cpu.completed())
}

/// Refuses RDTSC and its like at CPL above 0 while CR4.TSD is set.
fn check_tsc(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr4 & cr4::TSD != 0 && cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// Gives the TSC as of the start of the instruction, which starts its block; the
/// block's own cycles were counted at its entry.
fn read_tsc(cpu: &mut Cpu) {
    let value = cpu.tsc();
    B32::set(&mut cpu.regs.gpr, RAX, value);
    B32::set(&mut cpu.regs.gpr, RDX, value >> 32);
}

fn rdtsc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_tsc(cpu)?;
    read_tsc(cpu);
    cpu.charge_event(FixedEvent::Rdtsc);
    Ok(cpu.completed())
}

fn rdtscp(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_tsc(cpu)?;
    read_tsc(cpu);
    let aux = cpu.regs.msrs.tsc_aux;
    B32::set(&mut cpu.regs.gpr, RCX, aux);
    cpu.charge_event(FixedEvent::Rdtscp);
    Ok(cpu.completed())
}

/// INT n: the vector in `dst`, the next RIP in `imm`.
fn interrupt(insn: &Instruction, vector: u8) -> Option<Lowered> {
    let mut lowered = with_next_rip(insn, int_n)?;
    lowered.op.dst = vector;
    Some(lowered)
}

fn int_n(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    cpu.software_interrupt(mem, op.dst, op.imm)?;
    Ok(Flow::JumpBoundary)
}

/// INTO: INT 4 where OF is set, and nothing else.
fn into(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if !cpu.regs.status.overflow() {
        return Ok(cpu.completed());
    }
    cpu.software_interrupt(mem, Vector::Overflow as u8, op.imm)?;
    Ok(Flow::JumpBoundary)
}

/// ICEBP: a #DB through vector 1 without a DPL check and without DR6 bits (rule I1).
fn icebp(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.rule = StepRule::Never;
    cpu.drop_kept_hits();
    cpu.pending.icebp = true;
    cpu.attention.raise(Attention::ICEBP);
    Ok(Flow::Boundary)
}

/// #UD for an encoding that the architecture leaves undefined.
pub(crate) fn undefined(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    Err(cpu.raise(Exception::ud()))
}

/// #GP for an instruction of more than 15 bytes.
pub(crate) fn too_long(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    Err(cpu.raise(Exception::gp0()))
}

/// Stops the run at something that is not built.
pub(super) fn refuse_by_name(cpu: &mut Cpu, name: &str) -> Flow {
    let name = String::from(name);
    cpu.exit = Some(Exit::Unsupported(Unsupported { rip: 0, name, bytes: Vec::new() }));
    Flow::Refused
}

/// Stops the run at an instruction that exists and is not built. `op.imm` is the
/// decoder's code.
pub(crate) fn unsupported(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let name = Code::try_from(op.imm as usize)
        .map_or_else(|_| String::from("?"), |code| format!("{code:?}"));
    cpu.exit = Some(Exit::Unsupported(Unsupported { rip: 0, name, bytes: Vec::new() }));
    Ok(Flow::Refused)
}

pub(super) fn check_cpl0(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

fn hlt(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    cpu.halted = true;
    cpu.exit = Some(Exit::Halted);
    Ok(Flow::Exit)
}

/// VMCALL asks the monitor at CPL 0; elsewhere there is no VMX.
fn vmcall(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if cpu.regs.cpl() != 0 || !cpu.monitored {
        return undefined(cpu, mem, op);
    }
    cpu.exit = Some(Exit::Hypercall);
    cpu.charge_event(FixedEvent::Hypercall);
    Ok(Flow::Exit)
}

fn cli(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_iopl(cpu)?;
    cpu.regs.system_flags &= !RFlags::IF;
    Ok(cpu.completed())
}

fn sti(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_iopl(cpu)?;
    if cpu.regs.system_flags & RFlags::IF == 0 {
        cpu.pending.sti_shadow = true;
        cpu.attention.raise(Attention::SHADOW);
    }
    cpu.regs.system_flags |= RFlags::IF;
    cpu.sync_interrupts();
    Ok(cpu.completed())
}

fn check_iopl(cpu: &mut Cpu) -> Result<(), Faulted> {
    if u64::from(cpu.regs.cpl()) > cpu.regs.system_flags >> 12 & 3 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

fn invlpg(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let linear = op.linear(cpu);
    cpu.flush_tlb_page(linear);
    Ok(cpu.completed())
}

fn clts(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    cpu.regs.control.cr0 &= !cr0::TS;
    Ok(cpu.completed())
}
