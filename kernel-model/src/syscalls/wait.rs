//! wait4 and waitid.
//! Source: Linux 6.18 `kernel/exit.c` (`do_wait`, `eligible_child`, `wait_task_zombie`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::exit::child_info;
use super::table::Syscall;
use super::time::{RUSAGE_BYTES, rusage};
use super::waiting::{Restart, on};
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::signal::SigInfo;
use crate::signal::info::SIGINFO_BYTES;
use crate::task::wait::Channel;
use crate::task::{Process, ProcessId};
use crate::uapi::signal::SIGCHLD;
use crate::uapi::wait::{
    P_ALL, P_PGID, P_PID, P_PIDFD, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG, WNOTHREAD, WNOWAIT,
    WUNTRACED, status_word,
};

const BUT: &str = "children never stop, so only ends are reported";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(61, "wait4", sys_wait4).partial(BUT),
    Syscall::waiting(247, "waitid", sys_waitid).partial("no pidfds; children never stop"),
];

/// Which children are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Any,
    Pid(u32),
    Group(u32),
}

impl Which {
    const fn matches(self, child: &Process) -> bool {
        match self {
            Self::Any => true,
            Self::Pid(pid) => child.pid == pid,
            Self::Group(pgid) => child.pgid == pgid,
        }
    }
}

/// An ended child.
#[derive(Clone, Copy, Debug)]
struct Ended {
    process: ProcessId,
    pid: u32,
    runtime_ns: u64,
    status: ExitStatus,
}

/// What a look at the children shows.
enum Found {
    /// One that has ended.
    Ended(Ended),
    /// Some, of which none has ended.
    Running,
    /// None that match.
    Nobody,
}

fn sys_wait4(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [pid, status_at, options, rusage_at, ..] = *args;
    let (pid, options) = (pid as i32, options & 0xffff_ffff);
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Which::Any,
        0 => Which::Group(kernel.tasks.process_of(task).pgid),
        1.. => Which::Pid(pid as u32),
        _ => Which::Group(pid.unsigned_abs()),
    };
    let ended = match find_child(kernel, task, which, options) {
        Found::Nobody => return Err(Errno::ECHILD),
        Found::Running if options & WNOHANG != 0 => return Ok(Outcome::Done(Ok(0))),
        Found::Running => return Ok(wait_for_child(kernel, task)),
        Found::Ended(ended) => ended,
    };
    reap(kernel, ended);
    if rusage_at != 0 {
        kernel.copy_to_user(rusage_at, &rusage(ended.runtime_ns))?;
    }
    if status_at != 0 {
        kernel.write_user_u32(status_at, status_word(ended.status))?;
    }
    Ok(Outcome::Done(Ok(u64::from(ended.pid))))
}

fn sys_waitid(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [id_type, id, info_at, options, rusage_at, _] = *args;
    let (id, options) = (id as i32, options & 0xffff_ffff);
    let reported = WEXITED | WUNTRACED | WCONTINUED;
    if options & !(WNOHANG | WNOWAIT | reported | WNOTHREAD | WCLONE | WALL) != 0
        || options & reported == 0
    {
        return Err(Errno::EINVAL);
    }
    let which = match (id_type, id) {
        (P_ALL, _) => Which::Any,
        (P_PID, 1..) => Which::Pid(id as u32),
        (P_PGID, 0) => Which::Group(kernel.tasks.process_of(task).pgid),
        (P_PGID, 1..) => Which::Group(id as u32),
        (P_PIDFD, 0..) => return Err(Errno::EBADF),
        _ => return Err(Errno::EINVAL),
    };
    let ended = match find_child(kernel, task, which, options) {
        Found::Nobody => return Err(Errno::ECHILD),
        Found::Ended(ended) if options & WEXITED != 0 => Some(ended),
        Found::Ended(_) | Found::Running if options & WNOHANG != 0 => None,
        Found::Ended(_) | Found::Running => return Ok(wait_for_child(kernel, task)),
    };
    if let Some(ended) = ended {
        if options & WNOWAIT == 0 {
            reap(kernel, ended);
        }
        if rusage_at != 0 {
            let bytes: [u8; RUSAGE_BYTES] = rusage(ended.runtime_ns);
            kernel.copy_to_user(rusage_at, &bytes)?;
        }
    }
    if info_at != 0 {
        let info = ended
            .map_or(SigInfo::default(), |ended| child_info(SIGCHLD, ended.pid, 0, ended.status));
        // Linux fills in the fields up to si_status.
        let bytes: [u8; SIGINFO_BYTES] = info.to_bytes();
        kernel.copy_to_user(info_at, &bytes[..28])?;
    }
    Ok(Outcome::Done(Ok(0)))
}

fn wait_for_child(kernel: &Kernel, task: TaskId) -> Outcome {
    let process = kernel.tasks.task(task).process;
    kernel.wait_or_interrupt(task, on(Channel::Child(process)), Restart::Sys)
}

/// The oldest matching child that has ended.
fn find_child(kernel: &Kernel, task: TaskId, which: Which, options: u64) -> Found {
    let parent = kernel.tasks.task(task).process;
    let mut found = Found::Nobody;
    for (id, child) in &kernel.tasks.processes {
        if child.parent != Some(parent) || !which.matches(child) || !is_eligible(child, options) {
            continue;
        }
        if let Some(status) = child.zombie {
            let (pid, runtime_ns) = (child.pid, child.dead_runtime_ns);
            return Found::Ended(Ended { process: *id, pid, runtime_ns, status });
        }
        found = Found::Running;
    }
    found
}

/// Children that send another signal than SIGCHLD are "clone" children.
const fn is_eligible(child: &Process, options: u64) -> bool {
    let is_clone = child.exit_signal != SIGCHLD;
    options & WALL != 0 || is_clone == (options & WCLONE != 0)
}

fn reap(kernel: &mut Kernel, ended: Ended) {
    kernel.release_process(ended.process);
}
