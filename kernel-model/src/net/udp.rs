//! UDP over the loopback device.
//! Source: Linux 6.18 `net/ipv4/{udp,datagram}.c`; udp(7).

use perf_core::Errno;

use super::address::{Address, InetAddress};
use super::inet::route;
use super::queue::Message;
use super::socket::Outgoing;
use super::{Family, SockType, SocketId, State, shut};
use crate::kernel::Kernel;

/// Most bytes of a message, in IPv4 and in IPv6.
const MAX_BYTES_V4: usize = 65_507;
const MAX_BYTES_V6: usize = 65_527;
/// What a message takes of the receiver's buffer beside its bytes.
const OVERHEAD_BYTES: usize = 576;

impl Kernel {
    /// `connect`: `None` ends it.
    ///
    /// # Errors
    /// ENETUNREACH.
    pub(crate) fn udp_connect(
        &mut self,
        id: SocketId,
        to: Option<InetAddress>,
    ) -> Result<(), Errno> {
        let Some(to) = to else {
            self.inet_disconnect(id);
            return Ok(());
        };
        let (to, from) = route(to)?;
        self.inet_autobind(id, from)?;
        let socket = self.net.socket_mut(id);
        (socket.remote, socket.state) = (Some(Address::Inet(to)), State::Established);
        Ok(())
    }

    /// Sends a message. Where nobody is there, a connected sender is told at its next call; where
    /// the receiver's buffer is full it is lost.
    pub(super) fn udp_send(
        &mut self,
        id: SocketId,
        out: &mut Outgoing<'_>,
    ) -> Result<usize, Errno> {
        let socket = self.net.socket_mut(id);
        let most = if socket.family == Family::Inet { MAX_BYTES_V4 } else { MAX_BYTES_V6 };
        if out.bytes.len() > most {
            return Err(Errno::EMSGSIZE);
        }
        let to = match &out.to {
            Some(Address::Inet(to)) if to.port == 0 => return Err(Errno::EINVAL),
            Some(Address::Inet(to)) => *to,
            _ => socket.inet_remote().ok_or(Errno::EDESTADDRREQ)?,
        };
        socket.take_error()?;
        if socket.shutdown & shut::SEND != 0 {
            return Err(Errno::EPIPE);
        }
        let (to, source) = route(to)?;
        let from = match self.net.socket(id).inet_local() {
            Some(local) if local.ip.is_any() => InetAddress { ip: source, ..local },
            Some(local) => local,
            None => {
                // The port is its own from now on, the address that of every message.
                let ip = self.net.socket(id).any_address();
                let port = self.ephemeral_port(id, ip)?;
                self.net.socket_mut(id).local = Some(Address::Inet(InetAddress { ip, port }));
                InetAddress { ip: source, port }
            }
        };
        let Some(receiver) = self.udp_receiver(to, from) else {
            let socket = self.net.socket_mut(id);
            if socket.is_established() {
                socket.error = Some(Errno::ECONNREFUSED);
                self.socket_changed(id);
            }
            return Ok(out.bytes.len());
        };
        let target = self.net.socket_mut(receiver);
        let waiting = target.queue.nr_bytes() + target.queue.len() * OVERHEAD_BYTES;
        if waiting <= target.options.receive_buffer() {
            target.queue.push(Message {
                bytes: out.bytes.to_vec(),
                from: Some(Address::Inet(from)),
                ..Message::default()
            });
            self.socket_readable(receiver);
        }
        Ok(out.bytes.len())
    }

    fn udp_receiver(&self, to: InetAddress, from: InetAddress) -> Option<SocketId> {
        let all = self
            .net
            .sockets
            .iter()
            .filter(|(_, socket)| !socket.is_unix() && socket.kind == SockType::Dgram);
        let fitting =
            all.filter_map(|(id, socket)| Some((Self::fit(socket, to, Some(from))?, *id)));
        fitting.max_by_key(|(fit, id)| (*fit, *id)).map(|(_, id)| id)
    }

    /// `shutdown`.
    pub(super) fn udp_shutdown(&mut self, id: SocketId, how: u8) -> Result<(), Errno> {
        let socket = self.net.socket_mut(id);
        socket.shutdown |= how;
        let is_connected = socket.is_established();
        self.socket_changed(id);
        if is_connected { Ok(()) } else { Err(Errno::ENOTCONN) }
    }
}
