//! read and write in all their forms.
//!
//! Data go through the kernel in pieces. A write to a pipe that has to wait remembers how
//! far it came in [`crate::task::InSyscall::moved`].
//! Source: Linux 6.18 `fs/read_write.c`, `fs/pipe.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::net_transfer::{self, SendArgs};
use super::waiting::{Restart, on};
use super::{perf, table::Syscall};
use crate::fs::inode::Device;
use crate::fs::{At, FileId, FileKind, IoResult};
use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::signal::{SigFields, SigInfo};
use crate::uapi::fcntl::{O_APPEND, O_NONBLOCK};
use crate::uapi::poll::{POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};
use crate::uapi::signal::{SIGPIPE, si_code};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(0, "read", |kernel, task, args| {
        let segments = one(args[1], args[2])?;
        read(kernel, task, args[0], &segments, At::Position)
    }),
    Syscall::waiting(1, "write", |kernel, task, args| {
        let segments = one(args[1], args[2])?;
        write(kernel, task, args[0], &segments, At::Position)
    }),
    Syscall::waiting(17, "pread64", |kernel, task, args| {
        let at = offset(args[3])?;
        let segments = one(args[1], args[2])?;
        read(kernel, task, args[0], &segments, at)
    }),
    Syscall::waiting(18, "pwrite64", |kernel, task, args| {
        let at = offset(args[3])?;
        let segments = one(args[1], args[2])?;
        write(kernel, task, args[0], &segments, at)
    }),
    Syscall::waiting(19, "readv", |kernel, task, args| {
        check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        read(kernel, task, args[0], &segments, At::Position)
    }),
    Syscall::waiting(20, "writev", |kernel, task, args| {
        check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        write(kernel, task, args[0], &segments, At::Position)
    }),
    Syscall::waiting(295, "preadv", |kernel, task, args| {
        let at = offset(args[3])?;
        check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        read(kernel, task, args[0], &segments, at)
    }),
    Syscall::waiting(296, "pwritev", |kernel, task, args| {
        let at = offset(args[3])?;
        check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        write(kernel, task, args[0], &segments, at)
    }),
    Syscall::waiting(327, "preadv2", |kernel, task, args| {
        let at = offset_or_position(args[3])?;
        let id = check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        with_flags(kernel, id, args[5], |kernel| read(kernel, task, args[0], &segments, at))
    })
    .partial("no RWF_ATOMIC, no RWF_DONTCACHE"),
    Syscall::waiting(328, "pwritev2", |kernel, task, args| {
        let at = offset_or_position(args[3])?;
        let id = check_fd(kernel, task, args[0])?;
        let segments = import_iovec(kernel, args[1], args[2])?;
        with_flags(kernel, id, args[5], |kernel| write(kernel, task, args[0], &segments, at))
    })
    .partial("no RWF_ATOMIC, no RWF_DONTCACHE"),
];

/// Most bytes of one call (`MAX_RW_COUNT`).
const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// Most segments (`UIO_MAXIOV`).
const UIO_MAXIOV: u64 = 1024;
/// Bytes that go through the kernel at once: what a pipe holds.
const PIECE_BYTES: u64 = 65_536;

/// User memory, piece by piece: address and bytes of each.
pub(super) type Segments = Vec<(u64, u64)>;

pub(super) fn one(addr: u64, len: u64) -> Result<Segments, Errno> {
    Ok(vec![(addr, len.min(MAX_RW_COUNT))])
}

fn offset(at: u64) -> Result<At, Errno> {
    if (at as i64) < 0 { Err(Errno::EINVAL) } else { Ok(At::Offset(at)) }
}

fn offset_or_position(at: u64) -> Result<At, Errno> {
    if at as i64 == -1 { Ok(At::Position) } else { offset(at) }
}

