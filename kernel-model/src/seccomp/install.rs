//! seccomp, and the options of prctl about it.
//! Source: Linux 6.18 `kernel/seccomp.c` (`do_seccomp`, `seccomp_set_mode_filter`,
//! `seccomp_attach_filter`, `seccomp_can_sync_threads`).

use std::collections::BTreeSet;

use perf_core::{Errno, TaskId};

use super::bpf::{BPF_MAXINSNS, Program, SOCK_FILTER_BYTES, SockFilter};
use super::{Filter, FilterId, Mode, action};
use crate::kernel::Kernel;
use crate::syscalls::table::Syscall;
use crate::task::cred::Cap;
use crate::uapi::word_at;

pub(crate) const CALLS: &[Syscall] =
    &[Syscall::plain(317, "seccomp", sys_seccomp).partial("no SECCOMP_FILTER_FLAG_NEW_LISTENER")];

/// Operations.
mod operation {
    pub(super) const SET_MODE_STRICT: u32 = 0;
    pub(super) const SET_MODE_FILTER: u32 = 1;
    pub(super) const GET_ACTION_AVAIL: u32 = 2;
    pub(super) const GET_NOTIF_SIZES: u32 = 3;
}

/// Flags of SECCOMP_SET_MODE_FILTER.
mod flag {
    pub(super) const TSYNC: u64 = 1;
    pub(super) const LOG: u64 = 1 << 1;
    pub(super) const SPEC_ALLOW: u64 = 1 << 2;
    pub(super) const NEW_LISTENER: u64 = 1 << 3;
    pub(super) const TSYNC_ESRCH: u64 = 1 << 4;
    pub(super) const WAIT_KILLABLE_RECV: u64 = 1 << 5;
    pub(super) const ALL: u64 =
        TSYNC | LOG | SPEC_ALLOW | NEW_LISTENER | TSYNC_ESRCH | WAIT_KILLABLE_RECV;
}

/// Bytes of `struct sock_fprog`.
const SOCK_FPROG_BYTES: usize = 16;
/// Most instructions of a thread's filters, each with [`OVERHEAD`] more
/// (`MAX_INSNS_PER_PATH`).
const MAX_INSNS_PER_PATH: usize = (1 << 18) / 8;
/// What each filter that is there already counts beside its instructions.
const OVERHEAD: usize = 4;
/// Bytes of `struct seccomp_notif`, `seccomp_notif_resp` and `seccomp_data`.
const NOTIF_SIZES: [u16; 3] = [80, 24, 64];

fn sys_seccomp(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [operation, flags, addr, ..] = *args;
    do_seccomp(kernel, task, operation as u32, flags & 0xffff_ffff, addr)
}

