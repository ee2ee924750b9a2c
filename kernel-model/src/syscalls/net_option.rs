//! getsockopt and setsockopt.
//! Source: Linux 6.18 `net/core/sock.c` (`sk_getsockopt`, `sk_setsockopt`), `net/ipv4/tcp.c`.

use perf_core::{Errno, TaskId};

use super::net::socket_of;
use super::net_control::ucred_bytes;
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::net::{Family, SockType, SocketId, Ucred};
use crate::uapi::socket::{
    AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET, TCP_CONGESTION, so,
};
use crate::uapi::time::{NSEC_PER_SEC, TIME_BYTES, timeval};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(54, "setsockopt", sys_setsockopt)
        .partial("no filters, multicast groups, devices or timestamps"),
    Syscall::plain(55, "getsockopt", sys_getsockopt)
        .partial("no TCP_INFO, SO_PEERGROUPS, SO_PEERSEC or SO_COOKIE"),
];

/// The congestion control of every connection.
const CONGESTION: &[u8] = b"cubic\0\0\0\0\0\0\0\0\0\0\0";

fn sys_setsockopt(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, level, name, at, len, _] = *args;
    let (level, name) = (level as u32, name as u32);
    let len = usize::try_from(len as i32).map_err(|_| Errno::EINVAL)?;
    let (_, id) = socket_of(kernel, task, fd)?;
    match (level, name) {
        (SOL_SOCKET, so::RCVTIMEO | so::SNDTIMEO) => {
            let timeout = read_timeout(kernel, at, len)?;
            let options = &mut kernel.net.socket_mut(id).options;
            match name {
                so::RCVTIMEO => options.receive_timeout = timeout,
                _ => options.send_timeout = timeout,
            }
            return Ok(0);
        }
        (SOL_SOCKET, so::LINGER) => {
            let mut bytes = [0; 8];
            if len < bytes.len() {
                return Err(Errno::EINVAL);
            }
            kernel.copy_from_user(at, &mut bytes)?;
            let word = word_at(&bytes, 0);
            let seconds = (word >> 32) as i32;
            kernel.net.socket_mut(id).options.linger = (word as u32 != 0).then_some(seconds);
            return Ok(0);
        }
        (SOL_SOCKET, so::TYPE | so::ERROR | so::PROTOCOL | so::DOMAIN | so::ACCEPTCONN) => {
            return Err(Errno::ENOPROTOOPT);
        }
        (IPPROTO_TCP, TCP_CONGESTION) => return Ok(0),
        _ => {}
    }
    let name = match (level, name) {
        (SOL_SOCKET, so::SNDBUFFORCE) => so::SNDBUF,
        (SOL_SOCKET, so::RCVBUFFORCE) => so::RCVBUF,
        (_, name) => name,
    };
    // Options of one byte may be given as one.
    let value = match len {
        4.. => kernel.read_user_u32(at)? as i32,
        1.. if level != SOL_SOCKET => {
            let mut byte = [0];
            kernel.copy_from_user(at, &mut byte)?;
            i32::from(byte[0])
        }
        _ => return Err(Errno::EINVAL),
    };
    kernel.net.socket_mut(id).options.set_number(level, name, value)?;
    Ok(0)
}

/// A timeout; 0 is none.
///
/// # Errors
/// EINVAL where it is too short, EDOM for microseconds out of range.
fn read_timeout(kernel: &mut Kernel, at: u64, len: usize) -> Result<Option<u64>, Errno> {
    let mut bytes = [0; TIME_BYTES];
    if len < bytes.len() {
        return Err(Errno::EINVAL);
    }
    kernel.copy_from_user(at, &mut bytes)?;
    let (seconds, micros) = (word_at(&bytes, 0) as i64, word_at(&bytes, 8) as i64);
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    let nanos = (seconds.max(0) as u64).saturating_mul(NSEC_PER_SEC);
    let nanos = if seconds < 0 { 0 } else { nanos.saturating_add(micros as u64 * 1000) };
    Ok(if nanos == 0 && seconds >= 0 { None } else { Some(nanos) })
}

fn sys_getsockopt(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, level, name, at, len_at, _] = *args;
    let (_, id) = socket_of(kernel, task, fd)?;
    let len = kernel.read_user_u32(len_at)? as i32;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    let value = option_bytes(kernel, id, level as u32, name as u32)?;
    let value = &value[..value.len().min(len)];
    kernel.copy_to_user(at, value)?;
    kernel.write_user_u32(len_at, value.len() as u32)?;
    Ok(0)
}

fn option_bytes(
    kernel: &mut Kernel,
    id: SocketId,
    level: u32,
    name: u32,
) -> Result<Vec<u8>, Errno> {
    let socket = kernel.net.socket_mut(id);
    let int = |value: u32| Ok(value.to_le_bytes().to_vec());
    match (level, name) {
        (SOL_SOCKET, so::TYPE) => int(socket.kind.number()),
        (SOL_SOCKET, so::ERROR) => {
            int(socket.take_error().map_or_else(|errno| errno.number() as u32, |()| 0))
        }
        (SOL_SOCKET, so::ACCEPTCONN) => int(u32::from(socket.is_listening())),
        (SOL_SOCKET, so::DOMAIN) => int(u32::from(match socket.family {
            Family::Unix => AF_UNIX,
            Family::Inet => AF_INET,
            Family::Inet6 => AF_INET6,
        })),
        (SOL_SOCKET, so::PROTOCOL) => int(match (socket.family, socket.kind) {
            (Family::Unix, _) => 0,
            (_, SockType::Stream) => IPPROTO_TCP,
            (_, SockType::Dgram | SockType::Seqpacket) => IPPROTO_UDP,
        }),
        (SOL_SOCKET, so::PEERCRED) => {
            let nobody = Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
            Ok(ucred_bytes(socket.peer_cred.unwrap_or(nobody)).to_vec())
        }
        (SOL_SOCKET, so::LINGER) => {
            let linger = socket.options.linger;
            let on = u32::from(linger.is_some()).to_le_bytes();
            Ok([on, linger.unwrap_or(0).to_le_bytes()].concat())
        }
        (SOL_SOCKET, so::RCVTIMEO) => {
            Ok(timeval(socket.options.receive_timeout.unwrap_or(0)).to_vec())
        }
        (SOL_SOCKET, so::SNDTIMEO) => {
            Ok(timeval(socket.options.send_timeout.unwrap_or(0)).to_vec())
        }
        (IPPROTO_TCP, TCP_CONGESTION) if socket.is_tcp() => Ok(CONGESTION.to_vec()),
        _ => socket.options.number(level, name).map(|value| value.to_le_bytes().to_vec()),
    }
}
