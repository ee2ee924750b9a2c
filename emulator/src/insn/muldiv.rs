//! MUL, IMUL, DIV and IDIV (SDM vol. 2A).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{Form, form, wide_widths, width_index, widths};
use crate::alu::muldiv::{Halves, div, idiv, imul, mul};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::gpr::HIGH_BYTE;
use crate::regs::gpr::reg::{RAX, RDX};
use crate::regs::{B16, LazyFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Mul, accumulator_rule::<Mul>),
    (Mnemonic::Imul, imul_rule),
    (Mnemonic::Div, accumulator_rule::<Div>),
    (Mnemonic::Idiv, accumulator_rule::<Idiv>),
];

/// An operation on the accumulator pair and one operand.
trait Accumulator: 'static {
    /// New halves of the pair; `None` for #DE.
    fn apply<W: Width>(flags: &mut LazyFlags, pair: Halves, operand: u64) -> Option<Halves>;
}

struct Mul;
struct Imul;
struct Div;
struct Idiv;

impl Accumulator for Mul {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, pair: Halves, operand: u64) -> Option<Halves> {
        Some(mul::<W>(flags, pair.low, operand))
    }
}

impl Accumulator for Imul {
    #[inline(always)]
    fn apply<W: Width>(flags: &mut LazyFlags, pair: Halves, operand: u64) -> Option<Halves> {
        Some(imul::<W>(flags, pair.low, operand))
    }
}

impl Accumulator for Div {
    #[inline(always)]
    fn apply<W: Width>(_flags: &mut LazyFlags, pair: Halves, operand: u64) -> Option<Halves> {
        div::<W>(pair, operand).map(|(low, high)| Halves { low, high })
    }
}

impl Accumulator for Idiv {
    #[inline(always)]
    fn apply<W: Width>(_flags: &mut LazyFlags, pair: Halves, operand: u64) -> Option<Halves> {
        idiv::<W>(pair, operand).map(|(low, high)| Halves { low, high })
    }
}

fn accumulator_rule<A: Accumulator>(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::Reg => widths!(with_reg, A),
        Form::Mem => widths!(with_mem, A),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn with_reg<A: Accumulator, W: MemWidth>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let operand = W::get(&cpu.regs.gpr, op.dst);
    on_pair::<A, W>(cpu, operand)?;
    Ok(Flow::Next)
}

fn with_mem<A: Accumulator, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let operand = W::load(cpu, mem, op.linear(cpu))?;
    on_pair::<A, W>(cpu, operand)?;
    Ok(cpu.completed())
}

/// The pair is rDX:rAX, or AH:AL for bytes.
#[inline(always)]
fn on_pair<A: Accumulator, W: Width>(cpu: &mut Cpu, operand: u64) -> Result<(), Faulted> {
    let high_reg = if W::BYTES == 1 { HIGH_BYTE + RAX } else { RDX };
    let gpr = &cpu.regs.gpr;
    let pair = Halves { low: W::get(gpr, RAX), high: W::get(gpr, high_reg) };
    let Some(result) = A::apply::<W>(&mut cpu.regs.status, pair, operand) else {
        return Err(cpu.raise(Exception::new(Vector::DivideError)));
    };
    if W::BYTES == 1 {
        // AX is one register: both halves at once.
        B16::set(&mut cpu.regs.gpr, RAX, result.high << 8 | result.low);
    } else {
        W::set(&mut cpu.regs.gpr, RAX, result.low);
        W::set(&mut cpu.regs.gpr, high_reg, result.high);
    }
    Ok(())
}

fn imul_rule(insn: &Instruction) -> Option<Lowered> {
    let from_memory = insn.op1_kind() == OpKind::Memory;
    let functions = match (insn.op_count(), from_memory) {
        (1, _) => return accumulator_rule::<Imul>(insn),
        (2, false) => wide_widths!(by_reg),
        (2, true) => wide_widths!(by_mem),
        (_, false) => wide_widths!(reg_by_imm),
        (_, true) => wide_widths!(mem_by_imm),
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

#[inline(always)]
fn store_product<W: Width>(cpu: &mut Cpu, dst: u8, a: u64, b: u64) {
    let product = imul::<W>(&mut cpu.regs.status, a, b);
    W::set(&mut cpu.regs.gpr, dst, product.low);
}

fn by_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (a, b) = (W::get(&cpu.regs.gpr, op.dst), W::get(&cpu.regs.gpr, op.src));
    store_product::<W>(cpu, op.dst, a, b);
    Ok(Flow::Next)
}

fn by_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let b = W::load(cpu, mem, op.linear(cpu))?;
    let a = W::get(&cpu.regs.gpr, op.dst);
    store_product::<W>(cpu, op.dst, a, b);
    Ok(cpu.completed())
}

fn reg_by_imm<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let a = W::get(&cpu.regs.gpr, op.src);
    store_product::<W>(cpu, op.dst, a, op.imm & W::MASK);
    Ok(Flow::Next)
}

fn mem_by_imm<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let a = W::load(cpu, mem, op.linear(cpu))?;
    store_product::<W>(cpu, op.dst, a, op.imm & W::MASK);
    Ok(cpu.completed())
}
