//! Open files (Linux's `struct file`), in an arena with use counts.
//! Source: Linux 6.18 `fs/file_table.c`, `include/linux/fs.h`.

use perf_core::{Errno, EventId};

use super::epoll::EpollId;
use super::eventfd::{Eventfd, EventfdId, EventfdRead};
use super::inode::{Device, InodeId};
use super::io::IoResult;
use super::namei::Node;
use super::pipe::Pipe;
use super::slots::Slots;
use super::task_file::TaskFile;
use crate::net::SocketId;
use crate::uapi::fcntl::{O_ACCMODE, O_ASYNC, O_NONBLOCK, O_PATH, O_RDWR, O_WRONLY};

/// Number of an open file. Used again after the last use of the file has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Number of a pipe. Used again after both ends have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipeId(pub u32);

/// An end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeEnd {
    /// The end that is read from.
    Read,
    /// The end that is written to.
    Write,
    /// Both, of a FIFO that was opened so.
    Both,
}

impl PipeEnd {
    /// What an open with these flags is for.
    #[must_use]
    pub const fn of_flags(flags: u32) -> Self {
        match flags & O_ACCMODE {
            0 => Self::Read,
            O_WRONLY => Self::Write,
            _ => Self::Both,
        }
    }
}

/// The streams that connect the program to the outside. They look like pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Descriptor 0.
    Stdin,
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// What a file of `/proc/PID` shows of a process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryView {
    /// Its bytes: `mem`.
    Bytes,
    /// Where its pages are: `pagemap`, 8 bytes for each page.
    Pagemap,
}

/// What an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A stream from or to the outside.
    Console(Console),
    /// An end of a pipe.
    Pipe {
        /// Which pipe.
        pipe: PipeId,
        /// Which end.
        end: PipeEnd,
        /// The FIFO that it was opened by.
        fifo: Option<InodeId>,
    },
    /// A memory device under `/dev`.
    Device {
        /// Its inode.
        node: InodeId,
        /// Which.
        device: Device,
    },
    /// A file with contents.
    Regular(InodeId),
    /// A file with a text that was made when it was opened.
    Text(Node),
    /// A directory.
    Directory(Node),
    /// A name that was only looked up (`O_PATH`).
    Path(Node),
    /// The memory of a process (`/proc/PID/mem`), by its pid.
    ProcMem {
        /// The process's id.
        pid: u32,
        /// What is seen of it.
        view: MemoryView,
    },
    /// A perf event.
    PerfEvent(EventId),
    /// A counter that is waited for.
    Eventfd(EventfdId),
    /// A set of files that are waited for.
    Epoll(EpollId),
    /// A timer, signals or a process.
    Task(TaskFile),
    /// A socket.
    Socket(SocketId),
}

/// Who is told about input and output (`F_SETOWN`): the id with the type of `f_owner_ex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A thread.
    Tid(i32),
    /// A process.
    Pid(i32),
    /// A process group.
    Pgrp(i32),
}

/// An open file.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// What it is.
    pub kind: FileKind,
    /// Access mode and status flags (`f_flags`).
    pub flags: u32,
    /// Position in bytes; in a directory, the number of the next entry.
    pub position: u64,
    /// Who is told about input and output.
    pub owner: Option<Owner>,
    /// The signal that tells (`F_SETSIG`); 0 is SIGIO.
    pub signal: u8,
    /// The descriptor through which O_ASYNC was set (`fasync_struct.fa_fd`).
    pub async_fd: Option<i32>,
    /// The path by which it was opened; empty for what has none.
    pub path: Vec<u8>,
    /// Contents of a [`FileKind::Text`].
    pub(super) text: Vec<u8>,
    users: u32,
    /// Number among all files ever opened: tells a file from another one with its id.
    serial: u64,
}

impl OpenFile {
    /// Whether it was opened for reading.
    #[must_use]
    pub fn can_read(&self) -> bool {
        self.flags & O_PATH == 0 && self.flags & O_ACCMODE != O_WRONLY
    }

    /// Whether it was opened for writing.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.flags & O_PATH == 0 && matches!(self.flags & O_ACCMODE, O_WRONLY | O_RDWR)
    }

    /// Whether calls that cannot go on fail instead of waiting.
    #[must_use]
    pub fn is_nonblocking(&self) -> bool {
        self.flags & O_NONBLOCK != 0
    }
}

/// All open files and pipes of the machine.
#[derive(Clone, Debug, Default)]
pub struct FileTable {
    files: Slots<OpenFile>,
    pipes: Slots<Pipe>,
    /// Pages that wait in pipes.
    nr_pipe_pages: usize,
    max_pipe_pages: Option<usize>,
    eventfds: Slots<Eventfd>,
    nr_opened: u64,
}

