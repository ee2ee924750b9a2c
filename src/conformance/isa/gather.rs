//! Operands of gathers: every lane of an index vector leads to an address of its own.
//! Source: SDM vol. 2A, 2.3.12 (VSIB).

use iced_x86::{Instruction, OpCodeOperandKind, OpKind, Register};

use super::super::layout::{DATA, READ_ONLY_BYTES};
use super::operands::Draft;
use super::registers::{RSP, general};

/// Whether a gather's three vector registers may be the same, which is #UD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GatherRegisters {
    /// All three are different.
    Distinct,
    /// Two of them are the same.
    Same,
}

/// The shape of an index vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vsib {
    first: Register,
    lane_bits: u32,
    lanes: u32,
}

/// The index vector of an operand kind, where it has one.
pub(super) fn vsib(kind: OpCodeOperandKind) -> Option<Vsib> {
    use OpCodeOperandKind as K;
    let shape = |first, lane_bits, lanes| Some(Vsib { first, lane_bits, lanes });
    match kind {
        K::mem_vsib32x => shape(Register::XMM0, 32, 4),
        K::mem_vsib64x => shape(Register::XMM0, 64, 2),
        K::mem_vsib32y => shape(Register::YMM0, 32, 8),
        K::mem_vsib64y => shape(Register::YMM0, 64, 4),
        _ => None,
    }
}

/// Fills in the memory operand, and gives index and mask lanes that mean something.
pub(super) fn fill(draft: &mut Draft<'_>, insn: &mut Instruction, vsib: Vsib, short: bool) {
    let index = choose_registers(draft, insn);
    let element = insn.memory_size().size() as u64;
    let anchor = DATA + 0x1000 + draft.rng.below(256);
    let start = draft.segment(insn, anchor);
    base(draft, insn, start, short);
    let scale = draft.rng.below(4) as u32;
    insn.set_memory_index(vsib.first + index as u32);
    insn.set_memory_index_scale(1 << scale);
    let all_inside = draft.rng.chance(70);
    for lane in 0..vsib.lanes {
        let target = if all_inside {
            DATA + draft.rng.below(0x2000 + READ_ONLY_BYTES - element)
        } else {
            draft.target(element)
        };
        let distance = (target.wrapping_sub(anchor) as i64 >> scale) as u64;
        set_lane(&mut draft.start.vector[index], lane, vsib.lane_bits, distance);
    }
    set_mask(draft, insn, 8 * element as u32);
}

/// Chooses the index register, and another mask register where need be.
fn choose_registers(draft: &mut Draft<'_>, insn: &mut Instruction) -> usize {
    let destination = insn.op0_register().number();
    let any = draft.rng.below(16) as usize;
    let class = if insn.op2_register().is_ymm() { Register::YMM0 } else { Register::XMM0 };
    let (index, mask) = match draft.gather_registers {
        GatherRegisters::Same => {
            let other = (destination + 1 + draft.rng.below(15) as usize) % 16;
            draft.rng.pick(&[(destination, other), (other, destination), (other, other)])
        }
        GatherRegisters::Distinct => {
            let index = (destination + 1 + draft.rng.below(15) as usize) % 16;
            let free = (0..16).map(|step| (any + step) % 16);
            let mask = free.into_iter().find(|reg| ![index, destination].contains(reg));
            (index, mask.unwrap_or(any))
        }
    };
    insn.set_op_kind(2, OpKind::Register);
    insn.set_op_register(2, class + mask as u32);
    index
}

/// Base and displacement that make `start`.
fn base(draft: &mut Draft<'_>, insn: &mut Instruction, start: u64, short: bool) {
    if draft.rng.chance(10) {
        insn.set_memory_displ_size(if short { 4 } else { 8 });
        insn.set_memory_displacement64(start);
        return;
    }
    let displacement = match draft.rng.below(3) {
        0 => 0,
        1 => i64::from(draft.rng.word() as i8),
        _ => i64::from(draft.rng.word() as i32),
    } as u64;
    let free: Vec<usize> = (0..16).filter(|&reg| reg != RSP && draft.is_free(reg)).collect();
    let register = draft.rng.pick(&free);
    let mut value = start.wrapping_sub(displacement);
    let shown = if short { displacement & 0xffff_ffff } else { displacement };
    if short {
        value = value & 0xffff_ffff | draft.rng.word() << 32;
    }
    draft.set(register, value);
    insn.set_memory_base(general(if short { 32 } else { 64 }, register));
    insn.set_memory_displ_size(if displacement == 0 { 0 } else { 1 });
    insn.set_memory_displacement64(shown);
}

/// Sign bits of the mask: all, none or some.
fn set_mask(draft: &mut Draft<'_>, insn: &Instruction, bits: u32) {
    let mask = insn.op2_register().number();
    let how = draft.rng.below(8);
    for lane in 0..256 / bits {
        let mut value = draft.rng.word();
        match how {
            0 => value &= !(1 << (bits - 1)),
            1..=3 => value |= 1 << (bits - 1),
            _ => {}
        }
        set_lane(&mut draft.start.vector[mask], lane, bits, value);
    }
}

/// Writes a lane of `bits` bits.
pub(super) fn set_lane(vector: &mut [u128; 2], lane: u32, bits: u32, value: u64) {
    let at = lane * bits;
    let half = &mut vector[(at / 128) as usize % 2];
    let ones = if bits == 64 { u128::from(u64::MAX) } else { (1 << bits) - 1 };
    let shift = at % 128;
    *half = *half & !(ones << shift) | (u128::from(value) & ones) << shift;
}

/// Reads a lane of `bits` bits.
pub(super) fn lane(vector: &[u128; 2], lane: u32, bits: u32) -> u64 {
    let at = lane * bits;
    let ones = if bits == 64 { u128::from(u64::MAX) } else { (1 << bits) - 1 };
    (vector[(at / 128) as usize % 2] >> (at % 128) & ones) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_written_where_they_are_read() {
        let mut vector = [u128::MAX, 0];
        set_lane(&mut vector, 3, 64, 0x0123_4567_89ab_cdef);
        set_lane(&mut vector, 1, 32, 0);
        assert_eq!(vector[1], 0x0123_4567_89ab_cdef << 64);
        assert_eq!(vector[0], u128::MAX ^ 0xffff_ffff << 32);
        assert_eq!(lane(&vector, 3, 64), 0x0123_4567_89ab_cdef);
        assert_eq!(lane(&vector, 7, 32), 0x0123_4567);
    }
}
