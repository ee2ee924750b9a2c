//! SSE and SSE2 on XMM registers (SDM vol. 1, chapters 10 and 11).
//!
//! [`operand`] gets second operands and checks what all these instructions check;
//! the families are [`moves`], [`integer`], [`float`], [`convert`], [`transfer`]
//! (lanes to and from general registers) and [`state`] (MXCSR, FXSAVE, prefetch).
//! The arithmetic is in [`crate::alu::simd`] and [`crate::alu::float`].
//! Forms with MMX registers are not built.

pub(crate) mod convert;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod moves;
pub(crate) mod operand;
pub(crate) mod state;
pub(crate) mod transfer;

#[cfg(test)]
mod tests;
