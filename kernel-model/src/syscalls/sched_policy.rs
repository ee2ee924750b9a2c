//! Policies and priorities of scheduling: what is set is kept and told.
//! Source: Linux 6.18 `kernel/sched/syscalls.c`.

use perf_core::{Errno, TaskId};

use super::sched::find;
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::sched::TICK_NS;
use crate::task::cred::Cap;
use crate::task::limits::Resource;
use crate::task::sched_attr::{Policy, SchedAttr};
use crate::uapi::time::timespec;
use crate::uapi::{put, word_at};

const BUT: &str = "kept and told; tasks still run in the order in which they became runnable";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(142, "sched_setparam", |kernel, task, args| {
        set_scheduler(kernel, task, args[0], None, args[1])
    })
    .partial(BUT),
    Syscall::plain(143, "sched_getparam", sys_sched_getparam),
    Syscall::plain(144, "sched_setscheduler", |kernel, task, args| {
        if (args[1] as i32) < 0 {
            return Err(Errno::EINVAL);
        }
        set_scheduler(kernel, task, args[0], Some(args[1] as u32), args[2])
    })
    .partial(BUT),
    Syscall::plain(145, "sched_getscheduler", sys_sched_getscheduler),
    Syscall::plain(146, "sched_get_priority_max", |_, _, args| {
        priorities(args[0]).map(|(_, most)| u64::from(most))
    }),
    Syscall::plain(147, "sched_get_priority_min", |_, _, args| {
        priorities(args[0]).map(|(least, _)| u64::from(least))
    }),
    Syscall::plain(148, "sched_rr_get_interval", sys_sched_rr_get_interval),
    Syscall::plain(314, "sched_setattr", sys_sched_setattr).partial(BUT),
    Syscall::plain(315, "sched_getattr", sys_sched_getattr),
];

/// In a policy: children start with `SCHED_OTHER`.
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
/// Time slice of `SCHED_RR`, ns.
const RR_TIMESLICE_NS: u64 = 100_000_000;
/// Time slice of other policies on one CPU, ns (`sysctl_sched_base_slice`); it grows with their
/// number.
const BASE_SLICE_NS: u64 = 700_000;
/// Bytes of `struct sched_attr` in its first and its present version.
const SCHED_ATTR_SIZE_VER0: usize = 48;
const SCHED_ATTR_BYTES: usize = 56;
/// Flags of `struct sched_attr`.
const FLAG_RESET_ON_FORK: u64 = 1;
const FLAG_KEEP_POLICY: u64 = 8;
const FLAG_KEEP_PARAMS: u64 = 16;
const FLAG_ALL: u64 = 0x7f;

fn slice_ns(kernel: &Kernel) -> u64 {
    BASE_SLICE_NS * u64::from(1 + kernel.hw.nr_cpus().clamp(1, 8).ilog2())
}

fn priorities(policy: u64) -> Result<(u32, u32), Errno> {
    const SCHED_EXT: u32 = 7;
    match policy as u32 {
        SCHED_EXT => Ok((0, 0)),
        policy => Policy::from_number(policy).map(Policy::priorities),
    }
}

fn sys_sched_getscheduler(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<u64, Errno> {
    let target = find(kernel, task, args[0])?;
    let attr = &kernel.tasks.task(target).sched;
    let reset = if attr.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 };
    Ok(u64::from(attr.policy as u32 | reset))
}

fn sys_sched_getparam(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    if args[1] == 0 {
        return Err(Errno::EINVAL);
    }
    let target = find(kernel, task, args[0])?;
    kernel.write_user_u32(args[1], kernel.tasks.task(target).sched.priority)?;
    Ok(0)
}

