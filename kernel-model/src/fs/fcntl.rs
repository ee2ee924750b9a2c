//! fcntl.
//! Source: Linux 6.18 `fs/fcntl.c`.

use perf_core::Errno;

use super::fd::{FdTable, OnExec};
use super::file::{FileKind, FileTable, Owner};
use super::pipe::PIPE_CAPACITY;
use crate::uapi::fcntl::{
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETLEASE, F_GETOWN, F_GETPIPE_SZ, F_GETSIG,
    F_SETFD, F_SETFL, F_SETOWN, F_SETPIPE_SZ, F_SETSIG, FD_CLOEXEC, O_ASYNC, O_DIRECT, O_PATH,
    SETFL_MASK,
};

/// No lease.
const F_UNLCK: i64 = 2;
/// Signal numbers go up to here.
const NSIG: u64 = 64;

/// fcntl for the commands whose argument is a number. `F_SETOWN_EX` and `F_GETOWN_EX` have a
/// structure in the program's memory; the caller reads and writes [`super::OpenFile::owner`].
///
/// # Errors
/// EBADF, EMFILE; EINVAL for an argument out of range and for commands that are not supported:
/// locks, leases, seals, `F_NOTIFY`. EPERM for a larger pipe.
pub fn fcntl(
    fds: &mut FdTable,
    files: &mut FileTable,
    fd: i32,
    command: u64,
    argument: u64,
) -> Result<i64, Errno> {
    let id = fds.get(fd)?;
    let file = files.file_mut(id);
    let is_place = file.flags & O_PATH != 0;
    let is_for_places = matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL);
    if is_place && !is_for_places {
        return Err(Errno::EBADF);
    }
    match command {
        F_DUPFD => fds.dup_from(files, fd, argument, OnExec::Keep).map(i64::from),
        F_DUPFD_CLOEXEC => fds.dup_from(files, fd, argument, OnExec::Close).map(i64::from),
        F_GETFD => Ok(i64::from(fds.on_exec(fd)? == OnExec::Close)),
        F_SETFD => {
            let closes = argument & FD_CLOEXEC != 0;
            fds.set_on_exec(fd, if closes { OnExec::Close } else { OnExec::Keep })?;
            Ok(0)
        }
        F_GETFL => Ok(i64::from(file.flags)),
        F_SETFL => {
            let wanted = argument as u32;
            // No file here can go past a cache that it does not have.
            if wanted & O_DIRECT != 0 {
                return Err(Errno::EINVAL);
            }
            if (file.flags ^ wanted) & O_ASYNC != 0 {
                file.async_fd = (wanted & O_ASYNC != 0).then_some(fd);
            }
            file.flags = file.flags & !SETFL_MASK | wanted & SETFL_MASK;
            Ok(0)
        }
        F_GETOWN => Ok(match file.owner {
            None => 0,
            Some(Owner::Tid(id) | Owner::Pid(id)) => i64::from(id),
            Some(Owner::Pgrp(id)) => -i64::from(id),
        }),
        F_SETOWN => {
            file.owner = owner_of(argument as i32)?;
            Ok(0)
        }
        F_GETSIG => Ok(i64::from(file.signal)),
        F_SETSIG if argument <= NSIG => {
            file.signal = argument as u8;
            Ok(0)
        }
        F_GETLEASE => match file.kind {
            FileKind::Regular(_) | FileKind::Directory(_) => Ok(F_UNLCK),
            _ => Err(Errno::EINVAL),
        },
        // A pipe keeps what it has; Linux rounds what is asked for up, and never has less.
        F_SETPIPE_SZ if argument <= PIPE_CAPACITY as u64 => match file.kind {
            FileKind::Pipe { .. } => Ok(PIPE_CAPACITY as i64),
            _ => Err(Errno::EBADF),
        },
        F_SETPIPE_SZ => Err(Errno::EPERM),
        F_GETPIPE_SZ => match file.kind {
            FileKind::Pipe { .. } => Ok(PIPE_CAPACITY as i64),
            _ => Err(Errno::EBADF),
        },
        _ => Err(Errno::EINVAL),
    }
}

/// A process, a group where negative, nobody where 0.
fn owner_of(who: i32) -> Result<Option<Owner>, Errno> {
    match who {
        0 => Ok(None),
        1.. => Ok(Some(Owner::Pid(who))),
        _ => who.checked_neg().map(|group| Some(Owner::Pgrp(group))).ok_or(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::fcntl::{O_ASYNC, O_NONBLOCK, O_WRONLY};

    #[test]
    fn commands_answer_like_linux() {
        let mut files = FileTable::default();
        let mut fds = FdTable::with_console(&mut files);
        let group = -7i32 as u32 as u64;
        for (fd, command, argument, want) in [
            (9, F_GETFD, 0, Err(Errno::EBADF)),
            (1, F_GETFD, 0, Ok(0)),
            (1, F_SETFD, 3, Ok(0)),
            (1, F_GETFD, 0, Ok(1)),
            (1, F_GETFL, 0, Ok(i64::from(O_WRONLY))),
            (1, F_SETFL, u64::from(O_NONBLOCK | O_ASYNC), Ok(0)),
            (1, F_GETFL, 0, Ok(i64::from(O_WRONLY | O_NONBLOCK | O_ASYNC))),
            (1, F_SETFL, u64::from(O_DIRECT), Err(Errno::EINVAL)),
            (1, F_SETFL, 0, Ok(0)),
            (1, F_GETFL, 0, Ok(i64::from(O_WRONLY))),
            (1, F_DUPFD, 20, Ok(20)),
            (1, F_DUPFD_CLOEXEC, 20, Ok(21)),
            (21, F_GETFD, 0, Ok(1)),
            (1, F_DUPFD, u64::MAX, Err(Errno::EINVAL)),
            (1, F_GETOWN, 0, Ok(0)),
            (1, F_SETOWN, 7, Ok(0)),
            (1, F_GETOWN, 0, Ok(7)),
            (1, F_SETOWN, group, Ok(0)),
            (1, F_GETOWN, 0, Ok(-7)),
            (1, F_SETSIG, 65, Err(Errno::EINVAL)),
            (1, F_SETSIG, 10, Ok(0)),
            (20, F_GETSIG, 0, Ok(10)),
            (1, F_GETPIPE_SZ, 0, Err(Errno::EBADF)),
            (1, 6, 0, Err(Errno::EINVAL)),
        ] {
            let got = fcntl(&mut fds, &mut files, fd, command, argument);
            assert_eq!(got, want, "fd {fd} command {command} argument {argument:#x}");
        }
    }
}
