//! The root directory of a process, and what is mounted where.
//!
//! Mounts are the machine's: there is one mount namespace, and what a mount covers is found again
//! when it goes. A bind mount is another place of the same directory, whose `..` stays that of
//! the original.
//! Source: Linux 6.18 `fs/namespace.c`, `fs/open.c` (`ksys_chroot`).

use perf_core::{Errno, TaskId};

use super::fs_path::{Place, read_path};
use super::table::Syscall;
use crate::fs::namei::Node;
use crate::fs::permission::MAY_EXEC;
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::uapi::fcntl::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};

const ONE_NAMESPACE: &str = "there is one mount namespace, made before the program starts";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::refused(155, "pivot_root", Errno::EINVAL, ONE_NAMESPACE),
    Syscall::plain(161, "chroot", |kernel, task, args| {
        let node = kernel.resolve(task, &Place::plain(args[0]))?;
        if !kernel.is_directory(node) {
            return Err(Errno::ENOTDIR);
        }
        kernel.permission(task, node, MAY_EXEC)?;
        if !kernel.tasks.task(task).cred.capable(Cap::SysChroot) {
            return Err(Errno::EPERM);
        }
        kernel.get_node(node);
        let before = std::mem::replace(&mut kernel.tasks.process_of_mut(task).root, node);
        kernel.put_node(before);
        Ok(0)
    }),
    Syscall::plain(165, "mount", sys_mount)
        .partial("tmpfs, proc (an empty place), bind and remount of one's own tree"),
    Syscall::plain(166, "umount2", sys_umount2).partial("no MNT_EXPIRE"),
];

/// Longest name of a file system type, with its zero byte.
const TYPE_BYTES: usize = 4096;

/// Flags of mount.
mod ms {
    pub(super) const RDONLY: u64 = 1;
    pub(super) const REMOUNT: u64 = 32;
    pub(super) const BIND: u64 = 4096;
    pub(super) const MOVE: u64 = 8192;
    /// UNBINDABLE, PRIVATE, SLAVE, SHARED: how mounts spread to other namespaces.
    pub(super) const PROPAGATION: u64 = 0xf << 17;
}

fn check_admin(kernel: &Kernel, task: TaskId) -> Result<(), Errno> {
    let is_admin = kernel.tasks.task(task).cred.capable(Cap::SysAdmin);
    if is_admin { Ok(()) } else { Err(Errno::EPERM) }
}

fn sys_mount(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [source_at, target_at, kind_at, flags, ..] = *args;
    let kind = match kind_at {
        0 => None,
        addr => Some(kernel.read_user_cstr(addr, TYPE_BYTES)?),
    };
    let target = kernel.resolve(task, &Place::plain(target_at))?;
    check_admin(kernel, task)?;
    let Node::Inode(target) = target else { return Err(Errno::EINVAL) };
    let read_only = flags & ms::RDONLY != 0;
    if flags & ms::REMOUNT != 0 {
        return kernel.vfs.remount(target, read_only).map(|()| 0);
    }
    if flags & ms::BIND != 0 {
        let Node::Inode(source) = kernel.resolve(task, &Place::plain(source_at))? else {
            return Err(Errno::EINVAL);
        };
        return kernel.vfs.bind(target, source).map(|()| 0);
    }
    if flags & ms::PROPAGATION != 0 {
        return if kernel.vfs.is_mount_root(target) { Ok(0) } else { Err(Errno::EINVAL) };
    }
    if flags & ms::MOVE != 0 {
        kernel.tell_unsupported(task, Some("mount: MS_MOVE"));
        return Err(Errno::EINVAL);
    }
    match kind.as_deref() {
        None => Err(Errno::EINVAL),
        Some(b"tmpfs" | b"ramfs") => {
            let now = kernel.realtime_ns();
            kernel.vfs.mount_tmpfs(target, read_only, now).map(|()| 0)
        }
        Some(b"proc") => {
            let source = kernel.proc_root();
            kernel.vfs.bind(target, source).map(|()| 0)
        }
        Some(_) => {
            kernel.tell_unsupported(task, Some("mount: this type of file system"));
            Err(Errno::ENODEV)
        }
    }
}

fn sys_umount2(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MNT_EXPIRE: u64 = 4;
    const UMOUNT_NOFOLLOW: u64 = 8;
    const MNT_DETACH: u64 = 2;

    let flags = args[1] & 0xffff_ffff;
    if flags & !0xf != 0 || flags & MNT_EXPIRE != 0 && flags & !(MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0
    {
        return Err(Errno::EINVAL);
    }
    check_admin(kernel, task)?;
    let keeps = if flags & UMOUNT_NOFOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let path = read_path(kernel, args[0])?;
    let walked = kernel.walk_place(task, AT_FDCWD, &path, keeps)?;
    let Node::Inode(root) = walked.found()? else { return Err(Errno::EINVAL) };
    kernel.unmount(root, flags & MNT_DETACH != 0)?;
    Ok(0)
}
