//! Gathers: VPGATHERxx and VGATHERxPx. Source: SDM vol. 2C, VPGATHERDD and its like.
//!
//! The index register is the op's index, the mask the third operand. Elements are
//! loaded one after the other from the lowest, and an element that is done is in the
//! destination, with its mask cleared. So the instruction can be restarted: after a
//! fault, and after a data breakpoint that one of its loads met before another one
//! faulted (x86-debug rule G1). Measured besides: the mask is widened to whole lanes
//! before the first load, alignment is never checked, and the destination is as it was
//! where the first load faults.

use iced_x86::{Instruction, Mnemonic};

use super::masked::{Element, chosen, get_lane, set_lane};
use super::operand::{
    L128, L256, Length, check_enabled, encoded, is_256, low, without_alignment_check,
};
use crate::alu::simd::Lane;
use crate::alu::simd::lane::spread;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::vector::VectorReg;
use crate::regs::{B32, B64};
use crate::timing::AccessKind;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpgatherdd, rule::<i32, B32>),
    (Mnemonic::Vpgatherdq, rule::<i32, B64>),
    (Mnemonic::Vpgatherqd, rule::<i64, B32>),
    (Mnemonic::Vpgatherqq, rule::<i64, B64>),
    (Mnemonic::Vgatherdps, rule::<i32, B32>),
    (Mnemonic::Vgatherdpd, rule::<i32, B64>),
    (Mnemonic::Vgatherqps, rule::<i64, B32>),
    (Mnemonic::Vgatherqpd, rule::<i64, B64>),
];

fn rule<I: Lane, W: Element>(insn: &Instruction) -> Option<Lowered> {
    let wide = is_256(insn) || insn.memory_index().is_ymm();
    let run: OpFn = if wide { gather::<I, W, L256> } else { gather::<I, W, L128> };
    encoded(insn, run)
}

/// Linear address of the element whose index is at `place`.
#[inline(always)]
fn address<I: Lane>(cpu: &Cpu, op: &Op, indices: VectorReg, place: u32) -> u64 {
    let unused = 64 - I::BITS;
    let index = ((get_lane::<I>(indices, place) << unused) as i64 >> unused) as u64;
    let base = cpu.regs.gpr.get(op.base).wrapping_add(op.disp);
    let effective = base.wrapping_add(index << (op.scale & 3));
    op.linear_of(cpu, effective & op.address.mask())
}

fn gather<I: Lane, W: Element, L: Length>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let debug = cpu.pending.debug;
    match without_alignment_check(cpu, |cpu| elements::<I, W, L>(cpu, mem, op)) {
        Ok(()) => Ok(cpu.completed()),
        Err(Faulted) if cpu.pending.debug == debug => Err(Faulted),
        Err(Faulted) => {
            // The hits are reported first; the fault comes again with the restart.
            cpu.fault = None;
            Ok(Flow::Again)
        }
    }
}

/// Loads the elements that are still to be done.
#[inline(always)]
fn elements<I: Lane, W: Element, L: Length>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<(), Faulted> {
    let nr_elements = L::BYTES as u32 * 8 / I::BITS.max(W::BITS);
    let indices = cpu.regs.vector.ymm(op.index);
    let signs = cpu.regs.vector.ymm(op.third);
    let mut mask = L::halves(|| spread::<W::Lane>(signs.lo), || spread::<W::Lane>(signs.hi));
    cpu.regs.vector.set_ymm(op.third, mask);
    let mut result = cpu.regs.vector.ymm(op.dst);
    for place in chosen::<W::Lane>(mask, nr_elements) {
        let linear = address::<I>(cpu, op, indices, place);
        cpu.time_access(mem, AccessKind::Load, linear, W::BYTES);
        set_lane::<W::Lane>(&mut result, place, W::load(cpu, mem, linear)?);
        result = L::halves(|| result.lo, || result.hi);
        set_lane::<W::Lane>(&mut mask, place, 0);
        cpu.regs.vector.set_ymm(op.dst, result);
        cpu.regs.vector.set_ymm(op.third, mask);
    }
    let result = match nr_elements * W::BYTES {
        8 => low(u128::from(result.lo as u64)),
        16 => low(result.lo),
        _ => result,
    };
    cpu.regs.vector.set_ymm(op.dst, result);
    cpu.regs.vector.set_ymm(op.third, VectorReg::default());
    Ok(())
}
