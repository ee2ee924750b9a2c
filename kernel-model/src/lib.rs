//! The Linux layer that programs the debug registers, modelled on an emulated machine:
//! tasks, memory, system calls, traps, and the breakpoint PMU with its slots.
//!
//! It is laid out like the kernel that it models. Only [`arch::x86`] knows the emulator.

pub mod arch;
pub mod debug;
mod digest;
pub mod events;
pub mod exec;
pub mod fs;
pub mod inputs;
pub mod ipc;
pub mod kernel;
pub mod mm;
pub mod net;
pub mod notify;
pub mod observe;
pub mod ptrace;
mod random;
pub mod scenario;
pub mod sched;
pub mod seccomp;
pub mod signal;
pub mod strace;
pub mod syscalls;
pub mod task;
pub mod timer;
pub mod trace;
pub mod uapi;
