//! What programs mount: a tmpfs, or another place of a directory that there is.
//!
//! A mount covers the place that it is mounted on; [`Vfs::uncovered`] leads from there to its
//! root, for each name that a walk follows. File systems that are there from the start cover
//! nothing and stay.
//! Source: Linux 6.18 `fs/namespace.c`, `mm/shmem.c`.

use perf_core::Errno;

use super::inode::{Directory, Inode, InodeId, Mount, MountId, Times, Vfs};
use crate::kernel::Kernel;

/// A mount that covers a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// The place.
    point: InodeId,
    /// What is seen there.
    root: InodeId,
    /// Its entry among the mounts.
    mount: MountId,
    /// Whether the file system came with it.
    owns: bool,
}

impl Vfs {
    /// What is seen at a place: the root of what is mounted there last.
    #[must_use]
    pub(super) fn uncovered(&self, id: InodeId) -> InodeId {
        let mut at = id;
        for cover in &self.covers {
            if cover.point == at {
                at = cover.root;
            }
        }
        at
    }

    /// The place in the directory above by which a mounted root is reached.
    #[must_use]
    pub(super) fn point_of(&self, id: InodeId) -> InodeId {
        let mut at = id;
        for cover in self.covers.iter().rev() {
            if cover.root == at && cover.owns {
                at = cover.point;
            }
        }
        at
    }

    fn cover(&mut self, point: InodeId, root: InodeId, kind: &'static str, owns: bool) -> MountId {
        let mount = MountId(self.mounts.len() as u32);
        let target = self.path_of(point);
        self.mounts.push(Mount { target, kind, read_only: false, root, is_gone: false });
        self.get(point);
        self.get(root);
        self.covers.push(Cover { point, root, mount, owns });
        mount
    }

    /// Mounts an empty tmpfs on a directory.
    ///
    /// # Errors
    /// ENOTDIR.
    pub(crate) fn mount_tmpfs(
        &mut self,
        point: InodeId,
        read_only: bool,
        now_ns: u64,
    ) -> Result<(), Errno> {
        let parent = self.directory(point).map(|found: &Directory| found.parent)?;
        let mount = MountId(self.mounts.len() as u32);
        let new = |body| Inode::new(body, 0o1777, mount, Times::all(now_ns));
        let root = self.new_directory(parent, new);
        self.cover(point, root, "tmpfs", true);
        self.mounts[mount.0 as usize].read_only = read_only;
        Ok(())
    }

    /// Shows a directory or file at another place too.
    ///
    /// # Errors
    /// ENOTDIR for a file on a directory, or the other way round.
    pub(crate) fn bind(&mut self, point: InodeId, source: InodeId) -> Result<(), Errno> {
        if self.directory(point).is_ok() != self.directory(source).is_ok() {
            return Err(Errno::ENOTDIR);
        }
        let kind = self.mount_of(source).kind;
        self.cover(point, source, kind, false);
        Ok(())
    }

    /// Changes whether a mounted file system can be changed.
    ///
    /// # Errors
    /// EINVAL for what is no root of one.
    pub(crate) fn remount(&mut self, root: InodeId, read_only: bool) -> Result<(), Errno> {
        if !self.is_mount_root(root) {
            return Err(Errno::EINVAL);
        }
        let mount = self.inode(root).mount;
        self.mounts[mount.0 as usize].read_only = read_only;
        Ok(())
    }

    /// The inodes of a file system.
    fn inodes_of(&self, mount: MountId) -> Vec<InodeId> {
        self.all().filter(|(_, inode)| inode.mount == mount).map(|(id, _)| id).collect()
    }
}

impl Kernel {
    /// Takes away what was mounted last with this root; a tmpfs goes with what it holds, unless
    /// somebody still uses that.
    ///
    /// # Errors
    /// EINVAL where nothing is mounted; EBUSY for what was there from the start, and for a file
    /// system in use, unless `lazily`.
    pub(crate) fn unmount(&mut self, root: InodeId, lazily: bool) -> Result<(), Errno> {
        let Some(last) = self.vfs.covers.iter().rposition(|cover| cover.root == root) else {
            let is_root = self.vfs.is_mount_root(root);
            return Err(if is_root { Errno::EBUSY } else { Errno::EINVAL });
        };
        let cover = self.vfs.covers[last];
        let own = if cover.owns { self.vfs.inodes_of(cover.mount) } else { Vec::new() };
        let covers_inside = self
            .vfs
            .covers
            .iter()
            .any(|inner| inner.mount != cover.mount && own.contains(&inner.point));
        // The mount itself uses the root once.
        let is_used = |id: &InodeId| self.vfs.inode(*id).users() > u32::from(*id == root);
        let in_use = covers_inside || own.iter().any(is_used);
        if in_use && !lazily {
            return Err(Errno::EBUSY);
        }
        self.vfs.covers.remove(last);
        self.vfs.mounts[cover.mount.0 as usize].is_gone = true;
        if !in_use {
            for id in own.into_iter().filter(|id| *id != root) {
                self.vfs.inode_mut(id).nr_links = 0;
                if let Some(inode) = self.vfs.collect(id) {
                    self.free_contents(inode.body);
                }
            }
            if cover.owns {
                self.vfs.inode_mut(root).nr_links = 0;
            }
        }
        self.put_inode(root);
        self.put_inode(cover.point);
        Ok(())
    }
}
