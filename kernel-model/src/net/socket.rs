//! What all sockets do: make, accept, receive, poll, close, and tell who waits.
//! Source: Linux 6.18 `net/socket.c`, `net/core/{sock,stream,datagram}.c`.

use perf_core::{Errno, TaskId};

use super::address::Address;
use super::queue::{Peek, Senders, Taken};
use super::{SockType, Socket, SocketId, State, Ucred, shut};
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::signal::SigioBand;
use crate::task::wait::Channel;
use crate::uapi::fcntl::O_RDWR;
use crate::uapi::poll::{
    POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
};

const READABLE: u32 = POLLIN | POLLRDNORM;
const WRITABLE: u32 = POLLOUT | POLLWRNORM | POLLWRBAND;

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    /// Where to, where that is said.
    pub(crate) to: Option<Address>,
    /// Files that go with it, with a use of each; taken by what is sent first.
    pub(crate) rights: Vec<FileId>,
    /// Who sends.
    pub(crate) cred: Ucred,
    /// Who is said to send (`SCM_CREDENTIALS`).
    pub(crate) explicit_cred: Option<Ucred>,
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// So many bytes went; of a stream the rest has to wait.
    Done(usize),
    /// There is no room until something happens to a socket.
    WouldBlock(SocketId),
    /// The error; EPIPE goes with SIGPIPE.
    Err(Errno),
}

/// How a connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connected {
    /// There is a connection.
    Done,
    /// It waits until something happens to a socket.
    WouldBlock(SocketId),
}

/// Why a socket goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Its file was closed for good.
    Closed,
    /// Its listener has gone before anybody accepted it.
    NotAccepted,
}

/// How a receive ended.
#[derive(Clone, Debug)]
pub(crate) enum Received {
    /// This came.
    Taken(Taken),
    /// The other side has ended.
    End,
    /// Nothing is there yet.
    WouldBlock,
}

impl Kernel {
    /// Opens a file of a socket.
    pub(crate) fn open_socket(&mut self, id: SocketId, flags: u32) -> FileId {
        self.files.open(FileKind::Socket(id), O_RDWR | flags)
    }

    /// Wakes those who wait for a socket in calls of their own.
    pub(super) fn wake_socket_waiters(&mut self, id: SocketId) {
        self.wake_n(Channel::Socket(id.0), u32::MAX);
    }

    /// Something has happened to a socket: tells those who wait for it and those who watch it.
    pub(super) fn wake_socket(&mut self, id: SocketId, bits: u32) {
        self.wake_poll(Channel::Socket(id.0), bits);
    }

    /// A socket has something to read.
    pub(super) fn socket_readable(&mut self, id: SocketId) {
        self.wake_socket(id, READABLE);
        self.socket_sigio(id, SigioBand::In);
    }

    /// The state of a socket's connection has changed.
    pub(super) fn socket_changed(&mut self, id: SocketId) {
        self.wake_socket(id, READABLE | WRITABLE | POLLHUP | POLLERR | POLLRDHUP);
        self.socket_sigio(id, SigioBand::In);
    }

    fn socket_sigio(&mut self, id: SocketId, band: SigioBand) {
        for file in self.files.async_files(FileKind::Socket(id)) {
            self.kill_fasync(file, band);
        }
    }

    /// What was sent is gone: the sender's buffer has room.
    pub(super) fn buffer_freed(&mut self, owner: SocketId, charge: usize) {
        let Some(socket) = self.net.sockets.get_mut(&owner) else { return };
        socket.filled = socket.filled.saturating_sub(charge);
        if socket.is_writable() {
            self.wake_socket(owner, WRITABLE);
            self.socket_sigio(owner, SigioBand::Out);
        } else {
            self.wake_socket_waiters(owner);
        }
    }

    /// `accept`: the next connection.
    ///
    /// # Errors
    /// EOPNOTSUPP for messages; EINVAL for what does not listen.
    pub(crate) fn accept_socket(&mut self, id: SocketId) -> Result<Option<SocketId>, Errno> {
        let socket = self.net.socket_mut(id);
        if !socket.is_connection() {
            return Err(Errno::EOPNOTSUPP);
        }
        let State::Listening { waiting, .. } = &mut socket.state else {
            return Err(Errno::EINVAL);
        };
        let next = waiting.pop_front();
        if next.is_none() && socket.shutdown & shut::RECEIVE != 0 {
            return Err(Errno::EINVAL);
        }
        if next.is_some() {
            // There is room for another connect.
            self.wake_socket_waiters(id);
            self.tcp_connect_waiting(id);
        }
        Ok(next)
    }

