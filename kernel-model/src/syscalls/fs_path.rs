//! Calls with paths: open, stat, access, readlink, getcwd, getdents64.
//! Source: Linux 6.18 `fs/open.c`, `fs/stat.c`, `fs/readdir.c`, `fs/d_path.c`.

use perf_core::{Errno, TaskId};

use super::exec::ExecFile;
use super::table::Syscall;
use crate::fs::namei::{self, CWD, LastLink, PathContext, lookup};
use crate::fs::stat::{Stat, stat_node};
use crate::fs::tree::{Node, NodeId, ROOT};
use crate::fs::{FileKind, OnExec};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
};
use crate::uapi::stat::{STATX_RESERVED, statx};

const TREE: &str = "a small read-only tree of names";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(2, "open", |kernel, task, args| {
        open_at(kernel, task, AT_FDCWD, args[0], args[1] as u32)
    })
    .partial(TREE),
    Syscall::plain(4, "stat", |kernel, task, args| {
        stat_at(kernel, task, &Place { dirfd: AT_FDCWD, path_at: args[0], flags: 0 }, args[1])
    }),
    Syscall::plain(5, "fstat", sys_fstat),
    Syscall::plain(6, "lstat", |kernel, task, args| {
        let place = Place { dirfd: AT_FDCWD, path_at: args[0], flags: AT_SYMLINK_NOFOLLOW };
        stat_at(kernel, task, &place, args[1])
    }),
    Syscall::plain(21, "access", |kernel, task, args| {
        access_at(kernel, task, &Place { dirfd: AT_FDCWD, path_at: args[0], flags: 0 }, args[1])
    }),
    Syscall::plain(79, "getcwd", sys_getcwd).partial("always the root"),
    Syscall::plain(89, "readlink", |kernel, task, args| {
        readlink_at(kernel, task, AT_FDCWD, args[0], [args[1], args[2]])
    }),
    Syscall::plain(217, "getdents64", sys_getdents64),
    Syscall::plain(257, "openat", |kernel, task, args| {
        open_at(kernel, task, args[0] as i32, args[1], args[2] as u32)
    })
    .partial(TREE),
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
    Syscall::plain(439, "faccessat2", |kernel, task, args| {
        let flags = args[3] & 0xffff_ffff;
        if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags };
        access_at(kernel, task, &place, args[2])
    }),
];

/// Longest path with its NUL.
const PATH_MAX: usize = 4096;
/// Bytes of entries that getdents64 makes at once.
const MAX_DIRENT_BYTES: u64 = 32_768;

/// A path argument with its directory and `AT_*` flags.
#[derive(Clone, Copy, Debug)]
struct Place {
    dirfd: i32,
    path_at: u64,
    flags: u64,
}

/// The path as `/proc/self/exe` has it: one that was given relative to the working
/// directory, which is the root, becomes absolute (`d_path`).
pub(crate) fn absolute(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.map(|part| format!("/{part}")).collect()
}

/// What a path argument names.
enum Named {
    Node(NodeId),
    Descriptor(i32),
}

/// Copies a path (`getname`).
pub(super) fn read_path(kernel: &mut Kernel, addr: u64) -> Result<Vec<u8>, Errno> {
    kernel.read_user_cstr(addr, PATH_MAX)
}

impl Kernel {
    /// The directory where a relative path starts.
    fn base_of(&self, task: TaskId, dirfd: i32, path: &[u8]) -> Result<NodeId, Errno> {
        if dirfd == AT_FDCWD || path.starts_with(b"/") {
            return Ok(ROOT);
        }
        self.files.directory(self.tasks.process_of(task).files.get(dirfd)?)
    }

    /// Finds what a path argument names (`filename_lookup` with `AT_EMPTY_PATH`).
    fn resolve(&mut self, task: TaskId, place: &Place) -> Result<Named, Errno> {
        let may_be_empty = place.flags & AT_EMPTY_PATH != 0;
        let path = match place.path_at {
            0 if may_be_empty => Vec::new(),
            addr => read_path(self, addr)?,
        };
        if path.is_empty() && may_be_empty {
            return Ok(match place.dirfd {
                AT_FDCWD => Named::Node(ROOT),
                fd => Named::Descriptor(fd),
            });
        }
        let keeps = place.flags & AT_SYMLINK_NOFOLLOW != 0;
        let last = if keeps { LastLink::Keep } else { LastLink::Follow };
        let base = self.base_of(task, place.dirfd, &path)?;
        lookup(base, &path, last).map(Named::Node)
    }

    /// stat of what a path argument names.
    fn stat_of(&mut self, task: TaskId, place: &Place) -> Result<Stat, Errno> {
        let named = self.resolve(task, place)?;
        let process = self.tasks.process_of(task);
        let exe = absolute(&process.exe_path);
        let context = PathContext { exe: &exe, nr_cpus: self.hw.nr_cpus() };
        let mut stat = match named {
            Named::Node(node) => stat_node(node, &context),
            Named::Descriptor(fd) => self.files.fstat(process.files.get(fd)?, &context),
        };
        stat.time_ns = self.boot_realtime_ns;
        Ok(stat)
    }
}

