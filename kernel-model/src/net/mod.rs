//! Sockets, all within the machine: names and descriptors of unix sockets, and TCP and UDP over
//! the loopback device. There is no other network.
//!
//! A [`Socket`] lives as long as its open file, or until it is accepted in its listener's queue.
//! What waits to be read is its [`queue::Queue`]; senders put into the queue of the other side
//! directly.
//!
//! - [`address`]: addresses; [`queue`]: messages and streams; [`options`]: getsockopt
//! - [`socket`]: what all sockets do: make, listen, accept, receive, shut down, close, poll
//! - [`unix`], [`unix_send`]; [`inet`]: ports; [`tcp`]; [`udp`]; [`inflight`]: files under way
//!
//! Source: Linux 6.18 `net/`.

pub mod address;
pub(crate) mod inet;
pub(crate) mod inflight;
pub(crate) mod options;
pub(crate) mod queue;
pub(crate) mod socket;
pub(crate) mod tcp;
pub(crate) mod udp;
pub(crate) mod unix;
pub(crate) mod unix_send;

use std::collections::{BTreeMap, VecDeque};

use perf_core::Errno;

use crate::fs::inode::InodeId;
use crate::uapi::socket::{SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use address::{Address, InetAddress, Ip};
use options::Options;
use queue::Queue;

/// Number of a socket; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// Family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `AF_UNIX`.
    Unix,
    /// `AF_INET`.
    Inet,
    /// `AF_INET6`.
    Inet6,
}

/// Type of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockType {
    /// A stream of bytes.
    Stream,
    /// Messages, each for itself.
    Dgram,
    /// Messages over a connection.
    Seqpacket,
}

impl SockType {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Stream => SOCK_STREAM,
            Self::Dgram => SOCK_DGRAM,
            Self::Seqpacket => SOCK_SEQPACKET,
        }
    }
}

/// Who sends (`struct ucred`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ucred {
    /// Process.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Which directions are shut down: bits.
pub(crate) mod shut {
    /// Nothing more is received.
    pub(crate) const RECEIVE: u8 = 1;
    /// Nothing more is sent.
    pub(crate) const SEND: u8 = 2;
    /// Both.
    pub(crate) const BOTH: u8 = RECEIVE | SEND;
}

/// How far a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Closed,
    /// It waits for connections.
    Listening {
        /// How many may wait, less one.
        backlog: usize,
        /// Those that wait: the sockets that accept will give.
        waiting: VecDeque<SocketId>,
    },
    /// It waits for room in a listener's queue.
    Connecting,
    /// There is one.
    Established,
}

/// A socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) family: Family,
    pub(crate) kind: SockType,
    pub(crate) state: State,
    /// Directions that are shut down ([`shut`]).
    pub(crate) shutdown: u8,
    /// The error that the next call tells (`sk_err`).
    pub(crate) error: Option<Errno>,
    pub(crate) queue: Queue,
    /// Bytes of its sending buffer that are filled.
    pub(crate) filled: usize,
    /// The other side, which may be gone.
    pub(crate) peer: Option<SocketId>,
    pub(crate) local: Option<Address>,
    pub(crate) remote: Option<Address>,
    /// Who is on the other side (`SO_PEERCRED`); of a listener, who listens.
    pub(crate) peer_cred: Option<Ucred>,
    /// The inode that its name is.
    pub(crate) inode: Option<InodeId>,
    /// Whether a connect that did not wait has not told its end yet (`SS_CONNECTING`).
    pub(crate) is_connecting: bool,
    /// Whether the other side has ended its stream (`SOCK_DONE`).
    pub(crate) is_done: bool,
    pub(crate) options: Options,
}

impl Socket {
    pub(crate) fn new(family: Family, kind: SockType) -> Self {
        Self {
            family,
            kind,
            state: State::Closed,
            shutdown: 0,
            error: None,
            queue: Queue::default(),
            filled: 0,
            peer: None,
            local: None,
            remote: None,
            peer_cred: None,
            inode: None,
            is_connecting: false,
            is_done: false,
            options: Options::new(family, kind),
        }
    }

    pub(crate) fn is_established(&self) -> bool {
        self.state == State::Established
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.family == Family::Unix
    }

    pub(crate) fn is_tcp(&self) -> bool {
        !self.is_unix() && self.kind == SockType::Stream
    }

    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }

    /// Whether its messages go over a connection.
    pub(crate) fn is_connection(&self) -> bool {
        self.kind != SockType::Dgram
    }

    pub(crate) fn inet_local(&self) -> Option<InetAddress> {
        match self.local {
            Some(Address::Inet(address)) => Some(address),
            _ => None,
        }
    }

    pub(crate) fn inet_remote(&self) -> Option<InetAddress> {
        match self.remote {
            Some(Address::Inet(address)) => Some(address),
            _ => None,
        }
    }

    /// The address of its family that stands for all.
    pub(crate) fn any_address(&self) -> Ip {
        match self.family {
            Family::Inet6 => Ip::ANY6,
            Family::Inet | Family::Unix => Ip::ANY4,
        }
    }

    /// Takes the error that is pending (`sock_error`).
    pub(crate) fn take_error(&mut self) -> Result<(), Errno> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Whether its sending buffer has room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.filled < self.options.send_buffer()
    }

    /// Whether poll says that it can be written.
    pub(crate) fn is_writable(&self) -> bool {
        match self.family {
            // unix_writable
            Family::Unix => !self.is_listening() && self.filled * 4 <= self.options.send_buffer(),
            // sk_stream_is_writeable, sock_writeable
            Family::Inet | Family::Inet6 => self.filled * 3 / 2 <= self.options.send_buffer(),
        }
    }

    /// Whether more wait than its backlog allows (`unix_recvq_full`, `sk_acceptq_is_full`).
    pub(crate) fn is_backlog_full(&self) -> bool {
        match &self.state {
            State::Listening { backlog, waiting } => waiting.len() > *backlog,
            _ => false,
        }
    }
}

/// All sockets of the machine.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    nr_made: u32,
    /// Unix sockets by the name that they are bound to.
    pub(super) unix_names: BTreeMap<unix::UnixName, SocketId>,
    /// The next name that autobind tries.
    pub(super) next_autobind: u32,
    /// Ephemeral ports that were given so far.
    pub(super) nr_ephemeral: u16,
    /// TCP addresses that are not free yet after their connections have ended.
    pub(super) time_wait: Vec<tcp::TimeWait>,
}

impl Net {
    pub(crate) fn insert(&mut self, socket: Socket) -> SocketId {
        let id = SocketId(self.nr_made);
        self.nr_made += 1;
        self.sockets.insert(id, socket);
        id
    }

    /// A socket that is in use: of an open file, or in a listener's queue.
    pub(crate) fn socket(&self, id: SocketId) -> &Socket {
        self.sockets.get(&id).expect("the socket's file is open")
    }

    pub(crate) fn socket_mut(&mut self, id: SocketId) -> &mut Socket {
        self.sockets.get_mut(&id).expect("the socket's file is open")
    }

    /// A socket that may be gone.
    pub(crate) fn get(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(&id)
    }

    /// The other side of a connection, while it is there.
    pub(crate) fn peer_of(&self, id: SocketId) -> Option<SocketId> {
        self.socket(id).peer.filter(|peer| self.sockets.contains_key(peer))
    }
}