    /// Receives up to `max` bytes, or a message.
    ///
    /// # Errors
    /// What has happened to the connection.
    pub(crate) fn socket_receive(
        &mut self,
        id: SocketId,
        max: usize,
        peek: Peek,
    ) -> Result<Received, Errno> {
        let socket = self.net.socket_mut(id);
        match (socket.kind, socket.is_unix()) {
            (SockType::Stream, true) if !socket.is_established() => return Err(Errno::EINVAL),
            (SockType::Seqpacket, _) if !socket.is_established() => return Err(Errno::ENOTCONN),
            (SockType::Stream, false) if socket.is_listening() => return Err(Errno::ENOTCONN),
            _ => {}
        }
        if socket.queue.is_empty() {
            return Self::nothing_there(socket);
        }
        let senders = if socket.options.pass_cred() { Senders::Apart } else { Senders::Mixed };
        let was_full = socket.is_unix() && socket.kind == SockType::Dgram;
        let mut taken = match socket.kind {
            SockType::Stream => socket.queue.take_stream(max, peek, senders),
            SockType::Dgram | SockType::Seqpacket => {
                let Some(taken) = socket.queue.take_message(max, peek) else {
                    return Ok(Received::WouldBlock);
                };
                taken
            }
        };
        match peek {
            Peek::Leave => {
                for file in &taken.rights {
                    self.files.share(*file);
                }
            }
            Peek::Take => {
                for (owner, charge) in std::mem::take(&mut taken.freed) {
                    self.buffer_freed(owner, charge);
                }
                if was_full {
                    self.unix_senders_go_on(id);
                }
            }
        }
        Ok(Received::Taken(taken))
    }

    /// What a receive from an empty queue tells.
    fn nothing_there(socket: &mut Socket) -> Result<Received, Errno> {
        if socket.is_tcp() && socket.is_done {
            return Ok(Received::End);
        }
        socket.take_error()?;
        if socket.shutdown & shut::RECEIVE != 0 {
            return Ok(Received::End);
        }
        if socket.is_tcp() && socket.state == State::Closed {
            return Err(Errno::ENOTCONN);
        }
        Ok(Received::WouldBlock)
    }

    /// Sends; where only a part of a stream had room, the rest has to wait.
    pub(crate) fn socket_send(
        &mut self,
        task: TaskId,
        id: SocketId,
        out: &mut Outgoing<'_>,
    ) -> Sent {
        let socket = self.net.socket(id);
        if socket.is_unix() {
            self.unix_send(task, id, out)
        } else if socket.is_tcp() {
            self.tcp_send(id, out)
        } else {
            self.udp_send(id, out).map_or_else(Sent::Err, Sent::Done)
        }
    }

    /// `listen`.
    ///
    /// # Errors
    /// As the family.
    pub(crate) fn listen_socket(
        &mut self,
        task: TaskId,
        id: SocketId,
        backlog: usize,
    ) -> Result<(), Errno> {
        match self.net.socket(id) {
            socket if socket.is_unix() => self.unix_listen(task, id, backlog),
            socket if socket.is_tcp() => self.tcp_listen(id, backlog),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// `shutdown` of the directions `how`.
    ///
    /// # Errors
    /// ENOTCONN.
    pub(crate) fn shutdown_socket(&mut self, id: SocketId, how: u8) -> Result<(), Errno> {
        match self.net.socket(id) {
            socket if socket.is_unix() => {
                self.unix_shutdown(id, how);
                Ok(())
            }
            socket if socket.is_tcp() => self.tcp_shutdown(id, how),
            _ => self.udp_shutdown(id, how),
        }
    }

    /// A socket goes.
    pub(crate) fn release_socket(&mut self, id: SocketId, how: Release) {
        let Some(mut socket) = self.net.sockets.remove(&id) else { return };
        if let State::Listening { waiting, .. } = &mut socket.state {
            for embryo in std::mem::take(waiting) {
                self.release_socket(embryo, Release::NotAccepted);
            }
        }
        if socket.is_unix() {
            self.unix_released(id, &socket, how);
        } else {
            self.inet_released(id, &socket, how);
        }
        let mut queue = socket.queue;
        for message in queue.drain() {
            if let Some((owner, charge)) = message.charge {
                self.buffer_freed(owner, charge);
            }
            for file in message.rights {
                self.release_file(file);
            }
        }
        self.wake_socket(id, READABLE | WRITABLE | POLLHUP);
        self.collect_inflight();
    }

    /// Poll bits (`unix_poll`, `unix_dgram_poll`, `tcp_poll`, `datagram_poll`).
    pub(crate) fn socket_poll(&self, id: SocketId) -> u32 {
        let socket = self.net.socket(id);
        let when = |condition, bits| if condition { bits } else { 0 };
        if let State::Listening { waiting, .. } = &socket.state {
            return when(!waiting.is_empty(), READABLE);
        }
        let receives = socket.shutdown & shut::RECEIVE == 0;
        let mut bits = when(socket.error.is_some(), POLLERR)
            | when(socket.shutdown == shut::BOTH, POLLHUP)
            | when(!receives, READABLE | POLLRDHUP);
        if socket.state == State::Connecting {
            return bits;
        }
        bits |= when(!socket.queue.is_empty(), READABLE)
            | when(socket.is_connection() && socket.state == State::Closed, POLLHUP);
        if socket.is_tcp() {
            let sends = socket.shutdown & shut::SEND == 0;
            return bits | when(!sends || socket.is_writable(), POLLOUT | POLLWRNORM);
        }
        let is_full = socket.kind == SockType::Dgram
            && socket.is_unix()
            && self.net.peer_of(id).is_some_and(|peer| self.unix_is_full_for(id, peer));
        bits | when(socket.is_writable() && !is_full, WRITABLE)
    }
}
