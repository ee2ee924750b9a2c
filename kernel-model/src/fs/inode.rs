//! Inodes: files, directories, links and devices, in an arena by number.
//!
//! A number is never used twice, so it is also `st_ino`. An inode goes when it has no name and
//! no user (an open file, a working directory, a running program) any more. What a file holds is
//! in [`super::regular`]; what `/proc/PID` holds has no inodes ([`super::proc`]).
//! Source: Linux 6.18 `include/linux/fs.h` (`struct inode`), `fs/libfs.c`, `mm/shmem.c`.

use std::collections::BTreeMap;

use perf_core::Errno;

use super::mounts::Cover;
use super::pseudo::PseudoFile;
use super::regular::Regular;
use super::stat::mode;
use crate::inputs::HostPlace;

/// Number of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub u64);

/// Number of a mounted file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountId(pub u32);

/// A memory device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/full`.
    Full,
    /// `/dev/random` and `/dev/urandom`.
    Random,
    /// `/dev/tty`: there is no controlling terminal.
    Tty,
}

/// Times of a file, ns since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Of the last read.
    pub access: u64,
    /// Of the last write.
    pub modify: u64,
    /// Of the last change of the inode.
    pub change: u64,
}

impl Times {
    /// All three the same.
    #[must_use]
    pub const fn all(ns: u64) -> Self {
        Self { access: ns, modify: ns, change: ns }
    }
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it names.
    pub inode: InodeId,
    /// Where it stands in the listing; stays while other names come and go.
    pub offset: u64,
}

/// First offset of a listing behind `.` and `..`.
const FIRST_OFFSET: u64 = 2;

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The directory above; the root's is itself.
    pub parent: InodeId,
    entries: BTreeMap<Vec<u8>, Entry>,
    by_offset: BTreeMap<u64, Vec<u8>>,
    next_offset: u64,
    /// The host's directory, until it has been listed.
    pub(super) unlisted: Option<HostPlace>,
    /// Its size on the host.
    pub(super) nr_bytes: u64,
    /// Whether the processes are in it too: `/proc`.
    pub(super) has_processes: bool,
}

impl Directory {
    fn new(parent: InodeId) -> Self {
        Self {
            parent,
            entries: BTreeMap::new(),
            by_offset: BTreeMap::new(),
            next_offset: FIRST_OFFSET,
            unlisted: None,
            nr_bytes: 0,
            has_processes: false,
        }
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<InodeId> {
        self.entries.get(name).map(|entry| entry.inode)
    }

    /// Adds a name, or lets it stand for something else.
    pub(super) fn set(&mut self, name: &[u8], inode: InodeId) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.inode = inode;
            return;
        }
        let offset = self.next_offset;
        self.next_offset += 1;
        self.entries.insert(name.to_vec(), Entry { inode, offset });
        self.by_offset.insert(offset, name.to_vec());
    }

    /// Removes a name.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<InodeId> {
        let entry = self.entries.remove(name)?;
        self.by_offset.remove(&entry.offset);
        Some(entry.inode)
    }

    /// Names in it, as far as it was listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unlisted.is_none()
    }

    /// The names from an offset on, with the offset of each.
    pub fn from_offset(&self, from: u64) -> impl Iterator<Item = (u64, &[u8], InodeId)> {
        self.by_offset.range(from.max(FIRST_OFFSET)..).filter_map(|(offset, name)| {
            self.get(name).map(|inode| (*offset, name.as_slice(), inode))
        })
    }

    /// The name of an inode in it.
    #[must_use]
    pub fn name_of(&self, inode: InodeId) -> Option<&[u8]> {
        self.entries.iter().find(|(_, entry)| entry.inode == inode).map(|(name, _)| name.as_slice())
    }
}

