//! Bit scans, bit counts and byte swaps (SDM vol. 2A: BSF, BSR, BSWAP).

use crate::regs::{LazyFlags, Width};

/// Index of the lowest set bit; `None` for 0, which leaves the destination alone.
#[inline(always)]
#[must_use]
pub fn bsf(value: u64) -> Option<u64> {
    (value != 0).then(|| u64::from(value.trailing_zeros()))
}

/// Index of the highest set bit; `None` for 0.
#[inline(always)]
#[must_use]
pub fn bsr(value: u64) -> Option<u64> {
    (value != 0).then(|| 63 - u64::from(value.leading_zeros()))
}

/// Flags after a bit scan of `source`: ZF tells of zero; the rest, undefined in the
/// manual, are those of the result on measured processors: clear but for PF.
#[must_use]
pub fn scan_flags(source: u64, result: u64) -> LazyFlags {
    if source == 0 { LazyFlags::logic(0) } else { LazyFlags::logic(result | 0x100) }
}

/// Bytes in reverse order. For 16 bits, where the manual leaves the result
/// undefined, processors give 0.
#[inline(always)]
#[must_use]
pub fn bswap<W: Width>(value: u64) -> u64 {
    match W::BYTES {
        8 => value.swap_bytes(),
        4 => u64::from((value as u32).swap_bytes()),
        _ => 0,
    }
}
