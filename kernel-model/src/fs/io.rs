//! read, write and lseek on open files.
//! Source: Linux 6.18 `fs/read_write.c`, `drivers/char/mem.c`.

use perf_core::{CommChange, Errno, EventId, TaskId};

use super::file::{Console, FileId, FileKind, FileTable, MemoryView};
use super::inode::{Body, Device, InodeId};
use super::namei::Node;
use super::proc::{ProcEntry, ProcNode};
use super::proc_text::ProcText;
use super::pseudo::MAX_WRITE;
use crate::inputs::{InputError, Inputs};
use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX};
use crate::observe::Observation;
use crate::signal::SigInfo;
use crate::syscalls::comm_of_bytes;
use crate::task::MmId;
use crate::task::limits::Resource;
use crate::uapi::fcntl::O_APPEND;
use crate::uapi::signal::SIGXFSZ;

/// From the file's start.
pub const SEEK_SET: u32 = 0;
/// From the position.
pub const SEEK_CUR: u32 = 1;
/// From the end.
pub const SEEK_END: u32 = 2;
/// To the next byte of data.
pub const SEEK_DATA: u32 = 3;
/// To the next hole, or the end.
pub const SEEK_HOLE: u32 = 4;

/// How a read or write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoResult {
    /// So many bytes were moved. Of a write to a blocking pipe the rest has to wait.
    Done(usize),
    /// Nothing can be moved yet, and the file is not O_NONBLOCK.
    WouldBlock,
    /// The error. EPIPE goes with SIGPIPE.
    Err(Errno),
    /// The event layer must answer.
    PerfEvent(EventId),
}

/// Where in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the position, which moves on (`read`, `write`).
    Position,
    /// At an offset; the position stays (`pread64`, `pwrite64`).
    Offset(u64),
}

impl FileTable {
    /// Reads into `out`.
    ///
    /// # Errors
    /// Only where the outside fails to give input; errors for the program are in the result.
    pub fn read(
        &mut self,
        id: FileId,
        out: &mut [u8],
        at: At,
        inputs: &mut dyn Inputs,
    ) -> Result<IoResult, InputError> {
        let file = self.file(id);
        let kind = file.kind;
        if !file.can_read() {
            return Ok(IoResult::Err(Errno::EBADF));
        }
        if at != At::Position && !is_seekable(kind) {
            return Ok(IoResult::Err(Errno::ESPIPE));
        }
        Ok(match kind {
            FileKind::Console(Console::Stdin) => {
                let bytes = inputs.stdin(out.len())?;
                let nr = bytes.len().min(out.len());
                out[..nr].copy_from_slice(&bytes[..nr]);
                IoResult::Done(nr)
            }
            FileKind::Console(Console::Stdout | Console::Stderr) | FileKind::Path(_) => {
                IoResult::Err(Errno::EBADF)
            }
            FileKind::Pipe { pipe, .. } => {
                let result = self.read_pipe(pipe, out);
                self.or_again(id, result)
            }
            FileKind::Device { device: Device::Null, .. } => IoResult::Done(0),
            FileKind::Device { device: Device::Zero | Device::Full | Device::Tty, .. } => {
                out.fill(0);
                IoResult::Done(out.len())
            }
            FileKind::Device { device: Device::Random, .. } => {
                inputs.random(out)?;
                IoResult::Done(out.len())
            }
            FileKind::Text(_) => self.read_text(id, out, at),
            FileKind::Directory(_) => IoResult::Err(Errno::EISDIR),
            // The kernel reads these itself.
            FileKind::Regular(_)
            | FileKind::ProcMem { .. }
            | FileKind::Epoll(_)
            | FileKind::Task(_)
            | FileKind::Socket(_) => IoResult::Err(Errno::EINVAL),
            FileKind::Eventfd(event) => {
                let result = self.eventfd_mut(event).read(out);
                self.or_again(id, result)
            }
            FileKind::PerfEvent(event) => IoResult::PerfEvent(event),
        })
    }

    /// Whether those who write have to wait for a read: it tells them then.
    #[must_use]
    pub fn is_full(&self, kind: FileKind) -> bool {
        match kind {
            FileKind::Pipe { pipe, .. } => self.pipe(pipe).is_full(),
            FileKind::Eventfd(_) => true,
            _ => false,
        }
    }

