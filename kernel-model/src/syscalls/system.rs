//! What the system is: uname, sysinfo; random bytes.
//! Source: Linux 6.18 `kernel/sys.c`, `drivers/char/random.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::kernel::Kernel;
use crate::uapi::put;
use crate::uapi::time::NSEC_PER_SEC;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(63, "uname", sys_uname),
    Syscall::plain(99, "sysinfo", sys_sysinfo).partial("loads are 0"),
    Syscall::waiting(318, "getrandom", sys_getrandom),
];

/// Bytes of a field of `struct new_utsname`.
const UTS_FIELD: usize = 65;
/// System, host, release, version, machine, domain.
pub(crate) const UTS: [&str; 6] =
    ["Linux", "dr7", "6.18.0-dr7", "#1 SMP PREEMPT_DYNAMIC", "x86_64", "(none)"];
/// Random bytes that are copied at once.
const RANDOM_CHUNK: usize = 4096;
/// Most bytes of one call (`INT_MAX` rounded down to pages, `MAX_RW_COUNT`).
const MAX_RW_COUNT: u64 = 0x7fff_f000;

fn sys_uname(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let mut bytes = [0; 6 * UTS_FIELD];
    let [system, _, release, version, machine, _] = UTS.map(str::as_bytes);
    let names = [system, &kernel.uts.host, release, version, machine, &kernel.uts.domain];
    for (field, text) in bytes.chunks_exact_mut(UTS_FIELD).zip(names) {
        field[..text.len()].copy_from_slice(text);
    }
    kernel.copy_to_user(args[0], &bytes)?;
    Ok(0)
}

fn sys_sysinfo(kernel: &mut Kernel, _task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let mut bytes = [0; 112];
    let uptime = kernel.now_ns().div_ceil(NSEC_PER_SEC);
    let nr_tasks = u16::try_from(kernel.tasks.tasks.len()).unwrap_or(u16::MAX);
    put(&mut bytes, 0, uptime.to_le_bytes());
    put(&mut bytes, 32, (kernel.frames.nr_managed() * PAGE_SIZE).to_le_bytes());
    put(&mut bytes, 40, (kernel.frames.nr_free() * PAGE_SIZE).to_le_bytes());
    put(&mut bytes, 80, nr_tasks.to_le_bytes());
    // Sizes are in bytes.
    put(&mut bytes, 104, 1_u32.to_le_bytes());
    kernel.copy_to_user(args[0], &bytes)?;
    Ok(0)
}

fn sys_getrandom(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    const GRND_NONBLOCK: u64 = 1;
    const GRND_RANDOM: u64 = 2;
    const GRND_INSECURE: u64 = 4;

    let [addr, len, flags, ..] = *args;
    let both = GRND_INSECURE | GRND_RANDOM;
    if flags & !(GRND_NONBLOCK | both) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let len = len.min(MAX_RW_COUNT);
    let mut done = 0;
    while done < len {
        let mut chunk = vec![0; (len - done).min(RANDOM_CHUNK as u64) as usize];
        if let Err(error) = kernel.inputs.random(&mut chunk) {
            return Ok(kernel.stop_for_input(error));
        }
        let copied = kernel.copy_to_user_partial(addr.wrapping_add(done), &chunk) as u64;
        done += copied;
        if copied < chunk.len() as u64 {
            break;
        }
        if kernel.signal_pending(task) {
            break;
        }
    }
    if done == 0 && len > 0 {
        return Err(Errno::EFAULT);
    }
    Ok(Outcome::Done(Ok(done)))
}