fn do_seccomp(
    kernel: &mut Kernel,
    task: TaskId,
    operation: u32,
    flags: u64,
    addr: u64,
) -> Result<u64, Errno> {
    match operation {
        operation::SET_MODE_STRICT if flags == 0 && addr == 0 => set_strict(kernel, task),
        operation::SET_MODE_FILTER => set_filter(kernel, task, flags, addr),
        operation::GET_ACTION_AVAIL if flags == 0 => {
            let action = kernel.read_user_u32(addr)?;
            if action::ALL.contains(&action) { Ok(0) } else { Err(Errno::EOPNOTSUPP) }
        }
        operation::GET_NOTIF_SIZES if flags == 0 => {
            let bytes: Vec<u8> = NOTIF_SIZES.iter().flat_map(|size| size.to_le_bytes()).collect();
            kernel.copy_to_user(addr, &bytes).map(|()| 0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// PR_GET_SECCOMP and PR_SET_SECCOMP; `None` for other options.
pub(crate) fn prctl(
    kernel: &mut Kernel,
    task: TaskId,
    option: u64,
    args: &[u64; 6],
) -> Option<Result<u64, Errno>> {
    const PR_GET_SECCOMP: u64 = 21;
    const PR_SET_SECCOMP: u64 = 22;
    match (option, args[1]) {
        (PR_GET_SECCOMP, _) => Some(Ok(u64::from(kernel.tasks.task(task).seccomp.number()))),
        (PR_SET_SECCOMP, 1) => Some(set_strict(kernel, task)),
        (PR_SET_SECCOMP, 2) => Some(set_filter(kernel, task, 0, args[2])),
        (PR_SET_SECCOMP, _) => Some(Err(Errno::EINVAL)),
        _ => None,
    }
}

fn set_strict(kernel: &mut Kernel, task: TaskId) -> Result<u64, Errno> {
    let entry = kernel.tasks.task_mut(task);
    if !matches!(entry.seccomp, Mode::Disabled | Mode::Strict) {
        return Err(Errno::EINVAL);
    }
    entry.seccomp = Mode::Strict;
    kernel.set_tsc_mode(task, crate::arch::x86::tsc::TscMode::Sigsegv);
    Ok(0)
}

/// Reads and checks the program at `addr` (`seccomp_prepare_user_filter`).
fn prepare_filter(kernel: &mut Kernel, task: TaskId, addr: u64) -> Result<Program, Errno> {
    let mut fprog = [0; SOCK_FPROG_BYTES];
    kernel.copy_from_user(addr, &mut fprog)?;
    let (len, filter_at) = (usize::from(word_at(&fprog, 0) as u16), word_at(&fprog, 8));
    if len == 0 || len > BPF_MAXINSNS {
        return Err(Errno::EINVAL);
    }
    let cred = &kernel.tasks.task(task).cred;
    if !cred.no_new_privs && !cred.capable(Cap::SysAdmin) {
        return Err(Errno::EACCES);
    }
    if filter_at == 0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; len * SOCK_FILTER_BYTES];
    kernel.copy_from_user(filter_at, &mut bytes)?;
    let (insns, _) = bytes.as_chunks::<SOCK_FILTER_BYTES>();
    let insns: Vec<SockFilter> = insns.iter().map(SockFilter::from_bytes).collect();
    Program::check(&insns).ok_or(Errno::EINVAL)
}

fn set_filter(kernel: &mut Kernel, task: TaskId, flags: u64, addr: u64) -> Result<u64, Errno> {
    let has = |flag: u64| flags & flag != 0;
    if flags & !flag::ALL != 0
        || has(flag::TSYNC) && has(flag::NEW_LISTENER) && !has(flag::TSYNC_ESRCH)
        || has(flag::WAIT_KILLABLE_RECV) && !has(flag::NEW_LISTENER)
    {
        return Err(Errno::EINVAL);
    }
    let program = prepare_filter(kernel, task, addr)?;
    if has(flag::NEW_LISTENER) {
        kernel.tell_unsupported(task, Some("seccomp: SECCOMP_FILTER_FLAG_NEW_LISTENER"));
        return Err(Errno::EINVAL);
    }
    let mut path = match &kernel.tasks.task(task).seccomp {
        Mode::Disabled => Vec::new(),
        Mode::Filter(path) => path.clone(),
        Mode::Strict | Mode::Dead => return Err(Errno::EINVAL),
    };
    if nr_insns(kernel, &path) + program.len() > MAX_INSNS_PER_PATH {
        return Err(Errno::ENOMEM);
    }
    let others = if has(flag::TSYNC) { other_threads(kernel, task) } else { Vec::new() };
    if let Some(&other) = others.iter().find(|&&other| !can_sync(kernel, other, &path)) {
        let tid = u64::from(kernel.tasks.task(other).tid);
        return if has(flag::TSYNC_ESRCH) { Err(Errno::ESRCH) } else { Ok(tid) };
    }
    let in_use: BTreeSet<FilterId> =
        kernel.tasks.tasks.values().flat_map(|task| task.seccomp.filters()).copied().collect();
    let filter = Filter { program, logs: has(flag::LOG) };
    path.push(kernel.seccomp_filters.add(filter, &in_use));
    let no_new_privs = kernel.tasks.task(task).cred.no_new_privs;
    for thread in others.into_iter().chain([task]) {
        let entry = kernel.tasks.task_mut(thread);
        entry.cred.no_new_privs |= no_new_privs;
        entry.seccomp = Mode::Filter(path.clone());
    }
    Ok(0)
}

fn nr_insns(kernel: &Kernel, path: &[FilterId]) -> usize {
    let filters = &kernel.seccomp_filters.filters;
    path.iter().filter_map(|id| filters.get(id)).map(|f| f.program.len() + OVERHEAD).sum()
}

fn other_threads(kernel: &Kernel, task: TaskId) -> Vec<TaskId> {
    let threads = &kernel.tasks.process_of(task).threads;
    threads.iter().copied().filter(|thread| *thread != task).collect()
}

/// Whether a thread may get the caller's filters: it has none but the first of them.
fn can_sync(kernel: &Kernel, thread: TaskId, path: &[FilterId]) -> bool {
    match &kernel.tasks.task(thread).seccomp {
        Mode::Disabled => true,
        Mode::Filter(own) => path.starts_with(own),
        Mode::Strict | Mode::Dead => false,
    }
}
