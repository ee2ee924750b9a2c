//! Making, removing and renaming names.
//! Source: Linux 6.18 `fs/namei.c` (`vfs_mkdir`, `vfs_rmdir`, `vfs_unlink`, `vfs_link`,
//! `vfs_rename`).

use perf_core::{Errno, TaskId};

use super::inode::{Body, Inode, InodeId, ROOT, Times};
use super::namei::{LastLink, Node, Walked};
use super::permission::{MAY_WRITE, Owned};
use super::regular::Regular;
use super::stat::mode;
use crate::kernel::Kernel;
use crate::task::cred::Cap;

/// `rename` fails where the new name exists.
pub const RENAME_NOREPLACE: u64 = 1;
/// Both names change places.
pub const RENAME_EXCHANGE: u64 = 2;

impl Kernel {
    /// Whether something in the file system of an inode can be changed.
    ///
    /// # Errors
    /// EROFS.
    pub(crate) fn want_write(&self, id: InodeId) -> Result<(), Errno> {
        if self.vfs.mount_of(id).read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// The directory in which a path's last name is to be made.
    ///
    /// # Errors
    /// EEXIST; ENOENT where the directory was removed; EROFS; EPERM in file systems that the
    /// kernel fills.
    fn may_create(&mut self, task: TaskId, walked: &Walked) -> Result<InodeId, Errno> {
        if walked.node.is_some() {
            return Err(Errno::EEXIST);
        }
        let parent = walked.directory()?;
        self.want_write(parent)?;
        self.vfs.mount_of(parent).takes_names(Errno::EPERM)?;
        if self.vfs.inode(parent).nr_links == 0 {
            return Err(Errno::ENOENT);
        }
        self.may_change_names(task, parent)?;
        self.vfs.check_inodes()?;
        Ok(parent)
    }

    pub(super) fn touch_directory(&mut self, id: InodeId) {
        let now = self.realtime_ns();
        let times = &mut self.vfs.inode_mut(id).times;
        (times.modify, times.change) = (now, now);
    }

    /// An inode that a task makes for a directory; it has no name there yet.
    pub(super) fn new_inode(
        &mut self,
        task: TaskId,
        parent: InodeId,
        body: Body,
        permissions: u32,
    ) -> InodeId {
        let times = Times::all(self.realtime_ns());
        let mount = self.vfs.inode(parent).mount;
        let Owned { mode, uid, gid } = self.new_owner(task, parent, permissions);
        self.vfs.insert(Inode { uid, gid, ..Inode::new(body, mode, mount, times) })
    }

    /// Makes an inode for a new name.
    pub(crate) fn create(
        &mut self,
        task: TaskId,
        walked: &Walked,
        body: Body,
        permissions: u32,
    ) -> Result<InodeId, Errno> {
        let parent = self.may_create(task, walked)?;
        let id = self.new_inode(task, parent, body, permissions);
        self.vfs.add_name(parent, &walked.name, id)?;
        self.touch_directory(parent);
        Ok(id)
    }

    /// Makes an empty file.
    ///
    /// # Errors
    /// EISDIR for a path with a slash at its end; as making names.
    pub(crate) fn create_file(
        &mut self,
        task: TaskId,
        walked: &Walked,
        mode: u32,
    ) -> Result<InodeId, Errno> {
        if walked.has_slash {
            return Err(Errno::EISDIR);
        }
        let permissions = mode & 0o7777 & !self.tasks.process_of(task).umask;
        self.create(task, walked, Body::Regular(Regular::empty()), permissions)
    }

    /// `mknod`: a file, FIFO, socket or device.
    ///
    /// # Errors
    /// EPERM for a directory, and for a device without CAP_MKNOD; EINVAL for other types; as
    /// making names.
    pub(crate) fn vfs_mknod(
        &mut self,
        task: TaskId,
        walked: &Walked,
        mode: u32,
        number: u64,
    ) -> Result<(), Errno> {
        let permissions = mode & 0o7777 & !self.tasks.process_of(task).umask;
        let kind = mode & !0o7777;
        let is_device = matches!(kind, mode::CHARACTER | mode::BLOCK);
        match kind {
            0 | mode::REGULAR => return self.create_file(task, walked, mode).map(|_| ()),
            mode::DIRECTORY => return Err(Errno::EPERM),
            mode::FIFO | mode::SOCKET | mode::CHARACTER | mode::BLOCK => {}
            _ => return Err(Errno::EINVAL),
        }
        if walked.node.is_none() && walked.has_slash {
            return Err(Errno::ENOENT);
        }
        let capable = self.tasks.task(task).cred.capable(Cap::Mknod);
        if is_device && !capable {
            self.may_create(task, walked)?;
            return Err(Errno::EPERM);
        }
        let driven = if kind == mode::CHARACTER { super::pseudo::device(number) } else { None };
        let body = match driven {
            Some(device) => Body::Device(device, number),
            None => Body::Special { kind, number: if is_device { number } else { 0 } },
        };
        self.create(task, walked, body, permissions).map(|_| ())
    }

    /// `mkdir`.
    pub(crate) fn vfs_mkdir(
        &mut self,
        task: TaskId,
        walked: &Walked,
        mode: u32,
    ) -> Result<(), Errno> {
        let parent = self.may_create(task, walked)?;
        let permissions = mode & 0o1777 & !self.tasks.process_of(task).umask;
        let times = Times::all(self.realtime_ns());
        let new = self.new_owner(task, parent, mode::DIRECTORY | permissions);
        let id = self.vfs.add_directory(parent, &walked.name, new.mode & 0o7777, times)?;
        let inode = self.vfs.inode_mut(id);
        (inode.uid, inode.gid) = (new.uid, new.gid);
        self.touch_directory(parent);
        Ok(())
    }

    /// `symlink`.
    pub(crate) fn vfs_symlink(
        &mut self,
        task: TaskId,
        walked: &Walked,
        target: &[u8],
    ) -> Result<(), Errno> {
        if walked.node.is_none() && walked.has_slash {
            return Err(Errno::ENOENT);
        }
        self.create(task, walked, Body::Link(target.to_vec()), 0o777).map(|_| ())
    }

    /// `link`: another name for a file.
    pub(crate) fn vfs_link(
        &mut self,
        task: TaskId,
        from: Node,
        walked: &Walked,
    ) -> Result<(), Errno> {
        if walked.node.is_none() && walked.has_slash {
            return Err(Errno::ENOENT);
        }
        let parent = self.may_create(task, walked)?;
        let Node::Inode(id) = from else { return Err(Errno::EXDEV) };
        let inode = self.vfs.inode(id);
        if inode.mount != self.vfs.inode(parent).mount {
            return Err(Errno::EXDEV);
        }
        if matches!(inode.body, Body::Directory(_)) {
            return Err(Errno::EPERM);
        }
        if inode.nr_links == 0 && !inode.is_linkable {
            return Err(Errno::ENOENT);
        }
        let now = self.realtime_ns();
        let inode = self.vfs.inode_mut(id);
        let had_name = inode.nr_links > 0;
        inode.nr_links = inode.nr_links.checked_add(1).ok_or(Errno::EMLINK)?;
        inode.is_linkable = false;
        inode.times.change = now;
        self.vfs.nr_more_names += u64::from(had_name);
        self.vfs.add_name(parent, &walked.name, id)?;
        self.touch_directory(parent);
        Ok(())
    }

    /// The inode of a name that is to be removed, with its directory.
    fn may_delete(&mut self, task: TaskId, walked: &Walked) -> Result<(InodeId, InodeId), Errno> {
        let node = walked.found()?;
        let (Node::Inode(id), Node::Inode(parent)) = (node, walked.parent) else {
            return Err(Errno::EPERM);
        };
        self.want_write(parent)?;
        self.vfs.mount_of(parent).takes_names(Errno::EPERM).map_err(|_| Errno::EPERM)?;
        self.may_remove(task, parent, id)?;
        if self.vfs.is_mount_root(id) {
            return Err(Errno::EBUSY);
        }
        Ok((parent, id))
    }

    /// Takes a name away from an inode.
    fn drop_name(&mut self, id: InodeId) {
        let now = self.realtime_ns();
        let inode = self.vfs.inode_mut(id);
        inode.times.change = now;
        inode.nr_links = match inode.body {
            Body::Directory(_) => 0,
            _ => inode.nr_links.saturating_sub(1),
        };
        if inode.nr_links > 0 {
            self.vfs.nr_more_names = self.vfs.nr_more_names.saturating_sub(1);
        }
        if let Some(inode) = self.vfs.collect(id) {
            self.free_contents(inode.body);
        }
    }

    /// `unlink`.
    pub(crate) fn vfs_unlink(&mut self, task: TaskId, walked: &Walked) -> Result<(), Errno> {
        if walked.name.is_empty() {
            return Err(Errno::EISDIR);
        }
        let (parent, id) = self.may_delete(task, walked)?;
        if self.vfs.directory(id).is_ok() {
            return Err(Errno::EISDIR);
        }
        self.vfs.directory_mut(parent)?.remove(&walked.name);
        self.touch_directory(parent);
        self.drop_name(id);
        Ok(())
    }

    /// `rmdir`; `path` is what the call was given.
    pub(crate) fn vfs_rmdir(
        &mut self,
        task: TaskId,
        walked: &Walked,
        path: &[u8],
    ) -> Result<(), Errno> {
        if walked.name.is_empty() {
            let last = path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty());
            return Err(match last {
                Some(b".") => Errno::EINVAL,
                Some(b"..") => Errno::ENOTEMPTY,
                _ => Errno::EBUSY,
            });
        }
        let (parent, id) = self.may_delete(task, walked)?;
        self.check_empty(id)?;
        self.vfs.directory_mut(parent)?.remove(&walked.name);
        self.vfs.inode_mut(parent).nr_links -= 1;
        self.touch_directory(parent);
        // What is left of it, for those who are in it, hangs on the root.
        self.vfs.directory_mut(id)?.parent = ROOT;
        self.drop_name(id);
        Ok(())
    }

