//! Directories and files of the host in the tree of names: `--root` and `--mount`.
//!
//! A directory of the host is listed once, when it is first looked into; from then on it is a
//! directory of the machine like any other, so what the guest changes stays in the machine. What
//! files hold is read when the guest reads it ([`super::regular`]). All of it comes through
//! [`crate::inputs::Inputs`]; numbers of inodes are the machine's own.

use perf_core::Errno;

use super::inode::{Body, Directory, Inode, InodeId, Mount, MountId, ROOT, ROOT_MOUNT, Times, Vfs};
use super::namei::NAME_MAX;
use super::pseudo;
use super::regular::{Regular, Source};
use crate::inputs::{HostEntry, HostKind, HostPlace, InputError};
use crate::kernel::{Kernel, StopReason};

/// Whether a mounted directory of the host can be changed in the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountAccess {
    /// Changes stay in the machine.
    #[default]
    CopyOnWrite,
    /// Nothing can be changed: EROFS.
    ReadOnly,
}

/// A directory or file of the host in the tree of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMount {
    /// Where in the machine: an absolute path; `/` for the root directory.
    pub target: Vec<u8>,
    /// Whether it can be changed.
    pub access: MountAccess,
}

/// Type bits of `st_mode` for what cannot be opened.
const fn special(kind: HostKind) -> u32 {
    match kind {
        HostKind::Fifo => 0o010_000,
        HostKind::Character => 0o020_000,
        HostKind::Block => 0o060_000,
        _ => 0o140_000,
    }
}

impl Vfs {
    /// An inode for a file of the host; a directory of it is not listed yet.
    fn host_inode(
        &mut self,
        entry: HostEntry,
        place: HostPlace,
        parent: InodeId,
        mount: MountId,
    ) -> InodeId {
        let times = Times::all(entry.modified_ns);
        let (permissions, uid, gid) = (entry.permissions & 0o7777, entry.uid, entry.gid);
        let with = |body| Inode { uid, gid, ..Inode::new(body, permissions, mount, times) };
        match entry.kind {
            HostKind::Directory => {
                let id = self.new_directory(parent, with);
                if let Ok(directory) = self.directory_mut(id) {
                    directory.unlisted = Some(place);
                    directory.nr_bytes = entry.nr_bytes;
                }
                id
            }
            HostKind::Regular => {
                let file = Regular::of(Source::Host(place), entry.nr_bytes);
                self.insert(with(Body::Regular(file)))
            }
            HostKind::Link => self.insert(with(Body::Link(entry.target))),
            kind => self.insert(with(Body::Special { kind: special(kind), number: 0 })),
        }
    }
}

impl Kernel {
    /// Lists a directory of the host, where that has not been done.
    pub(crate) fn list_host_directory(&mut self, id: InodeId) -> Result<(), Errno> {
        let Some(place) = self.vfs.directory_mut(id)?.unlisted.take() else { return Ok(()) };
        let entries = match self.inputs.host_directory(&place) {
            Ok(Ok(entries)) => entries,
            Ok(Err(errno)) => {
                self.vfs.directory_mut(id)?.unlisted = Some(place);
                return Err(errno);
            }
            Err(error) => {
                self.stop(StopReason::Input(error));
                return Err(Errno::EIO);
            }
        };
        let mount = self.vfs.inode(id).mount;
        for entry in entries {
            let is_name = !entry.name.is_empty()
                && entry.name.len() <= NAME_MAX
                && !entry.name.contains(&b'/')
                && !entry.name.contains(&0)
                && !matches!(entry.name.as_slice(), b"." | b"..");
            if !is_name || self.vfs.directory(id)?.get(&entry.name).is_some() {
                continue;
            }
            let name = entry.name.clone();
            let child = self.vfs.host_inode(entry, place.join(&name), id, mount);
            self.vfs.add_name(id, &name, child)?;
        }
        Ok(())
    }

