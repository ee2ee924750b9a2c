//! futex: waiting for and waking on words of user memory.
//!
//! A waiter is a blocked task whose [`WaitFor`] names two channels: the word, and a ticket
//! of its own. Tickets grow, so they give the order in which waiters came; waking one
//! waiter is waking its ticket.
//! Source: Linux 6.18 `kernel/futex/{core,waitwake,requeue,syscalls}.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::futex_waitv::NR_FUTEX_WAITV;
use super::table::Syscall;
use super::waiting::Restart;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::task::wait::{Channel, WaitFor, WakeCause};
use crate::task::{InSyscall, TaskState};
use crate::uapi::futex::{
    FUTEX_BITSET_MATCH_ANY, FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};

pub(super) const CALLS: &[Syscall] =
    &[Syscall::waiting(202, "futex", sys_futex).partial("no priority inheritance (ENOSYS)")];

/// The space of tickets, which no address space or frame has.
pub(super) const TICKET_SPACE: u64 = u64::MAX;
/// Marks the space of a word by its frame.
const SHARED: u64 = 1 << 63;

/// A word that tasks wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    space: u64,
    address: u64,
}

impl Key {
    pub(super) const fn channel(self) -> Channel {
        Channel::Futex { space: self.space, address: self.address }
    }
}

/// A blocked task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    ticket: u64,
    task: TaskId,
    bitset: u32,
}

/// The waiters that are woken: in the order of their coming, those whose bits match, and
/// one even where none is asked for, as Linux counts.
fn choose(waiters: &mut [Waiter], bitset: u32, limit: i32) -> Vec<Waiter> {
    waiters.sort_by_key(|waiter| waiter.ticket);
    let limit = usize::try_from(limit).unwrap_or(0).max(1);
    let matching = waiters.iter().filter(|waiter| waiter.bitset & bitset != 0);
    matching.take(limit).copied().collect()
}

fn sys_futex(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [uaddr, op, val, val2, uaddr2, val3] = *args;
    let op = op & 0xffff_ffff;
    let command = op & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let sharing = if op & FUTEX_PRIVATE_FLAG != 0 { Sharing::Private } else { Sharing::Shared };
    let timeout = match command {
        FUTEX_WAIT | FUTEX_WAIT_BITSET if val2 != 0 => Some(read_timeout(kernel, val2)?),
        _ => None,
    };
    if op & FUTEX_CLOCK_REALTIME != 0 && command != FUTEX_WAIT_BITSET {
        return Err(Errno::ENOSYS);
    }
    let now = kernel.now_ns();
    let epoch = if op & FUTEX_CLOCK_REALTIME != 0 { kernel.boot_realtime_ns } else { 0 };
    let any = FUTEX_BITSET_MATCH_ANY;
    let (nr_wake, nr_other) = (val as i32, val2 as i32);
    let done = match command {
        FUTEX_WAIT => {
            let deadline = timeout.map(|timeout| now.saturating_add(timeout));
            let request = WaitRequest { uaddr, value: val as u32, bitset: any, deadline };
            return futex_wait(kernel, task, sharing, request);
        }
        FUTEX_WAIT_BITSET => {
            let deadline = timeout.map(|timeout| timeout.saturating_sub(epoch));
            let request = WaitRequest { uaddr, value: val as u32, bitset: val3 as u32, deadline };
            return futex_wait(kernel, task, sharing, request);
        }
        FUTEX_WAKE => futex_wake(kernel, task, sharing, uaddr, nr_wake, any),
        FUTEX_WAKE_BITSET => futex_wake(kernel, task, sharing, uaddr, nr_wake, val3 as u32),
        FUTEX_REQUEUE => requeue(kernel, task, sharing, [uaddr, uaddr2], [nr_wake, nr_other], None),
        FUTEX_CMP_REQUEUE => {
            let expected = Some(val3 as u32);
            requeue(kernel, task, sharing, [uaddr, uaddr2], [nr_wake, nr_other], expected)
        }
        FUTEX_WAKE_OP => {
            wake_op(kernel, task, sharing, [uaddr, uaddr2], [nr_wake, nr_other], val3 as u32)
        }
        _ => {
            kernel.tell_unsupported(task, Some("futex: priority inheritance"));
            Err(Errno::ENOSYS)
        }
    };
    Ok(Outcome::Done(done))
}

