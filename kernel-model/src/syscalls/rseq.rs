//! rseq and membarrier.
//! Source: Linux 6.18 `kernel/rseq.c`, `kernel/sched/membarrier.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::task::rseq::{ORIG_RSEQ_SIZE, RSEQ_FEATURE_SIZE, Rseq};

pub(super) const CALLS: &[Syscall] =
    &[Syscall::plain(324, "membarrier", sys_membarrier), Syscall::plain(334, "rseq", sys_rseq)];

fn sys_rseq(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const UNREGISTER: u32 = 1;
    let (addr, len, flags, signature) = (args[0], args[1] as u32, args[2] as u32, args[3] as u32);
    let old = kernel.tasks.task(task).rseq;
    if flags & UNREGISTER != 0 {
        let is_wrong = |rseq: &Rseq| rseq.addr != addr || rseq.len != len;
        let rseq =
            old.filter(|rseq| flags == UNREGISTER && !is_wrong(rseq)).ok_or(Errno::EINVAL)?;
        if rseq.signature != signature {
            return Err(Errno::EPERM);
        }
        kernel.rseq_reset_ids(rseq)?;
        kernel.tasks.task_mut(task).rseq = None;
        return Ok(0);
    }
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(old) = old {
        return Err(match (old.addr == addr && old.len == len, old.signature == signature) {
            (false, _) => Errno::EINVAL,
            (true, false) => Errno::EPERM,
            (true, true) => Errno::EBUSY,
        });
    }
    let is_short = len < ORIG_RSEQ_SIZE || u64::from(len) < RSEQ_FEATURE_SIZE;
    if is_short || !addr.is_multiple_of(u64::from(ORIG_RSEQ_SIZE)) {
        return Err(Errno::EINVAL);
    }
    if addr.checked_add(u64::from(len)).is_none_or(|end| end > TASK_SIZE_MAX) {
        return Err(Errno::EFAULT);
    }
    // No section is left over from an earlier registration.
    kernel.write_user_u64(addr.wrapping_add(8), 0)?;
    kernel.tasks.task_mut(task).rseq = Some(Rseq { addr, len, signature, has_event: true });
    Ok(0)
}

/// Commands of membarrier.
mod cmd {
    pub(super) const GLOBAL: u32 = 1;
    pub(super) const GLOBAL_EXPEDITED: u32 = 2;
    pub(super) const REGISTER_GLOBAL_EXPEDITED: u32 = 4;
    pub(super) const PRIVATE_EXPEDITED: u32 = 8;
    pub(super) const REGISTER_PRIVATE_EXPEDITED: u32 = 16;
    pub(super) const PRIVATE_EXPEDITED_SYNC_CORE: u32 = 32;
    pub(super) const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u32 = 64;
    pub(super) const PRIVATE_EXPEDITED_RSEQ: u32 = 128;
    pub(super) const REGISTER_PRIVATE_EXPEDITED_RSEQ: u32 = 256;
    pub(super) const GET_REGISTRATIONS: u32 = 512;
    pub(super) const ALL: u32 = 1023;
}

/// Memory is always in order here; only restartable sequences have something to do.
fn sys_membarrier(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const FLAG_CPU: u32 = 1;
    let (command, flags, cpu) = (args[0] as u32, args[1] as u32, args[2] as u32);
    let known = if command == cmd::PRIVATE_EXPEDITED_RSEQ { FLAG_CPU } else { 0 };
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let registered = kernel.tasks.process_of(task).membarrier;
    let needs = |registration: u32| {
        if registered & registration == 0 { Err(Errno::EPERM) } else { Ok(0) }
    };
    match command {
        0 => Ok(u64::from(cmd::ALL)),
        cmd::GLOBAL | cmd::GLOBAL_EXPEDITED => Ok(0),
        cmd::PRIVATE_EXPEDITED => needs(cmd::REGISTER_PRIVATE_EXPEDITED),
        cmd::PRIVATE_EXPEDITED_SYNC_CORE => needs(cmd::REGISTER_PRIVATE_EXPEDITED_SYNC_CORE),
        cmd::PRIVATE_EXPEDITED_RSEQ => {
            needs(cmd::REGISTER_PRIVATE_EXPEDITED_RSEQ)?;
            let only = (flags & FLAG_CPU != 0).then_some(cpu);
            restart_sequences(kernel, task, only);
            Ok(0)
        }
        cmd::REGISTER_GLOBAL_EXPEDITED
        | cmd::REGISTER_PRIVATE_EXPEDITED
        | cmd::REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
        | cmd::REGISTER_PRIVATE_EXPEDITED_RSEQ => {
            kernel.tasks.process_of_mut(task).membarrier |= command;
            Ok(0)
        }
        cmd::GET_REGISTRATIONS => Ok(u64::from(registered)),
        _ => Err(Errno::EINVAL),
    }
}

/// Threads with the caller's memory that run elsewhere start their sections again.
fn restart_sequences(kernel: &mut Kernel, task: TaskId, only: Option<u32>) {
    let mm = kernel.tasks.task(task).mm;
    let cpus: Vec<_> = kernel.hw.cpus().collect();
    for cpu in cpus {
        let Some(current) = kernel.current_on(cpu) else { continue };
        let is_meant = only.is_none_or(|only| only == cpu.0);
        if is_meant && kernel.tasks.task(current).mm == mm {
            kernel.rseq_note_event(current);
            if current != task {
                kernel.kick_task(current);
            }
        }
    }
}
