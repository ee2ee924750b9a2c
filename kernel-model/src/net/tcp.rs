//! TCP over the loopback device: what is sent is there at once, in order and complete.
//! Source: Linux 6.18 `net/ipv4/{tcp,tcp_input,tcp_ipv4,af_inet}.c`; tcp(7).

use std::collections::VecDeque;

use perf_core::Errno;

use super::address::{Address, InetAddress};
use super::inet::route;
use super::queue::Message;
use super::socket::{Connected, Outgoing, Release, Sent};
use super::{Socket, SocketId, State, shut};
use crate::kernel::Kernel;

/// Bytes that go at once.
const PIECE_BYTES: usize = 65_536;
/// How long an address is kept after its connection (`TCP_TIMEWAIT_LEN`), ns.
const TIME_WAIT_NS: u64 = 60_000_000_000;

/// An address whose connection has ended a short time ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    address: InetAddress,
    until_ns: u64,
    /// Whether others that ask for it may have it.
    is_reusable: bool,
    /// Whether others that share ports may have it.
    is_shared: bool,
}

impl Kernel {
    /// `listen`; one without an address gets a port.
    ///
    /// # Errors
    /// EINVAL for a connected one; EADDRINUSE where another one listens there.
    pub(super) fn tcp_listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        let socket = self.net.socket(id);
        let waiting = match &socket.state {
            State::Closed => VecDeque::new(),
            State::Listening { waiting, .. } => waiting.clone(),
            State::Connecting | State::Established => return Err(Errno::EINVAL),
        };
        match socket.inet_local() {
            None => {
                let ip = socket.any_address();
                let port = self.ephemeral_port(id, ip)?;
                self.net.socket_mut(id).local = Some(Address::Inet(InetAddress { ip, port }));
            }
            Some(local) => {
                let shares = socket.options.reuse_port();
                let is_taken = self.net.sockets.iter().any(|(other, there)| {
                    *other != id
                        && there.is_tcp()
                        && there.is_listening()
                        && there.inet_local() == Some(local)
                        && !(shares && there.options.reuse_port())
                });
                if is_taken {
                    return Err(Errno::EADDRINUSE);
                }
            }
        }
        let socket = self.net.socket_mut(id);
        socket.state = State::Listening { backlog, waiting };
        socket.shutdown = 0;
        Ok(())
    }

    /// `connect`. One that has to wait stays in [`State::Connecting`] until there is room.
    ///
    /// # Errors
    /// EISCONN, EALREADY, ECONNREFUSED, ENETUNREACH.
    pub(crate) fn tcp_connect(
        &mut self,
        id: SocketId,
        to: InetAddress,
    ) -> Result<Connected, Errno> {
        let socket = self.net.socket_mut(id);
        match &socket.state {
            State::Listening { .. } | State::Established => return Err(Errno::EISCONN),
            State::Connecting => return Err(Errno::EALREADY),
            // Once connected it stays so, until it is taken back.
            State::Closed if socket.peer.is_some() => return Err(Errno::EISCONN),
            State::Closed => socket.take_error()?,
        }
        let (to, from) = route(to)?;
        if to.port == 0 {
            return Err(Errno::ECONNREFUSED);
        }
        self.inet_autobind(id, from)?;
        let socket = self.net.socket_mut(id);
        (socket.shutdown, socket.is_done) = (0, false);
        let listener = self.tcp_listener_at(to).ok_or(Errno::ECONNREFUSED)?;
        self.net.socket_mut(id).remote = Some(Address::Inet(to));
        if self.net.socket(listener).is_backlog_full() {
            self.net.socket_mut(id).state = State::Connecting;
            return Ok(Connected::WouldBlock(id));
        }
        self.tcp_establish(id, listener, to);
        Ok(Connected::Done)
    }

    fn tcp_listener_at(&self, to: InetAddress) -> Option<SocketId> {
        let listeners =
            self.net.sockets.iter().filter(|(_, socket)| socket.is_tcp() && socket.is_listening());
        let fitting =
            listeners.filter_map(|(id, socket)| Some((Self::fit(socket, to, None)?, *id)));
        // Of those that fit alike the first one.
        fitting.max_by_key(|(fit, id)| (*fit, std::cmp::Reverse(*id))).map(|(_, id)| id)
    }

    fn tcp_establish(&mut self, id: SocketId, listener: SocketId, to: InetAddress) {
        let listens = self.net.socket(listener);
        let mut accepted = Socket::new(listens.family, listens.kind);
        accepted.options = listens.options.clone();
        accepted.options.tcp_connected();
        accepted.state = State::Established;
        accepted.peer = Some(id);
        accepted.local = Some(Address::Inet(to));
        accepted.remote = self.net.socket(id).local.clone();
        let accepted = self.net.insert(accepted);
        let socket = self.net.socket_mut(id);
        (socket.state, socket.peer) = (State::Established, Some(accepted));
        socket.options.tcp_connected();
        if let State::Listening { waiting, .. } = &mut self.net.socket_mut(listener).state {
            waiting.push_back(accepted);
        }
        self.socket_readable(listener);
    }

    /// A listener has room: connects whoever waits for it first.
    pub(super) fn tcp_connect_waiting(&mut self, listener: SocketId) {
        let waiting = self.net.sockets.iter().find_map(|(id, socket)| {
            let to = socket.inet_remote().filter(|_| socket.state == State::Connecting)?;
            (self.tcp_listener_at(to) == Some(listener)).then_some((*id, to))
        });
        if let Some((id, to)) = waiting.filter(|_| !self.net.socket(listener).is_backlog_full()) {
            self.tcp_establish(id, listener, to);
            self.socket_changed(id);
        }
    }

    /// Sends; what comes behind the end of the other side resets the connection.
    pub(super) fn tcp_send(&mut self, id: SocketId, out: &mut Outgoing<'_>) -> Sent {
        let socket = self.net.socket_mut(id);
        if let Err(errno) = socket.take_error() {
            return Sent::Err(errno);
        }
        match socket.state {
            State::Connecting => return Sent::WouldBlock(id),
            _ if socket.shutdown & shut::SEND != 0 => return Sent::Err(Errno::EPIPE),
            State::Closed | State::Listening { .. } => return Sent::Err(Errno::EPIPE),
            State::Established => {}
        }
        let Some(peer) = self.net.peer_of(id) else {
            if !out.bytes.is_empty() {
                self.tcp_reset(id);
            }
            return Sent::Done(out.bytes.len());
        };
        let mut done = 0;
        while done < out.bytes.len() && self.net.socket(id).has_room() {
            let bytes = &out.bytes[done..out.bytes.len().min(done + PIECE_BYTES)];
            let charge = Some((id, bytes.len()));
            self.net.socket_mut(id).filled += bytes.len();
            let message = Message { bytes: bytes.to_vec(), charge, ..Message::default() };
            self.net.socket_mut(peer).queue.push(message);
            done += bytes.len();
        }
        if done == 0 && !out.bytes.is_empty() {
            return Sent::WouldBlock(id);
        }
        self.socket_readable(peer);
        Sent::Done(done)
    }

    /// A connection was reset by the other side (`tcp_reset`).
    fn tcp_reset(&mut self, id: SocketId) {
        let socket = self.net.socket_mut(id);
        socket.error = Some(if socket.is_done { Errno::EPIPE } else { Errno::ECONNRESET });
        socket.is_done = false;
        self.tcp_closed(id);
    }

    /// A connection is over.
    fn tcp_closed(&mut self, id: SocketId) {
        let socket = self.net.socket_mut(id);
        socket.state = State::Closed;
        socket.shutdown = shut::BOTH;
        self.socket_changed(id);
    }

    /// `connect` to no family: ends the connection with a reset (`tcp_disconnect`).
    pub(crate) fn tcp_disconnect(&mut self, id: SocketId) {
        if self.net.socket(id).is_listening() {
            self.tcp_stop_listening(id);
        }
        if let Some(peer) = self.net.peer_of(id) {
            self.tcp_reset(peer);
        }
        let socket = self.net.socket_mut(id);
        (socket.peer, socket.remote, socket.state) = (None, None, State::Closed);
        (socket.shutdown, socket.is_done, socket.is_connecting) = (0, false, false);
        self.socket_changed(id);
    }

    /// `shutdown`.
    pub(super) fn tcp_shutdown(&mut self, id: SocketId, how: u8) -> Result<(), Errno> {
        let socket = self.net.socket(id);
        match socket.state {
            State::Closed => return Err(Errno::ENOTCONN),
            State::Listening { .. } => {
                if how & shut::RECEIVE != 0 {
                    self.tcp_stop_listening(id);
                }
                return Ok(());
            }
            State::Connecting | State::Established => {}
        }
        let ends = how & shut::SEND != 0 && socket.shutdown & shut::SEND == 0;
        self.net.socket_mut(id).shutdown |= how;
        self.socket_changed(id);
        if ends {
            self.tcp_end(id);
        }
        Ok(())
    }

    fn tcp_stop_listening(&mut self, id: SocketId) {
        let state = std::mem::replace(&mut self.net.socket_mut(id).state, State::Closed);
        if let State::Listening { waiting, .. } = state {
            for embryo in waiting {
                self.release_socket(embryo, Release::NotAccepted);
            }
        }
        self.net.socket_mut(id).shutdown |= shut::RECEIVE;
        self.socket_changed(id);
    }

    /// A side has ended its stream: the other one sees it, and where that has ended before, the
    /// connection is over.
    fn tcp_end(&mut self, id: SocketId) {
        let Some(peer) = self.net.peer_of(id) else {
            // The other side's file is closed, so it has ended before.
            return self.tcp_closed(id);
        };
        let other = self.net.socket_mut(peer);
        other.shutdown |= shut::RECEIVE;
        other.is_done = true;
        if other.shutdown & shut::SEND == 0 {
            self.socket_changed(peer);
            return;
        }
        self.tcp_time_wait(peer);
        self.tcp_closed(peer);
        self.tcp_closed(id);
    }

    /// Keeps the address of the side that ended first.
    fn tcp_time_wait(&mut self, id: SocketId) {
        let socket = self.net.socket(id);
        self.keep_address(&socket.clone());
    }

    fn keep_address(&mut self, socket: &Socket) {
        let now = self.now_ns();
        let Some(address) = socket.inet_local() else { return };
        let is_reusable = socket.options.reuse_address();
        let is_shared = socket.options.reuse_port();
        self.net.time_wait.retain(|kept| kept.until_ns > now);
        let until_ns = now.saturating_add(TIME_WAIT_NS);
        self.net.time_wait.push(TimeWait { address, until_ns, is_reusable, is_shared });
    }

    /// Whether an ended connection keeps an address.
    pub(super) fn is_in_time_wait(&self, address: InetAddress, by: &Socket) -> bool {
        let now = self.now_ns();
        let (reuses, shares) = (by.options.reuse_address(), by.options.reuse_port());
        self.net.time_wait.iter().any(|kept| {
            kept.until_ns > now
                && kept.address.port == address.port
                && (address.ip.is_any() || address.ip == kept.address.ip)
                && !(reuses && kept.is_reusable || shares && kept.is_shared)
        })
    }

    /// What the other side sees of a connection whose socket goes: the end of the stream, or a
    /// reset where data were not read, nobody has accepted it, or lingering is off.
    pub(super) fn tcp_released(&mut self, id: SocketId, socket: &Socket, how: Release) {
        if socket.state == State::Closed {
            return;
        }
        let Some(peer) = socket.peer.filter(|peer| self.net.get(*peer).is_some()) else { return };
        let is_aborted = how == Release::NotAccepted
            || !socket.queue.is_empty()
            || socket.options.linger == Some(0);
        if is_aborted {
            return self.tcp_reset(peer);
        }
        if socket.shutdown & shut::SEND != 0 {
            // It has ended before; what the other side sends now is refused.
            return;
        }
        let other = self.net.socket_mut(peer);
        debug_assert_eq!(other.peer, Some(id));
        other.shutdown |= shut::RECEIVE;
        other.is_done = true;
        if other.shutdown & shut::SEND != 0 {
            self.tcp_time_wait(peer);
            self.tcp_closed(peer);
        } else {
            self.keep_address(socket);
            self.socket_changed(peer);
        }
    }
}
