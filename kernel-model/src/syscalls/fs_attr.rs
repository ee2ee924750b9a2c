//! Calls that change what a file is rather than what it is called: rights, owner, times, size.
//! Source: Linux 6.18 `fs/open.c`, `fs/statfs.c`, `mm/memfd.c`, `mm/fadvise.c`.

use perf_core::{Errno, TaskId};

use super::fs_path::{Place, install};
use super::table::Syscall;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::fs::inode::{Body, Inode, InodeId, ROOT_MOUNT, Times};
use crate::fs::namei::Node;
use crate::fs::permission::{MAY_WRITE, without_set_ids};
use crate::fs::regular::Regular;
use crate::fs::seals::{F_SEAL_EXEC, F_SEAL_SEAL};
use crate::fs::{FileKind, OnExec};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_LARGEFILE, O_RDWR,
};
use crate::uapi::put;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(74, "fsync", check_fd),
    Syscall::plain(75, "fdatasync", check_fd),
    Syscall::plain(76, "truncate", |kernel, task, args| {
        let node = kernel.resolve(task, &Place::plain(args[0]))?;
        if let Node::Inode(id) = node
            && kernel.regular(id).is_ok()
        {
            kernel.permission(task, node, MAY_WRITE)?;
            kernel.get_write_access(id)?;
        }
        truncate(kernel, task, node, args[1])
    }),
    Syscall::plain(77, "ftruncate", |kernel, task, args| {
        let id = writable(kernel, task, args[0])?;
        truncate(kernel, task, Node::Inode(id), args[1])
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
    Syscall::plain(285, "fallocate", sys_fallocate).partial("no collapsing, no inserting"),
    Syscall::plain(187, "readahead", |kernel, task, args| {
        let file = kernel.files.file(kernel.tasks.process_of(task).files.get(args[0] as i32)?);
        match file.kind {
            _ if !file.can_read() => Err(Errno::EBADF),
            FileKind::Regular(_) => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }),
    Syscall::plain(277, "sync_file_range", |kernel, task, args| {
        let [fd, offset, len, flags, ..] = *args;
        let file = kernel.files.file(kernel.tasks.process_of(task).files.get(fd as i32)?);
        let end = offset.checked_add(len).is_some_and(|end| (end as i64) >= 0);
        if flags & 0xffff_ffff & !7 != 0 || (offset as i64) < 0 || !end {
            return Err(Errno::EINVAL);
        }
        match file.kind {
            FileKind::Path(_) => Err(Errno::EBADF),
            FileKind::Regular(_) | FileKind::Directory(_) => Ok(0),
            _ => Err(Errno::ESPIPE),
        }
    }),
    Syscall::plain(306, "syncfs", check_fd),
    Syscall::plain(319, "memfd_create", sys_memfd_create).partial("no large pages"),
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
pub(super) fn descriptor(fd: u64) -> Place {
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
        | FileKind::Task(_)
        | FileKind::Socket(_) => Err(Errno::EINVAL),
        _ => Ok(0),
    }
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

fn truncate(kernel: &mut Kernel, task: TaskId, node: Node, size: u64) -> Result<u64, Errno> {
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
    kernel.drop_set_ids(task, id);
    Ok(0)
}

/// The inode whose attributes are to change.
pub(super) fn changeable(
    kernel: &mut Kernel,
    task: TaskId,
    place: &Place,
) -> Result<InodeId, Errno> {
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
    let inode = kernel.vfs.inode(id);
    if matches!(inode.body, Body::Link(_)) {
        return Err(Errno::EOPNOTSUPP);
    }
    let cred = &kernel.tasks.task(task).cred;
    if !cred.owns(inode) {
        return Err(Errno::EPERM);
    }
    let permissions = cred.allowed_mode(mode as u32, inode.gid);
    let inode = kernel.vfs.inode_mut(id);
    inode.permissions = permissions;
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
    // -1 leaves it.
    let [uid, gid] = [uid, gid].map(|id| Some(id as u32).filter(|id| *id != u32::MAX));
    let (inode, cred) = (kernel.vfs.inode(id), &kernel.tasks.task(task).cred);
    if !cred.may_chown(inode, uid, gid) {
        return Err(Errno::EPERM);
    }
    let kept = without_set_ids(cred, inode.permissions, inode.gid);
    let inode = kernel.vfs.inode_mut(id);
    inode.uid = uid.unwrap_or(inode.uid);
    inode.gid = gid.unwrap_or(inode.gid);
    if !matches!(inode.body, Body::Directory(_)) {
        inode.permissions = kept;
    }
    inode.times.change = now;
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
    if mode & PUNCH_HOLE == 0 {
        kernel.file_allocate(id, offset, end)?;
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
    let seals = match flags {
        _ if flags & MFD_NOEXEC_SEAL != 0 => F_SEAL_EXEC,
        _ if flags & MFD_ALLOW_SEALING != 0 => 0,
        _ => F_SEAL_SEAL,
    };
    let body = Body::Regular(Regular::empty().with_seals(seals));
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
