//! Lanes to and from general registers: MOVD, MOVQ, PEXTRW, PINSRW and sign masks.

use iced_x86::{Instruction, Mnemonic};

use super::moves::{Low, load, store};
use super::operand::{Gpr, M16, M32, M64, Operand, Source, Xmm, check_enabled, operands};
use crate::alu::simd::Lane;
use crate::alu::simd::lane::sign_mask;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Movd, movd_rule),
    (Mnemonic::Movq, movq_rule),
    (Mnemonic::Pmovmskb, mask_rule::<u8>),
    (Mnemonic::Movmskps, mask_rule::<u32>),
    (Mnemonic::Movmskpd, mask_rule::<u64>),
    (Mnemonic::Pextrw, extract_rule),
    (Mnemonic::Pinsrw, insert_rule),
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

fn extract_rule(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Xmm) => Lowered::plain(insn, extract_word),
        // The form to memory is SSE4.1.
        _ => None,
    }
}

/// Bits below the word that the immediate chooses.
fn word_shift(op: &Op) -> u32 {
    16 * (op.imm as u32 & 7)
}

fn extract_word(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let word = (cpu.regs.vector.xmm(op.src) >> word_shift(op)) as u16;
    cpu.regs.gpr.set(op.dst, u64::from(word));
    Ok(Flow::Next)
}

fn insert_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Gpr32 | Operand::Gpr64) => insert_word::<Gpr>,
        (Operand::Xmm, Operand::Memory) => insert_word::<M16>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn insert_word<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let word = S::fetch(cpu, mem, op)? & 0xffff;
    let shift = word_shift(op);
    let kept = cpu.regs.vector.xmm(op.dst) & !(0xffff << shift);
    cpu.regs.vector.set_xmm(op.dst, kept | word << shift);
    Ok(S::flow(cpu))
}
