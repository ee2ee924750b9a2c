//! The x87 FPU's instructions (SDM vol. 1, chapter 8).
//!
//! [`operand`] has the checks before every instruction and the operands in memory;
//! the families are [`load`] (to and from the stack), [`arith`],
//! [`transcendental`], [`compare`] and
//! [`control`] (control and status words, environments). The arithmetic is in
//! [`crate::alu::x87`], the registers in [`crate::regs::x87`].

pub(crate) mod arith;
pub(crate) mod compare;
pub(crate) mod control;
pub(crate) mod load;
pub(crate) mod operand;
pub(crate) mod transcendental;

#[cfg(test)]
mod tests;
