//! Sending and receiving messages.
//! Source: Linux 6.18 `net/socket.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::fs_rw::{Segments, check_segments, import_iovec, one};
use super::net::{read_sockaddr, socket_of, write_sockaddr};
use super::net_control;
use super::net_transfer::{Incoming, Receive, SendArgs, Side, receive, send};
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::net::address::{Address, SOCKADDR_STORAGE_BYTES, parse_inet, parse_unix};
use crate::net::{Family, SockType, SocketId};
use crate::uapi::socket::{
    MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_WAITFORONE,
};
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(44, "sendto", sys_sendto).partial("no MSG_OOB"),
    Syscall::waiting(45, "recvfrom", sys_recvfrom).partial("no MSG_OOB"),
    Syscall::waiting(46, "sendmsg", |kernel, task, args| {
        let side = side_of(kernel, task, args[0])?;
        send_message(kernel, task, side, args[1], args[2] as u32)
    })
    .partial("no MSG_OOB; control data of unix sockets"),
    Syscall::waiting(47, "recvmsg", |kernel, task, args| {
        let side = side_of(kernel, task, args[0])?;
        receive_message(kernel, task, side, args[1], args[2] as u32)
    })
    .partial("no MSG_OOB; control data of unix sockets"),
    Syscall::waiting(299, "recvmmsg", sys_recvmmsg),
    Syscall::waiting(307, "sendmmsg", sys_sendmmsg),
];

/// Bytes of `struct msghdr`; of `struct mmsghdr`, and where its length is.
const MSGHDR_BYTES: usize = 56;
const MMSGHDR_BYTES: u64 = 64;
const MSG_LEN_AT: u64 = 56;
/// Most segments and messages (`UIO_MAXIOV`).
const UIO_MAXIOV: u64 = 1024;
/// Most control data that is copied (`net.core.optmem_max`).
const MAX_CONTROL_BYTES: u64 = 131_072;

fn side_of(kernel: &Kernel, task: TaskId, fd: u64) -> Result<Side, Errno> {
    socket_of(kernel, task, fd).map(|(file, id)| Side { file, id })
}

/// `struct msghdr`.
struct Header {
    at: u64,
    name: u64,
    name_len: u32,
    segments: Segments,
    control: u64,
    control_len: u64,
}

