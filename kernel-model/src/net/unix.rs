//! Unix sockets: names, connecting, shutting down, closing.
//! Source: Linux 6.18 `net/unix/af_unix.c`.

use std::collections::VecDeque;

use perf_core::{Errno, TaskId};

use super::address::{Address, UnixAddress};
use super::socket::{Connected, Release};
use super::{Family, SockType, Socket, SocketId, State, Ucred, shut};
use crate::fs::inode::{Body, InodeId};
use crate::fs::namei::{LastLink, Node, Walked};
use crate::fs::stat::mode;
use crate::kernel::Kernel;
use crate::uapi::fcntl::AT_FDCWD;

/// What a name stands for: sockets with a path are found by its inode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnixName {
    /// A place in the file system.
    Inode(InodeId),
    /// A name outside of it; each type of sockets has its own.
    Abstract(u32, Vec<u8>),
}

/// Names that autobind can give: 5 hexadecimal digits.
const NR_AUTOBIND: u32 = 1 << 20;

impl Kernel {
    /// Who a task is for the other side of a socket.
    pub(crate) fn ucred_of(&self, task: TaskId) -> Ucred {
        let cred = &self.tasks.task(task).cred;
        let pid = self.tasks.process_of(task).pid;
        Ucred { pid, uid: cred.user.effective, gid: cred.group.effective }
    }

    /// Two sockets that are connected to each other (`socketpair`).
    pub(crate) fn unix_pair(&mut self, task: TaskId, kind: SockType) -> (SocketId, SocketId) {
        let cred = self.ucred_of(task);
        let make = || {
            let mut socket = Socket::new(Family::Unix, kind);
            socket.state = State::Established;
            socket.peer_cred = Some(cred);
            socket
        };
        let first = self.net.insert(make());
        let second = self.net.insert(make());
        self.net.socket_mut(first).peer = Some(second);
        self.net.socket_mut(second).peer = Some(first);
        (first, second)
    }

    /// `bind`.
    ///
    /// # Errors
    /// EINVAL where it has a name; EADDRINUSE; as making files.
    pub(crate) fn unix_bind(
        &mut self,
        task: TaskId,
        id: SocketId,
        address: &Address,
    ) -> Result<(), Errno> {
        match address {
            Address::Unix(UnixAddress::Path(path)) => self.unix_bind_path(task, id, path),
            _ if self.net.socket(id).local.is_some() => match address {
                Address::Unix(_) => Err(Errno::EINVAL),
                Address::Unnamed | Address::Inet(_) => Ok(()),
            },
            Address::Unix(UnixAddress::Abstract(name)) => self.unix_bind_abstract(id, name),
            Address::Unnamed | Address::Inet(_) => self.unix_autobind(id),
        }
    }

    fn unix_bind_path(&mut self, task: TaskId, id: SocketId, path: &[u8]) -> Result<(), Errno> {
        let base = self.base_of(task, AT_FDCWD, path)?;
        let walked = self.walk(task, base, path, LastLink::Keep)?;
        if walked.node.is_some() {
            return Err(Errno::EADDRINUSE);
        }
        if self.net.socket(id).local.is_some() {
            return Err(Errno::EINVAL);
        }
        let inode = self.create_socket_node(task, &walked)?;
        self.vfs.get(inode);
        self.net.unix_names.insert(UnixName::Inode(inode), id);
        let socket = self.net.socket_mut(id);
        socket.inode = Some(inode);
        socket.local = Some(Address::Unix(UnixAddress::Path(path.to_vec())));
        Ok(())
    }

    fn unix_bind_abstract(&mut self, id: SocketId, name: &[u8]) -> Result<(), Errno> {
        let kind = self.net.socket(id).kind.number();
        let key = UnixName::Abstract(kind, name.to_vec());
        if self.net.unix_names.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        self.net.unix_names.insert(key, id);
        let address = Address::Unix(UnixAddress::Abstract(name.to_vec()));
        self.net.socket_mut(id).local = Some(address);
        Ok(())
    }

    /// Gives a socket a name of its own (`unix_autobind`).
    fn unix_autobind(&mut self, id: SocketId) -> Result<(), Errno> {
        for _ in 0..NR_AUTOBIND {
            let number = self.net.next_autobind;
            self.net.next_autobind = (number + 1) % NR_AUTOBIND;
            match self.unix_bind_abstract(id, format!("{number:05x}").as_bytes()) {
                Err(Errno::EADDRINUSE) => {}
                result => return result,
            }
        }
        Err(Errno::ENOSPC)
    }

    /// The socket of a name (`unix_find_other`).
    ///
    /// # Errors
    /// ECONNREFUSED where nobody has it; EPROTOTYPE for one of another type; as path lookup.
    pub(super) fn unix_find(
        &mut self,
        task: TaskId,
        kind: SockType,
        address: &Address,
    ) -> Result<SocketId, Errno> {
        let name = match address {
            Address::Unix(UnixAddress::Path(path)) => {
                let base = self.base_of(task, AT_FDCWD, path)?;
                match self.walk(task, base, path, LastLink::Follow)?.found()? {
                    Node::Inode(inode) => UnixName::Inode(inode),
                    Node::Proc(_) => return Err(Errno::ECONNREFUSED),
                }
            }
            Address::Unix(UnixAddress::Abstract(name)) => {
                UnixName::Abstract(kind.number(), name.clone())
            }
            Address::Unnamed | Address::Inet(_) => return Err(Errno::ECONNREFUSED),
        };
        let id = *self.net.unix_names.get(&name).ok_or(Errno::ECONNREFUSED)?;
        if self.net.socket(id).kind == kind { Ok(id) } else { Err(Errno::EPROTOTYPE) }
    }

