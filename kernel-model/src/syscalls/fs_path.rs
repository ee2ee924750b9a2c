//! Calls with paths: open, stat, access, readlink, the working directory, getdents64.
//! Source: Linux 6.18 `fs/open.c`, `fs/stat.c`, `fs/readdir.c`, `fs/d_path.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::{Restart, on};
use crate::arch::x86::hw::PAGE_SIZE;
use crate::fs::namei::{LastLink, Node, PATH_MAX, Walked, resolve};
use crate::fs::open::{OpenHow, TMPFILE_BIT, access_mode};
use crate::fs::permission::MAY_EXEC;
use crate::fs::readdir::DirentLayout;
use crate::fs::stat::Stat;
use crate::fs::{FileId, FileKind, OnExec};
use crate::kernel::Kernel;
use crate::task::wait::Channel;
use crate::uapi::fcntl::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
    O_CLOEXEC, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_TMPFILE, O_TRUNC, O_WRONLY,
};
use crate::uapi::stat::{STATX_RESERVED, statx};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(2, "open", |kernel, task, args| {
        open_at(kernel, task, AT_FDCWD, args[0], [args[1] as u32, args[2] as u32])
    })
    .partial("no leases"),
    Syscall::plain(4, "stat", |kernel, task, args| {
        stat_at(kernel, task, &Place::plain(args[0]), args[1])
    }),
    Syscall::plain(5, "fstat", sys_fstat),
    Syscall::plain(6, "lstat", |kernel, task, args| {
        let place = Place { flags: AT_SYMLINK_NOFOLLOW, ..Place::plain(args[0]) };
        stat_at(kernel, task, &place, args[1])
    }),
    Syscall::plain(21, "access", |kernel, task, args| {
        access_at(kernel, task, &Place::plain(args[0]), args[1])
    }),
    Syscall::plain(79, "getcwd", sys_getcwd),
    Syscall::plain(80, "chdir", |kernel, task, args| {
        let place = Place::plain(args[0]);
        let node = kernel.resolve(task, &place)?;
        set_cwd(kernel, task, node)
    }),
    Syscall::plain(81, "fchdir", |kernel, task, args| {
        let file = kernel.tasks.process_of(task).files.get(args[0] as i32)?;
        let node = kernel.node_of_file(file).ok_or(Errno::ENOTDIR)?;
        set_cwd(kernel, task, node)
    }),
    Syscall::waiting(85, "creat", |kernel, task, args| {
        let flags = O_CREAT | O_WRONLY | O_TRUNC;
        open_at(kernel, task, AT_FDCWD, args[0], [flags, args[1] as u32])
    }),
    Syscall::plain(89, "readlink", |kernel, task, args| {
        readlink_at(kernel, task, AT_FDCWD, args[0], [args[1], args[2]])
    }),
    Syscall::plain(78, "getdents", |kernel, task, args| {
        getdents(kernel, task, args, DirentLayout::Old)
    }),
    Syscall::plain(217, "getdents64", |kernel, task, args| {
        getdents(kernel, task, args, DirentLayout::Wide)
    }),
    Syscall::waiting(257, "openat", |kernel, task, args| {
        open_at(kernel, task, args[0] as i32, args[1], [args[2] as u32, args[3] as u32])
    })
    .partial("no leases"),
    Syscall::plain(262, "newfstatat", |kernel, task, args| {
        let flags = args[3] & 0xffff_ffff;
        let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
        if flags & !known != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        stat_at(kernel, task, &place, args[2])
    }),
    Syscall::plain(267, "readlinkat", |kernel, task, args| {
        readlink_at(kernel, task, args[0] as i32, args[1], [args[2], args[3]])
    }),
    Syscall::plain(269, "faccessat", |kernel, task, args| {
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags: 0 };
        access_at(kernel, task, &place, args[2])
    }),
    Syscall::plain(332, "statx", sys_statx).partial("basic fields"),
    Syscall::waiting(437, "openat2", sys_openat2).partial("no leases"),
    Syscall::plain(439, "faccessat2", |kernel, task, args| {
        let flags = args[3] & 0xffff_ffff;
        if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        access_at(kernel, task, &place, args[2])
    }),
];

