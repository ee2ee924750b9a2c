//! Sending signals and setting what happens with them.
//! Source: Linux 6.18 `kernel/signal.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::signal::action::{Disposition, SIGACTION_BYTES};
use crate::signal::frame::{self, AltStack};
use crate::signal::pending::Enqueued;
use crate::signal::{SigAction, SigFields, SigInfo};
use crate::task::ProcessId;
use crate::uapi::signal::{MINSIGSTKSZ, NSIG, UNBLOCKABLE, is_valid, sa, si_code, sigmask, ss};
use crate::uapi::{put, word_at};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(13, "rt_sigaction", sys_rt_sigaction),
    Syscall::plain(14, "rt_sigprocmask", sys_rt_sigprocmask),
    Syscall::waiting(15, "rt_sigreturn", crate::signal::sys_rt_sigreturn),
    Syscall::plain(62, "kill", sys_kill),
    Syscall::plain(127, "rt_sigpending", sys_rt_sigpending),
    Syscall::plain(129, "rt_sigqueueinfo", sys_rt_sigqueueinfo),
    Syscall::plain(131, "sigaltstack", sys_sigaltstack),
    Syscall::plain(200, "tkill", sys_tkill),
    Syscall::plain(234, "tgkill", sys_tgkill),
];

/// Bytes of `sigset_t` in the kernel.
pub(super) const SIGSET_BYTES: u64 = 8;
/// Bytes of `stack_t`.
const STACK_BYTES: usize = 24;

/// Checks the size that a program says a signal set has.
pub(crate) const fn check_sigset_size(size: u64) -> Result<(), Errno> {
    if size == SIGSET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

fn sys_rt_sigaction(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [signal, new_at, old_at, size, ..] = *args;
    check_sigset_size(size)?;
    let mut bytes = [0; SIGACTION_BYTES];
    if new_at != 0 {
        kernel.copy_from_user(new_at, &mut bytes)?;
    }
    let signal = signal as u32;
    if !is_valid(signal) || new_at != 0 && sigmask(signal) & UNBLOCKABLE != 0 {
        return Err(Errno::EINVAL);
    }
    let old = kernel.tasks.process_of(task).handlers.get(signal);
    if new_at != 0 {
        let mut new = SigAction::from_bytes(&bytes);
        new.flags &= sa::KNOWN;
        new.mask &= !UNBLOCKABLE;
        kernel.tasks.process_of_mut(task).handlers.set(signal, new);
        if new.disposition(signal) == Disposition::Ignore {
            kernel.flush_pending(task, sigmask(signal));
            kernel.ignore_timers(task, sigmask(signal));
        } else {
            kernel.unignore_timers(task, signal);
        }
    }
    if old_at != 0 {
        kernel.copy_to_user(old_at, &old.to_bytes())?;
    }
    Ok(0)
}

fn sys_rt_sigprocmask(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const SIG_BLOCK: i32 = 0;
    const SIG_UNBLOCK: i32 = 1;
    const SIG_SETMASK: i32 = 2;

    let [how, new_at, old_at, size, ..] = *args;
    check_sigset_size(size)?;
    let old = kernel.tasks.task(task).blocked;
    if new_at != 0 {
        let set = kernel.read_user_u64(new_at)?;
        let mask = match how as i32 {
            SIG_BLOCK => old | set,
            SIG_UNBLOCK => old & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        kernel.set_blocked(task, mask);
    }
    if old_at != 0 {
        kernel.write_user_u64(old_at, old)?;
    }
    Ok(0)
}

fn sys_rt_sigpending(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [at, size, ..] = *args;
    if size > SIGSET_BYTES {
        return Err(Errno::EINVAL);
    }
    let entry = kernel.tasks.task(task);
    let pending = entry.pending.mask() | kernel.tasks.process_of(task).pending.mask();
    let blocked = (pending & entry.blocked).to_le_bytes();
    kernel.copy_to_user(at, &blocked[..size as usize])?;
    Ok(0)
}

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

fn sys_kill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let own = kernel.tasks.process_of(task);
    let (own_pid, own_group) = (own.pid, own.pgid);
    let targets: Vec<ProcessId> = match target_of(args[0] as i32, own_group)? {
        Target::Process(pid) => kernel.tasks.find_pid(pid).into_iter().collect(),
        Target::Group(group) => processes(kernel, |_, pgid| pgid == group),
        Target::Everyone => processes(kernel, |pid, _| pid > 1 && pid != own_pid),
    };
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    let kill = SigFields::Kill { pid: own_pid, uid: 0 };
    let Some(info) = sent_signal(args[1], si_code::SI_USER, kill)? else { return Ok(0) };
    for process in targets {
        kernel.send_signal_to_process(process, info);
    }
    Ok(0)
}

fn processes(kernel: &Kernel, wanted: impl Fn(u32, u32) -> bool) -> Vec<ProcessId> {
    let all = kernel.tasks.processes.iter();
    all.filter(|(_, process)| wanted(process.pid, process.pgid)).map(|(id, _)| *id).collect()
}

/// The signal to send; nothing for number 0, which only tests for existence.
fn sent_signal(signal: u64, code: i32, fields: SigFields) -> Result<Option<SigInfo>, Errno> {
    let signal = signal as u32;
    if signal > NSIG {
        return Err(Errno::EINVAL);
    }
    Ok((signal != 0).then_some(SigInfo::new(signal, code, fields)))
}

fn sys_tkill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (tid, signal) = (args[0] as i32, args[1]);
    if tid <= 0 {
        return Err(Errno::EINVAL);
    }
    do_tkill(kernel, task, None, tid as u32, signal)
}

