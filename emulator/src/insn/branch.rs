//! Jumps, calls, returns, loops, SETcc (SDM vol. 1, 7.3.8).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{Form, form};
use super::stack::{pop, push, push_fast, top_fast};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, Run, alone, quick};
use crate::regs::flags::{Condition, condition};
use crate::regs::gpr::reg::{RCX, RSP};
use crate::regs::{B8, B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Jmp, jmp_rule),
    (Mnemonic::Call, call_rule),
    (Mnemonic::Ret, ret_rule),
    (Mnemonic::Jo, jcc_rule::<condition::O>),
    (Mnemonic::Jno, jcc_rule::<condition::No>),
    (Mnemonic::Jb, jcc_rule::<condition::B>),
    (Mnemonic::Jae, jcc_rule::<condition::Ae>),
    (Mnemonic::Je, jcc_rule::<condition::E>),
    (Mnemonic::Jne, jcc_rule::<condition::Ne>),
    (Mnemonic::Jbe, jcc_rule::<condition::Be>),
    (Mnemonic::Ja, jcc_rule::<condition::A>),
    (Mnemonic::Js, jcc_rule::<condition::S>),
    (Mnemonic::Jns, jcc_rule::<condition::Ns>),
    (Mnemonic::Jp, jcc_rule::<condition::P>),
    (Mnemonic::Jnp, jcc_rule::<condition::Np>),
    (Mnemonic::Jl, jcc_rule::<condition::L>),
    (Mnemonic::Jge, jcc_rule::<condition::Ge>),
    (Mnemonic::Jle, jcc_rule::<condition::Le>),
    (Mnemonic::Jg, jcc_rule::<condition::G>),
    (Mnemonic::Jrcxz, |insn| Lowered::last(insn, jcxz::<B64>)),
    (Mnemonic::Jecxz, |insn| Lowered::last(insn, jcxz::<B32>)),
    (Mnemonic::Loop, loop_rule::<Always>),
    (Mnemonic::Loope, loop_rule::<condition::E>),
    (Mnemonic::Loopne, loop_rule::<condition::Ne>),
    (Mnemonic::Seto, set_rule::<condition::O>),
    (Mnemonic::Setno, set_rule::<condition::No>),
    (Mnemonic::Setb, set_rule::<condition::B>),
    (Mnemonic::Setae, set_rule::<condition::Ae>),
    (Mnemonic::Sete, set_rule::<condition::E>),
    (Mnemonic::Setne, set_rule::<condition::Ne>),
    (Mnemonic::Setbe, set_rule::<condition::Be>),
    (Mnemonic::Seta, set_rule::<condition::A>),
    (Mnemonic::Sets, set_rule::<condition::S>),
    (Mnemonic::Setns, set_rule::<condition::Ns>),
    (Mnemonic::Setp, set_rule::<condition::P>),
    (Mnemonic::Setnp, set_rule::<condition::Np>),
    (Mnemonic::Setl, set_rule::<condition::L>),
    (Mnemonic::Setge, set_rule::<condition::Ge>),
    (Mnemonic::Setle, set_rule::<condition::Le>),
    (Mnemonic::Setg, set_rule::<condition::G>),
];

/// Sets RIP; a target that is not canonical faults at the branch.
#[inline(always)]
fn jump_to(cpu: &mut Cpu, target: u64) -> Result<Flow, Faulted> {
    if !is_canonical(target) {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.regs.rip = target;
    Ok(Flow::Jump)
}

fn jmp_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.is_jmp_far_indirect() || insn.is_jmp_far() {
        return None;
    }
    let run = match form(insn)? {
        Form::Imm => return Lowered::quick_last(insn, quick!(jmp_direct)),
        Form::Reg => jmp_reg,
        Form::Mem => jmp_mem,
        _ => return None,
    };
    Lowered::last(insn, run)
}

#[inline(always)]
fn jmp_direct(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.rip = op.imm;
    Ok(Flow::Jump)
}

fn jmp_reg(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = cpu.regs.gpr.get(op.dst);
    jump_to(cpu, target)
}

fn jmp_mem(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = B64::load(cpu, mem, op.linear(cpu))?;
    jump_to(cpu, target)
}

