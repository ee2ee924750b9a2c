//! Lanes to and from general registers and memory: VMOVD, VMOVQ, VPEXTRx, VPINSRx and
//! the mask of signs.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{check_enabled, encoded, is_256, low};
use crate::alu::simd::Lane;
use crate::alu::simd::lane::sign_mask;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::{Operand, operand, operands};
use crate::insn::sse::transfer::{lane, lane_shift};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B8, B16, B32, B64};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vmovd, move_rule::<B32>),
    (Mnemonic::Vmovq, move_rule::<B64>),
    (Mnemonic::Vpextrb, extract_rule::<B8>),
    (Mnemonic::Vpextrw, extract_rule::<B16>),
    (Mnemonic::Vpextrd, extract_rule::<B32>),
    (Mnemonic::Vpextrq, extract_rule::<B64>),
    (Mnemonic::Vpinsrb, insert_rule::<B8>),
    (Mnemonic::Vpinsrw, insert_rule::<B16>),
    (Mnemonic::Vpinsrd, insert_rule::<B32>),
    (Mnemonic::Vpinsrq, insert_rule::<B64>),
    (Mnemonic::Vpmovmskb, mask_rule::<u8>),
];

/// What a lane comes from.
pub(crate) trait Value: 'static {
    /// Gets it; bits above the width may be anything.
    fn get<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op, reg: u8)
    -> Result<u64, Faulted>;
    /// How the instruction goes on.
    fn flow(cpu: &Cpu) -> Flow;
}

/// A general register.
pub(crate) struct FromGpr;
/// The low half of an XMM register.
struct FromXmm;
/// Memory.
pub(crate) struct FromMem;

impl Value for FromGpr {
    #[inline(always)]
    fn get<W: MemWidth>(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        _op: &Op,
        reg: u8,
    ) -> Result<u64, Faulted> {
        Ok(cpu.regs.gpr.get(reg))
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Value for FromXmm {
    #[inline(always)]
    fn get<W: MemWidth>(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        _op: &Op,
        reg: u8,
    ) -> Result<u64, Faulted> {
        Ok(cpu.regs.vector.xmm(reg) as u64)
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Value for FromMem {
    #[inline(always)]
    fn get<W: MemWidth>(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        _reg: u8,
    ) -> Result<u64, Faulted> {
        W::load(cpu, mem, op.linear(cpu))
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

fn move_rule<W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Gpr32 | Operand::Gpr64) => load::<W, FromGpr>,
        (Operand::Xmm, Operand::Xmm) => load::<W, FromXmm>,
        (Operand::Xmm, Operand::Memory) => load::<W, FromMem>,
        (Operand::Gpr32 | Operand::Gpr64, Operand::Xmm) => extract::<W>,
        (Operand::Memory, Operand::Xmm) => extract_to_memory::<W>,
        _ => return None,
    };
    encoded(insn, run)
}

/// Replaces the whole destination by one lane.
fn load<W: MemWidth, V: Value>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = V::get::<W>(cpu, mem, op, op.src)? & W::MASK;
    cpu.regs.vector.set_ymm(op.dst, low(u128::from(value)));
    Ok(V::flow(cpu))
}

pub(crate) fn extract_rule<W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Gpr32 | Operand::Gpr64, Operand::Xmm) => extract::<W>,
        (Operand::Memory, Operand::Xmm) => extract_to_memory::<W>,
        _ => return None,
    };
    encoded(insn, run)
}

fn extract<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
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
    let run: OpFn = match operand(insn, 2) {
        Operand::Gpr32 | Operand::Gpr64 => insert::<W, FromGpr>,
        Operand::Memory => insert::<W, FromMem>,
        _ => return None,
    };
    encoded(insn, run)
}

fn insert<W: MemWidth, V: Value>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = V::get::<W>(cpu, mem, op, op.third)? & W::MASK;
    let shift = lane_shift::<W>(op);
    let kept = cpu.regs.vector.xmm(op.src) & !(u128::from(W::MASK) << shift);
    cpu.regs.vector.set_ymm(op.dst, low(kept | u128::from(value) << shift));
    Ok(V::flow(cpu))
}

/// To a general register, the signs of the lanes of a register (VPMOVMSKB and its
/// relations).
pub(crate) fn mask_rule<L: Lane>(insn: &Instruction) -> Option<Lowered> {
    encoded(insn, if is_256(insn) { mask_256::<L> } else { mask_128::<L> })
}

fn mask_128<L: Lane>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let mask = sign_mask::<L>(cpu.regs.vector.xmm(op.src));
    cpu.regs.gpr.set(op.dst, mask);
    Ok(Flow::Next)
}

fn mask_256<L: Lane>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.vector.ymm(op.src);
    let high = sign_mask::<L>(value.hi) << (128 / L::BITS);
    cpu.regs.gpr.set(op.dst, sign_mask::<L>(value.lo) | high);
    Ok(Flow::Next)
}
