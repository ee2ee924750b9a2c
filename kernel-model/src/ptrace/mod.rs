//! ptrace: one task stops, looks into and changes another.
//!
//! A tracee stops at certain points of its kernel code ([`state::ResumeAt`]); it leaves its CPU
//! there and goes on from there when its tracer lets it. So every stop is at a point of the one
//! deterministic order in which CPUs run.
//!
//! - [`state`]: what a task carries; `stop`: the stops themselves; `attach`: who traces whom
//! - `request`: the system call; `siginfo`, `syscall_info`, [`memory`]: groups of its requests
//!
//! Neighbours: [`crate::arch::x86::ptrace`] has registers, debug registers and single steps,
//! `signal/group_stop.rs` job control. Source: Linux 6.18 `kernel/ptrace.c`, `kernel/signal.c`.

mod attach;
pub mod memory;
mod request;
mod siginfo;
pub mod state;
mod stop;
mod syscall_info;

pub(crate) use request::CALLS;
pub(crate) use stop::Stop;
