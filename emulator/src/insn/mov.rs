//! Moves, extensions, exchanges and address computation (SDM vol. 1, 7.3.1).

use std::marker::PhantomData;

use iced_x86::{CodeSize, Instruction, Mnemonic, Register};

use super::forms::{
    Form, by_width, form, operand_bytes, quick_widths, wide_widths, width_index, widths,
};
use super::memory::{Load, Store, load_rule, store_rule};
use super::{controlreg, debugreg, segload};
use crate::alu::bits::bswap;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered, address_size, segment};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::op::{Flow, Op, Run};
use crate::regs::flags::{Condition, condition};
use crate::regs::gpr::reg::{RAX, RBX, RDX};
use crate::regs::{B8, B16, B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Mov, mov_rule),
    (Mnemonic::Movnti, mov_rule),
    (Mnemonic::Movzx, extend_rule::<Zero>),
    (Mnemonic::Movsx, extend_rule::<Sign>),
    (Mnemonic::Movsxd, extend_rule::<Sign>),
    (Mnemonic::Lea, lea_rule),
    (Mnemonic::Xchg, xchg_rule),
    (Mnemonic::Bswap, bswap_rule),
    (Mnemonic::Xlatb, xlat_rule),
    (Mnemonic::Cbw, |insn| Lowered::plain(insn, extend_accumulator::<B8, B16>)),
    (Mnemonic::Cwde, |insn| Lowered::plain(insn, extend_accumulator::<B16, B32>)),
    (Mnemonic::Cdqe, |insn| Lowered::plain(insn, extend_accumulator::<B32, B64>)),
    (Mnemonic::Cwd, |insn| Lowered::plain(insn, spread_sign::<B16>)),
    (Mnemonic::Cdq, |insn| Lowered::plain(insn, spread_sign::<B32>)),
    (Mnemonic::Cqo, |insn| Lowered::plain(insn, spread_sign::<B64>)),
    (Mnemonic::Cmovo, cmov_rule::<condition::O>),
    (Mnemonic::Cmovno, cmov_rule::<condition::No>),
    (Mnemonic::Cmovb, cmov_rule::<condition::B>),
    (Mnemonic::Cmovae, cmov_rule::<condition::Ae>),
    (Mnemonic::Cmove, cmov_rule::<condition::E>),
    (Mnemonic::Cmovne, cmov_rule::<condition::Ne>),
    (Mnemonic::Cmovbe, cmov_rule::<condition::Be>),
    (Mnemonic::Cmova, cmov_rule::<condition::A>),
    (Mnemonic::Cmovs, cmov_rule::<condition::S>),
    (Mnemonic::Cmovns, cmov_rule::<condition::Ns>),
    (Mnemonic::Cmovp, cmov_rule::<condition::P>),
    (Mnemonic::Cmovnp, cmov_rule::<condition::Np>),
    (Mnemonic::Cmovl, cmov_rule::<condition::L>),
    (Mnemonic::Cmovge, cmov_rule::<condition::Ge>),
    (Mnemonic::Cmovle, cmov_rule::<condition::Le>),
    (Mnemonic::Cmovg, cmov_rule::<condition::G>),
];

fn mov_rule(insn: &Instruction) -> Option<Lowered> {
    let special = |reg: Register| reg.is_segment_register() || reg.is_cr() || reg.is_dr();
    if special(insn.op0_register()) || special(insn.op1_register()) {
        return debugreg::rule(insn)
            .or_else(|| controlreg::rule(insn))
            .or_else(|| segload::rule(insn));
    }
    let functions = match form(insn)? {
        Form::RegReg => quick_widths!(reg_reg),
        Form::RegMem => return by_width!(insn, 0, load_rule, ToRegister),
        Form::MemReg => return by_width!(insn, 0, store_rule, FromRegister),
        Form::RegImm => quick_widths!(reg_imm),
        Form::MemImm => return by_width!(insn, 0, store_rule, FromImmediate),
        Form::Reg | Form::Mem | Form::Imm => return None,
    };
    Lowered::quick(insn, functions[width_index(insn, 0)?])
}

#[inline(always)]
fn reg_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.src);
    W::set(&mut cpu.regs.gpr, op.dst, value);
    Ok(Flow::Next)
}

#[inline(always)]
fn reg_imm<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    W::set(&mut cpu.regs.gpr, op.dst, op.imm);
    Ok(Flow::Next)
}

/// Memory to a register.
struct ToRegister<W>(PhantomData<W>);
/// A register to memory.
struct FromRegister<W>(PhantomData<W>);
/// An immediate to memory.
struct FromImmediate<W>(PhantomData<W>);
/// Memory to a wider register.
struct Extended<E, From, To>(PhantomData<(E, From, To)>);

impl<W: MemWidth> Load for ToRegister<W> {
    type Width = W;

    #[inline(always)]
    fn apply(cpu: &mut Cpu, op: &Op, value: u64) {
        W::set(&mut cpu.regs.gpr, op.dst, value);
    }
}

impl<W: MemWidth> Store for FromRegister<W> {
    type Width = W;

    #[inline(always)]
    fn value(cpu: &Cpu, op: &Op) -> u64 {
        W::get(&cpu.regs.gpr, op.src)
    }
}

impl<W: MemWidth> Store for FromImmediate<W> {
    type Width = W;

    #[inline(always)]
    fn value(_cpu: &Cpu, op: &Op) -> u64 {
        op.imm
    }
}

impl<E: Extension, From: MemWidth, To: Width> Load for Extended<E, From, To> {
    type Width = From;

