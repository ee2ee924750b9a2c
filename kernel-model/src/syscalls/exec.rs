//! execve. The tree of names holds no programs, so every call fails as Linux would
//! have it fail for those files.
//! Source: Linux 6.18 `fs/exec.c` (`do_open_execat`).

use perf_core::{Errno, TaskId};

use super::fs_path::read_path;
use super::table::Syscall;
use crate::fs::namei::{LastLink, lookup};
use crate::fs::tree::ROOT;
use crate::kernel::Kernel;

pub(super) const CALLS: &[Syscall] =
    &[Syscall::plain(59, "execve", sys_execve).partial("there are no programs to run")];

fn sys_execve(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let path = read_path(kernel, args[0])?;
    match lookup(ROOT, &path, LastLink::Follow) {
        Ok(_) => Err(Errno::EACCES),
        Err(errno) => {
            kernel.tell_unsupported(task, Some("execve: programs from files"));
            Err(errno)
        }
    }
}
