//! Moves between XMM registers and memory.

use iced_x86::{Instruction, Mnemonic};

use super::integer::vector;
use super::operand::{
    Loose128, M32, M64, M128, Operand, Source, Xmm, aligned, check_enabled, operands,
};
use crate::alu::simd::VectorOp;
use crate::alu::simd::shuffle::{HighToLow, LowToHigh, MergeLow};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::RDI;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Movaps, whole_rule::<M128, Aligned>),
    (Mnemonic::Movapd, whole_rule::<M128, Aligned>),
    (Mnemonic::Movdqa, whole_rule::<M128, Aligned>),
    (Mnemonic::Movups, whole_rule::<Loose128, Anywhere>),
    (Mnemonic::Movupd, whole_rule::<Loose128, Anywhere>),
    (Mnemonic::Movdqu, whole_rule::<Loose128, Anywhere>),
    (Mnemonic::Movntps, whole_rule::<M128, Aligned>),
    (Mnemonic::Movntpd, whole_rule::<M128, Aligned>),
    (Mnemonic::Movntdq, whole_rule::<M128, Aligned>),
    (Mnemonic::Movss, scalar_rule::<M32, MergeLow<32>, 4>),
    // The string instruction of this name has no XMM operand.
    (Mnemonic::Movsd, scalar_rule::<M64, MergeLow<64>, 8>),
    (Mnemonic::Movlps, half_rule::<MergeLow<64>, Low>),
    (Mnemonic::Movlpd, half_rule::<MergeLow<64>, Low>),
    (Mnemonic::Movhps, half_rule::<LowToHigh, High>),
    (Mnemonic::Movhpd, half_rule::<LowToHigh, High>),
    (Mnemonic::Movhlps, half_rule::<HighToLow, Low>),
    (Mnemonic::Movlhps, half_rule::<LowToHigh, High>),
    (Mnemonic::Maskmovdqu, |insn| Lowered::plain(insn, mask_move)),
];

/// A store of a whole register.
trait WholeStore: 'static {
    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted>;
}

/// To an address that must be aligned.
struct Aligned;
/// To any address.
struct Anywhere;

impl WholeStore for Aligned {
    #[inline(always)]
    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
        aligned(cpu, op)
    }
}

impl WholeStore for Anywhere {
    #[inline(always)]
    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
        Ok(op.linear(cpu))
    }
}

fn whole_rule<M: Source, W: WholeStore>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => load::<Xmm>,
        (Operand::Xmm, Operand::Memory) => load::<M>,
        (Operand::Memory, Operand::Xmm) => store_whole::<W>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn scalar_rule<M: Source, Merge: VectorOp, const BYTES: usize>(
    insn: &Instruction,
) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector::<Merge, Xmm>,
        (Operand::Xmm, Operand::Memory) => load::<M>,
        (Operand::Memory, Operand::Xmm) => store::<Low, BYTES>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn half_rule<Merge: VectorOp, P: Part>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector::<Merge, Xmm>,
        (Operand::Xmm, Operand::Memory) => vector::<Merge, M64>,
        (Operand::Memory, Operand::Xmm) => store::<P, 8>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// Replaces the whole destination.
pub(super) fn load<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch(cpu, mem, op)?;
    cpu.regs.vector.set_xmm(op.dst, value);
    Ok(S::flow(cpu))
}

fn store_whole<W: WholeStore>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let linear = W::address(cpu, op)?;
    let value = cpu.regs.vector.xmm(op.src);
    cpu.store_bytes(mem, linear, value.to_le_bytes())?;
    Ok(cpu.completed())
}

/// Which part of a register is stored.
pub(super) trait Part: 'static {
    /// Bits below the part.
    const SHIFT: u32;
}

/// From bit 0.
pub(super) struct Low;
/// From bit 64.
struct High;

impl Part for Low {
    const SHIFT: u32 = 0;
}

impl Part for High {
    const SHIFT: u32 = 64;
}

/// Stores `BYTES` bytes of the source.
pub(super) fn store<P: Part, const BYTES: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = (cpu.regs.vector.xmm(op.src) >> P::SHIFT).to_le_bytes();
    let bytes: [u8; BYTES] = std::array::from_fn(|index| value[index]);
    cpu.store_bytes(mem, op.linear(cpu), bytes)?;
    Ok(cpu.completed())
}

/// MASKMOVDQU: to hardware an access to all 16 bytes, whatever the mask.
fn mask_move(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let mut address = *op;
    address.base = RDI;
    let linear = address.linear(cpu);
    // The upper half is looked at first, which shows in CR2 (measured).
    cpu.probe_store(mem, linear.wrapping_add(8), 8)?;
    cpu.probe_store(mem, linear, 16)?;
    let mut bytes: [u8; 16] = cpu.load_bytes(mem, linear)?;
    let data = cpu.regs.vector.xmm(op.src).to_le_bytes();
    let mask = cpu.regs.vector.xmm(op.third).to_le_bytes();
    for index in 0..16 {
        if mask[index] & 0x80 != 0 {
            bytes[index] = data[index];
        }
    }
    cpu.store_bytes(mem, linear, bytes)?;
    Ok(cpu.completed())
}
