//! What instructions do, by family as the manual groups them.
//!
//! A family has functions of type [`crate::op::OpFn`] and a table of rules that
//! choose one for a decoded instruction. Operand plumbing is in [`forms`]; the
//! arithmetic itself is in [`crate::alu`].

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod avx;
pub(crate) mod bits;
pub(crate) mod bmi;
pub(crate) mod branch;
pub(crate) mod controlreg;
pub(crate) mod debugreg;
pub(crate) mod decimal;
pub(crate) mod descriptor;
pub(crate) mod far;
pub(crate) mod flags;
pub(crate) mod forms;
pub(crate) mod fused;
pub(crate) mod gate;
pub(crate) mod iret;
pub(crate) mod memory;
pub(crate) mod mmx;
pub(crate) mod mov;
pub(crate) mod movbe;
pub(crate) mod msr;
pub(crate) mod muldiv;
pub(crate) mod port;
pub(crate) mod privileged;
pub(crate) mod random;
pub(crate) mod segbase;
pub(crate) mod segload;
pub(crate) mod shift;
pub(crate) mod sse;
pub(crate) mod stack;
pub(crate) mod string;
pub(crate) mod syscall;
pub(crate) mod systable;
pub(crate) mod system;
pub(crate) mod task;
pub(crate) mod timing_probe;
pub(crate) mod x87;
pub(crate) mod xsave;

#[cfg(test)]
mod integer_tests;
#[cfg(test)]
mod measured_tests;
#[cfg(test)]
mod system_tests;
#[cfg(test)]
mod test_machine;
