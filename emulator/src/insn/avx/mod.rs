//! Instructions in VEX encoding: AVX, AVX2, FMA, F16C (SDM vol. 1, chapter 14).
//!
//! [`operand`] has the plumbing: lengths, sources, and op functions that apply an
//! operation of [`crate::alu`] to both 128-bit halves. A result of 128 bits or less
//! clears the rest of the YMM register. Memory operands need no alignment, but for
//! the moves that ask for it.
//!
//! Integers: [`integer`] (SSE2's), [`product`] and [`select`] (SSSE3's and SSE4.1's),
//! [`shift`], [`extend`], [`transfer`] (lanes to and from general registers),
//! [`permute`] (lanes between the halves), [`masked`], [`gather`], [`strings`] and
//! [`crypto`]. Floating point: [`float`] (arithmetic and logic), [`fma`], [`compare`],
//! [`convert`], [`shuffle`]. [`moves`] and [`state`] (VZEROUPPER, MXCSR) are for both.

pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod crypto;
pub(crate) mod extend;
pub(crate) mod float;
pub(crate) mod fma;
pub(crate) mod gather;
pub(crate) mod integer;
pub(crate) mod masked;
pub(crate) mod moves;
pub(crate) mod operand;
pub(crate) mod permute;
pub(crate) mod product;
pub(crate) mod select;
pub(crate) mod shift;
pub(crate) mod shuffle;
pub(crate) mod state;
pub(crate) mod strings;
pub(crate) mod transfer;

#[cfg(test)]
mod float_tests;
#[cfg(test)]
mod memory_tests;