    /// Sets up the tree of names: directories and files of the host, then what is always there.
    ///
    /// # Errors
    /// Where an input fails; where a mount point cannot be made, its errno.
    pub(crate) fn mount_all(
        &mut self,
        mounts: &[HostMount],
    ) -> Result<Result<(), Errno>, InputError> {
        let now = self.boot_realtime_ns;
        for (number, mount) in (0..).zip(mounts) {
            let place = HostPlace { mount: number, path: Vec::new() };
            let entry = match self.inputs.host_entry(&place)? {
                Ok(entry) => entry,
                Err(errno) => return Ok(Err(errno)),
            };
            if let Err(errno) = self.mount_host(mount, entry, place) {
                return Ok(Err(errno));
            }
        }
        if let Err(errno) = self.list_host_directory(ROOT) {
            return Ok(Err(errno));
        }
        Ok(pseudo::populate(&mut self.vfs, now))
    }

    fn mount_host(
        &mut self,
        mount: &HostMount,
        entry: HostEntry,
        place: HostPlace,
    ) -> Result<(), Errno> {
        let read_only = mount.access == MountAccess::ReadOnly;
        let parts: Vec<&[u8]> =
            mount.target.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        let Some((name, above)) = parts.split_last() else {
            if entry.kind != HostKind::Directory {
                return Err(Errno::ENOTDIR);
            }
            let directory = self.vfs.directory_mut(ROOT)?;
            directory.unlisted = Some(place);
            directory.nr_bytes = entry.nr_bytes;
            let mount = &mut self.vfs.mounts[ROOT_MOUNT.0 as usize];
            mount.read_only = read_only;
            mount.kind = "overlay";
            let root = self.vfs.inode_mut(ROOT);
            root.permissions = entry.permissions & 0o7777;
            root.times = Times::all(entry.modified_ns);
            return Ok(());
        };
        let parent = self.make_path(above)?;
        self.list_host_directory(parent)?;
        let id = MountId(self.vfs.mounts.len() as u32);
        let root = self.vfs.host_inode(entry, place, parent, id);
        let target = mount.target.clone();
        self.vfs.mounts.push(Mount { target, kind: "overlay", read_only, root, is_gone: false });
        self.vfs.add_name(parent, name, root)
    }

    /// The directory at a path below the root, made where it is missing. Links are not followed:
    /// ENOTDIR.
    fn make_path(&mut self, parts: &[&[u8]]) -> Result<InodeId, Errno> {
        let times = Times::all(self.boot_realtime_ns);
        let mut at = ROOT;
        for part in parts {
            at = match *part {
                b"." => at,
                b".." => self.vfs.directory(at).map(|found: &Directory| found.parent)?,
                part => {
                    self.list_host_directory(at)?;
                    match self.vfs.directory(at)?.get(part) {
                        Some(next) => next,
                        None => self.vfs.add_directory(at, part, 0o755, times)?,
                    }
                }
            };
        }
        self.vfs.directory(at)?;
        Ok(at)
    }

    /// Puts a program where its path says, as a file that the session gave. Answers its inode and
    /// its absolute path.
    ///
    /// # Errors
    /// ENOTDIR; EISDIR where the path is a directory.
    pub(crate) fn add_program(
        &mut self,
        path: &[u8],
        bytes: Vec<u8>,
    ) -> Result<(InodeId, Vec<u8>), Errno> {
        let parts: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        let (name, above) = parts.split_last().ok_or(Errno::EISDIR)?;
        let parent = self.make_path(above)?;
        let nr_bytes = bytes.len() as u64;
        let body = Body::Regular(Regular::of(Source::Bytes(bytes), nr_bytes));
        let times = Times::all(self.boot_realtime_ns);
        let mount = self.vfs.inode(parent).mount;
        let id = self.vfs.insert(Inode::new(body, 0o755, mount, times));
        self.vfs.add_name(parent, name, id)?;
        let mut full = self.vfs.path_of(parent);
        if !full.ends_with(b"/") {
            full.push(b'/');
        }
        full.extend(*name);
        Ok((id, full))
    }
}
