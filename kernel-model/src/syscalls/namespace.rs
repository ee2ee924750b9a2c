//! unshare, setns, sethostname, setdomainname: there is one namespace of each kind.
//! Source: Linux 6.18 `kernel/fork.c` (`ksys_unshare`), `kernel/nsproxy.c`, `kernel/sys.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::uapi::clone::{
    CLONE_FILES, CLONE_FS, CLONE_NEW_NAMESPACES, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD,
    CLONE_VM,
};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(170, "sethostname", |kernel, task, args| {
        set_name(kernel, task, Name::Host, args)
    }),
    Syscall::plain(171, "setdomainname", |kernel, task, args| {
        set_name(kernel, task, Name::Domain, args)
    }),
    Syscall::plain(272, "unshare", sys_unshare)
        .partial("no namespaces (EPERM), and only of processes with one thread"),
    Syscall::plain(308, "setns", sys_setns).partial("no namespaces to enter (EINVAL)"),
];

/// Most bytes of a name (`__NEW_UTS_LEN`).
const NEW_UTS_LEN: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Host,
    Domain,
}

/// The names that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UtsNames {
    pub(crate) host: Vec<u8>,
    pub(crate) domain: Vec<u8>,
}

impl Default for UtsNames {
    fn default() -> Self {
        let [_, host, _, _, _, domain] = super::UTS;
        Self { host: host.into(), domain: domain.into() }
    }
}

fn set_name(kernel: &mut Kernel, task: TaskId, which: Name, args: &[u64; 6]) -> Result<u64, Errno> {
    let [at, len, ..] = *args;
    if !kernel.tasks.task(task).cred.capable(Cap::SysAdmin) {
        return Err(Errno::EPERM);
    }
    if len > NEW_UTS_LEN {
        return Err(Errno::EINVAL);
    }
    let mut name = vec![0; len as usize];
    kernel.copy_from_user(at, &mut name)?;
    match which {
        Name::Host => kernel.uts.host = name,
        Name::Domain => kernel.uts.domain = name,
    }
    Ok(0)
}

fn sys_unshare(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let flags = args[0];
    let own = CLONE_FILES | CLONE_FS | CLONE_SYSVSEM;
    let memory = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    if flags & !(own | memory | CLONE_NEW_NAMESPACES) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & CLONE_NEW_NAMESPACES != 0 {
        kernel.tell_unsupported(task, Some("unshare: namespaces"));
        return Err(Errno::EPERM);
    }
    // With one thread everything is its own already.
    let is_alone = kernel.tasks.process_of(task).threads.len() == 1;
    if flags & memory != 0 && !is_alone {
        return Err(Errno::EINVAL);
    }
    if flags & (CLONE_FILES | CLONE_FS) != 0 && !is_alone {
        kernel.tell_unsupported(task, Some("unshare: of one thread among several"));
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

fn sys_setns(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    kernel.tasks.process_of(task).files.get(args[0] as i32)?;
    kernel.tell_unsupported(task, Some("setns"));
    Err(Errno::EINVAL)
}
