//! Sockets: families, types, flags, options.
//! Source: Linux 6.18 `include/linux/socket.h`, `include/uapi/asm-generic/socket.h`,
//! `include/linux/net.h`.

use super::fcntl::{O_CLOEXEC, O_NONBLOCK};

/// No address.
pub const AF_UNSPEC: u16 = 0;
/// Within the machine, by names.
pub const AF_UNIX: u16 = 1;
/// IPv4.
pub const AF_INET: u16 = 2;
/// IPv6.
pub const AF_INET6: u16 = 10;
/// The kernel's messages.
pub const AF_NETLINK: u16 = 16;
/// One more than the last family.
pub const AF_MAX: u16 = 46;

/// A stream of bytes.
pub const SOCK_STREAM: u32 = 1;
/// Messages, each for itself.
pub const SOCK_DGRAM: u32 = 2;
/// Raw packets.
pub const SOCK_RAW: u32 = 3;
/// Messages over a connection.
pub const SOCK_SEQPACKET: u32 = 5;
/// The bits of the type without flags.
pub const SOCK_TYPE_MASK: u32 = 0xf;
/// Closed at exec.
pub const SOCK_CLOEXEC: u32 = O_CLOEXEC;
/// Does not wait.
pub const SOCK_NONBLOCK: u32 = O_NONBLOCK;

/// The largest backlog (`somaxconn`).
pub const SOMAXCONN: u32 = 4096;

/// Urgent data.
pub const MSG_OOB: u32 = 0x1;
/// Leaves what it reads.
pub const MSG_PEEK: u32 = 0x2;
/// Control data did not fit.
pub const MSG_CTRUNC: u32 = 0x8;
/// The message did not fit; asked for: tells its real length.
pub const MSG_TRUNC: u32 = 0x20;
/// Does not wait.
pub const MSG_DONTWAIT: u32 = 0x40;
/// The end of a record.
pub const MSG_EOR: u32 = 0x80;
/// Waits for all of it.
pub const MSG_WAITALL: u32 = 0x100;
/// From the queue of errors.
pub const MSG_ERRQUEUE: u32 = 0x2000;
/// No SIGPIPE.
pub const MSG_NOSIGNAL: u32 = 0x4000;
/// recvmmsg: waits for the first one only.
pub const MSG_WAITFORONE: u32 = 0x10000;
/// Descriptors that are received are closed at exec.
pub const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

/// Level of the options of every socket.
pub const SOL_SOCKET: u32 = 1;
/// Level of IPv4.
pub const IPPROTO_IP: u32 = 0;
/// TCP, also a level.
pub const IPPROTO_TCP: u32 = 6;
/// UDP, also a level.
pub const IPPROTO_UDP: u32 = 17;
/// Level of IPv6.
pub const IPPROTO_IPV6: u32 = 41;

/// Control message: descriptors.
pub const SCM_RIGHTS: u32 = 1;
/// Control message: who sent it.
pub const SCM_CREDENTIALS: u32 = 2;
/// Most descriptors of a message.
pub const SCM_MAX_FD: usize = 253;

/// Options of `SOL_SOCKET`.
pub mod so {
    /// Another socket may have the address.
    pub const REUSEADDR: u32 = 2;
    /// The type.
    pub const TYPE: u32 = 3;
    /// The error that is pending; reading takes it.
    pub const ERROR: u32 = 4;
    /// Bytes that may be under way.
    pub const SNDBUF: u32 = 7;
    /// Bytes that may wait to be read.
    pub const RCVBUF: u32 = 8;
    /// What close does with data under way.
    pub const LINGER: u32 = 13;
    /// Other sockets may have the port.
    pub const REUSEPORT: u32 = 15;
    /// Messages come with who sent them.
    pub const PASSCRED: u32 = 16;
    /// Who connected.
    pub const PEERCRED: u32 = 17;
    /// How long a receive waits.
    pub const RCVTIMEO: u32 = 20;
    /// How long a send waits.
    pub const SNDTIMEO: u32 = 21;
    /// Whether it listens.
    pub const ACCEPTCONN: u32 = 30;
    /// As `SNDBUF`, past its limit.
    pub const SNDBUFFORCE: u32 = 32;
    /// As `RCVBUF`, past its limit.
    pub const RCVBUFFORCE: u32 = 33;
    /// The protocol.
    pub const PROTOCOL: u32 = 38;
    /// The family.
    pub const DOMAIN: u32 = 39;
}

/// `IPPROTO_IPV6`: no IPv4 through this socket.
pub const IPV6_V6ONLY: u32 = 26;
/// `IPPROTO_TCP`: the congestion control, a name.
pub const TCP_CONGESTION: u32 = 13;
