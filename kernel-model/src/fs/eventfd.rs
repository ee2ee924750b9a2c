//! eventfd: a counter that is waited for.
//! Source: Linux 6.18 `fs/eventfd.c`; eventfd(2).

use perf_core::Errno;

use super::io::IoResult;
use crate::uapi::poll::{POLLERR, POLLIN, POLLOUT};

/// Number of an eventfd. Used again after its open file has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventfdId(pub u32);

/// What a read takes of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventfdRead {
    /// All of it.
    All,
    /// One (`EFD_SEMAPHORE`).
    One,
}

/// Bytes of the counter.
pub const COUNTER_BYTES: usize = 8;

/// An eventfd.
#[derive(Clone, Debug)]
pub(super) struct Eventfd {
    count: u64,
    reads: EventfdRead,
}

impl Eventfd {
    pub(super) const fn new(count: u64, reads: EventfdRead) -> Self {
        Self { count, reads }
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> IoResult {
        let Some(out) = out.first_chunk_mut::<COUNTER_BYTES>() else {
            return IoResult::Err(Errno::EINVAL);
        };
        let taken = match self.reads {
            _ if self.count == 0 => return IoResult::WouldBlock,
            EventfdRead::All => self.count,
            EventfdRead::One => 1,
        };
        self.count -= taken;
        *out = taken.to_le_bytes();
        IoResult::Done(COUNTER_BYTES)
    }

    /// Adds to the counter, whose largest value is one below that of the type.
    pub(super) fn write(&mut self, bytes: &[u8]) -> IoResult {
        let Some(bytes) = bytes.first_chunk::<COUNTER_BYTES>() else {
            return IoResult::Err(Errno::EINVAL);
        };
        let added = u64::from_le_bytes(*bytes);
        match self.count.checked_add(added) {
            _ if added == u64::MAX => IoResult::Err(Errno::EINVAL),
            Some(sum) if sum < u64::MAX => {
                self.count = sum;
                IoResult::Done(COUNTER_BYTES)
            }
            _ => IoResult::WouldBlock,
        }
    }

    pub(super) const fn poll(&self) -> u32 {
        let mut bits = 0;
        if self.count > 0 {
            bits |= POLLIN;
        }
        if self.count == u64::MAX {
            bits |= POLLERR;
        }
        if self.count < u64::MAX - 1 {
            bits |= POLLOUT;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &mut Eventfd) -> Option<u64> {
        let mut out = [0; COUNTER_BYTES];
        (event.read(&mut out) == IoResult::Done(COUNTER_BYTES)).then(|| u64::from_le_bytes(out))
    }

    #[test]
    fn counts_and_says_when_it_is_full() {
        let mut event = Eventfd::new(3, EventfdRead::All);
        assert_eq!(event.poll(), POLLIN | POLLOUT);
        assert_eq!(read(&mut event), Some(3));
        assert_eq!(read(&mut event), None);
        let most = u64::MAX - 1;
        assert_eq!(event.write(&most.to_le_bytes()), IoResult::Done(8));
        assert_eq!(event.poll(), POLLIN);
        assert_eq!(event.write(&1_u64.to_le_bytes()), IoResult::WouldBlock);
        assert_eq!(event.write(&u64::MAX.to_le_bytes()), IoResult::Err(Errno::EINVAL));
        assert_eq!(event.write(&[0; 7]), IoResult::Err(Errno::EINVAL));
        assert_eq!(event.read(&mut [0; 7]), IoResult::Err(Errno::EINVAL));
    }

    #[test]
    fn a_semaphore_gives_one_at_a_time() {
        let mut event = Eventfd::new(2, EventfdRead::One);
        assert_eq!(
            [read(&mut event), read(&mut event), read(&mut event)],
            [Some(1), Some(1), None]
        );
    }
}
