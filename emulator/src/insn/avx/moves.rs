//! Moves between vector registers and memory.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operand::{
    Instances, L128, L256, Length, Mem, Mem32, Mem64, Reg, SameImm, Source, binary_rule,
    check_enabled, encoded, instances, is_256, packed, vex,
};
use crate::alu::simd::shuffle::{HighToLow, LowToHigh, MergeLow};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::vector::VectorReg;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vmovaps, aligned_rule),
    (Mnemonic::Vmovapd, aligned_rule),
    (Mnemonic::Vmovdqa, aligned_rule),
    (Mnemonic::Vmovntps, aligned_rule),
    (Mnemonic::Vmovntpd, aligned_rule),
    (Mnemonic::Vmovntdq, aligned_rule),
    (Mnemonic::Vmovntdqa, aligned_rule),
    (Mnemonic::Vmovups, anywhere_rule),
    (Mnemonic::Vmovupd, anywhere_rule),
    (Mnemonic::Vmovdqu, anywhere_rule),
    (Mnemonic::Vlddqu, anywhere_rule),
    (Mnemonic::Vmovss, scalar_rule::<Mem32, 32, 4>),
    (Mnemonic::Vmovsd, scalar_rule::<Mem64, 64, 8>),
    (Mnemonic::Vmovlps, low_half_rule),
    (Mnemonic::Vmovlpd, low_half_rule),
    (Mnemonic::Vmovhps, high_half_rule),
    (Mnemonic::Vmovhpd, high_half_rule),
    (Mnemonic::Vmovhlps, binary_rule::<HighToLow>),
    (Mnemonic::Vmovlhps, binary_rule::<LowToHigh>),
];

/// A vector in memory that must be aligned to its own size; else #GP(0), whatever
/// the page tables say.
struct AlignedMem;

/// The memory operand's address, if it is aligned.
#[inline(always)]
fn aligned<L: Length>(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
    let linear = op.linear(cpu);
    if linear.is_multiple_of(L::BYTES) { Ok(linear) } else { Err(cpu.raise(Exception::gp0())) }
}

impl Source for AlignedMem {
    #[inline(always)]
    fn fetch<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted> {
        let linear = aligned::<L>(cpu, op)?;
        L::load(cpu, mem, linear)
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

fn aligned_rule(insn: &Instruction) -> Option<Lowered> {
    let stores = [store_aligned::<L128> as OpFn, store_aligned::<L256>];
    whole_rule(insn, instances!(load; AlignedMem), stores)
}

fn anywhere_rule(insn: &Instruction) -> Option<Lowered> {
    whole_rule(insn, instances!(load; Mem), [store::<L128>, store::<L256>])
}

/// A load, a move between registers, or a store.
fn whole_rule(insn: &Instruction, loads: Instances, stores: [OpFn; 2]) -> Option<Lowered> {
    match insn.op_kind(0) {
        OpKind::Register => vex(insn, 1, loads),
        _ => encoded(insn, stores[usize::from(is_256(insn))]),
    }
}

/// Replaces the whole destination; what the source has not becomes zero.
pub(super) fn load<L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch::<L>(cpu, mem, op)?;
    cpu.regs.vector.set_ymm(op.dst, L::halves(|| value.lo, || value.hi));
    Ok(S::flow(cpu))
}

fn store<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.vector.ymm(op.src);
    L::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}

fn store_aligned<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let linear = aligned::<L>(cpu, op)?;
    let value = cpu.regs.vector.ymm(op.src);
    L::store(cpu, mem, linear, value)?;
    Ok(cpu.completed())
}

/// VMOVSS, VMOVSD: a load clears what is above, a move between registers takes it
/// from the first source.
fn scalar_rule<M: Source, const BITS: u32, const BYTES: usize>(
    insn: &Instruction,
) -> Option<Lowered> {
    let run: OpFn = match (insn.op_count(), insn.op_kind(0)) {
        (3, _) => packed::<MergeLow<BITS>, SameImm, L128, Reg>,
        (_, OpKind::Register) => load::<L128, M>,
        (_, _) => store_part::<0, BYTES>,
    };
    encoded(insn, run)
}

fn low_half_rule(insn: &Instruction) -> Option<Lowered> {
    match insn.op_kind(0) {
        OpKind::Register => encoded(insn, packed::<MergeLow<64>, SameImm, L128, Mem64>),
        _ => encoded(insn, store_part::<0, 8>),
    }
}

fn high_half_rule(insn: &Instruction) -> Option<Lowered> {
    match insn.op_kind(0) {
        OpKind::Register => encoded(insn, packed::<LowToHigh, SameImm, L128, Mem64>),
        _ => encoded(insn, store_part::<64, 8>),
    }
}

/// Stores `BYTES` bytes of the source's lower half from bit `FROM` on.
pub(super) fn store_part<const FROM: u32, const BYTES: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = (cpu.regs.vector.xmm(op.src) >> FROM).to_le_bytes();
    let bytes: [u8; BYTES] = std::array::from_fn(|index| value[index]);
    cpu.store_bytes(mem, op.linear(cpu), bytes)?;
    Ok(cpu.completed())
}
