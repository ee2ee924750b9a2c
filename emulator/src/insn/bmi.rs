//! BMI1, BMI2, LZCNT, POPCNT and ADX (SDM vol. 1, 5.1.16; vol. 2).
//!
//! VEX encodings of general registers need neither CR4.OSXSAVE nor XCR0: they are
//! undefined outside protected mode only.

use iced_x86::{Instruction, Mnemonic};

use super::forms::{Form, form, operand_bytes};
use crate::alu::arith::{Binary, Unary};
use crate::alu::bmi::{
    Adcx, Adox, Andn, Bextr, Blsi, Blsmsk, Blsr, Bzhi, Lzcnt, Pdep, Pext, Popcnt, Rorx, Sarx, Shlx,
    Shrx, Tzcnt, wide_product,
};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::RDX;
use crate::regs::{B16, B32, B64};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Andn, last_rule::<Andn>),
    (Mnemonic::Pdep, last_rule::<Pdep>),
    (Mnemonic::Pext, last_rule::<Pext>),
    (Mnemonic::Bextr, control_rule::<Bextr>),
    (Mnemonic::Bzhi, control_rule::<Bzhi>),
    (Mnemonic::Sarx, control_rule::<Sarx>),
    (Mnemonic::Shlx, control_rule::<Shlx>),
    (Mnemonic::Shrx, control_rule::<Shrx>),
    (Mnemonic::Rorx, rorx_rule),
    (Mnemonic::Mulx, mulx_rule),
    (Mnemonic::Adcx, add_rule::<Adcx>),
    (Mnemonic::Adox, add_rule::<Adox>),
    (Mnemonic::Blsi, unary_rule::<Blsi>),
    (Mnemonic::Blsmsk, unary_rule::<Blsmsk>),
    (Mnemonic::Blsr, unary_rule::<Blsr>),
    (Mnemonic::Tzcnt, unary_rule::<Tzcnt>),
    (Mnemonic::Lzcnt, unary_rule::<Lzcnt>),
    (Mnemonic::Popcnt, unary_rule::<Popcnt>),
];

/// Where the operand is that may be in memory.
trait Source: 'static {
    fn read<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted>;
    fn done(cpu: &Cpu) -> Flow;
}

/// In the register that the second operand names.
struct Second;
/// In the register that the third operand names.
struct Third;
/// In memory.
struct Memory;

impl Source for Second {
    #[inline(always)]
    fn read<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted> {
        Ok(W::get(&cpu.regs.gpr, op.src))
    }

    #[inline(always)]
    fn done(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Source for Third {
    #[inline(always)]
    fn read<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted> {
        Ok(W::get(&cpu.regs.gpr, op.third))
    }

    #[inline(always)]
    fn done(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Source for Memory {
    #[inline(always)]
    fn read<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted> {
        W::load(cpu, mem, op.linear(cpu))
    }

    #[inline(always)]
    fn done(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

/// Chooses by the width of the first operand, 32 or 64 bits.
fn by_width(insn: &Instruction, narrow: OpFn, wide: OpFn) -> Option<Lowered> {
    let run = match operand_bytes(insn, 0) {
        4 => narrow,
        8 => wide,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Destination, register, register or memory.
fn last_rule<O: Binary>(insn: &Instruction) -> Option<Lowered> {
    if insn.op2_register().is_gpr() {
        by_width(insn, last::<O, Third, B32>, last::<O, Third, B64>)
    } else {
        by_width(insn, last::<O, Memory, B32>, last::<O, Memory, B64>)
    }
}

fn last<O: Binary, S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = S::read::<W>(cpu, mem, op)?;
    let a = W::get(&cpu.regs.gpr, op.src);
    let result = O::apply::<W>(&mut cpu.regs.status, a, b);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(S::done(cpu))
}

/// Destination, register or memory, register that controls.
fn control_rule<O: Binary>(insn: &Instruction) -> Option<Lowered> {
    if insn.op1_register().is_gpr() {
        by_width(insn, controlled::<O, Second, B32>, controlled::<O, Second, B64>)
    } else {
        by_width(insn, controlled::<O, Memory, B32>, controlled::<O, Memory, B64>)
    }
}

fn controlled<O: Binary, S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let a = S::read::<W>(cpu, mem, op)?;
    let b = W::get(&cpu.regs.gpr, op.third);
    let result = O::apply::<W>(&mut cpu.regs.status, a, b);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(S::done(cpu))
}

/// Destination, register or memory, immediate.
fn rorx_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op1_register().is_gpr() {
        by_width(insn, rorx::<Second, B32>, rorx::<Second, B64>)
    } else {
        by_width(insn, rorx::<Memory, B32>, rorx::<Memory, B64>)
    }
}

fn rorx<S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let value = S::read::<W>(cpu, mem, op)?;
    let result = Rorx::apply::<W>(&mut cpu.regs.status, value, op.imm);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(S::done(cpu))
}

/// High half, low half, register or memory.
fn mulx_rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op2_register().is_gpr() {
        by_width(insn, mulx::<Third, B32>, mulx::<Third, B64>)
    } else {
        by_width(insn, mulx::<Memory, B32>, mulx::<Memory, B64>)
    }
}

/// Where both halves go to one register, it holds the high one.
fn mulx<S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = S::read::<W>(cpu, mem, op)?;
    let (low, high) = wide_product::<W>(W::get(&cpu.regs.gpr, RDX), b);
    W::set(&mut cpu.regs.gpr, op.src, low);
    W::set(&mut cpu.regs.gpr, op.dst, high);
    Ok(S::done(cpu))
}

/// Destination that is also the first operand, register or memory.
fn add_rule<O: Binary>(insn: &Instruction) -> Option<Lowered> {
    match form(insn)? {
        Form::RegReg => by_width(insn, add::<O, Second, B32>, add::<O, Second, B64>),
        Form::RegMem => by_width(insn, add::<O, Memory, B32>, add::<O, Memory, B64>),
        _ => None,
    }
}

fn add<O: Binary, S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let b = S::read::<W>(cpu, mem, op)?;
    let a = W::get(&cpu.regs.gpr, op.dst);
    let sum = O::apply::<W>(&mut cpu.regs.status, a, b);
    W::set(&mut cpu.regs.gpr, op.dst, sum);
    Ok(S::done(cpu))
}

/// Destination, register or memory; the counts have a 16-bit form.
fn unary_rule<O: Unary>(insn: &Instruction) -> Option<Lowered> {
    let in_memory = form(insn)? == Form::RegMem;
    let run: OpFn = match (operand_bytes(insn, 0), in_memory) {
        (2, false) => unary::<O, Second, B16>,
        (4, false) => unary::<O, Second, B32>,
        (8, false) => unary::<O, Second, B64>,
        (2, true) => unary::<O, Memory, B16>,
        (4, true) => unary::<O, Memory, B32>,
        (8, true) => unary::<O, Memory, B64>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn unary<O: Unary, S: Source, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let value = S::read::<W>(cpu, mem, op)?;
    let result = O::apply::<W>(&mut cpu.regs.status, value);
    W::set(&mut cpu.regs.gpr, op.dst, result);
    Ok(S::done(cpu))
}
