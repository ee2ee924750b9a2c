//! mlock and its like, mincore, msync.
//! Source: Linux 6.18 `mm/mlock.c`, `mm/mincore.c`, `mm/msync.c`.

use perf_core::{Errno, TaskId};

use super::mm::with_space;
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX, offset_in_page, page_align_down, page_align_up};
use crate::mm::mlock::{Invalidate, Lock};
use crate::task::cred::Cap;
use crate::task::limits::{RLIM_INFINITY, Resource};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(26, "msync", sys_msync),
    Syscall::plain(27, "mincore", sys_mincore),
    Syscall::plain(149, "mlock", |kernel, task, args| {
        mlock(kernel, task, args[0], args[1], Lock::Filled)
    }),
    Syscall::plain(150, "munlock", sys_munlock),
    Syscall::plain(151, "mlockall", sys_mlockall),
    Syscall::plain(152, "munlockall", sys_munlockall),
    Syscall::plain(325, "mlock2", sys_mlock2),
];

/// Whether a task may lock memory at all, and whether without limit (`can_do_mlock`).
fn may_lock(kernel: &Kernel, task: TaskId) -> Result<Option<u64>, Errno> {
    if kernel.tasks.task(task).cred.capable(Cap::IpcLock) {
        return Ok(None);
    }
    match kernel.tasks.process_of(task).limits.soft(Resource::Memlock) {
        0 => Err(Errno::EPERM),
        RLIM_INFINITY => Ok(None),
        limit => Ok(Some(limit)),
    }
}

/// A range in whole pages.
fn pages(addr: u64, len: u64) -> Result<(u64, u64), Errno> {
    let start = page_align_down(addr);
    let len = len.checked_add(offset_in_page(addr)).and_then(page_align_up).unwrap_or(0);
    let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
    Ok((start, end))
}

fn mlock(kernel: &mut Kernel, task: TaskId, addr: u64, len: u64, lock: Lock) -> Result<u64, Errno> {
    let limit = may_lock(kernel, task)?;
    let (start, end) = pages(addr, len)?;
    let space = kernel.tasks.space_of_mut(task);
    let new = (end - start).saturating_sub(space.locked_bytes_between(start, end));
    if limit.is_some_and(|limit| space.locked_bytes() + new > limit) {
        return Err(Errno::ENOMEM);
    }
    with_space(kernel, task, |space, hw, frames| space.lock_range(hw, frames, start, end, lock))?;
    Ok(0)
}

fn sys_mlock2(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let lock = match args[2] & 0xffff_ffff {
        0 => Lock::Filled,
        1 => Lock::OnFault,
        _ => return Err(Errno::EINVAL),
    };
    mlock(kernel, task, args[0], args[1], lock)
}

fn sys_munlock(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (start, end) = pages(args[0], args[1])?;
    with_space(kernel, task, |space, hw, frames| {
        space.lock_range(hw, frames, start, end, Lock::None)
    })?;
    Ok(0)
}

fn sys_mlockall(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MCL_CURRENT: u64 = 1;
    const MCL_FUTURE: u64 = 2;
    const MCL_ONFAULT: u64 = 4;

    let flags = args[0] & 0xffff_ffff;
    if flags == 0 || flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags == MCL_ONFAULT
    {
        return Err(Errno::EINVAL);
    }
    let limit = may_lock(kernel, task)?;
    let total = kernel.tasks.space_of_mut(task).mapped_bytes();
    if flags & MCL_CURRENT != 0 && limit.is_some_and(|limit| total > limit) {
        return Err(Errno::ENOMEM);
    }
    let lock = if flags & MCL_ONFAULT != 0 { Lock::OnFault } else { Lock::Filled };
    with_space(kernel, task, |space, hw, frames| {
        space.set_lock_of_new(if flags & MCL_FUTURE != 0 { lock } else { Lock::None });
        if flags & MCL_CURRENT != 0 {
            space.lock_all(hw, frames, lock);
        }
    });
    Ok(0)
}

fn sys_munlockall(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<u64, Errno> {
    with_space(kernel, task, |space, hw, frames| {
        space.set_lock_of_new(Lock::None);
        space.lock_all(hw, frames, Lock::None);
    });
    Ok(0)
}

impl Kernel {
    /// Whether mmap may lock another `len` bytes.
    ///
    /// # Errors
    /// EPERM where nothing may be locked; EAGAIN beyond the limit.
    pub(super) fn check_map_locked(&mut self, task: TaskId, len: u64) -> Result<(), Errno> {
        let limit = may_lock(self, task)?;
        let locked = self.tasks.space_of_mut(task).locked_bytes();
        let is_over = limit.is_some_and(|limit| locked.saturating_add(len) > limit);
        if is_over { Err(Errno::EAGAIN) } else { Ok(()) }
    }
}

fn sys_mincore(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [addr, len, vec, ..] = *args;
    if offset_in_page(addr) != 0 {
        return Err(Errno::EINVAL);
    }
    if addr.checked_add(len).is_none_or(|end| end > TASK_SIZE_MAX) {
        return Err(Errno::ENOMEM);
    }
    let nr_pages = len.div_ceil(PAGE_SIZE);
    if vec.checked_add(nr_pages).is_none_or(|end| end > TASK_SIZE_MAX) {
        return Err(Errno::EFAULT);
    }
    let mm = kernel.tasks.task(task).mm;
    let mut done = 0;
    while done < nr_pages {
        let (space, _) = kernel.tasks.spaces.get(&mm).ok_or(Errno::ENOMEM)?;
        let piece = (nr_pages - done).min(PAGE_SIZE);
        let state = |page| space.is_resident(&kernel.hw, addr + (done + page) * PAGE_SIZE);
        let answers: Vec<u8> = (0..piece).map_while(state).map(u8::from).collect();
        if !answers.is_empty() {
            kernel.copy_to_user(vec + done, &answers)?;
        }
        if (answers.len() as u64) < piece {
            return Err(Errno::ENOMEM);
        }
        done += piece;
    }
    Ok(0)
}

fn sys_msync(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MS_ASYNC: u64 = 1;
    const MS_INVALIDATE: u64 = 2;
    const MS_SYNC: u64 = 4;

    let [addr, len, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    let both = MS_ASYNC | MS_SYNC;
    if flags & !(both | MS_INVALIDATE) != 0 || offset_in_page(addr) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let end = page_align_up(len).and_then(|len| addr.checked_add(len)).ok_or(Errno::ENOMEM)?;
    let invalidate = if flags & MS_INVALIDATE != 0 { Invalidate::Yes } else { Invalidate::No };
    // A mapping and its file are the same pages: there is nothing to write back.
    kernel.tasks.space_of_mut(task).check_sync(addr, end, invalidate)?;
    Ok(0)
}
