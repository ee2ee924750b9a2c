//! dr7: a deterministic x86-64 machine with faithful debug registers, and the
//! Linux layer that programs them, on the command line.
//!
//! This crate has no semantics of the machine or of Linux: it says what to run
//! (`cli`, `session`), shows what happened (`report`, `symbols`) and keeps it
//! (`recording`), lets a debugger in (`kgdb`) and plays operations on breakpoints (`scenario`). The
//! machine is in `emulator`, perf events are in `perf-core`,
//! Linux is in `kernel-model`.

pub mod cli;
pub mod cmd;
pub mod conformance;
pub mod event_stands;
pub mod host_perf;
pub mod instructions;
pub mod kgdb;
pub mod output_file;
pub mod recording;
pub mod report;
pub mod scenario;
pub mod session;
pub mod strace;
pub mod symbols;
pub mod syscall_table;