/// What an inode is.
#[derive(Debug)]
pub enum Body {
    /// A directory.
    Directory(Directory),
    /// A file with contents.
    Regular(Regular),
    /// A symbolic link with its target.
    Link(Vec<u8>),
    /// A memory device, with its device number (major shifted left by 8).
    Device(Device, u64),
    /// A FIFO, a socket, or a device that nothing drives.
    Special {
        /// Type bits of `st_mode`.
        kind: u32,
        /// Number of a device.
        number: u64,
    },
    /// A file whose text the kernel makes.
    Pseudo(&'static PseudoFile),
}

impl Body {
    /// Type bits of `st_mode`.
    #[must_use]
    pub const fn type_bits(&self) -> u32 {
        match self {
            Self::Directory(_) => mode::DIRECTORY,
            Self::Regular(_) | Self::Pseudo(_) => mode::REGULAR,
            Self::Link(_) => mode::LINK,
            Self::Device(..) => mode::CHARACTER,
            Self::Special { kind, .. } => *kind,
        }
    }
}

/// An inode.
#[derive(Debug)]
pub struct Inode {
    /// What it is.
    pub body: Body,
    /// Rights, with the set-id and sticky bits.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names; a directory has its own `.` and its children's `..` too.
    pub nr_links: u32,
    /// Times.
    pub times: Times,
    /// The file system that it belongs to.
    pub mount: MountId,
    pub(crate) users: u32,
    /// Extended attributes by name.
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it may be named although it has no name (`I_LINKABLE`, of `O_TMPFILE`).
    pub(crate) is_linkable: bool,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub target: Vec<u8>,
    /// Its type as `/proc/mounts` shows it.
    pub kind: &'static str,
    /// Whether nothing in it can be changed.
    pub read_only: bool,
    /// The directory or file that is mounted.
    pub root: InodeId,
    /// Whether it was unmounted.
    pub is_gone: bool,
}

impl Mount {
    /// Whether names can be made and removed in it.
    ///
    /// # Errors
    /// `refusal` in file systems that the kernel fills; ENOENT in procfs, which looks a name up
    /// before anything else.
    pub(crate) fn takes_names(&self, refusal: Errno) -> Result<(), Errno> {
        match self.kind {
            "proc" => Err(Errno::ENOENT),
            "sysfs" | "tracefs" => Err(refusal),
            _ => Ok(()),
        }
    }
}

/// All inodes and mounts of the machine.
#[derive(Debug)]
pub struct Vfs {
    inodes: BTreeMap<InodeId, Inode>,
    next: u64,
    pub(super) mounts: Vec<Mount>,
    /// Mounts that programs made, in order.
    pub(super) covers: Vec<Cover>,
    /// Pages of contents that are not in guest memory.
    pub(super) nr_pages: u64,
    /// The most of them: half of guest memory, as for Linux's tmpfs.
    pub(super) max_pages: u64,
    max_inodes: u64,
    /// Names beside the first one of each file.
    pub(super) nr_more_names: u64,
}

/// The root directory.
pub const ROOT: InodeId = InodeId(1);
/// The mount that the root directory is on.
pub const ROOT_MOUNT: MountId = MountId(0);
/// Inodes that a machine may have whatever its memory: the names that are always there.
const MIN_INODES: u64 = 4096;

impl Vfs {
    /// An empty root directory, for a machine with so many frames and a date in ns since 1970.
    #[must_use]
    pub fn new(nr_frames: u64, now_ns: u64) -> Self {
        let mut vfs = Self {
            inodes: BTreeMap::new(),
            next: ROOT.0,
            mounts: vec![Mount {
                target: b"/".to_vec(),
                kind: "tmpfs",
                read_only: false,
                root: ROOT,
                is_gone: false,
            }],
            covers: Vec::new(),
            nr_pages: 0,
            max_pages: nr_frames / 2,
            max_inodes: (nr_frames / 2).max(MIN_INODES),
            nr_more_names: 0,
        };
        let body = Body::Directory(Directory::new(ROOT));
        vfs.insert(Inode::new(body, 0o755, ROOT_MOUNT, Times::all(now_ns)));
        vfs
    }

    /// An inode.
    ///
    /// # Panics
    /// Where it is gone: an id outlived its use.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        self.inodes.get(&id).expect("the inode is in use")
    }

