//! Resource limits. Those for stack and descriptors have an effect and can be set;
//! the others are fixed.
//! Source: Linux 6.18 `kernel/sys.c` (`do_prlimit`), `include/asm-generic/resource.h`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::fs::fd::NR_OPEN;
use crate::kernel::Kernel;
use crate::uapi::{put, word_at};

const BUT: &str = "only RLIMIT_STACK and RLIMIT_NOFILE can be changed, and only their soft limit";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(97, "getrlimit", |kernel, task, args| {
        prlimit(kernel, task, args[0], 0, args[1])
    })
    .partial(BUT),
    Syscall::plain(160, "setrlimit", |kernel, task, args| {
        prlimit(kernel, task, args[0], args[1], 0)
    })
    .partial(BUT),
    Syscall::plain(302, "prlimit64", sys_prlimit64).partial("of the calling process only"),
];

const RLIMIT_STACK: u64 = 3;
const RLIMIT_NOFILE: u64 = 7;
/// Number of resources.
const RLIM_NLIMITS: u64 = 16;
const RLIM_INFINITY: u64 = u64::MAX;

/// `RLIMIT_CORE`.
const RLIMIT_CORE: u64 = 4;

/// Bytes of a core file that may be written: 0, so processes end without one.
#[must_use]
pub(crate) fn core_limit() -> u64 {
    fixed(RLIMIT_CORE).0
}

/// `RLIMIT_MEMLOCK`.
const RLIMIT_MEMLOCK: u64 = 8;

/// Bytes that a task may lock in memory.
#[must_use]
pub(super) fn memlock_limit(_kernel: &Kernel, _task: TaskId) -> u64 {
    fixed(RLIMIT_MEMLOCK).0
}

/// Soft and hard limit of what is fixed, by resource, as Linux gives them to init.
fn fixed(resource: u64) -> (u64, u64) {
    const RLIMIT_SIGPENDING: u64 = 11;
    const RLIMIT_MSGQUEUE: u64 = 12;
    const RLIMIT_NICE: u64 = 13;
    const RLIMIT_RTPRIO: u64 = 14;
    match resource {
        RLIMIT_CORE => (0, RLIM_INFINITY),
        RLIMIT_MEMLOCK => (8 << 20, 8 << 20),
        RLIMIT_SIGPENDING => {
            let queued = crate::signal::pending::MAX_QUEUED as u64;
            (queued, queued)
        }
        RLIMIT_MSGQUEUE => (819_200, 819_200),
        RLIMIT_NICE | RLIMIT_RTPRIO => (0, 0),
        _ => (RLIM_INFINITY, RLIM_INFINITY),
    }
}

fn sys_prlimit64(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [pid, resource, new_at, old_at, ..] = *args;
    let own = kernel.tasks.process_of(task).pid;
    match pid as i32 {
        0 => {}
        pid if pid as u32 == own => {}
        pid => {
            let found = u32::try_from(pid).ok().and_then(|pid| kernel.tasks.find_tid(pid));
            found.ok_or(Errno::ESRCH)?;
            kernel.tell_unsupported(task, Some("prlimit64 of another process"));
            return Err(Errno::EPERM);
        }
    }
    prlimit(kernel, task, resource, new_at, old_at)
}

fn prlimit(
    kernel: &mut Kernel,
    task: TaskId,
    resource: u64,
    new_at: u64,
    old_at: u64,
) -> Result<u64, Errno> {
    let resource = resource & 0xffff_ffff;
    let mut bytes = [0; 16];
    if new_at != 0 {
        kernel.copy_from_user(new_at, &mut bytes)?;
    }
    if resource >= RLIM_NLIMITS {
        return Err(Errno::EINVAL);
    }
    let old = match resource {
        RLIMIT_STACK => (kernel.tasks.space_of_mut(task).stack_limit(), RLIM_INFINITY),
        RLIMIT_NOFILE => {
            (u64::from(kernel.tasks.process_of(task).files.limit()), u64::from(NR_OPEN))
        }
        _ => fixed(resource),
    };
    if new_at != 0 {
        set(kernel, task, resource, old, (word_at(&bytes, 0), word_at(&bytes, 8)))?;
    }
    if old_at != 0 {
        put(&mut bytes, 0, old.0.to_le_bytes());
        put(&mut bytes, 8, old.1.to_le_bytes());
        kernel.copy_to_user(old_at, &bytes)?;
    }
    Ok(0)
}

fn set(
    kernel: &mut Kernel,
    task: TaskId,
    resource: u64,
    old: (u64, u64),
    new: (u64, u64),
) -> Result<(), Errno> {
    if new.0 > new.1 {
        return Err(Errno::EINVAL);
    }
    match resource {
        _ if new == old => Ok(()),
        RLIMIT_STACK if new.1 == old.1 => {
            kernel.tasks.space_of_mut(task).set_stack_limit(new.0);
            Ok(())
        }
        RLIMIT_NOFILE if new.1 == old.1 => {
            let limit = u32::try_from(new.0).unwrap_or(NR_OPEN);
            kernel.tasks.process_of_mut(task).files.set_limit(limit);
            Ok(())
        }
        _ => {
            kernel.tell_unsupported(task, Some("setrlimit of this resource"));
            Err(Errno::EPERM)
        }
    }
}
