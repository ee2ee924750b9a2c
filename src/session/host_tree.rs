//! Directories and files of the host that the guest may see: what `--root` and `--mount` say, and
//! reading them.
//!
//! Names are never followed out of a mounted directory: a link is given to the guest as a link,
//! and the guest follows it in its own tree.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use kernel_model::fs::host::{HostMount, MountAccess};
use kernel_model::inputs::{HostEntry, HostKind, HostPlace};
use perf_core::Errno;

/// A directory or file of the host with its place in the guest's tree of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub host: PathBuf,
    /// In the guest.
    pub guest: HostMount,
}

/// A mount that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// Nothing there, or not for us.
    #[error("{option} {}: {source}", path.display())]
    Host {
        /// `--root` or `--mount`.
        option: &'static str,
        /// The host's path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A root that is a file.
    #[error("--root {}: not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Text that is no mount.
    #[error("--mount {0}: a mount is HOST:GUEST or HOST:GUEST:ro, with an absolute GUEST")]
    Text(String),
    /// A place that the machine fills itself.
    #[error("--mount {0}: /dev, /proc and /sys are the machine's own")]
    Kept(String),
}

/// The root directory of `--root`.
///
/// # Errors
/// Where it is no directory that can be read.
pub fn root(path: &Path) -> Result<Mount, MountError> {
    let failed = |source| MountError::Host { option: "--root", path: path.to_owned(), source };
    if !path.metadata().map_err(failed)?.is_dir() {
        return Err(MountError::NotADirectory(path.to_owned()));
    }
    std::fs::read_dir(path).map_err(failed)?;
    let guest = HostMount { target: b"/".to_vec(), access: MountAccess::CopyOnWrite };
    Ok(Mount { host: path.to_owned(), guest })
}

/// One `--mount`: `HOST:GUEST`, with `:ro` for one that cannot be changed.
///
/// # Errors
/// Where it says nothing, or the host's path cannot be read.
pub fn parse(text: &OsStr) -> Result<Mount, MountError> {
    let shown = || text.to_string_lossy().into_owned();
    let bytes = text.as_bytes();
    let (bytes, access) = match bytes.strip_suffix(b":ro") {
        Some(bytes) => (bytes, MountAccess::ReadOnly),
        None => (bytes, MountAccess::CopyOnWrite),
    };
    let colon = bytes.iter().rposition(|byte| *byte == b':').filter(|at| *at > 0);
    let (host, target) = match colon {
        Some(at) if bytes[at + 1..].starts_with(b"/") => (&bytes[..at], bytes[at + 1..].to_vec()),
        _ => return Err(MountError::Text(shown())),
    };
    let first = target.split(|byte| *byte == b'/').find(|part| !part.is_empty());
    if matches!(first, Some(b"dev" | b"proc" | b"sys")) {
        return Err(MountError::Kept(shown()));
    }
    let host = PathBuf::from(OsString::from_vec(host.to_vec()));
    host.metadata().map_err(|source| MountError::Host {
        option: "--mount",
        path: host.clone(),
        source,
    })?;
    Ok(Mount { host, guest: HostMount { target, access } })
}

/// Reads mounted directories and files.
#[derive(Clone, Debug, Default)]
pub struct HostTree {
    mounts: Vec<Mount>,
}

impl HostTree {
    /// The tree of these mounts.
    #[must_use]
    pub fn new(mounts: &[Mount]) -> Self {
        Self { mounts: mounts.to_vec() }
    }

    fn path(&self, place: &HostPlace) -> Result<PathBuf, Errno> {
        let mount = self.mounts.get(place.mount as usize).ok_or(Errno::ENOENT)?;
        let mut path = mount.host.clone();
        if !place.path.is_empty() {
            path.push(OsStr::from_bytes(&place.path));
        }
        Ok(path)
    }

    /// What a place is; a mounted link is what it leads to.
    pub(super) fn entry(&self, place: &HostPlace) -> Result<HostEntry, Errno> {
        let path = self.path(place)?;
        let metadata =
            if place.path.is_empty() { path.metadata() } else { path.symlink_metadata() };
        entry(Vec::new(), &path, &metadata.map_err(errno)?)
    }

