//! Extended attributes, in memory as everything of a file is: `user.*`, `trusted.*` and
//! `security.*`. What the host's files have is not seen.
//! Source: Linux 6.18 `fs/xattr.c`, `mm/shmem.c`; xattr(7).

use perf_core::{Errno, TaskId};

use super::fs_attr::descriptor;
use super::fs_path::Place;
use super::table::Syscall;
use crate::fs::inode::{Body, InodeId};
use crate::fs::namei::Node;
use crate::fs::permission::{MAY_READ, MAY_WRITE, S_ISVTX};
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::uapi::fcntl::AT_SYMLINK_NOFOLLOW;

const LIMITS: &str = "no access lists; attributes of the host's files are not seen";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(188, "setxattr", |kernel, task, args| set(kernel, task, &follow(args[0]), args))
        .partial(LIMITS),
    Syscall::plain(189, "lsetxattr", |kernel, task, args| set(kernel, task, &keep(args[0]), args))
        .partial(LIMITS),
    Syscall::plain(190, "fsetxattr", |kernel, task, args| {
        set(kernel, task, &descriptor(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(191, "getxattr", |kernel, task, args| get(kernel, task, &follow(args[0]), args))
        .partial(LIMITS),
    Syscall::plain(192, "lgetxattr", |kernel, task, args| get(kernel, task, &keep(args[0]), args))
        .partial(LIMITS),
    Syscall::plain(193, "fgetxattr", |kernel, task, args| {
        get(kernel, task, &descriptor(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(194, "listxattr", |kernel, task, args| {
        list(kernel, task, &follow(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(195, "llistxattr", |kernel, task, args| {
        list(kernel, task, &keep(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(196, "flistxattr", |kernel, task, args| {
        list(kernel, task, &descriptor(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(197, "removexattr", |kernel, task, args| {
        remove(kernel, task, &follow(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(198, "lremovexattr", |kernel, task, args| {
        remove(kernel, task, &keep(args[0]), args)
    })
    .partial(LIMITS),
    Syscall::plain(199, "fremovexattr", |kernel, task, args| {
        remove(kernel, task, &descriptor(args[0]), args)
    })
    .partial(LIMITS),
];

/// Longest name.
const NAME_MAX: usize = 255;
/// Longest value, and longest list of names.
const SIZE_MAX: u64 = 65_536;
/// Bytes of names and values that a file may have.
const MAX_BYTES: usize = 128 << 10;

fn follow(path_at: u64) -> Place {
    Place::plain(path_at)
}

fn keep(path_at: u64) -> Place {
    Place { flags: AT_SYMLINK_NOFOLLOW, ..Place::plain(path_at) }
}

fn read_name(kernel: &mut Kernel, addr: u64) -> Result<Vec<u8>, Errno> {
    match kernel.read_user_cstr(addr, NAME_MAX + 1) {
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        other => other,
    }
}

fn inode_of(kernel: &mut Kernel, task: TaskId, place: &Place) -> Result<InodeId, Errno> {
    match kernel.resolve(task, place)? {
        Node::Inode(id) => Ok(id),
        Node::Proc(_) => Err(Errno::EOPNOTSUPP),
    }
}

/// Whether the task may use an attribute of this name (`xattr_permission`).
fn check(kernel: &Kernel, task: TaskId, id: InodeId, name: &[u8], mask: u32) -> Result<(), Errno> {
    let writes = mask & MAY_WRITE != 0;
    if writes {
        kernel.want_write(id)?;
    }
    let inode = kernel.vfs.inode(id);
    let cred = &kernel.tasks.task(task).cred;
    let denied = if writes { Errno::EPERM } else { Errno::ENODATA };
    if name.starts_with(b"trusted.") && !cred.capable(Cap::SysAdmin) {
        return Err(denied);
    }
    if name.starts_with(b"security.") {
        return if writes && !cred.capable(Cap::SysAdmin) { Err(Errno::EPERM) } else { Ok(()) };
    }
    if name.starts_with(b"user.") {
        match inode.body {
            Body::Regular(_) => {}
            Body::Directory(_) => {
                let sticky = inode.permissions & S_ISVTX != 0;
                if sticky && writes && !cred.owns(inode) {
                    return Err(Errno::EPERM);
                }
            }
            _ => return Err(denied),
        }
        return kernel.permission(task, Node::Inode(id), mask);
    }
    Ok(())
}

/// The handler of a name: what has none is not supported.
fn check_prefix(kernel: &Kernel, id: InodeId, name: &[u8]) -> Result<(), Errno> {
    let prefixes: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
    let takes = matches!(kernel.vfs.mount_of(id).kind, "tmpfs" | "overlay" | "devtmpfs");
    match prefixes.iter().find(|prefix| name.starts_with(prefix)) {
        Some(_) if !takes => Err(Errno::EOPNOTSUPP),
        Some(prefix) if prefix.len() == name.len() => Err(Errno::EINVAL),
        Some(_) => Ok(()),
        None => Err(Errno::EOPNOTSUPP),
    }
}

fn set(kernel: &mut Kernel, task: TaskId, place: &Place, args: &[u64; 6]) -> Result<u64, Errno> {
    const CREATE: u64 = 1;
    const REPLACE: u64 = 2;

    let [_, name_at, value_at, size, flags, _] = *args;
    let flags = flags & 0xffff_ffff;
    if flags & !(CREATE | REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = read_name(kernel, name_at)?;
    if size > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let mut value = vec![0; size as usize];
    kernel.copy_from_user(value_at, &mut value)?;
    let id = inode_of(kernel, task, place)?;
    check(kernel, task, id, &name, MAY_WRITE)?;
    check_prefix(kernel, id, &name)?;
    let now = kernel.realtime_ns();
    let inode = kernel.vfs.inode_mut(id);
    let used: usize = inode.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    match inode.attributes.contains_key(&name) {
        true if flags & CREATE != 0 => return Err(Errno::EEXIST),
        false if flags & REPLACE != 0 => return Err(Errno::ENODATA),
        _ if used + name.len() + value.len() > MAX_BYTES => return Err(Errno::ENOSPC),
        _ => {}
    }
    inode.attributes.insert(name, value);
    inode.times.change = now;
    Ok(0)
}

fn get(kernel: &mut Kernel, task: TaskId, place: &Place, args: &[u64; 6]) -> Result<u64, Errno> {
    let [_, name_at, out, size, ..] = *args;
    let name = read_name(kernel, name_at)?;
    let id = inode_of(kernel, task, place)?;
    check(kernel, task, id, &name, MAY_READ)?;
    check_prefix(kernel, id, &name)?;
    let value = kernel.vfs.inode(id).attributes.get(&name).cloned().ok_or(Errno::ENODATA)?;
    answer(kernel, &value, out, size)
}

/// A value or list; its size where there is no room asked for.
fn answer(kernel: &mut Kernel, bytes: &[u8], out: u64, size: u64) -> Result<u64, Errno> {
    if size != 0 {
        if bytes.len() as u64 > size {
            return Err(Errno::ERANGE);
        }
        kernel.copy_to_user(out, bytes)?;
    }
    Ok(bytes.len() as u64)
}

fn list(kernel: &mut Kernel, task: TaskId, place: &Place, args: &[u64; 6]) -> Result<u64, Errno> {
    let id = inode_of(kernel, task, place)?;
    let is_admin = kernel.tasks.task(task).cred.capable(Cap::SysAdmin);
    let names = kernel.vfs.inode(id).attributes.keys();
    let shown = names.filter(|name| is_admin || !name.starts_with(b"trusted."));
    let bytes: Vec<u8> = shown.flat_map(|name| [name.as_slice(), b"\0"].concat()).collect();
    answer(kernel, &bytes, args[1], args[2])
}

fn remove(kernel: &mut Kernel, task: TaskId, place: &Place, args: &[u64; 6]) -> Result<u64, Errno> {
    let name = read_name(kernel, args[1])?;
    let id = inode_of(kernel, task, place)?;
    check(kernel, task, id, &name, MAY_WRITE)?;
    check_prefix(kernel, id, &name)?;
    let now = kernel.realtime_ns();
    let inode = kernel.vfs.inode_mut(id);
    inode.attributes.remove(&name).ok_or(Errno::ENODATA)?;
    inode.times.change = now;
    Ok(0)
}
