//! What getsockopt tells and setsockopt changes.
//!
//! Most options are numbers that are only remembered: they are in one table, with what they are
//! at first. Those that the model heeds have methods.
//! Source: Linux 6.18 `net/core/sock.c`, `net/ipv4/tcp.c`, `net/ipv4/ip_sockglue.c`,
//! `net/ipv6/ipv6_sockglue.c`.

use std::collections::BTreeMap;

use perf_core::Errno;

use super::{Family, SockType};
use crate::uapi::socket::{
    IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV6_V6ONLY, SOL_SOCKET, so,
};

/// Default of `SO_SNDBUF` and `SO_RCVBUF` (`net.core.wmem_default`).
const BUFFER_BYTES: i32 = 212_992;
/// The most that `SO_SNDBUF` and `SO_RCVBUF` take (`net.core.wmem_max`).
const MAX_BUFFER_BYTES: i32 = 4_194_304;
/// The least (`SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`).
const MIN_SEND_BYTES: i32 = 4608;
const MIN_RECEIVE_BYTES: i32 = 2304;
/// Of TCP sockets before and once they are connected over the loopback device.
const TCP_SEND_BYTES: i32 = 16_384;
const TCP_RECEIVE_BYTES: i32 = 131_072;
const TCP_CONNECTED_SEND_BYTES: i32 = 2_626_560;

/// What values a number may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// Any becomes 0 or 1.
    Bool,
    /// A number.
    Number,
    /// A number that cannot be set.
    ReadOnly,
}

/// A number: level, name, what it is at first, and its values.
type Known = (u32, u32, i32, Values);

const KNOWN: &[Known] = &[
    (SOL_SOCKET, 1, 0, Values::Bool),
    (SOL_SOCKET, so::REUSEADDR, 0, Values::Bool),
    (SOL_SOCKET, 5, 0, Values::Bool),
    (SOL_SOCKET, 6, 0, Values::Bool),
    (SOL_SOCKET, so::SNDBUF, BUFFER_BYTES, Values::Number),
    (SOL_SOCKET, so::RCVBUF, BUFFER_BYTES, Values::Number),
    (SOL_SOCKET, 9, 0, Values::Bool),
    (SOL_SOCKET, 10, 0, Values::Bool),
    (SOL_SOCKET, 11, 0, Values::Bool),
    (SOL_SOCKET, 12, 0, Values::Number),
    (SOL_SOCKET, so::REUSEPORT, 0, Values::Bool),
    (SOL_SOCKET, so::PASSCRED, 0, Values::Bool),
    (SOL_SOCKET, 18, 1, Values::Number),
    (SOL_SOCKET, 19, 1, Values::ReadOnly),
    (SOL_SOCKET, 29, 0, Values::Bool),
    (SOL_SOCKET, 36, 0, Values::Number),
    (SOL_SOCKET, 40, 0, Values::Bool),
    (SOL_SOCKET, 49, 0, Values::Number),
    (IPPROTO_IP, 1, 0, Values::Number),
    (IPPROTO_IP, 2, 64, Values::Number),
    (IPPROTO_IP, 6, 0, Values::Bool),
    (IPPROTO_IP, 8, 0, Values::Bool),
    (IPPROTO_IP, 10, 1, Values::Number),
    (IPPROTO_IP, 11, 0, Values::Bool),
    (IPPROTO_IP, 12, 0, Values::Bool),
    (IPPROTO_IP, 13, 0, Values::Bool),
    (IPPROTO_IP, 15, 0, Values::Bool),
    (IPPROTO_IP, 33, 1, Values::Number),
    (IPPROTO_IP, 34, 1, Values::Bool),
    (IPPROTO_TCP, 1, 0, Values::Bool),
    (IPPROTO_TCP, 2, 536, Values::Number),
    (IPPROTO_TCP, 3, 0, Values::Bool),
    (IPPROTO_TCP, 4, 7200, Values::Number),
    (IPPROTO_TCP, 5, 75, Values::Number),
    (IPPROTO_TCP, 6, 9, Values::Number),
    (IPPROTO_TCP, 7, 6, Values::Number),
    (IPPROTO_TCP, 8, 60, Values::Number),
    (IPPROTO_TCP, 9, 0, Values::Number),
    (IPPROTO_TCP, 12, 1, Values::Bool),
    (IPPROTO_TCP, 18, 0, Values::Number),
    (IPPROTO_UDP, 1, 0, Values::Bool),
    (IPPROTO_IPV6, 16, 64, Values::Number),
    (IPPROTO_IPV6, 23, 1, Values::Number),
    (IPPROTO_IPV6, 25, 0, Values::Bool),
    (IPPROTO_IPV6, IPV6_V6ONLY, 0, Values::Bool),
    (IPPROTO_IPV6, 49, 0, Values::Bool),
    (IPPROTO_IPV6, 51, 0, Values::Bool),
    (IPPROTO_IPV6, 66, 0, Values::Bool),
    (IPPROTO_IPV6, 67, 0, Values::Number),
];

/// The options of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    family: Family,
    kind: SockType,
    /// Numbers that are not what they are at first.
    numbers: BTreeMap<(u32, u32), i32>,
    /// What close does: seconds that it waits, where it does (`SO_LINGER`).
    pub(crate) linger: Option<i32>,
    /// How long a receive waits, ns.
    pub(crate) receive_timeout: Option<u64>,
    /// How long a send waits, ns.
    pub(crate) send_timeout: Option<u64>,
}

