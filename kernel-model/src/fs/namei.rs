//! Path lookup: from a path to the place that it names.
//!
//! [`Kernel::walk`] follows a path name by name. It ends at a [`Node`], or at the directory where
//! the last name is missing, so that calls that make names use it too.
//! Source: Linux 6.18 `fs/namei.c`; path_resolution(7).

use perf_core::{Errno, TaskId};

use super::inode::{Body, InodeId, MountId, ROOT};
use super::permission::MAY_EXEC;
use super::proc::{ProcEntry, ProcNode, number};
use super::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::uapi::fcntl::AT_FDCWD;

/// Longest path with its zero byte.
pub const PATH_MAX: usize = 4096;
/// Longest part of a path.
pub const NAME_MAX: usize = 255;
/// Links that a path may lead through (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;

/// A place in the tree of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// One that has an inode.
    Inode(InodeId),
    /// One below `/proc/PID`.
    Proc(ProcNode),
}

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// To what it names, as `stat` and `open` do.
    Follow,
    /// The link itself is meant, as for `lstat`, `readlink` and `O_NOFOLLOW`.
    Keep,
}

/// What a path may not lead through (`RESOLVE_*` of openat2).
pub mod resolve {
    /// No other file system.
    pub const NO_XDEV: u64 = 1;
    /// No link of `/proc` that leads to a file without a path.
    pub const NO_MAGICLINKS: u64 = 2;
    /// No symbolic link.
    pub const NO_SYMLINKS: u64 = 4;
    /// Nothing outside of where it starts.
    pub const BENEATH: u64 = 8;
    /// Where it starts is the root directory.
    pub const IN_ROOT: u64 = 16;
    /// Only what is in the cache of names; here everything is.
    pub const CACHED: u64 = 32;
    /// All of them.
    pub const ALL: u64 = 63;
}

/// Where a path led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The directory of the last name.
    pub(crate) parent: Node,
    /// The last name; empty where the path ends in the root, `.` or `..`.
    pub(crate) name: Vec<u8>,
    /// What it names, if it exists.
    pub(crate) node: Option<Node>,
    /// Whether a slash stands behind the last name.
    pub(crate) has_slash: bool,
    /// The path that a link of `/proc` shows for what it leads to.
    pub(crate) shown: Option<Vec<u8>>,
}

impl Walked {
    /// What was found.
    ///
    /// # Errors
    /// ENOENT.
    pub(crate) fn found(&self) -> Result<Node, Errno> {
        self.node.ok_or(Errno::ENOENT)
    }

    /// The directory for a new name.
    ///
    /// # Errors
    /// ENOENT for a directory of a process, which takes none.
    pub(crate) fn directory(&self) -> Result<InodeId, Errno> {
        match self.parent {
            Node::Inode(id) => Ok(id),
            Node::Proc(_) => Err(Errno::ENOENT),
        }
    }
}

/// Names that are still to be followed, the next one last.
#[derive(Default)]
struct Rest(Vec<Vec<u8>>);

impl Rest {
    /// Puts a path in front.
    fn push(&mut self, path: &[u8]) {
        let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        self.0.extend(parts.map(<[u8]>::to_vec).rev());
    }
}

impl Kernel {
    /// Where a relative path of a call starts.
    ///
    /// # Errors
    /// EBADF; ENOTDIR for a descriptor of another file.
    pub(crate) fn base_of(&self, task: TaskId, dirfd: i32, path: &[u8]) -> Result<Node, Errno> {
        self.base_with(task, dirfd, path, 0)
    }

    /// The same where an absolute path may start elsewhere, or not be allowed.
    pub(crate) fn base_with(
        &self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
        how: u64,
    ) -> Result<Node, Errno> {
        if path.starts_with(b"/") && how & resolve::BENEATH != 0 {
            return Err(Errno::EXDEV);
        }
        if path.starts_with(b"/") && how & resolve::IN_ROOT == 0 {
            return Ok(self.tasks.process_of(task).root);
        }
        if dirfd == AT_FDCWD {
            return Ok(self.tasks.process_of(task).cwd);
        }
        let node = self.node_of_file(self.tasks.process_of(task).files.get(dirfd)?);
        node.filter(|node| self.is_directory(*node)).ok_or(Errno::ENOTDIR)
    }