/// The flags that openat2 knows (`VALID_OPEN_FLAGS`).
const OPENAT2_FLAGS: u64 = 0o37_777_703;
/// Bytes of entries that getdents64 makes at once.
const MAX_DIRENT_BYTES: u64 = 32_768;

/// A path argument with its directory and `AT_*` flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) dirfd: i32,
    pub(super) path_at: u64,
    pub(super) flags: u64,
}

impl Place {
    /// A path in the working directory.
    pub(super) const fn plain(path_at: u64) -> Self {
        Self { dirfd: AT_FDCWD, path_at, flags: 0 }
    }
}

/// Copies a path (`getname`).
pub(super) fn read_path(kernel: &mut Kernel, addr: u64) -> Result<Vec<u8>, Errno> {
    kernel.read_user_cstr(addr, PATH_MAX)
}

/// What a path argument names: a place, or an open file that has none (a pipe, an event).
enum Named {
    Node(Node),
    File(FileId),
}

impl Kernel {
    /// Finds what a path argument names (`filename_lookup` with `AT_EMPTY_PATH`).
    fn name_or_file(&mut self, task: TaskId, place: &Place) -> Result<Named, Errno> {
        let may_be_empty = place.flags & AT_EMPTY_PATH != 0;
        let path = match place.path_at {
            0 if may_be_empty => Vec::new(),
            addr => read_path(self, addr)?,
        };
        if path.is_empty() && may_be_empty {
            if place.dirfd == AT_FDCWD {
                return Ok(Named::Node(self.tasks.process_of(task).cwd));
            }
            let file = self.tasks.process_of(task).files.get(place.dirfd)?;
            return Ok(self.node_of_file(file).map_or(Named::File(file), Named::Node));
        }
        let node = self.walk_place(task, place.dirfd, &path, place.flags)?.found()?;
        // A link of /proc to what has no place leads to the open file.
        if place.flags & AT_SYMLINK_NOFOLLOW == 0
            && let Node::Proc(proc) = node
            && let Some(file) = self.proc_file(proc)
        {
            return Ok(Named::File(file));
        }
        Ok(Named::Node(node))
    }

    /// The same where only places will do.
    pub(super) fn resolve(&mut self, task: TaskId, place: &Place) -> Result<Node, Errno> {
        match self.name_or_file(task, place)? {
            Named::Node(node) => Ok(node),
            Named::File(_) => Err(Errno::EINVAL),
        }
    }

    /// Follows a path, and the link at its end unless the flags say otherwise.
    pub(super) fn walk_place(
        &mut self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
        flags: u64,
    ) -> Result<Walked, Errno> {
        let keeps = flags & AT_SYMLINK_NOFOLLOW != 0;
        let last = if keeps { LastLink::Keep } else { LastLink::Follow };
        let base = self.base_of(task, dirfd, path)?;
        self.walk(task, base, path, last)
    }

    fn stat_of(&mut self, task: TaskId, place: &Place) -> Result<Stat, Errno> {
        match self.name_or_file(task, place)? {
            Named::Node(node) => {
                // The links of a directory are counted where it is listed.
                if let Node::Inode(id) = node
                    && self.vfs.directory(id).is_ok()
                {
                    self.list_host_directory(id)?;
                }
                self.stat_node(node)
            }
            Named::File(file) => self.fstat(file),
        }
    }
}

fn open_at(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    [flags, mode]: [u32; 2],
) -> Result<Outcome, Errno> {
    let how = OpenHow { flags, mode, resolve: 0 };
    open_how(kernel, task, dirfd, path_at, &how)
}

