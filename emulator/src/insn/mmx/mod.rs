//! Instructions with MMX registers (SDM vol. 1, chapter 9): MMX itself and what SSE,
//! SSE2 and SSSE3 add to it.
//!
//! [`operand`] has the checks that come first and the registers as operands; the
//! families are [`lanes`] (everything that [`crate::alu::simd`] computes),
//! [`transfer`] (to and from memory and other registers, EMMS) and [`convert`] (to
//! and from floating point). [`narrow`] makes operations on 64 bits of those on 128.
//! The registers are those of the x87 FPU: [`crate::regs::x87`].

pub(crate) mod convert;
pub(crate) mod lanes;
mod narrow;
pub(crate) mod operand;
pub(crate) mod transfer;

#[cfg(test)]
mod tests;
