//! futex_waitv: waiting for any of several words.
//!
//! The tickets of one wait follow each other; the first stands in the sixth argument, which
//! the call does not use, so that the ticket that was woken tells which word it was.
//! Source: Linux 6.18 `kernel/futex/syscalls.c`, `kernel/futex/waitwake.c`
//! (`futex_wait_multiple`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::futex::{Sharing, TICKET_SPACE, key_of, next_ticket, read_timeout};
use super::table::Syscall;
use super::waiting::Restart;
use crate::kernel::Kernel;
use crate::task::wait::{Channel, WaitFor, WakeCause};
use crate::uapi::time::{CLOCK_MONOTONIC, CLOCK_REALTIME};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[Syscall::waiting(449, "futex_waitv", sys_futex_waitv)];

/// Number of the call.
pub(super) const NR_FUTEX_WAITV: u64 = 449;
/// Most words (`FUTEX_WAITV_MAX`).
const MAX_WAITERS: u64 = 128;
/// Bytes of `struct futex_waitv`.
const WAITV_BYTES: usize = 24;
/// The argument that holds the first ticket.
const FIRST_TICKET: usize = 5;
/// `FUTEX2_SIZE_U32`, the only size, and `FUTEX2_PRIVATE`.
const SIZE_U32: u32 = 2;
const PRIVATE: u32 = 128;

/// A word to wait for (`struct futex_waitv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    value: u64,
    uaddr: u64,
    sharing: Sharing,
}

impl Word {
    fn parse(bytes: &[u8]) -> Result<Self, Errno> {
        let (value, uaddr, last) = (word_at(bytes, 0), word_at(bytes, 8), word_at(bytes, 16));
        let (flags, reserved) = (last as u32, (last >> 32) as u32);
        if flags & !PRIVATE != SIZE_U32 || reserved != 0 || value >> 32 != 0 {
            return Err(Errno::EINVAL);
        }
        let sharing = if flags & PRIVATE != 0 { Sharing::Private } else { Sharing::Shared };
        Ok(Self { value, uaddr, sharing })
    }
}

fn sys_futex_waitv(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [at, nr, flags, timeout_at, clock, first_ticket] = *args;
    let nr = nr & 0xffff_ffff;
    if flags as u32 != 0 || nr == 0 || nr > MAX_WAITERS || at == 0 {
        return Err(Errno::EINVAL);
    }
    match kernel.woken(task) {
        Some(WakeCause::Channel(Channel::Futex { space: TICKET_SPACE, address })) => {
            return Ok(Outcome::Done(Ok(address.saturating_sub(first_ticket))));
        }
        Some(WakeCause::Timeout) => return Err(Errno::ETIMEDOUT),
        Some(WakeCause::Signal) if kernel.signal_pending(task) => {
            return Ok(Restart::Sys.outcome());
        }
        Some(WakeCause::Signal | WakeCause::Channel(_)) | None => {}
    }
    let deadline = match timeout_at {
        0 => None,
        at => {
            let epoch = match clock & 0xffff_ffff {
                CLOCK_MONOTONIC => 0,
                CLOCK_REALTIME => kernel.boot_realtime_ns,
                _ => return Err(Errno::EINVAL),
            };
            Some(read_timeout(kernel, at)?.saturating_sub(epoch))
        }
    };
    let mut bytes = vec![0; nr as usize * WAITV_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let words: Result<Vec<Word>, Errno> =
        bytes.chunks_exact(WAITV_BYTES).map(Word::parse).collect();
    let first = next_ticket(kernel);
    let mut channels = Vec::new();
    for (ticket, word) in (first..).zip(words?) {
        let key = key_of(kernel, task, word.sharing, word.uaddr)?;
        if u64::from(kernel.read_user_u32(word.uaddr)?) != word.value {
            return Err(Errno::EAGAIN);
        }
        channels.push(key.channel());
        channels.push(Channel::Futex { space: TICKET_SPACE, address: ticket });
    }
    if deadline.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Err(Errno::ETIMEDOUT);
    }
    if let Some(call) = &mut kernel.tasks.task_mut(task).syscall {
        call.args[FIRST_TICKET] = first;
    }
    let wait = WaitFor { channels, deadline_ns: deadline, uninterruptible: false };
    Ok(kernel.wait_or_interrupt(task, wait, Restart::Sys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_can_be_waited_for() {
        let word = |value: u64, flags: u64| {
            let bytes: Vec<u8> =
                [value, 0x1000, flags].into_iter().flat_map(u64::to_le_bytes).collect();
            Word::parse(&bytes).map(|word| word.sharing)
        };
        assert_eq!([word(1, 2), word(1, 130)], [Ok(Sharing::Shared), Ok(Sharing::Private)]);
        for (value, flags) in [(1, 0), (1, 3), (1, 2 | 1 << 32), (1 << 32, 2), (1, 6)] {
            assert_eq!(word(value, flags), Err(Errno::EINVAL), "{value} {flags}");
        }
    }
}