    fn read_text(&mut self, id: FileId, out: &mut [u8], at: At) -> IoResult {
        let file = self.file_mut(id);
        let from = match at {
            At::Position => file.position,
            At::Offset(offset) => offset,
        };
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(file.text.len());
        let nr = out.len().min(file.text.len() - start);
        out[..nr].copy_from_slice(&file.text[start..start + nr]);
        if at == At::Position {
            file.position += nr as u64;
        }
        IoResult::Done(nr)
    }

    /// Writes `bytes`; what leaves the machine is added to `output`.
    pub fn write(
        &mut self,
        id: FileId,
        bytes: &[u8],
        at: At,
        output: &mut Vec<Observation>,
    ) -> IoResult {
        let file = self.file(id);
        let kind = file.kind;
        if !file.can_write() {
            return IoResult::Err(Errno::EBADF);
        }
        if at != At::Position && !is_seekable(kind) {
            return IoResult::Err(Errno::ESPIPE);
        }
        match kind {
            FileKind::Console(Console::Stdin) | FileKind::Path(_) => IoResult::Err(Errno::EBADF),
            FileKind::Console(stream) => {
                let fd = if stream == Console::Stdout { 1 } else { 2 };
                if !bytes.is_empty() {
                    output.push(Observation::Output { fd, bytes: bytes.to_vec() });
                }
                IoResult::Done(bytes.len())
            }
            FileKind::Pipe { pipe, .. } => {
                let result = self.write_pipe(pipe, bytes);
                self.or_again(id, result)
            }
            FileKind::Device { device: Device::Full, .. } => IoResult::Err(Errno::ENOSPC),
            FileKind::Device { .. } => IoResult::Done(bytes.len()),
            FileKind::Directory(_) => IoResult::Err(Errno::EBADF),
            // The kernel writes these itself; a perf event has no write operation.
            FileKind::Regular(_)
            | FileKind::ProcMem { .. }
            | FileKind::Text(_)
            | FileKind::Epoll(_)
            | FileKind::Task(_)
            | FileKind::Socket(_)
            | FileKind::PerfEvent(_) => IoResult::Err(Errno::EINVAL),
            FileKind::Eventfd(event) => {
                let result = self.eventfd_mut(event).write(bytes);
                self.or_again(id, result)
            }
        }
    }

    /// EAGAIN in place of waiting, where the file asks for that.
    fn or_again(&self, id: FileId, result: IoResult) -> IoResult {
        match result {
            IoResult::WouldBlock if self.file(id).is_nonblocking() => IoResult::Err(Errno::EAGAIN),
            other => other,
        }
    }

