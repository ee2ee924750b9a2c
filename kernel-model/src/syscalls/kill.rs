//! Sending signals: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo.
//! Source: Linux 6.18 `kernel/signal.c` (`kill_something_info`, `check_kill_permission`,
//! `do_rt_sigqueueinfo`).

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::signal::info::SIGINFO_BYTES;
use crate::signal::pending::Enqueued;
use crate::signal::{SigFields, SigInfo};
use crate::task::ProcessId;
use crate::uapi::signal::{NSIG, SIGCONT, si_code};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(62, "kill", sys_kill),
    Syscall::plain(129, "rt_sigqueueinfo", sys_rt_sigqueueinfo),
    Syscall::plain(200, "tkill", sys_tkill),
    Syscall::plain(234, "tgkill", sys_tgkill),
    Syscall::plain(297, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo),
];

/// Whom kill means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Process(u32),
    Group(u32),
    Everyone,
}

fn target_of(pid: i32, own_group: u32) -> Result<Target, Errno> {
    match pid {
        i32::MIN => Err(Errno::ESRCH),
        -1 => Ok(Target::Everyone),
        0 => Ok(Target::Group(own_group)),
        1.. => Ok(Target::Process(pid as u32)),
        _ => Ok(Target::Group(pid.unsigned_abs())),
    }
}

