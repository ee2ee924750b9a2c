//! The XSAVE area: the legacy region that FXSAVE writes too, the header, and the upper
//! halves of the YMM registers. For the instructions, for CPUID leaf 0xD, and for
//! systems that build such areas themselves.
//! Source: SDM vol. 1, 10.5.1 and 13.4 to 13.6.

use super::control::xcr0;
use super::vector::{MXCSR_RESET, Vector};
use super::x87::{FXSAVE_X87_BYTES, X87};
use crate::alu::float::mxcsr;

/// Alignment of an XSAVE area, in bytes.
pub const ALIGNMENT: u64 = 64;
/// Bytes of the legacy region that are ever written; the rest is for software.
pub const LEGACY_BYTES: usize = 416;
/// Offset of MXCSR.
pub const MXCSR_OFFSET: usize = 24;
/// Offset of MXCSR_MASK.
pub const MXCSR_MASK_OFFSET: usize = 28;
/// Offset of ST0.
pub const ST0_OFFSET: usize = 32;
/// Offset of XMM0.
pub const XMM0_OFFSET: usize = FXSAVE_X87_BYTES;
/// Offset of the header: the end of the legacy region.
pub const HEADER_OFFSET: u32 = 512;
/// Bytes of the header.
pub const HEADER_BYTES: u32 = 64;
/// Offset of the AVX state, in the standard form and, as it is the only extended
/// state, in the compacted form too.
pub const AVX_OFFSET: u32 = HEADER_OFFSET + HEADER_BYTES;
/// Bytes of the AVX state: the upper halves of sixteen YMM registers.
pub const AVX_BYTES: u32 = 256;
/// Bytes of the largest area.
pub const AREA_BYTES: usize = (AVX_OFFSET + AVX_BYTES) as usize;
/// XCOMP_BV bit that says that the compacted form is used.
pub const COMPACTED: u64 = 1 << 63;

/// Bytes of the XSAVE area that the features in `features` (bits of XCR0) need.
#[must_use]
pub const fn area_bytes(features: u64) -> u32 {
    if features & xcr0::AVX != 0 { AVX_OFFSET + AVX_BYTES } else { AVX_OFFSET }
}

/// Whether x87 pointers have 64 bits (with REX.W) or 32 bits and a selector, which is
/// zero on this processor (CPUID.07H.EBX bit 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointers {
    /// 32 bits.
    Narrow,
    /// 64 bits.
    Wide,
}

/// Places of the upper halves of the pointers.
const HIGH_HALVES: [usize; 2] = [12, 20];

/// The legacy region of these registers.
#[must_use]
pub fn legacy_region(vector: &Vector, x87: &X87, pointers: Pointers) -> [u8; LEGACY_BYTES] {
    let mut image = [0; LEGACY_BYTES];
    let (slots, _) = image.as_chunks_mut::<FXSAVE_X87_BYTES>();
    x87.store_fxsave(&mut slots[0]);
    if pointers == Pointers::Narrow {
        cut_pointers(&mut slots[0]);
    }
    image[MXCSR_OFFSET..MXCSR_MASK_OFFSET].copy_from_slice(&vector.mxcsr.to_le_bytes());
    image[MXCSR_MASK_OFFSET..ST0_OFFSET].copy_from_slice(&mxcsr::ALL.to_le_bytes());
    let (slots, _) = image[XMM0_OFFSET..].as_chunks_mut::<16>();
    for (slot, reg) in slots.iter_mut().zip(0..) {
        *slot = vector.xmm(reg).to_le_bytes();
    }
    image
}

fn cut_pointers(image: &mut [u8; FXSAVE_X87_BYTES]) {
    for at in HIGH_HALVES {
        image[at..at + 4].fill(0);
    }
}

/// Loads the x87 part of a legacy region.
pub fn load_x87(x87: &mut X87, image: &[u8; LEGACY_BYTES], pointers: Pointers) {
    let (slots, _) = image.as_chunks::<FXSAVE_X87_BYTES>();
    let mut part = slots[0];
    if pointers == Pointers::Narrow {
        cut_pointers(&mut part);
    }
    x87.load_fxsave(&part);
}

/// Loads the XMM registers of a legacy region; MXCSR is [`mxcsr_of`] it.
pub fn load_xmm(vector: &mut Vector, image: &[u8; LEGACY_BYTES]) {
    let (slots, _) = image[XMM0_OFFSET..].as_chunks::<16>();
    for (slot, reg) in slots.iter().zip(0..) {
        vector.set_xmm(reg, u128::from_le_bytes(*slot));
    }
}

/// MXCSR of a legacy region; `None` where it has bits that do not exist.
#[must_use]
pub fn mxcsr_of(image: &[u8; LEGACY_BYTES]) -> Option<u32> {
    let (words, _) = image[MXCSR_OFFSET..].as_chunks::<4>();
    let value = u32::from_le_bytes(words[0]);
    (value & !mxcsr::ALL == 0).then_some(value)
}

