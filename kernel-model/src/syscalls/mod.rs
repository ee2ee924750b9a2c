//! System calls: the table, and one module for each group.
//!
//! A handler gets the kernel, the calling task and its six arguments and says what
//! became of the call. One that has to wait says for what, and is run again from
//! its start when that has happened.
//!
//! - [`table`]: what is supported; `waiting`: waits, deadlines and interruption
//! - `fs_rw`, `fs_path`, `fs_names`, `fs_attr`, `fs_fd`, `fs_lock`, `ioctl`: files;
//! - `net`, `net_message`, `net_control`, `net_transfer`, `net_option`: sockets
//! - `poll`, `epoll`, `eventfd`: waiting for files; `perf`: perf events
//! - `ipc_sem`, `ipc_msg`, `ipc_shm`: System V IPC; `mqueue`: POSIX message queues
//! - `mm`, `mm_lock`, `mm_policy`: memory; `futex`, `robust`: locks
//! - `clone`, `exit`, `reap`, `wait`, `identity`, `cred`, `exec`: processes and threads
//! - `signal`, `kill`, `signal_wait`, `signalfd`, `pidfd`: signals; `time`, `sleep`, `itimer`, `posix_timer`, `sched`: time and CPUs
//! - `prctl`, `limits`, `system`: the rest; `not_modelled`: what a Linux can lack

pub(crate) mod clone;
mod cred;
mod epoll;
mod eventfd;
mod exec;
mod exit;
mod fs_attr;
mod fs_copy;
mod fs_fd;
mod fs_lock;
mod fs_mount;
mod fs_names;
mod fs_path;
mod fs_rw;
mod fs_times;
mod fs_xattr;
mod futex;
mod futex_waitv;
mod identity;
mod ioctl;
mod ipc_msg;
mod ipc_sem;
mod ipc_shm;
mod itimer;
mod kill;
mod ldt;
mod limits;
mod mm;
mod mm_lock;
mod mm_policy;
mod mqueue;
mod namespace;
mod net;
mod net_control;
mod net_message;
mod net_option;
mod net_transfer;
mod not_modelled;
pub(crate) mod perf;
mod pidfd;
mod poll;
mod posix_timer;
mod prctl;
mod priority;
mod reap;
mod robust;
mod rseq;
mod sched;
mod sched_policy;
mod signal;
mod signal_wait;
mod signalfd;
mod sleep;
mod system;
pub mod table;
mod time;
mod timerfd;
mod user_dispatch;
mod wait;
mod waiting;

use perf_core::{Errno, TaskId};

use crate::arch::x86::int80::SyscallAbi;
use crate::kernel::Kernel;
use crate::observe::Observation;
use crate::task::wait::WaitFor;
pub use exec::ExecFailure;
pub(crate) use fs_rw::import_iovec;
pub(crate) use namespace::UtsNames;
pub(crate) use prctl::comm_of_bytes;
pub(crate) use signal::check_sigset_size;
pub(crate) use system::UTS;
use table::{Handler, Support};
pub use user_dispatch::UserDispatch;
pub use waiting::Restart;

/// What became of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returns a value or an errno.
    Done(Result<u64, Errno>),
    /// It waits; it will be run again.
    Wait(WaitFor),
    /// A signal interrupted it; what follows depends on the handler.
    Interrupted(Restart),
    /// It has set the task's registers itself (execve, rt_sigreturn).
    RegistersSet,
    /// The calling task has ended, or stopped on its way to that.
    Exited,
    /// The calling task stopped for its tracer amid the call, which will be run again.
    Stopped,
}

impl From<Result<u64, Errno>> for Outcome {
    fn from(result: Result<u64, Errno>) -> Self {
        Self::Done(result)
    }
}

/// Name of an x86-64 system call, where the number is assigned.
#[must_use]
pub fn name_of(nr: u64) -> Option<&'static str> {
    crate::uapi::syscall_nr::name(nr)
}

/// Runs the system call that a task is in, for the first time or again after a wait.
pub fn dispatch(kernel: &mut Kernel, task: TaskId) -> Outcome {
    let Some(call) = kernel.tasks.task(task).syscall else {
        return Outcome::Done(Err(Errno::ENOSYS));
    };
    let (nr, args) = (call.nr, call.args);
    let Some(entry) = table::find(nr) else {
        let is_32_bit = kernel.tasks.task(task).arch.abi == SyscallAbi::I386;
        let by_int80 = is_32_bit.then_some("INT 0x80: this 32-bit call");
        kernel.tell_unsupported(task, by_int80.or(name_of(nr)));
        return Outcome::Done(Err(Errno::ENOSYS));
    };
    if let Support::Refused(errno, _) = entry.support {
        kernel.tell_unsupported(task, Some(entry.name));
        return Outcome::Done(Err(errno));
    }
    match entry.handler {
        Handler::None => Outcome::Done(Err(Errno::ENOSYS)),
        Handler::Plain(handler) => Outcome::Done(handler(kernel, task, &args)),
        Handler::Waiting(handler) => {
            handler(kernel, task, &args).unwrap_or_else(|errno| Outcome::Done(Err(errno)))
        }
    }
}

impl Kernel {
    /// Tells, once for each system call, that something about it is not supported.
    pub(crate) fn tell_unsupported(&mut self, task: TaskId, name: Option<&'static str>) {
        let Some(call) = self.tasks.task(task).syscall else { return };
        // All numbers without a name are told of once.
        let key = if name.is_some() { call.nr } else { u64::MAX };
        if self.told_syscalls.insert(key) {
            let tag = self.tasks.tag(task);
            let (nr, task) = (call.nr, tag);
            self.observations.push(Observation::UnsupportedSyscall { nr, name, task });
        }
    }
}
