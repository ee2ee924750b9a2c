//! What stat tells of a file.
//! Source: Linux 6.18 `arch/x86/include/uapi/asm/stat.h`, `fs/stat.c`.

use perf_core::Errno;

use super::file::{FileId, FileKind, FileTable};
use super::namei::PathContext;
use super::tree::{Node, NodeId};

/// Bytes of x86-64's `struct stat`.
pub const STAT_BYTES: usize = 144;

/// Type bits of `st_mode`.
mod mode {
    pub(super) const FIFO: u32 = 0o010_000;
    pub(super) const CHARACTER: u32 = 0o020_000;
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const REGULAR: u32 = 0o100_000;
    pub(super) const LINK: u32 = 0o120_000;
}

/// Device numbers: of the tree, of pipes, of anonymous files.
const TREE_DEVICE: u64 = 1;
const PIPE_DEVICE: u64 = 14;
const ANON_DEVICE: u64 = 15;
/// Inode of every perf event: they share one (`anon_inode_inode`).
const ANON_INODE: u64 = 1024;
/// Pipes are numbered from here; the console's streams are the three before.
const FIRST_PIPE_INODE: u64 = 16;
/// Block size that files ask for.
const BLOCK_BYTES: u64 = 4096;

/// The fields of `struct stat` that differ between files. Owner is the superuser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// `st_mode`: type and rights.
    pub mode: u32,
    /// `st_nlink`.
    pub nr_links: u64,
    /// `st_rdev`, of a device: major number shifted left by 8, and minor number.
    pub special_device: u64,
    /// `st_size`, bytes.
    pub nr_bytes: u64,
    /// All three times, ns since 1970; the caller sets it.
    pub time_ns: u64,
}

impl Stat {
    /// x86-64's `struct stat`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STAT_BYTES] {
        let mut bytes = [0; STAT_BYTES];
        let (seconds, nanoseconds) = (self.time_ns / 1_000_000_000, self.time_ns % 1_000_000_000);
        let blocks = self.nr_bytes.div_ceil(512);
        for (at, field) in [
            (0, self.device),
            (8, self.inode),
            (16, self.nr_links),
            // st_mode, then st_uid, which is 0; st_gid and padding are 0 too.
            (24, u64::from(self.mode)),
            (40, self.special_device),
            (48, self.nr_bytes),
            (56, BLOCK_BYTES),
            (64, blocks),
            (72, seconds),
            (80, nanoseconds),
            (88, seconds),
            (96, nanoseconds),
            (104, seconds),
            (112, nanoseconds),
        ] {
            bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }
}

/// stat of a name.
#[must_use]
pub fn stat_node(node: NodeId, context: &PathContext<'_>) -> Stat {
    let base = Stat { device: TREE_DEVICE, inode: node.inode(), nr_links: 1, ..Stat::default() };
    match node.node() {
        Node::Directory => {
            let is_directory = |child: &NodeId| child.node() == Node::Directory;
            let nr_links = 2 + node.children().filter(is_directory).count() as u64;
            Stat { mode: mode::DIRECTORY | 0o555, nr_links, ..base }
        }
        Node::Device(_, minor) => {
            let special_device = 1 << 8 | u64::from(minor);
            Stat { mode: mode::CHARACTER | 0o666, special_device, ..base }
        }
        // Files of sysfs have the size of a page, files of procfs none.
        Node::Text(_) => {
            let nr_bytes = if node.path().starts_with("/sys/") { BLOCK_BYTES } else { 0 };
            Stat { mode: mode::REGULAR | 0o444, nr_bytes, ..base }
        }
        Node::ExeLink => {
            Stat { mode: mode::LINK | 0o777, nr_bytes: context.exe.len() as u64, ..base }
        }
    }
}

impl FileTable {
    /// fstat.
    #[must_use]
    pub fn fstat(&self, id: FileId, context: &PathContext<'_>) -> Stat {
        let fifo = |inode| Stat {
            device: PIPE_DEVICE,
            inode,
            mode: mode::FIFO | 0o600,
            nr_links: 1,
            ..Stat::default()
        };
        match self.file(id).kind {
            FileKind::Console(stream) => fifo(FIRST_PIPE_INODE - 3 + stream as u64),
            FileKind::Pipe { pipe, .. } => fifo(FIRST_PIPE_INODE + u64::from(pipe.0)),
            FileKind::PerfEvent(_) => Stat {
                device: ANON_DEVICE,
                inode: ANON_INODE,
                mode: 0o600,
                nr_links: 1,
                ..Stat::default()
            },
            FileKind::Device { node, .. }
            | FileKind::Text(node)
            | FileKind::Directory(node)
            | FileKind::Path(node) => stat_node(node, context),
        }
    }

    /// The name of an open file as `/proc/self/fd` would show it.
    ///
    /// # Errors
    /// ENOENT for a console stream, which has no name inside the machine.
    pub fn path_of(&self, id: FileId) -> Result<String, Errno> {
        match self.file(id).kind {
            FileKind::Console(_) => Err(Errno::ENOENT),
            FileKind::Pipe { pipe, .. } => {
                Ok(format!("pipe:[{}]", FIRST_PIPE_INODE + u64::from(pipe.0)))
            }
            FileKind::PerfEvent(_) => Ok("anon_inode:[perf_event]".to_owned()),
            FileKind::Device { node, .. }
            | FileKind::Text(node)
            | FileKind::Directory(node)
            | FileKind::Path(node) => Ok(node.path().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::fd::FdTable;
    use crate::fs::namei::{LastLink, lookup};
    use crate::fs::tree::ROOT;

    const CONTEXT: PathContext<'_> = PathContext { exe: "/bin/t", nr_cpus: 1 };

    fn stat(path: &str) -> Stat {
        stat_node(lookup(ROOT, path.as_bytes(), LastLink::Keep).unwrap(), &CONTEXT)
    }

    #[test]
    fn files_have_their_type_and_size() {
        for (path, mode, special_device, nr_bytes) in [
            ("/dev/null", 0o020_666, 0x103, 0),
            ("/dev/urandom", 0o020_666, 0x109, 0),
            ("/proc", 0o040_555, 0, 0),
            ("/proc/cpuinfo", 0o100_444, 0, 0),
            ("/sys/devices/system/cpu/online", 0o100_444, 0, 4096),
            ("/proc/self/exe", 0o120_777, 0, 6),
        ] {
            let got = stat(path);
            assert_eq!(
                (got.mode, got.special_device, got.nr_bytes),
                (mode, special_device, nr_bytes),
                "{path}"
            );
        }
        assert_eq!(stat("/").nr_links, 5);
    }

    #[test]
    fn the_console_looks_like_pipes() {
        let mut files = FileTable::default();
        let fds = FdTable::with_console(&mut files);
        let stats = [0, 1, 2].map(|fd| files.fstat(fds.get(fd).unwrap(), &CONTEXT));
        assert!(stats.iter().all(|stat| stat.mode == 0o010_600));
        assert!(stats[0].inode < stats[1].inode && stats[1].inode < stats[2].inode);
    }

    #[test]
    fn fields_are_where_x86_has_them() {
        let stat = Stat {
            device: 1,
            inode: 2,
            mode: 0o100_644,
            nr_links: 4,
            special_device: 5,
            nr_bytes: 513,
            time_ns: 7_000_000_008,
        };
        let bytes = stat.to_bytes();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let words: Vec<u64> = (0..18).map(|index| word(index * 8)).collect();
        assert_eq!(words, [1, 2, 4, 0o100_644, 0, 5, 513, 4096, 2, 7, 8, 7, 8, 7, 8, 0, 0, 0]);
    }
}
