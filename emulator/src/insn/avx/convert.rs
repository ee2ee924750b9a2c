//! Conversions between formats and to and from integers.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operand::{
    L128, L256, Length, Mem, Mem32, Mem64, Mem128, Reg, Source, check_enabled, encoded,
    float_unary_rule, instances, is_256, low, scalar_rule, vex, vex_128, without_alignment_check,
};
use super::transfer::{FromGpr, FromMem, Value};
use crate::alu::float::convert::{from_int, to_int};
use crate::alu::float::half::{HalvesOfSingles, SinglesOfHalves};
use crate::alu::float::vectors::{
    Current, Direction, DoublesOfInts, DoublesOfSingles, IntsOfDoubles, IntsOfSingles, Narrow,
    SinglesOfDoubles, SinglesOfInts, Truncated, Widen,
};
use crate::alu::float::{Double, Env, FloatOp, Format, Single};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::insn::sse::operand::commit;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::vector::VectorReg;
use crate::regs::{B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vcvtss2sd, scalar_rule::<Widen, Mem32>),
    (Mnemonic::Vcvtsd2ss, scalar_rule::<Narrow, Mem64>),
    (Mnemonic::Vcvtdq2ps, float_unary_rule::<SinglesOfInts>),
    (Mnemonic::Vcvtps2dq, float_unary_rule::<IntsOfSingles<Current>>),
    (Mnemonic::Vcvttps2dq, float_unary_rule::<IntsOfSingles<Truncated>>),
    (Mnemonic::Vcvtps2pd, widening_rule::<DoublesOfSingles>),
    (Mnemonic::Vcvtdq2pd, widening_rule::<DoublesOfInts>),
    (Mnemonic::Vcvtph2ps, from_half_rule),
    (Mnemonic::Vcvtpd2ps, narrowing_rule::<SinglesOfDoubles>),
    (Mnemonic::Vcvtpd2dq, narrowing_rule::<IntsOfDoubles<Current>>),
    (Mnemonic::Vcvttpd2dq, narrowing_rule::<IntsOfDoubles<Truncated>>),
    (Mnemonic::Vcvtps2ph, to_half_rule),
    (Mnemonic::Vcvtsi2ss, from_int_rule::<Single>),
    (Mnemonic::Vcvtsi2sd, from_int_rule::<Double>),
    (Mnemonic::Vcvtss2si, to_int_rule::<Single, Current, Mem32>),
    (Mnemonic::Vcvtsd2si, to_int_rule::<Double, Current, Mem64>),
    (Mnemonic::Vcvttss2si, to_int_rule::<Single, Truncated, Mem32>),
    (Mnemonic::Vcvttsd2si, to_int_rule::<Double, Truncated, Mem64>),
];

/// Half a vector in memory.
struct HalfMem;

impl Source for HalfMem {
    #[inline(always)]
    fn fetch<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted> {
        match L::BYTES {
            16 => Mem64::fetch::<L>(cpu, mem, op),
            _ => Mem128::fetch::<L>(cpu, mem, op),
        }
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

/// The same for VCVTPH2PS: 8 bytes need no alignment, whatever RFLAGS.AC says
/// (measured; for 16 bytes it counts).
struct HalvesMem;

impl Source for HalvesMem {
    #[inline(always)]
    fn fetch<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted> {
        match L::BYTES {
            16 => without_alignment_check(cpu, |cpu| Mem64::fetch::<L>(cpu, mem, op)),
            _ => Mem128::fetch::<L>(cpu, mem, op),
        }
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

/// Results twice as wide as the source's lanes.
fn widening_rule<O: FloatOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(widening, O; HalfMem))
}

fn widening<O: FloatOp, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let source = S::fetch::<L>(cpu, mem, op)?.lo;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let lo = O::apply(&mut env, 0, source, 0);
    let result = L::halves(|| lo, || O::apply(&mut env, 0, source >> 64, 0));
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}

/// Results half as wide as the source's lanes: an XMM register at most.
fn narrowing_rule<O: FloatOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(narrowing, O; Mem))
}

/// The results of both halves of a source, side by side.
#[inline(always)]
fn narrowed<O: FloatOp, L: Length>(env: &mut Env, source: VectorReg, imm: u8) -> u128 {
    let lo = O::apply(env, 0, source.lo, imm);
    let halves = L::halves(|| lo, || O::apply(env, 0, source.hi, imm));
    halves.lo | halves.hi << 64
}

fn narrowing<O: FloatOp, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let source = S::fetch::<L>(cpu, mem, op)?;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = narrowed::<O, L>(&mut env, source, op.imm as u8);
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, low(result));
    Ok(S::flow(cpu))
}

fn from_half_rule(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(widening, SinglesOfHalves; HalvesMem))
}

fn to_half_rule(insn: &Instruction) -> Option<Lowered> {
    match insn.op_kind(0) {
        OpKind::Register => narrowing_rule::<HalvesOfSingles>(insn),
        _ => encoded(insn, if is_256(insn) { store_halves::<L256> } else { store_halves::<L128> }),
    }
}

/// VCVTPS2PH to memory; 8 bytes need no alignment, as with VCVTPH2PS.
fn store_halves<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let source = cpu.regs.vector.ymm(op.src);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = narrowed::<HalvesOfSingles, L>(&mut env, source, op.imm as u8);
    commit(cpu, env)?;
    let linear = op.linear(cpu);
    match L::BYTES {
        16 => without_alignment_check(cpu, |cpu| {
            cpu.store_bytes(mem, linear, (result as u64).to_le_bytes())
        })?,
        _ => cpu.store_bytes(mem, linear, result.to_le_bytes())?,
    }
    Ok(cpu.completed())
}

fn from_int_rule<F: Format>(insn: &Instruction) -> Option<Lowered> {
    let register = insn.op_register(2);
    let run: OpFn = match (register.size(), insn.memory_size().size()) {
        (4, _) => int_to_scalar::<F, B32, FromGpr>,
        (8, _) => int_to_scalar::<F, B64, FromGpr>,
        (_, 4) => int_to_scalar::<F, B32, FromMem>,
        (_, 8) => int_to_scalar::<F, B64, FromMem>,
        _ => return None,
    };
    encoded(insn, run)
}

fn int_to_scalar<F: Format, W: MemWidth, V: Value>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = W::sign_extend(V::get::<W>(cpu, mem, op, op.third)?);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = from_int::<F>(&mut env, value as i64);
    commit(cpu, env)?;
    let kept = cpu.regs.vector.xmm(op.src) & !u128::from(F::MASK);
    cpu.regs.vector.set_ymm(op.dst, low(kept | u128::from(result)));
    Ok(V::flow(cpu))
}

fn to_int_rule<F: Format, D: Direction, M: Source>(insn: &Instruction) -> Option<Lowered> {
    match insn.op_register(0).size() {
        4 => vex_128(insn, 1, [scalar_to_int::<F, D, B32, Reg>, scalar_to_int::<F, D, B32, M>]),
        8 => vex_128(insn, 1, [scalar_to_int::<F, D, B64, Reg>, scalar_to_int::<F, D, B64, M>]),
        _ => None,
    }
}

fn scalar_to_int<F: Format, D: Direction, W: Width, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch::<L128>(cpu, mem, op)?.lo as u64 & F::MASK;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = to_int::<F>(&mut env, value, W::BITS, D::HOW);
    commit(cpu, env)?;
    cpu.regs.gpr.set(op.dst, result);
    Ok(S::flow(cpu))
}