/// Opens a file; a FIFO waits for who opens its other end (`fifo_open`). What survives the wait
/// is in the last arguments of the call, which none of these calls uses.
fn open_how(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    how: &OpenHow,
) -> Result<Outcome, Errno> {
    let on_exec = OnExec::from_open_flags(how.flags);
    let (file, seen) = match waiting_open(kernel, task) {
        Some(kept) => kept,
        None => {
            let path = read_path(kernel, path_at)?;
            let file = kernel.open_path(task, dirfd, &path, how)?;
            (file, kernel.fifo_partners(file).map_or(0, |(_, ever)| ever))
        }
    };
    if let Some((now, ever)) = kernel.fifo_partners(file)
        && now == 0
        && ever == seen
        && how.flags & O_NONBLOCK == 0
        && let FileKind::Pipe { pipe, .. } = kernel.files.file(file).kind
    {
        if kernel.signal_pending(task) {
            kernel.release_file(file);
            return Ok(Restart::Sys.outcome());
        }
        if let Some(call) = &mut kernel.tasks.task_mut(task).syscall {
            (call.args[4], call.args[5]) = (seen, u64::from(file.0));
        }
        return Ok(Outcome::Wait(on(Channel::Pipe(pipe.0))));
    }
    install(kernel, task, file, on_exec).map(|fd| Outcome::Done(Ok(fd)))
}

/// The FIFO that the call has opened before it had to wait, and the partners there were then.
fn waiting_open(kernel: &Kernel, task: TaskId) -> Option<(FileId, u64)> {
    let call = kernel.tasks.task(task).syscall.filter(|call| call.woken.is_some())?;
    Some((FileId(call.args[5] as u32), call.args[4]))
}

/// Gives an open file a descriptor, or closes it.
pub(super) fn install(
    kernel: &mut Kernel,
    task: TaskId,
    file: FileId,
    on_exec: OnExec,
) -> Result<u64, Errno> {
    match kernel.tasks.process_of_mut(task).files.install(file, on_exec) {
        Ok(fd) => Ok(fd as u64),
        Err(errno) => {
            kernel.release_file(file);
            Err(errno)
        }
    }
}

