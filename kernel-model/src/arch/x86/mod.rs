//! x86-64: the machine, entry code, traps, debug registers.

pub mod hw;
