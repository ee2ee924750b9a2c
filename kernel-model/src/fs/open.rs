//! Opening files, and the tests of `access`.
//! Source: Linux 6.18 `fs/open.c` (`build_open_flags`, `do_dentry_open`), `fs/namei.c`
//! (`path_openat`).

use perf_core::{Errno, TaskId};

use super::file::{FileId, FileKind, PipeEnd};
use super::inode::{Body, Device, InodeId};
use super::namei::{LastLink, Node, Walked};
use super::permission::{MAY_EXEC, MAY_READ, MAY_WRITE};
use super::proc::{ProcEntry, ProcNode};
use super::regular::Regular;
use super::stat::mode;
use crate::kernel::Kernel;
use crate::task::cred::Cred;
use crate::task::wait::Channel;
use crate::uapi::fcntl::{
    O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY,
    O_NOFOLLOW, O_NONBLOCK, O_PATH, O_TMPFILE, O_TRUNC, O_WRONLY,
};

/// Tests of `access`.
pub mod access_mode {
    /// May be executed, or searched.
    pub const X_OK: u32 = 1;
    /// May be written.
    pub const W_OK: u32 = 2;
    /// May be read.
    pub const R_OK: u32 = 4;
}

/// How a file is opened (`struct open_how`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenHow {
    /// `O_*`.
    pub(crate) flags: u32,
    /// Rights of a new file.
    pub(crate) mode: u32,
    /// `RESOLVE_*`: [`super::namei::resolve`].
    pub(crate) resolve: u64,
}

/// `O_TMPFILE` without `O_DIRECTORY`.
pub(crate) const TMPFILE_BIT: u32 = O_TMPFILE & !O_DIRECTORY;

impl Kernel {
    /// `openat`: opens a path, with one use of the open file. `O_CLOEXEC` is for the caller to
    /// remember.
    ///
    /// # Errors
    /// As Linux.
    pub(crate) fn open_path(
        &mut self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
        how: &OpenHow,
    ) -> Result<FileId, Errno> {
        let OpenHow { flags, mode, resolve } = *how;
        let flags = if flags & O_PATH != 0 {
            flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        } else {
            flags
        };
        if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY {
            return Err(Errno::EINVAL);
        }
        if flags & TMPFILE_BIT != 0 {
            return self.open_tmpfile(task, dirfd, path, how);
        }
        let base = self.base_with(task, dirfd, path, resolve)?;
        let keeps = flags & O_NOFOLLOW != 0 || flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
        let last = if keeps { LastLink::Keep } else { LastLink::Follow };
        let walked = self.walk_with(task, base, path, last, resolve)?;
        let full = self.walked_path(&walked)?;
        match walked.node {
            None if flags & O_CREAT == 0 => Err(Errno::ENOENT),
            None => {
                self.check_creates(&walked)?;
                let id = self.create_file(task, &walked, mode)?;
                Ok(self.open_kind(FileKind::Regular(id), flags, full, Vec::new()))
            }
            Some(_) if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL => Err(Errno::EEXIST),
            Some(node) => self.open_node(task, node, flags, full),
        }
    }

    /// A file without a name in a directory (`do_tmpfile`).
    fn open_tmpfile(
        &mut self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
        how: &OpenHow,
    ) -> Result<FileId, Errno> {
        let OpenHow { flags, mode, resolve } = *how;
        if flags & O_TMPFILE != O_TMPFILE || flags & O_ACCMODE == 0 {
            return Err(Errno::EINVAL);
        }
        let base = self.base_with(task, dirfd, path, resolve)?;
        let keeps = flags & O_NOFOLLOW != 0;
        let last = if keeps { LastLink::Keep } else { LastLink::Follow };
        let node = self.walk_with(task, base, path, last, resolve)?.found()?;
        if !self.is_directory(node) {
            return Err(Errno::ENOTDIR);
        }
        let Node::Inode(parent) = node else { return Err(Errno::EOPNOTSUPP) };
        self.want_write(parent)?;
        self.vfs.mount_of(parent).takes_names(Errno::EOPNOTSUPP)?;
        self.may_change_names(task, parent)?;
        self.vfs.check_inodes()?;
        let permissions = mode & 0o7777 & !self.tasks.process_of(task).umask;
        let id = self.new_inode(task, parent, Body::Regular(Regular::empty()), permissions);
        let inode = self.vfs.inode_mut(id);
        inode.nr_links = 0;
        inode.is_linkable = flags & O_EXCL == 0;
        let mut full = self.node_path(node)?;
        full.extend(format!("/#{}", id.0).into_bytes());
        Ok(self.open_kind(FileKind::Regular(id), flags, full, Vec::new()))
    }

