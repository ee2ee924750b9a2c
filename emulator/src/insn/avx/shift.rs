//! Shifts: by one count for all lanes, by an immediate, by a count for each lane.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operand::{
    L128, L256, Length, Mem128, Source, binary_rule, check_enabled, encoded, instances, is_256, vex,
};
use crate::alu::simd::VectorOp;
use crate::alu::simd::shift::{Left, LeftBytes, RightArithmetic, RightBytes, RightLogical};
use crate::alu::simd::variable::{LeftBy, RightArithmeticBy, RightLogicalBy};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpsllw, rule::<Left<u16>>),
    (Mnemonic::Vpslld, rule::<Left<u32>>),
    (Mnemonic::Vpsllq, rule::<Left<u64>>),
    (Mnemonic::Vpsrlw, rule::<RightLogical<u16>>),
    (Mnemonic::Vpsrld, rule::<RightLogical<u32>>),
    (Mnemonic::Vpsrlq, rule::<RightLogical<u64>>),
    (Mnemonic::Vpsraw, rule::<RightArithmetic<i16>>),
    (Mnemonic::Vpsrad, rule::<RightArithmetic<i32>>),
    (Mnemonic::Vpslldq, rule::<LeftBytes>),
    (Mnemonic::Vpsrldq, rule::<RightBytes>),
    (Mnemonic::Vpsllvd, binary_rule::<LeftBy<u32>>),
    (Mnemonic::Vpsllvq, binary_rule::<LeftBy<u64>>),
    (Mnemonic::Vpsrlvd, binary_rule::<RightLogicalBy<u32>>),
    (Mnemonic::Vpsrlvq, binary_rule::<RightLogicalBy<u64>>),
    (Mnemonic::Vpsravd, binary_rule::<RightArithmeticBy<i32>>),
];

fn rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    if insn.op_kind(2) != OpKind::Immediate8 {
        return vex(insn, 2, instances!(by_count, O; Mem128));
    }
    let run: OpFn = if is_256(insn) { by_immediate::<O, L256> } else { by_immediate::<O, L128> };
    // A memory source is AVX-512's.
    if insn.op_kind(1) == OpKind::Register { encoded(insn, run) } else { None }
}

/// All lanes of both halves by the count in 128 bits of the last source.
fn by_count<O: VectorOp, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let count = S::fetch::<L>(cpu, mem, op)?.lo;
    shift::<O, L>(cpu, op, count);
    Ok(S::flow(cpu))
}

fn by_immediate<O: VectorOp, L: Length>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    shift::<O, L>(cpu, op, u128::from(op.imm as u8));
    Ok(Flow::Next)
}

#[inline(always)]
fn shift<O: VectorOp, L: Length>(cpu: &mut Cpu, op: &Op, count: u128) {
    let a = cpu.regs.vector.ymm(op.src);
    let result = L::halves(|| O::apply(a.lo, count, 0), || O::apply(a.hi, count, 0));
    cpu.regs.vector.set_ymm(op.dst, result);
}
