//! flock, and the record locks of fcntl: a process's, and an open file's.
//! Source: Linux 6.18 `fs/locks.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::{Restart, on};
use crate::fs::inode::InodeId;
use crate::fs::io::{SEEK_CUR, SEEK_END, SEEK_SET};
use crate::fs::lock::{FileLock, LockKind, LockOwner};
use crate::fs::namei::Node;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::task::wait::Channel;
use crate::uapi::fcntl::{F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW};
use crate::uapi::{put, word_at};

pub(super) const CALLS: &[Syscall] = &[Syscall::waiting(73, "flock", sys_flock)];

/// Bytes of `struct flock`: type, whence, start, len, pid.
const FLOCK_BYTES: usize = 32;

const F_RDLCK: u16 = 0;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

/// The inode on which a descriptor's locks are.
fn lockable(kernel: &Kernel, task: TaskId, fd: u64) -> Result<(FileId, InodeId), Errno> {
    let id = kernel.tasks.process_of(task).files.get(fd as i32)?;
    match kernel.files.file(id).kind {
        FileKind::Path(_) => Err(Errno::EBADF),
        kind => lock_place(kind).map(|inode| (id, inode)).ok_or(Errno::EINVAL),
    }
}

/// Where the locks of an open file are.
fn lock_place(kind: FileKind) -> Option<InodeId> {
    match kind {
        FileKind::Regular(inode)
        | FileKind::Device { node: inode, .. }
        | FileKind::Directory(Node::Inode(inode)) => Some(inode),
        _ => None,
    }
}

impl Kernel {
    /// Takes a lock, or says what has to be waited for.
    fn take_lock(
        &mut self,
        task: TaskId,
        inode: InodeId,
        lock: FileLock,
        waits: bool,
    ) -> Result<Outcome, Errno> {
        if self.locks.conflict(inode, &lock).is_some() {
            if !waits {
                return Err(Errno::EAGAIN);
            }
            let wait = on(Channel::Lock(inode));
            return Ok(self.wait_or_interrupt(task, wait, Restart::Sys));
        }
        if !self.locks.has_room() {
            return Err(Errno::ENOLCK);
        }
        self.locks.set(inode, lock);
        // A lock that allows more than before may let others go on.
        self.wake(Channel::Lock(inode));
        Ok(Outcome::Done(Ok(0)))
    }

    /// Gives locks back.
    fn drop_lock(&mut self, inode: InodeId, owner: LockOwner, start: u64, end: u64) {
        if self.locks.clear(inode, owner, start, end) {
            self.wake(Channel::Lock(inode));
        }
    }

    /// An open file of `inode` was closed for good: its locks go.
    pub(crate) fn drop_locks_of_closed(&mut self, inode: InodeId) {
        for file in self.locks.open_files_on(inode) {
            let is_open = self.files.kind_of(file).is_some()
                && lock_place(self.files.file(file).kind) == Some(inode);
            if !is_open {
                self.drop_lock(inode, LockOwner::File(file), 0, u64::MAX);
                self.drop_lock(inode, LockOwner::Ofd(file), 0, u64::MAX);
            }
        }
    }

    /// A process closes a descriptor of `inode`: its record locks go, whoever else has it open.
    pub(super) fn drop_record_locks(&mut self, task: TaskId, fd: i32) {
        let process = self.tasks.process_of(task);
        let Ok(file) = process.files.get(fd) else { return };
        let owner = LockOwner::Process(process.pid);
        if let Some(inode) = lock_place(self.files.file(file).kind) {
            self.drop_lock(inode, owner, 0, u64::MAX);
        }
    }

    /// Gives back all locks of an owner.
    pub(crate) fn drop_locks(&mut self, owner: LockOwner) {
        for inode in self.locks.files_of(owner) {
            self.drop_lock(inode, owner, 0, u64::MAX);
        }
    }
}

