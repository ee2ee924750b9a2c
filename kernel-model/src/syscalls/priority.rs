//! getpriority, setpriority, ioprio_get, ioprio_set.
//! Source: Linux 6.18 `kernel/sys.c`, `block/ioprio.c`.

use perf_core::{Errno, TaskId};

use super::sched_policy::may_nice;
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::task::cred::Cap;

const KEPT: &str = "kept and told, without effect";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(140, "getpriority", sys_getpriority),
    Syscall::plain(141, "setpriority", sys_setpriority).partial(KEPT),
    Syscall::plain(251, "ioprio_set", sys_ioprio_set).partial(KEPT),
    Syscall::plain(252, "ioprio_get", sys_ioprio_get),
];

/// Whose priority: by a thread's, a process group's or a user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Thread,
    Group,
    User,
}

impl Whose {
    /// By a number that counts from `first`.
    const fn from_number(number: u64, first: u32) -> Result<Self, Errno> {
        match (number as u32).checked_sub(first) {
            Some(0) => Ok(Self::Thread),
            Some(1) => Ok(Self::Group),
            Some(2) => Ok(Self::User),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The tasks that are meant; 0 is the caller's own number.
fn tasks_of(kernel: &Kernel, task: TaskId, whose: Whose, id: u64) -> Result<Vec<TaskId>, Errno> {
    let id = id as u32;
    let own = kernel.tasks.task(task);
    let found: Vec<TaskId> = match whose {
        Whose::Thread if id == 0 => vec![task],
        Whose::Thread => kernel.tasks.find_task_by_vpid(id).into_iter().collect(),
        Whose::Group => {
            let group = if id == 0 { kernel.tasks.process_of(task).pgid } else { id };
            let all = kernel.tasks.tasks.values().map(|entry| entry.id);
            all.filter(|&other| kernel.tasks.process_of(other).pgid == group).collect()
        }
        Whose::User => {
            let user = if id == 0 { own.cred.user.real } else { id };
            let all = kernel.tasks.tasks.values();
            all.filter(|other| other.cred.user.real == user).map(|other| other.id).collect()
        }
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

/// The best priority among the tasks, as 1 (nice 19) to 40 (nice -20).
fn sys_getpriority(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let whose = Whose::from_number(args[0], 0)?;
    let all = tasks_of(kernel, task, whose, args[1])?;
    let best = all.iter().map(|&id| 20 - kernel.tasks.task(id).sched.nice).max();
    best.map(|best| best as u64).ok_or(Errno::ESRCH)
}

/// Whether the caller may change a task's priority.
fn owns(kernel: &Kernel, task: TaskId, target: TaskId) -> bool {
    let (own, other) = (&kernel.tasks.task(task).cred, &kernel.tasks.task(target).cred);
    let user = own.user.effective;
    user == other.user.real || user == other.user.effective || own.capable(Cap::SysNice)
}

fn sys_setpriority(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let whose = Whose::from_number(args[0], 0)?;
    let nice = (args[2] as i32).clamp(-20, 19);
    let mut result = Ok(0);
    for target in tasks_of(kernel, task, whose, args[1])? {
        let old = kernel.tasks.task(target).sched.nice;
        let is_capable = kernel.tasks.task(task).cred.capable(Cap::SysNice);
        if !owns(kernel, task, target) {
            result = Err(Errno::EPERM);
        } else if nice < old && !is_capable && !may_nice(kernel, target, nice) {
            result = Err(Errno::EACCES);
        } else {
            kernel.tasks.task_mut(target).sched.nice = nice;
        }
    }
    result
}

/// Class of an I/O priority; its level is in the low bits.
const fn class_of(ioprio: u16) -> u16 {
    ioprio >> 13
}

fn sys_ioprio_get(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let whose = Whose::from_number(args[0], 1)?;
    let all = tasks_of(kernel, task, whose, args[1])?;
    // The lowest number of those that are set is the best.
    let values = all.iter().map(|&id| kernel.tasks.task(id).sched.ioprio);
    Ok(u64::from(values.min_by_key(|value| (*value == 0, *value)).unwrap_or(0)))
}

fn sys_ioprio_set(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const CLASS_NONE: u16 = 0;
    const CLASS_RT: u16 = 1;
    const CLASS_IDLE: u16 = 3;
    let ioprio = u16::try_from(args[2] as u32).map_err(|_| Errno::EINVAL)?;
    let cred = &kernel.tasks.task(task).cred;
    let is_capable = cred.capable(Cap::SysAdmin) || cred.capable(Cap::SysNice);
    match class_of(ioprio) {
        CLASS_RT if !is_capable => return Err(Errno::EPERM),
        CLASS_NONE if ioprio != 0 => return Err(Errno::EINVAL),
        CLASS_NONE..=CLASS_IDLE => {}
        _ => return Err(Errno::EINVAL),
    }
    let whose = Whose::from_number(args[0], 1)?;
    for target in tasks_of(kernel, task, whose, args[1])? {
        if !owns(kernel, task, target) {
            return Err(Errno::EPERM);
        }
        kernel.tasks.task_mut(target).sched.ioprio = ioprio;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_priority() {
        assert_eq!(Whose::from_number(0, 0), Ok(Whose::Thread));
        assert_eq!(Whose::from_number(3, 1), Ok(Whose::User));
        assert_eq!(Whose::from_number(0, 1), Err(Errno::EINVAL));
        assert_eq!(class_of(2 << 13 | 4), 2);
    }
}
