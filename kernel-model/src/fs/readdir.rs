//! getdents64 on the directories of the tree.
//! Source: Linux 6.18 `fs/readdir.c`, `include/linux/dirent.h`.

use perf_core::Errno;

use super::file::{FileId, FileKind, FileTable};
use super::tree::{Node, NodeId};

/// Bytes of an entry before its name.
const HEADER_BYTES: usize = 19;

impl FileTable {
    /// The next entries of a directory as `struct linux_dirent64`, at most `max` bytes; empty at
    /// the end.
    ///
    /// # Errors
    /// ENOTDIR for other files, EBADF for places, EINVAL where not even one entry fits.
    pub fn getdents64(&mut self, id: FileId, max: usize) -> Result<Vec<u8>, Errno> {
        let file = self.file_mut(id);
        let directory = match file.kind {
            FileKind::Directory(node) => node,
            FileKind::Path(_) => return Err(Errno::EBADF),
            FileKind::Console(_)
            | FileKind::Pipe { .. }
            | FileKind::Device { .. }
            | FileKind::Text(_)
            | FileKind::PerfEvent(_) => return Err(Errno::ENOTDIR),
        };
        let names = [(".", directory), ("..", directory.parent())];
        let entries = names.into_iter().chain(directory.children().map(|node| (node.name(), node)));
        let start = usize::try_from(file.position).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        for (name, node) in entries.skip(start) {
            let entry = dirent(name, node, file.position + 1);
            if bytes.len() + entry.len() > max {
                return if bytes.is_empty() { Err(Errno::EINVAL) } else { Ok(bytes) };
            }
            bytes.extend(entry);
            file.position += 1;
        }
        Ok(bytes)
    }
}

/// One entry; `next` is the position behind it.
fn dirent(name: &str, node: NodeId, next: u64) -> Vec<u8> {
    let kind = match node.node() {
        Node::Device(..) => 2,
        Node::Directory => 4,
        Node::Text(_) => 8,
        Node::ExeLink => 10,
    };
    let len = (HEADER_BYTES + name.len() + 1).next_multiple_of(8);
    let mut entry = Vec::with_capacity(len);
    entry.extend(node.inode().to_le_bytes());
    entry.extend(next.to_le_bytes());
    entry.extend((len as u16).to_le_bytes());
    entry.push(kind);
    entry.extend(name.as_bytes());
    entry.resize(len, 0);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::namei::PathContext;
    use crate::fs::tree::ROOT;

    const CONTEXT: PathContext<'_> = PathContext { exe: "/bin/t", nr_cpus: 1 };

    fn names(mut bytes: &[u8]) -> Vec<(String, u8)> {
        let mut names = Vec::new();
        while !bytes.is_empty() {
            let len = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
            let name = bytes[HEADER_BYTES..len].split(|byte| *byte == 0).next().unwrap();
            names.push((String::from_utf8(name.to_vec()).unwrap(), bytes[18]));
            bytes = &bytes[len..];
        }
        names
    }

    #[test]
    fn entries_come_in_pieces_and_end() {
        let mut files = FileTable::default();
        let dev = files.openat(ROOT, b"/dev", 0, &CONTEXT).unwrap();
        assert_eq!(files.getdents64(dev, 10), Err(Errno::EINVAL));
        let mut all = Vec::new();
        loop {
            let piece = names(&files.getdents64(dev, 60).unwrap());
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
        }
        let want = [
            (".", 4),
            ("..", 4),
            ("null", 2),
            ("zero", 2),
            ("full", 2),
            ("random", 2),
            ("urandom", 2),
        ];
        assert_eq!(all, want.map(|(name, kind)| (name.to_owned(), kind)));
        let null = files.openat(ROOT, b"/dev/null", 0, &CONTEXT).unwrap();
        assert_eq!(files.getdents64(null, 100), Err(Errno::ENOTDIR));
    }
}
