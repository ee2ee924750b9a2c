//! A cycle-approximate x86-64 emulator that models DR0 to DR7 and #DB as silicon does.
//!
//! Its surface is registers, memory, [`machine::Machine::run`] and digests. It knows
//! no operating system: no process, no signal, no system call number.

pub mod alu;
pub mod bare;
pub mod board;
pub mod boot;
pub mod bus;
pub mod cpu;
pub mod cpuid;
pub mod debug;
mod dispatch;
pub mod event;
pub mod flat;
mod insn;
pub mod machine;
pub mod mem;
pub mod op;
mod random;
pub mod regs;
pub mod run;
pub mod support;
pub mod timing;
