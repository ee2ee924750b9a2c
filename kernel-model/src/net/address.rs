//! Addresses of sockets, as programs write them and as sockets keep them.
//!
//! IPv4 addresses are kept as the IPv6 addresses that stand for them, so that sockets of both
//! families meet.
//! Source: Linux 6.18 `include/uapi/linux/{un,in,in6}.h`, `net/unix/af_unix.c`
//! (`unix_validate_addr`).

use perf_core::Errno;

use super::Family;
use crate::uapi::put;
use crate::uapi::socket::{AF_INET, AF_INET6, AF_UNIX};

/// Bytes of `struct sockaddr_un`.
const SOCKADDR_UN_BYTES: usize = 110;
/// Bytes of `struct sockaddr_in`.
pub(crate) const SOCKADDR_IN_BYTES: usize = 16;
/// Bytes of `struct sockaddr_in6`, and of it without the scope.
const SOCKADDR_IN6_BYTES: usize = 28;
const SIN6_LEN_RFC2133: usize = 24;
/// The largest address that the kernel copies (`struct sockaddr_storage`).
pub(crate) const SOCKADDR_STORAGE_BYTES: usize = 128;

/// A name of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnixAddress {
    /// A path, without its zero byte.
    Path(Vec<u8>),
    /// A name outside of the file system, without the zero byte before it.
    Abstract(Vec<u8>),
}

/// An IP address, as IPv6 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ip(pub u128);

impl Ip {
    /// `::`.
    pub const ANY6: Self = Self(0);
    /// `::1`.
    pub const LOOPBACK6: Self = Self(1);
    /// `0.0.0.0`.
    pub const ANY4: Self = Self::v4(0);
    /// `127.0.0.1`.
    pub const LOOPBACK4: Self = Self::v4(0x7f00_0001);

    /// An IPv4 address (`::ffff:a.b.c.d`).
    #[must_use]
    pub const fn v4(bits: u32) -> Self {
        Self(0xffff << 32 | bits as u128)
    }

    /// The IPv4 address that it stands for.
    #[must_use]
    pub const fn to_v4(self) -> Option<u32> {
        if self.0 >> 32 == 0xffff { Some(self.0 as u32) } else { None }
    }

    /// Whether it stands for every address of its family.
    #[must_use]
    pub fn is_any(self) -> bool {
        self == Self::ANY4 || self == Self::ANY6
    }

    /// Whether it is one of the machine's own: 127.0.0.0/8 and `::1`.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self == Self::LOOPBACK6 || self.to_v4().is_some_and(|bits| bits >> 24 == 127)
    }
}

/// An IP address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InetAddress {
    /// The address.
    pub ip: Ip,
    /// The port; 0 is none.
    pub port: u16,
}

/// An address of any family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket that has no name.
    Unnamed,
    /// Of a unix socket.
    Unix(UnixAddress),
    /// Of an IP socket.
    Inet(InetAddress),
}

/// The family that the bytes name; `None` where there are too few.
pub(crate) fn family_of(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|family| u16::from_le_bytes(*family))
}

/// Reads `struct sockaddr_un`; [`Address::Unnamed`] where the name is empty.
///
/// # Errors
/// EINVAL.
pub(crate) fn parse_unix(bytes: &[u8]) -> Result<Address, Errno> {
    if family_of(bytes) != Some(AF_UNIX) || bytes.len() > SOCKADDR_UN_BYTES {
        return Err(Errno::EINVAL);
    }
    let name = &bytes[2..];
    Ok(match name.split_first() {
        None => Address::Unnamed,
        Some((0, rest)) => Address::Unix(UnixAddress::Abstract(rest.to_vec())),
        Some(_) => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Address::Unix(UnixAddress::Path(name[..end].to_vec()))
        }
    })
}