/// sched_setparam and sched_setscheduler: without a policy it stays.
fn set_scheduler(
    kernel: &mut Kernel,
    task: TaskId,
    tid: u64,
    policy: Option<u32>,
    param_at: u64,
) -> Result<u64, Errno> {
    if param_at == 0 || (tid as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = kernel.read_user_u32(param_at)?;
    let target = find(kernel, task, tid)?;
    let old = kernel.tasks.task(target).sched;
    let mut new = SchedAttr { priority, ..old };
    if let Some(policy) = policy {
        new.policy = Policy::from_number(policy & !SCHED_RESET_ON_FORK)?;
        new.reset_on_fork = policy & SCHED_RESET_ON_FORK != 0;
    }
    if new.policy == Policy::Deadline {
        return Err(Errno::EINVAL);
    }
    change(kernel, task, target, new)
}

/// Checks what is asked for and takes it on (`__sched_setscheduler`).
fn change(kernel: &mut Kernel, task: TaskId, target: TaskId, new: SchedAttr) -> Result<u64, Errno> {
    let (least, most) = new.policy.priorities();
    if !(least..=most).contains(&new.priority) {
        return Err(Errno::EINVAL);
    }
    check_permission(kernel, task, target, &new)?;
    kernel.tasks.task_mut(target).sched = new;
    Ok(0)
}

/// What needs `CAP_SYS_NICE` (`user_check_sched_setscheduler`).
fn check_permission(
    kernel: &Kernel,
    task: TaskId,
    target: TaskId,
    new: &SchedAttr,
) -> Result<(), Errno> {
    let (from, to) = (kernel.tasks.task(task), kernel.tasks.task(target));
    if from.cred.capable(Cap::SysNice) {
        return Ok(());
    }
    let limit = kernel.tasks.process_of(target).limits.soft(Resource::Rtprio);
    let old = &to.sched;
    let raises = u64::from(new.priority) > limit && new.priority > old.priority;
    let changes = new.policy != old.policy && limit == 0;
    let user = from.cred.user.effective;
    let is_refused = new.policy == Policy::Deadline
        || new.policy.is_real_time() && (raises || changes)
        || !new.policy.is_real_time() && new.nice < old.nice && !may_nice(kernel, target, new.nice)
        || user != to.cred.user.effective && user != to.cred.user.real
        || old.reset_on_fork && !new.reset_on_fork;
    if is_refused { Err(Errno::EPERM) } else { Ok(()) }
}

/// Whether `RLIMIT_NICE` allows a nice value.
pub(super) fn may_nice(kernel: &Kernel, target: TaskId, nice: i32) -> bool {
    let limit = kernel.tasks.process_of(target).limits.soft(Resource::Nice);
    (20 - nice).max(0) as u64 <= limit
}

fn sys_sched_rr_get_interval(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<u64, Errno> {
    let target = find(kernel, task, args[0])?;
    let slice = match kernel.tasks.task(target).sched.policy {
        Policy::RoundRobin => RR_TIMESLICE_NS,
        Policy::Fifo | Policy::Deadline => 0,
        // In whole ticks.
        Policy::Other | Policy::Batch | Policy::Idle => slice_ns(kernel) / TICK_NS * TICK_NS,
    };
    kernel.copy_to_user(args[1], &timespec(slice))?;
    Ok(0)
}

fn sys_sched_setattr(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tid, at, flags, ..] = *args;
    if at == 0 || (tid as i32) < 0 || flags as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = read_attr(kernel, at)?;
    let (policy, flags) = (word_at(&bytes, 0) >> 32, word_at(&bytes, 8));
    if (policy as i32) < 0 || flags & !FLAG_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let target = find(kernel, task, tid)?;
    let old = kernel.tasks.task(target).sched;
    let mut new = old;
    if flags & FLAG_KEEP_POLICY == 0 {
        new.policy = Policy::from_number(policy as u32)?;
        new.reset_on_fork = flags & FLAG_RESET_ON_FORK != 0;
    }
    if flags & FLAG_KEEP_PARAMS == 0 {
        let fields = word_at(&bytes, 16);
        new.nice = (fields as i32).clamp(-20, 19);
        new.priority = (fields >> 32) as u32;
        new.deadline = [24, 32, 40].map(|at| word_at(&bytes, at));
        new.deadline[2] = if new.deadline[2] == 0 { new.deadline[1] } else { new.deadline[2] };
    }
    if new.policy == Policy::Deadline {
        check_deadline(new.deadline)?;
    } else {
        new.deadline = [0; 3];
    }
    if new.policy.is_real_time() || new.policy == Policy::Deadline {
        new.nice = old.nice;
    }
    change(kernel, task, target, new)
}

/// Run time, deadline and period grow, and the first is not tiny (`__checkparam_dl`).
const fn check_deadline([runtime, deadline, period]: [u64; 3]) -> Result<(), Errno> {
    let is_ordered = runtime >= 1024 && runtime <= deadline && deadline <= period;
    if is_ordered && deadline >> 63 == 0 && period >> 63 == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Reads a `struct sched_attr` of any version (`sched_copy_attr`).
fn read_attr(kernel: &mut Kernel, at: u64) -> Result<[u8; SCHED_ATTR_BYTES], Errno> {
    let size = match kernel.read_user_u32(at)? as usize {
        0 => SCHED_ATTR_SIZE_VER0,
        size => size,
    };
    let mut bytes = [0; SCHED_ATTR_BYTES];
    if !(SCHED_ATTR_SIZE_VER0..=4096).contains(&size) {
        kernel.write_user_u32(at, SCHED_ATTR_BYTES as u32)?;
        return Err(Errno::E2BIG);
    }
    let mut given = vec![0; size.max(SCHED_ATTR_BYTES)];
    kernel.copy_from_user(at, &mut given[..size])?;
    if given[SCHED_ATTR_BYTES..].iter().any(|&byte| byte != 0) {
        kernel.write_user_u32(at, SCHED_ATTR_BYTES as u32)?;
        return Err(Errno::E2BIG);
    }
    bytes.copy_from_slice(&given[..SCHED_ATTR_BYTES]);
    Ok(bytes)
}

fn sys_sched_getattr(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tid, at, size, flags, ..] = *args;
    let size = size as u32 as usize;
    let is_size = (SCHED_ATTR_SIZE_VER0..=4096).contains(&size);
    if at == 0 || (tid as i32) < 0 || !is_size || flags as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let target = find(kernel, task, tid)?;
    let attr = kernel.tasks.task(target).sched;
    let size = size.min(SCHED_ATTR_BYTES);
    let mut bytes = [0; SCHED_ATTR_BYTES];
    put(&mut bytes, 0, (size as u32).to_le_bytes());
    put(&mut bytes, 4, (attr.policy as u32).to_le_bytes());
    put(&mut bytes, 8, u64::from(attr.reset_on_fork).to_le_bytes());
    match attr.policy {
        Policy::Fifo | Policy::RoundRobin => put(&mut bytes, 20, attr.priority.to_le_bytes()),
        Policy::Deadline => {
            for (at, ns) in [24, 32, 40].into_iter().zip(attr.deadline) {
                put(&mut bytes, at, ns.to_le_bytes());
            }
        }
        Policy::Other | Policy::Batch | Policy::Idle => {
            put(&mut bytes, 16, attr.nice.to_le_bytes());
            put(&mut bytes, 24, slice_ns(kernel).to_le_bytes());
        }
    }
    kernel.copy_to_user(at, &bytes[..size])?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_have_an_order() {
        let ms = 1_000_000;
        assert_eq!(check_deadline([ms, 2 * ms, 2 * ms]), Ok(()));
        assert_eq!(check_deadline([100, 2 * ms, 2 * ms]), Err(Errno::EINVAL));
        assert_eq!(check_deadline([ms, 3 * ms, 2 * ms]), Err(Errno::EINVAL));
    }

    #[test]
    fn policies_and_their_priorities() {
        assert_eq!(
            [0, 1, 2, 7].map(priorities).map(Result::unwrap),
            [(0, 0), (1, 99), (1, 99), (0, 0)]
        );
        assert_eq!(priorities(4), Err(Errno::EINVAL));
    }
}