pub(super) fn read_timeout(kernel: &mut Kernel, at: u64) -> Result<u64, Errno> {
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    timespec_to_ns(&bytes)
}

/// Whether other processes may use the same word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Private,
    Shared,
}

/// The word at an address (`get_futex_key`). In shared mappings it is known by its frame,
/// elsewhere by address space and address.
pub(super) fn key_of(
    kernel: &mut Kernel,
    task: TaskId,
    sharing: Sharing,
    uaddr: u64,
) -> Result<Key, Errno> {
    if !uaddr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if uaddr > TASK_SIZE_MAX - 4 {
        return Err(Errno::EFAULT);
    }
    let private = Key { space: u64::from(kernel.tasks.task(task).mm.0), address: uaddr };
    if sharing == Sharing::Private {
        return Ok(private);
    }
    let mm = kernel.tasks.task(task).mm;
    let (space, _) = kernel.tasks.spaces.get_mut(&mm).ok_or(Errno::EFAULT)?;
    // The page must be there; the processor does not read it (`get_user_pages_fast`, rule 4.5).
    let (hw, frames) = (&mut kernel.hw, &mut kernel.frames);
    space.read_bytes(hw, frames, uaddr, &mut [0], Access::User)?;
    let vma = space.find_vma(uaddr).ok_or(Errno::EFAULT)?;
    if !vma.backing.is_shared() {
        return Ok(private);
    }
    let found = space.translate(&kernel.hw, uaddr).ok_or(Errno::EFAULT)?;
    Ok(Key { space: SHARED | (found.physical / PAGE_SIZE), address: uaddr % PAGE_SIZE })
}

/// The bits that a waiter listens to.
const fn bitset_of(call: InSyscall) -> u32 {
    let command = call.args[1] & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) & 0xffff_ffff;
    let has_bitset = call.nr != NR_FUTEX_WAITV && command == FUTEX_WAIT_BITSET;
    if has_bitset { call.args[5] as u32 } else { FUTEX_BITSET_MATCH_ANY }
}

/// Every task that waits for a word, with its ticket.
fn waiters_of(kernel: &Kernel, key: Option<Key>) -> Vec<Waiter> {
    let wanted = key.map(Key::channel);
    let tasks = kernel.tasks.tasks.values();
    tasks
        .flat_map(|task| {
            let channels = match &task.state {
                TaskState::Blocked(wait) => wait.channels.as_slice(),
                _ => &[],
            };
            let bitset = task.syscall.map_or(FUTEX_BITSET_MATCH_ANY, bitset_of);
            channels.chunks_exact(2).filter_map(move |pair| {
                let [word, Channel::Futex { space: TICKET_SPACE, address: ticket }] = *pair else {
                    return None;
                };
                let is_wanted = wanted.is_none_or(|wanted| wanted == word);
                is_wanted.then_some(Waiter { ticket, task: task.id, bitset })
            })
        })
        .collect()
}

/// A ticket behind all that wait now.
pub(super) fn next_ticket(kernel: &Kernel) -> u64 {
    waiters_of(kernel, None).iter().map(|waiter| waiter.ticket + 1).max().unwrap_or(0)
}

#[derive(Clone, Copy, Debug)]
struct WaitRequest {
    uaddr: u64,
    value: u32,
    bitset: u32,
    deadline: Option<u64>,
}

