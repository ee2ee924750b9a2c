//! Signals: information, queues, handlers, sending and delivery.
//!
//! Key types: [`SigInfo`] (what a handler is told), [`PendingSignals`] (a queue),
//! [`SigHandlers`] (a process's dispositions), [`Delivery`] (what happened before a
//! return to user mode). The system calls are in [`crate::syscalls`].
//! Source: Linux 6.18 `kernel/signal.c`, `arch/x86/kernel/signal.c`,
//! `arch/x86/kernel/signal_64.c`.

pub mod action;
mod deliver;
mod fasync;
pub mod frame;
pub(crate) mod group_stop;
pub mod info;
pub mod jobctl;
pub mod pending;
pub(crate) mod send;
mod sigreturn;

pub use crate::uapi::signal::MINSIGSTKSZ;
pub use action::{SigAction, SigHandlers};
pub use deliver::{Delivery, deliver_pending};
pub(crate) use fasync::SigioBand;
pub use info::{SigFields, SigInfo};
pub use pending::PendingSignals;
pub(crate) use sigreturn::sys_rt_sigreturn;
