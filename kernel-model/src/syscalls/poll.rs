//! poll, ppoll, select, pselect6.
//! Source: Linux 6.18 `fs/select.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::signal::check_sigset_size;
use super::table::Syscall;
use super::waiting::Restart;
use crate::fs::poll::PollState;
use crate::kernel::Kernel;
use crate::task::wait::{Channel, WaitFor};
use crate::uapi::poll::{
    POLLERR, POLLFD_BYTES, POLLHUP, POLLNVAL, SELECT_EX, SELECT_IN, SELECT_OUT,
};
use crate::uapi::time::{TIME_BYTES, select_timeval_to_ns, timespec, timespec_to_ns, timeval};
use crate::uapi::word_at;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(7, "poll", sys_poll),
    Syscall::waiting(23, "select", sys_select),
    Syscall::waiting(270, "pselect6", sys_pselect6),
    Syscall::waiting(271, "ppoll", sys_ppoll),
];

/// A descriptor and what is asked about it; `struct pollfd` in the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}

impl PollFd {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            fd: i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            events: u16::from_le_bytes([bytes[4], bytes[5]]),
            revents: 0,
        }
    }
}

/// The bits of a descriptor, and what would change them.
fn readiness(kernel: &mut Kernel, task: TaskId, fd: i32) -> PollState {
    match kernel.tasks.process_of(task).files.get(fd) {
        Ok(id) => kernel.poll_file(id),
        Err(_) => PollState { bits: POLLNVAL, channel: None },
    }
}

/// How a look at all descriptors ended.
enum Polled {
    /// So many are ready, or the time is over.
    Ready(u64),
    /// A signal came, or it waits.
    Pending(Outcome),
}

/// Decides between an answer, a wait and an interruption (`do_poll`). A deadline that has
/// passed answers 0.
fn settle(
    kernel: &Kernel,
    task: TaskId,
    nr_ready: u64,
    channels: Vec<Channel>,
    deadline_ns: Option<u64>,
) -> Polled {
    if nr_ready > 0 {
        return Polled::Ready(nr_ready);
    }
    if kernel.signal_pending(task) {
        return Polled::Pending(Restart::NoHand.outcome());
    }
    if deadline_ns.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Polled::Ready(0);
    }
    Polled::Pending(Outcome::Wait(WaitFor { channels, deadline_ns, uninterruptible: false }))
}

/// Polls an array of `struct pollfd` in the program's memory.
fn do_sys_poll(
    kernel: &mut Kernel,
    task: TaskId,
    addr: u64,
    nr: u64,
    deadline: Option<u64>,
) -> Result<Outcome, Errno> {
    if nr > u64::from(kernel.tasks.process_of(task).files.limit()) {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; nr as usize * POLLFD_BYTES];
    kernel.copy_from_user(addr, &mut bytes)?;
    let mut fds: Vec<PollFd> = bytes.chunks_exact(POLLFD_BYTES).map(PollFd::parse).collect();
    let mut channels = Vec::new();
    let mut nr_ready = 0;
    for entry in &mut fds {
        if entry.fd < 0 {
            continue;
        }
        let PollState { bits, channel } = readiness(kernel, task, entry.fd);
        channels.extend(channel);
        let wanted = u32::from(entry.events) | POLLERR | POLLHUP | POLLNVAL;
        entry.revents = (bits & wanted) as u16;
        nr_ready += u64::from(entry.revents != 0);
    }
    match settle(kernel, task, nr_ready, channels, deadline) {
        Polled::Pending(outcome) => Ok(outcome),
        Polled::Ready(nr_ready) => {
            for (index, entry) in (0..).zip(&fds) {
                let at = addr.wrapping_add(index * POLLFD_BYTES as u64 + 6);
                kernel.copy_to_user(at, &entry.revents.to_le_bytes())?;
            }
            Ok(Outcome::Done(Ok(nr_ready)))
        }
    }
}

fn sys_poll(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [addr, nr, timeout_ms, ..] = *args;
    let deadline = u64::try_from(timeout_ms as i32).ok().map(|ms| {
        let end = kernel.now_ns().saturating_add(ms * 1_000_000);
        kernel.keep_deadline(task, end)
    });
    do_sys_poll(kernel, task, addr, nr & 0xffff_ffff, deadline)
}

/// The format of a timeout in the program's memory, which is told what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeFormat {
    Timespec,
    Timeval,
}

/// A timeout argument: where it is, and when it ends.
#[derive(Clone, Copy, Debug)]
struct Timeout {
    at: u64,
    format: TimeFormat,
    is_zero: bool,
    deadline: u64,
}

fn read_timeout(
    kernel: &mut Kernel,
    task: TaskId,
    at: u64,
    format: TimeFormat,
) -> Result<Option<Timeout>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    if let Some(deadline) = kernel.kept_deadline(task) {
        return Ok(Some(Timeout { at, format, is_zero: false, deadline }));
    }
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let ns = match format {
        TimeFormat::Timespec => timespec_to_ns(&bytes)?,
        TimeFormat::Timeval => select_timeval_to_ns(&bytes)?,
    };
    let end = kernel.now_ns().saturating_add(ns);
    let deadline = kernel.keep_deadline(task, end);
    Ok(Some(Timeout { at, format, is_zero: ns == 0, deadline }))
}

/// Blocks other signals while the call waits; `mask_at` 0 leaves the mask.
pub(super) fn enter_mask(
    kernel: &mut Kernel,
    task: TaskId,
    mask_at: u64,
    size: u64,
) -> Result<(), Errno> {
    if mask_at == 0 || kernel.woken(task).is_some() {
        return Ok(());
    }
    check_sigset_size(size)?;
    let mask = kernel.read_user_u64(mask_at)?;
    kernel.set_temporary_mask(task, mask);
    Ok(())
}