    /// The place that an open file was opened by.
    pub(crate) fn node_of_file(&self, file: FileId) -> Option<Node> {
        match self.files.file(file).kind {
            FileKind::Regular(id) | FileKind::Device { node: id, .. } => Some(Node::Inode(id)),
            FileKind::Text(node) | FileKind::Directory(node) | FileKind::Path(node) => Some(node),
            FileKind::ProcMem { pid, view } => {
                Some(Node::Proc(ProcNode::process(pid).with(ProcEntry::Memory(view))))
            }
            FileKind::Pipe { fifo, .. } => fifo.map(Node::Inode),
            FileKind::Console(_)
            | FileKind::Eventfd(_)
            | FileKind::Epoll(_)
            | FileKind::Task(_)
            | FileKind::Socket(_)
            | FileKind::PerfEvent(_) => None,
        }
    }

    /// Whether a place is a directory.
    pub(crate) fn is_directory(&self, node: Node) -> bool {
        match node {
            Node::Inode(id) => self.vfs.directory(id).is_ok(),
            Node::Proc(node) => node.is_directory(),
        }
    }

    /// Follows a path from `base`; `last` says what becomes of a link at its end.
    ///
    /// # Errors
    /// ENOENT for an empty path or a name missing on the way, EACCES, ENOTDIR, ELOOP,
    /// ENAMETOOLONG.
    pub(crate) fn walk(
        &mut self,
        task: TaskId,
        base: Node,
        path: &[u8],
        last: LastLink,
    ) -> Result<Walked, Errno> {
        self.walk_with(task, base, path, last, 0)
    }

