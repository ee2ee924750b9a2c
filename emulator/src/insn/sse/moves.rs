//! Moves between XMM registers and memory.

use iced_x86::{Instruction, Mnemonic};

use super::integer::vector_run;
use super::operand::{
    Loose128, M32, M64, M128, Operand, Source, Xmm, aligned, check_enabled, is_enabled, operands,
};
use crate::alu::simd::VectorOp;
use crate::alu::simd::shuffle::{HighToLow, LowToHigh, MergeLow};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered, address_size, implicit_address_size};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn, Run, alone, go_on};
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
    (Mnemonic::Maskmovdqu, |insn| implicit_rdi(insn, mask_move)),
];

/// A store of a whole register.
trait WholeStore: 'static {
    /// What the address must be a multiple of.
    const ALIGNMENT: u64;

    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted>;
}

/// To an address that must be aligned.
struct Aligned;
/// To any address.
struct Anywhere;

impl WholeStore for Aligned {
    const ALIGNMENT: u64 = 16;

    #[inline(always)]
    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
        aligned(cpu, op)
    }
}

impl WholeStore for Anywhere {
    const ALIGNMENT: u64 = 1;

    #[inline(always)]
    fn address(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
        Ok(op.linear(cpu))
    }
}

fn whole_rule<M: Source, W: WholeStore>(insn: &Instruction) -> Option<Lowered> {
    let run = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => load_run::<Xmm>(),
        (Operand::Xmm, Operand::Memory) => load_run::<M>(),
        (Operand::Memory, Operand::Xmm) => {
            Run { alone: store_whole::<W>, chain: store_whole_chain::<W> }
        }
        _ => return None,
    };
    Lowered::quick(insn, run)
}

fn scalar_rule<M: Source, Merge: VectorOp, const BYTES: usize>(
    insn: &Instruction,
) -> Option<Lowered> {
    let run = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector_run::<Merge, Xmm>(),
        (Operand::Xmm, Operand::Memory) => load_run::<M>(),
        (Operand::Memory, Operand::Xmm) => store_run::<Low, BYTES>(),
        _ => return None,
    };
    Lowered::quick(insn, run)
}

fn half_rule<Merge: VectorOp, P: Part>(insn: &Instruction) -> Option<Lowered> {
    let run = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => vector_run::<Merge, Xmm>(),
        (Operand::Xmm, Operand::Memory) => vector_run::<Merge, M64>(),
        (Operand::Memory, Operand::Xmm) => store_run::<P, 8>(),
        _ => return None,
    };
    Lowered::quick(insn, run)
}

/// Replaces the whole destination.
pub(super) fn load<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = S::fetch(cpu, mem, op)?;
    cpu.regs.vector.set_xmm(op.dst, value);
    Ok(S::flow(cpu))
}

/// Both ways to run [`load`].
pub(super) fn load_run<S: Source>() -> Run {
    Run { alone: load::<S>, chain: load_chain::<S> }
}

fn load_chain<S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    match S::fetch_fast(cpu, mem, op) {
        Some(value) if is_enabled(cpu) => {
            cpu.regs.vector.set_xmm(op.dst, value);
            go_on(cpu, mem, rest)
        }
        _ => alone(cpu, mem, op, rest),
    }
}

fn store_whole_chain<W: WholeStore>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    if !linear.is_multiple_of(W::ALIGNMENT) || !is_enabled(cpu) {
        return alone(cpu, mem, op, rest);
    }
    let value = cpu.regs.vector.xmm(op.src);
    match cpu.store_bytes_fast(mem, linear, value.to_le_bytes()) {
        Some(()) => go_on(cpu, mem, rest),
        None => alone(cpu, mem, op, rest),
    }
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
    let bytes = part::<P, BYTES>(cpu, op);
    cpu.store_bytes(mem, op.linear(cpu), bytes)?;
    Ok(cpu.completed())
}

/// An op whose memory operand is at RDI, or EDI.
pub(crate) fn implicit_rdi(insn: &Instruction, run: OpFn) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, run)?;
    lowered.op.base = RDI;
    lowered.op.address = address_size(insn, implicit_address_size(insn.op0_kind()));
    Some(lowered)
}

/// The bytes that [`store`] stores.
#[inline(always)]
fn part<P: Part, const BYTES: usize>(cpu: &Cpu, op: &Op) -> [u8; BYTES] {
    let value = (cpu.regs.vector.xmm(op.src) >> P::SHIFT).to_le_bytes();
    std::array::from_fn(|index| value[index])
}

/// Both ways to run [`store`].
pub(super) fn store_run<P: Part, const BYTES: usize>() -> Run {
    Run { alone: store::<P, BYTES>, chain: store_chain::<P, BYTES> }
}

fn store_chain<P: Part, const BYTES: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let bytes = part::<P, BYTES>(cpu, op);
    let linear = op.linear(cpu);
    if is_enabled(cpu) && cpu.store_bytes_fast(mem, linear, bytes).is_some() {
        return go_on(cpu, mem, rest);
    }
    alone(cpu, mem, op, rest)
}

fn mask_move(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    store_chosen_bytes(cpu, mem, op)
}

/// MASKMOVDQU and VMASKMOVDQU: two accesses of 8 bytes (measured with 32-bit addresses,
/// where the upper half's wraps around by itself).
pub(crate) fn store_chosen_bytes(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let upper = Op { disp: op.disp.wrapping_add(8), ..*op };
    // The upper half is looked at first, which shows in CR2 (measured).
    cpu.probe_store(mem, upper.linear(cpu), 8)?;
    cpu.probe_store(mem, op.linear(cpu), 8)?;
    let data = cpu.regs.vector.xmm(op.src);
    let mask = cpu.regs.vector.xmm(op.third);
    let half = |value: u128, shift: u32| ((value >> shift) as u64).to_le_bytes();
    store_chosen(cpu, mem, op, half(data, 0), half(mask, 0))?;
    store_chosen(cpu, mem, &upper, half(data, 64), half(mask, 64))
}

/// Stores the bytes whose mask byte has its top bit set. To page tables and debug
/// registers an access to all `N` bytes, even where the mask is zero (measured: faults
/// and hits are the same for every mask).
pub(crate) fn store_chosen<const N: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    data: [u8; N],
    mask: [u8; N],
) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    cpu.probe_store(mem, linear, N as u64)?;
    let old: [u8; N] = cpu.load_bytes(mem, linear)?;
    let new: [u8; N] = std::array::from_fn(|i| if mask[i] & 0x80 == 0 { old[i] } else { data[i] });
    cpu.store_bytes(mem, linear, new)?;
    Ok(cpu.completed())
}