/// `struct open_how`: flags, mode, resolve.
fn sys_openat2(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    const HOW_BYTES: u64 = 24;

    let [dirfd, path_at, how_at, size, ..] = *args;
    if size < HOW_BYTES {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    // What a later Linux may know has to be zero.
    let mut more = vec![0; (size - HOW_BYTES) as usize];
    kernel.copy_from_user(how_at.wrapping_add(HOW_BYTES), &mut more)?;
    if more.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let mut how = [0; HOW_BYTES as usize];
    kernel.copy_from_user(how_at, &mut how)?;
    let (flags, mode, resolve) = (word_at(&how, 0), word_at(&how, 8), word_at(&how, 16));
    let creates = flags as u32 & O_CREAT != 0 || flags as u32 & O_TMPFILE == O_TMPFILE;
    let both = resolve::BENEATH | resolve::IN_ROOT;
    if flags & !OPENAT2_FLAGS != 0
        || mode & !0o7777 != 0
        || mode != 0 && !creates
        || resolve & !resolve::ALL != 0
        || resolve & both == both
    {
        return Err(Errno::EINVAL);
    }
    let with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if flags as u32 & O_PATH != 0 && flags as u32 & !with_path != 0 {
        return Err(Errno::EINVAL);
    }
    if resolve & resolve::CACHED != 0 && flags as u32 & (O_TRUNC | O_CREAT | TMPFILE_BIT) != 0 {
        return Err(Errno::EAGAIN);
    }
    let how = OpenHow { flags: flags as u32, mode: mode as u32, resolve };
    open_how(kernel, task, dirfd as i32, path_at, &how)
}

fn stat_at(kernel: &mut Kernel, task: TaskId, place: &Place, out: u64) -> Result<u64, Errno> {
    let stat = kernel.stat_of(task, place)?;
    kernel.copy_to_user(out, &stat.to_bytes())?;
    Ok(0)
}

fn sys_fstat(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let file = kernel.tasks.process_of(task).files.get(args[0] as i32)?;
    let stat = kernel.fstat(file)?;
    kernel.copy_to_user(args[1], &stat.to_bytes())?;
    Ok(0)
}

fn sys_statx(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [dirfd, path_at, flags, mask, out, _] = *args;
    let flags = flags & 0xffff_ffff;
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if mask & STATX_RESERVED != 0
        || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE
        || flags & !known != 0
    {
        return Err(Errno::EINVAL);
    }
    let stat = kernel.stat_of(task, &Place { dirfd: dirfd as i32, path_at, flags })?;
    kernel.copy_to_user(out, &statx(&stat))?;
    Ok(0)
}

fn access_at(kernel: &mut Kernel, task: TaskId, place: &Place, mode: u64) -> Result<u64, Errno> {
    let mode = mode as u32;
    if mode & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let own = &kernel.tasks.task(task).cred;
    let cred = if place.flags & AT_EACCESS != 0 { own.clone() } else { own.for_access() };
    match kernel.name_or_file(task, place)? {
        Named::Node(node) => kernel.access(&cred, node, mode).map(|()| 0),
        // Root may read and write whatever has no name.
        Named::File(_) if mode & access_mode::X_OK != 0 => Err(Errno::EACCES),
        Named::File(_) => Ok(0),
    }
}

fn readlink_at(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    out: [u64; 2],
) -> Result<u64, Errno> {
    let [out_at, size] = out;
    if size as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(kernel, path_at)?;
    let node = if path.is_empty() && dirfd != AT_FDCWD {
        let file = kernel.tasks.process_of(task).files.get(dirfd)?;
        kernel.node_of_file(file).filter(|node| kernel.is_link(*node)).ok_or(Errno::ENOENT)?
    } else {
        kernel.walk_place(task, dirfd, &path, AT_SYMLINK_NOFOLLOW)?.found()?
    };
    let target = kernel.link_target(task, node)?;
    let target = &target[..target.len().min(size as i32 as usize)];
    kernel.copy_to_user(out_at, target)?;
    Ok(target.len() as u64)
}

fn set_cwd(kernel: &mut Kernel, task: TaskId, node: Node) -> Result<u64, Errno> {
    if !kernel.is_directory(node) {
        return Err(Errno::ENOTDIR);
    }
    kernel.permission(task, node, MAY_EXEC)?;
    kernel.get_node(node);
    let before = std::mem::replace(&mut kernel.tasks.process_of_mut(task).cwd, node);
    kernel.put_node(before);
    Ok(0)
}

fn sys_getcwd(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [out, size, ..] = *args;
    let cwd = kernel.tasks.process_of(task).cwd;
    if let Node::Inode(id) = cwd
        && kernel.vfs.inode(id).nr_links == 0
    {
        return Err(Errno::ENOENT);
    }
    let root = kernel.tasks.process_of(task).root;
    let path = [kernel.path_below(root, cwd)?, b"\0".to_vec()].concat();
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if size < path.len() as u64 {
        return Err(Errno::ERANGE);
    }
    kernel.copy_to_user(out, &path)?;
    Ok(path.len() as u64)
}

fn getdents(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
    layout: DirentLayout,
) -> Result<u64, Errno> {
    let [fd, out, size, ..] = *args;
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    if let FileKind::Directory(Node::Inode(id)) = kernel.files.file(file).kind
        && kernel.vfs.inode(id).nr_links == 0
    {
        return Err(Errno::ENOENT);
    }
    let position = kernel.files.file(file).position;
    let max = (size & 0xffff_ffff).min(MAX_DIRENT_BYTES) as usize;
    let entries = kernel.getdents(file, max, layout)?;
    if let Err(errno) = kernel.copy_to_user(out, &entries) {
        kernel.files.file_mut(file).position = position;
        return Err(errno);
    }
    Ok(entries.len() as u64)
}
