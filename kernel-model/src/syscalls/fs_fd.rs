//! Descriptors: close, dup, fcntl, pipe, lseek, and opening perf events.
//! Source: Linux 6.18 `fs/file.c`, `fs/fcntl.c`, `fs/pipe.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::{fs_lock, perf, table::Syscall};
use crate::fs::file::Owner;
use crate::fs::io::{SEEK_DATA, SEEK_HOLE};
use crate::fs::sparse::Extent;
use crate::fs::{FileId, FileKind, OnExec, fcntl};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{
    F_ADD_SEALS, F_GET_SEALS, F_GETLK, F_GETOWN_EX, F_NOTIFY, F_OFD_GETLK, F_OFD_SETLK,
    F_OFD_SETLKW, F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, F_SETLEASE, F_SETLK, F_SETLKW, F_SETOWN,
    F_SETOWN_EX, O_CLOEXEC,
};
use crate::uapi::{put, word_at};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(3, "close", sys_close),
    Syscall::plain(8, "lseek", sys_lseek),
    Syscall::plain(22, "pipe", |kernel, task, args| open_pipe(kernel, task, args[0], 0)),
    Syscall::plain(32, "dup", sys_dup),
    Syscall::plain(33, "dup2", sys_dup2),
    Syscall::waiting(72, "fcntl", |kernel, task, args| match args[1] & 0xffff_ffff {
        command @ (F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW) => {
            fs_lock::fcntl_lock(kernel, task, args[0], command, args[2])
        }
        F_SETLEASE | F_NOTIFY => {
            kernel.tasks.process_of(task).files.get(args[0] as i32)?;
            kernel.tell_unsupported(task, Some("fcntl: leases and F_NOTIFY"));
            Err(Errno::EINVAL)
        }
        _ => sys_fcntl(kernel, task, args).map(|value| Outcome::Done(Ok(value))),
    })
    .partial("no leases, no F_NOTIFY; pipes keep their size"),
    Syscall::plain(292, "dup3", sys_dup3),
    Syscall::plain(293, "pipe2", |kernel, task, args| {
        open_pipe(kernel, task, args[0], args[1] as u32)
    })
    .partial("no packet mode"),
    Syscall::waiting(298, "perf_event_open", |kernel, task, args| {
        Ok(perf_event_open(kernel, task, args))
    })
    .partial("breakpoint and software events"),
    Syscall::plain(436, "close_range", sys_close_range)
        .partial("no CLOSE_RANGE_UNSHARE for one thread among several"),
];

fn perf_event_open(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Outcome {
    perf::perf_event_open(kernel, task, args)
}

fn sys_close(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    kernel.drop_record_locks(task, args[0] as i32);
    let process = kernel.tasks.process_of_mut(task);
    let closed = process.files.close(&mut kernel.files, args[0] as i32)?;
    kernel.after_close(closed);
    Ok(0)
}

/// Gives the caller a descriptor table of its own before.
const CLOSE_RANGE_UNSHARE: u32 = 2;
/// Closes at exec.
const CLOSE_RANGE_CLOEXEC: u32 = 4;

fn sys_close_range(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (first, last, flags) = (args[0] as u32, args[1] as u32, args[2] as u32);
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 && kernel.tasks.process_of(task).threads.len() > 1 {
        kernel.tell_unsupported(task, Some("close_range: CLOSE_RANGE_UNSHARE among threads"));
        return Err(Errno::EINVAL);
    }
    let process = kernel.tasks.process_of_mut(task);
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        process.files.cloexec_range(first, last);
        return Ok(0);
    }
    let closed = process.files.close_range(&mut kernel.files, first, last);
    kernel.after_close(closed);
    Ok(0)
}

fn sys_lseek(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, offset, whence, ..] = *args;
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    let nr_bytes = match (kernel.files.file(file).kind, whence as u32) {
        (FileKind::Regular(id), SEEK_DATA | SEEK_HOLE) => {
            let what = if whence as u32 == SEEK_DATA { Extent::Data } else { Extent::Hole };
            let position = kernel.file_seek(id, offset as i64, what)?;
            kernel.files.file_mut(file).position = position;
            return Ok(position);
        }
        (FileKind::Regular(id), _) => kernel.regular(id)?.nr_bytes(),
        _ => 0,
    };
    kernel.files.lseek(file, offset as i64, whence as u32, nr_bytes)
}

fn sys_dup(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let process = kernel.tasks.process_of_mut(task);
    process.files.dup(&mut kernel.files, args[0] as i32).map(|fd| fd as u64)
}

fn sys_dup2(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let process = kernel.tasks.process_of_mut(task);
    let (fd, closed) = process.files.dup2(&mut kernel.files, args[0] as i32, args[1] as i32)?;
    kernel.after_close(closed);
    Ok(fd as u64)
}

