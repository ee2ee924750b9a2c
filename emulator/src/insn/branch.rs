//! Jumps, calls, returns, loops, SETcc (SDM vol. 1, 7.3.8).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{Form, form};
use super::stack::{pop, push, push_fast, top_fast};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered, is_legacy};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn, Run, alone, quick};
use crate::regs::flags::{Condition, condition};
use crate::regs::gpr::reg::{RCX, RSP};
use crate::regs::{B8, B16, B32, B64, Width};

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
    (Mnemonic::Jcxz, |insn| Lowered::last(insn, jcxz::<B16>)),
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

/// The instances of a function for operands of 16, 32 and 64 bits.
macro_rules! sizes {
    ($function:ident) => {
        [$function::<B16> as OpFn, $function::<B32> as OpFn, $function::<B64> as OpFn]
    };
}

/// Sets RIP; a target that is not canonical, or beyond the limit of the code segment,
/// faults at the branch.
#[inline(always)]
fn jump_to(cpu: &mut Cpu, target: u64) -> Result<Flow, Faulted> {
    let view = cpu.code;
    let reachable = if view.is_64() { is_canonical(target) } else { target <= view.limit };
    if !reachable {
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
        Form::Imm if is_legacy(insn) => jmp_direct_checked,
        Form::Imm => return Lowered::quick_last(insn, quick!(jmp_direct)),
        Form::Reg => by_size(insn, sizes!(jmp_reg)),
        Form::Mem => by_size(insn, sizes!(jmp_mem)),
        _ => return None,
    };
    Lowered::last(insn, run)
}

/// Chooses by the operand size of a near branch.
fn by_size(insn: &Instruction, functions: [OpFn; 3]) -> OpFn {
    let [word, double, quad] = functions;
    match insn.op_code().operand_size() {
        16 => word,
        32 => double,
        _ => quad,
    }
}

/// A direct branch outside 64-bit mode.
fn jmp_direct_checked(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    jump_to(cpu, op.imm)
}

#[inline(always)]
fn jmp_direct(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.rip = op.imm;
    Ok(Flow::Jump)
}

fn jmp_reg<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = W::get(&cpu.regs.gpr, op.dst);
    jump_to(cpu, target)
}

fn jmp_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = W::load(cpu, mem, op.linear(cpu))?;
    jump_to(cpu, target)
}

/// Calls need two addresses: the target is the operand, the return address goes
/// into the field that the operand leaves free.
fn call_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.is_call_far_indirect() || insn.is_call_far() {
        return None;
    }
    let functions = match form(insn)? {
        Form::Imm => sizes!(call_direct),
        Form::Reg => sizes!(call_reg),
        Form::Mem => sizes!(call_mem),
        _ => return None,
    };
    let mut lowered = Lowered::last(insn, by_size(insn, functions))?;
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
fn call_to<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    target: u64,
    return_to: u64,
) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    push::<W>(cpu, mem, return_to)?;
    jump_to(cpu, target).inspect_err(|_| cpu.regs.gpr.set(RSP, top))
}

fn call_direct<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    call_to::<W>(cpu, mem, op.imm, op.disp)
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

fn call_reg<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = W::get(&cpu.regs.gpr, op.dst);
    call_to::<W>(cpu, mem, target, op.imm)
}

fn call_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let target = W::load(cpu, mem, op.linear(cpu))?;
    call_to::<W>(cpu, mem, target, op.imm)
}

fn ret_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op_code().operand_size() == 64 {
        return Lowered::quick_last(insn, Run { alone: ret::<B64>, chain: ret_chain });
    }
    Lowered::last(insn, by_size(insn, sizes!(ret)))
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
fn ret<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let top = cpu.regs.gpr.get(RSP);
    let target = pop::<W>(cpu, mem)?;
    let flow = jump_to(cpu, target).inspect_err(|_| cpu.regs.gpr.set(RSP, top))?;
    cpu.set_stack_pointer(cpu.stack_pointer(op.imm));
    Ok(flow)
}

fn jcc_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    if is_legacy(insn) {
        return Lowered::last(insn, jcc_checked::<C>);
    }
    Lowered::quick_last(insn, quick!(jcc::<C>))
}

/// A conditional branch outside 64-bit mode.
fn jcc_checked<C: Condition>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    if C::holds(&cpu.regs.status) { jump_to(cpu, op.imm) } else { Ok(Flow::Next) }
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
    if W::get(&cpu.regs.gpr, RCX) == 0 { jump_to(cpu, op.imm) } else { Ok(Flow::Next) }
}

/// LOOP's further condition: none.
struct Always;

impl Condition for Always {
    fn holds(_flags: &crate::regs::LazyFlags) -> bool {
        true
    }
}

fn loop_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    let run = match insn.op_code().address_size() {
        16 => loop_while::<C, B16>,
        32 => loop_while::<C, B32>,
        _ => loop_while::<C, B64>,
    };
    Lowered::last(insn, run)
}

fn loop_while<C: Condition, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let count = W::get(&cpu.regs.gpr, RCX).wrapping_sub(1) & W::MASK;
    let taken = count != 0 && C::holds(&cpu.regs.status);
    let flow = if taken { jump_to(cpu, op.imm)? } else { Flow::Next };
    W::set(&mut cpu.regs.gpr, RCX, count);
    Ok(flow)
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
