//! A pipe: 64 KiB between writers and readers; those of a FIFO come and go.
//! Source: Linux 6.18 `fs/pipe.c`; pipe(7).

use std::collections::VecDeque;

use perf_core::Errno;

use super::file::PipeEnd;
use super::io::IoResult;
use crate::uapi::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};

/// Bytes of one buffer: a page.
const BUFFER_BYTES: usize = 4096;
/// Buffers of a pipe (`PIPE_DEF_BUFFERS`).
const NR_BUFFERS: usize = 16;
/// Bytes that a pipe holds at most; less where writes do not fill their pages.
pub const PIPE_CAPACITY: usize = NR_BUFFERS * BUFFER_BYTES;

/// A page of a pipe. What has been read does not make room in it.
#[derive(Clone, Debug)]
struct Buffer {
    page: Vec<u8>,
    nr_read: usize,
}

/// A pipe. An end is open as long as an open file of it exists.
///
/// A write of up to one page (`PIPE_BUF`) goes into one buffer or waits, so it is never split.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    buffers: VecDeque<Buffer>,
    nr_readers: u32,
    nr_writers: u32,
    /// Readers that there ever were: who opens a FIFO to write waits for the next.
    all_readers: u64,
    /// Writers that there ever were.
    all_writers: u64,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn open(&mut self, end: PipeEnd) {
        if end != PipeEnd::Write {
            self.nr_readers += 1;
            self.all_readers += 1;
        }
        if end != PipeEnd::Read {
            self.nr_writers += 1;
            self.all_writers += 1;
        }
    }

    pub(super) fn close(&mut self, end: PipeEnd) {
        if end != PipeEnd::Write {
            self.nr_readers -= 1;
        }
        if end != PipeEnd::Read {
            self.nr_writers -= 1;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.nr_readers == 0 && self.nr_writers == 0
    }

    /// Those at the other end of what is opened now: how many there are, and ever were.
    pub(super) fn partners(&self, end: PipeEnd) -> (u32, u64) {
        match end {
            PipeEnd::Read => (self.nr_writers, self.all_writers),
            PipeEnd::Write => (self.nr_readers, self.all_readers),
            PipeEnd::Both => (1, 0),
        }
    }

    /// Pages that it holds.
    pub(super) fn nr_pages(&self) -> usize {
        self.buffers.len()
    }

    /// Bytes that wait to be read (`FIONREAD`).
    pub(super) fn nr_bytes(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.page.len() - buffer.nr_read).sum()
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> IoResult {
        let mut nr = 0;
        while let Some(buffer) = self.buffers.front_mut().filter(|_| nr < out.len()) {
            let left = &buffer.page[buffer.nr_read..];
            let now = left.len().min(out.len() - nr);
            out[nr..nr + now].copy_from_slice(&left[..now]);
            nr += now;
            buffer.nr_read += now;
            if buffer.nr_read == buffer.page.len() {
                self.buffers.pop_front();
            }
        }
        if nr == 0 && !out.is_empty() && self.nr_writers > 0 {
            return IoResult::WouldBlock;
        }
        IoResult::Done(nr)
    }

    /// The bytes that come next, at most `max`; they stay.
    pub(super) fn peek(&self, max: usize) -> Vec<u8> {
        let all = self.buffers.iter().flat_map(|buffer| &buffer.page[buffer.nr_read..]);
        all.take(max).copied().collect()
    }

    /// Bytes that a write would take now.
    pub(super) fn room(&self) -> usize {
        let last = self.buffers.back().map_or(0, |last| BUFFER_BYTES - last.page.len());
        let free = (NR_BUFFERS - self.buffers.len()) * BUFFER_BYTES;
        if free > 0 { free } else { last }
    }

    pub(super) fn has_writers(&self) -> bool {
        self.nr_writers > 0
    }

    pub(super) fn has_readers(&self) -> bool {
        self.nr_readers > 0
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> IoResult {
        if bytes.is_empty() {
            return IoResult::Done(0);
        }
        if self.nr_readers == 0 {
            return IoResult::Err(Errno::EPIPE);
        }
        // What is left over whole pages goes to the last page, if it fits there.
        let over = bytes.len() % BUFFER_BYTES;
        let mut nr = match self.buffers.back_mut() {
            Some(last) if last.page.len() + over <= BUFFER_BYTES => {
                last.page.extend_from_slice(&bytes[..over]);
                over
            }
            _ => 0,
        };
        while nr < bytes.len() && self.buffers.len() < NR_BUFFERS {
            let end = bytes.len().min(nr + BUFFER_BYTES);
            self.buffers.push_back(Buffer { page: bytes[nr..end].to_vec(), nr_read: 0 });
            nr = end;
        }
        if nr == 0 { IoResult::WouldBlock } else { IoResult::Done(nr) }
    }

    /// Whether writers have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.buffers.len() >= NR_BUFFERS
    }

    pub(super) fn poll(&self, end: PipeEnd) -> u32 {
        let when = |condition, bits| if condition { bits } else { 0 };
        let mut bits = 0;
        if end != PipeEnd::Write {
            bits |= when(!self.buffers.is_empty(), POLLIN | POLLRDNORM);
            // Before the first writer there was nothing that could end.
            bits |= when(self.nr_writers == 0 && self.all_writers > 0, POLLHUP);
        }
        if end != PipeEnd::Read {
            bits |= when(!self.is_full(), POLLOUT | POLLWRNORM);
            bits |= when(self.nr_readers == 0, POLLERR);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both() -> Pipe {
        let mut pipe = Pipe::new();
        pipe.open(PipeEnd::Read);
        pipe.open(PipeEnd::Write);
        pipe
    }

    #[test]
    fn small_writes_are_whole_and_large_ones_are_split() {
        let mut pipe = both();
        assert_eq!(pipe.write(&[1; PIPE_CAPACITY - 10]), IoResult::Done(PIPE_CAPACITY - 10));
        assert_eq!(pipe.poll(PipeEnd::Write), 0);
        assert_eq!(pipe.write(&[2; 4096]), IoResult::WouldBlock);
        assert_eq!(pipe.write(&[2; 4097]), IoResult::Done(1));
        assert_eq!(pipe.write(&[3; 10]), IoResult::WouldBlock);
        assert_eq!(pipe.write(&[3; 9]), IoResult::Done(9));
        assert_eq!(pipe.write(&[]), IoResult::Done(0));
        assert_eq!(pipe.nr_bytes(), PIPE_CAPACITY);
    }

    #[test]
    fn writes_that_do_not_fit_a_page_begin_a_new_one() {
        let mut pipe = both();
        for _ in 0..NR_BUFFERS {
            assert_eq!(pipe.write(&[0; 2049]), IoResult::Done(2049));
        }
        assert_eq!(pipe.write(&[0; 2049]), IoResult::WouldBlock);
        assert_eq!(pipe.write(&[0; 2047]), IoResult::Done(2047));
        let mut out = [0; 2049];
        pipe.read(&mut out);
        assert_eq!(pipe.poll(PipeEnd::Write), POLLOUT | POLLWRNORM);
    }

    #[test]
    fn a_lonely_end_is_told() {
        let mut pipe = both();
        let mut out = [0; 4];
        assert_eq!(pipe.read(&mut out), IoResult::WouldBlock);
        pipe.write(b"ab");
        pipe.close(PipeEnd::Write);
        assert_eq!(pipe.poll(PipeEnd::Read), POLLIN | POLLRDNORM | POLLHUP);
        assert_eq!(pipe.read(&mut out), IoResult::Done(2));
        assert_eq!(pipe.read(&mut out), IoResult::Done(0));
        let mut pipe = both();
        pipe.close(PipeEnd::Read);
        assert_eq!(pipe.write(b"x"), IoResult::Err(Errno::EPIPE));
        assert_eq!(pipe.poll(PipeEnd::Write), POLLOUT | POLLWRNORM | POLLERR);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(ops in prop::collection::vec((any::<bool>(), 0usize..30_000), 1..40)) {
            let mut pipe = both();
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