/// Whether the caller may send a signal to a task.
///
/// # Errors
/// EINVAL for no signal's number, EPERM.
pub(super) fn check_kill_permission(
    kernel: &Kernel,
    task: TaskId,
    target: TaskId,
    signal: u32,
) -> Result<(), Errno> {
    if signal > NSIG {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (kernel.tasks.task(task), kernel.tasks.task(target));
    let sid = |of| kernel.tasks.process_of(of).sid;
    let is_allowed = from.process == to.process
        || from.cred.may_signal(&to.cred)
        || signal == SIGCONT && sid(task) == sid(target);
    if is_allowed { Ok(()) } else { Err(Errno::EPERM) }
}

/// The siginfo of a signal that the caller sends itself.
fn own_info(kernel: &Kernel, task: TaskId, signal: u64, code: i32) -> Option<SigInfo> {
    let pid = kernel.tasks.process_of(task).pid;
    let uid = kernel.tasks.task(task).cred.user.real;
    let signal = signal as u32;
    (signal != 0).then_some(SigInfo::new(signal, code, SigFields::Kill { pid, uid }))
}

fn sys_kill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (own_pid, own_group) = {
        let own = kernel.tasks.process_of(task);
        (own.pid, own.pgid)
    };
    let info = own_info(kernel, task, args[1], si_code::SI_USER);
    match target_of(args[0] as i32, own_group)? {
        Target::Process(pid) => {
            let process = match kernel.tasks.find_pid(pid) {
                Some(process) => process,
                // A thread's id means its process.
                None => {
                    let thread = kernel.tasks.find_task_by_vpid(pid).ok_or(Errno::ESRCH)?;
                    kernel.tasks.task(thread).process
                }
            };
            kernel.kill_process(task, process, args[1] as u32, info)?;
        }
        Target::Group(group) => return send_to_group(kernel, task, group, args[1] as u32, info),
        Target::Everyone => {
            let all = processes(kernel, |pid, _| pid > 1 && pid != own_pid);
            if all.is_empty() {
                return Err(Errno::ESRCH);
            }
            for process in all {
                match kernel.kill_process(task, process, args[1] as u32, info) {
                    Ok(()) | Err(Errno::EPERM) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
    Ok(0)
}

fn processes(kernel: &Kernel, wanted: impl Fn(u32, u32) -> bool) -> Vec<ProcessId> {
    let all = kernel.tasks.processes.iter();
    all.filter(|(_, process)| wanted(process.pid, process.pgid)).map(|(id, _)| *id).collect()
}

/// One that may be sent to is enough.
fn send_to_group(
    kernel: &mut Kernel,
    task: TaskId,
    group: u32,
    signal: u32,
    info: Option<SigInfo>,
) -> Result<u64, Errno> {
    let mut result = Err(Errno::ESRCH);
    for process in processes(kernel, |_, pgid| pgid == group) {
        let sent = kernel.kill_process(task, process, signal, info);
        if result.is_err() {
            result = sent.map(|()| 0);
        }
    }
    result
}

impl Kernel {
    /// Sends a signal to a process, or none, to see whether that is allowed.
    fn kill_process(
        &mut self,
        task: TaskId,
        process: ProcessId,
        signal: u32,
        info: Option<SigInfo>,
    ) -> Result<(), Errno> {
        let leader = self.tasks.processes.get(&process).ok_or(Errno::ESRCH)?.leader;
        check_kill_permission(self, task, leader, signal)?;
        if let Some(info) = info {
            self.send_signal_to_process(process, info);
        }
        Ok(())
    }

    /// Sends a signal to a process group.
    ///
    /// # Errors
    /// ESRCH where it has nobody, EPERM where none of them may be sent to.
    pub(super) fn kill_group(
        &mut self,
        task: TaskId,
        group: u32,
        info: Option<SigInfo>,
    ) -> Result<u64, Errno> {
        send_to_group(self, task, group, info.map_or(0, |info| info.si_signo), info)
    }
}

fn sys_tkill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (tid, signal) = (args[0] as i32, args[1]);
    if tid <= 0 {
        return Err(Errno::EINVAL);
    }
    let info = own_info(kernel, task, signal, si_code::SI_TKILL);
    send_to_thread(kernel, task, None, tid as u32, signal as u32, info)
}

fn sys_tgkill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (tgid, tid, signal) = (args[0] as i32, args[1] as i32, args[2]);
    if tid <= 0 || tgid <= 0 {
        return Err(Errno::EINVAL);
    }
    let info = own_info(kernel, task, signal, si_code::SI_TKILL);
    send_to_thread(kernel, task, Some(tgid as u32), tid as u32, signal as u32, info)
}

/// Sends a signal to a thread (`do_send_specific`).
fn send_to_thread(
    kernel: &mut Kernel,
    task: TaskId,
    tgid: Option<u32>,
    tid: u32,
    signal: u32,
    info: Option<SigInfo>,
) -> Result<u64, Errno> {
    let target = kernel.tasks.find_task_by_vpid(tid).ok_or(Errno::ESRCH)?;
    if tgid.is_some_and(|tgid| tgid != kernel.tasks.process_of(target).pid) {
        return Err(Errno::ESRCH);
    }
    check_kill_permission(kernel, task, target, signal)?;
    match info.map(|info| kernel.send_signal_to_thread(target, info)) {
        Some(Enqueued::Refused) => Err(Errno::EAGAIN),
        Some(Enqueued::Queued | Enqueued::Merged | Enqueued::WithoutInfo) | None => Ok(0),
    }
}

/// A siginfo in the caller's memory.
///
/// # Errors
/// EFAULT.
pub(super) fn siginfo_from_user(kernel: &mut Kernel, at: u64) -> Result<SigInfo, Errno> {
    let mut bytes = [0; SIGINFO_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    Ok(SigInfo::from_bytes(&bytes))
}

/// A siginfo to be sent as the caller wrote it; one that looks as if the kernel or tkill had
/// made it only goes to the caller itself. `None` for signal 0.
fn queued_info(
    kernel: &mut Kernel,
    task: TaskId,
    target: u64,
    signal: u64,
    at: u64,
) -> Result<Option<SigInfo>, Errno> {
    let info = siginfo_from_user(kernel, at)?;
    let own = kernel.tasks.process_of(task).pid;
    let is_forged = info.si_code >= 0 || info.si_code == si_code::SI_TKILL;
    if is_forged && target as u32 != own {
        return Err(Errno::EPERM);
    }
    let si_signo = signal as u32;
    Ok((si_signo != 0).then_some(SigInfo { si_signo, ..info }))
}

fn sys_rt_sigqueueinfo(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [pid, signal, info_at, ..] = *args;
    let info = queued_info(kernel, task, pid, signal, info_at)?;
    let target = kernel.tasks.find_task_by_vpid(pid as u32).ok_or(Errno::ESRCH)?;
    check_kill_permission(kernel, task, target, signal as u32)?;
    let process = kernel.tasks.task(target).process;
    match info.map(|info| kernel.send_signal_to_process(process, info)) {
        Some(Enqueued::Refused) => Err(Errno::EAGAIN),
        Some(Enqueued::Queued | Enqueued::Merged | Enqueued::WithoutInfo) | None => Ok(0),
    }
}

fn sys_rt_tgsigqueueinfo(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tgid, tid, signal, info_at, ..] = *args;
    if tgid as i32 <= 0 || tid as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let info = queued_info(kernel, task, tid, signal, info_at)?;
    send_to_thread(kernel, task, Some(tgid as u32), tid as u32, signal as u32, info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_kill_means() {
        for (pid, want) in [
            (5, Ok(Target::Process(5))),
            (0, Ok(Target::Group(9))),
            (-1, Ok(Target::Everyone)),
            (-7, Ok(Target::Group(7))),
            (i32::MIN, Err(Errno::ESRCH)),
        ] {
            assert_eq!(target_of(pid, 9), want, "{pid}");
        }
    }
}