    /// Whether a directory can be removed.
    fn check_empty(&mut self, id: InodeId) -> Result<(), Errno> {
        self.list_host_directory(id)?;
        if self.vfs.directory(id)?.is_empty() { Ok(()) } else { Err(Errno::ENOTEMPTY) }
    }

    /// `renameat2`.
    pub(crate) fn vfs_rename(
        &mut self,
        task: TaskId,
        from: &Walked,
        to: &Walked,
        flags: u64,
    ) -> Result<(), Errno> {
        if from.name.is_empty() || to.name.is_empty() {
            return Err(Errno::EBUSY);
        }
        let (old_parent, id) = self.may_delete(task, from)?;
        let new_parent = to.directory()?;
        self.want_write(new_parent)?;
        if self.vfs.inode(old_parent).mount != self.vfs.inode(new_parent).mount {
            return Err(Errno::EXDEV);
        }
        let is_directory = self.vfs.directory(id).is_ok();
        if !is_directory && (from.has_slash || to.has_slash) {
            return Err(Errno::ENOTDIR);
        }
        if is_directory && self.is_below(new_parent, id) {
            return Err(Errno::EINVAL);
        }
        let target = match to.node {
            Some(Node::Inode(target)) => Some(target),
            Some(Node::Proc(_)) => return Err(Errno::EPERM),
            None => None,
        };
        if flags & RENAME_NOREPLACE != 0 && target.is_some() {
            return Err(Errno::EEXIST);
        }
        match target {
            Some(target) => self.may_remove(task, new_parent, target)?,
            None => self.may_change_names(task, new_parent)?,
        }
        if is_directory && old_parent != new_parent {
            self.permission(task, Node::Inode(id), MAY_WRITE)?;
        }
        if flags & RENAME_EXCHANGE != 0 {
            let target = target.ok_or(Errno::ENOENT)?;
            if self.is_below(old_parent, target) {
                return Err(Errno::EINVAL);
            }
            return self.exchange((old_parent, &from.name, id), (new_parent, &to.name, target));
        }
        if target == Some(id) {
            return Ok(());
        }
        if let Some(target) = target {
            self.check_replace(is_directory, target)?;
            if self.is_below(old_parent, target) {
                return Err(Errno::ENOTEMPTY);
            }
            if is_directory {
                self.vfs.inode_mut(new_parent).nr_links -= 1;
            }
            self.vfs.directory_mut(new_parent)?.remove(&to.name);
            if let Ok(directory) = self.vfs.directory_mut(target) {
                directory.parent = ROOT;
            }
            self.drop_name(target);
        }
        self.vfs.directory_mut(old_parent)?.remove(&from.name);
        if is_directory {
            self.vfs.inode_mut(old_parent).nr_links -= 1;
            self.vfs.directory_mut(id)?.parent = new_parent;
        }
        self.vfs.add_name(new_parent, &to.name, id)?;
        self.after_rename(old_parent, new_parent, id);
        Ok(())
    }

