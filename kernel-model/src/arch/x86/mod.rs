//! x86-64: the machine, entry code, traps, debug registers.

pub mod costs;
pub mod debug_trap;
pub mod debugreg;
pub mod entry;
pub mod fpu;
pub mod hw;
pub mod hw_breakpoint;
pub mod int80;
pub mod kgdb;
pub mod kvm;
pub mod layout;
pub mod pmc;
pub mod power;
pub mod pt_regs;
pub mod ptrace;
pub mod scenario_program;
pub mod segments;
pub mod text_poke;
pub mod traps;
pub mod tsc;
pub mod vdso;
pub mod vsyscall;
