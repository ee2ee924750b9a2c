//! Moving data between the program's memory and sockets: what read, write and all sends and
//! receives have in common.
//! Source: Linux 6.18 `net/socket.c`, `net/unix/af_unix.c`, `net/ipv4/tcp.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::fs_rw::{
    Segments, broken_pipe, gather, keep_progress, progress, rest_of, scatter, total,
};
use super::net::wait_on;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::net::address::Address;
use crate::net::queue::Peek;
use crate::net::socket::{Outgoing, Received, Sent};
use crate::net::unix_send::STREAM_PIECE;
use crate::net::{SockType, SocketId, Ucred};
use crate::uapi::socket::{
    MSG_DONTWAIT, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL,
};

/// Bytes of a stream that go through the kernel at once: whole pieces of a unix socket.
const PIECE_BYTES: u64 = 4 * STREAM_PIECE as u64;
/// More than any message may have.
const MAX_MESSAGE_BYTES: u64 = 1 << 24;

/// A socket of a call: its open file, and itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) file: FileId,
    pub(super) id: SocketId,
}

/// What goes with the bytes of a send.
#[derive(Clone, Debug, Default)]
pub(super) struct SendArgs {
    pub(super) to: Option<Address>,
    pub(super) flags: u32,
    /// Files, with a use of each.
    pub(super) rights: Vec<FileId>,
    pub(super) cred: Option<Ucred>,
}

/// What has come with the bytes of a receive.
#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    /// What the call returns.
    pub(super) len: u64,
    /// Flags that it tells.
    pub(super) flags: u32,
    pub(super) from: Option<Address>,
    pub(super) cred: Option<Ucred>,
    /// Files, with a use of each.
    pub(super) rights: Vec<FileId>,
}

/// How a receive ended.
pub(super) enum Receive {
    /// With this.
    Done(Incoming),
    /// It waits or was interrupted.
    Pending(Outcome),
}

/// The socket that an open file is.
pub(super) fn side_of(kernel: &Kernel, file: FileId) -> Option<Side> {
    match kernel.files.file(file).kind {
        FileKind::Socket(id) => Some(Side { file, id }),
        _ => None,
    }
}

fn is_nonblocking(kernel: &Kernel, side: Side, flags: u32) -> bool {
    flags & MSG_DONTWAIT != 0 || kernel.files.file(side.file).is_nonblocking()
}

/// Sends what the segments hold.
pub(super) fn send(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    segments: &Segments,
    args: SendArgs,
) -> Result<Outcome, Errno> {
    let SendArgs { to, flags, mut rights, cred } = args;
    let result = send_all(kernel, task, side, segments, (to, flags, cred), &mut rights);
    // Those that did not go with a message.
    for file in rights {
        kernel.release_file(file);
    }
    result
}

fn send_all(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    segments: &Segments,
    (to, flags, explicit_cred): (Option<Address>, u32, Option<Ucred>),
    rights: &mut Vec<FileId>,
) -> Result<Outcome, Errno> {
    if flags & MSG_OOB != 0 {
        kernel.tell_unsupported(task, Some("send: MSG_OOB"));
        return Err(Errno::EOPNOTSUPP);
    }
    let is_stream = kernel.net.socket(side.id).kind == SockType::Stream;
    let wanted = total(segments);
    if !is_stream && wanted > MAX_MESSAGE_BYTES {
        return Err(Errno::EMSGSIZE);
    }
    let most = if is_stream { PIECE_BYTES } else { MAX_MESSAGE_BYTES };
    let cred = kernel.ucred_of(task);
    let mut done = progress(kernel, task);
    loop {
        let bytes = match gather(kernel, &rest_of(segments, done, most)) {
            Ok(bytes) => bytes,
            Err(errno) => return partly(done, errno),
        };
        let (to, taken) = (to.clone(), std::mem::take(rights));
        let mut out = Outgoing { bytes: &bytes, to, rights: taken, cred, explicit_cred };
        let sent = kernel.socket_send(task, side.id, &mut out);
        *rights = out.rights;
        match sent {
            Sent::Done(nr) => {
                done += nr as u64;
                if !is_stream || done >= wanted {
                    return Ok(Outcome::Done(Ok(done)));
                }
            }
            Sent::WouldBlock(_) if is_nonblocking(kernel, side, flags) => {
                return partly(done, Errno::EAGAIN);
            }
            Sent::WouldBlock(_) if done > 0 && kernel.signal_pending(task) => {
                return Ok(Outcome::Done(Ok(done)));
            }
            Sent::WouldBlock(on) => {
                keep_progress(kernel, task, done);
                let timeout = kernel.net.socket(side.id).options.send_timeout;
                return wait_on(kernel, task, on, timeout).or_else(|errno| partly(done, errno));
            }
            Sent::Err(errno) => {
                if errno == Errno::EPIPE && is_stream && done == 0 && flags & MSG_NOSIGNAL == 0 {
                    broken_pipe(kernel, task);
                }
                return partly(done, errno);
            }
        }
    }
}

/// What became of bytes that the kernel sends.
pub(super) enum Piece {
    /// So many went.
    Sent(u64),
    /// It waits, and goes on from what was sent before.
    Pending(Outcome),
    /// It ends with this, unless something was sent before.
    Ended(Errno),
}