fn futex_wait(
    kernel: &mut Kernel,
    task: TaskId,
    sharing: Sharing,
    request: WaitRequest,
) -> Result<Outcome, Errno> {
    if request.bitset == 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(WakeCause::Channel(_)) = kernel.woken(task) {
        return Ok(Outcome::Done(Ok(0)));
    }
    let deadline = request.deadline.map(|deadline| kernel.keep_deadline(task, deadline));
    let restart = if deadline.is_some() { Restart::Block } else { Restart::Sys };
    match kernel.woken(task) {
        Some(WakeCause::Timeout) => return Err(Errno::ETIMEDOUT),
        Some(WakeCause::Signal) if kernel.signal_pending(task) => return Ok(restart.outcome()),
        Some(WakeCause::Signal | WakeCause::Channel(_)) | None => {}
    }
    let key = key_of(kernel, task, sharing, request.uaddr)?;
    if kernel.read_user_u32(request.uaddr)? != request.value {
        return Err(Errno::EAGAIN);
    }
    if deadline.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Err(Errno::ETIMEDOUT);
    }
    let ticket = Channel::Futex { space: TICKET_SPACE, address: next_ticket(kernel) };
    let channels = vec![key.channel(), ticket];
    let wait = WaitFor { channels, deadline_ns: deadline, uninterruptible: false };
    Ok(kernel.wait_or_interrupt(task, wait, restart))
}

fn wake_waiters(kernel: &mut Kernel, waiters: &[Waiter]) -> u64 {
    for waiter in waiters {
        kernel.wake(Channel::Futex { space: TICKET_SPACE, address: waiter.ticket });
    }
    waiters.len() as u64
}

fn wake_key(kernel: &mut Kernel, key: Key, limit: i32, bitset: u32) -> u64 {
    let mut waiters = waiters_of(kernel, Some(key));
    let chosen = choose(&mut waiters, bitset, limit);
    wake_waiters(kernel, &chosen)
}

fn futex_wake(
    kernel: &mut Kernel,
    task: TaskId,
    sharing: Sharing,
    uaddr: u64,
    limit: i32,
    bitset: u32,
) -> Result<u64, Errno> {
    if bitset == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key_of(kernel, task, sharing, uaddr)?;
    Ok(wake_key(kernel, key, limit, bitset))
}

/// Wakes some waiters of one word and makes others wait for a second one.
fn requeue(
    kernel: &mut Kernel,
    task: TaskId,
    sharing: Sharing,
    uaddrs: [u64; 2],
    limits: [i32; 2],
    expected: Option<u32>,
) -> Result<u64, Errno> {
    let [nr_wake, nr_requeue] = limits;
    if nr_wake < 0 || nr_requeue < 0 {
        return Err(Errno::EINVAL);
    }
    let from = key_of(kernel, task, sharing, uaddrs[0])?;
    let to = key_of(kernel, task, sharing, uaddrs[1])?;
    if let Some(expected) = expected
        && kernel.read_user_u32(uaddrs[0])? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let mut waiters = waiters_of(kernel, Some(from));
    waiters.sort_by_key(|waiter| waiter.ticket);
    let rest = waiters.split_off(waiters.len().min(nr_wake as usize));
    let nr_woken = wake_waiters(kernel, &waiters);
    let mut nr_moved = 0;
    for waiter in rest.iter().take(nr_requeue as usize) {
        let old = Channel::Futex { space: TICKET_SPACE, address: waiter.ticket };
        let new = Channel::Futex { space: TICKET_SPACE, address: next_ticket(kernel) };
        let entry = kernel.tasks.task_mut(waiter.task);
        // Of several words the ticket tells which; it stays.
        let is_one = entry.syscall.is_some_and(|call| call.nr != NR_FUTEX_WAITV);
        if let TaskState::Blocked(wait) = &mut entry.state
            && let Some(place) = wait.channels.iter().position(|channel| *channel == old)
        {
            wait.channels[place - 1] = to.channel();
            wait.channels[place] = if is_one { new } else { old };
            nr_moved += 1;
        }
    }
    Ok(nr_woken + nr_moved)
}

/// An operation on a word and a comparison with its old value (`futex_atomic_op_inuser`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WakeOp {
    new: u32,
    wakes_second: bool,
}