fn sys_tgkill(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (tgid, tid, signal) = (args[0] as i32, args[1] as i32, args[2]);
    if tid <= 0 || tgid <= 0 {
        return Err(Errno::EINVAL);
    }
    do_tkill(kernel, task, Some(tgid as u32), tid as u32, signal)
}

fn do_tkill(
    kernel: &mut Kernel,
    task: TaskId,
    tgid: Option<u32>,
    tid: u32,
    signal: u64,
) -> Result<u64, Errno> {
    let target = kernel.tasks.find_tid(tid).ok_or(Errno::ESRCH)?;
    if tgid.is_some_and(|tgid| tgid != kernel.tasks.process_of(target).pid) {
        return Err(Errno::ESRCH);
    }
    let kill = SigFields::Kill { pid: kernel.tasks.process_of(task).pid, uid: 0 };
    let Some(info) = sent_signal(signal, si_code::SI_TKILL, kill)? else { return Ok(0) };
    kernel.send_signal_to_thread(target, info);
    Ok(0)
}

fn sys_rt_sigqueueinfo(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [pid, signal, info_at, ..] = *args;
    let mut bytes = [0; crate::signal::info::SIGINFO_BYTES];
    kernel.copy_from_user(info_at, &mut bytes)?;
    let code = word_at(&bytes, 8) as i32;
    let own_pid = kernel.tasks.process_of(task).pid;
    if (code >= 0 || code == si_code::SI_TKILL) && pid as u32 != own_pid {
        return Err(Errno::EPERM);
    }
    let target = kernel.tasks.find_pid(pid as u32).ok_or(Errno::ESRCH)?;
    let ids = word_at(&bytes, 16);
    let fields =
        SigFields::Rt { pid: ids as u32, uid: (ids >> 32) as u32, value: word_at(&bytes, 24) };
    let Some(info) = sent_signal(signal, code, fields)? else { return Ok(0) };
    match kernel.send_signal_to_process(target, info) {
        Enqueued::WithoutInfo => Err(Errno::EAGAIN),
        Enqueued::Queued | Enqueued::Merged => Ok(0),
    }
}

fn sys_sigaltstack(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [new_at, old_at, ..] = *args;
    let mut bytes = [0; STACK_BYTES];
    if new_at != 0 {
        kernel.copy_from_user(new_at, &mut bytes)?;
    }
    let entry = kernel.tasks.task(task);
    let (old, sp) = (entry.altstack, entry.regs.sp());
    if new_at != 0 {
        let new = (word_at(&bytes, 0), word_at(&bytes, 16), word_at(&bytes, 8) as u32);
        kernel.set_altstack(task, new, MINSIGSTKSZ)?;
    }
    if old_at != 0 {
        let flags = frame::sas_ss_flags(old, sp) | old.2 & ss::AUTODISARM;
        let mut bytes = [0; STACK_BYTES];
        put(&mut bytes, 0, old.0.to_le_bytes());
        put(&mut bytes, 8, flags.to_le_bytes());
        put(&mut bytes, 16, old.1.to_le_bytes());
        kernel.copy_to_user(old_at, &bytes)?;
    }
    Ok(0)
}

impl Kernel {
    /// Sets the alternate signal stack (`do_sigaltstack`).
    ///
    /// # Errors
    /// EPERM while on it, EINVAL for unknown flags, ENOMEM where it is too small.
    pub(crate) fn set_altstack(
        &mut self,
        task: TaskId,
        new: AltStack,
        min_size: u64,
    ) -> Result<(), Errno> {
        let entry = self.tasks.task_mut(task);
        let (base, size, flags) = new;
        if frame::on_sig_stack(entry.altstack, entry.regs.sp()) {
            return Err(Errno::EPERM);
        }
        entry.altstack = match flags & !ss::AUTODISARM {
            ss::DISABLE => (0, 0, flags),
            0 | ss::ONSTACK if size < min_size => return Err(Errno::ENOMEM),
            0 | ss::ONSTACK => (base, size, flags),
            _ => return Err(Errno::EINVAL),
        };
        Ok(())
    }
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

    #[test]
    fn signal_numbers() {
        let send = |signal| sent_signal(signal, 0, SigFields::None).map(|info| info.is_some());
        assert_eq!([send(0), send(1), send(64)], [Ok(false), Ok(true), Ok(true)]);
        assert_eq!([send(65), send(u64::MAX)], [Err(Errno::EINVAL); 2]);
    }
}
