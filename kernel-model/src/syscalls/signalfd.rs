//! signalfd and signalfd4.
//! Source: Linux 6.18 `fs/signalfd.c`.

use perf_core::{Errno, TaskId};

use super::signal::check_sigset_size;
use super::table::Syscall;
use crate::fs::FileKind;
use crate::fs::task_file::TaskFile;
use crate::kernel::Kernel;
use crate::task::wait::Channel;
use crate::uapi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use crate::uapi::signal::UNBLOCKABLE;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(282, "signalfd", |kernel, task, args| {
        signalfd(kernel, task, &[args[0], args[1], args[2]], 0)
    }),
    Syscall::plain(289, "signalfd4", |kernel, task, args| {
        signalfd(kernel, task, &[args[0], args[1], args[2]], args[3] as u32)
    }),
];

fn signalfd(kernel: &mut Kernel, task: TaskId, args: &[u64; 3], flags: u32) -> Result<u64, Errno> {
    let [fd, set_at, size] = *args;
    check_sigset_size(size)?;
    let set = kernel.read_user_u64(set_at)? & !UNBLOCKABLE;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let kind = FileKind::Task(TaskFile::Signals { set });
    if fd as i32 == -1 {
        let file = kernel.files.open(kind, O_RDWR | flags & O_NONBLOCK);
        return kernel.install_file(task, file, flags);
    }
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    let FileKind::Task(TaskFile::Signals { .. }) = kernel.files.file(file).kind else {
        return Err(Errno::EINVAL);
    };
    kernel.files.file_mut(file).kind = kind;
    kernel.wake(Channel::Signals);
    Ok(u64::from(fd as u32))
}
