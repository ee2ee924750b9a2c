//! Addresses and ports of IP sockets. There is only the loopback device: 127.0.0.0/8 and `::1`.
//! Source: Linux 6.18 `net/ipv4/{af_inet,inet_connection_sock,udp}.c`, `net/ipv6/af_inet6.c`.

use perf_core::{Errno, TaskId};

use super::address::{Address, InetAddress, Ip};
use super::socket::Release;
use super::{Family, Socket, SocketId, shut};
use crate::kernel::Kernel;

/// First ephemeral port, and how many there are (`ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32_768;
const NR_EPHEMERAL: u16 = 60_999 - FIRST_EPHEMERAL + 1;
/// Ports below are the superuser's (`ip_unprivileged_port_start`).
const FIRST_FREE_PORT: u16 = 1024;

/// Whether two addresses are those of one packet: the same, or one stands for all of a family.
fn overlap(a: Ip, a_only: bool, b: Ip, b_only: bool) -> bool {
    let covers = |any: Ip, only: bool, ip: Ip| match any {
        Ip::ANY6 => !only || ip.to_v4().is_none(),
        Ip::ANY4 => ip.to_v4().is_some() || ip == Ip::ANY6,
        _ => false,
    };
    if a == Ip::ANY4 && b == Ip::ANY6 {
        return !b_only;
    }
    if b == Ip::ANY4 && a == Ip::ANY6 {
        return !a_only;
    }
    a == b || covers(a, a_only, b) || covers(b, b_only, a)
}

/// The address that a packet to `to` goes to, and the one it comes from.
///
/// # Errors
/// ENETUNREACH for whatever is not the machine itself.
pub(super) fn route(to: InetAddress) -> Result<(InetAddress, Ip), Errno> {
    let ip = match to.ip {
        Ip::ANY4 => Ip::LOOPBACK4,
        Ip::ANY6 => Ip::LOOPBACK6,
        ip => ip,
    };
    if !ip.is_loopback() {
        return Err(Errno::ENETUNREACH);
    }
    let from = if ip.to_v4().is_some() { Ip::LOOPBACK4 } else { Ip::LOOPBACK6 };
    Ok((InetAddress { ip, ..to }, from))
}

impl Kernel {
    /// `bind`.
    ///
    /// # Errors
    /// EINVAL where it has an address; EADDRNOTAVAIL for addresses of others; EACCES for ports of
    /// the superuser; EADDRINUSE.
    pub(crate) fn inet_bind(
        &mut self,
        task: TaskId,
        id: SocketId,
        mut address: InetAddress,
    ) -> Result<(), Errno> {
        let socket = self.net.socket(id);
        if !address.ip.is_any() && !address.ip.is_loopback() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if socket.family == Family::Inet6
            && socket.options.v6_only()
            && address.ip.to_v4().is_some()
        {
            return Err(Errno::EINVAL);
        }
        let is_reserved = (1..FIRST_FREE_PORT).contains(&address.port);
        if is_reserved && self.tasks.task(task).cred.user.effective != 0 {
            return Err(Errno::EACCES);
        }
        if socket.local.is_some() || socket.is_tcp() && socket.state != super::State::Closed {
            return Err(Errno::EINVAL);
        }
        if address.port == 0 {
            address.port = self.ephemeral_port(id, address.ip)?;
        } else if self.is_in_use(id, address) {
            return Err(Errno::EADDRINUSE);
        }
        self.net.socket_mut(id).local = Some(Address::Inet(address));
        Ok(())
    }

    /// Gives a socket without an address one, to send from `ip`.
    pub(super) fn inet_autobind(&mut self, id: SocketId, ip: Ip) -> Result<InetAddress, Errno> {
        let local = match self.net.socket(id).inet_local() {
            Some(local) if !local.ip.is_any() => return Ok(local),
            Some(local) => InetAddress { ip, ..local },
            None => InetAddress { ip, port: self.ephemeral_port(id, ip)? },
        };
        self.net.socket_mut(id).local = Some(Address::Inet(local));
        Ok(local)
    }

    /// A port that nobody has: the next one in the range, so that runs are alike.
    pub(super) fn ephemeral_port(&mut self, id: SocketId, ip: Ip) -> Result<u16, Errno> {
        for _ in 0..NR_EPHEMERAL {
            let port = FIRST_EPHEMERAL + self.net.nr_ephemeral;
            self.net.nr_ephemeral = (self.net.nr_ephemeral + 1) % NR_EPHEMERAL;
            if !self.has_port(id, InetAddress { ip, port }) {
                return Ok(port);
            }
        }
        Err(Errno::EADDRINUSE)
    }

