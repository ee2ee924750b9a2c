//! Loads and stores of chosen lanes: VPMASKMOVD, VPMASKMOVQ, VMASKMOVPS, VMASKMOVPD,
//! and VMASKMOVDQU, which is another thing.
//!
//! A lane whose mask has its top bit clear is not accessed: no fault, no match of a
//! debug register. Measured besides: alignment is never checked; #GP for any chosen
//! lane comes before #PF; a store that runs from one page into the next faults before
//! it writes, in the upper page with the address of its last byte.

use iced_x86::{EncodingKind, Instruction, Mnemonic};

use super::operand::{L128, L256, Length, check_enabled, encoded, is_256, without_alignment_check};
use crate::alu::simd::Lane;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::insn::sse::moves::{implicit_rdi, store_chosen_bytes};
use crate::insn::sse::operand::{Operand, operand};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::{PAGE_SHIFT, is_canonical};
use crate::op::{Flow, Op, OpFn};
use crate::regs::vector::VectorReg;
use crate::regs::{B32, B64};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vpmaskmovd, rule::<B32>),
    (Mnemonic::Vpmaskmovq, rule::<B64>),
    (Mnemonic::Vmaskmovps, rule::<B32>),
    (Mnemonic::Vmaskmovpd, rule::<B64>),
    (Mnemonic::Vmaskmovdqu, move_bytes_rule),
];

/// A lane that is loaded and stored by itself.
pub(crate) trait Element: MemWidth {
    /// The lane of its size.
    type Lane: Lane;
}

impl Element for B32 {
    type Lane = u32;
}

impl Element for B64 {
    type Lane = u64;
}

/// The lane at `place`, zero-extended.
#[inline(always)]
pub(crate) fn get_lane<L: Lane>(value: VectorReg, place: u32) -> u64 {
    let bit = place * L::BITS;
    let half = if bit < 128 { value.lo } else { value.hi };
    (half >> (bit & 127)) as u64 & u64::MAX >> (64 - L::BITS)
}

/// Replaces the lane at `place`.
#[inline(always)]
pub(crate) fn set_lane<L: Lane>(value: &mut VectorReg, place: u32, lane: u64) {
    let bit = place * L::BITS;
    let half = if bit < 128 { &mut value.lo } else { &mut value.hi };
    let mask = u128::MAX >> (128 - L::BITS);
    *half = *half & !(mask << (bit & 127)) | (u128::from(lane) & mask) << (bit & 127);
}

/// Places whose lane of the mask has its top bit set, from the lowest.
#[inline(always)]
pub(crate) fn chosen<L: Lane>(
    mask: VectorReg,
    nr_lanes: u32,
) -> impl DoubleEndedIterator<Item = u32> {
    (0..nr_lanes).filter(move |&place| get_lane::<L>(mask, place) >> (L::BITS - 1) != 0)
}

fn rule<W: Element>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match (operand(insn, 0) == Operand::Memory, is_256(insn)) {
        (false, false) => load::<W, L128>,
        (false, true) => load::<W, L256>,
        (true, false) => store::<W, L128>,
        (true, true) => store::<W, L256>,
    };
    encoded(insn, run)
}

/// The chosen lanes of an operand in memory.
#[derive(Clone, Copy, Debug)]
struct Lanes {
    /// Linear address of lane 0.
    base: u64,
    mask: VectorReg,
}

impl Lanes {
    fn of(cpu: &Cpu, op: &Op) -> Self {
        Self { base: op.linear(cpu), mask: cpu.regs.vector.ymm(op.src) }
    }

    #[inline(always)]
    fn places<W: Element, L: Length>(self) -> impl DoubleEndedIterator<Item = u32> {
        chosen::<W::Lane>(self.mask, L::BYTES as u32 / W::BYTES)
    }

    #[inline(always)]
    fn address<W: Element>(self, place: u32) -> u64 {
        self.base.wrapping_add(u64::from(place * W::BYTES))
    }

    /// Addresses of the first and the last byte. They must be canonical, which is
    /// looked at before any page (measured).
    #[inline(always)]
    fn span<W: Element, L: Length>(self, cpu: &mut Cpu) -> Result<Option<(u64, u64)>, Faulted> {
        let mut places = self.places::<W, L>();
        let Some(lowest) = places.next() else { return Ok(None) };
        let highest = places.next_back().unwrap_or(lowest);
        let first = self.address::<W>(lowest);
        let last = self.address::<W>(highest).wrapping_add(u64::from(W::BYTES - 1));
        match [first, last].into_iter().find(|&address| !is_canonical(address)) {
            Some(address) => Err(cpu.raise(Exception::non_canonical(address))),
            None => Ok(Some((first, last))),
        }
    }
}

fn load<W: Element, L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let lanes = Lanes::of(cpu, op);
    lanes.span::<W, L>(cpu)?;
    let mut result = VectorReg::default();
    without_alignment_check(cpu, |cpu| {
        for place in lanes.places::<W, L>() {
            let value = W::load(cpu, mem, lanes.address::<W>(place))?;
            set_lane::<W::Lane>(&mut result, place, value);
        }
        Ok(())
    })?;
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(cpu.completed())
}

fn store<W: Element, L: Length>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let lanes = Lanes::of(cpu, op);
    let data = cpu.regs.vector.ymm(op.third);
    let Some((first, last)) = lanes.span::<W, L>(cpu)? else { return Ok(cpu.completed()) };
    without_alignment_check(cpu, |cpu| {
        cpu.probe_store(mem, first, 1)?;
        if first >> PAGE_SHIFT != last >> PAGE_SHIFT {
            cpu.probe_store(mem, last, 1)?;
        }
        for place in lanes.places::<W, L>() {
            let value = get_lane::<W::Lane>(data, place);
            W::store(cpu, mem, lanes.address::<W>(place), value)?;
        }
        Ok(())
    })?;
    Ok(cpu.completed())
}

fn move_bytes_rule(insn: &Instruction) -> Option<Lowered> {
    (insn.encoding() == EncodingKind::VEX).then(|| implicit_rdi(insn, move_bytes))?
}

fn move_bytes(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    store_chosen_bytes(cpu, mem, op)
}