impl FileTable {
    /// Opens a file of `kind` with the `flags` that `F_GETFL` is to tell; one use.
    pub fn open(&mut self, kind: FileKind, flags: u32) -> FileId {
        self.open_at_path(kind, flags, Vec::new(), Vec::new())
    }

    /// The same by a path, and with a text.
    pub(super) fn open_at_path(
        &mut self,
        kind: FileKind,
        flags: u32,
        path: Vec<u8>,
        text: Vec<u8>,
    ) -> FileId {
        let file = OpenFile {
            kind,
            flags,
            position: 0,
            owner: None,
            signal: 0,
            async_fd: None,
            path,
            text,
            users: 1,
            serial: self.nr_opened,
        };
        self.nr_opened += 1;
        FileId(self.files.insert(file))
    }

    /// Opens both ends of a new pipe, the reading one first (`pipe2`).
    ///
    /// # Errors
    /// EINVAL for other flags than `O_NONBLOCK`; packet mode (`O_DIRECT`) is not supported.
    pub fn open_pipe(&mut self, flags: u32) -> Result<(FileId, FileId), Errno> {
        if flags & !O_NONBLOCK != 0 {
            return Err(Errno::EINVAL);
        }
        let pipe = PipeId(self.pipes.insert(Pipe::new()));
        let mut end = |end, flags| {
            self.pipe_mut(pipe).open(end);
            self.open(FileKind::Pipe { pipe, end, fifo: None }, flags)
        };
        let read = end(PipeEnd::Read, flags);
        let write = end(PipeEnd::Write, flags | O_WRONLY);
        Ok((read, write))
    }

    /// What an open file of a FIFO is: an end of the pipe that all who have it open share.
    pub(super) fn open_fifo(&mut self, fifo: InodeId, end: PipeEnd) -> FileKind {
        let shared = self.files.iter().find_map(|file| match file.kind {
            FileKind::Pipe { pipe, fifo: Some(of), .. } if of == fifo => Some(pipe),
            _ => None,
        });
        let pipe = shared.unwrap_or_else(|| PipeId(self.pipes.insert(Pipe::new())));
        self.pipe_mut(pipe).open(end);
        FileKind::Pipe { pipe, end, fifo: Some(fifo) }
    }

    /// Opens a new eventfd with this count.
    pub fn open_eventfd(&mut self, count: u64, reads: EventfdRead, flags: u32) -> FileId {
        let id = EventfdId(self.eventfds.insert(Eventfd::new(count, reads)));
        self.open(FileKind::Eventfd(id), flags)
    }

    /// The number of an open file among all that were ever opened; `None` once it is closed.
    #[must_use]
    pub fn serial_of(&self, id: FileId) -> Option<u64> {
        self.files.get(id.0).map(|file| file.serial)
    }

    /// An open file.
    ///
    /// # Panics
    /// Where it is closed: an id outlived its use.
    #[must_use]
    pub fn file(&self, id: FileId) -> &OpenFile {
        self.files.get(id.0).expect("the file is open")
    }

    /// An open file, to be changed.
    ///
    /// # Panics
    /// Where it is closed.
    pub fn file_mut(&mut self, id: FileId) -> &mut OpenFile {
        self.files.get_mut(id.0).expect("the file is open")
    }

    /// What an open file is; `None` once it is closed.
    #[must_use]
    pub fn kind_of(&self, id: FileId) -> Option<FileKind> {
        self.files.get(id.0).map(|file| file.kind)
    }

    /// Adds a use.
    pub fn share(&mut self, id: FileId) -> FileId {
        self.file_mut(id).users += 1;
        id
    }

    /// Gives a use back (`fput`). When it was the last, tells what was closed: the caller
    /// releases a perf event, and wakes who waits for a pipe.
    pub fn release(&mut self, id: FileId) -> Option<FileKind> {
        let file = self.file_mut(id);
        file.users -= 1;
        if file.users > 0 {
            return None;
        }
        let kind = file.kind;
        self.files.remove(id.0);
        if let FileKind::Pipe { pipe, end, .. } = kind {
            self.pipe_mut(pipe).close(end);
            if self.pipe(pipe).is_closed() {
                self.nr_pipe_pages -= self.pipe(pipe).nr_pages();
                self.pipes.remove(pipe.0);
            }
        }
        if let FileKind::Eventfd(id) = kind {
            self.eventfds.remove(id.0);
        }
        Some(kind)
    }

