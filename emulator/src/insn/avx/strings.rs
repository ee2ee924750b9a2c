//! VPCMPESTRI, VPCMPESTRM, VPCMPISTRI, VPCMPISTRM.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{Length, Mem128, Source, check_enabled, instances, low, vex};
use crate::alu::simd::strings::{Comparison, compare};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::strings::{Counted, Index, Measure, Target, Terminated, flags_of};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::{B32, B64};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpcmpistri, rule::<Terminated, Index>),
    (Mnemonic::Vpcmpistrm, rule::<Terminated, Mask>),
    (Mnemonic::Vpcmpestri, rule::<Counted<B32>, Index>),
    (Mnemonic::Vpcmpestrm, rule::<Counted<B32>, Mask>),
    (Mnemonic::Vpcmpestri64, rule::<Counted<B64>, Index>),
    (Mnemonic::Vpcmpestrm64, rule::<Counted<B64>, Mask>),
];

/// To the whole of YMM0, as a mask.
struct Mask;

impl Target for Mask {
    #[inline(always)]
    fn write(cpu: &mut Cpu, comparison: &Comparison, imm: u8) {
        cpu.regs.vector.set_ymm(0, low(comparison.mask(imm)));
    }
}

fn rule<M: Measure, T: Target>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(compare_strings, M, T; Mem128))
}

fn compare_strings<M: Measure, T: Target, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?.lo;
    let imm = op.imm as u8;
    let comparison = compare(cpu.regs.vector.xmm(op.dst), b, M::lengths(cpu), imm);
    T::write(cpu, &comparison, imm);
    cpu.regs.status = flags_of(&comparison);
    Ok(S::flow(cpu))
}
