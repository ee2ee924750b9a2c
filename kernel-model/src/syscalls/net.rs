//! Sockets: making, naming, connecting.
//! Source: Linux 6.18 `net/socket.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::Restart;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::net::address::{
    Address, InetAddress, SOCKADDR_STORAGE_BYTES, family_of, parse_inet, parse_unix,
};
use crate::net::socket::Connected;
use crate::net::{Family, SockType, Socket, SocketId, State, shut};
use crate::task::wait::{Channel, WaitFor};
use crate::uapi::socket::{
    AF_INET, AF_INET6, AF_MAX, AF_UNIX, AF_UNSPEC, IPPROTO_TCP, IPPROTO_UDP, SOCK_CLOEXEC,
    SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK, SOMAXCONN,
};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(41, "socket", sys_socket)
        .partial("unix sockets, TCP and UDP over loopback; no netlink, raw or packet sockets"),
    Syscall::waiting(42, "connect", sys_connect)
        .partial("ENETUNREACH for whatever is not the machine itself"),
    Syscall::waiting(43, "accept", |kernel, task, args| accept(kernel, task, args, 0)),
    Syscall::plain(48, "shutdown", sys_shutdown),
    Syscall::plain(49, "bind", sys_bind),
    Syscall::plain(50, "listen", sys_listen),
    Syscall::plain(51, "getsockname", sys_getsockname),
    Syscall::plain(52, "getpeername", sys_getpeername),
    Syscall::plain(53, "socketpair", sys_socketpair),
    Syscall::waiting(288, "accept4", |kernel, task, args| {
        accept(kernel, task, args, args[3] as u32)
    }),
];

/// The file and the socket of a descriptor.
///
/// # Errors
/// EBADF, ENOTSOCK.
pub(super) fn socket_of(
    kernel: &Kernel,
    task: TaskId,
    fd: u64,
) -> Result<(FileId, SocketId), Errno> {
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    match kernel.files.file(file).kind {
        FileKind::Socket(id) => Ok((file, id)),
        FileKind::Path(_) => Err(Errno::EBADF),
        _ => Err(Errno::ENOTSOCK),
    }
}

/// Copies an address (`move_addr_to_kernel`).
///
/// # Errors
/// EINVAL for a length out of range; EFAULT.
pub(super) fn read_sockaddr(kernel: &mut Kernel, at: u64, len: u64) -> Result<Vec<u8>, Errno> {
    let len = usize::try_from(len as i32).map_err(|_| Errno::EINVAL)?;
    if len > SOCKADDR_STORAGE_BYTES {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; len];
    kernel.copy_from_user(at, &mut bytes)?;
    Ok(bytes)
}

/// Gives an address to the program, cut to its room, and tells its length
/// (`move_addr_to_user`).
///
/// # Errors
/// EINVAL for negative room; EFAULT.
pub(super) fn write_sockaddr(
    kernel: &mut Kernel,
    bytes: &[u8],
    at: u64,
    len_at: u64,
) -> Result<(), Errno> {
    let room = kernel.read_user_u32(len_at)? as i32;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    kernel.copy_to_user(at, &bytes[..bytes.len().min(room)])?;
    kernel.write_user_u32(len_at, bytes.len() as u32)
}

/// Waits until something happens to a socket.
///
/// # Errors
/// EAGAIN where `timeout_ns` is over; EINTR where it has one and a signal came.
pub(super) fn wait_on(
    kernel: &mut Kernel,
    task: TaskId,
    id: SocketId,
    timeout_ns: Option<u64>,
) -> Result<Outcome, Errno> {
    let channels = vec![Channel::Socket(id.0)];
    let wait = WaitFor { channels, ..WaitFor::default() };
    let Some(timeout) = timeout_ns else {
        return Ok(kernel.wait_or_interrupt(task, wait, Restart::Sys));
    };
    let end = kernel.now_ns().saturating_add(timeout);
    let deadline = kernel.keep_deadline(task, end);
    if kernel.is_over(task, deadline) {
        return Err(Errno::EAGAIN);
    }
    if kernel.signal_pending(task) {
        return Err(Errno::EINTR);
    }
    Ok(Outcome::Wait(WaitFor { deadline_ns: Some(deadline), ..wait }))
}

/// The type without its flags, and those.
fn type_and_flags(kind: u64) -> Result<(u32, u32), Errno> {
    let (kind, flags) = (kind as u32 & SOCK_TYPE_MASK, kind as u32 & !SOCK_TYPE_MASK);
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((kind, flags))
}

