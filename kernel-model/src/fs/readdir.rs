//! getdents64 and its older layout.
//! Source: Linux 6.18 `fs/readdir.c`, `include/linux/dirent.h`.

use perf_core::Errno;

use super::file::{FileId, FileKind};
use super::inode::InodeId;
use super::namei::Node;
use super::proc::{FIRST_PROCESS_OFFSET, ProcNode};
use crate::kernel::Kernel;

/// How an entry is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirentLayout {
    /// `struct linux_dirent`: the type is the last byte.
    Old,
    /// `struct linux_dirent64`: the type stands before the name.
    Wide,
}

/// Bytes of an entry before its name.
const HEADER_BYTES: usize = 19;

/// An entry of a listing.
struct Listed {
    /// Where it stands; the position behind it is one more.
    offset: u64,
    name: Vec<u8>,
    inode: u64,
    /// `DT_*`: the type bits of `st_mode`, shifted.
    kind: u8,
}

impl Kernel {
    /// The next entries of a directory in a layout, at most `max` bytes; empty at
    /// the end.
    ///
    /// # Errors
    /// ENOTDIR for other files, EBADF for places, EINVAL where not even one entry fits, ENOENT
    /// where the directory was removed.
    pub(crate) fn getdents(
        &mut self,
        id: FileId,
        max: usize,
        layout: DirentLayout,
    ) -> Result<Vec<u8>, Errno> {
        let file = self.files.file(id);
        let (node, position) = match file.kind {
            FileKind::Directory(node) => (node, file.position),
            FileKind::Path(_) => return Err(Errno::EBADF),
            _ => return Err(Errno::ENOTDIR),
        };
        let mut bytes = Vec::new();
        let mut next = position;
        for listed in self.listing(node, position, max)? {
            let entry = dirent(&listed, layout);
            if bytes.len() + entry.len() > max {
                if bytes.is_empty() {
                    return Err(Errno::EINVAL);
                }
                break;
            }
            bytes.extend(entry);
            next = listed.offset + 1;
        }
        self.files.file_mut(id).position = next;
        Ok(bytes)
    }

    /// The entries from an offset on: at least as many as fit into `max` bytes.
    fn listing(&mut self, node: Node, from: u64, max: usize) -> Result<Vec<Listed>, Errno> {
        let parent = self.parent_of(node)?;
        let dots = [(0, b".".to_vec(), node), (1, b"..".to_vec(), parent)];
        let mut all: Vec<Listed> = Vec::new();
        for (offset, name, node) in dots {
            if offset >= from {
                all.push(self.listed(offset, name, node)?);
            }
        }
        let most = max / HEADER_BYTES + 1;
        match node {
            Node::Inode(id) => self.list_inode(id, from, most, &mut all)?,
            Node::Proc(node) => {
                for (offset, (name, child)) in (2..).zip(self.proc_list(node)?) {
                    if offset >= from {
                        all.push(self.listed(offset, name.into_bytes(), Node::Proc(child))?);
                    }
                }
            }
        }
        Ok(all)
    }

    fn list_inode(
        &mut self,
        id: InodeId,
        from: u64,
        most: usize,
        all: &mut Vec<Listed>,
    ) -> Result<(), Errno> {
        self.list_host_directory(id)?;
        let directory = self.vfs.directory(id)?;
        let has_processes = directory.has_processes;
        let entries: Vec<(u64, Vec<u8>, InodeId)> = directory
            .from_offset(from)
            .take(most)
            .map(|(offset, name, inode)| (offset, name.to_vec(), inode))
            .collect();
        for (offset, name, inode) in entries {
            all.push(self.listed(offset, name, Node::Inode(inode))?);
        }
        if !has_processes {
            return Ok(());
        }
        let pids: Vec<u32> = self.tasks.processes.values().map(|process| process.pid).collect();
        for pid in pids {
            let offset = FIRST_PROCESS_OFFSET + u64::from(pid);
            if offset >= from {
                let node = Node::Proc(ProcNode::process(pid));
                all.push(self.listed(offset, pid.to_string().into_bytes(), node)?);
            }
        }
        Ok(())
    }

    fn listed(&self, offset: u64, name: Vec<u8>, node: Node) -> Result<Listed, Errno> {
        let (inode, mode) = match node {
            // What is listed exists; only its type is needed.
            Node::Inode(id) => (id.0, self.vfs.inode(id).body.type_bits()),
            Node::Proc(node) => (node.inode(), node.mode()),
        };
        Ok(Listed { offset, name, inode, kind: (mode >> 12 & 0xf) as u8 })
    }
}

/// One entry.
fn dirent(listed: &Listed, layout: DirentLayout) -> Vec<u8> {
    let len = (HEADER_BYTES + listed.name.len() + 1).next_multiple_of(8);
    let mut entry = Vec::with_capacity(len);
    entry.extend(listed.inode.to_le_bytes());
    entry.extend((listed.offset + 1).to_le_bytes());
    entry.extend((len as u16).to_le_bytes());
    if layout == DirentLayout::Wide {
        entry.push(listed.kind);
    }
    entry.extend(&listed.name);
    entry.resize(len, 0);
    if layout == DirentLayout::Old {
        entry[len - 1] = listed.kind;
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_laid_out_as_linux_does() {
        let listed = Listed { offset: 4, name: b"name".to_vec(), inode: 7, kind: 8 };
        let old = dirent(&listed, DirentLayout::Old);
        assert_eq!((&old[18..23], old[23]), (&b"name\0"[..], 8));
        let bytes = dirent(&listed, DirentLayout::Wide);
        assert_eq!(bytes.len(), 24);
        assert_eq!(bytes[..8], 7_u64.to_le_bytes());
        assert_eq!(bytes[8..16], 5_u64.to_le_bytes());
        assert_eq!(bytes[16..19], [24, 0, 8]);
        assert_eq!(&bytes[19..], b"name\0");
    }
}
