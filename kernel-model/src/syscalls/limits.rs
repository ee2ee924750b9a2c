//! getrlimit, setrlimit, prlimit64.
//! Source: Linux 6.18 `kernel/sys.c` (`do_prlimit`, `check_prlimit_permission`).

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::fs::fd::NR_OPEN;
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::task::limits::{RLIM_NLIMITS, Resource, Rlimit};
use crate::uapi::{put, word_at};

const BUT: &str = "only CPU, FSIZE, STACK, CORE, NPROC, NOFILE, SIGPENDING, NICE and RTPRIO have an \
                   effect";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(97, "getrlimit", |kernel, task, args| {
        prlimit(kernel, task, task, [args[0], 0, args[1]])
    }),
    Syscall::plain(160, "setrlimit", |kernel, task, args| {
        prlimit(kernel, task, task, [args[0], args[1], 0])
    })
    .partial(BUT),
    Syscall::plain(302, "prlimit64", sys_prlimit64).partial(BUT),
];

fn sys_prlimit64(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [pid, resource, new_at, old_at, ..] = *args;
    let target = match pid as u32 {
        0 => task,
        pid => kernel.tasks.find_task_by_vpid(pid).ok_or(Errno::ESRCH)?,
    };
    check_permission(kernel, task, target)?;
    prlimit(kernel, task, target, [resource, new_at, old_at])
}

fn check_permission(kernel: &Kernel, task: TaskId, target: TaskId) -> Result<(), Errno> {
    let (own, other) = (&kernel.tasks.task(task).cred, &kernel.tasks.task(target).cred);
    let same = |own: u32, ids: crate::task::cred::Ids| {
        own == ids.real && own == ids.effective && own == ids.saved
    };
    let is_allowed = task == target
        || same(own.user.real, other.user) && same(own.group.real, other.group)
        || own.capable(Cap::SysResource);
    if is_allowed { Ok(()) } else { Err(Errno::EPERM) }
}

/// Reads and replaces a limit; `args` are the resource, the new limit's address and the old
/// one's.
fn prlimit(
    kernel: &mut Kernel,
    task: TaskId,
    target: TaskId,
    args: [u64; 3],
) -> Result<u64, Errno> {
    let [resource, new_at, old_at] = args;
    let resource = resource & 0xffff_ffff;
    let mut bytes = [0; 16];
    if new_at != 0 {
        kernel.copy_from_user(new_at, &mut bytes)?;
    }
    if resource >= RLIM_NLIMITS as u64 {
        return Err(Errno::EINVAL);
    }
    let new = Rlimit { soft: word_at(&bytes, 0), hard: word_at(&bytes, 8) };
    let is_privileged = kernel.tasks.task(task).cred.capable(Cap::SysResource);
    let limits = &mut kernel.tasks.process_of_mut(target).limits;
    let entry = limits.by_number(resource).ok_or(Errno::EINVAL)?;
    let old = *entry;
    if new_at != 0 {
        check(resource, old, new)?;
        if new.hard > old.hard && !is_privileged {
            return Err(Errno::EPERM);
        }
        *entry = new;
        apply(kernel, target, resource, new);
    }
    if old_at != 0 {
        put(&mut bytes, 0, old.soft.to_le_bytes());
        put(&mut bytes, 8, old.hard.to_le_bytes());
        kernel.copy_to_user(old_at, &bytes)?;
    }
    Ok(0)
}

fn check(resource: u64, old: Rlimit, new: Rlimit) -> Result<(), Errno> {
    if new.soft > new.hard {
        return Err(Errno::EINVAL);
    }
    let is_beyond = resource == Resource::Nofile as u64 && new.hard > u64::from(NR_OPEN);
    if is_beyond && new != old { Err(Errno::EPERM) } else { Ok(()) }
}

/// Tells those who keep a limit of their own.
fn apply(kernel: &mut Kernel, target: TaskId, resource: u64, new: Rlimit) {
    if resource == Resource::Stack as u64 {
        kernel.tasks.space_of_mut(target).set_stack_limit(new.soft);
    } else if resource == Resource::Nofile as u64 {
        let limit = u32::try_from(new.soft).unwrap_or(NR_OPEN);
        kernel.tasks.process_of_mut(target).files.set_limit(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::limits::RLIM_INFINITY;

    #[test]
    fn limits_that_make_no_sense() {
        let limit = |soft, hard| Rlimit { soft, hard };
        let old = limit(1024, 1 << 20);
        for (resource, new, want) in [
            (0, limit(2, 1), Err(Errno::EINVAL)),
            (0, limit(1, RLIM_INFINITY), Ok(())),
            (7, limit(1, RLIM_INFINITY), Err(Errno::EPERM)),
            (7, limit(3, 1 << 20), Ok(())),
        ] {
            assert_eq!(check(resource, old, new), want, "{resource} {new:?}");
        }
    }
}