fn apply_op(encoded: u32, old: u32) -> Result<WakeOp, Errno> {
    const SHIFT_ARGUMENT: u32 = 8;
    let signed = |field: u32| (field << 20) as i32 >> 20;
    let mut argument = signed(encoded >> 12 & 0xfff);
    let compared = signed(encoded & 0xfff);
    let op = encoded >> 28;
    if op & SHIFT_ARGUMENT != 0 {
        argument = 1_i32.wrapping_shl(argument as u32 & 31);
    }
    let argument = argument as u32;
    let new = match op & 7 {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS),
    };
    let signed_old = old as i32;
    let wakes_second = match encoded >> 24 & 0xf {
        0 => signed_old == compared,
        1 => signed_old != compared,
        2 => signed_old < compared,
        3 => signed_old <= compared,
        4 => signed_old > compared,
        5 => signed_old >= compared,
        _ => return Err(Errno::ENOSYS),
    };
    Ok(WakeOp { new, wakes_second })
}

fn wake_op(
    kernel: &mut Kernel,
    task: TaskId,
    sharing: Sharing,
    uaddrs: [u64; 2],
    limits: [i32; 2],
    encoded: u32,
) -> Result<u64, Errno> {
    let first = key_of(kernel, task, sharing, uaddrs[0])?;
    let second = key_of(kernel, task, sharing, uaddrs[1])?;
    let old = kernel.read_user_u32(uaddrs[1])?;
    let op = apply_op(encoded, old)?;
    kernel.write_user_u32(uaddrs[1], op.new)?;
    let mut nr_woken = wake_key(kernel, first, limits[0], FUTEX_BITSET_MATCH_ANY);
    if op.wakes_second {
        nr_woken += wake_key(kernel, second, limits[1], FUTEX_BITSET_MATCH_ANY);
    }
    Ok(nr_woken)
}

impl Kernel {
    /// Wakes one waiter of a word at the end of a thread. A word that is gone has none.
    pub(super) fn futex_wake_shared(&mut self, task: TaskId, uaddr: u64) {
        let any = FUTEX_BITSET_MATCH_ANY;
        let _gone = futex_wake(self, task, Sharing::Shared, uaddr, 1, any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(ticket: u64, bitset: u32) -> Waiter {
        Waiter { ticket, task: TaskId(ticket as u32), bitset }
    }

    #[test]
    fn waiters_are_woken_in_the_order_of_their_coming() {
        let all = [waiter(7, 1), waiter(2, 2), waiter(5, 3), waiter(9, 4)];
        for (bitset, limit, want) in [
            (u32::MAX, 2, vec![2, 5]),
            (u32::MAX, i32::MAX, vec![2, 5, 7, 9]),
            (1, 9, vec![5, 7]),
            (4, 1, vec![9]),
            (8, 1, vec![]),
            (u32::MAX, 0, vec![2]),
            (u32::MAX, -1, vec![2]),
        ] {
            let chosen = choose(&mut all.to_vec(), bitset, limit);
            let tickets: Vec<_> = chosen.iter().map(|waiter| waiter.ticket).collect();
            assert_eq!(tickets, want, "{bitset:#x} {limit}");
        }
    }

    #[test]
    fn operations_of_wake_op() {
        let encode = |op: u32, cmp: u32, arg: u32, cmparg: u32| {
            op << 28 | cmp << 24 | (arg & 0xfff) << 12 | cmparg & 0xfff
        };
        for (encoded, old, want) in [
            (encode(0, 0, 5, 7), 7, Ok((5, true))),
            (encode(1, 1, u32::MAX, 7), 7, Ok((6, false))),
            (encode(2, 2, 8, 0), u32::MAX, Ok((u32::MAX, true))),
            (encode(3, 3, 1, 1), 1, Ok((0, true))),
            (encode(4, 4, 3, 1), 1, Ok((2, false))),
            (encode(8, 5, 4, 0), 0, Ok((16, true))),
            (encode(5, 0, 0, 0), 0, Err(Errno::ENOSYS)),
            (encode(0, 6, 0, 0), 0, Err(Errno::ENOSYS)),
        ] {
            let got = apply_op(encoded, old).map(|op| (op.new, op.wakes_second));
            assert_eq!(got, want, "{encoded:#x}");
        }
    }
}
