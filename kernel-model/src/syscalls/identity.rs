//! Process and group ids.
//! Source: Linux 6.18 `kernel/sys.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::task::{Process, ProcessId};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(39, "getpid", |kernel, task, _| {
        Ok(u64::from(kernel.tasks.process_of(task).pid))
    }),
    Syscall::plain(109, "setpgid", sys_setpgid).partial("a child that has had exec is accepted"),
    Syscall::plain(110, "getppid", sys_getppid),
    Syscall::plain(111, "getpgrp", |kernel, task, _| {
        Ok(u64::from(kernel.tasks.process_of(task).pgid))
    }),
    Syscall::plain(112, "setsid", sys_setsid),
    Syscall::plain(121, "getpgid", |kernel, task, args| {
        find_process(kernel, task, args[0]).map(|process| u64::from(process.pgid))
    }),
    Syscall::plain(124, "getsid", |kernel, task, args| {
        find_process(kernel, task, args[0]).map(|process| u64::from(process.sid))
    }),
    Syscall::plain(186, "gettid", |kernel, task, _| Ok(u64::from(kernel.tasks.task(task).tid))),
    Syscall::plain(218, "set_tid_address", |kernel, task, args| {
        let entry = kernel.tasks.task_mut(task);
        entry.clear_child_tid = args[0];
        Ok(u64::from(entry.tid))
    }),
];

fn sys_getppid(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<u64, Errno> {
    let parent = kernel.tasks.process_of(task).parent;
    let parent = parent.and_then(|parent| kernel.tasks.processes.get(&parent));
    // An orphan's parent is the system's first process, whether that is modelled or not.
    let is_first = kernel.init_process == Some(kernel.tasks.task(task).process);
    let nobody = if is_first { 0 } else { 1 };
    Ok(parent.map_or(nobody, |parent| u64::from(parent.pid)))
}

/// The process of a thread id, or the caller's for 0.
fn find_process(kernel: &Kernel, task: TaskId, pid: u64) -> Result<&Process, Errno> {
    match pid as i32 {
        0 => Ok(kernel.tasks.process_of(task)),
        1.. => {
            let found = kernel.tasks.find_task_by_vpid(pid as u32);
            found.map(|found| kernel.tasks.process_of(found)).ok_or(Errno::ESRCH)
        }
        _ => Err(Errno::ESRCH),
    }
}

fn sys_setpgid(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let own = kernel.tasks.task(task).process;
    let own_entry = kernel.tasks.process_of(task);
    let (own_pid, own_sid) = (own_entry.pid, own_entry.sid);
    let pid = if args[0] as i32 == 0 { own_pid } else { args[0] as u32 };
    let pgid = if args[1] as i32 == 0 { pid } else { args[1] as u32 };
    if (pgid as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let target: ProcessId = kernel.tasks.find_pid(pid).ok_or(Errno::ESRCH)?;
    let entry = kernel.tasks.processes.get(&target).ok_or(Errno::ESRCH)?;
    if target != own {
        if entry.parent != Some(own) {
            return Err(Errno::ESRCH);
        }
        if entry.sid != own_sid {
            return Err(Errno::EPERM);
        }
    }
    let is_session_leader = entry.sid == entry.pid;
    let group_exists = pgid == pid
        || kernel
            .tasks
            .processes
            .values()
            .any(|member| member.pgid == pgid && member.sid == own_sid);
    if is_session_leader || !group_exists {
        return Err(Errno::EPERM);
    }
    if let Some(entry) = kernel.tasks.processes.get_mut(&target) {
        entry.pgid = pgid;
    }
    Ok(0)
}

fn sys_setsid(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<u64, Errno> {
    let pid = kernel.tasks.process_of(task).pid;
    if kernel.tasks.processes.values().any(|process| process.pgid == pid) {
        return Err(Errno::EPERM);
    }
    let process = kernel.tasks.process_of_mut(task);
    process.sid = pid;
    process.pgid = pid;
    Ok(u64::from(pid))
}