    /// Moves the position and answers it; `nr_bytes` is the size of a regular file.
    ///
    /// # Errors
    /// ESPIPE for what has no position; EINVAL for a negative one or an unknown `whence`.
    pub fn lseek(
        &mut self,
        id: FileId,
        offset: i64,
        whence: u32,
        nr_bytes: u64,
    ) -> Result<u64, Errno> {
        let file = self.file_mut(id);
        let end = match file.kind {
            FileKind::Console(_)
            | FileKind::Pipe { .. }
            | FileKind::Socket(_)
            | FileKind::PerfEvent(_) => {
                return Err(Errno::ESPIPE);
            }
            FileKind::Path(_) => return Err(Errno::EBADF),
            // null_lseek and noop_llseek: the position of a device is always 0.
            FileKind::Device { .. }
            | FileKind::Eventfd(_)
            | FileKind::Epoll(_)
            | FileKind::Task(_) => return Ok(0),
            FileKind::Text(_) => file.text.len() as u64,
            FileKind::Regular(_) => nr_bytes,
            FileKind::Directory(_) | FileKind::ProcMem { .. } => 0,
        };
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => file.position,
            SEEK_END => end,
            _ => return Err(Errno::EINVAL),
        };
        let position = base.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok());
        file.position = position.ok_or(Errno::EINVAL)?;
        Ok(file.position)
    }

    /// Bytes that can be read at once (`FIONREAD`), where the file can tell.
    ///
    /// # Errors
    /// ENOTTY where it cannot.
    pub fn nr_readable(&self, id: FileId) -> Result<usize, Errno> {
        match self.file(id).kind {
            FileKind::Pipe { pipe, .. } => Ok(self.pipe(pipe).nr_bytes()),
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// Whether a read or write may name an offset.
fn is_seekable(kind: FileKind) -> bool {
    match kind {
        FileKind::Device { .. }
        | FileKind::Regular(_)
        | FileKind::Text(_)
        | FileKind::Directory(_)
        | FileKind::ProcMem { .. } => true,
        FileKind::Console(_)
        | FileKind::Pipe { .. }
        | FileKind::Path(_)
        | FileKind::Eventfd(_)
        | FileKind::Epoll(_)
        | FileKind::Task(_)
        | FileKind::Socket(_)
        | FileKind::PerfEvent(_) => false,
    }
}

/// Reads and writes that need more of the kernel than the open file.
impl Kernel {
    /// Reads from an open file.
    ///
    /// # Errors
    /// Only where the outside fails to give input; errors for the program are in the result.
    pub(crate) fn read_file(
        &mut self,
        id: FileId,
        out: &mut [u8],
        at: At,
    ) -> Result<IoResult, InputError> {
        let file = self.files.file(id);
        let (kind, can_read) = (file.kind, file.can_read());
        let offset = self.offset_of(id, at);
        let result = match kind {
            _ if !can_read => return Ok(IoResult::Err(Errno::EBADF)),
            FileKind::Regular(inode) => self.file_read(inode, offset, out),
            FileKind::Task(file) if at == At::Position => {
                return Ok(self.read_task_file(id, file, out));
            }
            FileKind::ProcMem { pid, view } => self.read_memory(pid, view, offset, out),
            _ => return self.files.read(id, out, at, self.inputs.as_mut()),
        };
        Ok(self.settle(id, at, offset, result))
    }

    /// Writes to an open file.
    pub(crate) fn write_file(
        &mut self,
        task: TaskId,
        id: FileId,
        bytes: &[u8],
        at: At,
    ) -> IoResult {
        let file = self.files.file(id);
        if !file.can_write() {
            return IoResult::Err(Errno::EBADF);
        }
        let appends = file.flags & O_APPEND != 0;
        let kind = file.kind;
        let mut offset = self.offset_of(id, at);
        let result = match kind {
            FileKind::Regular(inode) => {
                if appends {
                    offset = self.regular(inode).map_or(offset, |file| file.nr_bytes());
                }
                match self.room_below_limit(task, offset, bytes.len()) {
                    Ok(room) => self.write_inode(task, inode, offset, &bytes[..room]),
                    Err(errno) => Err(errno),
                }
            }
            FileKind::ProcMem { pid, view: MemoryView::Bytes } => {
                self.write_memory(pid, offset, bytes)
            }
            FileKind::ProcMem { view: MemoryView::Pagemap, .. } => Err(Errno::EINVAL),
            FileKind::Text(node) => self.write_text(task, node, bytes),
            _ => return self.files.write(id, bytes, at, &mut self.observations),
        };
        self.settle(id, at, offset, result)
    }

    /// How much of a write `RLIMIT_FSIZE` allows; SIGXFSZ where that is nothing
    /// (`generic_write_check_limits`).
    fn room_below_limit(&mut self, task: TaskId, offset: u64, len: usize) -> Result<usize, Errno> {
        let limit = self.tasks.process_of(task).limits.soft(Resource::Fsize);
        if len > 0 && offset >= limit {
            self.send_signal_to_thread(task, SigInfo::from_kernel(SIGXFSZ));
            return Err(Errno::EFBIG);
        }
        Ok(len.min(usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX)))
    }

    fn offset_of(&self, id: FileId, at: At) -> u64 {
        match at {
            At::Position => self.files.file(id).position,
            At::Offset(offset) => offset,
        }
    }

    /// Moves the position on.
    fn settle(
        &mut self,
        id: FileId,
        at: At,
        offset: u64,
        result: Result<usize, Errno>,
    ) -> IoResult {
        match result {
            Ok(nr) => {
                if at == At::Position {
                    self.files.file_mut(id).position = offset.saturating_add(nr as u64);
                }
                IoResult::Done(nr)
            }
            Err(errno) => IoResult::Err(errno),
        }
    }

    fn write_inode(
        &mut self,
        task: TaskId,
        id: InodeId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let nr = self.file_write(id, offset, bytes)?;
        self.drop_set_ids(task, id);
        let now = self.realtime_ns();
        let times = &mut self.vfs.inode_mut(id).times;
        (times.modify, times.change) = (now, now);
        Ok(nr)
    }

    /// Gives what is written to a file of the kernel's to its handler.
    fn write_text(&mut self, task: TaskId, node: Node, bytes: &[u8]) -> Result<usize, Errno> {
        match node {
            Node::Inode(id) => {
                let Body::Pseudo(file) = self.vfs.inode(id).body else { return Err(Errno::EIO) };
                let store = file.store.ok_or(Errno::EIO)?;
                store(self, task, &bytes[..bytes.len().min(MAX_WRITE)])
            }
            Node::Proc(place) if place.entry == ProcEntry::Text(ProcText::Comm) => {
                let target = self.proc_live_task(place)?;
                let end = bytes.iter().position(|byte| matches!(byte, b'\n' | 0));
                let name = comm_of_bytes(&bytes[..end.unwrap_or(bytes.len()).min(15)]);
                self.tasks.task_mut(target).comm = name;
                self.perf_event_comm(target, CommChange::Rename);
                Ok(bytes.len())
            }
            Node::Proc(_) => Err(Errno::EIO),
        }
    }

    fn read_memory(
        &mut self,
        pid: u32,
        view: MemoryView,
        offset: u64,
        out: &mut [u8],
    ) -> Result<usize, Errno> {
        let Ok(task) = self.proc_live_task(ProcNode::process(pid)) else { return Ok(0) };
        let mm = self.tasks.task(task).mm;
        if view == MemoryView::Pagemap {
            return self.read_pagemap(mm, offset, out);
        }
        match self.read_remote_vm(mm, offset, out, Access::Force) {
            0 if !out.is_empty() => Err(Errno::EIO),
            read => Ok(read),
        }
    }

    /// A word for each page: present, and its frame (`pagemap_read`,
    /// Documentation/admin-guide/mm/pagemap.rst).
    fn read_pagemap(&self, mm: MmId, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        const PRESENT: u64 = 1 << 63;
        if !offset.is_multiple_of(8) || !out.len().is_multiple_of(8) {
            return Err(Errno::EINVAL);
        }
        let Some((space, _)) = self.tasks.spaces.get(&mm) else { return Ok(0) };
        let mut done = 0;
        for (page, word) in (offset / 8..).zip(out.chunks_exact_mut(8)) {
            let Some(addr) = page.checked_mul(PAGE_SIZE).filter(|addr| *addr < TASK_SIZE_MAX)
            else {
                break;
            };
            let found = space.translate(&self.hw, addr);
            let entry = found.map_or(0, |found| PRESENT | (found.physical / PAGE_SIZE));
            word.copy_from_slice(&entry.to_le_bytes());
            done += 8;
        }
        Ok(done)
    }

    fn write_memory(&mut self, pid: u32, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let Ok(task) = self.proc_live_task(ProcNode::process(pid)) else { return Ok(0) };
        let mm = self.tasks.task(task).mm;
        match self.write_remote_vm(mm, offset, bytes, Access::Force) {
            0 if !bytes.is_empty() => Err(Errno::EIO),
            written => Ok(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::FixedInputs;
    use crate::uapi::fcntl::{O_NONBLOCK, O_RDWR, O_WRONLY};

    fn device(files: &mut FileTable, device: Device) -> FileId {
        files.open(FileKind::Device { node: InodeId(9), device }, O_RDWR)
    }

    #[test]
    fn devices_do_what_their_names_say() {
        for (kind, written, read) in [
            (Device::Null, IoResult::Done(3), IoResult::Done(0)),
            (Device::Zero, IoResult::Done(3), IoResult::Done(4)),
            (Device::Full, IoResult::Err(Errno::ENOSPC), IoResult::Done(4)),
            (Device::Random, IoResult::Done(3), IoResult::Done(4)),
        ] {
            let mut files = FileTable::default();
            let id = device(&mut files, kind);
            let (mut out, mut inputs) = ([7; 4], FixedInputs::new(1));
            assert_eq!(files.write(id, b"abc", At::Position, &mut Vec::new()), written, "{kind:?}");
            assert_eq!(files.read(id, &mut out, At::Position, &mut inputs), Ok(read), "{kind:?}");
            if matches!(kind, Device::Zero | Device::Full) {
                assert_eq!(out, [0; 4]);
            }
            assert_eq!(files.lseek(id, 5, SEEK_SET, 0), Ok(0));
        }
    }

    #[test]
    fn texts_are_read_from_a_position() {
        let mut files = FileTable::default();
        let node = Node::Inode(InodeId(9));
        let text = b"100000\n".to_vec();
        let id = files.open_at_path(FileKind::Text(node), 0, Vec::new(), text);
        let mut inputs = FixedInputs::new(1);
        let mut get = |files: &mut FileTable, at, len: usize| {
            let mut out = vec![0; len];
            match files.read(id, &mut out, at, &mut inputs) {
                Ok(IoResult::Done(nr)) => out[..nr].to_vec(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(get(&mut files, At::Position, 3), b"100");
        assert_eq!(get(&mut files, At::Position, 100), b"000\n");
        assert_eq!(get(&mut files, At::Position, 100), b"");
        assert_eq!(get(&mut files, At::Offset(5), 1), b"0");
        assert_eq!(get(&mut files, At::Offset(u64::MAX), 1), b"");
        assert_eq!(files.lseek(id, -1, SEEK_END, 0), Ok(6));
        assert_eq!(files.lseek(id, -7, SEEK_CUR, 0), Err(Errno::EINVAL));
        assert_eq!(files.lseek(id, i64::MAX, SEEK_CUR, 0), Err(Errno::EINVAL));
        assert_eq!(files.lseek(id, 0, 9, 0), Err(Errno::EINVAL));
        assert_eq!(get(&mut files, At::Position, 100), b"\n");
    }

    #[test]
    fn console_and_events_go_elsewhere() {
        let mut files = FileTable::default();
        let mut output = Vec::new();
        let stderr = files.open(FileKind::Console(Console::Stderr), O_WRONLY);
        assert_eq!(files.write(stderr, b"hi", At::Position, &mut output), IoResult::Done(2));
        assert_eq!(output, [Observation::Output { fd: 2, bytes: b"hi".to_vec() }]);
        assert_eq!(files.lseek(stderr, 0, SEEK_CUR, 0), Err(Errno::ESPIPE));
        let (mut out, mut inputs) = ([0; 1], FixedInputs::new(1));
        let read = files.read(stderr, &mut out, At::Position, &mut inputs);
        assert_eq!(read, Ok(IoResult::Err(Errno::EBADF)));
        let event = files.open(FileKind::PerfEvent(EventId(4)), O_RDWR);
        let read = files.read(event, &mut out, At::Position, &mut inputs);
        assert_eq!(read, Ok(IoResult::PerfEvent(EventId(4))));
        let pread = files.read(event, &mut out, At::Offset(0), &mut inputs);
        assert_eq!(pread, Ok(IoResult::Err(Errno::ESPIPE)));
        let write = files.write(event, b"x", At::Position, &mut output);
        assert_eq!(write, IoResult::Err(Errno::EINVAL));
    }

    #[test]
    fn nonblocking_pipes_say_so() {
        for (flags, want) in [(0, IoResult::WouldBlock), (O_NONBLOCK, IoResult::Err(Errno::EAGAIN))]
        {
            let mut files = FileTable::default();
            let (read, write) = files.open_pipe(flags).unwrap();
            let (mut out, mut inputs) = ([0; 1], FixedInputs::new(1));
            assert_eq!(files.read(read, &mut out, At::Position, &mut inputs), Ok(want));
            let wrong_end = files.read(write, &mut out, At::Position, &mut inputs);
            assert_eq!(wrong_end, Ok(IoResult::Err(Errno::EBADF)));
            files.write(write, b"abc", At::Position, &mut Vec::new());
            assert_eq!(files.nr_readable(read), Ok(3));
        }
    }
}