    /// An inode, to be changed.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.get_mut(&id).expect("the inode is in use")
    }

    /// The directory of this number.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn directory(&self, id: InodeId) -> Result<&Directory, Errno> {
        match &self.inode(id).body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn directory_mut(&mut self, id: InodeId) -> Result<&mut Directory, Errno> {
        match &mut self.inode_mut(id).body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The file system that an inode is on.
    #[must_use]
    pub fn mount_of(&self, id: InodeId) -> &Mount {
        &self.mounts[self.inode(id).mount.0 as usize]
    }

    /// Whether something is mounted on it.
    #[must_use]
    pub fn is_mount_root(&self, id: InodeId) -> bool {
        self.mounts.iter().any(|mount| mount.root == id && !mount.is_gone)
    }

    /// All inodes, ascending.
    pub(super) fn all(&self) -> impl Iterator<Item = (InodeId, &Inode)> {
        self.inodes.iter().map(|(id, inode)| (*id, inode))
    }

    /// Refuses what would be too many inodes.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn check_inodes(&self) -> Result<(), Errno> {
        let used = self.inodes.len() as u64 + self.nr_more_names;
        if used >= self.max_inodes { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    /// Pages that files may have, and how many of them are free.
    #[must_use]
    pub(crate) fn room(&self) -> (u64, u64) {
        (self.max_pages, self.max_pages.saturating_sub(self.nr_pages))
    }

    /// Adds an inode without a name.
    pub(crate) fn add_unnamed(&mut self, inode: Inode) -> InodeId {
        self.insert(inode)
    }

    pub(super) fn insert(&mut self, inode: Inode) -> InodeId {
        let id = InodeId(self.next);
        self.next += 1;
        self.inodes.insert(id, inode);
        id
    }

    /// An empty directory in `parent`, not named there yet.
    pub(super) fn new_directory(
        &mut self,
        parent: InodeId,
        inode: impl FnOnce(Body) -> Inode,
    ) -> InodeId {
        let id = self.insert(inode(Body::Directory(Directory::new(parent))));
        self.inode_mut(id).nr_links = 2;
        id
    }

    /// Names an inode; a directory counts for its parent too.
    ///
    /// # Errors
    /// ENOTDIR.
    pub(super) fn add_name(
        &mut self,
        parent: InodeId,
        name: &[u8],
        inode: InodeId,
    ) -> Result<(), Errno> {
        self.directory_mut(parent)?.set(name, inode);
        if self.directory(inode).is_ok() {
            self.inode_mut(parent).nr_links += 1;
        }
        Ok(())
    }

    /// Adds a user.
    pub(crate) fn get(&mut self, id: InodeId) -> InodeId {
        self.inode_mut(id).users += 1;
        id
    }

    /// Takes a user away; answers the inode when it is gone for good.
    pub(crate) fn put(&mut self, id: InodeId) -> Option<Inode> {
        let inode = self.inode_mut(id);
        inode.users = inode.users.saturating_sub(1);
        self.collect(id)
    }

    /// Removes an inode that nobody names or uses any more.
    pub(super) fn collect(&mut self, id: InodeId) -> Option<Inode> {
        let inode = self.inode(id);
        if inode.users > 0 || inode.nr_links > 0 {
            return None;
        }
        self.inodes.remove(&id)
    }
}

impl Inode {
    /// An inode with one name, owned by the superuser, without users.
    #[must_use]
    pub fn new(body: Body, permissions: u32, mount: MountId, times: Times) -> Self {
        Self {
            body,
            permissions,
            uid: 0,
            gid: 0,
            nr_links: 1,
            times,
            mount,
            users: 0,
            attributes: BTreeMap::new(),
            is_linkable: false,
        }
    }

    /// Number of users.
    #[must_use]
    pub const fn users(&self) -> u32 {
        self.users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_keep_their_offsets() {
        let mut directory = Directory::new(ROOT);
        for (name, inode) in [(b"b", 5), (b"a", 6), (b"c", 7)] {
            directory.set(name, InodeId(inode));
        }
        let names = |directory: &Directory, from| {
            let all: Vec<_> =
                directory.from_offset(from).map(|(at, name, _)| (at, name.to_vec())).collect();
            all
        };
        let all = names(&directory, 0);
        assert_eq!(all, [(2, b"b".to_vec()), (3, b"a".to_vec()), (4, b"c".to_vec())]);
        assert_eq!(directory.remove(b"b"), Some(InodeId(5)));
        assert_eq!(directory.remove(b"b"), None);
        directory.set(b"b", InodeId(8));
        assert_eq!(names(&directory, 4), [(4, b"c".to_vec()), (5, b"b".to_vec())]);
        assert_eq!(directory.name_of(InodeId(8)), Some(&b"b"[..]));
    }

    #[test]
    fn an_inode_stays_while_it_is_named_or_used() {
        let mut vfs = Vfs::new(64, 0);
        let times = Times::default();
        let file = vfs.insert(Inode::new(Body::Link(b"x".to_vec()), 0o777, ROOT_MOUNT, times));
        vfs.get(file);
        vfs.inode_mut(file).nr_links = 0;
        assert!(vfs.collect(file).is_none());
        assert!(vfs.put(file).is_some());
        let next = vfs.insert(Inode::new(Body::Link(b"y".to_vec()), 0o777, ROOT_MOUNT, times));
        assert!(next > file, "numbers are not used again");
    }
}
