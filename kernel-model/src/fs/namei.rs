//! Path lookup, open, and readlink. The working directory is always the root.
//! Source: Linux 6.18 `fs/namei.c`, `fs/open.c`.

use perf_core::Errno;

use super::file::{FileId, FileKind, FileTable};
use super::tree::{Node, NodeId, ROOT};
use crate::uapi::fcntl::{
    O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOCTTY, O_NOFOLLOW, O_PATH,
    O_RDWR, O_TRUNC, O_WRONLY,
};

/// Longest path with its zero byte.
const PATH_MAX: usize = 4096;
/// Longest part of a path.
const NAME_MAX: usize = 255;

/// What `getcwd` answers.
pub const CWD: &str = "/";

/// Tests of `access`.
pub mod access_mode {
    /// May be executed, or searched.
    pub const X_OK: u32 = 1;
    /// May be written.
    pub const W_OK: u32 = 2;
    /// May be read.
    pub const R_OK: u32 = 4;
}

/// What the contents of the tree depend on.
#[derive(Clone, Copy, Debug)]
pub struct PathContext<'a> {
    /// Path of the calling process's program.
    pub exe: &'a str,
    /// CPUs of the machine.
    pub nr_cpus: u32,
}

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// To what it names, as `stat` and `open` do.
    Follow,
    /// The link itself is meant, as for `lstat`, `readlink` and `O_NOFOLLOW`.
    Keep,
}

/// Finds a name. Relative paths start at the directory `base`.
///
/// # Errors
/// ENOENT, ENOTDIR, ENAMETOOLONG. The program behind `/proc/self/exe` is not in the tree: ENOENT.
pub fn lookup(base: NodeId, path: &[u8], last: LastLink) -> Result<NodeId, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut at = if path[0] == b'/' { ROOT } else { base };
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        at = match (at.node(), part) {
            (Node::ExeLink, _) => return Err(Errno::ENOENT),
            (Node::Directory, b".") => at,
            (Node::Directory, b"..") => at.parent(),
            _ if part.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
            _ => at.child(part)?,
        };
    }
    let must_be_directory = path.ends_with(b"/") || path.ends_with(b"/.");
    match at.node() {
        Node::ExeLink if last == LastLink::Follow || must_be_directory => Err(Errno::ENOENT),
        node if must_be_directory && node != Node::Directory => Err(Errno::ENOTDIR),
        _ => Ok(at),
    }
}

/// `readlinkat`: where a link points to.
///
/// # Errors
/// EINVAL for what is no link; as [`lookup`].
pub fn readlink<'a>(
    base: NodeId,
    path: &[u8],
    context: &PathContext<'a>,
) -> Result<&'a str, Errno> {
    match lookup(base, path, LastLink::Keep)?.node() {
        Node::ExeLink => Ok(context.exe),
        Node::Directory | Node::Device(..) | Node::Text(_) => Err(Errno::EINVAL),
    }
}

/// `faccessat`: whether the modes of [`access_mode`] are granted, for the superuser.
///
/// # Errors
/// EROFS for writing what the tree does not let be written, EACCES for executing what is no
/// directory, EINVAL for unknown bits.
pub fn access(node: NodeId, mode: u32) -> Result<(), Errno> {
    let is_device = matches!(node.node(), Node::Device(..));
    if mode & !7 != 0 {
        Err(Errno::EINVAL)
    } else if mode & access_mode::W_OK != 0 && !is_device {
        Err(Errno::EROFS)
    } else if mode & access_mode::X_OK != 0 && node.node() != Node::Directory {
        Err(Errno::EACCES)
    } else {
        Ok(())
    }
}

impl FileTable {
    /// `openat`: opens a name, with one use of the open file. `base` is the directory for
    /// relative paths ([`ROOT`] for `AT_FDCWD`). `O_CLOEXEC` is for the caller to remember.
    ///
    /// # Errors
    /// As Linux. The tree is read-only: EROFS for making or writing anything but devices.
    pub fn openat(
        &mut self,
        base: NodeId,
        path: &[u8],
        flags: u32,
        context: &PathContext<'_>,
    ) -> Result<FileId, Errno> {
        if flags & O_PATH != 0 {
            return self.open_place(base, path, flags);
        }
        let node = match lookup(base, path, LastLink::Keep) {
            Ok(_) if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL => return Err(Errno::EEXIST),
            Ok(node) if node.node() == Node::ExeLink && flags & O_NOFOLLOW != 0 => {
                return Err(Errno::ELOOP);
            }
            Ok(_) => lookup(base, path, LastLink::Follow)?,
            Err(Errno::ENOENT) if flags & O_CREAT != 0 => return Err(missing(base, path)),
            Err(errno) => return Err(errno),
        };
        let writes = flags & O_ACCMODE != 0 || flags & O_TRUNC != 0;
        let kept = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
        let kept = flags & !kept | O_LARGEFILE;
        match node.node() {
            Node::Directory if writes || flags & O_CREAT != 0 => Err(Errno::EISDIR),
            Node::Directory => Ok(self.open(FileKind::Directory(node), kept)),
            _ if flags & O_DIRECTORY != 0 => Err(Errno::ENOTDIR),
            Node::Device(device, _) => Ok(self.open(FileKind::Device { node, device }, kept)),
            Node::Text(_) if writes => Err(Errno::EROFS),
            Node::Text(text) => {
                let text = text.contents(context.nr_cpus).into_bytes();
                Ok(self.open_text(FileKind::Text(node), kept, text))
            }
            Node::ExeLink => Err(Errno::ENOENT),
        }
    }

