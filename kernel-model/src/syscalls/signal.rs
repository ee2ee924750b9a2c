//! What happens with signals: actions, masks, the alternate stack. [`super::kill`] sends them.
//! Source: Linux 6.18 `kernel/signal.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::signal::SigAction;
use crate::signal::action::{Disposition, SIGACTION_BYTES};
use crate::signal::frame::{self, AltStack};
use crate::uapi::signal::{MINSIGSTKSZ, UNBLOCKABLE, is_valid, sa, sigmask, ss};
use crate::uapi::{put, word_at};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(13, "rt_sigaction", sys_rt_sigaction),
    Syscall::plain(14, "rt_sigprocmask", sys_rt_sigprocmask),
    Syscall::waiting(15, "rt_sigreturn", crate::signal::sys_rt_sigreturn),
    Syscall::plain(127, "rt_sigpending", sys_rt_sigpending),
    Syscall::plain(131, "sigaltstack", sys_sigaltstack),
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