/// Reads `struct sockaddr_in` or `struct sockaddr_in6`.
///
/// # Errors
/// EINVAL where it is too short; EAFNOSUPPORT for another family.
pub(crate) fn parse_inet(bytes: &[u8], family: Family) -> Result<InetAddress, Errno> {
    let (wanted, least) = match family {
        Family::Inet6 => (AF_INET6, SIN6_LEN_RFC2133),
        Family::Inet | Family::Unix => (AF_INET, SOCKADDR_IN_BYTES),
    };
    if bytes.len() < least {
        return Err(Errno::EINVAL);
    }
    if family_of(bytes) != Some(wanted) {
        return Err(Errno::EAFNOSUPPORT);
    }
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte))
    };
    let ip = match family {
        Family::Inet6 => Ip(number(8, 16)),
        Family::Inet | Family::Unix => Ip::v4(number(4, 4) as u32),
    };
    Ok(InetAddress { ip, port })
}

impl Address {
    /// As programs of a socket of `family` see it.
    #[must_use]
    pub fn to_bytes(&self, family: Family) -> Vec<u8> {
        match self {
            Self::Unnamed => AF_UNIX.to_le_bytes().to_vec(),
            Self::Unix(UnixAddress::Path(path)) => {
                [&AF_UNIX.to_le_bytes()[..], path, &[0]].concat()
            }
            Self::Unix(UnixAddress::Abstract(name)) => {
                [&AF_UNIX.to_le_bytes()[..], &[0], name].concat()
            }
            Self::Inet(address) => address.to_bytes(family),
        }
    }
}

impl InetAddress {
    fn to_bytes(self, family: Family) -> Vec<u8> {
        let port = self.port.to_be_bytes();
        if family == Family::Inet6 {
            let mut bytes = [0; SOCKADDR_IN6_BYTES];
            put(&mut bytes, 0, AF_INET6.to_le_bytes());
            put(&mut bytes, 2, port);
            put(&mut bytes, 8, self.ip.0.to_be_bytes());
            return bytes.to_vec();
        }
        let mut bytes = [0; SOCKADDR_IN_BYTES];
        put(&mut bytes, 0, AF_INET.to_le_bytes());
        put(&mut bytes, 2, port);
        put(&mut bytes, 4, self.ip.to_v4().unwrap_or(0).to_be_bytes());
        bytes.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_names_end_where_they_should() {
        let path = |text: &[u8]| Ok(Address::Unix(UnixAddress::Path(text.to_vec())));
        let name = |text: &[u8]| Ok(Address::Unix(UnixAddress::Abstract(text.to_vec())));
        for (bytes, want) in [
            (&b"\x01\x00a/b"[..], path(b"a/b")),
            (b"\x01\x00a\x00b", path(b"a")),
            (b"\x01\x00\x00a\x00", name(b"a\x00")),
            (b"\x01\x00", Ok(Address::Unnamed)),
            (b"\x02\x00a", Err(Errno::EINVAL)),
            (b"\x01", Err(Errno::EINVAL)),
            (&[1; 111], Err(Errno::EINVAL)),
        ] {
            assert_eq!(parse_unix(bytes), want, "{bytes:?}");
        }
        let path = Address::Unix(UnixAddress::Path(b"ab".to_vec()));
        assert_eq!(path.to_bytes(Family::Unix), b"\x01\x00ab\x00");
    }

    #[test]
    fn ip_addresses_of_both_families_meet() {
        let bytes = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let address = parse_inet(&bytes, Family::Inet).unwrap();
        assert_eq!(address, InetAddress { ip: Ip::LOOPBACK4, port: 8080 });
        assert_eq!(Address::Inet(address).to_bytes(Family::Inet), bytes);
        let mapped = Address::Inet(address).to_bytes(Family::Inet6);
        assert_eq!(parse_inet(&mapped, Family::Inet6), Ok(address));
        assert_eq!(parse_inet(&mapped, Family::Inet), Err(Errno::EAFNOSUPPORT));
        assert_eq!(parse_inet(&bytes[..15], Family::Inet), Err(Errno::EINVAL));
        assert!(Ip::v4(0x7f01_0203).is_loopback() && !Ip::v4(0x0a00_0001).is_loopback());
    }
}