fn sys_flock(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    const LOCK_SH: u64 = 1;
    const LOCK_EX: u64 = 2;
    const LOCK_NB: u64 = 4;
    const LOCK_UN: u64 = 8;

    let command = args[1] & 0xffff_ffff;
    let kind = match command & !LOCK_NB {
        LOCK_SH => Some(LockKind::Shared),
        LOCK_EX => Some(LockKind::Exclusive),
        LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let (file, inode) = lockable(kernel, task, args[0])?;
    let owner = LockOwner::File(file);
    let Some(kind) = kind else {
        kernel.drop_lock(inode, owner, 0, u64::MAX);
        return Ok(Outcome::Done(Ok(0)));
    };
    let lock = FileLock { owner, kind, start: 0, end: u64::MAX };
    kernel.take_lock(task, inode, lock, command & LOCK_NB == 0)
}

/// The range of a `struct flock` (`flock_to_posix_lock`).
fn range_of(kernel: &Kernel, file: FileId, bytes: &[u8]) -> Result<(u64, u64), Errno> {
    let whence = u32::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    let (start, len) = (word_at(bytes, 8) as i64, word_at(bytes, 16) as i64);
    let base = match (whence, kernel.files.file(file).kind) {
        (SEEK_SET, _) => 0,
        (SEEK_CUR, _) => kernel.files.file(file).position,
        (SEEK_END, FileKind::Regular(id)) => kernel.regular(id)?.nr_bytes(),
        (SEEK_END, _) => 0,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add_signed(start).ok_or(Errno::EINVAL)?;
    let other = start.checked_add_signed(len).ok_or(Errno::EINVAL)?;
    Ok(match len {
        0 => (start, u64::MAX),
        1.. => (start, other),
        _ => (other, start),
    })
}

/// fcntl with `F_GETLK`, `F_SETLK` and `F_SETLKW`, and with their like for open files.
pub(super) fn fcntl_lock(
    kernel: &mut Kernel,
    task: TaskId,
    fd: u64,
    command: u64,
    at: u64,
) -> Result<Outcome, Errno> {
    let (file, inode) = lockable(kernel, task, fd)?;
    let mut bytes = [0; FLOCK_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let (start, end) = range_of(kernel, file, &bytes)?;
    let is_ofd = matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW);
    if is_ofd && bytes[24..28] != [0; 4] {
        return Err(Errno::EINVAL);
    }
    let owner = if is_ofd {
        LockOwner::Ofd(file)
    } else {
        LockOwner::Process(kernel.tasks.process_of(task).pid)
    };
    let asks = matches!(command, F_GETLK | F_OFD_GETLK);
    let open = kernel.files.file(file);
    let kind = match u16::from_le_bytes([bytes[0], bytes[1]]) {
        F_RDLCK if !asks && !open.can_read() => return Err(Errno::EBADF),
        F_WRLCK if !asks && !open.can_write() => return Err(Errno::EBADF),
        F_RDLCK => LockKind::Shared,
        F_WRLCK => LockKind::Exclusive,
        F_UNLCK if !asks => {
            kernel.drop_lock(inode, owner, start, end);
            return Ok(Outcome::Done(Ok(0)));
        }
        _ => return Err(Errno::EINVAL),
    };
    let lock = FileLock { owner, kind, start, end };
    match command {
        F_SETLK | F_OFD_SETLK => kernel.take_lock(task, inode, lock, false),
        F_SETLKW | F_OFD_SETLKW => kernel.take_lock(task, inode, lock, true),
        _ => {
            let held = kernel.locks.conflict(inode, &lock);
            tell_conflict(&mut bytes, held);
            kernel.copy_to_user(at, &bytes)?;
            Ok(Outcome::Done(Ok(0)))
        }
    }
}

/// Writes what `F_GETLK` answers: the lock in the way, or that there is none.
fn tell_conflict(bytes: &mut [u8; FLOCK_BYTES], held: Option<FileLock>) {
    let Some(held) = held else {
        put(bytes, 0, F_UNLCK.to_le_bytes());
        return;
    };
    let kind = if held.kind == LockKind::Shared { F_RDLCK } else { F_WRLCK };
    let len = if held.end == u64::MAX { 0 } else { held.end - held.start };
    put(bytes, 0, kind.to_le_bytes());
    put(bytes, 2, 0_u16.to_le_bytes());
    put(bytes, 8, held.start.to_le_bytes());
    put(bytes, 16, len.to_le_bytes());
    let pid = if let LockOwner::Process(pid) = held.owner { pid } else { u32::MAX };
    put(bytes, 24, pid.to_le_bytes());
}
