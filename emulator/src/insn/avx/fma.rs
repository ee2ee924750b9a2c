//! Fused products and sums.

use iced_x86::{Instruction, Mnemonic};

use super::operand::{
    L128, Length, Mem, Mem32, Mem64, Reg, Source, check_enabled, instances, vex, vex_128,
};
use crate::alu::float::fma::{
    FloatOp3, Fused, FusedScalar, MulAdd, MulAddSub, MulSub, MulSubAdd, NegMulAdd, NegMulSub,
    Order132, Order213, Order231,
};
use crate::alu::float::{Double, Env, Single};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::commit;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vfmadd132ps, packed_rule::<Fused<Single, MulAdd, Order132>>),
    (Mnemonic::Vfmadd132pd, packed_rule::<Fused<Double, MulAdd, Order132>>),
    (Mnemonic::Vfmadd132ss, scalar_rule::<FusedScalar<Single, MulAdd, Order132>, Mem32>),
    (Mnemonic::Vfmadd132sd, scalar_rule::<FusedScalar<Double, MulAdd, Order132>, Mem64>),
    (Mnemonic::Vfmadd213ps, packed_rule::<Fused<Single, MulAdd, Order213>>),
    (Mnemonic::Vfmadd213pd, packed_rule::<Fused<Double, MulAdd, Order213>>),
    (Mnemonic::Vfmadd213ss, scalar_rule::<FusedScalar<Single, MulAdd, Order213>, Mem32>),
    (Mnemonic::Vfmadd213sd, scalar_rule::<FusedScalar<Double, MulAdd, Order213>, Mem64>),
    (Mnemonic::Vfmadd231ps, packed_rule::<Fused<Single, MulAdd, Order231>>),
    (Mnemonic::Vfmadd231pd, packed_rule::<Fused<Double, MulAdd, Order231>>),
    (Mnemonic::Vfmadd231ss, scalar_rule::<FusedScalar<Single, MulAdd, Order231>, Mem32>),
    (Mnemonic::Vfmadd231sd, scalar_rule::<FusedScalar<Double, MulAdd, Order231>, Mem64>),
    (Mnemonic::Vfmsub132ps, packed_rule::<Fused<Single, MulSub, Order132>>),
    (Mnemonic::Vfmsub132pd, packed_rule::<Fused<Double, MulSub, Order132>>),
    (Mnemonic::Vfmsub132ss, scalar_rule::<FusedScalar<Single, MulSub, Order132>, Mem32>),
    (Mnemonic::Vfmsub132sd, scalar_rule::<FusedScalar<Double, MulSub, Order132>, Mem64>),
    (Mnemonic::Vfmsub213ps, packed_rule::<Fused<Single, MulSub, Order213>>),
    (Mnemonic::Vfmsub213pd, packed_rule::<Fused<Double, MulSub, Order213>>),
    (Mnemonic::Vfmsub213ss, scalar_rule::<FusedScalar<Single, MulSub, Order213>, Mem32>),
    (Mnemonic::Vfmsub213sd, scalar_rule::<FusedScalar<Double, MulSub, Order213>, Mem64>),
    (Mnemonic::Vfmsub231ps, packed_rule::<Fused<Single, MulSub, Order231>>),
    (Mnemonic::Vfmsub231pd, packed_rule::<Fused<Double, MulSub, Order231>>),
    (Mnemonic::Vfmsub231ss, scalar_rule::<FusedScalar<Single, MulSub, Order231>, Mem32>),
    (Mnemonic::Vfmsub231sd, scalar_rule::<FusedScalar<Double, MulSub, Order231>, Mem64>),
    (Mnemonic::Vfnmadd132ps, packed_rule::<Fused<Single, NegMulAdd, Order132>>),
    (Mnemonic::Vfnmadd132pd, packed_rule::<Fused<Double, NegMulAdd, Order132>>),
    (Mnemonic::Vfnmadd132ss, scalar_rule::<FusedScalar<Single, NegMulAdd, Order132>, Mem32>),
    (Mnemonic::Vfnmadd132sd, scalar_rule::<FusedScalar<Double, NegMulAdd, Order132>, Mem64>),
    (Mnemonic::Vfnmadd213ps, packed_rule::<Fused<Single, NegMulAdd, Order213>>),
    (Mnemonic::Vfnmadd213pd, packed_rule::<Fused<Double, NegMulAdd, Order213>>),
    (Mnemonic::Vfnmadd213ss, scalar_rule::<FusedScalar<Single, NegMulAdd, Order213>, Mem32>),
    (Mnemonic::Vfnmadd213sd, scalar_rule::<FusedScalar<Double, NegMulAdd, Order213>, Mem64>),
    (Mnemonic::Vfnmadd231ps, packed_rule::<Fused<Single, NegMulAdd, Order231>>),
    (Mnemonic::Vfnmadd231pd, packed_rule::<Fused<Double, NegMulAdd, Order231>>),
    (Mnemonic::Vfnmadd231ss, scalar_rule::<FusedScalar<Single, NegMulAdd, Order231>, Mem32>),
    (Mnemonic::Vfnmadd231sd, scalar_rule::<FusedScalar<Double, NegMulAdd, Order231>, Mem64>),
    (Mnemonic::Vfnmsub132ps, packed_rule::<Fused<Single, NegMulSub, Order132>>),
    (Mnemonic::Vfnmsub132pd, packed_rule::<Fused<Double, NegMulSub, Order132>>),
    (Mnemonic::Vfnmsub132ss, scalar_rule::<FusedScalar<Single, NegMulSub, Order132>, Mem32>),
    (Mnemonic::Vfnmsub132sd, scalar_rule::<FusedScalar<Double, NegMulSub, Order132>, Mem64>),
    (Mnemonic::Vfnmsub213ps, packed_rule::<Fused<Single, NegMulSub, Order213>>),
    (Mnemonic::Vfnmsub213pd, packed_rule::<Fused<Double, NegMulSub, Order213>>),
    (Mnemonic::Vfnmsub213ss, scalar_rule::<FusedScalar<Single, NegMulSub, Order213>, Mem32>),
    (Mnemonic::Vfnmsub213sd, scalar_rule::<FusedScalar<Double, NegMulSub, Order213>, Mem64>),
    (Mnemonic::Vfnmsub231ps, packed_rule::<Fused<Single, NegMulSub, Order231>>),
    (Mnemonic::Vfnmsub231pd, packed_rule::<Fused<Double, NegMulSub, Order231>>),
    (Mnemonic::Vfnmsub231ss, scalar_rule::<FusedScalar<Single, NegMulSub, Order231>, Mem32>),
    (Mnemonic::Vfnmsub231sd, scalar_rule::<FusedScalar<Double, NegMulSub, Order231>, Mem64>),
    (Mnemonic::Vfmaddsub132ps, packed_rule::<Fused<Single, MulAddSub, Order132>>),
    (Mnemonic::Vfmaddsub132pd, packed_rule::<Fused<Double, MulAddSub, Order132>>),
    (Mnemonic::Vfmaddsub213ps, packed_rule::<Fused<Single, MulAddSub, Order213>>),
    (Mnemonic::Vfmaddsub213pd, packed_rule::<Fused<Double, MulAddSub, Order213>>),
    (Mnemonic::Vfmaddsub231ps, packed_rule::<Fused<Single, MulAddSub, Order231>>),
    (Mnemonic::Vfmaddsub231pd, packed_rule::<Fused<Double, MulAddSub, Order231>>),
    (Mnemonic::Vfmsubadd132ps, packed_rule::<Fused<Single, MulSubAdd, Order132>>),
    (Mnemonic::Vfmsubadd132pd, packed_rule::<Fused<Double, MulSubAdd, Order132>>),
    (Mnemonic::Vfmsubadd213ps, packed_rule::<Fused<Single, MulSubAdd, Order213>>),
    (Mnemonic::Vfmsubadd213pd, packed_rule::<Fused<Double, MulSubAdd, Order213>>),
    (Mnemonic::Vfmsubadd231ps, packed_rule::<Fused<Single, MulSubAdd, Order231>>),
    (Mnemonic::Vfmsubadd231pd, packed_rule::<Fused<Double, MulSubAdd, Order231>>),
];

/// Three sources, of which the first is the destination.
fn packed_rule<O: FloatOp3>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 2, instances!(fused, O; Mem))
}

/// The low lanes; the last source is `M` in memory.
fn scalar_rule<O: FloatOp3, M: Source>(insn: &Instruction) -> Option<Lowered> {
    vex_128(insn, 2, [fused::<O, L128, Reg>, fused::<O, L128, M>])
}

/// Applies the operation to 128 bits. Not inlined: lengths and sources share it.
#[inline(never)]
fn half<O: FloatOp3>(env: &mut Env, a: u128, b: u128, c: u128) -> u128 {
    O::apply(env, a, b, c)
}

/// Applies the operation to both halves; an unmasked exception in either leaves the
/// destination alone.
fn fused<O: FloatOp3, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let c = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.dst);
    let b = cpu.regs.vector.ymm(op.src);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let lo = half::<O>(&mut env, a.lo, b.lo, c.lo);
    let result = L::halves(|| lo, || half::<O>(&mut env, a.hi, b.hi, c.hi));
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}
