//! timerfd_create, timerfd_settime, timerfd_gettime.
//! Source: Linux 6.18 `fs/timerfd.c`, `include/uapi/linux/timerfd.h`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::fs::FileKind;
use crate::fs::task_file::TaskFile;
use crate::kernel::Kernel;
use crate::timer::Expiry;
use crate::timer::clock::Clock;
use crate::timer::file::{TimerFd, TimerFdId};
use crate::uapi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use crate::uapi::time::{ITIMERSPEC_BYTES, TIMER_ABSTIME, itimerspec, itimerspec_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(283, "timerfd_create", sys_timerfd_create).partial("no alarm clocks (EINVAL)"),
    Syscall::plain(286, "timerfd_settime", sys_timerfd_settime),
    Syscall::plain(287, "timerfd_gettime", sys_timerfd_gettime),
];

/// `TFD_TIMER_CANCEL_ON_SET`: nothing sets the clock here, so nothing is cancelled.
const CANCEL_ON_SET: u64 = 2;

fn sys_timerfd_create(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (clock_id, flags) = (args[0] & 0xffff_ffff, args[1] as u32);
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    // Atomic time is no clock of these.
    const CLOCK_TAI: u64 = 11;
    let epoch_ns = match Clock::from_id(clock_id)? {
        Clock::Realtime if clock_id != CLOCK_TAI => kernel.boot_realtime_ns,
        Clock::Monotonic => 0,
        _ => return Err(Errno::EINVAL),
    };
    let timer = TimerFd {
        epoch_ns,
        expiry: Expiry::default(),
        has_expired: false,
        ticks: 0,
        clock_id,
        set_flags: 0,
        cpu: kernel.this_cpu,
    };
    let id = kernel.timerfds.add(timer);
    let kind = FileKind::Task(TaskFile::Timer(id));
    let file = kernel.files.open(kind, O_RDWR | flags & O_NONBLOCK);
    kernel.install_file(task, file, flags)
}

fn find(kernel: &Kernel, task: TaskId, fd: u64) -> Result<TimerFdId, Errno> {
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    match kernel.files.file(file).kind {
        FileKind::Task(TaskFile::Timer(id)) => Ok(id),
        _ => Err(Errno::EINVAL),
    }
}

fn sys_timerfd_settime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, flags, new_at, old_at, ..] = *args;
    let flags = flags & 0xffff_ffff;
    let mut bytes = [0; ITIMERSPEC_BYTES];
    kernel.copy_from_user(new_at, &mut bytes)?;
    if flags & !(TIMER_ABSTIME | CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let (interval_ns, value) = itimerspec_to_ns(&bytes)?;
    let id = find(kernel, task, fd)?;
    let epoch = kernel.timerfds.get(id).map_or(0, |timer| timer.epoch_ns);
    let old = kernel.timerfd_left(id);
    let deadline_ns = match value {
        0 => None,
        end if flags & TIMER_ABSTIME != 0 => Some(end.saturating_sub(epoch)),
        after => Some(kernel.now_ns().saturating_add(after)),
    };
    kernel.set_timerfd(id, Expiry { deadline_ns, interval_ns }, flags);
    if old_at != 0 {
        let left = itimerspec(old.interval_ns, old.deadline_ns.unwrap_or(0));
        kernel.copy_to_user(old_at, &left)?;
    }
    Ok(0)
}

fn sys_timerfd_gettime(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let id = find(kernel, task, args[0])?;
    let left = kernel.timerfd_left(id);
    kernel.copy_to_user(args[1], &itimerspec(left.interval_ns, left.deadline_ns.unwrap_or(0)))?;
    Ok(0)
}
