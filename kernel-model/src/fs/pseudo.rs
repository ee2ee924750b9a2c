//! Files whose text the kernel makes: `/proc/sys`, `/sys` and their like.
//!
//! **A new file is a line in a table of [`PseudoFile`]s**, with its path, rights, a function that
//! makes its text when the file is opened, and, for a file that can be written, a function that
//! takes what is written:
//!
//! ```ignore
//! PseudoFile::text("/sys/kernel/tracing/ksym_trace_filter", |kernel, task| {
//!     kernel.ksym().show_filter().into_bytes()
//! })
//! .writable(|kernel, task, bytes| kernel.write_ksym_filter(bytes).map(|taken| taken as usize))
//! ```
//!
//! - **read**: called once at open; reads, preads and seeks work on that snapshot. A file that is
//!   opened again shows the new text.
//! - **write**: called for each write with all its bytes (up to [`MAX_WRITE`], the rest of a
//!   longer write comes in the next call); answers how many it took, or the errno that write
//!   gives. `O_TRUNC` on open is ignored, as by kernfs, unless the file has
//!   [`PseudoFile::truncating`].
//! - A table is added to [`GROUPS`]; directories on the way are made. Files below
//!   `/sys/kernel/tracing` are on a tracefs of their own.
//!
//! Texts that depend on a process are in [`super::proc`].

use perf_core::{Errno, TaskId};

use super::inode::{Body, Device, Inode, InodeId, MountId, ROOT, Times, Vfs};
use crate::kernel::Kernel;

/// Makes the text of a file for the task that opens it.
pub(crate) type Show = fn(&Kernel, TaskId) -> Vec<u8>;
/// Takes what a task writes; answers how many bytes it took.
pub(crate) type Store = fn(&mut Kernel, TaskId, &[u8]) -> Result<usize, Errno>;

/// Bytes of one call of a write handler, at most.
pub const MAX_WRITE: usize = 65_536;

/// A file whose text the kernel makes.
#[derive(Clone, Copy, Debug)]
pub struct PseudoFile {
    /// Full path.
    pub path: &'static str,
    /// Rights: 0444, or 0644 for one that can be written.
    pub permissions: u32,
    pub(crate) show: Show,
    pub(crate) store: Option<Store>,
    /// What opening with `O_TRUNC` does before anything is written.
    pub(crate) truncate: Option<fn(&mut Kernel, TaskId)>,
}

impl PseudoFile {
    /// A file that can be read.
    pub(crate) const fn text(path: &'static str, show: Show) -> Self {
        Self { path, permissions: 0o444, show, store: None, truncate: None }
    }

    /// The same, and it can be written.
    #[must_use]
    pub(crate) const fn writable(self, store: Store) -> Self {
        Self { permissions: 0o644, store: Some(store), ..self }
    }

    /// The same, and `O_TRUNC` does something.
    #[must_use]
    pub(crate) const fn truncating(self, truncate: fn(&mut Kernel, TaskId)) -> Self {
        Self { truncate: Some(truncate), ..self }
    }
}

/// All tables.
const GROUPS: &[&[PseudoFile]] = &[
    super::sys::FILES,
    super::sysctl::FILES,
    crate::trace::files::FILES,
    crate::ipc::proc_files::FILES,
];

/// Directories that are there even when empty, with the type of file system that begins there.
const DIRECTORIES: &[(&str, u32, Option<&str>)] = &[
    ("/dev", 0o755, Some("devtmpfs")),
    ("/dev/shm", 0o1777, Some("tmpfs")),
    ("/proc", 0o555, Some("proc")),
    ("/sys", 0o555, Some("sysfs")),
    ("/sys/kernel", 0o755, None),
    ("/sys/kernel/tracing", 0o700, Some("tracefs")),
    ("/tmp", 0o1777, None),
];

/// Devices: name, what it is, device number (major shifted left by 8).
const DEVICES: &[(&str, Device, u64)] = &[
    ("null", Device::Null, 0x103),
    ("zero", Device::Zero, 0x105),
    ("full", Device::Full, 0x107),
    ("random", Device::Random, 0x108),
    ("urandom", Device::Random, 0x109),
    ("tty", Device::Tty, 0x500),
];

/// The memory device of a number.
pub(super) fn device(number: u64) -> Option<Device> {
    DEVICES.iter().find(|(_, _, found)| *found == number).map(|(_, device, _)| *device)
}

/// Target of a link that leads to the caller's process.
pub(super) const SELF: &[u8] = b"\0self";
/// Target of a link that leads to the caller's thread.
pub(super) const THREAD_SELF: &[u8] = b"\0thread-self";

