//! SSE to SSE4.2 on XMM registers (SDM vol. 1, chapters 10 to 12).
//!
//! [`operand`] gets second operands and checks what all these instructions check;
//! the families are [`moves`], [`integer`], [`float`], [`convert`], [`transfer`]
//! (lanes to and from general registers) and [`state`] (MXCSR, FXSAVE, prefetch).
//! What came after SSE2 is in [`sse3`] (with SSSE3), [`sse41`] (with PCMPGTQ),
//! [`strings`] (SSE4.2) and [`crypto`] (AES, PCLMULQDQ, SHA).
//! The arithmetic is in [`crate::alu::simd`] and [`crate::alu::float`].
//! Forms with MMX registers are in [`crate::insn::mmx`].

pub(crate) mod convert;
pub(crate) mod crypto;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod moves;
pub(crate) mod operand;
pub(crate) mod sse3;
pub(crate) mod sse41;
pub(crate) mod state;
pub(crate) mod strings;
pub(crate) mod transfer;

#[cfg(test)]
mod tests;
