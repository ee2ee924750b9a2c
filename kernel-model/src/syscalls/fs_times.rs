//! Times of files: utimensat and its older forms.
//! Source: Linux 6.18 `fs/utimes.c`.

use perf_core::{Errno, TaskId};

use super::fs_attr::changeable;
use super::fs_path::Place;
use super::table::Syscall;
use crate::fs::inode::Times;
use crate::fs::namei::Node;
use crate::fs::permission::MAY_WRITE;
use crate::kernel::Kernel;
use crate::uapi::fcntl::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::uapi::time::{NSEC_PER_SEC, TIME_BYTES};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(132, "utime", |kernel, task, args| {
        let wanted = match args[1] {
            0 => None,
            // A second each.
            addr => Some(pair(kernel, addr, 8, |bytes| time(word_at(bytes, 0), 0))?),
        };
        set_times(kernel, task, &Place::plain(args[0]), wanted)
    }),
    Syscall::plain(235, "utimes", |kernel, task, args| {
        utimes(kernel, task, &Place::plain(args[0]), args[1])
    }),
    Syscall::plain(261, "futimesat", |kernel, task, args| {
        utimes(kernel, task, &on_descriptor(args[0], args[1], 0)?, args[2])
    }),
    Syscall::plain(280, "utimensat", sys_utimensat),
];

/// What one of the two times is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewTime {
    /// The present.
    Now,
    /// What it is.
    Omit,
    /// This, ns since 1970.
    At(u64),
}

/// A path, or a descriptor where there is none.
fn on_descriptor(dirfd: u64, path_at: u64, flags: u64) -> Result<Place, Errno> {
    if path_at == 0 && dirfd as i32 == AT_FDCWD {
        return Err(Errno::EFAULT);
    }
    let flags = if path_at == 0 { AT_EMPTY_PATH } else { flags };
    Ok(Place { dirfd: dirfd as i32, path_at, flags })
}

/// Before 1970 there is nothing here.
fn time(seconds: u64, ns: u64) -> Result<NewTime, Errno> {
    let seconds = (seconds as i64).max(0) as u64;
    Ok(NewTime::At(seconds.saturating_mul(NSEC_PER_SEC).saturating_add(ns)))
}

/// Reads two times of so many bytes each.
fn pair(
    kernel: &mut Kernel,
    addr: u64,
    len: usize,
    parse: impl Fn(&[u8]) -> Result<NewTime, Errno>,
) -> Result<[NewTime; 2], Errno> {
    let mut bytes = vec![0; 2 * len];
    kernel.copy_from_user(addr, &mut bytes)?;
    Ok([parse(&bytes[..len])?, parse(&bytes[len..])?])
}

fn utimes(kernel: &mut Kernel, task: TaskId, place: &Place, at: u64) -> Result<u64, Errno> {
    const USEC_PER_SEC: u64 = 1_000_000;

    let parse = |bytes: &[u8]| match word_at(bytes, 8) {
        USEC_PER_SEC.. => Err(Errno::EINVAL),
        microseconds => time(word_at(bytes, 0), microseconds * 1000),
    };
    let wanted = if at == 0 { None } else { Some(pair(kernel, at, TIME_BYTES, parse)?) };
    set_times(kernel, task, place, wanted)
}

fn sys_utimensat(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const UTIME_NOW: u64 = 0x3fff_ffff;
    const UTIME_OMIT: u64 = 0x3fff_fffe;

    let [dirfd, path_at, times_at, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    let parse = |bytes: &[u8]| match word_at(bytes, 8) {
        UTIME_NOW => Ok(NewTime::Now),
        UTIME_OMIT => Ok(NewTime::Omit),
        NSEC_PER_SEC.. => Err(Errno::EINVAL),
        ns => time(word_at(bytes, 0), ns),
    };
    let wanted =
        if times_at == 0 { None } else { Some(pair(kernel, times_at, TIME_BYTES, parse)?) };
    if wanted == Some([NewTime::Omit; 2]) {
        return Ok(0);
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let place = on_descriptor(dirfd, path_at, flags)?;
    set_times(kernel, task, &place, wanted)
}

/// Sets both times, to the present without a wish. That is for who may write, anything else for
/// the owner (`vfs_utimes`).
fn set_times(
    kernel: &mut Kernel,
    task: TaskId,
    place: &Place,
    wanted: Option<[NewTime; 2]>,
) -> Result<u64, Errno> {
    let now = kernel.realtime_ns();
    let id = changeable(kernel, task, place)?;
    let [access, modify] = wanted.unwrap_or([NewTime::Now; 2]);
    let is_touch = [access, modify] == [NewTime::Now; 2];
    if !kernel.tasks.task(task).cred.owns(kernel.vfs.inode(id)) {
        if !is_touch {
            return Err(Errno::EPERM);
        }
        kernel.permission(task, Node::Inode(id), MAY_WRITE)?;
    }
    let times = &mut kernel.vfs.inode_mut(id).times;
    let new = |wish, old| match wish {
        NewTime::Now => now,
        NewTime::Omit => old,
        NewTime::At(ns) => ns,
    };
    *times =
        Times { access: new(access, times.access), modify: new(modify, times.modify), change: now };
    Ok(0)
}