/// What a family, type and protocol stand for.
fn socket_kind(
    kernel: &mut Kernel,
    task: TaskId,
    family: u64,
    kind: u32,
    protocol: u32,
) -> Result<(Family, SockType), Errno> {
    const LAST_TYPE: u32 = 10;
    let number = u16::try_from(family as u32).ok().filter(|number| *number < AF_MAX);
    let number = number.ok_or(Errno::EAFNOSUPPORT)?;
    if kind > LAST_TYPE {
        return Err(Errno::EINVAL);
    }
    let family = match number {
        AF_UNIX => Family::Unix,
        AF_INET => Family::Inet,
        AF_INET6 => Family::Inet6,
        AF_UNSPEC => return Err(Errno::EAFNOSUPPORT),
        _ => {
            kernel.tell_unsupported(task, Some("socket: this family"));
            return Err(Errno::EAFNOSUPPORT);
        }
    };
    let kind = match (family, kind, protocol) {
        (Family::Unix, _, protocol) if protocol > u32::from(AF_UNIX) => {
            return Err(Errno::EPROTONOSUPPORT);
        }
        (Family::Unix, SOCK_STREAM, _) => SockType::Stream,
        (Family::Unix, SOCK_DGRAM | SOCK_RAW, _) => SockType::Dgram,
        (Family::Unix, SOCK_SEQPACKET, _) => SockType::Seqpacket,
        (Family::Inet | Family::Inet6, SOCK_STREAM, 0 | IPPROTO_TCP) => SockType::Stream,
        (Family::Inet | Family::Inet6, SOCK_DGRAM, 0 | IPPROTO_UDP) => SockType::Dgram,
        (Family::Inet | Family::Inet6, SOCK_RAW, _) => {
            kernel.tell_unsupported(task, Some("socket: raw"));
            return Err(Errno::EPROTONOSUPPORT);
        }
        (Family::Inet | Family::Inet6, SOCK_STREAM | SOCK_DGRAM, _) => {
            return Err(Errno::EPROTONOSUPPORT);
        }
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((family, kind))
}

fn sys_socket(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (kind, flags) = type_and_flags(args[1])?;
    let (family, kind) = socket_kind(kernel, task, args[0], kind, args[2] as u32)?;
    let id = kernel.net.insert(Socket::new(family, kind));
    let file = kernel.open_socket(id, flags & SOCK_NONBLOCK);
    kernel.install_file(task, file, flags)
}

fn sys_socketpair(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (kind, flags) = type_and_flags(args[1])?;
    let (family, kind) = socket_kind(kernel, task, args[0], kind, args[2] as u32)?;
    if family != Family::Unix {
        return Err(Errno::EOPNOTSUPP);
    }
    let (first, second) = kernel.unix_pair(task, kind);
    let [first, second] = [first, second].map(|id| kernel.open_socket(id, flags & SOCK_NONBLOCK));
    kernel.install_pair(task, (first, second), flags, args[3])
}

fn sys_bind(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, id) = socket_of(kernel, task, args[0])?;
    let bytes = read_sockaddr(kernel, args[1], args[2])?;
    match kernel.net.socket(id).family {
        Family::Unix => kernel.unix_bind(task, id, &parse_unix(&bytes)?),
        family => {
            let address = parse_inet(&bytes, family)?;
            kernel.inet_bind(task, id, address)
        }
    }?;
    Ok(0)
}

fn sys_listen(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, id) = socket_of(kernel, task, args[0])?;
    let backlog = (args[1] as u32).min(SOMAXCONN);
    kernel.listen_socket(task, id, backlog as usize).map(|()| 0)
}

fn sys_shutdown(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, id) = socket_of(kernel, task, args[0])?;
    let how = match args[1] as u32 {
        0 => shut::RECEIVE,
        1 => shut::SEND,
        2 => shut::BOTH,
        _ => return Err(Errno::EINVAL),
    };
    kernel.shutdown_socket(id, how).map(|()| 0)
}

fn is_nonblocking(kernel: &Kernel, file: FileId) -> bool {
    kernel.files.file(file).is_nonblocking()
}

fn sys_connect(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let (file, id) = socket_of(kernel, task, args[0])?;
    let bytes = read_sockaddr(kernel, args[1], args[2])?;
    let socket = kernel.net.socket(id);
    let family = socket.family;
    let ends = family_of(&bytes) == Some(AF_UNSPEC);
    if family != Family::Unix && bytes.len() < 2 {
        return Err(Errno::EINVAL);
    }
    match (family, socket.is_connection()) {
        (Family::Unix, true) => {
            let address = parse_unix(&bytes)?;
            match kernel.unix_connect(task, id, &address)? {
                Connected::Done => {}
                Connected::WouldBlock(_) if is_nonblocking(kernel, file) => {
                    return Err(Errno::EAGAIN);
                }
                Connected::WouldBlock(on) => {
                    let timeout = kernel.net.socket(id).options.send_timeout;
                    return wait_on(kernel, task, on, timeout);
                }
            }
        }
        (Family::Unix, false) => {
            let address = if ends { None } else { Some(parse_unix(&bytes)?) };
            kernel.unix_dgram_connect(task, id, address.as_ref())?;
        }
        (_, false) => {
            let address = if ends { None } else { Some(parse_inet(&bytes, family)?) };
            kernel.udp_connect(id, address)?;
        }
        (_, true) if ends => kernel.tcp_disconnect(id),
        (_, true) => {
            let address = parse_inet(&bytes, family)?;
            return tcp_connect(kernel, task, file, id, address);
        }
    }
    Ok(Outcome::Done(Ok(0)))
}

