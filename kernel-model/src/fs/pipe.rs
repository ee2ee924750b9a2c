//! A pipe: 64 KiB between a writer and a reader.
//! Source: Linux 6.18 `fs/pipe.c`; pipe(7).

use std::collections::VecDeque;

use perf_core::Errno;

use super::file::PipeEnd;
use super::io::IoResult;
use crate::uapi::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};

/// Bytes that a pipe holds.
pub const PIPE_CAPACITY: usize = 65_536;
/// Writes up to this size are not split.
pub const PIPE_BUF: usize = 4096;

/// A pipe. An end counts as open as long as its open file exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    reader_closed: bool,
    writer_closed: bool,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn close(&mut self, end: PipeEnd) {
        match end {
            PipeEnd::Read => self.reader_closed = true,
            PipeEnd::Write => self.writer_closed = true,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.reader_closed && self.writer_closed
    }

    /// Bytes that wait to be read (`FIONREAD`).
    pub(super) fn nr_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> IoResult {
        if out.is_empty() {
            return IoResult::Done(0);
        }
        if self.bytes.is_empty() {
            return if self.writer_closed { IoResult::Done(0) } else { IoResult::WouldBlock };
        }
        let nr = out.len().min(self.bytes.len());
        for (place, byte) in out.iter_mut().zip(self.bytes.drain(..nr)) {
            *place = byte;
        }
        IoResult::Done(nr)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> IoResult {
        if bytes.is_empty() {
            return IoResult::Done(0);
        }
        if self.reader_closed {
            return IoResult::Err(Errno::EPIPE);
        }
        let room = PIPE_CAPACITY - self.bytes.len();
        if room == 0 || bytes.len() <= PIPE_BUF && room < bytes.len() {
            return IoResult::WouldBlock;
        }
        let nr = bytes.len().min(room);
        self.bytes.extend(&bytes[..nr]);
        IoResult::Done(nr)
    }

    pub(super) fn poll(&self, end: PipeEnd) -> u32 {
        let when = |condition, bits| if condition { bits } else { 0 };
        match end {
            PipeEnd::Read => {
                when(!self.bytes.is_empty(), POLLIN | POLLRDNORM)
                    | when(self.writer_closed, POLLHUP)
            }
            PipeEnd::Write => {
                let has_room = PIPE_CAPACITY - self.bytes.len() >= PIPE_BUF;
                when(has_room, POLLOUT | POLLWRNORM) | when(self.reader_closed, POLLERR)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_writes_are_whole_and_large_ones_are_split() {
        let mut pipe = Pipe::new();
        assert_eq!(pipe.write(&[1; PIPE_CAPACITY - 10]), IoResult::Done(PIPE_CAPACITY - 10));
        assert_eq!(pipe.write(&[2; PIPE_BUF]), IoResult::WouldBlock);
        assert_eq!(pipe.write(&[2; PIPE_BUF + 1]), IoResult::Done(10));
        assert_eq!(pipe.write(&[3; PIPE_BUF + 1]), IoResult::WouldBlock);
        assert_eq!(pipe.write(&[]), IoResult::Done(0));
        assert_eq!(pipe.poll(PipeEnd::Write), 0);
    }

    #[test]
    fn a_lonely_end_is_told() {
        let mut pipe = Pipe::new();
        let mut out = [0; 4];
        assert_eq!(pipe.read(&mut out), IoResult::WouldBlock);
        pipe.write(b"ab");
        pipe.close(PipeEnd::Write);
        assert_eq!(pipe.poll(PipeEnd::Read), POLLIN | POLLRDNORM | POLLHUP);
        assert_eq!(pipe.read(&mut out), IoResult::Done(2));
        assert_eq!(pipe.read(&mut out), IoResult::Done(0));
        let mut pipe = Pipe::new();
        pipe.close(PipeEnd::Read);
        assert_eq!(pipe.write(b"x"), IoResult::Err(Errno::EPIPE));
        assert_eq!(pipe.poll(PipeEnd::Write), POLLOUT | POLLWRNORM | POLLERR);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(ops in prop::collection::vec((any::<bool>(), 0usize..30_000), 1..40)) {
            let mut pipe = Pipe::new();
            let (mut written, mut read) = (0u64, 0u64);
            for (is_write, len) in ops {
                if is_write {
                    let bytes: Vec<u8> = (written..).take(len).map(|at| at as u8).collect();
                    match pipe.write(&bytes) {
                        IoResult::Done(nr) => written += nr as u64,
                        other => prop_assert_eq!(other, IoResult::WouldBlock),
                    }
                } else {
                    let mut out = vec![0; len];
                    if let IoResult::Done(nr) = pipe.read(&mut out) {
                        let want: Vec<u8> = (read..).take(nr).map(|at| at as u8).collect();
                        prop_assert_eq!(&out[..nr], &want);
                        read += nr as u64;
                    }
                }
                prop_assert_eq!(written - read, pipe.nr_bytes() as u64);
                prop_assert!(pipe.nr_bytes() <= PIPE_CAPACITY);
            }
        }
    }
}
