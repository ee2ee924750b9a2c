//! Which operations on a file would not wait.
//! Source: Linux 6.18 `fs/select.c`, the `poll` operations of the files.

use perf_core::EventId;

use super::epoll::EpollId;
use super::file::{Console, FileId, FileKind, FileTable};
use super::inode::Device;
use super::task_file::TaskFile;
use crate::kernel::Kernel;
use crate::net::SocketId;
use crate::task::wait::Channel;
use crate::uapi::poll::{DEFAULT_POLLMASK, POLLIN, POLLNVAL, POLLOUT, POLLRDNORM, POLLWRNORM};

/// The readiness of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// These poll bits.
    Bits(u32),
    /// The event layer must answer.
    PerfEvent(EventId),
    /// The kernel must answer.
    Task(TaskFile),
    /// The files that it watches must answer.
    Epoll(EpollId),
    /// The socket must answer.
    Socket(SocketId),
}

impl FileTable {
    /// All poll bits that are set; the caller masks them with what was asked for.
    #[must_use]
    pub fn poll(&self, id: FileId) -> Readiness {
        Readiness::Bits(match self.file(id).kind {
            FileKind::Console(Console::Stdin) => POLLIN | POLLRDNORM,
            FileKind::Console(Console::Stdout | Console::Stderr) => POLLOUT | POLLWRNORM,
            FileKind::Pipe { pipe, end, .. } => self.pipe(pipe).poll(end),
            FileKind::Device { .. }
            | FileKind::Regular(_)
            | FileKind::Text(_)
            | FileKind::Directory(_)
            | FileKind::ProcMem { .. } => DEFAULT_POLLMASK,
            FileKind::Path(_) => POLLNVAL,
            FileKind::Eventfd(event) => self.eventfd(event).poll(),
            FileKind::PerfEvent(event) => return Readiness::PerfEvent(event),
            FileKind::Epoll(epoll) => return Readiness::Epoll(epoll),
            FileKind::Task(file) => return Readiness::Task(file),
            FileKind::Socket(socket) => return Readiness::Socket(socket),
        })
    }
}

impl FileKind {
    /// What wakes those who wait for the file; `None` for files that are always ready.
    pub(crate) const fn channel(self) -> Option<Channel> {
        match self {
            Self::Pipe { pipe, .. } => Some(Channel::Pipe(pipe.0)),
            Self::PerfEvent(event) => Some(Channel::PerfEvent(event)),
            Self::Eventfd(event) => Some(Channel::Eventfd(event.0)),
            Self::Epoll(epoll) => Some(Channel::Epoll(epoll.0)),
            Self::Task(file) => Some(file.channel()),
            Self::Socket(socket) => Some(Channel::Socket(socket.0)),
            Self::Console(_)
            | Self::Device { .. }
            | Self::Regular(_)
            | Self::Text(_)
            | Self::ProcMem { .. }
            | Self::Directory(_)
            | Self::Path(_) => None,
        }
    }

    /// Whether the file has a poll operation (`file_can_poll`).
    pub(crate) const fn can_poll(self) -> bool {
        match self {
            Self::Console(_) | Self::Device { device: Device::Random, .. } => true,
            _ => self.channel().is_some(),
        }
    }
}

/// The state of a file, and what would change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollState {
    /// All poll bits that are set.
    pub(crate) bits: u32,
    /// What wakes when they change.
    pub(crate) channel: Option<Channel>,
}

impl Kernel {
    /// The poll state of an open file (`vfs_poll`).
    pub(crate) fn poll_file(&mut self, id: FileId) -> PollState {
        let channel = self.files.file(id).kind.channel();
        let bits = match self.files.poll(id) {
            Readiness::Bits(bits) => bits,
            Readiness::PerfEvent(event) => self.perf.poll(event).0,
            Readiness::Epoll(epoll) if self.epoll_has_events(epoll) => POLLIN | POLLRDNORM,
            Readiness::Epoll(_) => 0,
            Readiness::Task(file) => self.poll_task_file(id, file),
            Readiness::Socket(socket) => self.socket_poll(socket),
        };
        PollState { bits, channel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::io::At;

    #[test]
    fn readiness_follows_the_pipe() {
        let mut files = FileTable::default();
        let (read, write) = files.open_pipe(0).unwrap();
        assert_eq!(files.poll(read), Readiness::Bits(0));
        assert_eq!(files.poll(write), Readiness::Bits(POLLOUT | POLLWRNORM));
        files.write(write, b"x", At::Position, &mut Vec::new());
        assert_eq!(files.poll(read), Readiness::Bits(POLLIN | POLLRDNORM));
        let event = files.open(FileKind::PerfEvent(EventId(1)), 0);
        assert_eq!(files.poll(event), Readiness::PerfEvent(EventId(1)));
    }
}
