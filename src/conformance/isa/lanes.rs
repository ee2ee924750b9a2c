//! Vector registers for instructions that do little with random lanes: strings with
//! few letters, products that cancel, numbers near the limits of half precision.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::super::rng::Rng;
use super::gather::{lane, set_lane};
use super::operands::Draft;
use super::registers::{RAX, RDX};

/// Letters of strings that are compared: zero ends one.
const LETTERS: [u64; 8] = [0, b'a' as u64, b'b' as u64, b'c' as u64, b'a' as u64, 0x7f, 0x80, 0xff];

/// What an instruction's vectors are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Comparison of strings.
    Strings,
    /// Numbers of half precision are read.
    FromHalf,
    /// Numbers of half precision are made.
    ToHalf,
    /// A fused multiplication and addition of lanes of so many bits.
    Fused(u32),
}

/// The purpose of an instruction, if random lanes are not good enough.
pub(super) fn purpose(mnemonic: Mnemonic) -> Option<Purpose> {
    use Mnemonic::*;
    match mnemonic {
        Pcmpestri | Pcmpestrm | Pcmpistri | Pcmpistrm | Vpcmpestri | Vpcmpestrm | Vpcmpistri
        | Vpcmpistrm => Some(Purpose::Strings),
        Vcvtph2ps => Some(Purpose::FromHalf),
        Vcvtps2ph => Some(Purpose::ToHalf),
        _ => fused(mnemonic),
    }
}

fn fused(mnemonic: Mnemonic) -> Option<Purpose> {
    let name = format!("{mnemonic:?}");
    let is_fused = name.starts_with("Vfm") || name.starts_with("Vfnm");
    let bits = if is_single(&name) { 32 } else { 64 };
    is_fused.then_some(Purpose::Fused(bits))
}

fn is_single(name: &str) -> bool {
    name.ends_with("ps") || name.ends_with("ss")
}

/// Prepares the registers of an instruction.
pub(super) fn prepare(draft: &mut Draft<'_>, insn: &Instruction) {
    let Some(purpose) = purpose(insn.mnemonic()) else { return };
    let registers: Vec<usize> = (0..insn.op_count())
        .filter(|&nth| insn.op_kind(nth) == OpKind::Register)
        .map(|nth| insn.op_register(nth))
        .filter(|register| register.is_vector_register())
        .map(|register| register.number() % 16)
        .collect();
    match purpose {
        Purpose::Strings => {
            if draft.rng.chance(70) {
                for &reg in &registers {
                    draft.start.vector[reg][0] = string(draft.rng);
                }
            }
            for reg in [RAX, RDX] {
                let length = draft.rng.below(40).wrapping_sub(20);
                if draft.rng.chance(70) {
                    draft.suggest(reg, length);
                }
            }
        }
        Purpose::FromHalf | Purpose::ToHalf => {
            for &reg in &registers {
                draft.start.vector[reg] = [wide(draft.rng, purpose), wide(draft.rng, purpose)];
            }
        }
        Purpose::Fused(bits) => {
            if let [a, b, c] = registers[..]
                && draft.rng.chance(40)
            {
                cancel(draft, [a, b, c], bits);
            }
        }
    }
}

/// Bytes for a memory operand; `None` where any will do.
pub(super) fn memory(rng: &mut Rng, mnemonic: Mnemonic) -> Option<u128> {
    match purpose(mnemonic)? {
        Purpose::Strings => rng.chance(70).then(|| string(rng)),
        purpose @ (Purpose::FromHalf | Purpose::ToHalf) => Some(wide(rng, purpose)),
        Purpose::Fused(_) => None,
    }
}

fn wide(rng: &mut Rng, purpose: Purpose) -> u128 {
    let mut vector = [0; 2];
    if purpose == Purpose::FromHalf {
        (0..8).for_each(|nth| set_lane(&mut vector, nth, 16, half(rng)));
    } else {
        (0..4).for_each(|nth| set_lane(&mut vector, nth, 32, near_half(rng)));
    }
    vector[0]
}

/// A number of half precision: often denormal, infinite or not a number.
fn half(rng: &mut Rng) -> u64 {
    const SIGN_AND_FRACTION: u64 = 0x83ff;
    let any = rng.word();
    match rng.below(4) {
        0 => any & SIGN_AND_FRACTION,
        1 => any & SIGN_AND_FRACTION | 0x7c00,
        2 => any & 0xfc00,
        _ => any,
    }
}

/// A number of single precision that half precision can nearly hold.
fn near_half(rng: &mut Rng) -> u64 {
    let exponent = 0x64 + rng.below(0x2e);
    let fraction = match rng.below(3) {
        // Halfway between two numbers of half precision, or nearly.
        0 => (rng.word() & 0x7f_e000 | 0x1000) + rng.below(3) - 1,
        1 => rng.pick(&[0, 0x7f_ffff, 0x7f_e000, 0x7f_f000, 0x7f_efff]),
        _ => rng.word() & 0x7f_ffff,
    };
    rng.word() & 0x8000_0000 | exponent << 23 | fraction
}

fn string(rng: &mut Rng) -> u128 {
    let mut vector = [0; 2];
    let bits = rng.pick(&[8, 8, 16]);
    (0..128 / bits).for_each(|nth| set_lane(&mut vector, nth, bits, rng.pick(&LETTERS)));
    vector[0]
}

/// Makes one of three registers the product of the others, so that a sum cancels.
fn cancel(draft: &mut Draft<'_>, registers: [usize; 3], bits: u32) {
    let turn = draft.rng.below(3) as usize;
    let [a, b, c] = std::array::from_fn(|nth| registers[(nth + turn) % 3]);
    if c == a || c == b {
        return;
    }
    for nth in 0..256 / bits {
        let (x, y) = (&draft.start.vector[a], &draft.start.vector[b]);
        let (x, y) = (lane(x, nth, bits), lane(y, nth, bits));
        let product = if bits == 32 {
            u64::from((f32::from_bits(x as u32) * f32::from_bits(y as u32)).to_bits())
        } else {
            (f64::from_bits(x) * f64::from_bits(y)).to_bits()
        };
        let sign = (draft.rng.below(2)) << (bits - 1);
        let near = product.wrapping_add(draft.rng.pick(&[0, 0, 1, u64::MAX]));
        set_lane(&mut draft.start.vector[c], nth, bits, near ^ sign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes() {
        assert_eq!(purpose(Mnemonic::Vfmadd213ss), Some(Purpose::Fused(32)));
        assert_eq!(purpose(Mnemonic::Vfnmsub231pd), Some(Purpose::Fused(64)));
        assert_eq!(purpose(Mnemonic::Pcmpistri), Some(Purpose::Strings));
        assert_eq!(purpose(Mnemonic::Addps), None);
    }
}
