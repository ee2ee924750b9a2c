//! wait4 and waitid.
//! Source: Linux 6.18 `kernel/exit.c` (`do_wait`, `eligible_child`, `wait_task_zombie`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::reap::child_info;
use super::table::Syscall;
use super::waiting::{Restart, on};
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::signal::info::SIGINFO_BYTES;
use crate::signal::jobctl::Jobctl;
use crate::signal::{SigFields, SigInfo};
use crate::task::wait::Channel;
use crate::task::{Process, TaskState};
use crate::timer::usage::Usage;
use crate::uapi::fcntl::O_NONBLOCK;
use crate::uapi::signal::{SIGCHLD, SIGCONT, si_code};
use crate::uapi::wait::{
    CONTINUED_WORD, P_ALL, P_PGID, P_PID, P_PIDFD, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG,
    WNOTHREAD, WNOWAIT, WUNTRACED, status_word, stopped_word,
};

pub(super) const CALLS: &[Syscall] =
    &[Syscall::waiting(61, "wait4", sys_wait4), Syscall::waiting(247, "waitid", sys_waitid)];

/// Which children are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Any,
    Pid(u32),
    Group(u32),
}

impl Which {
    const fn matches(self, tid: u32, process: &Process) -> bool {
        match self {
            Self::Any => true,
            Self::Pid(pid) => tid == pid,
            Self::Group(pgid) => process.pgid == pgid,
        }
    }
}

/// As what the caller looks at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Parent,
    Tracer,
}

/// A change of state that a wait reports.
#[derive(Clone, Copy, Debug)]
struct Change {
    task: TaskId,
    tid: u32,
    usage: Usage,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ended(ExitStatus),
    /// A group stop, by its signal.
    Stopped(u32),
    /// A tracee's stop, by signal and event.
    Trapped(u32),
    Continued,
}

impl Change {
    /// The status word of wait4.
    const fn word(&self) -> u32 {
        match self.kind {
            Kind::Ended(status) => status_word(status),
            Kind::Stopped(code) | Kind::Trapped(code) => stopped_word(code),
            Kind::Continued => CONTINUED_WORD,
        }
    }

    /// The siginfo of waitid.
    fn info(&self) -> SigInfo {
        let (code, status) = match self.kind {
            Kind::Ended(status) => return child_info(SIGCHLD, self.tid, &Usage::default(), status),
            Kind::Stopped(code) => (si_code::CLD_STOPPED, code),
            Kind::Trapped(code) => (si_code::CLD_TRAPPED, code),
            Kind::Continued => (si_code::CLD_CONTINUED, SIGCONT),
        };
        let (pid, status) = (self.tid, status as i32);
        let fields = SigFields::Child { pid, uid: 0, status, utime: 0, stime: 0 };
        SigInfo::new(SIGCHLD, code, fields)
    }
}