fn sys_dup3(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let process = kernel.tasks.process_of_mut(task);
    let (from, to) = (args[0] as i32, args[1] as i32);
    let (fd, closed) = process.files.dup3(&mut kernel.files, from, to, args[2] as u32)?;
    kernel.after_close(closed);
    Ok(fd as u64)
}

impl Kernel {
    /// Gives a new open file a descriptor, closed at exec where `flags` say so; it is closed
    /// where there is none.
    ///
    /// # Errors
    /// EMFILE.
    pub(crate) fn install_file(
        &mut self,
        task: TaskId,
        file: FileId,
        flags: u32,
    ) -> Result<u64, Errno> {
        let on_exec = OnExec::from_open_flags(flags);
        let installed = self.tasks.process_of_mut(task).files.install(file, on_exec);
        match installed {
            Ok(fd) => Ok(fd as u64),
            Err(errno) => {
                self.release_file(file);
                Err(errno)
            }
        }
    }

    /// Gives two new open files descriptors and writes those to the program's memory.
    ///
    /// # Errors
    /// EMFILE, EFAULT; the files are closed then.
    pub(crate) fn install_pair(
        &mut self,
        task: TaskId,
        (first, second): (FileId, FileId),
        flags: u32,
        at: u64,
    ) -> Result<u64, Errno> {
        let first_fd = match self.install_file(task, first, flags) {
            Ok(fd) => fd,
            Err(errno) => {
                self.release_file(second);
                return Err(errno);
            }
        };
        let installed = self.install_file(task, second, flags);
        let written =
            installed.and_then(|second_fd| self.write_user_u64(at, first_fd | second_fd << 32));
        if let Err(errno) = written {
            for fd in [Ok(first_fd), installed].into_iter().flatten() {
                let process = self.tasks.process_of_mut(task);
                let closed = process.files.close(&mut self.files, fd as i32)?;
                self.after_close(closed);
            }
            return Err(errno);
        }
        Ok(0)
    }
}

fn open_pipe(kernel: &mut Kernel, task: TaskId, at: u64, flags: u32) -> Result<u64, Errno> {
    let pair = kernel.files.open_pipe(flags & !O_CLOEXEC)?;
    kernel.install_pair(task, pair, flags, at)
}

fn sys_fcntl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (fd, command, arg) = (args[0] as i32, args[1] & 0xffff_ffff, args[2]);
    let id = kernel.tasks.process_of(task).files.get(fd)?;
    match command {
        F_SETOWN_EX => {
            let mut bytes = [0; 8];
            kernel.copy_from_user(arg, &mut bytes)?;
            let word = word_at(&bytes, 0);
            let owner = owner_of(kernel, word as i32, (word >> 32) as i32)?;
            kernel.files.file_mut(id).owner = owner;
            Ok(0)
        }
        F_GETOWN_EX => {
            let (kind, who) = match kernel.files.file(id).owner {
                Some(Owner::Tid(tid)) => (F_OWNER_TID, tid),
                Some(Owner::Pid(pid)) => (F_OWNER_PID, pid),
                Some(Owner::Pgrp(group)) => (F_OWNER_PGRP, group),
                None => (F_OWNER_TID, 0),
            };
            let mut bytes = [0; 8];
            put(&mut bytes, 0, kind.to_le_bytes());
            put(&mut bytes, 4, who.to_le_bytes());
            kernel.copy_to_user(arg, &bytes)?;
            Ok(0)
        }
        F_GET_SEALS => kernel.seals_of_file(id).map(u64::from),
        F_ADD_SEALS => kernel.add_seals(id, arg as u32).map(|()| 0),
        _ => {
            if command == F_SETOWN {
                let who = arg as i32;
                let kind = if who < 0 { F_OWNER_PGRP } else { F_OWNER_PID };
                owner_of(kernel, kind, who.checked_abs().ok_or(Errno::EINVAL)?)?;
            }
            let process = kernel.tasks.process_of_mut(task);
            let answer = fcntl::fcntl(&mut process.files, &mut kernel.files, fd, command, arg)?;
            Ok(answer as u64)
        }
    }
}

/// Who gets the signals; it must exist, unless it is nobody.
fn owner_of(kernel: &Kernel, kind: i32, who: i32) -> Result<Option<Owner>, Errno> {
    let owner = match kind {
        F_OWNER_TID => Owner::Tid(who),
        F_OWNER_PID => Owner::Pid(who),
        F_OWNER_PGRP => Owner::Pgrp(who),
        _ => return Err(Errno::EINVAL),
    };
    if who == 0 {
        return Ok(None);
    }
    let number = u32::try_from(who).map_err(|_| Errno::ESRCH)?;
    let is_known = kernel.tasks.find_tid(number).is_some()
        || kernel.tasks.find_pid(number).is_some()
        || kernel.tasks.processes.values().any(|process| process.pgid == number);
    if is_known { Ok(Some(owner)) } else { Err(Errno::ESRCH) }
}