    /// What a directory holds, by name.
    pub(super) fn directory(&self, place: &HostPlace) -> Result<Vec<HostEntry>, Errno> {
        let path = self.path(place)?;
        let mut entries = Vec::new();
        for found in std::fs::read_dir(path).map_err(errno)? {
            let found = found.map_err(errno)?;
            // What has gone meanwhile is not there.
            if let Ok(metadata) = found.path().symlink_metadata() {
                entries.push(entry(found.file_name().into_vec(), &found.path(), &metadata)?);
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Bytes of a file.
    pub(super) fn read(
        &self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Vec<u8>, Errno> {
        let path = self.path(place)?;
        if !path.metadata().map_err(errno)?.is_file() {
            return Err(Errno::EIO);
        }
        let mut file = std::fs::File::open(path).map_err(errno)?;
        file.seek(SeekFrom::Start(offset)).map_err(errno)?;
        let mut bytes = Vec::new();
        file.take(max as u64).read_to_end(&mut bytes).map_err(errno)?;
        Ok(bytes)
    }

    /// The host's file behind a path of the guest, links followed in the guest's tree.
    #[must_use]
    pub fn locate(&self, guest: &[u8]) -> Option<PathBuf> {
        const MAX_LINKS: u32 = 40;
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
            parts.map(<[u8]>::to_vec).rev().collect()
        };
        let mut rest = parts(guest);
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_slice() {
                b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(part),
            }
            let host = self.host_of(&at)?;
            let Ok(target) = std::fs::read_link(&host) else { continue };
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            at.pop();
            let target = target.as_os_str().as_bytes();
            if target.starts_with(b"/") {
                at.clear();
            }
            rest.extend(parts(target));
        }
        self.host_of(&at)
    }

    /// The host's path of a path without links: below the innermost mount that holds it.
    fn host_of(&self, path: &[Vec<u8>]) -> Option<PathBuf> {
        let inside = |mount: &Mount| -> Option<(usize, PathBuf)> {
            let target = mount.guest.target.split(|byte| *byte == b'/');
            let target: Vec<&[u8]> = target.filter(|part| !part.is_empty()).collect();
            let is_inside = path.len() >= target.len()
                && target.iter().zip(path).all(|(wanted, part)| *wanted == part.as_slice());
            let below = path.get(target.len()..).filter(|_| is_inside)?;
            let mut host = mount.host.clone();
            host.extend(below.iter().map(|part| OsStr::from_bytes(part)));
            Some((target.len(), host))
        };
        let found = self.mounts.iter().filter_map(inside).max_by_key(|(depth, _)| *depth);
        found.map(|(_, host)| host)
    }
}

fn errno(error: io::Error) -> Errno {
    let number = error.raw_os_error().unwrap_or(0);
    Errno::ALL.iter().copied().find(|errno| errno.number() == number).unwrap_or(Errno::EIO)
}

fn entry(name: Vec<u8>, path: &Path, metadata: &std::fs::Metadata) -> Result<HostEntry, Errno> {
    let kind = metadata.file_type();
    let kind = if kind.is_dir() {
        HostKind::Directory
    } else if kind.is_file() {
        HostKind::Regular
    } else if kind.is_symlink() {
        HostKind::Link
    } else if kind.is_fifo() {
        HostKind::Fifo
    } else if kind.is_socket() {
        HostKind::Socket
    } else if kind.is_block_device() {
        HostKind::Block
    } else {
        HostKind::Character
    };
    let target = match kind {
        HostKind::Link => std::fs::read_link(path).map_err(errno)?.into_os_string().into_vec(),
        _ => Vec::new(),
    };
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanoseconds = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Ok(HostEntry {
        name,
        kind,
        permissions: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        nr_bytes: match kind {
            HostKind::Regular | HostKind::Directory => metadata.len(),
            _ => 0,
        },
        modified_ns: seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_from_their_text() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().to_str().unwrap();
        let parsed = |text: String| parse(OsStr::new(&text));
        let mount = parsed(format!("{host}:/data")).unwrap();
        assert_eq!(mount.guest.target, b"/data");
        assert_eq!(mount.guest.access, MountAccess::CopyOnWrite);
        let mount = parsed(format!("{host}:/data:ro")).unwrap();
        assert_eq!(mount.guest.access, MountAccess::ReadOnly);
        for text in [host, ":/data", "", "x:relative"] {
            assert!(matches!(parsed(text.to_owned()), Err(MountError::Text(_))), "{text}");
        }
        assert!(matches!(parsed(format!("{host}:/proc/x")), Err(MountError::Kept(_))));
        assert!(matches!(parsed(format!("{host}/no:/x")), Err(MountError::Host { .. })));
    }

    #[test]
    fn links_are_followed_in_the_guests_tree() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("usr/bin")).unwrap();
        std::fs::write(at("usr/bin/tool"), b"x").unwrap();
        std::os::unix::fs::symlink("usr/bin", at("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/tool", at("usr/bin/other")).unwrap();
        std::os::unix::fs::symlink("../../../../bin/loop", at("usr/bin/loop")).unwrap();
        let tree = HostTree::new(&[root(directory.path()).unwrap()]);
        assert_eq!(tree.locate(b"/bin/other"), Some(at("usr/bin/tool")));
        assert_eq!(tree.locate(b"/bin/loop"), None);
    }

    #[test]
    fn a_directory_is_listed_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("a", directory.path().join("link")).unwrap();
        let tree = HostTree::new(&[root(directory.path()).unwrap()]);
        let place = HostPlace { mount: 0, path: Vec::new() };
        let names: Vec<_> = tree.directory(&place).unwrap();
        let names: Vec<_> = names.iter().map(|entry| (&entry.name[..], entry.kind)).collect();
        let regular = HostKind::Regular;
        let want: [(&[u8], _); 4] =
            [(b"a", regular), (b"b", regular), (b"c", regular), (b"link", HostKind::Link)];
        assert_eq!(names, want);
        assert_eq!(tree.read(&place.join(b"b"), 0, 10), Ok(b"b".to_vec()));
        assert_eq!(tree.read(&place.join(b"none"), 0, 10), Err(Errno::ENOENT));
    }
}