/// `__inet_stream_connect`: a connect that does not wait is under way even where it has ended, and
/// the next call tells how.
fn tcp_connect(
    kernel: &mut Kernel,
    task: TaskId,
    file: FileId,
    id: SocketId,
    to: InetAddress,
) -> Result<Outcome, Errno> {
    let nonblocking = is_nonblocking(kernel, file);
    if !kernel.net.socket(id).is_connecting {
        match kernel.tcp_connect(id, to) {
            Ok(Connected::Done) if !nonblocking => return Ok(Outcome::Done(Ok(0))),
            Ok(_) => {}
            Err(Errno::ECONNREFUSED) if nonblocking => {
                let socket = kernel.net.socket_mut(id);
                (socket.error, socket.shutdown) = (Some(Errno::ECONNREFUSED), shut::BOTH);
            }
            Err(errno) => return Err(errno),
        }
        kernel.net.socket_mut(id).is_connecting = true;
        if nonblocking {
            return Err(Errno::EINPROGRESS);
        }
    }
    let socket = kernel.net.socket_mut(id);
    match socket.state {
        State::Connecting if nonblocking => Err(Errno::EALREADY),
        State::Connecting => {
            let timeout = socket.options.send_timeout;
            let late = |errno| if errno == Errno::EAGAIN { Errno::EINPROGRESS } else { errno };
            wait_on(kernel, task, id, timeout).map_err(late)
        }
        State::Established => {
            socket.is_connecting = false;
            Ok(Outcome::Done(Ok(0)))
        }
        State::Closed | State::Listening { .. } => {
            (socket.is_connecting, socket.shutdown) = (false, 0);
            socket.take_error()?;
            Err(Errno::ECONNABORTED)
        }
    }
}

fn accept(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
    flags: u32,
) -> Result<Outcome, Errno> {
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let (file, id) = socket_of(kernel, task, args[0])?;
    let Some(accepted) = kernel.accept_socket(id)? else {
        if is_nonblocking(kernel, file) {
            return Err(Errno::EAGAIN);
        }
        let timeout = kernel.net.socket(id).options.receive_timeout;
        return wait_on(kernel, task, id, timeout);
    };
    let address = kernel.peer_address(accepted);
    let family = kernel.net.socket(accepted).family;
    let file = kernel.open_socket(accepted, flags & SOCK_NONBLOCK);
    if args[1] != 0 {
        let bytes = address.unwrap_or(Address::Unnamed).to_bytes(family);
        if let Err(errno) = write_sockaddr(kernel, &bytes, args[1], args[2]) {
            kernel.release_file(file);
            return Err(errno);
        }
    }
    kernel.install_file(task, file, flags).map(|fd| Outcome::Done(Ok(fd)))
}

fn sys_getsockname(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, id) = socket_of(kernel, task, args[0])?;
    let socket = kernel.net.socket(id);
    let nothing = match socket.family {
        Family::Unix => Address::Unnamed,
        Family::Inet | Family::Inet6 => {
            Address::Inet(InetAddress { ip: socket.any_address(), port: 0 })
        }
    };
    let bytes = socket.local.clone().unwrap_or(nothing).to_bytes(socket.family);
    write_sockaddr(kernel, &bytes, args[1], args[2]).map(|()| 0)
}

fn sys_getpeername(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, id) = socket_of(kernel, task, args[0])?;
    let family = kernel.net.socket(id).family;
    let bytes = kernel.peer_address(id)?.to_bytes(family);
    write_sockaddr(kernel, &bytes, args[1], args[2]).map(|()| 0)
}

impl Kernel {
    /// The address of the other side.
    ///
    /// # Errors
    /// ENOTCONN.
    pub(super) fn peer_address(&self, id: SocketId) -> Result<Address, Errno> {
        let socket = self.net.socket(id);
        if !socket.is_established() {
            return Err(Errno::ENOTCONN);
        }
        if !socket.is_unix() {
            return socket.remote.clone().ok_or(Errno::ENOTCONN);
        }
        let peer = socket.peer.ok_or(Errno::ENOTCONN)?;
        let name = match self.net.get(peer) {
            Some(other) => other.local.clone(),
            None => socket.remote.clone(),
        };
        Ok(name.unwrap_or(Address::Unnamed))
    }
}
