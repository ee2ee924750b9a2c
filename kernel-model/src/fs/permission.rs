//! Who may do what with a file: rights by owner, group and others, and the capabilities that
//! go over them.
//!
//! [`permitted`] is the rule itself, on values; [`Kernel::permission`] asks it for the file ids
//! of a task. Neighbours: `namei.rs` asks for each directory on the way, `open.rs`, `dirs.rs` and
//! `syscalls/fs_attr.rs` for what they do.
//! Source: Linux 6.18 `fs/namei.c` (`generic_permission`, `__check_sticky`), `fs/attr.c`
//! (`setattr_prepare`), `fs/inode.c` (`inode_init_owner`).

use perf_core::{Errno, TaskId};

use super::inode::{Inode, InodeId};
use super::namei::Node;
use crate::kernel::Kernel;
use crate::task::cred::{Cap, Cred};

/// To execute a file, or to look a name up in a directory.
pub(crate) const MAY_EXEC: u32 = 1;
/// To write.
pub(crate) const MAY_WRITE: u32 = 2;
/// To read.
pub(crate) const MAY_READ: u32 = 4;

/// The set-user-id bit.
pub(crate) const S_ISUID: u32 = 0o4000;
/// The set-group-id bit.
pub(crate) const S_ISGID: u32 = 0o2000;
/// The sticky bit.
pub(crate) const S_ISVTX: u32 = 0o1000;
/// Execution by the group.
const S_IXGRP: u32 = 0o010;
/// Execution by anyone.
const S_IXUGO: u32 = 0o111;

/// What rights depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Type and rights of `st_mode`.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
}

