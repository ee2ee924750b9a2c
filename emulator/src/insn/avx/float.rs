//! Arithmetic of floating-point numbers, and logic on their bits.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    L128, L256, Mem, Mem32, Mem64, Reg, Source, binary_rule, check_enabled, float, float_rule,
    float_unary_rule, scalar_rule, vex,
};
use crate::alu::float::across::{AddSub, DotDoubles, DotSingles, PairsOf, dot_singles};
use crate::alu::float::approx::{Reciprocal, ReciprocalRoot};
use crate::alu::float::arith::{Add, Div, Mul, Sqrt, Sub};
use crate::alu::float::compare::{Max, Min};
use crate::alu::float::integral::RoundToIntegral;
use crate::alu::float::{Double, Env, PackedOf, ScalarOf, Single};
use crate::alu::simd::integer::{And, AndNot, Or, Xor};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::commit;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::vector::VectorReg;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vaddps, float_rule::<PackedOf<Single, Add>>),
    (Mnemonic::Vaddpd, float_rule::<PackedOf<Double, Add>>),
    (Mnemonic::Vaddss, scalar_rule::<ScalarOf<Single, Add>, Mem32>),
    (Mnemonic::Vaddsd, scalar_rule::<ScalarOf<Double, Add>, Mem64>),
    (Mnemonic::Vsubps, float_rule::<PackedOf<Single, Sub>>),
    (Mnemonic::Vsubpd, float_rule::<PackedOf<Double, Sub>>),
    (Mnemonic::Vsubss, scalar_rule::<ScalarOf<Single, Sub>, Mem32>),
    (Mnemonic::Vsubsd, scalar_rule::<ScalarOf<Double, Sub>, Mem64>),
    (Mnemonic::Vmulps, float_rule::<PackedOf<Single, Mul>>),
    (Mnemonic::Vmulpd, float_rule::<PackedOf<Double, Mul>>),
    (Mnemonic::Vmulss, scalar_rule::<ScalarOf<Single, Mul>, Mem32>),
    (Mnemonic::Vmulsd, scalar_rule::<ScalarOf<Double, Mul>, Mem64>),
    (Mnemonic::Vdivps, float_rule::<PackedOf<Single, Div>>),
    (Mnemonic::Vdivpd, float_rule::<PackedOf<Double, Div>>),
    (Mnemonic::Vdivss, scalar_rule::<ScalarOf<Single, Div>, Mem32>),
    (Mnemonic::Vdivsd, scalar_rule::<ScalarOf<Double, Div>, Mem64>),
    (Mnemonic::Vminps, float_rule::<PackedOf<Single, Min>>),
    (Mnemonic::Vminpd, float_rule::<PackedOf<Double, Min>>),
    (Mnemonic::Vminss, scalar_rule::<ScalarOf<Single, Min>, Mem32>),
    (Mnemonic::Vminsd, scalar_rule::<ScalarOf<Double, Min>, Mem64>),
    (Mnemonic::Vmaxps, float_rule::<PackedOf<Single, Max>>),
    (Mnemonic::Vmaxpd, float_rule::<PackedOf<Double, Max>>),
    (Mnemonic::Vmaxss, scalar_rule::<ScalarOf<Single, Max>, Mem32>),
    (Mnemonic::Vmaxsd, scalar_rule::<ScalarOf<Double, Max>, Mem64>),
    (Mnemonic::Vsqrtps, float_unary_rule::<PackedOf<Single, Sqrt>>),
    (Mnemonic::Vsqrtpd, float_unary_rule::<PackedOf<Double, Sqrt>>),
    (Mnemonic::Vsqrtss, scalar_rule::<ScalarOf<Single, Sqrt>, Mem32>),
    (Mnemonic::Vsqrtsd, scalar_rule::<ScalarOf<Double, Sqrt>, Mem64>),
    (Mnemonic::Vrcpps, float_unary_rule::<PackedOf<Single, Reciprocal>>),
    (Mnemonic::Vrcpss, scalar_rule::<ScalarOf<Single, Reciprocal>, Mem32>),
    (Mnemonic::Vrsqrtps, float_unary_rule::<PackedOf<Single, ReciprocalRoot>>),
    (Mnemonic::Vrsqrtss, scalar_rule::<ScalarOf<Single, ReciprocalRoot>, Mem32>),
    (Mnemonic::Vaddsubps, float_rule::<AddSub<Single>>),
    (Mnemonic::Vaddsubpd, float_rule::<AddSub<Double>>),
    (Mnemonic::Vhaddps, float_rule::<PairsOf<Single, Add>>),
    (Mnemonic::Vhaddpd, float_rule::<PairsOf<Double, Add>>),
    (Mnemonic::Vhsubps, float_rule::<PairsOf<Single, Sub>>),
    (Mnemonic::Vhsubpd, float_rule::<PairsOf<Double, Sub>>),
    (Mnemonic::Vdpps, dot_rule),
    (Mnemonic::Vdppd, float_rule::<DotDoubles>),
    (Mnemonic::Vroundps, float_unary_rule::<PackedOf<Single, RoundToIntegral>>),
    (Mnemonic::Vroundpd, float_unary_rule::<PackedOf<Double, RoundToIntegral>>),
    (Mnemonic::Vroundss, scalar_rule::<ScalarOf<Single, RoundToIntegral>, Mem32>),
    (Mnemonic::Vroundsd, scalar_rule::<ScalarOf<Double, RoundToIntegral>, Mem64>),
    (Mnemonic::Vandps, binary_rule::<And>),
    (Mnemonic::Vandpd, binary_rule::<And>),
    (Mnemonic::Vandnps, binary_rule::<AndNot>),
    (Mnemonic::Vandnpd, binary_rule::<AndNot>),
    (Mnemonic::Vorps, binary_rule::<Or>),
    (Mnemonic::Vorpd, binary_rule::<Or>),
    (Mnemonic::Vxorps, binary_rule::<Xor>),
    (Mnemonic::Vxorpd, binary_rule::<Xor>),
];

fn dot_rule(insn: &Instruction) -> Option<Lowered> {
    let low = [float::<DotSingles, L128, Reg> as OpFn, float::<DotSingles, L128, Mem>];
    vex(insn, 2, [low, [dot_256::<Reg>, dot_256::<Mem>]])
}

/// VDPPS on 256 bits: the halves are not independent where a step of one traps.
fn dot_256<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L256>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.src);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let [lo, hi] = dot_singles(&mut env, [a.lo, a.hi], [b.lo, b.hi], op.imm as u8);
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, VectorReg { lo, hi });
    Ok(S::flow(cpu))
}
