//! Calls that change what a file is rather than what it is called: rights, owner, times, size.
//! Source: Linux 6.18 `fs/open.c`, `fs/utimes.c`, `fs/statfs.c`, `mm/memfd.c`, `mm/fadvise.c`.

use perf_core::{Errno, TaskId};

use super::fs_path::{Place, install};
use super::table::Syscall;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::fs::inode::{Body, Inode, InodeId, ROOT_MOUNT, Times};
use crate::fs::namei::Node;
use crate::fs::regular::Regular;
use crate::fs::{FileKind, OnExec};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_LARGEFILE, O_RDWR,
};
use crate::uapi::time::{NSEC_PER_SEC, TIME_BYTES};
use crate::uapi::{put, word_at};

const NO_XATTRS: &str = "a file system without extended attributes";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(74, "fsync", check_fd),
    Syscall::plain(75, "fdatasync", check_fd),
    Syscall::plain(76, "truncate", |kernel, task, args| {
        let node = kernel.resolve(task, &Place::plain(args[0]))?;
        truncate(kernel, node, args[1])
    }),
    Syscall::plain(77, "ftruncate", |kernel, task, args| {
        let id = writable(kernel, task, args[0])?;
        truncate(kernel, Node::Inode(id), args[1])
    }),
    Syscall::plain(90, "chmod", |kernel, task, args| {
        chmod(kernel, task, &Place::plain(args[0]), args[1])
    }),
    Syscall::plain(91, "fchmod", |kernel, task, args| {
        chmod(kernel, task, &descriptor(args[0]), args[1])
    }),
    Syscall::plain(92, "chown", |kernel, task, args| {
        chown(kernel, task, &Place::plain(args[0]), [args[1], args[2]])
    }),
    Syscall::plain(93, "fchown", |kernel, task, args| {
        chown(kernel, task, &descriptor(args[0]), [args[1], args[2]])
    }),
    Syscall::plain(94, "lchown", |kernel, task, args| {
        let place = Place { flags: AT_SYMLINK_NOFOLLOW, ..Place::plain(args[0]) };
        chown(kernel, task, &place, [args[1], args[2]])
    }),
    Syscall::plain(95, "umask", |kernel, task, args| {
        let umask = &mut kernel.tasks.process_of_mut(task).umask;
        Ok(u64::from(std::mem::replace(umask, args[0] as u32 & 0o777)))
    }),
    Syscall::plain(137, "statfs", |kernel, task, args| {
        let node = kernel.resolve(task, &Place::plain(args[0]))?;
        statfs(kernel, Some(node), args[1])
    }),
    Syscall::plain(138, "fstatfs", |kernel, task, args| {
        let file = kernel.tasks.process_of(task).files.get(args[0] as i32)?;
        let node = kernel.node_of_file(file);
        statfs(kernel, node, args[1])
    }),
    Syscall::plain(162, "sync", |_, _, _| Ok(0)),
    Syscall::plain(188, "setxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(189, "lsetxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(190, "fsetxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(191, "getxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(192, "lgetxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(193, "fgetxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(194, "listxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(195, "llistxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(196, "flistxattr", no_xattrs).partial(NO_XATTRS),
    Syscall::plain(221, "fadvise64", |kernel, task, args| {
        check_fd(kernel, task, args)?;
        if args[3] & 0xffff_ffff > 5 { Err(Errno::EINVAL) } else { Ok(0) }
    }),
    Syscall::plain(260, "fchownat", |kernel, task, args| {
        let flags = args[4] & 0xffff_ffff;
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        chown(kernel, task, &place, [args[2], args[3]])
    }),
    Syscall::plain(268, "fchmodat", |kernel, task, args| {
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags: 0 };
        chmod(kernel, task, &place, args[2])
    }),
    Syscall::plain(280, "utimensat", sys_utimensat),
    Syscall::plain(285, "fallocate", sys_fallocate).partial("no collapsing, no inserting"),
    Syscall::plain(306, "syncfs", check_fd),
    Syscall::plain(319, "memfd_create", sys_memfd_create).partial("no seals, no large pages"),
    Syscall::plain(452, "fchmodat2", |kernel, task, args| {
        let flags = args[3] & 0xffff_ffff;
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        chmod(kernel, task, &place, args[2])
    }),
];

/// A descriptor as a path argument.
fn descriptor(fd: u64) -> Place {
    // AT_FDCWD itself is no descriptor.
    let dirfd = if fd as i32 == AT_FDCWD { -1 } else { fd as i32 };
    Place { dirfd, path_at: 0, flags: AT_EMPTY_PATH }
}

fn check_fd(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let file = kernel.tasks.process_of(task).files.get(args[0] as i32)?;
    match kernel.files.file(file).kind {
        FileKind::Path(_) => Err(Errno::EBADF),
        FileKind::Pipe { .. }
        | FileKind::Console(_)
        | FileKind::Eventfd(_)
        | FileKind::Epoll(_)
        | FileKind::Task(_) => Err(Errno::EINVAL),
        _ => Ok(0),
    }
}

fn no_xattrs(_: &mut Kernel, _: TaskId, _: &[u64; 6]) -> Result<u64, Errno> {
    Err(Errno::EOPNOTSUPP)
}

/// The regular file behind a descriptor that was opened for writing.
fn writable(kernel: &Kernel, task: TaskId, fd: u64) -> Result<InodeId, Errno> {
    let file = kernel.files.file(kernel.tasks.process_of(task).files.get(fd as i32)?);
    match file.kind {
        FileKind::Path(_) => Err(Errno::EBADF),
        FileKind::Regular(id) if file.can_write() => Ok(id),
        _ => Err(Errno::EINVAL),
    }
}

fn truncate(kernel: &mut Kernel, node: Node, size: u64) -> Result<u64, Errno> {
    if (size as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    if kernel.is_directory(node) {
        return Err(Errno::EISDIR);
    }
    let Node::Inode(id) = node else { return Err(Errno::EINVAL) };
    kernel.regular(id)?;
    kernel.want_write(id)?;
    kernel.truncate_inode(id, size)?;
    Ok(0)
}

/// The inode whose attributes are to change.
fn changeable(kernel: &mut Kernel, task: TaskId, place: &Place) -> Result<InodeId, Errno> {
    match kernel.resolve(task, place)? {
        Node::Inode(id) => {
            kernel.want_write(id)?;
            Ok(id)
        }
        Node::Proc(_) => Err(Errno::EPERM),
    }
}

fn chmod(kernel: &mut Kernel, task: TaskId, place: &Place, mode: u64) -> Result<u64, Errno> {
    let id = changeable(kernel, task, place)?;
    let now = kernel.realtime_ns();
    let inode = kernel.vfs.inode_mut(id);
    if matches!(inode.body, Body::Link(_)) {
        return Err(Errno::EOPNOTSUPP);
    }
    inode.permissions = mode as u32 & 0o7777;
    inode.times.change = now;
    Ok(0)
}

fn chown(
    kernel: &mut Kernel,
    task: TaskId,
    place: &Place,
    [uid, gid]: [u64; 2],
) -> Result<u64, Errno> {
    let id = changeable(kernel, task, place)?;
    let now = kernel.realtime_ns();
    let inode = kernel.vfs.inode_mut(id);
    // -1 leaves it.
    for (owner, new) in [(&mut inode.uid, uid as u32), (&mut inode.gid, gid as u32)] {
        if new != u32::MAX {
            *owner = new;
        }
    }
    if matches!(inode.body, Body::Regular(_)) && inode.permissions & 0o111 != 0 {
        inode.permissions &= !0o6000;
    }
    inode.times.change = now;
    Ok(0)
}

fn sys_utimensat(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const UTIME_NOW: u64 = 0x3fff_ffff;
    const UTIME_OMIT: u64 = 0x3fff_fffe;

    let [dirfd, path_at, times_at, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let now = kernel.realtime_ns();
    let mut wanted = [Some(now); 2];
    if times_at != 0 {
        let mut bytes = [0; 2 * TIME_BYTES];
        kernel.copy_from_user(times_at, &mut bytes)?;
        for (time, bytes) in wanted.iter_mut().zip(bytes.chunks_exact(TIME_BYTES)) {
            let (seconds, ns) = (word_at(bytes, 0), word_at(bytes, 8));
            *time = match ns {
                UTIME_NOW => Some(now),
                UTIME_OMIT => None,
                NSEC_PER_SEC.. => return Err(Errno::EINVAL),
                // Before 1970 there is nothing here.
                _ => Some((seconds as i64).max(0) as u64)
                    .map(|seconds| seconds.saturating_mul(NSEC_PER_SEC).saturating_add(ns)),
            };
        }
    }
    let flags = if path_at == 0 { AT_EMPTY_PATH } else { flags };
    if path_at == 0 && dirfd as i32 == AT_FDCWD {
        return Err(Errno::EFAULT);
    }
    let id = changeable(kernel, task, &Place { dirfd: dirfd as i32, path_at, flags })?;
    let Times { access, modify, .. } = kernel.vfs.inode(id).times;
    kernel.vfs.inode_mut(id).times = Times {
        access: wanted[0].unwrap_or(access),
        modify: wanted[1].unwrap_or(modify),
        change: now,
    };
    Ok(0)
}

fn sys_fallocate(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const KEEP_SIZE: u64 = 1;
    const PUNCH_HOLE: u64 = 2;
    const ZERO_RANGE: u64 = 16;

    let [fd, mode, offset, len, ..] = *args;
    let mode = mode & 0xffff_ffff;
    if (offset as i64) < 0 || len as i64 <= 0 {
        return Err(Errno::EINVAL);
    }
    let end = offset.checked_add(len).filter(|end| (*end as i64) > 0).ok_or(Errno::EFBIG)?;
    let id = match writable(kernel, task, fd) {
        Err(Errno::EINVAL) => return Err(Errno::ENODEV),
        other => other?,
    };
    if mode & PUNCH_HOLE != 0 && mode & KEEP_SIZE == 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 {
        kernel.file_zero(id, offset, len)?;
    }
    if mode & KEEP_SIZE == 0 && end > kernel.regular(id)?.nr_bytes() {
        kernel.truncate_inode(id, end)?;
    }
    Ok(0)
}

fn sys_memfd_create(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MFD_CLOEXEC: u64 = 1;
    const MFD_ALLOW_SEALING: u64 = 2;
    const MFD_NOEXEC_SEAL: u64 = 8;
    const MFD_EXEC: u64 = 16;
    const NAME_BYTES: usize = 250;

    let flags = args[1] & 0xffff_ffff;
    let known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & !known != 0 || flags & MFD_NOEXEC_SEAL != 0 && flags & MFD_EXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let name = match kernel.read_user_cstr(args[0], NAME_BYTES) {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::EINVAL),
        other => other?,
    };
    kernel.vfs.check_inodes()?;
    let permissions = if flags & MFD_NOEXEC_SEAL != 0 { 0o666 } else { 0o777 };
    let times = Times::all(kernel.realtime_ns());
    let body = Body::Regular(Regular::empty());
    let inode = Inode { nr_links: 0, ..Inode::new(body, permissions, ROOT_MOUNT, times) };
    let id = kernel.vfs.add_unnamed(inode);
    let path = [b"/memfd:".as_slice(), &name].concat();
    let file = kernel.open_unnamed(id, O_RDWR | O_LARGEFILE, path);
    let open_flags = if flags & MFD_CLOEXEC != 0 { O_CLOEXEC } else { 0 };
    install(kernel, task, file, OnExec::from_open_flags(open_flags))
}

/// Magic numbers of file systems (`include/uapi/linux/magic.h`).
fn magic(kind: &str) -> u64 {
    match kind {
        "proc" => 0x9fa0,
        "sysfs" => 0x6265_6572,
        "tracefs" => 0x7472_6163,
        "overlay" => 0x794c_7630,
        _ => 0x0102_1994,
    }
}

fn statfs(kernel: &mut Kernel, node: Option<Node>, out: u64) -> Result<u64, Errno> {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;

    let kind = match node {
        Some(Node::Inode(id)) => magic(kernel.vfs.mount_of(id).kind),
        Some(Node::Proc(_)) => magic("proc"),
        None => PIPEFS_MAGIC,
    };
    let (total, free) = kernel.vfs.room();
    let mut bytes = [0; 120];
    // f_type, f_bsize, f_blocks, f_bfree, f_bavail; f_namelen, f_frsize behind f_files and f_ffree.
    for (at, word) in
        [(0, kind), (8, PAGE_SIZE), (16, total), (24, free), (32, free), (64, 255), (72, PAGE_SIZE)]
    {
        put(&mut bytes, at, word.to_le_bytes());
    }
    kernel.copy_to_user(out, &bytes)?;
    Ok(0)
}