/// What a look at the children shows.
enum Found {
    Change(Change),
    /// Some that may change.
    Waiting,
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
    let options = options | WEXITED;
    let change = match find_child(kernel, task, which, options) {
        Found::Nobody => return Err(Errno::ECHILD),
        Found::Waiting if options & WNOHANG != 0 => return Ok(Outcome::Done(Ok(0))),
        Found::Waiting => return Ok(wait_for_child(kernel, task)),
        Found::Change(change) => change,
    };
    consume(kernel, &change);
    if rusage_at != 0 {
        kernel.copy_to_user(rusage_at, &change.usage.to_rusage())?;
    }
    if status_at != 0 {
        kernel.write_user_u32(status_at, change.word())?;
    }
    Ok(Outcome::Done(Ok(u64::from(change.tid))))
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
    let mut is_nonblocking = false;
    let which = match (id_type & 0xffff_ffff, id) {
        (P_ALL, _) => Which::Any,
        (P_PID, 1..) => Which::Pid(id as u32),
        (P_PGID, 0) => Which::Group(kernel.tasks.process_of(task).pgid),
        (P_PGID, 1..) => Which::Group(id as u32),
        (P_PIDFD, 0..) => {
            let (pid, flags) = kernel.pidfd_of(task, id as u64)?;
            is_nonblocking = flags & O_NONBLOCK != 0;
            Which::Pid(pid)
        }
        _ => return Err(Errno::EINVAL),
    };
    let change = match find_child(kernel, task, which, options) {
        Found::Nobody => return Err(Errno::ECHILD),
        Found::Change(change) => Some(change),
        Found::Waiting if options & WNOHANG != 0 => None,
        Found::Waiting if is_nonblocking => return Err(Errno::EAGAIN),
        Found::Waiting => return Ok(wait_for_child(kernel, task)),
    };
    if let Some(change) = &change {
        if options & WNOWAIT == 0 {
            consume(kernel, change);
        }
        if rusage_at != 0 {
            kernel.copy_to_user(rusage_at, &change.usage.to_rusage())?;
        }
    }
    if info_at != 0 {
        let info = change.map_or(SigInfo::default(), |change| change.info());
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

/// The first change among the caller's children, oldest first, then among its tracees
/// (`do_wait`).
fn find_child(kernel: &Kernel, task: TaskId, which: Which, options: u64) -> Found {
    let own = kernel.tasks.task(task).process;
    let own_only = options & WNOTHREAD != 0;
    let mut found = Found::Nobody;
    let children = kernel.tasks.processes.values().filter(|child| {
        let maker = child.parent_thread.is_none_or(|maker| maker == task);
        child.parent == Some(own) && (maker || !own_only)
    });
    let tracees = kernel.tasks.tasks.values().filter(|tracee| {
        let tracer = tracee.trace.tracer();
        tracer.is_some_and(|tracer| {
            tracer == task || !own_only && kernel.tasks.task(tracer).process == own
        })
    });
    let candidates = children
        .map(|child| (child.leader, Role::Parent))
        .chain(tracees.map(|tracee| (tracee.id, Role::Tracer)));
    for (candidate, role) in candidates {
        match consider(kernel, candidate, role, which, options) {
            Found::Change(change) => return Found::Change(change),
            Found::Waiting => found = Found::Waiting,
            Found::Nobody => {}
        }
    }
    found
}

/// What the caller may learn of one task (`wait_consider_task`).
fn consider(kernel: &Kernel, task: TaskId, role: Role, which: Which, options: u64) -> Found {
    let entry = kernel.tasks.task(task);
    let process = kernel.tasks.process_of(task);
    let is_eligible = role == Role::Tracer || is_eligible(process, options);
    if !which.matches(entry.tid, process) || !is_eligible {
        return Found::Nobody;
    }
    let is_traced = entry.trace.ptrace.is_some();
    let role = if is_traced && !kernel.ptrace_reparented(task) { Role::Tracer } else { role };
    let change = |kind| {
        let is_whole = process.zombie.is_some() && process.leader == task;
        let mut usage = if is_whole { process.dead_usage } else { entry.usage };
        if is_whole {
            usage.add(&process.children_usage);
        }
        Found::Change(Change { task, tid: entry.tid, usage, kind })
    };
    if let TaskState::Zombie(status) = entry.state {
        let is_delayed = process.leader == task && process.zombie.is_none();
        let is_visible = role == Role::Tracer || !is_traced;
        if !is_delayed && is_visible {
            let status = process.exiting.unwrap_or(status);
            let wanted = options & WEXITED != 0;
            return if wanted { change(Kind::Ended(status)) } else { Found::Nobody };
        }
    } else if role == Role::Tracer {
        let listened = entry.trace.jobctl.has(Jobctl::LISTENING);
        let code = entry.trace.exit_code;
        if entry.state == TaskState::Traced && !listened && code != 0 {
            return change(Kind::Trapped(code));
        }
    }
    let stop = &process.group_stop;
    if role == Role::Parent && options & WUNTRACED != 0 && stop.is_stopped && stop.exit_code != 0 {
        return change(Kind::Stopped(stop.exit_code));
    }
    if options & WCONTINUED != 0 && stop.is_continued {
        return change(Kind::Continued);
    }
    Found::Waiting
}

/// Children that send another signal than SIGCHLD are "clone" children.
const fn is_eligible(child: &Process, options: u64) -> bool {
    let is_clone = child.exit_signal != SIGCHLD;
    options & WALL != 0 || is_clone == (options & WCLONE != 0)
}

/// A change that has been reported is not reported again.
fn consume(kernel: &mut Kernel, change: &Change) {
    let task = change.task;
    match change.kind {
        Kind::Ended(_) => reap(kernel, task, &change.usage),
        Kind::Stopped(_) => kernel.tasks.process_of_mut(task).group_stop.exit_code = 0,
        Kind::Trapped(_) => kernel.tasks.task_mut(task).trace.exit_code = 0,
        Kind::Continued => kernel.tasks.process_of_mut(task).group_stop.is_continued = false,
    }
}

/// Releases a zombie; a tracer leaves that of another's child to its parent
/// (`wait_task_zombie`).
fn reap(kernel: &mut Kernel, task: TaskId, usage: &Usage) {
    let process = kernel.tasks.task(task).process;
    let is_leader = kernel.tasks.process_of(task).leader == task;
    if !is_leader {
        kernel.release_thread(task);
    } else if kernel.ptrace_reparented(task) {
        kernel.ptrace_unlink(task);
        kernel.notify_parent(process);
    } else {
        let parent = kernel.tasks.process_of(task).parent;
        if let Some(parent) = parent.and_then(|id| kernel.tasks.processes.get_mut(&id)) {
            parent.children_usage.add(usage);
        }
        kernel.release_process(process);
    }
}