impl Owned {
    const fn is_directory(self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// Whether `cred` may do all of `mask` with a file (`generic_permission`).
///
/// # Errors
/// EACCES.
pub(crate) fn permitted(cred: &Cred, file: Owned, mask: u32) -> Result<(), Errno> {
    let bits = if cred.user.fs == file.uid {
        file.mode >> 6
    } else if cred.is_in_group(file.gid) {
        file.mode >> 3
    } else {
        file.mode
    };
    if mask & !bits & 7 == 0 {
        return Ok(());
    }
    let reads = mask & MAY_WRITE == 0 && (file.is_directory() || mask == MAY_READ);
    let overrides = file.is_directory() || mask & MAY_EXEC == 0 || file.mode & S_IXUGO != 0;
    if reads && cred.capable(Cap::DacReadSearch) || overrides && cred.capable(Cap::DacOverride) {
        return Ok(());
    }
    Err(Errno::EACCES)
}

impl Cred {
    /// Whether it acts for a group with files (`in_group_p`).
    #[must_use]
    pub(crate) fn is_in_group(&self, gid: u32) -> bool {
        self.group.fs == gid || self.groups.contains(&gid)
    }

    /// Whether it owns a file or may act as if (`inode_owner_or_capable`).
    #[must_use]
    pub(crate) fn owns(&self, inode: &Inode) -> bool {
        self.user.fs == inode.uid || self.capable(Cap::Fowner)
    }

    /// The mode that a chmod of an inode leaves: no set-group-id bit of foreign groups.
    #[must_use]
    pub(crate) fn allowed_mode(&self, mode: u32, gid: u32) -> u32 {
        let keeps = self.is_in_group(gid) || self.capable(Cap::Fsetid);
        mode & 0o7777 & if keeps { u32::MAX } else { !S_ISGID }
    }

    /// Whether it may give a file these owners (`chown_ok`, `chgrp_ok`).
    #[must_use]
    pub(crate) fn may_chown(&self, inode: &Inode, uid: Option<u32>, gid: Option<u32>) -> bool {
        let owns = self.user.fs == inode.uid;
        let user = uid.is_none_or(|uid| owns && uid == inode.uid);
        let group = gid.is_none_or(|gid| owns && (gid == inode.gid || self.is_in_group(gid)));
        user && group || self.capable(Cap::Chown)
    }
}

/// The set-id bits that a write by somebody without CAP_FSETID, or a new owner, takes away
/// (`setattr_should_drop_suidgid`).
#[must_use]
pub(crate) fn without_set_ids(cred: &Cred, permissions: u32, gid: u32) -> u32 {
    let mut kept = permissions & !S_ISUID;
    let stays = cred.is_in_group(gid) || cred.capable(Cap::Fsetid);
    if permissions & S_IXGRP != 0 || !stays {
        kept &= !S_ISGID;
    }
    kept
}

impl Kernel {
    /// Whether a task may do all of `mask` with a place.
    ///
    /// # Errors
    /// EACCES.
    pub(crate) fn permission(&self, task: TaskId, node: Node, mask: u32) -> Result<(), Errno> {
        self.permission_of(&self.tasks.task(task).cred, node, mask)
    }

    /// The same for given credentials.
    pub(crate) fn permission_of(&self, cred: &Cred, node: Node, mask: u32) -> Result<(), Errno> {
        let file = match node {
            Node::Inode(id) => {
                let inode = self.vfs.inode(id);
                let mode = inode.body.type_bits() | inode.permissions;
                Owned { mode, uid: inode.uid, gid: inode.gid }
            }
            Node::Proc(_) => {
                let stat = self.stat_node(node)?;
                Owned { mode: stat.mode, uid: stat.uid, gid: stat.gid }
            }
        };
        permitted(cred, file, mask)
    }

    /// Whether a task may add and remove names in a directory.
    ///
    /// # Errors
    /// EACCES.
    pub(crate) fn may_change_names(&self, task: TaskId, id: InodeId) -> Result<(), Errno> {
        self.permission(task, Node::Inode(id), MAY_WRITE | MAY_EXEC)
    }

    /// Whether a task may take a name away from an inode: in a sticky directory only the owner
    /// of either (`check_sticky`).
    ///
    /// # Errors
    /// EACCES, EPERM.
    pub(crate) fn may_remove(
        &self,
        task: TaskId,
        parent: InodeId,
        id: InodeId,
    ) -> Result<(), Errno> {
        self.may_change_names(task, parent)?;
        let cred = &self.tasks.task(task).cred;
        let (directory, inode) = (self.vfs.inode(parent), self.vfs.inode(id));
        let own = cred.user.fs == inode.uid || cred.user.fs == directory.uid;
        if directory.permissions & S_ISVTX != 0 && !own && !cred.capable(Cap::Fowner) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Owner, group and rights of what a task makes in a directory (`inode_init_owner`).
    pub(crate) fn new_owner(&self, task: TaskId, parent: InodeId, mode: u32) -> Owned {
        let cred = &self.tasks.task(task).cred;
        let directory = self.vfs.inode(parent);
        let mut new = Owned { mode, uid: cred.user.fs, gid: cred.group.fs };
        if directory.permissions & S_ISGID != 0 {
            new.gid = directory.gid;
            let runs_as_group = mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
            if new.is_directory() {
                new.mode |= S_ISGID;
            } else if runs_as_group && !cred.is_in_group(new.gid) && !cred.capable(Cap::Fsetid) {
                new.mode &= !S_ISGID;
            }
        }
        new
    }

    /// A write takes set-id bits away (`file_remove_privs`).
    pub(crate) fn drop_set_ids(&mut self, task: TaskId, id: InodeId) {
        let cred = &self.tasks.task(task).cred;
        if cred.capable(Cap::Fsetid) {
            return;
        }
        let inode = self.vfs.inode(id);
        let kept = without_set_ids(cred, inode.permissions, inode.gid);
        self.vfs.inode_mut(id).permissions = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::cred::Ids;

    fn user(uid: u32, gid: u32, groups: &[u32]) -> Cred {
        let of = |id| Ids { real: id, effective: id, saved: id, fs: id };
        let mut cred = Cred { group: of(gid), groups: groups.to_vec(), ..Cred::default() };
        cred.set_user_ids(of(uid));
        cred
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = |mode: u32| Owned { mode: 0o100_000 | mode, uid: 7, gid: 8 };
        let denied = Err(Errno::EACCES);
        for (cred, mode, mask, want) in [
            (user(7, 1, &[]), 0o077, MAY_READ, denied),
            (user(7, 1, &[]), 0o400, MAY_READ, Ok(())),
            (user(9, 8, &[]), 0o707, MAY_READ, denied),
            (user(9, 1, &[8]), 0o040, MAY_READ, Ok(())),
            (user(9, 1, &[]), 0o004, MAY_READ, Ok(())),
            (user(9, 1, &[]), 0o004, MAY_READ | MAY_WRITE, denied),
            (user(0, 0, &[]), 0o000, MAY_READ | MAY_WRITE, Ok(())),
            (user(0, 0, &[]), 0o000, MAY_EXEC, denied),
            (user(0, 0, &[]), 0o001, MAY_EXEC, Ok(())),
        ] {
            assert_eq!(permitted(&cred, file(mode), mask), want, "{mode:o} {mask}");
        }
        let directory = Owned { mode: 0o040_000, uid: 7, gid: 8 };
        assert_eq!(permitted(&user(0, 0, &[]), directory, MAY_EXEC), Ok(()));
        assert_eq!(permitted(&user(9, 9, &[]), directory, MAY_EXEC), denied);
    }

    #[test]
    fn set_ids_go_with_a_new_owner() {
        let stranger = user(9, 9, &[]);
        for (mode, want) in [(0o6755, 0o755), (0o2644, 0o644), (0o4644, 0o644)] {
            assert_eq!(without_set_ids(&stranger, mode, 8), want, "{mode:o}");
        }
        assert_eq!(without_set_ids(&user(0, 0, &[]), 0o2644, 8), 0o2644);
        assert_eq!(user(9, 9, &[]).allowed_mode(0o2755, 8), 0o755);
        assert_eq!(user(9, 8, &[]).allowed_mode(0o2755, 8), 0o2755);
    }
}
