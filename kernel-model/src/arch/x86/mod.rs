//! x86-64: the machine, entry code, traps, debug registers.

pub mod debugreg;
pub mod hw;
pub mod hw_breakpoint;