    /// `connect` of messages: `None` ends it.
    ///
    /// # Errors
    /// EPERM where the other side is connected to a third one; as finding it.
    pub(crate) fn unix_dgram_connect(
        &mut self,
        task: TaskId,
        id: SocketId,
        address: Option<&Address>,
    ) -> Result<(), Errno> {
        let Some(address) = address else {
            let socket = self.net.socket_mut(id);
            (socket.peer, socket.remote, socket.state) = (None, None, State::Closed);
            return Ok(());
        };
        let other = self.unix_find(task, SockType::Dgram, address)?;
        self.unix_may_send(id, other)?;
        let remote = self.net.socket(other).local.clone();
        let socket = self.net.socket_mut(id);
        (socket.peer, socket.remote, socket.state) = (Some(other), remote, State::Established);
        Ok(())
    }

    /// Whether a socket takes messages from another one (`unix_may_send`).
    pub(super) fn unix_may_send(&self, id: SocketId, other: SocketId) -> Result<(), Errno> {
        match self.net.socket(other).peer {
            Some(peer) if peer != id => Err(Errno::EPERM),
            _ => Ok(()),
        }
    }

    /// `connect` of streams.
    ///
    /// # Errors
    /// EISCONN, EINVAL for a listener, ECONNREFUSED; as finding the other side.
    pub(crate) fn unix_connect(
        &mut self,
        task: TaskId,
        id: SocketId,
        address: &Address,
    ) -> Result<Connected, Errno> {
        let kind = self.net.socket(id).kind;
        let listener = self.unix_find(task, kind, address)?;
        let other = self.net.socket(listener);
        if !other.is_listening() || other.shutdown & shut::RECEIVE != 0 {
            return Err(Errno::ECONNREFUSED);
        }
        if other.is_backlog_full() {
            return Ok(Connected::WouldBlock(listener));
        }
        match self.net.socket(id).state {
            State::Closed | State::Connecting => {}
            State::Established => return Err(Errno::EISCONN),
            State::Listening { .. } => return Err(Errno::EINVAL),
        }
        let mut accepted = Socket::new(Family::Unix, kind);
        let (remote, listens) = (other.local.clone(), other.peer_cred);
        accepted.state = State::Established;
        accepted.peer = Some(id);
        accepted.peer_cred = Some(self.ucred_of(task));
        accepted.local = remote.clone();
        accepted.remote = self.net.socket(id).local.clone();
        let accepted = self.net.insert(accepted);
        let socket = self.net.socket_mut(id);
        socket.state = State::Established;
        (socket.peer, socket.remote, socket.peer_cred) = (Some(accepted), remote, listens);
        if let State::Listening { waiting, .. } = &mut self.net.socket_mut(listener).state {
            waiting.push_back(accepted);
        }
        self.socket_readable(listener);
        Ok(Connected::Done)
    }

    /// `listen`.
    ///
    /// # Errors
    /// EOPNOTSUPP for messages; EINVAL without a name, or for a connected one.
    pub(crate) fn unix_listen(
        &mut self,
        task: TaskId,
        id: SocketId,
        backlog: usize,
    ) -> Result<(), Errno> {
        let cred = self.ucred_of(task);
        let socket = self.net.socket_mut(id);
        if !socket.is_connection() {
            return Err(Errno::EOPNOTSUPP);
        }
        if socket.local.is_none() {
            return Err(Errno::EINVAL);
        }
        let waiting = match std::mem::replace(&mut socket.state, State::Closed) {
            State::Closed => VecDeque::new(),
            State::Listening { waiting, .. } => waiting,
            other => {
                socket.state = other;
                return Err(Errno::EINVAL);
            }
        };
        socket.state = State::Listening { backlog, waiting };
        socket.peer_cred = Some(cred);
        Ok(())
    }

    /// `shutdown`: the other side of a connection sees it.
    pub(crate) fn unix_shutdown(&mut self, id: SocketId, how: u8) {
        let socket = self.net.socket_mut(id);
        socket.shutdown |= how;
        let is_connection = socket.is_connection();
        self.socket_changed(id);
        if let Some(peer) = self.net.peer_of(id).filter(|_| is_connection) {
            let mut theirs = 0;
            if how & shut::RECEIVE != 0 {
                theirs |= shut::SEND;
            }
            if how & shut::SEND != 0 {
                theirs |= shut::RECEIVE;
            }
            self.net.socket_mut(peer).shutdown |= theirs;
            self.socket_changed(peer);
        }
    }

    /// What the other sides see of a socket that goes (`unix_release_sock`).
    pub(super) fn unix_released(&mut self, id: SocketId, socket: &Socket, how: Release) {
        self.net.unix_names.retain(|_, named| *named != id);
        if let Some(inode) = socket.inode {
            self.put_inode(inode);
        }
        if !socket.is_connection() {
            // Those who send to it and wait for room go on.
            self.unix_senders_go_on(id);
            return;
        }
        if let Some(peer) = socket.peer
            && let Some(other) = self.net.sockets.get_mut(&peer)
        {
            other.shutdown = shut::BOTH;
            if how == Release::NotAccepted || !socket.queue.is_empty() {
                other.error = Some(Errno::ECONNRESET);
            }
            self.socket_changed(peer);
        }
    }

    /// Makes the place of a name.
    fn create_socket_node(&mut self, task: TaskId, walked: &Walked) -> Result<InodeId, Errno> {
        if walked.node.is_none() && walked.has_slash {
            return Err(Errno::ENOENT);
        }
        let permissions = 0o777 & !self.tasks.process_of(task).umask;
        let body = Body::Special { kind: mode::SOCKET, number: 0 };
        self.create(task, walked, body, permissions)
    }
}
