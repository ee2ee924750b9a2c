//! Calls that make, remove and rename names.
//! Source: Linux 6.18 `fs/namei.c`.

use perf_core::{Errno, TaskId};

use super::fs_path::{Place, read_path};
use super::table::Syscall;
use crate::fs::dirs::{RENAME_EXCHANGE, RENAME_NOREPLACE};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW,
};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(82, "rename", |kernel, task, args| {
        rename(kernel, task, [AT_FDCWD; 2], [args[0], args[1]], 0)
    }),
    Syscall::plain(83, "mkdir", |kernel, task, args| {
        mkdir(kernel, task, AT_FDCWD, args[0], args[1])
    }),
    Syscall::plain(84, "rmdir", |kernel, task, args| rmdir(kernel, task, AT_FDCWD, args[0])),
    Syscall::plain(86, "link", |kernel, task, args| {
        link(kernel, task, &Place::plain(args[0]), AT_FDCWD, args[1])
    }),
    Syscall::plain(87, "unlink", |kernel, task, args| unlink(kernel, task, AT_FDCWD, args[0])),
    Syscall::plain(88, "symlink", |kernel, task, args| {
        symlink(kernel, task, args[0], AT_FDCWD, args[1])
    }),
    Syscall::plain(133, "mknod", |kernel, task, args| {
        mknod(kernel, task, AT_FDCWD, args[0], [args[1], args[2]])
    }),
    Syscall::plain(259, "mknodat", |kernel, task, args| {
        mknod(kernel, task, args[0] as i32, args[1], [args[2], args[3]])
    }),
    Syscall::plain(258, "mkdirat", |kernel, task, args| {
        mkdir(kernel, task, args[0] as i32, args[1], args[2])
    }),
    Syscall::plain(263, "unlinkat", |kernel, task, args| match args[2] & 0xffff_ffff {
        0 => unlink(kernel, task, args[0] as i32, args[1]),
        AT_REMOVEDIR => rmdir(kernel, task, args[0] as i32, args[1]),
        _ => Err(Errno::EINVAL),
    }),
    Syscall::plain(264, "renameat", |kernel, task, args| {
        rename(kernel, task, [args[0] as i32, args[2] as i32], [args[1], args[3]], 0)
    }),
    Syscall::plain(265, "linkat", |kernel, task, args| {
        let flags = args[4] & 0xffff_ffff;
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        link(kernel, task, &place, args[2] as i32, args[3])
    }),
    Syscall::plain(266, "symlinkat", |kernel, task, args| {
        symlink(kernel, task, args[0], args[1] as i32, args[2])
    }),
    Syscall::plain(316, "renameat2", |kernel, task, args| {
        let flags = args[4] & 0xffff_ffff;
        rename(kernel, task, [args[0] as i32, args[2] as i32], [args[1], args[3]], flags)
    })
    .partial("no RENAME_WHITEOUT"),
];

fn mkdir(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    mode: u64,
) -> Result<u64, Errno> {
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    kernel.vfs_mkdir(task, &walked, mode as u32)?;
    Ok(0)
}

fn mknod(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    [mode, number]: [u64; 2],
) -> Result<u64, Errno> {
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    kernel.vfs_mknod(task, &walked, mode as u32 & 0xffff, number & 0xffff_ffff)?;
    Ok(0)
}

fn rmdir(kernel: &mut Kernel, task: TaskId, dirfd: i32, path_at: u64) -> Result<u64, Errno> {
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    kernel.vfs_rmdir(task, &walked, &path)?;
    Ok(0)
}

fn unlink(kernel: &mut Kernel, task: TaskId, dirfd: i32, path_at: u64) -> Result<u64, Errno> {
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    if let Some(node) = walked.node
        && walked.has_slash
    {
        return Err(if kernel.is_directory(node) { Errno::EISDIR } else { Errno::ENOTDIR });
    }
    kernel.vfs_unlink(task, &walked)?;
    Ok(0)
}

fn link(
    kernel: &mut Kernel,
    task: TaskId,
    from: &Place,
    dirfd: i32,
    path_at: u64,
) -> Result<u64, Errno> {
    let follows = from.flags & AT_SYMLINK_FOLLOW != 0;
    let keep = if follows { 0 } else { AT_SYMLINK_NOFOLLOW };
    let from = Place { flags: from.flags & AT_EMPTY_PATH | keep, ..*from };
    let node = kernel.resolve(task, &from)?;
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    kernel.vfs_link(task, node, &walked)?;
    Ok(0)
}

fn symlink(
    kernel: &mut Kernel,
    task: TaskId,
    target_at: u64,
    dirfd: i32,
    path_at: u64,
) -> Result<u64, Errno> {
    let target = read_path(kernel, target_at)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    let path = read_path(kernel, path_at)?;
    let walked = kernel.walk_to_name(task, dirfd, &path)?;
    kernel.vfs_symlink(task, &walked, &target)?;
    Ok(0)
}

fn rename(
    kernel: &mut Kernel,
    task: TaskId,
    dirfds: [i32; 2],
    paths_at: [u64; 2],
    flags: u64,
) -> Result<u64, Errno> {
    let both = RENAME_NOREPLACE | RENAME_EXCHANGE;
    if flags & !both != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (read_path(kernel, paths_at[0])?, read_path(kernel, paths_at[1])?);
    let from = kernel.walk_to_name(task, dirfds[0], &from)?;
    let to = kernel.walk_to_name(task, dirfds[1], &to)?;
    kernel.vfs_rename(task, &from, &to, flags)?;
    Ok(0)
}
