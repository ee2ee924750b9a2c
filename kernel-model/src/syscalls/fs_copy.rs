//! Copies inside the kernel: sendfile, copy_file_range, splice, tee and vmsplice.
//!
//! A pipe is looked at first and emptied by what went, so nothing is lost where the other side
//! takes less; a call that has moved nothing waits and is run again from its start.
//! Source: Linux 6.18 `fs/read_write.c`, `fs/splice.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::fs_rw::{broken_pipe, gather, import_iovec, progress, scatter};
use super::net_transfer::{Piece, send_piece, side_of};
use super::table::Syscall;
use super::waiting::{Restart, on};
use crate::fs::file::PipeEnd;
use crate::fs::{At, FileId, FileKind, IoResult, PipeId};
use crate::kernel::Kernel;
use crate::task::wait::Channel;
use crate::uapi::fcntl::{O_APPEND, O_NONBLOCK};
use crate::uapi::poll::{POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(40, "sendfile", sys_sendfile),
    Syscall::waiting(275, "splice", sys_splice).partial("not from sockets"),
    Syscall::waiting(276, "tee", sys_tee),
    Syscall::waiting(278, "vmsplice", sys_vmsplice).partial("copies; no gifts"),
    Syscall::waiting(326, "copy_file_range", sys_copy_file_range),
];

/// Bytes that are copied at once.
const PIECE_BYTES: u64 = 65_536;
/// Most bytes of one call (`MAX_RW_COUNT`).
const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// Flags of splice: MOVE, NONBLOCK, MORE, GIFT.
const SPLICE_FLAGS: u64 = 15;
const SPLICE_F_NONBLOCK: u64 = 2;

/// An end of a copy: the open file, and where its offset is, if not in the file itself.
struct End {
    file: FileId,
    offset_at: u64,
    start: u64,
}

impl End {
    fn new(kernel: &mut Kernel, task: TaskId, fd: u64, offset_at: u64) -> Result<Self, Errno> {
        let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
        let start = match offset_at {
            0 => kernel.files.file(file).position,
            addr => kernel.read_user_u64(addr)?,
        };
        if (start as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self { file, offset_at, start })
    }

    /// Writes to what has a position go to it; others take what comes.
    fn place(&self, kernel: &Kernel, done: u64) -> At {
        match kernel.files.file(self.file).kind {
            FileKind::Regular(_) => At::Offset(self.start.saturating_add(done)),
            _ => At::Position,
        }
    }

    fn pipe(&self, kernel: &Kernel) -> Option<(PipeId, PipeEnd)> {
        match kernel.files.file(self.file).kind {
            FileKind::Pipe { pipe, end, .. } => Some((pipe, end)),
            _ => None,
        }
    }

    fn flags(&self, kernel: &Kernel) -> u32 {
        kernel.files.file(self.file).flags
    }

    /// Moves the offset on, in the file or in the program's memory.
    fn finish(&self, kernel: &mut Kernel, done: u64) -> Result<(), Errno> {
        let end = self.start.saturating_add(done);
        if self.offset_at != 0 {
            return kernel.write_user_u64(self.offset_at, end);
        }
        if let FileKind::Regular(_) = kernel.files.file(self.file).kind {
            kernel.files.file_mut(self.file).position = end;
        }
        Ok(())
    }
}

/// What one step of a copy came to.
enum Step {
    Moved(u64),
    End,
    Wait(PipeId),
    /// A socket waits, and goes on from what went before.
    Pending(Outcome),
}