    #[inline(always)]
    fn apply(cpu: &mut Cpu, op: &Op, value: u64) {
        To::set(&mut cpu.regs.gpr, op.dst, E::extend::<From>(value));
    }
}

/// How a narrow value fills a wide register.
trait Extension: 'static {
    fn extend<From: Width>(value: u64) -> u64;
}

struct Zero;
struct Sign;

impl Extension for Zero {
    #[inline(always)]
    fn extend<From: Width>(value: u64) -> u64 {
        value
    }
}

impl Extension for Sign {
    #[inline(always)]
    fn extend<From: Width>(value: u64) -> u64 {
        From::sign_extend(value)
    }
}

fn extend_rule<E: Extension>(insn: &Instruction) -> Option<Lowered> {
    let to = width_index(insn, 0)?;
    let from_memory = form(insn)? == Form::RegMem;
    let functions: [Run; 4] = match (operand_bytes(insn, 1), from_memory) {
        (1, false) => quick_widths!(extend_reg, E, B8),
        (1, true) => return by_width!(insn, 0, load_rule, Extended, E, B8),
        (2, false) => quick_widths!(extend_reg, E, B16),
        (2, true) => return by_width!(insn, 0, load_rule, Extended, E, B16),
        (4, false) => quick_widths!(extend_reg, E, B32),
        (4, true) => return by_width!(insn, 0, load_rule, Extended, E, B32),
        _ => return None,
    };
    Lowered::quick(insn, functions[to])
}

#[inline(always)]
fn extend_reg<E: Extension, From: MemWidth, To: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let value = From::get(&cpu.regs.gpr, op.src);
    To::set(&mut cpu.regs.gpr, op.dst, E::extend::<From>(value));
    Ok(Flow::Next)
}

fn extend_accumulator<From: Width, To: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    _op: &Op,
) -> Result<Flow, Faulted> {
    let value = From::sign_extend(From::get(&cpu.regs.gpr, RAX));
    To::set(&mut cpu.regs.gpr, RAX, value);
    Ok(Flow::Next)
}

fn spread_sign<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let value = W::sign_extend(W::get(&cpu.regs.gpr, RAX));
    W::set(&mut cpu.regs.gpr, RDX, ((value as i64) >> 63) as u64);
    Ok(Flow::Next)
}

fn lea_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = quick_widths!(lea);
    Lowered::quick(insn, functions[width_index(insn, 0)?])
}

#[inline(always)]
fn lea<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let address = op.effective(cpu);
    W::set(&mut cpu.regs.gpr, op.dst, address);
    Ok(Flow::Next)
}

fn xchg_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegReg => widths!(xchg_reg),
        Form::MemReg => widths!(xchg_mem),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn xchg_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (a, b) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
    W::set(&mut cpu.regs.gpr, op.dst, b);
    W::set(&mut cpu.regs.gpr, op.src, a);
    Ok(Flow::Next)
}

fn xchg_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let value = W::get(&cpu.regs.gpr, op.src);
    let old = super::forms::update::<W>(cpu, mem, linear, |_, _| value)?;
    W::set(&mut cpu.regs.gpr, op.src, old);
    Ok(cpu.completed())
}

fn bswap_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = wide_widths!(bswap_reg);
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn bswap_reg<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.dst);
    W::set(&mut cpu.regs.gpr, op.dst, bswap::<W>(value));
    Ok(Flow::Next)
}

/// The address is rBX plus AL, which is no index register as others are.
fn xlat_rule(insn: &Instruction) -> Option<Lowered> {
    let mut op = Op::new(xlat);
    op.seg = segment(insn, insn.memory_segment());
    op.base = RBX;
    let size = match insn.memory_base() {
        Register::BX => CodeSize::Code16,
        Register::EBX => CodeSize::Code32,
        _ => CodeSize::Code64,
    };
    op.address = address_size(insn, size);
    Some(Lowered { op, ends: Ends::No })
}

fn xlat(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut at = *op;
    at.disp = B8::get(&cpu.regs.gpr, RAX);
    cpu.check_operand(&at, at.seg, at.effective(cpu), 1, Intent::Read)?;
    let value = B8::load(cpu, mem, at.linear(cpu))?;
    B8::set(&mut cpu.regs.gpr, RAX, value);
    Ok(cpu.completed())
}

fn cmov_rule<C: Condition + 'static>(insn: &Instruction) -> Option<Lowered> {
    let width = width_index(insn, 0)?;
    let functions = match form(insn)? {
        Form::RegReg => quick_widths!(cmov_reg, C),
        Form::RegMem => return Lowered::plain(insn, wide_widths!(cmov_mem, C)[width]),
        _ => return None,
    };
    Lowered::quick(insn, functions[width])
}

#[inline(always)]
fn cmov_reg<C: Condition, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let from = if C::holds(&cpu.regs.status) { op.src } else { op.dst };
    // A 32-bit destination is zero-extended even when the condition is false.
    let value = W::get(&cpu.regs.gpr, from);
    W::set(&mut cpu.regs.gpr, op.dst, value);
    Ok(Flow::Next)
}

fn cmov_mem<C: Condition, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    // The load happens whatever the condition (x86-debug section 9).
    let loaded = W::load(cpu, mem, op.linear(cpu))?;
    let kept = W::get(&cpu.regs.gpr, op.dst);
    let value = if C::holds(&cpu.regs.status) { loaded } else { kept };
    W::set(&mut cpu.regs.gpr, op.dst, value);
    Ok(cpu.completed())
}
