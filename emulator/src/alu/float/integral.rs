//! ROUNDPS and its like: to the nearest integer within the format
//! (SDM vol. 2B, ROUNDPD, table 4-18).

use super::env::{Env, Rounding, mxcsr};
use super::format::Format;
use super::lanes::LaneOp;
use super::round::drop_bits;
use super::unpack::{propagate, signed};

/// ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD: of the second operand. The immediate has the
/// rounding (bits 1 and 0), whether MXCSR has it instead (bit 2), and whether the
/// precision exception is suppressed (bit 3).
#[derive(Debug)]
pub struct RoundToIntegral;

/// Bit of the immediate: MXCSR.RC rules.
const CURRENT: u8 = 1 << 2;
/// Bit of the immediate: no precision exception.
const QUIETLY: u8 = 1 << 3;

impl LaneOp for RoundToIntegral {
    #[inline(always)]
    fn lane<F: Format>(env: &mut Env, _a: u64, b: u64, imm: u8) -> u64 {
        round_to_integral::<F>(env, b, imm)
    }
}

/// The direction that the immediate asks for.
#[inline(always)]
fn direction(env: &Env, imm: u8) -> Rounding {
    if imm & CURRENT != 0 {
        return env.rounding();
    }
    match imm & 3 {
        0 => Rounding::Nearest,
        1 => Rounding::Down,
        2 => Rounding::Up,
        _ => Rounding::Zero,
    }
}

/// Rounds a value to an integer in the same format. Denormals raise no exception of
/// their own.
pub fn round_to_integral<F: Format>(env: &mut Env, bits: u64, imm: u8) -> u64 {
    if let Some(nan) = propagate::<F>(env, bits, bits) {
        return nan;
    }
    let negative = bits & F::SIGN != 0;
    let magnitude = bits & !F::SIGN;
    let exponent = F::exponent_field(bits) as i32 - F::BIAS;
    if exponent >= F::FRACTION_BITS as i32 {
        return bits;
    }
    if magnitude == 0 || (F::is_denormal(bits) && env.denormals_are_zeroes()) {
        return signed::<F>(negative, 0);
    }
    let rounding = direction(env, imm);
    let (integer, inexact) = if exponent >= 0 {
        // The bits above the binary point end in the integer's last one, for the bias
        // is odd; a carry out of the fraction raises the exponent.
        let drop = F::FRACTION_BITS - exponent as u32;
        let (kept, inexact) = drop_bits(rounding, negative, magnitude, drop);
        (kept << drop, inexact)
    } else {
        // Below one: a half and its fraction count, of less only that it is there.
        let half = 1 << 62;
        let fraction = if exponent == -1 { half | magnitude & F::FRACTION } else { 1 };
        let (one, inexact) = drop_bits(rounding, negative, fraction, 63);
        (one * ((F::BIAS as u64) << F::FRACTION_BITS), inexact)
    };
    if inexact && imm & QUIETLY == 0 {
        env.raise(mxcsr::PE);
    }
    signed::<F>(negative, integer)
}