impl Options {
    pub(crate) fn new(family: Family, kind: SockType) -> Self {
        let numbers = BTreeMap::new();
        let mut options =
            Self { family, kind, numbers, linger: None, receive_timeout: None, send_timeout: None };
        if options.is_tcp() {
            options.set_buffer(so::SNDBUF, TCP_SEND_BYTES);
            options.set_buffer(so::RCVBUF, TCP_RECEIVE_BYTES);
        }
        options
    }

    fn is_tcp(&self) -> bool {
        self.family != Family::Unix && self.kind == SockType::Stream
    }

    fn set_buffer(&mut self, name: u32, bytes: i32) {
        self.numbers.insert((SOL_SOCKET, name), bytes);
    }

    /// A TCP connection was made: its buffer has grown, unless the program has set it.
    pub(crate) fn tcp_connected(&mut self) {
        if self.send_buffer() == TCP_SEND_BYTES as usize {
            self.set_buffer(so::SNDBUF, TCP_CONNECTED_SEND_BYTES);
        }
    }

    /// The entry of an option that this kind of socket has.
    fn known(&self, level: u32, name: u32) -> Result<&'static Known, Errno> {
        let has_level = match level {
            SOL_SOCKET => true,
            _ if self.family == Family::Unix => return Err(Errno::EOPNOTSUPP),
            IPPROTO_TCP => self.kind == SockType::Stream,
            IPPROTO_UDP => self.kind == SockType::Dgram,
            IPPROTO_IPV6 => self.family == Family::Inet6,
            level => level == IPPROTO_IP,
        };
        let found = KNOWN.iter().find(|known| (known.0, known.1) == (level, name));
        found.filter(|_| has_level).ok_or(Errno::ENOPROTOOPT)
    }

    /// A number.
    ///
    /// # Errors
    /// ENOPROTOOPT; EOPNOTSUPP for levels that unix sockets have not.
    pub(crate) fn number(&self, level: u32, name: u32) -> Result<i32, Errno> {
        let known = self.known(level, name)?;
        Ok(self.numbers.get(&(level, name)).copied().unwrap_or(known.2))
    }

    /// Sets a number.
    ///
    /// # Errors
    /// ENOPROTOOPT; EOPNOTSUPP for levels that unix sockets have not.
    pub(crate) fn set_number(&mut self, level: u32, name: u32, value: i32) -> Result<(), Errno> {
        let known = self.known(level, name)?;
        let value = match (known.3, level, name) {
            (Values::ReadOnly, ..) => return Err(Errno::ENOPROTOOPT),
            (Values::Bool, ..) => i32::from(value != 0),
            (Values::Number, SOL_SOCKET, so::SNDBUF) => doubled(value, MIN_SEND_BYTES),
            (Values::Number, SOL_SOCKET, so::RCVBUF) => doubled(value, MIN_RECEIVE_BYTES),
            (Values::Number, ..) => value,
        };
        self.numbers.insert((level, name), value);
        Ok(())
    }

    fn is_set(&self, level: u32, name: u32) -> bool {
        self.number(level, name).is_ok_and(|value| value != 0)
    }

    pub(crate) fn send_buffer(&self) -> usize {
        self.number(SOL_SOCKET, so::SNDBUF).map_or(0, |bytes| bytes as usize)
    }

    pub(crate) fn receive_buffer(&self) -> usize {
        self.number(SOL_SOCKET, so::RCVBUF).map_or(0, |bytes| bytes as usize)
    }

    pub(crate) fn reuse_address(&self) -> bool {
        self.is_set(SOL_SOCKET, so::REUSEADDR)
    }

    pub(crate) fn reuse_port(&self) -> bool {
        self.is_set(SOL_SOCKET, so::REUSEPORT)
    }

    pub(crate) fn pass_cred(&self) -> bool {
        self.is_set(SOL_SOCKET, so::PASSCRED)
    }

    pub(crate) fn v6_only(&self) -> bool {
        self.is_set(IPPROTO_IPV6, IPV6_V6ONLY)
    }
}

/// The kernel doubles what is asked for, for its own use of the buffer.
fn doubled(bytes: i32, least: i32) -> i32 {
    // As an unsigned number: negative ones are very large.
    (bytes as u32).min(MAX_BUFFER_BYTES as u32).saturating_mul(2).max(least as u32) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_level() {
        let mut tcp = Options::new(Family::Inet, SockType::Stream);
        assert_eq!(tcp.number(SOL_SOCKET, so::SNDBUF), Ok(16_384));
        tcp.tcp_connected();
        assert_eq!(tcp.number(SOL_SOCKET, so::SNDBUF), Ok(2_626_560));
        assert_eq!(tcp.set_number(IPPROTO_TCP, 1, 5), Ok(()));
        assert_eq!(tcp.number(IPPROTO_TCP, 1), Ok(1));
        assert_eq!(tcp.number(IPPROTO_IPV6, IPV6_V6ONLY), Err(Errno::ENOPROTOOPT));
        let mut unix = Options::new(Family::Unix, SockType::Dgram);
        assert_eq!(unix.number(IPPROTO_TCP, 1), Err(Errno::EOPNOTSUPP));
        for (asked, got) in [(1, 4608), (5000, 10_000), (-1, 8_388_608)] {
            unix.set_number(SOL_SOCKET, so::SNDBUF, asked).unwrap();
            assert_eq!(unix.number(SOL_SOCKET, so::SNDBUF), Ok(got));
        }
        assert_eq!(unix.set_number(SOL_SOCKET, 19, 1), Err(Errno::ENOPROTOOPT));
    }
}
