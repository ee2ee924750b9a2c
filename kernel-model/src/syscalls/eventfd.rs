//! eventfd and eventfd2.
//! Source: Linux 6.18 `fs/eventfd.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::fs::eventfd::EventfdRead;
use crate::kernel::Kernel;
use crate::uapi::epoll::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE};
use crate::uapi::fcntl::O_RDWR;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(284, "eventfd", |kernel, task, args| eventfd(kernel, task, args[0], 0)),
    Syscall::plain(290, "eventfd2", |kernel, task, args| {
        eventfd(kernel, task, args[0], args[1] as u32)
    }),
];

fn eventfd(kernel: &mut Kernel, task: TaskId, count: u64, flags: u32) -> Result<u64, Errno> {
    if flags & !(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let reads = if flags & EFD_SEMAPHORE != 0 { EventfdRead::One } else { EventfdRead::All };
    let count = count & 0xffff_ffff;
    let file = kernel.files.open_eventfd(count, reads, O_RDWR | flags & EFD_NONBLOCK);
    kernel.install_file(task, file, flags)
}
