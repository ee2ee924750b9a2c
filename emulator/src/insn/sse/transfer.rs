//! Lanes to and from general registers: MOVD, MOVQ, PEXTRx, PINSRx and sign masks.

use iced_x86::{Instruction, Mnemonic};

use super::moves::{Low, load, store};
use super::operand::{Gpr, M32, M64, Operand, Source, Xmm, check_enabled, operands};
use crate::alu::simd::Lane;
use crate::alu::simd::lane::sign_mask;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B8, B16, B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Movd, movd_rule),
    (Mnemonic::Movq, movq_rule),
    (Mnemonic::Pmovmskb, mask_rule::<u8>),
    (Mnemonic::Movmskps, mask_rule::<u32>),
    (Mnemonic::Movmskpd, mask_rule::<u64>),
    (Mnemonic::Pextrb, extract_rule::<B8>),
    (Mnemonic::Pextrw, extract_rule::<B16>),
    (Mnemonic::Pextrd, extract_rule::<B32>),
    (Mnemonic::Pextrq, extract_rule::<B64>),
    (Mnemonic::Extractps, extract_rule::<B32>),
    (Mnemonic::Pinsrb, insert_rule::<B8>),
    (Mnemonic::Pinsrw, insert_rule::<B16>),
    (Mnemonic::Pinsrd, insert_rule::<B32>),
    (Mnemonic::Pinsrq, insert_rule::<B64>),
];

fn movd_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Gpr32) => load_narrow::<Gpr, B32>,
        (Operand::Xmm, Operand::Memory) => load::<M32>,
        (Operand::Gpr32, Operand::Xmm) => to_gpr::<B32>,
        (Operand::Memory, Operand::Xmm) => store::<Low, 4>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn movq_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => load_narrow::<Xmm, B64>,
        (Operand::Xmm, Operand::Gpr64) => load_narrow::<Gpr, B64>,
        (Operand::Xmm, Operand::Memory) => load::<M64>,
        (Operand::Gpr64, Operand::Xmm) => to_gpr::<B64>,
        (Operand::Memory, Operand::Xmm) => store::<Low, 8>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Replaces the whole destination by the low bits of a register.
fn load_narrow<S: Source, W: Width>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch(cpu, mem, op)? & u128::from(W::MASK);
    cpu.regs.vector.set_xmm(op.dst, value);
    Ok(Flow::Next)
}

fn to_gpr<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.vector.xmm(op.src) as u64 & W::MASK;
    cpu.regs.gpr.set(op.dst, value);
    Ok(Flow::Next)
}

fn mask_rule<L: Lane>(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Xmm) => Lowered::plain(insn, mask_to_gpr::<L>),
        _ => None,
    }
}

fn mask_to_gpr<L: Lane>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let mask = sign_mask::<L>(cpu.regs.vector.xmm(op.src));
    cpu.regs.gpr.set(op.dst, mask);
    Ok(Flow::Next)
}

fn extract_rule<W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Xmm) => extract::<W>,
        (Operand::Memory, Operand::Xmm) => extract_to_memory::<W>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Bits below the lane that the immediate chooses.
#[inline(always)]
pub(crate) fn lane_shift<W: Width>(op: &Op) -> u32 {
    (W::BITS * op.imm as u32) & 127
}

/// The lane that the immediate chooses; the lowest where there is none.
#[inline(always)]
pub(crate) fn lane<W: Width>(cpu: &Cpu, op: &Op) -> u64 {
    (cpu.regs.vector.xmm(op.src) >> lane_shift::<W>(op)) as u64 & W::MASK
}

fn extract<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = lane::<W>(cpu, op);
    cpu.regs.gpr.set(op.dst, value);
    Ok(Flow::Next)
}

fn extract_to_memory<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = lane::<W>(cpu, op);
    W::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}

fn insert_rule<W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Gpr32 | Operand::Gpr64) => insert::<W>,
        (Operand::Xmm, Operand::Memory) => insert_loaded::<W>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn insert<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.gpr.get(op.src);
    set_lane::<W>(cpu, op, value);
    Ok(Flow::Next)
}

fn insert_loaded<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = W::load(cpu, mem, op.linear(cpu))?;
    set_lane::<W>(cpu, op, value);
    Ok(cpu.completed())
}

/// Replaces the lane that the immediate chooses.
#[inline(always)]
fn set_lane<W: Width>(cpu: &mut Cpu, op: &Op, value: u64) {
    let shift = lane_shift::<W>(op);
    let kept = cpu.regs.vector.xmm(op.dst) & !(u128::from(W::MASK) << shift);
    cpu.regs.vector.set_xmm(op.dst, kept | u128::from(value & W::MASK) << shift);
}
