//! epoll: making, changing and waiting.
//! Source: Linux 6.18 `fs/eventpoll.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::poll::enter_mask;
use super::table::Syscall;
use crate::fs::epoll::EpollId;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::task::wait::{Channel, WaitFor};
use crate::uapi::epoll::{
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_EVENT_BYTES, EpollEvent,
};
use crate::uapi::fcntl::O_RDWR;
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(213, "epoll_create", |kernel, task, args| {
        if (args[0] as i32) <= 0 { Err(Errno::EINVAL) } else { create(kernel, task, 0) }
    }),
    Syscall::waiting(232, "epoll_wait", |kernel, task, args| {
        let end = deadline_ms(kernel, task, args[3]);
        Ok(wait(kernel, task, args, end))
    }),
    Syscall::plain(233, "epoll_ctl", sys_epoll_ctl),
    Syscall::waiting(281, "epoll_pwait", |kernel, task, args| {
        enter_mask(kernel, task, args[4], args[5])?;
        let end = deadline_ms(kernel, task, args[3]);
        Ok(wait(kernel, task, args, end))
    }),
    Syscall::plain(291, "epoll_create1", |kernel, task, args| create(kernel, task, args[0] as u32)),
    Syscall::waiting(441, "epoll_pwait2", |kernel, task, args| {
        let end = deadline_timespec(kernel, task, args[3])?;
        enter_mask(kernel, task, args[4], args[5])?;
        Ok(wait(kernel, task, args, end))
    }),
];

fn create(kernel: &mut Kernel, task: TaskId, flags: u32) -> Result<u64, Errno> {
    if flags & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let file = kernel.open_epoll(O_RDWR);
    kernel.install_file(task, file, flags)
}

/// The epoll instance that a file is.
fn epoll_of(kernel: &Kernel, file: FileId) -> Result<EpollId, Errno> {
    match kernel.files.file(file).kind {
        FileKind::Epoll(id) => Ok(id),
        _ => Err(Errno::EINVAL),
    }
}

fn sys_epoll_ctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (epfd, op, fd) = (args[0] as i32, args[1] as u32, args[2] as i32);
    let mut bytes = [0; EPOLL_EVENT_BYTES];
    if op != EPOLL_CTL_DEL {
        kernel.copy_from_user(args[3], &mut bytes)?;
    }
    let event = EpollEvent::from_bytes(&bytes);
    let fds = &kernel.tasks.process_of(task).files;
    let (epoll, target) = (fds.get(epfd)?, fds.get(fd)?);
    if let FileKind::Path(_) = kernel.files.file(epoll).kind {
        return Err(Errno::EBADF);
    }
    let target_kind = kernel.files.file(target).kind;
    if let FileKind::Path(_) = target_kind {
        return Err(Errno::EBADF);
    }
    if !target_kind.can_poll() {
        return Err(Errno::EPERM);
    }
    let id = epoll_of(kernel, epoll)?;
    if epoll == target {
        return Err(Errno::EINVAL);
    }
    match op {
        EPOLL_CTL_ADD => kernel.epoll_add(id, target, fd, event),
        EPOLL_CTL_MOD => kernel.epoll_modify(id, target, fd, event),
        EPOLL_CTL_DEL => kernel.epoll_delete(id, target, fd),
        _ => Err(Errno::EINVAL),
    }?;
    Ok(0)
}

/// When a timeout in ms ends; a negative one never.
fn deadline_ms(kernel: &mut Kernel, task: TaskId, timeout: u64) -> Option<u64> {
    let ms = u64::try_from(timeout as i32).ok()?;
    let end = kernel.now_ns().saturating_add(ms * 1_000_000);
    Some(kernel.keep_deadline(task, end))
}

fn deadline_timespec(kernel: &mut Kernel, task: TaskId, at: u64) -> Result<Option<u64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let ns = timespec_to_ns(&bytes)?;
    let end = kernel.now_ns().saturating_add(ns);
    Ok(Some(kernel.keep_deadline(task, end)))
}

/// Waits, and takes a mask for the wait back; a signal that ended it is handled under the mask.
fn wait(kernel: &mut Kernel, task: TaskId, args: &[u64; 6], deadline: Option<u64>) -> Outcome {
    let outcome =
        do_wait(kernel, task, args, deadline).unwrap_or_else(|errno| Outcome::Done(Err(errno)));
    if outcome != Outcome::Done(Err(Errno::EINTR)) {
        kernel.restore_mask_unless_interrupted(task, &outcome);
    }
    outcome
}

fn do_wait(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
    deadline: Option<u64>,
) -> Result<Outcome, Errno> {
    let (at, max) = (args[1], args[2] as i32);
    let most = i32::MAX as usize / EPOLL_EVENT_BYTES;
    let max = usize::try_from(max).ok().filter(|max| (1..=most).contains(max));
    let max = max.ok_or(Errno::EINVAL)?;
    let len = (max * EPOLL_EVENT_BYTES) as u64;
    if at.checked_add(len).is_none_or(|end| end > TASK_SIZE_MAX) {
        return Err(Errno::EFAULT);
    }
    let file = kernel.tasks.process_of(task).files.get(args[0] as i32)?;
    if let FileKind::Path(_) = kernel.files.file(file).kind {
        return Err(Errno::EBADF);
    }
    let id = epoll_of(kernel, file)?;
    let events = kernel.epoll_take(id, max);
    if !events.is_empty() {
        let bytes: Vec<u8> = events.iter().flat_map(|event| event.to_bytes()).collect();
        kernel.copy_to_user(at, &bytes)?;
        return Ok(Outcome::Done(Ok(events.len() as u64)));
    }
    if deadline.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Ok(Outcome::Done(Ok(0)));
    }
    if kernel.signal_pending(task) {
        return Err(Errno::EINTR);
    }
    let channels = vec![Channel::EpollWait(id.0)];
    Ok(Outcome::Wait(WaitFor { channels, deadline_ns: deadline, uninterruptible: false }))
}
