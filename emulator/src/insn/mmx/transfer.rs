//! Moves: to and from memory, general registers and XMM registers; single words and
//! sign masks; EMMS.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{Mm, check_ready, write};
use crate::alu::simd::lane::sign_mask;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::moves::{implicit_rdi, store_chosen};
use crate::insn::sse::operand::{Gpr, M16, M32, M64, Operand, Source, check_enabled, operands};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Movd, movd_rule),
    (Mnemonic::Movq, movq_rule),
    (Mnemonic::Movntq, |insn| Lowered::plain(insn, store::<8>)),
    (Mnemonic::Movq2dq, |insn| Lowered::plain(insn, to_xmm)),
    (Mnemonic::Movdq2q, |insn| Lowered::plain(insn, from_xmm)),
    (Mnemonic::Maskmovq, |insn| implicit_rdi(insn, mask_move)),
    (Mnemonic::Pmovmskb, mask_rule),
    (Mnemonic::Pextrw, extract_rule),
    (Mnemonic::Pinsrw, insert_rule),
    (Mnemonic::Emms, |insn| Lowered::plain(insn, emms)),
];

fn movd_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Mm, Operand::Gpr32) => load::<Gpr, B32>,
        (Operand::Mm, Operand::Memory) => load::<M32, B32>,
        (Operand::Gpr32, Operand::Mm) => to_gpr::<B32>,
        (Operand::Memory, Operand::Mm) => store::<4>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn movq_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Mm, Operand::Mm) => load::<Mm, B64>,
        (Operand::Mm, Operand::Gpr64) => load::<Gpr, B64>,
        (Operand::Mm, Operand::Memory) => load::<M64, B64>,
        (Operand::Gpr64, Operand::Mm) => to_gpr::<B64>,
        (Operand::Memory, Operand::Mm) => store::<8>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Replaces the destination by the source's low bits.
fn load<S: Source, W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    let value = S::fetch(cpu, mem, op)? as u64 & W::MASK;
    write(cpu, op.dst, value);
    Ok(S::flow(cpu))
}

/// Stores the low `BYTES` bytes. If that faults, TOP is 0 but the tags are as they were
/// (measured).
fn store<const BYTES: usize>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    cpu.regs.x87.clear_top();
    let value = cpu.regs.x87.mm(op.src).to_le_bytes();
    let bytes: [u8; BYTES] = std::array::from_fn(|index| value[index]);
    cpu.store_bytes(mem, op.linear(cpu), bytes)?;
    cpu.regs.x87.enter_mmx();
    Ok(cpu.completed())
}

/// MASKMOVQ. If it faults, TOP is 0 and all registers are in use (measured).
fn mask_move(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let data = source(cpu, op)?.to_le_bytes();
    let mask = cpu.regs.x87.mm(op.third).to_le_bytes();
    store_chosen(cpu, mem, op, data, mask)
}

/// The second operand, for instructions that write no MMX register.
fn source(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
    check_ready(cpu)?;
    cpu.regs.x87.enter_mmx();
    Ok(cpu.regs.x87.mm(op.src))
}

fn to_gpr<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = source(cpu, op)?;
    cpu.regs.gpr.set(op.dst, value & W::MASK);
    Ok(Flow::Next)
}

/// MOVQ2DQ: the high half becomes zero.
fn to_xmm(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = source(cpu, op)?;
    cpu.regs.vector.set_xmm(op.dst, u128::from(value));
    Ok(Flow::Next)
}

/// MOVDQ2Q: the low half.
fn from_xmm(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    check_ready(cpu)?;
    let value = cpu.regs.vector.xmm(op.src) as u64;
    write(cpu, op.dst, value);
    Ok(Flow::Next)
}

fn mask_rule(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Mm) => Lowered::plain(insn, mask_to_gpr),
        _ => None,
    }
}

fn mask_to_gpr(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = source(cpu, op)?;
    cpu.regs.gpr.set(op.dst, sign_mask::<u8>(u128::from(value)));
    Ok(Flow::Next)
}

/// Bits below the word that the immediate chooses.
fn word_shift(op: &Op) -> u32 {
    16 * (op.imm as u32 & 3)
}

fn extract_rule(insn: &Instruction) -> Option<Lowered> {
    match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Mm) => Lowered::plain(insn, extract_word),
        _ => None,
    }
}

fn extract_word(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let word = (source(cpu, op)? >> word_shift(op)) as u16;
    cpu.regs.gpr.set(op.dst, u64::from(word));
    Ok(Flow::Next)
}

fn insert_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Mm, Operand::Gpr32 | Operand::Gpr64) => insert_word::<Gpr>,
        (Operand::Mm, Operand::Memory) => insert_word::<M16>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn insert_word<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    let word = S::fetch(cpu, mem, op)? as u64 & 0xffff;
    let shift = word_shift(op);
    let kept = cpu.regs.x87.mm(op.dst) & !(0xffff << shift);
    write(cpu, op.dst, kept | word << shift);
    Ok(S::flow(cpu))
}

fn emms(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_ready(cpu)?;
    cpu.regs.x87.leave_mmx();
    Ok(Flow::Next)
}
