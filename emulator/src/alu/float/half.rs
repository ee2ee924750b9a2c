//! Conversions from and to binary16 (F16C). Source: SDM vol. 1, 14.4.

use super::convert::convert;
use super::env::{Env, mxcsr};
use super::format::{Half, Layout, Single};
use super::lanes::FloatOp;

/// VCVTPH2PS: of the low half of the second operand.
#[derive(Debug)]
pub struct SinglesOfHalves;
/// VCVTPS2PH: of the second operand, to the low half; the high half is zero. Bits 1
/// and 0 of the immediate are the rounding control, unless bit 2 leaves it to MXCSR.
#[derive(Debug)]
pub struct HalvesOfSingles;

/// Bit of the immediate: MXCSR has the rounding control.
const BY_MXCSR: u8 = 1 << 2;

/// A value as binary32: exact. Denormals raise nothing, and DAZ is not looked at.
#[inline]
pub fn widen_half(env: &mut Env, bits: u64) -> u64 {
    if Half::is_nan(bits) {
        return convert::<Half, Single>(env, bits);
    }
    convert::<Half, Single>(&mut Env::new(mxcsr::MASKS), bits)
}

/// The environment in which VCVTPS2PH rounds: FTZ does not count.
#[inline]
fn rounding_env(env: &Env, imm: u8) -> Env {
    let rounding = match imm & BY_MXCSR {
        0 => u32::from(imm & 3) << mxcsr::RC_SHIFT,
        _ => env.control() & mxcsr::RC,
    };
    Env::new(env.control() & !(mxcsr::FTZ | mxcsr::RC) | rounding)
}

impl FloatOp for SinglesOfHalves {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, _imm: u8) -> u128 {
        (0..4).fold(0, |result, lane| {
            let half = (b >> (16 * lane)) as u64 & Half::MASK;
            result | u128::from(widen_half(env, half)) << (32 * lane)
        })
    }
}

impl FloatOp for HalvesOfSingles {
    #[inline(always)]
    fn apply(env: &mut Env, _a: u128, b: u128, imm: u8) -> u128 {
        let mut rounding = rounding_env(env, imm);
        let result = (0..4).fold(0, |result, lane| {
            let single = (b >> (32 * lane)) as u64 & Single::MASK;
            let half = convert::<Single, Half>(&mut rounding, single);
            // No half is as small: inexact even where the underflow traps (measured).
            if Single::is_denormal(single) && !rounding.denormals_are_zeroes() {
                rounding.raise(mxcsr::PE);
            }
            result | u128::from(half) << (16 * lane)
        });
        env.raise(rounding.raised());
        result
    }
}