/// The AVX state: the upper halves of the YMM registers.
#[must_use]
pub fn upper_halves(vector: &Vector) -> [u8; AVX_BYTES as usize] {
    let mut image = [0; AVX_BYTES as usize];
    let (slots, _) = image.as_chunks_mut::<16>();
    for (slot, reg) in slots.iter_mut().zip(0..) {
        *slot = vector.ymm(reg).hi.to_le_bytes();
    }
    image
}

/// Loads it.
pub fn load_upper_halves(vector: &mut Vector, image: &[u8; AVX_BYTES as usize]) {
    let (slots, _) = image.as_chunks::<16>();
    for (slot, reg) in slots.iter().zip(0..) {
        let mut value = vector.ymm(reg);
        value.hi = u128::from_le_bytes(*slot);
        vector.set_ymm(reg, value);
    }
}

/// XINUSE: the components that are not in their initial configuration, as bits of
/// XCR0. Processors may call a component in use when it is not; this one never does.
/// MXCSR counts as a part of the SSE state (SDM vol. 1, 13.6).
#[must_use]
pub fn in_use(vector: &Vector, x87: &X87) -> u64 {
    let any = |half: fn(&Vector, u8) -> u128| (0..16).any(|reg| half(vector, reg) != 0);
    let sse = vector.mxcsr != MXCSR_RESET || any(Vector::xmm);
    let avx = any(|vector, reg| vector.ymm(reg).hi);
    let bit = |used, bit| if used { bit } else { 0 };
    bit(*x87 != X87::default(), xcr0::X87) | bit(sse, xcr0::SSE) | bit(avx, xcr0::AVX)
}

/// What XRSTOR does with the components, from the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Components to load.
    pub load: u64,
    /// Components to bring to their initial configuration.
    pub init: u64,
    /// Whether MXCSR is loaded.
    pub mxcsr: bool,
}

impl Restore {
    /// From a header; `None` where XRSTOR raises #GP. In the standard form the last 40
    /// bytes are not looked at (SDM vol. 1, 13.8).
    #[must_use]
    pub fn of(header: &[u8; HEADER_BYTES as usize], requested: u64, enabled: u64) -> Option<Self> {
        let (words, _) = header.as_chunks::<8>();
        let [xstate_bv, xcomp_bv] = [words[0], words[1]].map(u64::from_le_bytes);
        let compacted = xcomp_bv & COMPACTED != 0;
        let (legal, looked_at) = if compacted {
            (xcomp_bv & !COMPACTED & !enabled == 0 && xstate_bv & !xcomp_bv == 0, 8)
        } else {
            (xcomp_bv == 0 && xstate_bv & !enabled == 0, 3)
        };
        let zero = words[2..looked_at].iter().all(|word| *word == [0; 8]);
        if !legal || !zero || xstate_bv & COMPACTED != 0 {
            return None;
        }
        let load = requested & xstate_bv;
        // In the compacted form MXCSR is part of the SSE state; in the standard form it
        // is loaded whenever SSE or AVX state is asked for.
        let sse = if compacted { load & xcr0::SSE } else { requested & xcr0::AVX_STATE };
        Some(Self { load, init: requested & !xstate_bv, mxcsr: sse != 0 })
    }

    /// Does it, with the area's bytes. `None` where MXCSR has bits that do not exist:
    /// nothing is changed then.
    pub fn apply(
        self,
        image: &[u8; AREA_BYTES],
        pointers: Pointers,
        vector: &mut Vector,
        x87: &mut X87,
    ) -> Option<()> {
        let (legacy, _) = image.as_chunks::<LEGACY_BYTES>();
        let legacy = &legacy[0];
        if self.mxcsr {
            vector.mxcsr = mxcsr_of(legacy)?;
        } else if self.init & xcr0::SSE != 0 {
            vector.mxcsr = MXCSR_RESET;
        }
        let mut upper = [0; AVX_BYTES as usize];
        if self.load & xcr0::AVX != 0 {
            upper.copy_from_slice(&image[AVX_OFFSET as usize..]);
        }
        if (self.load | self.init) & xcr0::AVX != 0 {
            load_upper_halves(vector, &upper);
        }
        if self.load & xcr0::SSE != 0 {
            load_xmm(vector, legacy);
        } else if self.init & xcr0::SSE != 0 {
            load_xmm(vector, &[0; LEGACY_BYTES]);
        }
        if self.load & xcr0::X87 != 0 {
            load_x87(x87, legacy, pointers);
        } else if self.init & xcr0::X87 != 0 {
            *x87 = X87::default();
        }
        Some(())
    }
}

/// The area that XSAVE writes with everything in `features` requested and a header of
/// zeros before, in the form with 64-bit pointers.
#[must_use]
pub fn standard_image(vector: &Vector, x87: &X87, features: u64) -> [u8; AREA_BYTES] {
    let mut image = [0; AREA_BYTES];
    image[..LEGACY_BYTES].copy_from_slice(&legacy_region(vector, x87, Pointers::Wide));
    let xstate_bv = in_use(vector, x87) & features;
    image[HEADER_OFFSET as usize..][..8].copy_from_slice(&xstate_bv.to_le_bytes());
    if features & xcr0::AVX != 0 {
        image[AVX_OFFSET as usize..].copy_from_slice(&upper_halves(vector));
    }
    image
}