    /// What the rights of a place say about opening it (`may_open`).
    fn may_open(&self, task: TaskId, node: Node, flags: u32) -> Result<(), Errno> {
        let mut mask = match flags & O_ACCMODE {
            0 => MAY_READ,
            O_WRONLY => MAY_WRITE,
            _ => MAY_READ | MAY_WRITE,
        };
        if flags & O_TRUNC != 0 {
            mask |= MAY_WRITE;
        }
        if mask & MAY_WRITE != 0
            && let Node::Inode(id) = node
            && matches!(self.vfs.inode(id).body, Body::Regular(_))
        {
            self.want_write(id)?;
        }
        self.permission(task, node, mask)?;
        if flags & O_NOATIME != 0
            && let Node::Inode(id) = node
            && !self.tasks.task(task).cred.owns(self.vfs.inode(id))
        {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Refuses to change a program that runs (`deny_write_access`).
    ///
    /// # Errors
    /// ETXTBSY.
    pub(crate) fn get_write_access(&self, id: InodeId) -> Result<(), Errno> {
        let runs = self.tasks.processes.values().any(|process| process.exe == Some(id));
        if runs { Err(Errno::ETXTBSY) } else { Ok(()) }
    }

    /// File systems that the kernel fills have no operation that makes files.
    fn check_creates(&self, walked: &Walked) -> Result<(), Errno> {
        match walked.parent {
            _ if walked.has_slash => Err(Errno::EISDIR),
            Node::Inode(id) => self.vfs.mount_of(id).takes_names(Errno::EACCES),
            Node::Proc(_) => Err(Errno::ENOENT),
        }
    }

    /// Opens a place that exists.
    fn open_node(
        &mut self,
        task: TaskId,
        node: Node,
        flags: u32,
        full: Vec<u8>,
    ) -> Result<FileId, Errno> {
        let is_directory = self.is_directory(node);
        if let Node::Proc(place) = node
            && let ProcEntry::Fd(fd) = place.entry
            && flags & (O_PATH | O_NOFOLLOW) == 0
        {
            return self.open_again(place, fd, flags, full);
        }
        if self.is_link(node) && flags & O_PATH == 0 {
            return Err(Errno::ELOOP);
        }
        if flags & O_DIRECTORY != 0 && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        if flags & O_PATH != 0 {
            return Ok(self.open_kind(FileKind::Path(node), flags, full, Vec::new()));
        }
        let writes = flags & O_ACCMODE != 0 || flags & O_TRUNC != 0;
        if is_directory && (writes || flags & O_CREAT != 0) {
            return Err(Errno::EISDIR);
        }
        self.may_open(task, node, flags)?;
        if is_directory {
            return Ok(self.open_kind(FileKind::Directory(node), flags, full, Vec::new()));
        }
        match node {
            Node::Inode(id) => self.open_inode(task, id, flags, full, writes),
            Node::Proc(place @ ProcNode { entry: ProcEntry::Memory(view), .. }) => {
                let pid = self.proc_process(place)?.1.pid;
                Ok(self.open_kind(FileKind::ProcMem { pid, view }, flags, full, Vec::new()))
            }
            Node::Proc(place) => {
                let text = self.proc_text(place)?;
                Ok(self.open_kind(FileKind::Text(node), flags, full, text))
            }
        }
    }

    /// Opens what a link in `/proc/PID/fd` leads to, where that has no place of its own: the
    /// streams to the outside, and pipes. Events cannot be opened again: ENXIO.
    fn open_again(
        &mut self,
        place: ProcNode,
        fd: i32,
        flags: u32,
        full: Vec<u8>,
    ) -> Result<FileId, Errno> {
        let (_, process) = self.proc_process(place)?;
        let file = process.files.get(fd).map_err(|_| Errno::ENOENT)?;
        match self.files.file(file).kind {
            kind @ FileKind::Console(_) => Ok(self.open_kind(kind, flags, full, Vec::new())),
            FileKind::Pipe { pipe, fifo, .. } => {
                let end = PipeEnd::of_flags(flags);
                self.files.pipe_mut(pipe).open(end);
                let kind = FileKind::Pipe { pipe, end, fifo };
                Ok(self.open_kind(kind, flags, full, Vec::new()))
            }
            _ => Err(Errno::ENXIO),
        }
    }

    fn open_inode(
        &mut self,
        task: TaskId,
        id: InodeId,
        flags: u32,
        full: Vec<u8>,
        writes: bool,
    ) -> Result<FileId, Errno> {
        match &self.vfs.inode(id).body {
            Body::Special { kind: mode::FIFO, .. } => self.open_fifo(id, flags, full),
            Body::Device(Device::Tty, _) | Body::Special { .. } => Err(Errno::ENXIO),
            Body::Device(device, _) => {
                let kind = FileKind::Device { node: id, device: *device };
                Ok(self.open_kind(kind, flags, full, Vec::new()))
            }
            Body::Pseudo(file) => {
                let file: &'static super::pseudo::PseudoFile = file;
                if writes && file.store.is_none() {
                    return Err(Errno::EACCES);
                }
                if flags & O_TRUNC != 0
                    && let Some(truncate) = file.truncate
                {
                    truncate(self, task);
                }
                let text = (file.show)(self, task);
                Ok(self.open_kind(FileKind::Text(Node::Inode(id)), flags, full, text))
            }
            Body::Regular(_) => {
                if writes {
                    self.get_write_access(id)?;
                }
                if flags & O_TRUNC != 0 {
                    self.truncate_inode(id, 0)?;
                    self.drop_set_ids(task, id);
                }
                Ok(self.open_kind(FileKind::Regular(id), flags, full, Vec::new()))
            }
            Body::Directory(_) | Body::Link(_) => Err(Errno::EISDIR),
        }
    }

    /// Opens a FIFO; the caller waits for who opens the other end
    /// ([`Kernel::fifo_partners`]).
    fn open_fifo(&mut self, id: InodeId, flags: u32, full: Vec<u8>) -> Result<FileId, Errno> {
        let end = PipeEnd::of_flags(flags);
        let kind = self.files.open_fifo(id, end);
        let file = self.open_kind(kind, flags, full, Vec::new());
        let is_alone = self.fifo_partners(file).is_some_and(|(now, _)| now == 0);
        if end == PipeEnd::Write && is_alone && flags & O_NONBLOCK != 0 {
            self.release_file(file);
            return Err(Errno::ENXIO);
        }
        self.wake_file(file);
        Ok(file)
    }

    /// Of an open FIFO, those at the other end: how many there are, and ever were.
    pub(crate) fn fifo_partners(&self, file: FileId) -> Option<(u32, u64)> {
        match self.files.file(file).kind {
            FileKind::Pipe { pipe, end, fifo: Some(_) } => {
                Some(self.files.pipe(pipe).partners(end))
            }
            _ => None,
        }
    }

    /// Wakes who waits for a pipe.
    fn wake_file(&mut self, file: FileId) {
        if let FileKind::Pipe { pipe, .. } = self.files.file(file).kind {
            self.wake(Channel::Pipe(pipe.0));
        }
    }

    /// Makes the open file, which uses the place.
    fn open_kind(&mut self, kind: FileKind, flags: u32, path: Vec<u8>, text: Vec<u8>) -> FileId {
        let not_kept = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
        let large = if flags & O_PATH == 0 { O_LARGEFILE } else { 0 };
        let id = self.files.open_at_path(kind, flags & !not_kept | large, path, text);
        if let Some(node) = self.node_of_file(id) {
            self.get_node(node);
        }
        id
    }

    /// Opens an inode that has no name, as memfd_create does.
    pub(crate) fn open_unnamed(&mut self, id: InodeId, flags: u32, path: Vec<u8>) -> FileId {
        self.open_kind(FileKind::Regular(id), flags, path, Vec::new())
    }

    /// Truncates a file, and notes when.
    pub(crate) fn truncate_inode(&mut self, id: InodeId, size: u64) -> Result<(), Errno> {
        self.file_truncate(id, size)?;
        let now = self.realtime_ns();
        let times = &mut self.vfs.inode_mut(id).times;
        (times.modify, times.change) = (now, now);
        Ok(())
    }

    /// `faccessat`: whether the modes of [`access_mode`] are granted to `cred`.
    ///
    /// # Errors
    /// EROFS for writing what cannot be written; EACCES.
    pub(crate) fn access(&self, cred: &Cred, node: Node, mode: u32) -> Result<(), Errno> {
        self.permission_of(cred, node, mode)?;
        if mode & access_mode::W_OK != 0
            && let Node::Inode(id) = node
            && matches!(self.vfs.inode(id).body, Body::Regular(_) | Body::Directory(_))
        {
            self.want_write(id)?;
        }
        Ok(())
    }

    /// The file that is to be executed (`do_open_execat`): a regular file with a right to execute.
    ///
    /// # Errors
    /// EACCES for others; ETXTBSY for one that is open for writing.
    pub(crate) fn may_exec(&self, task: TaskId, node: Node) -> Result<InodeId, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::EACCES) };
        if !matches!(self.vfs.inode(id).body, Body::Regular(_)) {
            return Err(Errno::EACCES);
        }
        self.permission(task, node, MAY_EXEC)?;
        if self.files.is_open_for_writing(id) { Err(Errno::ETXTBSY) } else { Ok(id) }
    }
}