/// Calls need two addresses: the target is the operand, the return address goes
/// into the field that the operand leaves free.
fn call_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.is_call_far_indirect() || insn.is_call_far() {
        return None;
    }
    let run = match form(insn)? {
        Form::Imm => call_direct,
        Form::Reg => call_reg,
        Form::Mem => call_mem,
        _ => return None,
    };
    let mut lowered = Lowered::last(insn, run)?;
    if insn.op0_kind() == OpKind::Memory || insn.op0_kind() == OpKind::Register {
        lowered.op.imm = insn.next_ip();
    } else {
        lowered.op.disp = insn.next_ip();
        lowered.op.chain = call_direct_chain;
    }
    Some(lowered)
}

/// The return address is stored before the target is checked, and stays in memory
/// when the target is refused (measured); RSP does not move then.
#[inline(always)]
fn call_to(cpu: &mut Cpu, mem: &mut PhysMem, target: u64, return_to: u64) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    push::<B64>(cpu, mem, return_to)?;
    jump_to(cpu, target).inspect_err(|_| cpu.regs.gpr.set(RSP, top))
}

fn call_direct(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    call_to(cpu, mem, op.imm, op.disp)
}

fn call_direct_chain(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    if !is_canonical(op.imm) || push_fast::<B64>(cpu, mem, op.disp).is_none() {
        return alone(cpu, mem, op, rest);
    }
    cpu.regs.rip = op.imm;
    Ok(Flow::Jump)
}

fn call_reg(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = cpu.regs.gpr.get(op.dst);
    call_to(cpu, mem, target, op.imm)
}

fn call_mem(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = B64::load(cpu, mem, op.linear(cpu))?;
    call_to(cpu, mem, target, op.imm)
}

fn ret_rule(insn: &Instruction) -> Option<Lowered> {
    Lowered::quick_last(insn, Run { alone: ret, chain: ret_chain })
}

fn ret_chain(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op, rest: &[Op]) -> Result<Flow, Faulted> {
    match top_fast::<B64>(cpu, mem) {
        Some(target) if is_canonical(target) => {
            let top = cpu.regs.gpr.get(RSP).wrapping_add(8);
            cpu.regs.gpr.set(RSP, top.wrapping_add(op.imm));
            cpu.regs.rip = target;
            Ok(Flow::Jump)
        }
        _ => alone(cpu, mem, op, rest),
    }
}

/// RET and RET imm16; RSP stays where the target is refused.
fn ret(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    let target = pop::<B64>(cpu, mem)?;
    let flow = jump_to(cpu, target).inspect_err(|_| cpu.regs.gpr.set(RSP, top))?;
    cpu.regs.gpr.set(RSP, cpu.regs.gpr.get(RSP).wrapping_add(op.imm));
    Ok(flow)
}

fn jcc_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    Lowered::quick_last(insn, quick!(jcc::<C>))
}

#[inline(always)]
fn jcc<C: Condition>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if C::holds(&cpu.regs.status) {
        cpu.regs.rip = op.imm;
        return Ok(Flow::Jump);
    }
    Ok(Flow::Next)
}

fn jcxz<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if W::get(&cpu.regs.gpr, RCX) == 0 {
        cpu.regs.rip = op.imm;
        return Ok(Flow::Jump);
    }
    Ok(Flow::Next)
}

/// LOOP's further condition: none.
struct Always;

impl Condition for Always {
    fn holds(_flags: &crate::regs::LazyFlags) -> bool {
        true
    }
}

fn loop_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    use iced_x86::Code;
    let short = matches!(
        insn.code(),
        Code::Loop_rel8_64_ECX | Code::Loope_rel8_64_ECX | Code::Loopne_rel8_64_ECX
    );
    Lowered::last(insn, if short { loop_while::<C, B32> } else { loop_while::<C, B64> })
}

fn loop_while<C: Condition, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let count = W::get(&cpu.regs.gpr, RCX).wrapping_sub(1) & W::MASK;
    W::set(&mut cpu.regs.gpr, RCX, count);
    if count != 0 && C::holds(&cpu.regs.status) {
        cpu.regs.rip = op.imm;
        return Ok(Flow::Jump);
    }
    Ok(Flow::Next)
}

fn set_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    match form(insn)? {
        Form::Reg => Lowered::quick(insn, quick!(set_reg::<C>)),
        Form::Mem => Lowered::plain(insn, set_mem::<C>),
        _ => None,
    }
}

#[inline(always)]
fn set_reg<C: Condition>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = u64::from(C::holds(&cpu.regs.status));
    B8::set(&mut cpu.regs.gpr, op.dst, value);
    Ok(Flow::Next)
}

fn set_mem<C: Condition>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = u64::from(C::holds(&cpu.regs.status));
    B8::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}
