//! pidfd_open, pidfd_send_signal, pidfd_getfd, kcmp.
//! Source: Linux 6.18 `kernel/pid.c`, `kernel/signal.c`, `kernel/kcmp.c`.

use perf_core::{Errno, TaskId};

use super::kill::{check_kill_permission, siginfo_from_user};
use super::table::Syscall;
use crate::fs::FileKind;
use crate::fs::task_file::{Life, TaskFile};
use crate::kernel::Kernel;
use crate::signal::{SigFields, SigInfo};
use crate::uapi::fcntl::{O_CLOEXEC, O_EXCL, O_NONBLOCK, O_RDWR};
use crate::uapi::signal::{NSIG, si_code};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(312, "kcmp", sys_kcmp).partial("no KCMP_EPOLL_TFD (EINVAL)"),
    Syscall::plain(424, "pidfd_send_signal", sys_pidfd_send_signal),
    Syscall::plain(434, "pidfd_open", sys_pidfd_open),
    Syscall::plain(438, "pidfd_getfd", sys_pidfd_getfd),
];

impl Kernel {
    /// A descriptor of a process, or with `O_EXCL` among the flags of a thread
    /// (`pidfd_prepare`).
    ///
    /// # Errors
    /// EMFILE.
    pub(super) fn open_pidfd(&mut self, task: TaskId, pid: u32, flags: u32) -> Result<u64, Errno> {
        let kind = FileKind::Task(TaskFile::Pid { pid });
        let file = self.files.open(kind, O_RDWR | flags & (O_NONBLOCK | O_EXCL));
        self.install_file(task, file, O_CLOEXEC)
    }
}

fn sys_pidfd_open(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (pid, flags) = (args[0] as i32, args[1] as u32);
    if flags & !(O_NONBLOCK | O_EXCL) != 0 || pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let target = kernel.tasks.find_task_by_vpid(pid as u32).ok_or(Errno::ESRCH)?;
    if flags & O_EXCL == 0 && kernel.tasks.process_of(target).leader != target {
        return Err(Errno::ENOENT);
    }
    kernel.open_pidfd(task, pid as u32, flags)
}

fn sys_pidfd_send_signal(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const THREAD: u64 = 1;
    const THREAD_GROUP: u64 = 2;
    const PROCESS_GROUP: u64 = 4;

    let [fd, signal, info_at, flags, ..] = *args;
    let flags = flags & 0xffff_ffff;
    if flags & !(THREAD | THREAD_GROUP | PROCESS_GROUP) != 0 || flags.count_ones() > 1 {
        return Err(Errno::EINVAL);
    }
    let (pid, file_flags) = kernel.pidfd_of(task, fd)?;
    let target = kernel.tasks.find_task_by_vpid(pid).ok_or(Errno::ESRCH)?;
    let to_thread = flags == THREAD || flags == 0 && file_flags & O_EXCL != 0;
    let signal = signal as u32;
    let own = kernel.tasks.process_of(task).pid;
    let info = if info_at == 0 {
        let uid = kernel.tasks.task(task).cred.user.real;
        let code = if to_thread { si_code::SI_TKILL } else { si_code::SI_USER };
        SigInfo::new(signal, code, SigFields::Kill { pid: own, uid })
    } else {
        let info = siginfo_from_user(kernel, info_at)?;
        if info.si_signo != signal {
            return Err(Errno::EINVAL);
        }
        let is_forged = info.si_code >= 0 || info.si_code == si_code::SI_TKILL;
        if pid != own && is_forged {
            return Err(Errno::EPERM);
        }
        info
    };
    if signal > NSIG {
        return Err(Errno::EINVAL);
    }
    if flags == PROCESS_GROUP {
        let group = kernel.tasks.process_of(target).pgid;
        let info = (signal != 0).then_some(info);
        return kernel.kill_group(task, group, info);
    }
    if kernel.life_of(pid, file_flags) == Life::Gone {
        return Err(Errno::ESRCH);
    }
    check_kill_permission(kernel, task, target, signal)?;
    if signal == 0 {
        return Ok(0);
    }
    let process = kernel.tasks.task(target).process;
    if to_thread {
        kernel.send_signal_to_thread(target, info);
    } else {
        kernel.send_signal_to_process(process, info);
    }
    Ok(0)
}

fn sys_pidfd_getfd(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, target_fd, flags, ..] = *args;
    if flags as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let (pid, file_flags) = kernel.pidfd_of(task, fd)?;
    if kernel.life_of(pid, file_flags) != Life::Lives {
        return Err(Errno::ESRCH);
    }
    let target = kernel.tasks.find_task_by_vpid(pid).ok_or(Errno::ESRCH)?;
    if !kernel.tasks.ptrace_may_access(task, target) {
        return Err(Errno::EPERM);
    }
    let file = kernel.tasks.process_of(target).files.get(target_fd as i32)?;
    let file = kernel.files.share(file);
    kernel.install_file(task, file, O_CLOEXEC)
}

/// Compares what two tasks have: 0 where it is the same, else 1 or 2 by an order that says
/// nothing more.
fn sys_kcmp(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const KCMP_FILE: u64 = 0;
    const KCMP_VM: u64 = 1;
    const KCMP_FILES: u64 = 2;
    const KCMP_FS: u64 = 3;
    const KCMP_SIGHAND: u64 = 4;
    const KCMP_IO: u64 = 5;
    const KCMP_SYSVSEM: u64 = 6;

    let [pid1, pid2, kind, index1, index2, _] = *args;
    let find = |pid: u64| kernel.tasks.find_task_by_vpid(pid as u32).ok_or(Errno::ESRCH);
    let (first, second) = (find(pid1)?, find(pid2)?);
    for target in [first, second] {
        if !kernel.tasks.ptrace_may_access(task, target) {
            return Err(Errno::EPERM);
        }
    }
    let process = |target| u64::from(kernel.tasks.task(target).process.0);
    let (one, two) = match kind & 0xffff_ffff {
        KCMP_FILE => {
            let file = |target, fd: u64| {
                let found = kernel.tasks.process_of(target).files.get(fd as i32);
                found.map(|file| u64::from(file.0))
            };
            (file(first, index1)?, file(second, index2)?)
        }
        KCMP_VM => {
            let mm = |target| u64::from(kernel.tasks.task(target).mm.0);
            (mm(first), mm(second))
        }
        KCMP_FILES | KCMP_FS | KCMP_SIGHAND => (process(first), process(second)),
        // Nobody here has contexts of these kinds: all have the same none.
        KCMP_IO | KCMP_SYSVSEM => (0, 0),
        _ => return Err(Errno::EINVAL),
    };
    Ok(match one.cmp(&two) {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    })
}