impl Kernel {
    /// Reads from what is no pipe.
    fn copy_in(&mut self, from: &End, done: u64, max: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; max.min(PIECE_BYTES) as usize];
        let place = from.place(self, done);
        match self.read_file(from.file, &mut bytes, place) {
            Ok(IoResult::Done(nr)) => bytes.truncate(nr),
            Ok(IoResult::Err(errno)) => return Err(errno),
            Ok(IoResult::WouldBlock) => return Err(Errno::EAGAIN),
            Ok(IoResult::PerfEvent(_)) => return Err(Errno::EINVAL),
            Err(error) => {
                self.stop_for_input(error);
                return Err(Errno::EIO);
            }
        }
        Ok(bytes)
    }

    /// One piece from one end to the other.
    fn copy_step(
        &mut self,
        task: TaskId,
        [from, to]: [&End; 2],
        done: u64,
        left: u64,
    ) -> Result<Step, Errno> {
        let mut max = left.min(PIECE_BYTES);
        if let Some((pipe, _)) = to.pipe(self) {
            let (room, has_readers) = self.files.room_in_pipe(pipe);
            if !has_readers {
                broken_pipe(self, task);
                return Err(Errno::EPIPE);
            }
            if room == 0 {
                return Ok(Step::Wait(pipe));
            }
            max = max.min(room as u64);
        }
        let bytes = match from.pipe(self) {
            Some((pipe, _)) => {
                let (bytes, has_writers) = self.files.peek_pipe(pipe, max as usize);
                if bytes.is_empty() && has_writers {
                    return Ok(Step::Wait(pipe));
                }
                bytes
            }
            None => self.copy_in(from, done, max)?,
        };
        if bytes.is_empty() {
            return Ok(Step::End);
        }
        let place = to.place(self, done);
        let nr = match side_of(self, to.file) {
            Some(side) => match send_piece(self, task, side, &bytes, done) {
                Piece::Sent(nr) => nr as usize,
                Piece::Pending(outcome) => return Ok(Step::Pending(outcome)),
                Piece::Ended(errno) => return Err(errno),
            },
            None => match self.write_file(task, to.file, &bytes, place) {
                IoResult::Done(nr) => nr,
                IoResult::Err(errno) => return Err(errno),
                IoResult::WouldBlock => return Err(Errno::EAGAIN),
                IoResult::PerfEvent(_) => return Err(Errno::EINVAL),
            },
        };
        if let Some((pipe, _)) = from.pipe(self) {
            self.files.consume_pipe(pipe, nr);
            self.wake_poll(Channel::Pipe(pipe.0), POLLOUT | POLLWRNORM);
        }
        if let Some((pipe, _)) = to.pipe(self) {
            self.wake_poll(Channel::Pipe(pipe.0), POLLIN | POLLRDNORM);
        }
        Ok(Step::Moved(nr as u64))
    }

    /// Copies up to `len` bytes; with a pipe at either end one piece, else all.
    fn copy(
        &mut self,
        task: TaskId,
        ends: [&End; 2],
        len: u64,
        is_nonblocking: bool,
    ) -> Result<Outcome, Errno> {
        let once = ends.iter().any(|end| end.pipe(self).is_some());
        let mut done = progress(self, task);
        while done < len {
            match self.copy_step(task, ends, done, len - done) {
                Ok(Step::Moved(nr)) => done += nr,
                Ok(Step::End) => break,
                Ok(Step::Pending(outcome)) => return Ok(outcome),
                Ok(Step::Wait(_)) if is_nonblocking => return Err(Errno::EAGAIN),
                Ok(Step::Wait(pipe)) => {
                    let wait = on(Channel::Pipe(pipe.0));
                    return Ok(self.wait_or_interrupt(task, wait, Restart::Sys));
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
            if once {
                break;
            }
        }
        for end in ends {
            end.finish(self, done)?;
        }
        Ok(Outcome::Done(Ok(done)))
    }

    fn check_directions(&self, [from, to]: [&End; 2]) -> Result<(), Errno> {
        let can = self.files.file(from.file).can_read() && self.files.file(to.file).can_write();
        if can { Ok(()) } else { Err(Errno::EBADF) }
    }
}

fn sys_sendfile(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [out, input, offset_at, len, ..] = *args;
    let from = End::new(kernel, task, input, offset_at)?;
    let to = End::new(kernel, task, out, 0)?;
    kernel.check_directions([&from, &to])?;
    let source = kernel.files.file(from.file).kind;
    if offset_at != 0 && matches!(source, FileKind::Pipe { .. } | FileKind::Console(_)) {
        return Err(Errno::ESPIPE);
    }
    let can_be_read = matches!(source, FileKind::Regular(_) | FileKind::Device { .. });
    if !can_be_read || to.flags(kernel) & O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let is_nonblocking = to.flags(kernel) & O_NONBLOCK != 0;
    kernel.copy(task, [&from, &to], len.min(MAX_RW_COUNT), is_nonblocking)
}

fn sys_copy_file_range(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let [input, from_at, out, to_at, len, flags] = *args;
    let from = End::new(kernel, task, input, from_at)?;
    let to = End::new(kernel, task, out, to_at)?;
    if flags & 0xffff_ffff != 0 {
        return Err(Errno::EINVAL);
    }
    let (source, target) = (kernel.files.file(from.file).kind, kernel.files.file(to.file).kind);
    if matches!(source, FileKind::Directory(_)) || matches!(target, FileKind::Directory(_)) {
        return Err(Errno::EISDIR);
    }
    let (FileKind::Regular(source), FileKind::Regular(target)) = (source, target) else {
        return Err(Errno::EINVAL);
    };
    kernel.check_directions([&from, &to])?;
    if to.flags(kernel) & O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let len = len.min(MAX_RW_COUNT);
    let last = len.min(kernel.regular(source)?.nr_bytes().saturating_sub(from.start));
    if source == target && from.start.abs_diff(to.start) < last {
        return Err(Errno::EINVAL);
    }
    kernel.copy(task, [&from, &to], len, true)
}

fn sys_splice(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [input, from_at, out, to_at, len, flags] = *args;
    let flags = flags & 0xffff_ffff;
    if len == 0 {
        return Ok(Outcome::Done(Ok(0)));
    }
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let from = End::new(kernel, task, input, from_at)?;
    let to = End::new(kernel, task, out, to_at)?;
    kernel.check_directions([&from, &to])?;
    let pipes = [from.pipe(kernel), to.pipe(kernel)];
    for (pipe, offset_at) in pipes.iter().zip([from_at, to_at]) {
        if pipe.is_some() && offset_at != 0 {
            return Err(Errno::ESPIPE);
        }
    }
    let mut flagged = flags & SPLICE_F_NONBLOCK != 0;
    match pipes {
        [None, None] => return Err(Errno::EINVAL),
        [Some((one, _)), Some((other, _))] if one == other => return Err(Errno::EINVAL),
        _ => {}
    }
    if to.pipe(kernel).is_none() && to.flags(kernel) & O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    for end in [&from, &to] {
        flagged |= end.pipe(kernel).is_some() && end.flags(kernel) & O_NONBLOCK != 0;
    }
    kernel.copy(task, [&from, &to], len.min(MAX_RW_COUNT), flagged)
}

fn sys_tee(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [input, out, len, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(Outcome::Done(Ok(0)));
    }
    let from = End::new(kernel, task, input, 0)?;
    let to = End::new(kernel, task, out, 0)?;
    kernel.check_directions([&from, &to])?;
    let (Some((source, _)), Some((target, _))) = (from.pipe(kernel), to.pipe(kernel)) else {
        return Err(Errno::EINVAL);
    };
    if source == target {
        return Err(Errno::EINVAL);
    }
    let nonblocking = [&from, &to].iter().any(|end| end.flags(kernel) & O_NONBLOCK != 0)
        || flags & SPLICE_F_NONBLOCK != 0;
    let (room, has_readers) = kernel.files.room_in_pipe(target);
    let (bytes, has_writers) = kernel.files.peek_pipe(source, room.min(len as usize));
    if !has_readers {
        broken_pipe(kernel, task);
        return Err(Errno::EPIPE);
    }
    let lacking = if room == 0 { Some(target) } else { Some(source).filter(|_| bytes.is_empty()) };
    match lacking {
        Some(pipe) if pipe == source && !has_writers => return Ok(Outcome::Done(Ok(0))),
        Some(_) if nonblocking => return Err(Errno::EAGAIN),
        Some(pipe) => {
            return Ok(kernel.wait_or_interrupt(task, on(Channel::Pipe(pipe.0)), Restart::Sys));
        }
        None => {}
    }
    match kernel.write_file(task, to.file, &bytes, At::Position) {
        IoResult::Done(nr) => {
            kernel.wake_poll(Channel::Pipe(target.0), POLLIN | POLLRDNORM);
            Ok(Outcome::Done(Ok(nr as u64)))
        }
        IoResult::Err(errno) => Err(errno),
        IoResult::WouldBlock | IoResult::PerfEvent(_) => Err(Errno::EAGAIN),
    }
}

fn sys_vmsplice(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [fd, at, nr, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let end = End::new(kernel, task, fd, 0)?;
    let Some((pipe, side)) = end.pipe(kernel) else { return Err(Errno::EBADF) };
    let segments = import_iovec(kernel, at, nr)?;
    let wanted: u64 = segments.iter().map(|(_, len)| len).sum();
    if wanted == 0 {
        return Ok(Outcome::Done(Ok(0)));
    }
    let nonblocking = flags & SPLICE_F_NONBLOCK != 0 || end.flags(kernel) & O_NONBLOCK != 0;
    let (room, has_readers) = kernel.files.room_in_pipe(pipe);
    let (waiting, has_writers) = kernel.files.peek_pipe(pipe, wanted.min(PIECE_BYTES) as usize);
    let writes = side != PipeEnd::Read;
    if writes && !has_readers {
        broken_pipe(kernel, task);
        return Err(Errno::EPIPE);
    }
    let is_stuck = if writes { room == 0 } else { waiting.is_empty() && has_writers };
    if is_stuck && nonblocking {
        return Err(Errno::EAGAIN);
    }
    if is_stuck {
        return Ok(kernel.wait_or_interrupt(task, on(Channel::Pipe(pipe.0)), Restart::Sys));
    }
    let done = if writes {
        let segments = super::fs_rw::rest_of(&segments, 0, room as u64);
        let bytes = gather(kernel, &segments)?;
        match kernel.write_file(task, end.file, &bytes, At::Position) {
            IoResult::Done(nr) => nr as u64,
            IoResult::Err(errno) => return Err(errno),
            IoResult::WouldBlock | IoResult::PerfEvent(_) => return Err(Errno::EAGAIN),
        }
    } else {
        let copied = scatter(kernel, &segments, &waiting);
        kernel.files.consume_pipe(pipe, copied as usize);
        copied
    };
    let bits = if writes { POLLIN | POLLRDNORM } else { POLLOUT | POLLWRNORM };
    kernel.wake_poll(Channel::Pipe(pipe.0), bits);
    Ok(Outcome::Done(Ok(done)))
}
