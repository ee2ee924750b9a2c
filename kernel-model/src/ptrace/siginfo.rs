//! Requests about signals: the siginfo of a stop, pending signals, blocked signals.
//! Source: Linux 6.18 `kernel/ptrace.c` (`ptrace_getsiginfo`, `ptrace_peek_siginfo`).

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::signal::SigInfo;
use crate::signal::info::SIGINFO_BYTES;
use crate::syscalls::check_sigset_size;
use crate::uapi::ptrace::PTRACE_PEEKSIGINFO_SHARED;
use crate::uapi::signal::UNBLOCKABLE;
use crate::uapi::word_at;

/// Bytes of `struct ptrace_peeksiginfo_args`.
const PEEK_ARGS_BYTES: usize = 16;

impl Kernel {
    pub(super) fn ptrace_getsiginfo(&mut self, task: TaskId, data: u64) -> Result<u64, Errno> {
        let info = self.tasks.task(task).trace.last_siginfo.ok_or(Errno::EINVAL)?;
        self.copy_to_user(data, &info.to_bytes())?;
        Ok(0)
    }

    pub(super) fn ptrace_setsiginfo(&mut self, task: TaskId, data: u64) -> Result<u64, Errno> {
        let mut bytes = [0; SIGINFO_BYTES];
        self.copy_from_user(data, &mut bytes)?;
        let trace = &mut self.tasks.task_mut(task).trace;
        if trace.last_siginfo.is_none() {
            return Err(Errno::EINVAL);
        }
        trace.last_siginfo = Some(SigInfo::from_bytes(&bytes));
        Ok(0)
    }

    /// PTRACE_PEEKSIGINFO: `addr` has offset, flags and number.
    pub(super) fn ptrace_peek_siginfo(
        &mut self,
        task: TaskId,
        addr: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        let mut args = [0; PEEK_ARGS_BYTES];
        self.copy_from_user(addr, &mut args)?;
        let (offset, flags_nr) = (word_at(&args, 0), word_at(&args, 8));
        let (flags, nr) = (flags_nr as u32, (flags_nr >> 32) as i32);
        if flags & !PTRACE_PEEKSIGINFO_SHARED != 0 || nr < 0 {
            return Err(Errno::EINVAL);
        }
        let pending = if flags & PTRACE_PEEKSIGINFO_SHARED != 0 {
            &self.tasks.process_of(task).pending
        } else {
            &self.tasks.task(task).pending
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let infos: Vec<SigInfo> = pending.infos().skip(offset).take(nr as usize).copied().collect();
        for (at, info) in (0_u64..).zip(&infos) {
            let to = data.wrapping_add(at * SIGINFO_BYTES as u64);
            if let Err(errno) = self.copy_to_user(to, &info.to_bytes()) {
                return if at > 0 { Ok(at) } else { Err(errno) };
            }
        }
        Ok(infos.len() as u64)
    }

    pub(super) fn ptrace_getsigmask(
        &mut self,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        check_sigset_size(size)?;
        let entry = self.tasks.task(task);
        let mask = entry.saved_mask.unwrap_or(entry.blocked);
        self.write_user_u64(data, mask)?;
        Ok(0)
    }

    pub(super) fn ptrace_setsigmask(
        &mut self,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        check_sigset_size(size)?;
        let mask = self.read_user_u64(data)? & !UNBLOCKABLE;
        let entry = self.tasks.task_mut(task);
        entry.blocked = mask;
        entry.saved_mask = None;
        Ok(0)
    }
}
