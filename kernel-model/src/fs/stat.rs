//! What stat tells of a file.
//! Source: Linux 6.18 `arch/x86/include/uapi/asm/stat.h`, `fs/stat.c`.

use perf_core::Errno;

use super::file::{FileId, FileKind};
use super::inode::{Body, Directory, InodeId, Times};
use super::namei::Node;
use super::proc::{ProcEntry, ProcNode};
use crate::kernel::Kernel;
use crate::task::cred::Dumpable;
use crate::uapi::put;

/// Bytes of x86-64's `struct stat`.
pub const STAT_BYTES: usize = 144;

/// Type bits of `st_mode`.
pub(crate) mod mode {
    pub(crate) const FIFO: u32 = 0o010_000;
    pub(crate) const BLOCK: u32 = 0o060_000;
    pub(crate) const CHARACTER: u32 = 0o020_000;
    pub(crate) const DIRECTORY: u32 = 0o040_000;
    pub(crate) const REGULAR: u32 = 0o100_000;
    pub(crate) const LINK: u32 = 0o120_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}

/// Device numbers: of the first mount, of pipes, of anonymous files, of processes.
pub(super) const FIRST_MOUNT_DEVICE: u64 = 32;
const PIPE_DEVICE: u64 = 14;
const ANON_DEVICE: u64 = 15;
const SOCKET_DEVICE: u64 = 8;
const PROC_DEVICE: u64 = 22;
/// Inode of every perf event: they share one (`anon_inode_inode`).
const ANON_INODE: u64 = 1024;
/// Pipes are numbered from here; the console's streams are the three before.
const FIRST_PIPE_INODE: u64 = 1 << 32;
/// What a name adds to the size of a directory (`BOGO_DIRENT_SIZE`).
const BOGO_DIRENT_BYTES: u64 = 20;
/// Sockets are numbered from here.
pub(crate) const FIRST_SOCKET_INODE: u64 = 1 << 31;
/// Block size that files ask for.
const BLOCK_BYTES: u64 = 4096;

/// The fields of `struct stat`.
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
    /// `st_uid`.
    pub uid: u32,
    /// `st_gid`.
    pub gid: u32,
    /// `st_rdev`, of a device: major number shifted left by 8, and minor number.
    pub special_device: u64,
    /// `st_size`, bytes.
    pub nr_bytes: u64,
    /// `st_blocks`, of 512 bytes.
    pub nr_blocks: u64,
    /// Times, ns since 1970.
    pub times: Times,
}

impl Stat {
    /// x86-64's `struct stat`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STAT_BYTES] {
        let mut bytes = [0; STAT_BYTES];
        for (at, field) in [
            (0, self.device),
            (8, self.inode),
            (16, self.nr_links),
            (24, u64::from(self.mode) | u64::from(self.uid) << 32),
            (32, u64::from(self.gid)),
            (40, self.special_device),
            (48, self.nr_bytes),
            (56, BLOCK_BYTES),
            (64, self.nr_blocks),
        ] {
            put(&mut bytes, at, field.to_le_bytes());
        }
        let times = [(72, self.times.access), (88, self.times.modify), (104, self.times.change)];
        for (at, ns) in times {
            put(&mut bytes, at, (ns / 1_000_000_000).to_le_bytes());
            put(&mut bytes, at + 8, (ns % 1_000_000_000).to_le_bytes());
        }
        bytes
    }
}

impl Kernel {
    /// stat of a place; a link is meant itself.
    pub(crate) fn stat_node(&self, node: Node) -> Result<Stat, Errno> {
        let node = match node {
            Node::Inode(id) => return Ok(self.stat_inode(id)),
            Node::Proc(node) => node,
        };
        let (uid, gid) = self.proc_owner(node)?;
        let nr_links = match node.mode() & 0o170_000 {
            mode::DIRECTORY => 2,
            _ => 1,
        };
        let nr_bytes = if node.is_link() { 64 } else { 0 };
        let times = Times::all(self.boot_realtime_ns);
        let inode = node.inode();
        Ok(Stat {
            device: PROC_DEVICE,
            inode,
            mode: node.mode(),
            nr_links,
            uid,
            gid,
            nr_bytes,
            times,
            ..Stat::default()
        })
    }

    /// Whose the files of a process are: its own, or the superuser's where others may not look
    /// into it (`task_dump_owner`).
    fn proc_owner(&self, node: ProcNode) -> Result<(u32, u32), Errno> {
        let (_, process) = self.proc_process(node)?;
        let open_to_all = matches!(node.entry, ProcEntry::Top | ProcEntry::Tasks);
        let leader = self.tasks.tasks.get(&process.leader);
        Ok(match leader {
            Some(task) if open_to_all || process.dumpable == Dumpable::Yes => {
                (task.cred.user.effective, task.cred.group.effective)
            }
            _ => (0, 0),
        })
    }

