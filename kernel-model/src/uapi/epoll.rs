//! epoll: commands and `struct epoll_event`. Flags of eventfd.
//! Source: Linux 6.18 `include/uapi/linux/eventpoll.h`, `include/uapi/linux/eventfd.h`.

use super::fcntl::{O_CLOEXEC, O_NONBLOCK};
use super::{put, word_at};

/// Closed at exec.
pub const EPOLL_CLOEXEC: u32 = O_CLOEXEC;
/// Adds a descriptor.
pub const EPOLL_CTL_ADD: u32 = 1;
/// Removes a descriptor.
pub const EPOLL_CTL_DEL: u32 = 2;
/// Asks for something else about a descriptor.
pub const EPOLL_CTL_MOD: u32 = 3;

/// Of several that wait for the same file, one is woken.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// Keeps the system awake: without meaning here.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// Told of once, until it is asked for again.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// Told of when something has happened, not as long as it lasts.
pub const EPOLLET: u32 = 1 << 31;
/// The flags that are no events (`EP_PRIVATE_BITS`).
pub const EP_PRIVATE_BITS: u32 = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

/// Bytes of x86-64's packed `struct epoll_event`.
pub const EPOLL_EVENT_BYTES: usize = 12;

/// `struct epoll_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpollEvent {
    /// Events and flags.
    pub events: u32,
    /// What the program wants to be told with them.
    pub data: u64,
}

impl EpollEvent {
    /// Reads it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; EPOLL_EVENT_BYTES]) -> Self {
        let events = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Self { events, data: word_at(bytes, 4) }
    }

    /// Writes it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; EPOLL_EVENT_BYTES] {
        let mut bytes = [0; EPOLL_EVENT_BYTES];
        put(&mut bytes, 0, self.events.to_le_bytes());
        put(&mut bytes, 4, self.data.to_le_bytes());
        bytes
    }
}

/// eventfd: a read takes 1.
pub const EFD_SEMAPHORE: u32 = 1;
/// eventfd: closed at exec.
pub const EFD_CLOEXEC: u32 = O_CLOEXEC;
/// eventfd: does not wait.
pub const EFD_NONBLOCK: u32 = O_NONBLOCK;