    /// Other sockets of the same protocol whose addresses overlap.
    fn others_at(&self, id: SocketId, address: InetAddress) -> impl Iterator<Item = &Socket> {
        let own = self.net.socket(id);
        let (is_tcp, only) = (own.is_tcp(), own.options.v6_only());
        self.net
            .sockets
            .iter()
            .filter(move |(other, _)| **other != id)
            .map(|(_, socket)| socket)
            .filter(move |other| {
                !other.is_unix()
                    && other.is_tcp() == is_tcp
                    && other.inet_local().is_some_and(|local| {
                        local.port == address.port
                            && overlap(local.ip, other.options.v6_only(), address.ip, only)
                    })
            })
    }

    fn has_port(&self, id: SocketId, address: InetAddress) -> bool {
        self.others_at(id, address).next().is_some()
    }

    /// Whether another socket keeps an address from being bound (`inet_csk_bind_conflict`).
    fn is_in_use(&self, id: SocketId, address: InetAddress) -> bool {
        let own = self.net.socket(id);
        let (reuses, shares) = (own.options.reuse_address(), own.options.reuse_port());
        let is_tcp = own.is_tcp();
        let in_the_way = |other: &Socket| {
            let both_reuse = reuses && other.options.reuse_address() && !other.is_listening();
            let both_share = shares && other.options.reuse_port();
            !both_reuse && !both_share
        };
        self.others_at(id, address).any(in_the_way) || is_tcp && self.is_in_time_wait(address, own)
    }

    /// What a socket that goes leaves behind.
    pub(super) fn inet_released(&mut self, id: SocketId, socket: &Socket, how: Release) {
        if socket.is_tcp() {
            self.tcp_released(id, socket, how);
        }
    }

    /// Whether a bound socket takes what is sent to an address, and how well it fits: what has
    /// just the address before what takes all, then what is connected to the sender, then what is
    /// of the address's family (`compute_score`).
    pub(super) fn fit(socket: &Socket, to: InetAddress, from: Option<InetAddress>) -> Option<u8> {
        let local = socket.inet_local()?;
        if local.port != to.port {
            return None;
        }
        let by_address = match local.ip {
            ip if ip == to.ip => 4,
            Ip::ANY6 if to.ip.to_v4().is_none() || !socket.options.v6_only() => 0,
            Ip::ANY4 if to.ip.to_v4().is_some() => 0,
            _ => return None,
        };
        let is_v4 = to.ip.to_v4().is_some();
        let by_family = u8::from(is_v4 == (socket.family == Family::Inet));
        match socket.inet_remote() {
            None => Some(by_address + by_family),
            Some(remote) if Some(remote) == from => Some(by_address + by_family + 2),
            Some(_) => None,
        }
    }

    /// Ends what a socket of messages is connected to.
    pub(super) fn inet_disconnect(&mut self, id: SocketId) {
        let socket = self.net.socket_mut(id);
        (socket.remote, socket.state) = (None, super::State::Closed);
        socket.shutdown &= !shut::BOTH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_across_families() {
        let other = Ip::v4(0x7f00_0002);
        for (a, only, b, want) in [
            (Ip::LOOPBACK4, false, Ip::LOOPBACK4, true),
            (Ip::LOOPBACK4, false, other, false),
            (Ip::ANY4, false, other, true),
            (Ip::ANY4, false, Ip::LOOPBACK6, false),
            (Ip::ANY6, false, Ip::LOOPBACK6, true),
            (Ip::ANY6, false, Ip::LOOPBACK4, true),
            (Ip::ANY6, true, Ip::LOOPBACK4, false),
            (Ip::ANY6, true, Ip::ANY4, false),
            (Ip::ANY6, false, Ip::ANY4, true),
        ] {
            assert_eq!(overlap(a, only, b, false), want, "{a:?} {b:?}");
            assert_eq!(overlap(b, false, a, only), want, "{b:?} {a:?}");
        }
    }

    #[test]
    fn only_the_machine_itself_is_reached() {
        let to = |ip| route(InetAddress { ip, port: 5 }).map(|(to, from)| (to.ip, from));
        assert_eq!(to(Ip::ANY4), Ok((Ip::LOOPBACK4, Ip::LOOPBACK4)));
        assert_eq!(to(Ip::v4(0x7f01_0101)), Ok((Ip::v4(0x7f01_0101), Ip::LOOPBACK4)));
        assert_eq!(to(Ip::ANY6), Ok((Ip::LOOPBACK6, Ip::LOOPBACK6)));
        assert_eq!(to(Ip::v4(0x0808_0808)), Err(Errno::ENETUNREACH));
    }
}