    /// The open files of this kind whose owners are told about input and output (O_ASYNC).
    #[must_use]
    pub fn async_files(&self, kind: FileKind) -> Vec<FileId> {
        let is_told = |file: &OpenFile| file.kind == kind && file.flags & O_ASYNC != 0;
        let all = self.files.numbered();
        all.filter(|(_, file)| is_told(file)).map(|(number, _)| FileId(number)).collect()
    }

    /// Uses of an open file; `None` once it is closed.
    #[must_use]
    pub fn nr_users(&self, id: FileId) -> Option<u32> {
        self.files.get(id.0).map(|file| file.users)
    }

    /// Whether a regular file is open for writing.
    #[must_use]
    pub fn is_open_for_writing(&self, id: InodeId) -> bool {
        let is_it = |file: &OpenFile| file.kind == FileKind::Regular(id) && file.can_write();
        self.files.iter().any(is_it)
    }

    /// Number of open files.
    #[must_use]
    pub fn nr_open(&self) -> usize {
        self.files.len()
    }

    /// Bounds what may wait in all pipes together.
    pub fn set_max_pipe_pages(&mut self, max: usize) {
        self.max_pipe_pages = Some(max);
    }

    /// Reads from a pipe, and counts the pages that become free.
    pub(super) fn read_pipe(&mut self, id: PipeId, out: &mut [u8]) -> IoResult {
        let before = self.pipe(id).nr_pages();
        let result = self.pipe_mut(id).read(out);
        self.nr_pipe_pages -= before - self.pipe(id).nr_pages();
        result
    }

    /// Writes to a pipe. Linux counts its pages as the kernel's memory: ENOMEM where there are
    /// too many.
    pub(super) fn write_pipe(&mut self, id: PipeId, bytes: &[u8]) -> IoResult {
        if self.max_pipe_pages.is_some_and(|max| self.nr_pipe_pages >= max) {
            return IoResult::Err(Errno::ENOMEM);
        }
        let before = self.pipe(id).nr_pages();
        let result = self.pipe_mut(id).write(bytes);
        self.nr_pipe_pages += self.pipe(id).nr_pages() - before;
        result
    }

    /// What waits in a pipe, at most `max` bytes, and whether anybody can still write.
    pub(crate) fn peek_pipe(&self, id: PipeId, max: usize) -> (Vec<u8>, bool) {
        (self.pipe(id).peek(max), self.pipe(id).has_writers())
    }

    /// Bytes that a pipe takes now, and whether anybody can still read.
    pub(crate) fn room_in_pipe(&self, id: PipeId) -> (usize, bool) {
        (self.pipe(id).room(), self.pipe(id).has_readers())
    }

    /// Takes bytes from a pipe that were looked at.
    pub(crate) fn consume_pipe(&mut self, id: PipeId, nr: usize) {
        let mut bytes = vec![0; nr];
        self.read_pipe(id, &mut bytes);
    }

    pub(super) fn pipe(&self, id: PipeId) -> &Pipe {
        self.pipes.get(id.0).expect("an end is open")
    }

    pub(super) fn eventfd(&self, id: EventfdId) -> &Eventfd {
        self.eventfds.get(id.0).expect("its file is open")
    }

    pub(super) fn eventfd_mut(&mut self, id: EventfdId) -> &mut Eventfd {
        self.eventfds.get_mut(id.0).expect("its file is open")
    }

    pub(super) fn pipe_mut(&mut self, id: PipeId) -> &mut Pipe {
        self.pipes.get_mut(id.0).expect("an end is open")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::fcntl::O_DIRECT;

    #[test]
    fn the_last_use_closes() {
        let mut files = FileTable::default();
        let event = files.open(FileKind::PerfEvent(EventId(3)), O_RDWR);
        files.share(event);
        assert_eq!(files.release(event), None);
        assert_eq!(files.release(event), Some(FileKind::PerfEvent(EventId(3))));
        assert_eq!(files.nr_open(), 0);
    }

    #[test]
    fn numbers_of_closed_files_and_pipes_are_used_again() {
        let mut files = FileTable::default();
        let (read, write) = files.open_pipe(0).unwrap();
        let FileKind::Pipe { pipe, .. } = files.file(read).kind else { panic!("no pipe") };
        files.release(read);
        assert!(!files.pipe(pipe).is_closed());
        files.release(write);
        let (again, _) = files.open_pipe(O_NONBLOCK).unwrap();
        assert_eq!(again, read);
        assert_eq!(files.file(again).kind, FileKind::Pipe { pipe, end: PipeEnd::Read, fifo: None });
        assert_eq!(files.open_pipe(O_DIRECT), Err(Errno::EINVAL));
    }
}