    fn stat_inode(&self, id: InodeId) -> Stat {
        let inode = self.vfs.inode(id);
        let nr_bytes = match &inode.body {
            Body::Directory(directory) => self.directory_bytes(id, directory),
            Body::Regular(file) => file.nr_bytes(),
            // Those of /proc lead to the caller and have no size.
            Body::Link(target) if target.first() == Some(&0) => 0,
            Body::Link(target) => target.len() as u64,
            Body::Device(..) | Body::Special { .. } => 0,
            // Files of sysfs have the size of a page, files of procfs none.
            Body::Pseudo(file) => {
                let pages = ["/sys/devices/", "/sys/bus/", "/sys/kernel/mm/"];
                let has_page = pages.iter().any(|above| file.path.starts_with(above));
                if has_page { BLOCK_BYTES } else { 0 }
            }
        };
        let special_device = match inode.body {
            Body::Device(_, number) | Body::Special { number, .. } => number,
            _ => 0,
        };
        Stat {
            device: FIRST_MOUNT_DEVICE + u64::from(inode.mount.0),
            inode: id.0,
            mode: inode.body.type_bits() | inode.permissions,
            nr_links: u64::from(inode.nr_links),
            uid: inode.uid,
            gid: inode.gid,
            special_device,
            nr_bytes,
            nr_blocks: self.nr_blocks_of(id, nr_bytes),
            times: inode.times,
        }
    }

    /// The size of a directory: as in tmpfs, or a block where the tree is the host's.
    fn directory_bytes(&self, id: InodeId, directory: &Directory) -> u64 {
        match self.vfs.mount_of(id).kind {
            "tmpfs" => (2 + directory.len() as u64) * BOGO_DIRENT_BYTES,
            "overlay" => directory.nr_bytes.max(BLOCK_BYTES),
            _ => 0,
        }
    }

    fn nr_blocks_of(&self, id: InodeId, nr_bytes: u64) -> u64 {
        match &self.vfs.inode(id).body {
            Body::Regular(_) => self.file_blocks(id),
            Body::Directory(_) if self.vfs.mount_of(id).kind == "overlay" => nr_bytes.div_ceil(512),
            _ => 0,
        }
    }

    /// fstat.
    pub(crate) fn fstat(&self, id: FileId) -> Result<Stat, Errno> {
        let times = Times::all(self.boot_realtime_ns);
        let plain = |device, inode, mode| Stat {
            device,
            inode,
            mode,
            nr_links: 1,
            times,
            ..Stat::default()
        };
        let fifo = |inode| plain(PIPE_DEVICE, inode, mode::FIFO | 0o600);
        Ok(match self.files.file(id).kind {
            FileKind::Console(stream) => fifo(FIRST_PIPE_INODE - 3 + stream as u64),
            FileKind::Pipe { pipe, fifo: None, .. } => fifo(FIRST_PIPE_INODE + u64::from(pipe.0)),
            FileKind::Socket(socket) => {
                plain(SOCKET_DEVICE, FIRST_SOCKET_INODE + u64::from(socket.0), mode::SOCKET | 0o777)
            }
            FileKind::PerfEvent(_)
            | FileKind::Eventfd(_)
            | FileKind::Epoll(_)
            | FileKind::Task(_) => plain(ANON_DEVICE, ANON_INODE, 0o600),
            _ => {
                let node = self.node_of_file(id).ok_or(Errno::EBADF)?;
                return self.stat_node(node);
            }
        })
    }

    /// The name of an open file as `/proc/self/fd` shows it.
    pub(crate) fn path_of_file(&self, id: FileId) -> Vec<u8> {
        let file = self.files.file(id);
        match file.kind {
            // Outside the machine they have none: what they look like counts.
            FileKind::Console(stream) => {
                format!("pipe:[{}]", FIRST_PIPE_INODE - 3 + stream as u64).into_bytes()
            }
            FileKind::Pipe { pipe, fifo: None, .. } => {
                format!("pipe:[{}]", FIRST_PIPE_INODE + u64::from(pipe.0)).into_bytes()
            }
            FileKind::PerfEvent(_) => b"anon_inode:[perf_event]".to_vec(),
            FileKind::Socket(socket) => {
                format!("socket:[{}]", FIRST_SOCKET_INODE + u64::from(socket.0)).into_bytes()
            }
            FileKind::Eventfd(_) => b"anon_inode:[eventfd]".to_vec(),
            FileKind::Epoll(_) => b"anon_inode:[eventpoll]".to_vec(),
            FileKind::Task(file) => file.name().to_vec(),
            FileKind::Directory(Node::Inode(directory)) => self.vfs.path_of(directory),
            FileKind::Regular(inode) if self.vfs.inode(inode).nr_links == 0 => {
                [file.path.as_slice(), b" (deleted)"].concat()
            }
            _ => file.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_x86_has_them() {
        let stat = Stat {
            device: 1,
            inode: 2,
            mode: 0o100_644,
            nr_links: 4,
            uid: 9,
            gid: 10,
            special_device: 5,
            nr_bytes: 513,
            nr_blocks: 2,
            times: Times { access: 7_000_000_008, modify: 11_000_000_012, change: 13_000_000_014 },
        };
        let bytes = stat.to_bytes();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let words: Vec<u64> = (0..18).map(|index| word(index * 8)).collect();
        let owner = 0o100_644 | 9 << 32;
        let want = [1, 2, 4, owner, 10, 5, 513, 4096, 2, 7, 8, 11, 12, 13, 14, 0, 0, 0];
        assert_eq!(words, want);
    }
}
