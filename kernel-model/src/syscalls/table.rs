//! The table of system calls: what each group has, by number.
//!
//! A new call is a line in its group's `CALLS`. Numbers in no group answer ENOSYS and
//! are told of once.

use perf_core::{Errno, TaskId};

use super::Outcome;
use crate::kernel::Kernel;
use crate::uapi::syscall_nr::NR_SYSCALLS;

/// How far a system call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As Linux has it.
    Full,
    /// As Linux has it, except for what the text says.
    Partial(&'static str),
    /// Never works: the errno, and why. Told of when it is called.
    Refused(Errno, &'static str),
    /// As in a Linux built without it: ENOSYS, which programs expect and handle.
    Absent(&'static str),
}

/// What runs for a system call.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// Nothing.
    None,
    /// One that always completes.
    Plain(fn(&mut Kernel, TaskId, &[u64; 6]) -> Result<u64, Errno>),
    /// One that may wait, be interrupted or set registers.
    Waiting(fn(&mut Kernel, TaskId, &[u64; 6]) -> Result<Outcome, Errno>),
}

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Syscall {
    /// Number on x86-64.
    pub nr: u16,
    /// Name.
    pub name: &'static str,
    /// How far it is supported.
    pub support: Support,
    /// What runs.
    pub handler: Handler,
}

impl Syscall {
    /// A full one that always completes.
    pub(crate) const fn plain(
        nr: u16,
        name: &'static str,
        run: fn(&mut Kernel, TaskId, &[u64; 6]) -> Result<u64, Errno>,
    ) -> Self {
        Self { nr, name, support: Support::Full, handler: Handler::Plain(run) }
    }

    /// A full one that may wait.
    pub(crate) const fn waiting(
        nr: u16,
        name: &'static str,
        run: fn(&mut Kernel, TaskId, &[u64; 6]) -> Result<Outcome, Errno>,
    ) -> Self {
        Self { nr, name, support: Support::Full, handler: Handler::Waiting(run) }
    }

    /// The same, except for what the text says.
    pub(crate) const fn partial(self, but: &'static str) -> Self {
        Self { support: Support::Partial(but), ..self }
    }

    /// One that never works.
    pub(crate) const fn refused(
        nr: u16,
        name: &'static str,
        errno: Errno,
        why: &'static str,
    ) -> Self {
        Self { nr, name, support: Support::Refused(errno, why), handler: Handler::None }
    }

    /// One that a Linux without it answers with ENOSYS.
    pub(crate) const fn absent(nr: u16, name: &'static str, why: &'static str) -> Self {
        Self { nr, name, support: Support::Absent(why), handler: Handler::None }
    }
}

/// All groups.
const GROUPS: &[&[Syscall]] = &[
    super::fs_rw::CALLS,
    super::fs_path::CALLS,
    super::fs_names::CALLS,
    super::fs_attr::CALLS,
    super::fs_fd::CALLS,
    super::fs_lock::CALLS,
    super::fs_mount::CALLS,
    super::fs_copy::CALLS,
    super::fs_times::CALLS,
    super::fs_xattr::CALLS,
    super::ioctl::CALLS,
    super::ipc_msg::CALLS,
    super::ipc_sem::CALLS,
    super::ipc_shm::CALLS,
    super::mqueue::CALLS,
    super::ldt::CALLS,
    super::poll::CALLS,
    super::epoll::CALLS,
    super::eventfd::CALLS,
    super::net::CALLS,
    super::net_message::CALLS,
    super::net_option::CALLS,
    super::mm::CALLS,
    super::mm_lock::CALLS,
    super::mm_policy::CALLS,
    super::futex::CALLS,
    super::futex_waitv::CALLS,
    super::robust::CALLS,
    super::clone::CALLS,
    super::exit::CALLS,
    super::exec::CALLS,
    super::wait::CALLS,
    super::identity::CALLS,
    super::cred::CALLS,
    super::signal::CALLS,
    super::kill::CALLS,
    super::signal_wait::CALLS,
    super::time::CALLS,
    super::sleep::CALLS,
    super::itimer::CALLS,
    super::posix_timer::CALLS,
    super::timerfd::CALLS,
    super::signalfd::CALLS,
    super::pidfd::CALLS,
    super::sched::CALLS,
    super::sched_policy::CALLS,
    super::priority::CALLS,
    super::rseq::CALLS,
    super::namespace::CALLS,
    super::prctl::CALLS,
    super::limits::CALLS,
    super::system::CALLS,
    super::waiting::CALLS,
    super::not_modelled::CALLS,
    crate::ptrace::CALLS,
    crate::seccomp::CALLS,
];

/// By number.
static TABLE: [Option<&Syscall>; NR_SYSCALLS] = by_number();

const fn by_number() -> [Option<&'static Syscall>; NR_SYSCALLS] {
    let mut table: [Option<&'static Syscall>; NR_SYSCALLS] = [None; NR_SYSCALLS];
    let mut group = 0;
    while group < GROUPS.len() {
        let mut index = 0;
        while index < GROUPS[group].len() {
            let entry = &GROUPS[group][index];
            assert!(table[entry.nr as usize].is_none(), "two entries for one number");
            table[entry.nr as usize] = Some(entry);
            index += 1;
        }
        group += 1;
    }
    table
}

/// The entry of a number.
#[must_use]
pub fn find(nr: u64) -> Option<&'static Syscall> {
    TABLE.get(usize::try_from(nr).ok()?).copied().flatten()
}

/// All entries by number.
pub fn all() -> impl Iterator<Item = &'static Syscall> {
    TABLE.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_numbers() {
        for entry in all() {
            assert_eq!(super::super::name_of(u64::from(entry.nr)), Some(entry.name));
        }
    }

    #[test]
    fn assigned_numbers_without_an_entry_are_not_found() {
        for (nr, name) in [(0, Some("read")), (136, None), (334, Some("rseq")), (u64::MAX, None)] {
            assert_eq!(find(nr).map(|entry| entry.name), name, "{nr}");
        }
    }

    #[test]
    fn what_is_refused_has_no_handler() {
        for entry in all() {
            let without = matches!(entry.support, Support::Refused(..) | Support::Absent(_));
            assert_eq!(matches!(entry.handler, Handler::None), without, "{}", entry.name);
        }
    }
}