/// Sends bytes that the kernel has, `done` of them before.
pub(super) fn send_piece(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    bytes: &[u8],
    done: u64,
) -> Piece {
    let cred = kernel.ucred_of(task);
    let mut out = Outgoing { bytes, to: None, rights: Vec::new(), cred, explicit_cred: None };
    match kernel.socket_send(task, side.id, &mut out) {
        Sent::Done(nr) => Piece::Sent(nr as u64),
        Sent::WouldBlock(_) if is_nonblocking(kernel, side, 0) => Piece::Ended(Errno::EAGAIN),
        Sent::WouldBlock(_) if done > 0 && kernel.signal_pending(task) => {
            Piece::Ended(Errno::EINTR)
        }
        Sent::WouldBlock(on) => {
            keep_progress(kernel, task, done);
            let timeout = kernel.net.socket(side.id).options.send_timeout;
            match wait_on(kernel, task, on, timeout) {
                Ok(outcome) => Piece::Pending(outcome),
                Err(errno) => Piece::Ended(errno),
            }
        }
        Sent::Err(errno) => {
            if errno == Errno::EPIPE && done == 0 {
                broken_pipe(kernel, task);
            }
            Piece::Ended(errno)
        }
    }
}

/// What was done counts more than what ended it.
fn partly(done: u64, errno: Errno) -> Result<Outcome, Errno> {
    if done > 0 { Ok(Outcome::Done(Ok(done))) } else { Err(errno) }
}

/// Receives into the segments.
pub(super) fn receive(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    segments: &Segments,
    flags: u32,
) -> Result<Receive, Errno> {
    if flags & MSG_ERRQUEUE != 0 {
        return Err(Errno::EAGAIN);
    }
    if flags & MSG_OOB != 0 {
        let has_none = kernel.net.socket(side.id).kind == SockType::Stream;
        return Err(if has_none { Errno::EINVAL } else { Errno::EOPNOTSUPP });
    }
    let peek = if flags & MSG_PEEK != 0 { Peek::Leave } else { Peek::Take };
    let is_stream = kernel.net.socket(side.id).kind == SockType::Stream;
    let wanted = total(segments);
    let mut incoming = Incoming { len: progress(kernel, task), ..Incoming::default() };
    loop {
        let room = (wanted - incoming.len.min(wanted)) as usize;
        let taken = match kernel.socket_receive(side.id, room, peek) {
            Ok(Received::Taken(taken)) => taken,
            Ok(Received::End) => return Ok(Receive::Done(incoming)),
            Err(_) if incoming.len > 0 => return Ok(Receive::Done(incoming)),
            Err(errno) => return Err(errno),
            Ok(Received::WouldBlock) => {
                return wait_for_more(kernel, task, side, incoming, flags);
            }
        };
        let place = rest_of(segments, incoming.len, taken.bytes.len() as u64);
        let copied = scatter(kernel, &place, &taken.bytes);
        (incoming.from, incoming.cred, incoming.rights) = (taken.from, taken.cred, taken.rights);
        if copied < taken.bytes.len() as u64 && copied + incoming.len == 0 {
            for file in incoming.rights {
                kernel.release_file(file);
            }
            return Err(Errno::EFAULT);
        }
        incoming.len += copied;
        if !is_stream {
            let is_cut = taken.full_len > taken.bytes.len();
            if is_cut {
                incoming.flags |= MSG_TRUNC;
            }
            if is_cut && flags & MSG_TRUNC != 0 {
                incoming.len = taken.full_len as u64;
            }
            return Ok(Receive::Done(incoming));
        }
        let goes_on = flags & MSG_WAITALL != 0 && peek == Peek::Take && incoming.rights.is_empty();
        if !goes_on || incoming.len >= wanted || copied == 0 {
            return Ok(Receive::Done(incoming));
        }
    }
}

/// Waits for more, where the call may and wants to.
fn wait_for_more(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    incoming: Incoming,
    flags: u32,
) -> Result<Receive, Errno> {
    let nonblocking = is_nonblocking(kernel, side, flags);
    if incoming.len > 0 && (nonblocking || kernel.signal_pending(task)) {
        return Ok(Receive::Done(incoming));
    }
    if nonblocking {
        return Err(Errno::EAGAIN);
    }
    keep_progress(kernel, task, incoming.len);
    let timeout = kernel.net.socket(side.id).options.receive_timeout;
    match wait_on(kernel, task, side.id, timeout) {
        Ok(outcome) => Ok(Receive::Pending(outcome)),
        Err(_) if incoming.len > 0 => Ok(Receive::Done(incoming)),
        Err(errno) => Err(errno),
    }
}

/// A receive without address and control data: read, readv.
pub(super) fn read(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    segments: &Segments,
) -> Result<Outcome, Errno> {
    if total(segments) == 0 {
        return Ok(Outcome::Done(Ok(0)));
    }
    match receive(kernel, task, side, segments, 0)? {
        Receive::Pending(outcome) => Ok(outcome),
        Receive::Done(incoming) => {
            for file in incoming.rights {
                kernel.release_file(file);
            }
            Ok(Outcome::Done(Ok(incoming.len)))
        }
    }
}