    /// Whether something may take the place of another.
    fn check_replace(&mut self, is_directory: bool, target: InodeId) -> Result<(), Errno> {
        if self.vfs.is_mount_root(target) {
            return Err(Errno::EBUSY);
        }
        match (is_directory, self.vfs.directory(target).is_ok()) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) => self.check_empty(target),
            (false, false) => Ok(()),
        }
    }

    /// Two names change what they stand for.
    fn exchange(
        &mut self,
        (old_parent, old_name, old): (InodeId, &[u8], InodeId),
        (new_parent, new_name, new): (InodeId, &[u8], InodeId),
    ) -> Result<(), Errno> {
        for (parent, inode) in [(old_parent, new), (new_parent, old)] {
            if let Ok(directory) = self.vfs.directory_mut(inode) {
                directory.parent = parent;
            }
        }
        let is_directory = |kernel: &Self, id| u32::from(kernel.vfs.directory(id).is_ok());
        let (old_dir, new_dir) = (is_directory(self, old), is_directory(self, new));
        let links = &mut self.vfs.inode_mut(old_parent).nr_links;
        *links = *links - old_dir + new_dir;
        let links = &mut self.vfs.inode_mut(new_parent).nr_links;
        *links = *links - new_dir + old_dir;
        self.vfs.directory_mut(old_parent)?.set(old_name, new);
        self.vfs.directory_mut(new_parent)?.set(new_name, old);
        self.after_rename(old_parent, new_parent, old);
        Ok(())
    }

    fn after_rename(&mut self, old_parent: InodeId, new_parent: InodeId, id: InodeId) {
        self.touch_directory(old_parent);
        self.touch_directory(new_parent);
        self.vfs.inode_mut(id).times.change = self.realtime_ns();
    }

    /// Whether a directory is `above`, or below it.
    fn is_below(&self, directory: InodeId, above: InodeId) -> bool {
        let mut at = directory;
        loop {
            if at == above {
                return true;
            }
            match self.vfs.directory(at) {
                Ok(found) if found.parent != at => at = found.parent,
                _ => return false,
            }
        }
    }

    /// Walks to where a name is to be made, removed or changed: a link at its end is meant itself.
    pub(crate) fn walk_to_name(
        &mut self,
        task: TaskId,
        dirfd: i32,
        path: &[u8],
    ) -> Result<Walked, Errno> {
        let base = self.base_of(task, dirfd, path)?;
        // A slash at the end does not lead through a link here: the name is what counts.
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(path.len(), |last| last + 1);
        let mut walked = self.walk(task, base, &path[..end], LastLink::Keep)?;
        walked.has_slash = end < path.len();
        Ok(walked)
    }
}
