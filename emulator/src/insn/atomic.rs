//! XADD, CMPXCHG, CMPXCHG8B and CMPXCHG16B (SDM vol. 2A/2D). A failed compare stores
//! the old value back and so matches a write breakpoint (x86-debug section 9).

use iced_x86::{Instruction, Mnemonic};

use super::forms::{Form, form, update, width_index, widths};
use crate::alu::arith::{Add, Binary, Cmp};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::gpr::reg::{RAX, RBX, RCX, RDX};
use crate::regs::{B32, LazyFlags, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Xadd, xadd_rule),
    (Mnemonic::Cmpxchg, cmpxchg_rule),
    (Mnemonic::Cmpxchg8b, |insn| Lowered::plain(insn, cmpxchg8b)),
    (Mnemonic::Cmpxchg16b, |insn| Lowered::plain(insn, cmpxchg16b)),
];

fn xadd_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegReg => widths!(xadd_reg),
        Form::MemReg => widths!(xadd_mem),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn xadd_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (a, b) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
    let sum = Add::apply::<W>(&mut cpu.regs.status, a, b);
    W::set(&mut cpu.regs.gpr, op.src, a);
    W::set(&mut cpu.regs.gpr, op.dst, sum);
    Ok(Flow::Next)
}

fn xadd_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let b = W::get(&cpu.regs.gpr, op.src);
    let old = update::<W>(cpu, mem, linear, |flags, a| Add::apply::<W>(flags, a, b))?;
    W::set(&mut cpu.regs.gpr, op.src, old);
    Ok(cpu.completed())
}

fn cmpxchg_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegReg => widths!(cmpxchg_reg),
        Form::MemReg => widths!(cmpxchg_mem),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn cmpxchg_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (old, new) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
    let expected = W::get(&cpu.regs.gpr, RAX);
    Cmp::apply::<W>(&mut cpu.regs.status, expected, old);
    if expected == old {
        W::set(&mut cpu.regs.gpr, op.dst, new);
    } else {
        // The destination keeps all of its bits (measured): 32 bits do not clear the rest.
        W::set(&mut cpu.regs.gpr, RAX, old);
    }
    Ok(Flow::Next)
}

fn cmpxchg_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let (expected, new) = (W::get(&cpu.regs.gpr, RAX), W::get(&cpu.regs.gpr, op.src));
    let old = update::<W>(cpu, mem, linear, |flags, old| {
        Cmp::apply::<W>(flags, expected, old);
        if expected == old { new } else { old }
    })?;
    if expected != old {
        W::set(&mut cpu.regs.gpr, RAX, old);
    }
    Ok(cpu.completed())
}

/// Sets ZF and keeps the other flags.
fn set_zero(flags: LazyFlags, zero: bool) -> LazyFlags {
    let rest = flags.image() & !RFlags::ZF;
    LazyFlags::from_image(rest | if zero { RFlags::ZF } else { 0 })
}

fn cmpxchg8b(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let pair = |cpu: &Cpu, high: u8, low: u8| {
        B32::get(&cpu.regs.gpr, high) << 32 | B32::get(&cpu.regs.gpr, low)
    };
    let (expected, new) = (pair(cpu, RDX, RAX), pair(cpu, RCX, RBX));
    let old = update::<crate::regs::B64>(cpu, mem, linear, |flags, old| {
        *flags = set_zero(*flags, old == expected);
        if old == expected { new } else { old }
    })?;
    if old != expected {
        B32::set(&mut cpu.regs.gpr, RAX, old);
        B32::set(&mut cpu.regs.gpr, RDX, old >> 32);
    }
    Ok(cpu.completed())
}

fn cmpxchg16b(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    if !linear.is_multiple_of(16) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let pair = |cpu: &Cpu, high: u8, low: u8| {
        u128::from(cpu.regs.gpr.get(high)) << 64 | u128::from(cpu.regs.gpr.get(low))
    };
    let (expected, new) = (pair(cpu, RDX, RAX), pair(cpu, RCX, RBX));
    cpu.probe_store(mem, linear, 16)?;
    let old = u128::from_le_bytes(cpu.load_bytes(mem, linear)?);
    let stored = if old == expected { new } else { old };
    cpu.store_bytes(mem, linear, stored.to_le_bytes())?;
    cpu.regs.status = set_zero(cpu.regs.status, old == expected);
    if old != expected {
        cpu.regs.gpr.set(RAX, old as u64);
        cpu.regs.gpr.set(RDX, (old >> 64) as u64);
    }
    Ok(cpu.completed())
}