    /// The same with the limits of [`resolve`].
    ///
    /// # Errors
    /// Also EXDEV, and ELOOP for links that are not allowed.
    pub(crate) fn walk_with(
        &mut self,
        task: TaskId,
        base: Node,
        path: &[u8],
        last: LastLink,
        how: u64,
    ) -> Result<Walked, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let has_slash = path.ends_with(b"/");
        let is_scoped = how & (resolve::BENEATH | resolve::IN_ROOT) != 0;
        let root = if is_scoped { base } else { self.tasks.process_of(task).root };
        let mut at = if path[0] == b'/' { root } else { base };
        let from = self.device_of(at);
        let mut rest = Rest::default();
        rest.push(path);
        let mut nr_links = 0;
        while let Some(name) = rest.0.pop() {
            let is_last = rest.0.is_empty();
            if !self.is_directory(at) {
                return Err(Errno::ENOTDIR);
            }
            self.permission(task, at, MAY_EXEC)?;
            match name.as_slice() {
                b"." => continue,
                b".." if at == root => {
                    if how & resolve::BENEATH != 0 {
                        return Err(Errno::EXDEV);
                    }
                    continue;
                }
                b".." => {
                    at = self.parent_of(at)?;
                    self.check_device(from, at, how)?;
                    continue;
                }
                _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
                _ => {}
            }
            let Some(child) = self.child(at, &name)? else {
                return if is_last {
                    Ok(Walked { parent: at, name, node: None, has_slash, shown: None })
                } else {
                    Err(Errno::ENOENT)
                };
            };
            let follows = !is_last || last == LastLink::Follow || has_slash;
            self.check_device(from, child, how)?;
            if !self.is_link(child) || !follows {
                if is_last {
                    self.check_slash(child, has_slash)?;
                    let node = Some(child);
                    return Ok(Walked { parent: at, name, node, has_slash, shown: None });
                }
                at = child;
                continue;
            }
            nr_links += 1;
            if nr_links > MAX_LINKS || how & resolve::NO_SYMLINKS != 0 {
                return Err(Errno::ELOOP);
            }
            let jump = self.jump(child)?;
            if jump.is_some() && how & resolve::NO_MAGICLINKS != 0 {
                return Err(Errno::ELOOP);
            }
            if jump.is_some() && is_scoped {
                return Err(Errno::EXDEV);
            }
            match jump {
                // A link of /proc leads to the file itself.
                Some(to) if is_last => {
                    self.check_slash(to, has_slash)?;
                    let (name, node) = (Vec::new(), Some(to));
                    let shown = Some(self.link_target(task, child)?);
                    return Ok(Walked { parent: at, name, node, has_slash, shown });
                }
                Some(to) => at = to,
                None => {
                    let target = self.link_target(task, child)?;
                    if target.is_empty() {
                        return Err(Errno::ENOENT);
                    }
                    if target.starts_with(b"/") {
                        if how & resolve::BENEATH != 0 {
                            return Err(Errno::EXDEV);
                        }
                        at = root;
                        self.check_device(from, at, how)?;
                    }
                    rest.push(&target);
                }
            }
        }
        self.check_slash(at, has_slash)?;
        Ok(Walked { parent: at, name: Vec::new(), node: Some(at), has_slash, shown: None })
    }

    /// The file system of a place.
    fn device_of(&self, node: Node) -> MountId {
        match node {
            Node::Inode(id) => self.vfs.inode(id).mount,
            Node::Proc(_) => self.vfs.inode(self.proc_root()).mount,
        }
    }

    fn check_device(&self, from: MountId, node: Node, how: u64) -> Result<(), Errno> {
        let leaves = how & resolve::NO_XDEV != 0 && self.device_of(node) != from;
        if leaves { Err(Errno::EXDEV) } else { Ok(()) }
    }

    fn check_slash(&self, node: Node, has_slash: bool) -> Result<(), Errno> {
        if has_slash && !self.is_directory(node) { Err(Errno::ENOTDIR) } else { Ok(()) }
    }

    /// What a name in a directory stands for.
    pub(crate) fn child(&mut self, at: Node, name: &[u8]) -> Result<Option<Node>, Errno> {
        let id = match at {
            Node::Inode(id) => id,
            Node::Proc(node) => {
                return match self.proc_child(node, name) {
                    Ok(child) => Ok(Some(Node::Proc(child))),
                    Err(Errno::ENOENT) => Ok(None),
                    Err(errno) => Err(errno),
                };
            }
        };
        self.list_host_directory(id)?;
        let directory = self.vfs.directory(id)?;
        if let Some(child) = directory.get(name) {
            return Ok(Some(Node::Inode(self.vfs.uncovered(child))));
        }
        if !directory.has_processes {
            return Ok(None);
        }
        Ok(number(name)
            .filter(|pid| self.tasks.find_pid(*pid).is_some())
            .map(|pid| Node::Proc(ProcNode::process(pid))))
    }

    /// The directory above a directory.
    pub(crate) fn parent_of(&self, at: Node) -> Result<Node, Errno> {
        match at {
            Node::Inode(id) => Ok(Node::Inode(self.vfs.directory(id)?.parent)),
            Node::Proc(node) => self.proc_parent(node),
        }
    }

    /// Whether a place is a symbolic link.
    pub(crate) fn is_link(&self, node: Node) -> bool {
        match node {
            Node::Inode(id) => matches!(self.vfs.inode(id).body, Body::Link(_)),
            Node::Proc(node) => node.is_link(),
        }
    }

    /// Where a link that needs no path leads.
    fn jump(&self, node: Node) -> Result<Option<Node>, Errno> {
        let Node::Proc(node) = node else { return Ok(None) };
        let (_, process) = self.proc_process(node)?;
        match node.entry {
            ProcEntry::Exe => Ok(Some(Node::Inode(process.exe.ok_or(Errno::ENOENT)?))),
            ProcEntry::Cwd => Ok(Some(process.cwd)),
            ProcEntry::Root => Ok(Some(process.root)),
            ProcEntry::Fd(fd) => {
                let file = process.files.get(fd).map_err(|_| Errno::ENOENT)?;
                // What has no place is meant by its descriptor.
                Ok(Some(self.node_of_file(file).unwrap_or(Node::Proc(node))))
            }
            _ => Ok(None),
        }
    }

    /// What a link holds (`readlink`).
    ///
    /// # Errors
    /// EINVAL for what is no link.
    pub(crate) fn link_target(&self, task: TaskId, node: Node) -> Result<Vec<u8>, Errno> {
        match node {
            Node::Proc(node) => self.proc_readlink(node),
            Node::Inode(id) => match &self.vfs.inode(id).body {
                Body::Link(target) if *target == super::pseudo::SELF => {
                    Ok(self.tasks.process_of(task).pid.to_string().into_bytes())
                }
                Body::Link(target) if *target == super::pseudo::THREAD_SELF => {
                    let (pid, tid) = (self.tasks.process_of(task).pid, self.tasks.task(task).tid);
                    Ok(format!("{pid}/task/{tid}").into_bytes())
                }
                Body::Link(target) => Ok(target.clone()),
                _ => Err(Errno::EINVAL),
            },
        }
    }

    /// The path of a place that is a directory, or is below `/proc`.
    pub(crate) fn node_path(&self, node: Node) -> Result<Vec<u8>, Errno> {
        match node {
            Node::Inode(id) => Ok(self.vfs.path_of(id)),
            Node::Proc(node) => {
                let (_, process) = self.proc_process(node)?;
                Ok(node.path(process.pid).into_bytes())
            }
        }
    }

    /// The path of a directory for who has another root; in front of what is not below that
    /// stands `(unreachable)` (`prepend_path`).
    pub(crate) fn path_below(&self, root: Node, node: Node) -> Result<Vec<u8>, Errno> {
        let path = self.node_path(node)?;
        if root == Node::Inode(ROOT) {
            return Ok(path);
        }
        let above = self.node_path(root)?;
        Ok(match path.strip_prefix(above.as_slice()) {
            Some([]) => b"/".to_vec(),
            Some(rest) if rest.starts_with(b"/") => rest.to_vec(),
            _ => [b"(unreachable)".as_slice(), &path].concat(),
        })
    }

    /// The path of a file that a walk found.
    pub(crate) fn walked_path(&self, walked: &Walked) -> Result<Vec<u8>, Errno> {
        if let Some(shown) = &walked.shown {
            return Ok(shown.clone());
        }
        match walked.node {
            Some(node) if walked.name.is_empty() && self.is_directory(node) => self.node_path(node),
            _ => {
                let mut path = self.node_path(walked.parent)?;
                if !path.ends_with(b"/") {
                    path.push(b'/');
                }
                path.extend(&walked.name);
                Ok(path)
            }
        }
    }

    /// The number of `/proc`'s root directory.
    pub(crate) fn proc_root(&self) -> InodeId {
        let mounts = &self.vfs.mounts;
        mounts.iter().find(|mount| mount.kind == "proc").map_or(ROOT, |mount| mount.root)
    }

    /// Adds a user of a place.
    pub(crate) fn get_node(&mut self, node: Node) -> Node {
        if let Node::Inode(id) = node {
            self.vfs.get(id);
        }
        node
    }

    /// Takes a user of a place away.
    pub(crate) fn put_node(&mut self, node: Node) {
        if let Node::Inode(id) = node {
            self.put_inode(id);
        }
    }

    /// Takes a user of an inode away; one that nobody names or uses any more goes.
    pub(crate) fn put_inode(&mut self, id: InodeId) {
        if let Some(inode) = self.vfs.put(id) {
            self.free_contents(inode.body);
        } else if self.vfs.inode(id).users() == 0
            && let Body::Regular(file) = &mut self.vfs.inode_mut(id).body
        {
            file.forget_piece();
        }
    }
}
