//! Comparisons of floating-point numbers to masks and to RFLAGS, and sign tests.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    L128, Length, Mem, Mem32, Mem64, Reg, Source, check_enabled, float_rule, instances,
    scalar_rule, vex, vex_128,
};
use crate::alu::float::compare::{ComparePredicate, relation};
use crate::alu::float::{Double, Env, Format, PackedOf, ScalarOf, Single};
use crate::alu::simd::Lane;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::float::{NanPolicy, Ordered, Unordered, flags_of};
use crate::insn::sse::operand::commit;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vcmpps, float_rule::<PackedOf<Single, ComparePredicate>>),
    (Mnemonic::Vcmppd, float_rule::<PackedOf<Double, ComparePredicate>>),
    (Mnemonic::Vcmpss, scalar_rule::<ScalarOf<Single, ComparePredicate>, Mem32>),
    (Mnemonic::Vcmpsd, scalar_rule::<ScalarOf<Double, ComparePredicate>, Mem64>),
    (Mnemonic::Vcomiss, flags_rule::<Single, Ordered, Mem32>),
    (Mnemonic::Vcomisd, flags_rule::<Double, Ordered, Mem64>),
    (Mnemonic::Vucomiss, flags_rule::<Single, Unordered, Mem32>),
    (Mnemonic::Vucomisd, flags_rule::<Double, Unordered, Mem64>),
    (Mnemonic::Vtestps, test_rule::<u32>),
    (Mnemonic::Vtestpd, test_rule::<u64>),
];

fn flags_rule<F: Format, P: NanPolicy, M: Source>(insn: &Instruction) -> Option<Lowered> {
    vex_128(insn, 1, [compare_to_flags::<F, P, Reg>, compare_to_flags::<F, P, M>])
}

/// Compares the lowest lanes into ZF, PF and CF.
fn compare_to_flags<F: Format, P: NanPolicy, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L128>(cpu, mem, op)?.lo as u64 & F::MASK;
    let a = cpu.regs.vector.xmm(op.dst) as u64 & F::MASK;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let relation = relation::<F>(&mut env, a, b, P::NANS);
    commit(cpu, env)?;
    cpu.regs.status = flags_of(relation);
    Ok(S::flow(cpu))
}

fn test_rule<T: Lane>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(test_signs, T; Mem))
}

/// VTESTPS, VTESTPD: ZF if no lane has its sign set in both, CF if every lane that
/// has it in the source has it in the destination; the other flags are cleared.
fn test_signs<T: Lane, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.dst);
    let both = L::halves(|| a.lo & b.lo & T::HIGH, || a.hi & b.hi & T::HIGH);
    let only = L::halves(|| !a.lo & b.lo & T::HIGH, || !a.hi & b.hi & T::HIGH);
    let zero = if both.lo | both.hi == 0 { RFlags::ZF } else { 0 };
    let carry = if only.lo | only.hi == 0 { RFlags::CF } else { 0 };
    cpu.regs.status = LazyFlags::from_image(zero | carry);
    Ok(S::flow(cpu))
}
