//! Which operations on a file would not wait.
//! Source: Linux 6.18 `fs/select.c`, the `poll` operations of the files.

use perf_core::EventId;

use super::file::{Console, FileId, FileKind, FileTable};
use crate::uapi::poll::{DEFAULT_POLLMASK, POLLIN, POLLNVAL, POLLOUT, POLLRDNORM, POLLWRNORM};

/// The readiness of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// These poll bits.
    Bits(u32),
    /// The event layer must answer.
    PerfEvent(EventId),
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
            FileKind::PerfEvent(event) => return Readiness::PerfEvent(event),
        })
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