    /// Opens a name only as a place (`O_PATH`), for which no other flag but these counts.
    fn open_place(&mut self, base: NodeId, path: &[u8], flags: u32) -> Result<FileId, Errno> {
        let last = if flags & O_NOFOLLOW != 0 { LastLink::Keep } else { LastLink::Follow };
        let node = lookup(base, path, last)?;
        if flags & O_DIRECTORY != 0 && node.node() != Node::Directory {
            return Err(Errno::ENOTDIR);
        }
        let kept = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
        Ok(self.open(FileKind::Path(node), kept))
    }

    /// The directory behind a descriptor, for relative paths.
    ///
    /// # Errors
    /// ENOTDIR where the file is none.
    pub fn directory(&self, id: FileId) -> Result<NodeId, Errno> {
        match self.file(id).kind {
            FileKind::Directory(node) => Ok(node),
            FileKind::Path(node) if node.node() == Node::Directory => Ok(node),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

/// Why a missing file cannot be made: its directory is read-only, or missing too.
fn missing(base: NodeId, path: &[u8]) -> Errno {
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    match lookup(base, &path[..end], LastLink::Follow) {
        Err(errno) if end > 0 => errno,
        _ => Errno::EROFS,
    }
}

const _: () = assert!(O_WRONLY | O_RDWR == O_ACCMODE);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tree::Device;

    const CONTEXT: PathContext<'_> = PathContext { exe: "/absent/t", nr_cpus: 1 };

    #[test]
    fn lookup_walks_like_linux() {
        let long = vec![b'a'; 256];
        let longer = vec![b'/'; 4096];
        for (path, want) in [
            (&b"/dev/null"[..], Ok("/dev/null")),
            (b"dev//./null", Ok("/dev/null")),
            (b"/dev/../proc/self/../../dev/zero", Ok("/dev/zero")),
            (b"/../..", Ok("/")),
            (b"/dev/", Ok("/dev")),
            (b"", Err(Errno::ENOENT)),
            (b"/nothing", Err(Errno::ENOENT)),
            (b"/dev/null/", Err(Errno::ENOTDIR)),
            (b"/dev/null/x", Err(Errno::ENOTDIR)),
            (b"/dev/null/..", Err(Errno::ENOTDIR)),
            (b"/proc/self/exe", Err(Errno::ENOENT)),
            (b"/proc/self/exe/x", Err(Errno::ENOENT)),
            (&long, Err(Errno::ENAMETOOLONG)),
            (&longer, Err(Errno::ENAMETOOLONG)),
        ] {
            let got = lookup(ROOT, path, LastLink::Follow).map(NodeId::path);
            assert_eq!(got, want, "{}", String::from_utf8_lossy(path));
        }
        let dev = lookup(ROOT, b"/dev", LastLink::Follow).unwrap();
        assert_eq!(lookup(dev, b"full", LastLink::Keep).map(NodeId::path), Ok("/dev/full"));
    }

    #[test]
    fn opening_answers_by_flags() {
        for (path, flags, want) in [
            ("/dev/null", O_RDWR, Ok(())),
            ("/dev/null", O_RDWR | O_CREAT | O_TRUNC, Ok(())),
            ("/dev/null", O_CREAT | O_EXCL, Err(Errno::EEXIST)),
            ("/dev/null", O_DIRECTORY, Err(Errno::ENOTDIR)),
            ("/dev", 0, Ok(())),
            ("/dev", O_WRONLY, Err(Errno::EISDIR)),
            ("/dev", O_CREAT, Err(Errno::EISDIR)),
            ("/proc/cpuinfo", O_RDWR, Err(Errno::EROFS)),
            ("/tmp/new", O_CREAT | O_RDWR, Err(Errno::ENOENT)),
            ("/new", O_CREAT | O_RDWR, Err(Errno::EROFS)),
            ("new", O_CREAT | O_RDWR, Err(Errno::EROFS)),
            ("/tmp/new", 0, Err(Errno::ENOENT)),
            ("/proc/self/exe", O_NOFOLLOW, Err(Errno::ELOOP)),
            ("/proc/self/exe", O_NOFOLLOW | O_PATH, Ok(())),
            ("/proc/self/exe", 0, Err(Errno::ENOENT)),
        ] {
            let mut files = FileTable::default();
            let got = files.openat(ROOT, path.as_bytes(), flags, &CONTEXT).map(|_| ());
            assert_eq!(got, want, "{path} {flags:o}");
        }
    }

    #[test]
    fn flags_that_only_matter_at_open_are_forgotten() {
        let mut files = FileTable::default();
        let flags = O_RDWR | O_CREAT | O_NOCTTY | O_CLOEXEC;
        let id = files.openat(ROOT, b"/dev/zero", flags, &CONTEXT).unwrap();
        assert_eq!(files.file(id).flags, O_RDWR | O_LARGEFILE);
        let FileKind::Device { device, .. } = files.file(id).kind else { panic!("no device") };
        assert_eq!(device, Device::Zero);
    }

    #[test]
    fn links_and_rights() {
        assert_eq!(readlink(ROOT, b"/proc/self/exe", &CONTEXT), Ok("/absent/t"));
        assert_eq!(readlink(ROOT, b"/dev/null", &CONTEXT), Err(Errno::EINVAL));
        let node = |path: &str| lookup(ROOT, path.as_bytes(), LastLink::Follow).unwrap();
        assert_eq!(access(node("/dev/null"), 6), Ok(()));
        assert_eq!(access(node("/proc/cpuinfo"), access_mode::W_OK), Err(Errno::EROFS));
        assert_eq!(access(node("/proc/cpuinfo"), access_mode::X_OK), Err(Errno::EACCES));
        assert_eq!(access(node("/proc"), access_mode::X_OK), Ok(()));
        assert_eq!(access(node("/proc"), 8), Err(Errno::EINVAL));
    }
}
