//! Random values, biased to where instructions go wrong.

use emulator::regs::RFlags;

use super::super::rng::Rng;
use super::super::x87::X87;

/// Integers at the edges of the operand widths.
const INTEGERS: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Magnitudes of single-precision numbers: zero, denormals, one and its neighbours,
/// limits of the integer conversions, infinity, quiet and signalling NaNs.
const SINGLES: [u32; 20] = [
    0,
    1,
    0x0000_0400,
    0x007f_ffff,
    0x0080_0000,
    0x0080_0001,
    0x3effffff,
    0x3f00_0000,
    0x3f7f_ffff,
    0x3f80_0000,
    0x3f80_0001,
    0x4b00_0001,
    0x4eff_ffff,
    0x4f00_0000,
    0x5f00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fc0_0000,
    0x7fff_ffff,
];

/// The same for double precision.
const DOUBLES: [u64; 20] = [
    0,
    1,
    0x0000_0000_1000_0000,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x0010_0000_0000_0001,
    0x3fdf_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0x3ff0_0000_0000_0001,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0x4330_0000_0000_0001,
    0x43e0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7ff8_0000_0000_0000,
    0x7fff_ffff_ffff_ffff,
];

/// A general register or an immediate.
pub(super) fn integer(rng: &mut Rng) -> u64 {
    let edge = rng.pick(&INTEGERS);
    match rng.below(8) {
        0..=2 => edge,
        3 => edge.wrapping_neg(),
        4 => rng.below(256),
        // Sign bits of the four widths over random rest.
        5 => rng.word() & rng.word() ^ rng.pick(&[1 << 7, 1 << 15, 1 << 31, 1 << 63]),
        _ => rng.word(),
    }
}

fn single(rng: &mut Rng) -> u32 {
    let sign = (rng.word() as u32) & 0x8000_0000;
    match rng.below(4) {
        0 => rng.word() as u32,
        // Near one, so that sums cancel and products stay finite.
        1 if rng.chance(50) => 0x3f80_0000 ^ (rng.word() as u32 & 0x81ff_ffff),
        // Small integers and what lies halfway between them, for rounding.
        1 => ((rng.below(64) as f32 - 32.0) * 0.5).to_bits(),
        _ => rng.pick(&SINGLES) | sign,
    }
}

fn double(rng: &mut Rng) -> u64 {
    let sign = rng.word() & (1 << 63);
    match rng.below(4) {
        0 => rng.word(),
        1 if rng.chance(50) => 0x3ff0_0000_0000_0000 ^ (rng.word() & 0x801f_ffff_ffff_ffff),
        1 => ((rng.below(64) as f64 - 32.0) * 0.5).to_bits(),
        _ => rng.pick(&DOUBLES) | sign,
    }
}

/// An XMM register.
pub(super) fn vector(rng: &mut Rng) -> u128 {
    let four =
        |words: [u32; 4]| words.iter().rev().fold(0, |wide, &word| wide << 32 | u128::from(word));
    match rng.below(8) {
        0 => 0,
        1 => u128::MAX,
        2 => u128::from(integer(rng)) << 64 | u128::from(integer(rng)),
        3 | 4 => four([single(rng), single(rng), single(rng), single(rng)]),
        5 | 6 => u128::from(double(rng)) << 64 | u128::from(double(rng)),
        _ => rng.wide(),
    }
}

/// Bytes of memory: integers and floating-point numbers at natural alignment.
pub(super) fn memory(rng: &mut Rng, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(16) {
        let value = vector(rng).to_le_bytes();
        chunk.copy_from_slice(&value[..chunk.len()]);
    }
}

/// RFLAGS: status flags clear, set, or any.
pub(super) fn flags(rng: &mut Rng) -> u64 {
    let status = match rng.below(4) {
        0 => 0,
        1 => RFlags::STATUS,
        _ => rng.word() & RFlags::STATUS,
    };
    let direction = if rng.chance(30) { RFlags::DF } else { 0 };
    RFlags::FIXED | RFlags::IF | status | direction
}

/// MXCSR: mostly as after reset, else any rounding, masks, flags, DAZ and FTZ.
pub(super) fn mxcsr(rng: &mut Rng, percent_as_reset: u64) -> u32 {
    const MASKS: u32 = 0x1f80;
    const ALL: u32 = 0xffff;
    if rng.chance(percent_as_reset) {
        return MASKS;
    }
    let any = rng.word() as u32 & ALL;
    if rng.chance(60) { any | MASKS } else { any }
}

/// Sign and exponent, or significand, of extended-precision numbers that are special.
const EXPONENTS: [u16; 12] =
    [0, 1, 0x3fbf, 0x3ffe, 0x3fff, 0x4000, 0x401e, 0x403e, 0x403f, 0x7ffd, 0x7ffe, 0x7fff];
const SIGNIFICANDS: [u64; 9] = [
    0,
    1,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    (1 << 63) + (1 << 11),
    3 << 62,
    u64::MAX,
];

/// An x87 register.
fn extended(rng: &mut Rng) -> u128 {
    let sign = u128::from(rng.word() & 0x8000) << 64;
    let (exponent, significand) = match rng.below(6) {
        0 => (rng.pick(&EXPONENTS), rng.pick(&SIGNIFICANDS)),
        1 => (rng.pick(&EXPONENTS), rng.word()),
        // An integer, near enough for conversions.
        2 => (0x3fff + rng.below(70) as u16, rng.word() << rng.below(64) | 1 << 63),
        3 => (rng.word() as u16 & 0x7fff, rng.word() | 1 << 63),
        _ => (0x3fff + rng.below(4) as u16, rng.word() | 1 << 63),
    };
    sign | u128::from(exponent) << 64 | u128::from(significand)
}

/// x87 registers: mostly with all exceptions masked and room on the stack.
pub(super) fn x87(rng: &mut Rng) -> X87 {
    const MASKS: u16 = 0x3f;
    const CONTROLS: u16 = 0xf00;
    const FLAGS: u16 = 0x3f;
    const CONDITIONS: u16 = 0x4700;
    let plain = X87::default();
    let st = std::array::from_fn(|_| extended(rng));
    if rng.chance(30) {
        return X87 { st, used: if rng.chance(50) { 0xff } else { 0x0f }, ..plain };
    }
    let control = match rng.below(10) {
        0..=6 => rng.word() as u16 & CONTROLS | MASKS | 0x40,
        _ => rng.word() as u16 & (CONTROLS | MASKS) | 0x40,
    };
    let top = rng.below(8) as u16;
    let mut status = rng.word() as u16 & CONDITIONS | top << 11;
    if rng.chance(40) {
        status |= rng.word() as u16 & FLAGS;
    }
    if rng.chance(10) {
        status |= 0x41;
    }
    // What is pending unmasked is known to the status word as well.
    if status & FLAGS & !control != 0 {
        status |= 0x8080;
    }
    let used = match rng.below(3) {
        0 => 0xff,
        1 => rng.word() as u8 | (1 << top),
        _ => rng.word() as u8,
    };
    X87 { control, status, used, st }
}