/// Runs a read or write with the `RWF_*` flags of one call, which stand for those of the file.
fn with_flags(
    kernel: &mut Kernel,
    id: FileId,
    flags: u64,
    run: impl FnOnce(&mut Kernel) -> Result<Outcome, Errno>,
) -> Result<Outcome, Errno> {
    const HIPRI_AND_SYNC: u64 = 7;
    const NOWAIT: u64 = 8;
    const APPEND: u64 = 16;
    const NOAPPEND: u64 = 32;

    let flags = flags & 0xffff_ffff;
    if flags & !(HIPRI_AND_SYNC | NOWAIT | APPEND | NOAPPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags & (APPEND | NOAPPEND) == APPEND | NOAPPEND {
        return Err(Errno::EINVAL);
    }
    let before = kernel.files.file(id).flags;
    let set = |flag, bit| if flags & flag != 0 { bit } else { 0 };
    let now = (before | set(NOWAIT, O_NONBLOCK) | set(APPEND, O_APPEND)) & !set(NOAPPEND, O_APPEND);
    kernel.files.file_mut(id).flags = now;
    let result = run(kernel);
    if kernel.files.kind_of(id).is_some() {
        kernel.files.file_mut(id).flags = before;
    }
    result
}

fn check_fd(kernel: &Kernel, task: TaskId, fd: u64) -> Result<FileId, Errno> {
    kernel.tasks.process_of(task).files.get(fd as i32)
}

/// Reads an array of `struct iovec` (`import_iovec`); what is beyond the most that one call
/// moves is cut off.
pub(crate) fn import_iovec(kernel: &mut Kernel, addr: u64, nr: u64) -> Result<Segments, Errno> {
    if nr > UIO_MAXIOV {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; 16 * nr as usize];
    kernel.copy_from_user(addr, &mut bytes)?;
    parse_iovec(&bytes)
}

fn parse_iovec(bytes: &[u8]) -> Result<Segments, Errno> {
    let mut left = MAX_RW_COUNT;
    let mut segments = Segments::new();
    for entry in bytes.chunks_exact(16) {
        let (base, len) = (word_at(entry, 0), word_at(entry, 8));
        if (len as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        segments.push((base, len.min(left)));
        left -= len.min(left);
    }
    Ok(segments)
}

/// The segments without the bytes that are done, cut to `max` bytes.
pub(super) fn rest_of(segments: &[(u64, u64)], done: u64, max: u64) -> Segments {
    let (mut skip, mut left) = (done, max);
    let mut rest = Segments::new();
    for &(base, len) in segments {
        let skipped = skip.min(len);
        skip -= skipped;
        let taken = (len - skipped).min(left);
        left -= taken;
        if taken > 0 {
            rest.push((base.wrapping_add(skipped), taken));
        }
    }
    rest
}

pub(super) fn total(segments: &[(u64, u64)]) -> u64 {
    segments.iter().map(|(_, len)| len).sum()
}

/// Refuses memory outside of user space (`access_ok`).
pub(super) fn check_segments(segments: &[(u64, u64)]) -> Result<(), Errno> {
    let is_ok =
        |&(base, len): &(u64, u64)| base.checked_add(len).is_some_and(|end| end <= TASK_SIZE_MAX);
    if segments.iter().all(is_ok) { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Whether a read goes on until it has everything: other files give what they have.
fn reads_on(kind: FileKind) -> bool {
    matches!(
        kind,
        FileKind::Device { .. }
            | FileKind::Regular(_)
            | FileKind::Text(_)
            | FileKind::ProcMem { .. }
    )
}

fn read(
    kernel: &mut Kernel,
    task: TaskId,
    fd: u64,
    segments: &Segments,
    at: At,
) -> Result<Outcome, Errno> {
    let id = check_fd(kernel, task, fd)?;
    let file = kernel.files.file(id);
    let kind = file.kind;
    if !file.can_read() {
        return Err(Errno::EBADF);
    }
    check_segments(segments)?;
    if let (FileKind::PerfEvent(event), At::Position) = (kind, at) {
        let (addr, len) = segments.first().copied().unwrap_or_default();
        return Ok(perf::read(kernel, event, addr, len as usize));
    }
    if let (Some(side), At::Position) = (net_transfer::side_of(kernel, id), at) {
        return net_transfer::read(kernel, task, side, segments);
    }
    if let FileKind::Device { device: Device::Zero | Device::Full, .. } = kind {
        return read_zeroes(kernel, segments);
    }
    let wanted = total(segments);
    let mut done = 0;
    loop {
        let piece = rest_of(segments, done, PIECE_BYTES);
        let mut bytes = vec![0; total(&piece) as usize];
        let at = match at {
            At::Position => At::Position,
            At::Offset(offset) => At::Offset(offset.saturating_add(done)),
        };
        let is_full = kernel.files.is_full(kind);
        let result = match kernel.read_file(id, &mut bytes, at) {
            Ok(result) => result,
            Err(error) => return Ok(kernel.stop_for_input(error)),
        };
        let nr = match result {
            IoResult::Done(nr) => nr,
            IoResult::WouldBlock => return Ok(wait_for_file(kernel, task, kind)),
            IoResult::Err(_) if done > 0 => break,
            IoResult::Err(errno) => return Err(errno),
            IoResult::PerfEvent(_) => return Err(Errno::ESPIPE),
        };
        if nr > 0 && is_full {
            wake_others(kernel, kind, POLLOUT | POLLWRNORM);
        }
        let copied = scatter(kernel, &piece, &bytes[..nr]);
        done += copied;
        if copied < nr as u64 && done == 0 {
            return Err(Errno::EFAULT);
        }
        if copied < bytes.len() as u64 || done == wanted || !reads_on(kind) {
            break;
        }
    }
    Ok(Outcome::Done(Ok(done)))
}

/// `read_iter_zero`: the kernel clears the memory, it copies nothing (rule 4.5).
fn read_zeroes(kernel: &mut Kernel, segments: &[(u64, u64)]) -> Result<Outcome, Errno> {
    let mut done = 0;
    for &(base, len) in segments {
        let cleared = kernel.clear_user_partial(base, len);
        done += cleared;
        if cleared < len {
            break;
        }
    }
    let wanted = total(segments);
    Ok(Outcome::Done(if done == 0 && wanted > 0 { Err(Errno::EFAULT) } else { Ok(done) }))
}

/// Copies to the segments; tells how many bytes went.
pub(super) fn scatter(kernel: &mut Kernel, segments: &[(u64, u64)], bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut done = 0;
    for &(base, len) in segments {
        let (now, later) = rest.split_at(rest.len().min(len as usize));
        let copied = kernel.copy_to_user_partial(base, now);
        done += copied as u64;
        if copied < now.len() || later.is_empty() {
            break;
        }
        rest = later;
    }
    done
}

/// Copies from the segments.
pub(super) fn gather(kernel: &mut Kernel, segments: &[(u64, u64)]) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; total(segments) as usize];
    let mut rest = &mut bytes[..];
    for &(base, len) in segments {
        let (now, later) = rest.split_at_mut(len as usize);
        kernel.copy_from_user(base, now)?;
        rest = later;
    }
    Ok(bytes)
}

fn write(
    kernel: &mut Kernel,
    task: TaskId,
    fd: u64,
    segments: &Segments,
    at: At,
) -> Result<Outcome, Errno> {
    let id = check_fd(kernel, task, fd)?;
    let file = kernel.files.file(id);
    let kind = file.kind;
    if !file.can_write() {
        return Err(Errno::EBADF);
    }
    check_segments(segments)?;
    if let (Some(side), At::Position) = (net_transfer::side_of(kernel, id), at) {
        return net_transfer::send(kernel, task, side, segments, SendArgs::default());
    }
    let wanted = total(segments);
    let mut done = progress(kernel, task);
    loop {
        let bytes = match gather(kernel, &rest_of(segments, done, PIECE_BYTES)) {
            Ok(bytes) => bytes,
            Err(errno) => return partly(done, errno),
        };
        let place = match at {
            At::Position => At::Position,
            At::Offset(offset) => At::Offset(offset.saturating_add(done)),
        };
        match kernel.write_file(task, id, &bytes, place) {
            IoResult::Done(nr) => {
                done += nr as u64;
                wake_others(kernel, kind, POLLIN | POLLRDNORM);
                if done >= wanted || nr == 0 || is_one_write(kind) {
                    return Ok(Outcome::Done(Ok(done)));
                }
            }
            IoResult::WouldBlock => {
                if done > 0 && kernel.signal_pending(task) {
                    return Ok(Outcome::Done(Ok(done)));
                }
                keep_progress(kernel, task, done);
                return Ok(wait_for_file(kernel, task, kind));
            }
            IoResult::Err(errno) => {
                if errno == Errno::EPIPE {
                    broken_pipe(kernel, task);
                }
                return partly(done, errno);
            }
            IoResult::PerfEvent(_) => return Err(Errno::EINVAL),
        }
    }
}

/// Tells who writes to a pipe that nobody reads.
pub(super) fn broken_pipe(kernel: &mut Kernel, task: TaskId) {
    let (pid, uid) = (kernel.tasks.process_of(task).pid, kernel.tasks.task(task).cred.user.real);
    let info = SigInfo::new(SIGPIPE, si_code::SI_USER, SigFields::Kill { pid, uid });
    kernel.send_signal_to_thread(task, info);
}

/// What was done counts more than the error that ended it.
fn partly(done: u64, errno: Errno) -> Result<Outcome, Errno> {
    if done > 0 { Ok(Outcome::Done(Ok(done))) } else { Err(errno) }
}

/// Bytes that a write moved before it had to wait.
pub(super) fn progress(kernel: &Kernel, task: TaskId) -> u64 {
    kernel.tasks.task(task).syscall.map_or(0, |call| call.moved.bytes)
}

pub(super) fn keep_progress(kernel: &mut Kernel, task: TaskId, done: u64) {
    if let Some(call) = &mut kernel.tasks.task_mut(task).syscall {
        call.moved.bytes = done;
    }
}

/// Whether a write hands over what it takes at once, however much there is.
fn is_one_write(kind: FileKind) -> bool {
    matches!(kind, FileKind::Eventfd(_))
}

/// Waits until the file is ready; one that nothing wakes never waits.
fn wait_for_file(kernel: &Kernel, task: TaskId, kind: FileKind) -> Outcome {
    match kind.channel() {
        Some(channel) => kernel.wait_or_interrupt(task, on(channel), Restart::Sys),
        None => Outcome::Done(Err(Errno::EAGAIN)),
    }
}

/// Wakes who waits for what a read or write has changed.
fn wake_others(kernel: &mut Kernel, kind: FileKind, bits: u32) {
    if let FileKind::Pipe { .. } | FileKind::Eventfd(_) = kind
        && let Some(channel) = kind.channel()
    {
        kernel.wake_poll(channel, bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_segments() {
        let segments = [(100, 4), (200, 0), (300, 6)];
        for (done, max, want) in [
            (0, 100, vec![(100, 4), (300, 6)]),
            (3, 100, vec![(103, 1), (300, 6)]),
            (4, 2, vec![(300, 2)]),
            (0, 5, vec![(100, 4), (300, 1)]),
            (10, 5, vec![]),
        ] {
            assert_eq!(rest_of(&segments, done, max), want, "{done} {max}");
        }
    }

    #[test]
    fn iovecs_are_checked_and_cut() {
        let bytes = |lens: &[u64]| -> Vec<u8> {
            lens.iter().flat_map(|len| [7_u64.to_le_bytes(), len.to_le_bytes()].concat()).collect()
        };
        assert_eq!(parse_iovec(&bytes(&[1, 2])), Ok(vec![(7, 1), (7, 2)]));
        assert_eq!(parse_iovec(&bytes(&[u64::MAX])), Err(Errno::EINVAL));
        let big = i64::MAX as u64;
        assert_eq!(parse_iovec(&bytes(&[big, 5])), Ok(vec![(7, MAX_RW_COUNT), (7, 0)]));
    }
}