/// Restores the mask and tells what is left of the time (`poll_select_finish`).
fn finish(
    kernel: &mut Kernel,
    task: TaskId,
    timeout: Option<Timeout>,
    result: Result<Outcome, Errno>,
) -> Result<Outcome, Errno> {
    let outcome = result.unwrap_or_else(|errno| Outcome::Done(Err(errno)));
    if matches!(outcome, Outcome::Wait(_)) {
        return Ok(outcome);
    }
    kernel.restore_mask_unless_interrupted(task, &outcome);
    let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero) else { return Ok(outcome) };
    let left = timeout.deadline.saturating_sub(kernel.now_ns());
    let bytes = match timeout.format {
        TimeFormat::Timespec => timespec(left),
        TimeFormat::Timeval => timeval(left),
    };
    // An address that cannot be written only forbids to make the call again.
    let is_written = kernel.copy_to_user(timeout.at, &bytes).is_ok();
    Ok(match outcome {
        Outcome::Interrupted(Restart::NoHand) if !is_written => Outcome::Done(Err(Errno::EINTR)),
        outcome => outcome,
    })
}

fn sys_ppoll(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [addr, nr, timeout_at, mask_at, size, _] = *args;
    let timeout = read_timeout(kernel, task, timeout_at, TimeFormat::Timespec)?;
    enter_mask(kernel, task, mask_at, size)?;
    let deadline = timeout.map(|timeout| timeout.deadline);
    let result = do_sys_poll(kernel, task, addr, nr & 0xffff_ffff, deadline);
    finish(kernel, task, timeout, result)
}

fn sys_select(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [nr, read_at, write_at, except_at, timeout_at, _] = *args;
    let timeout = read_timeout(kernel, task, timeout_at, TimeFormat::Timeval)?;
    let deadline = timeout.map(|timeout| timeout.deadline);
    let result = core_select(kernel, task, nr, [read_at, write_at, except_at], deadline);
    finish(kernel, task, timeout, result)
}

fn sys_pselect6(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [nr, read_at, write_at, except_at, timeout_at, mask_pair_at] = *args;
    let mut pair = [0; 16];
    if mask_pair_at != 0 {
        kernel.copy_from_user(mask_pair_at, &mut pair)?;
    }
    let timeout = read_timeout(kernel, task, timeout_at, TimeFormat::Timespec)?;
    enter_mask(kernel, task, word_at(&pair, 0), word_at(&pair, 8))?;
    let deadline = timeout.map(|timeout| timeout.deadline);
    let result = core_select(kernel, task, nr, [read_at, write_at, except_at], deadline);
    finish(kernel, task, timeout, result)
}

/// The poll bits that put a descriptor into each of the three sets.
const SET_BITS: [u32; 3] = [SELECT_IN, SELECT_OUT, SELECT_EX];

/// Polls the descriptors of three bit sets and leaves those that are ready.
fn core_select(
    kernel: &mut Kernel,
    task: TaskId,
    nr: u64,
    addrs: [u64; 3],
    deadline: Option<u64>,
) -> Result<Outcome, Errno> {
    let nr = u64::try_from(nr as i32).map_err(|_| Errno::EINVAL)?;
    let nr = nr.min(u64::from(kernel.tasks.process_of(task).files.limit()));
    let set_bytes = nr.div_ceil(64) as usize * 8;
    let mut wanted = [vec![0; set_bytes], vec![0; set_bytes], vec![0; set_bytes]];
    for (set, &addr) in wanted.iter_mut().zip(&addrs) {
        if addr != 0 {
            kernel.copy_from_user(addr, set)?;
        }
    }
    let mut ready = [vec![0; set_bytes], vec![0; set_bytes], vec![0; set_bytes]];
    let mut channels = Vec::new();
    let mut nr_ready = 0;
    for fd in 0..nr as usize {
        let asked = wanted.each_ref().map(|set| has_bit(set, fd));
        if asked == [false; 3] {
            continue;
        }
        let PollState { bits, channel } = readiness(kernel, task, fd as i32);
        if kernel.tasks.process_of(task).files.get(fd as i32).is_err() {
            return Err(Errno::EBADF);
        }
        channels.extend(channel);
        for set in 0..3 {
            if asked[set] && bits & SET_BITS[set] != 0 {
                ready[set][fd / 8] |= 1 << (fd % 8);
                nr_ready += 1;
            }
        }
    }
    match settle(kernel, task, nr_ready, channels, deadline) {
        Polled::Pending(outcome) => Ok(outcome),
        Polled::Ready(nr_ready) => {
            for (set, &addr) in ready.iter().zip(&addrs) {
                if addr != 0 {
                    kernel.copy_to_user(addr, set)?;
                }
            }
            Ok(Outcome::Done(Ok(nr_ready)))
        }
    }
}

fn has_bit(set: &[u8], index: usize) -> bool {
    set.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pollfd_layout() {
        let bytes = [5, 0, 0, 0, 0x41, 0, 0xff, 0xff];
        assert_eq!(PollFd::parse(&bytes), PollFd { fd: 5, events: 0x41, revents: 0 });
    }

    #[test]
    fn bits_of_sets() {
        assert!(has_bit(&[0, 2], 9));
        assert!(!has_bit(&[0, 2], 8));
        assert!(!has_bit(&[0, 2], 16));
    }
}