impl Kernel {
    /// Opens a program (`do_open_execat`). The only ones are those that the session gave.
    ///
    /// # Errors
    /// As open's; EACCES for what is no program.
    pub(crate) fn open_exec_at(
        &mut self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
        flags: u64,
    ) -> Result<ExecFile, Errno> {
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            self.tasks.process_of(task).files.get(dirfd)?;
            return Err(Errno::EACCES);
        }
        let wanted = absolute(&String::from_utf8_lossy(path));
        if let Some(bytes) = self.programs.get(&wanted) {
            return Ok(ExecFile { path: wanted, bytes: bytes.clone() });
        }
        let is_below = |program: &String| wanted.starts_with(&format!("{program}/"));
        if self.programs.keys().any(is_below) {
            return Err(Errno::ENOTDIR);
        }
        let base = self.base_of(task, dirfd, path)?;
        let node = lookup(base, path, LastLink::Keep)?;
        if node.node() == Node::ExeLink {
            let exe = absolute(&self.tasks.process_of(task).exe_path);
            let bytes = self.programs.get(&exe).ok_or(Errno::ENOENT)?;
            return Ok(ExecFile { path: exe, bytes: bytes.clone() });
        }
        Err(Errno::EACCES)
    }
}

fn open_at(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path_at: u64,
    flags: u32,
) -> Result<u64, Errno> {
    let path = read_path(kernel, path_at)?;
    let base = kernel.base_of(task, dirfd, &path)?;
    let process = kernel.tasks.process_of(task);
    let exe = absolute(&process.exe_path);
    let context = PathContext { exe: &exe, nr_cpus: kernel.hw.nr_cpus() };
    let file = kernel.files.openat(base, &path, flags, &context)?;
    let on_exec = OnExec::from_open_flags(flags);
    let installed = kernel.tasks.process_of_mut(task).files.install(file, on_exec);
    if installed.is_err() {
        kernel.files.release(file);
    }
    installed.map(|fd| fd as u64)
}

fn stat_at(kernel: &mut Kernel, task: TaskId, place: &Place, out: u64) -> Result<u64, Errno> {
    let stat = kernel.stat_of(task, place)?;
    kernel.copy_to_user(out, &stat.to_bytes())?;
    Ok(0)
}

fn sys_fstat(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (fd, out) = (args[0] as i32, args[1]);
    let process = kernel.tasks.process_of(task);
    let exe = absolute(&process.exe_path);
    let context = PathContext { exe: &exe, nr_cpus: kernel.hw.nr_cpus() };
    let mut stat = kernel.files.fstat(process.files.get(fd)?, &context);
    stat.time_ns = kernel.boot_realtime_ns;
    kernel.copy_to_user(out, &stat.to_bytes())?;
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
    let node = match kernel.resolve(task, place)? {
        Named::Node(node) => node,
        Named::Descriptor(fd) => {
            let file = kernel.tasks.process_of(task).files.get(fd)?;
            match kernel.files.file(file).kind {
                FileKind::Device { node, .. }
                | FileKind::Text(node)
                | FileKind::Directory(node)
                | FileKind::Path(node) => node,
                // Root may read and write whatever has no name.
                FileKind::Console(_) | FileKind::Pipe { .. } | FileKind::PerfEvent(_) => {
                    let executes = mode & namei::access_mode::X_OK != 0;
                    return if executes { Err(Errno::EACCES) } else { Ok(0) };
                }
            }
        }
    };
    namei::access(node, mode).map(|()| 0)
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
    let base = kernel.base_of(task, dirfd, &path)?;
    let process = kernel.tasks.process_of(task);
    let exe = absolute(&process.exe_path);
    let context = PathContext { exe: &exe, nr_cpus: kernel.hw.nr_cpus() };
    let target = namei::readlink(base, &path, &context)?.as_bytes();
    let target = target[..target.len().min(size as i32 as usize)].to_vec();
    kernel.copy_to_user(out_at, &target)?;
    Ok(target.len() as u64)
}

fn sys_getcwd(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [out, size, ..] = *args;
    let path = [CWD.as_bytes(), b"\0"].concat();
    if size < path.len() as u64 {
        return Err(Errno::ERANGE);
    }
    kernel.copy_to_user(out, &path)?;
    Ok(path.len() as u64)
}

fn sys_getdents64(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, out, size, ..] = *args;
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    let position = kernel.files.file(file).position;
    let max = (size & 0xffff_ffff).min(MAX_DIRENT_BYTES) as usize;
    let entries = kernel.files.getdents64(file, max)?;
    if let Err(errno) = kernel.copy_to_user(out, &entries) {
        kernel.files.file_mut(file).position = position;
        return Err(errno);
    }
    Ok(entries.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_absolute_paths() {
        for (path, want) in
            [("/bin/prog", "/bin/prog"), ("./prog", "/prog"), ("a//b", "/a/b"), ("prog", "/prog")]
        {
            assert_eq!(absolute(path), want);
        }
    }
}