fn read_header(kernel: &mut Kernel, at: u64) -> Result<Header, Errno> {
    let mut bytes = [0; MSGHDR_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let word = |at| word_at(&bytes, at);
    let (name, name_len) = (word(0), word(8) as u32);
    if (name_len as i32) < 0 && name != 0 {
        return Err(Errno::EINVAL);
    }
    if word(24) > UIO_MAXIOV {
        return Err(Errno::EMSGSIZE);
    }
    let segments = import_iovec(kernel, word(16), word(24))?;
    check_segments(&segments)?;
    let name_len = if name == 0 { 0 } else { name_len.min(SOCKADDR_STORAGE_BYTES as u32) };
    Ok(Header { at, name, name_len, segments, control: word(32), control_len: word(40) })
}

/// Reads where a message goes; `None` where it is not said.
fn destination(
    kernel: &mut Kernel,
    id: SocketId,
    at: u64,
    len: u32,
) -> Result<Option<Address>, Errno> {
    if at == 0 || len == 0 {
        return Ok(None);
    }
    let bytes = read_sockaddr(kernel, at, u64::from(len))?;
    let socket = kernel.net.socket(id);
    match socket.family {
        // A stream refuses it, whatever it is.
        Family::Unix if socket.kind == SockType::Stream => Ok(Some(Address::Unnamed)),
        Family::Unix => parse_unix(&bytes).map(Some),
        // TCP knows where it goes.
        _ if socket.is_tcp() => Ok(None),
        Family::Inet6 if bytes.starts_with(&[2, 0]) => {
            parse_inet(&bytes, Family::Inet).map(|address| Some(Address::Inet(address)))
        }
        family => parse_inet(&bytes, family).map(|address| Some(Address::Inet(address))),
    }
}

fn sys_sendto(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [fd, at, len, flags, to_at, to_len] = *args;
    let segments = one(at, len)?;
    check_segments(&segments)?;
    let side = side_of(kernel, task, fd)?;
    let to = if to_at == 0 {
        None
    } else {
        read_sockaddr(kernel, to_at, to_len)?;
        destination(kernel, side.id, to_at, to_len as u32)?
    };
    let args = SendArgs { to, flags: flags as u32, ..SendArgs::default() };
    send(kernel, task, side, &segments, args)
}

fn send_message(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    at: u64,
    flags: u32,
) -> Result<Outcome, Errno> {
    let header = read_header(kernel, at)?;
    if header.control_len > i32::MAX as u64 || header.control_len > MAX_CONTROL_BYTES {
        return Err(Errno::ENOBUFS);
    }
    let to = destination(kernel, side.id, header.name, header.name_len)?;
    let mut args = SendArgs { to, flags, ..SendArgs::default() };
    // What went with bytes that were sent before a wait is not sent again.
    if super::fs_rw::progress(kernel, task) == 0 && header.control != 0 {
        let mut control = vec![0; header.control_len as usize];
        kernel.copy_from_user(header.control, &mut control)?;
        if let Err(errno) = net_control::parse(kernel, task, side.id, &control, &mut args) {
            for file in args.rights {
                kernel.release_file(file);
            }
            return Err(errno);
        }
    }
    send(kernel, task, side, &header.segments, args)
}

/// The sender's address as the program sees it; empty where it is not told.
fn from_bytes(kernel: &Kernel, id: SocketId, incoming: &Incoming) -> Vec<u8> {
    let family = kernel.net.socket(id).family;
    incoming.from.as_ref().map_or_else(Vec::new, |from| from.to_bytes(family))
}

fn sys_recvfrom(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [fd, at, len, flags, from_at, from_len_at] = *args;
    let segments = one(at, len)?;
    check_segments(&segments)?;
    let side = side_of(kernel, task, fd)?;
    let mut incoming = match receive(kernel, task, side, &segments, flags as u32)? {
        Receive::Pending(outcome) => return Ok(outcome),
        Receive::Done(incoming) => incoming,
    };
    for file in std::mem::take(&mut incoming.rights) {
        kernel.release_file(file);
    }
    if from_at != 0 {
        let bytes = from_bytes(kernel, side.id, &incoming);
        write_sockaddr(kernel, &bytes, from_at, from_len_at)?;
    }
    Ok(Outcome::Done(Ok(incoming.len)))
}

fn receive_message(
    kernel: &mut Kernel,
    task: TaskId,
    side: Side,
    at: u64,
    flags: u32,
) -> Result<Outcome, Errno> {
    let header = read_header(kernel, at)?;
    let mut incoming = match receive(kernel, task, side, &header.segments, flags)? {
        Receive::Pending(outcome) => return Ok(outcome),
        Receive::Done(incoming) => incoming,
    };
    if header.name != 0 {
        let bytes = from_bytes(kernel, side.id, &incoming);
        let room = bytes.len().min(header.name_len as usize);
        kernel.copy_to_user(header.name, &bytes[..room])?;
        kernel.write_user_u32(header.at + 8, bytes.len() as u32)?;
    }
    let room = if header.control == 0 { 0 } else { header.control_len.min(MAX_CONTROL_BYTES) };
    let had_rights = !incoming.rights.is_empty();
    let control = net_control::build(kernel, task, side.id, &mut incoming, room as usize, flags);
    if had_rights && room == 0 {
        incoming.flags |= MSG_CTRUNC;
    }
    kernel.copy_to_user(header.control, &control)?;
    kernel.write_user_u32(header.at + 48, incoming.flags | flags & MSG_CMSG_CLOEXEC)?;
    kernel.write_user_u64(header.at + 40, control.len() as u64)?;
    Ok(Outcome::Done(Ok(incoming.len)))
}

/// Messages that a call has moved before it had to wait.
fn messages_done(kernel: &Kernel, task: TaskId) -> u32 {
    kernel.tasks.task(task).syscall.map_or(0, |call| call.moved.messages)
}

fn message_done(kernel: &mut Kernel, task: TaskId) {
    if let Some(call) = &mut kernel.tasks.task_mut(task).syscall {
        call.moved.messages += 1;
        call.moved.bytes = 0;
    }
}

/// Moves messages one by one; `step` moves the one at an address. What was moved counts more than
/// what ended it.
fn each_message(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
    mut step: impl FnMut(&mut Kernel, u64, u32) -> Result<Outcome, Errno>,
) -> Result<Outcome, Errno> {
    let nr = (args[2] & 0xffff_ffff).min(UIO_MAXIOV) as u32;
    loop {
        let done = messages_done(kernel, task);
        if done >= nr {
            return Ok(Outcome::Done(Ok(u64::from(done))));
        }
        let at = args[1].wrapping_add(u64::from(done) * MMSGHDR_BYTES);
        let result = step(kernel, at, done);
        let len = match result {
            Ok(Outcome::Done(Ok(len))) => len,
            Ok(Outcome::Interrupted(_)) | Err(_) | Ok(Outcome::Done(Err(_))) if done > 0 => {
                return Ok(Outcome::Done(Ok(u64::from(done))));
            }
            other => return other,
        };
        let told = kernel.write_user_u32(at.wrapping_add(MSG_LEN_AT), len as u32);
        match told {
            Ok(()) => message_done(kernel, task),
            Err(_) if done > 0 => return Ok(Outcome::Done(Ok(u64::from(done)))),
            Err(errno) => return Err(errno),
        }
    }
}

fn sys_sendmmsg(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let side = side_of(kernel, task, args[0])?;
    let flags = args[3] as u32;
    each_message(kernel, task, args, |kernel, at, _| send_message(kernel, task, side, at, flags))
}

fn sys_recvmmsg(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let side = side_of(kernel, task, args[0])?;
    let flags = args[3] as u32;
    let end = match args[4] {
        0 => None,
        at => {
            let mut bytes = [0; TIME_BYTES];
            kernel.copy_from_user(at, &mut bytes)?;
            let end = kernel.now_ns().saturating_add(timespec_to_ns(&bytes)?);
            Some(kernel.kept_deadline(task).unwrap_or(end))
        }
    };
    if flags & MSG_ERRQUEUE == 0 {
        kernel.net.socket_mut(side.id).take_error()?;
    }
    each_message(kernel, task, args, |kernel, at, done| {
        // The time is looked at between messages only.
        if done > 0 && end.is_some_and(|end| kernel.now_ns() >= end) {
            return Err(Errno::EAGAIN);
        }
        let waits_no_more = flags & MSG_WAITFORONE != 0 && done > 0;
        let flags = if waits_no_more { flags | MSG_DONTWAIT } else { flags };
        receive_message(kernel, task, side, at, flags & !MSG_WAITFORONE)
    })
}