/// Links: path and target.
const LINKS: &[(&str, &str)] = &[
    ("/proc/self", "\0self"),
    ("/proc/thread-self", "\0thread-self"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/proc/mounts", "self/mounts"),
    ("/sys/kernel/debug/tracing", "/sys/kernel/tracing"),
];

/// Makes `/dev`, `/proc`, `/sys` and `/tmp`, over what the root directory has there.
///
/// # Errors
/// ENOTDIR where a name on the way is a file.
pub(crate) fn populate(vfs: &mut Vfs, now_ns: u64) -> Result<(), Errno> {
    let times = Times::all(now_ns);
    for &(path, permissions, kind) in DIRECTORIES {
        let (parent, name) = parent_of(vfs, path, times)?;
        if let Some(kind) = kind {
            vfs.mount(parent, name, kind, permissions, times)?;
        } else if vfs.directory(parent)?.get(name.as_bytes()).is_none() {
            vfs.add_directory(parent, name.as_bytes(), permissions, times)?;
        }
    }
    let proc = find(vfs, "/proc").ok_or(Errno::ENOENT)?;
    vfs.directory_mut(proc)?.has_processes = true;
    let dev = find(vfs, "/dev").ok_or(Errno::ENOENT)?;
    for &(name, device, number) in DEVICES {
        let inode = Inode::new(Body::Device(device, number), 0o666, vfs.inode(dev).mount, times);
        let id = vfs.insert(inode);
        vfs.add_name(dev, name.as_bytes(), id)?;
    }
    for &(path, target) in LINKS {
        let (parent, name) = parent_of(vfs, path, times)?;
        let body = Body::Link(target.as_bytes().to_vec());
        let id = vfs.insert(Inode::new(body, 0o777, vfs.inode(parent).mount, times));
        vfs.add_name(parent, name.as_bytes(), id)?;
    }
    for file in GROUPS.iter().copied().flatten() {
        let (parent, name) = parent_of(vfs, file.path, times)?;
        let mount = vfs.inode(parent).mount;
        let id = vfs.insert(Inode::new(Body::Pseudo(file), file.permissions, mount, times));
        vfs.add_name(parent, name.as_bytes(), id)?;
    }
    Ok(())
}

fn find(vfs: &Vfs, path: &str) -> Option<InodeId> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.into_iter().try_fold(ROOT, |at, part| vfs.directory(at).ok()?.get(part.as_bytes()))
}

/// The directory of a path, made where it is missing, and the last part.
fn parent_of<'a>(vfs: &mut Vfs, path: &'a str, times: Times) -> Result<(InodeId, &'a str), Errno> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = ROOT;
    for part in directory.split('/').filter(|part| !part.is_empty()) {
        at = match vfs.directory(at)?.get(part.as_bytes()) {
            Some(next) => next,
            None => vfs.add_directory(at, part.as_bytes(), 0o555, times)?,
        };
    }
    Ok((at, name))
}

impl Vfs {
    /// Makes a directory with a name.
    ///
    /// # Errors
    /// ENOTDIR.
    pub(super) fn add_directory(
        &mut self,
        parent: InodeId,
        name: &[u8],
        permissions: u32,
        times: Times,
    ) -> Result<InodeId, Errno> {
        let mount = self.inode(parent).mount;
        let id = self.new_directory(parent, |body| Inode::new(body, permissions, mount, times));
        self.add_name(parent, name, id)?;
        Ok(id)
    }

    /// Mounts an empty file system over a name, whatever it stands for now.
    fn mount(
        &mut self,
        parent: InodeId,
        name: &str,
        kind: &'static str,
        permissions: u32,
        times: Times,
    ) -> Result<InodeId, Errno> {
        let mount = MountId(self.mounts.len() as u32);
        let id = self.new_directory(parent, |body| Inode::new(body, permissions, mount, times));
        let target = [self.path_of(parent), name.as_bytes().to_vec()].join(&b'/');
        let target = if parent == ROOT { target[1..].to_vec() } else { target };
        self.mounts.push(super::inode::Mount {
            target,
            kind,
            read_only: false,
            root: id,
            is_gone: false,
        });
        self.add_name(parent, name.as_bytes(), id)?;
        Ok(id)
    }

    /// The path of a directory, by the names on the way up; `/` for the root.
    #[must_use]
    pub fn path_of(&self, directory: InodeId) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = directory;
        while at != ROOT {
            let Ok(parent) = self.directory(at).map(|found| found.parent) else { break };
            let name =
                self.directory(parent).ok().and_then(|found| found.name_of(self.point_of(at)));
            // A directory that was removed has no name any more.
            parts.push(name.unwrap_or(b"(deleted)").to_vec());
            if name.is_none() {
                break;
            }
            at = parent;
        }
        if parts.is_empty() {
            return b"/".to_vec();
        }
        parts.iter().rev().flat_map(|part| [b"/".as_slice(), part].concat()).collect()
    }
}
