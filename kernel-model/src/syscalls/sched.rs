//! Scheduling: yielding, affinity, which CPU. Policies are in [`super::sched_policy`].
//! Source: Linux 6.18 `kernel/sched/syscalls.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::task::TaskState;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(24, "sched_yield", sys_sched_yield),
    Syscall::plain(203, "sched_setaffinity", sys_sched_setaffinity),
    Syscall::plain(204, "sched_getaffinity", sys_sched_getaffinity),
    Syscall::plain(309, "getcpu", sys_getcpu),
];

/// Bytes of the kernel's CPU masks: 64 CPUs.
const CPUMASK_BYTES: u64 = 8;

fn sys_sched_yield(kernel: &mut Kernel, _task: TaskId, _args: &[u64; 6]) -> Result<u64, Errno> {
    kernel.sched.set_need_resched(kernel.this_cpu);
    Ok(0)
}

/// The thread with a tid, or the caller for 0.
pub(super) fn find(kernel: &Kernel, task: TaskId, tid: u64) -> Result<TaskId, Errno> {
    match tid as i32 {
        0 => Ok(task),
        1.. => kernel.tasks.find_tid(tid as u32).ok_or(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

fn sys_sched_getaffinity(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tid, len, mask_at, ..] = *args;
    let len = len & 0xffff_ffff;
    if len * 8 < u64::from(kernel.hw.nr_cpus()) || !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    // Another thread's negative id is no error of its own here.
    let target = find(kernel, task, tid).map_err(|_| Errno::ESRCH)?;
    let mask = kernel.tasks.task(target).affinity.to_le_bytes();
    let nr = len.min(CPUMASK_BYTES);
    kernel.copy_to_user(mask_at, &mask[..nr as usize])?;
    Ok(nr)
}

fn sys_sched_setaffinity(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tid, len, mask_at, ..] = *args;
    let mut bytes = [0; CPUMASK_BYTES as usize];
    let nr = (len & 0xffff_ffff).min(CPUMASK_BYTES) as usize;
    kernel.copy_from_user(mask_at, &mut bytes[..nr])?;
    let target = find(kernel, task, tid).map_err(|_| Errno::ESRCH)?;
    let online = u64::MAX >> (64 - kernel.hw.nr_cpus().clamp(1, 64));
    let mask = u64::from_le_bytes(bytes) & online;
    if mask == 0 {
        return Err(Errno::EINVAL);
    }
    let entry = kernel.tasks.task_mut(target);
    entry.affinity = mask;
    let (cpu, is_runnable) = (entry.cpu, entry.state == TaskState::Runnable);
    if mask >> cpu.0 & 1 != 0 || !is_runnable {
        return Ok(0);
    }
    if kernel.current_on(cpu) == Some(target) {
        // It moves when it next enters the kernel.
        kernel.sched.set_need_resched(cpu);
        kernel.kick_task(target);
    } else {
        kernel.sched.dequeue(cpu, target);
        kernel.enqueue_new(target);
    }
    Ok(0)
}

fn sys_getcpu(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [cpu_at, node_at, ..] = *args;
    if cpu_at != 0 {
        kernel.write_user_u32(cpu_at, kernel.this_cpu.0)?;
    }
    if node_at != 0 {
        kernel.write_user_u32(node_at, 0)?;
    }
    Ok(0)
}
