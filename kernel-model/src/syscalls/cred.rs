//! User and group ids, capabilities.
//! Source: Linux 6.18 `kernel/sys.c`, `kernel/groups.c`, `kernel/capability.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::task::cred::{CAP_LAST_CAP, Cap, CapSet, Cred, Dumpable, Ids};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(102, "getuid", |kernel, task, _| own(kernel, task, |cred| cred.user.real)),
    Syscall::plain(104, "getgid", |kernel, task, _| own(kernel, task, |cred| cred.group.real)),
    Syscall::plain(105, "setuid", |kernel, task, args| {
        set_one(kernel, task, Which::User, args[0] as u32)
    }),
    Syscall::plain(106, "setgid", |kernel, task, args| {
        set_one(kernel, task, Which::Group, args[0] as u32)
    }),
    Syscall::plain(107, "geteuid", |kernel, task, _| own(kernel, task, |cred| cred.user.effective)),
    Syscall::plain(108, "getegid", |kernel, task, _| {
        own(kernel, task, |cred| cred.group.effective)
    }),
    Syscall::plain(113, "setreuid", |kernel, task, args| {
        set_two(kernel, task, Which::User, [args[0] as u32, args[1] as u32])
    }),
    Syscall::plain(114, "setregid", |kernel, task, args| {
        set_two(kernel, task, Which::Group, [args[0] as u32, args[1] as u32])
    }),
    Syscall::plain(115, "getgroups", sys_getgroups),
    Syscall::plain(116, "setgroups", sys_setgroups),
    Syscall::plain(117, "setresuid", |kernel, task, args| {
        set_three(kernel, task, Which::User, [args[0], args[1], args[2]].map(|id| id as u32))
    }),
    Syscall::plain(118, "getresuid", |kernel, task, args| {
        get_three(kernel, task, Which::User, args)
    }),
    Syscall::plain(119, "setresgid", |kernel, task, args| {
        set_three(kernel, task, Which::Group, [args[0], args[1], args[2]].map(|id| id as u32))
    }),
    Syscall::plain(120, "getresgid", |kernel, task, args| {
        get_three(kernel, task, Which::Group, args)
    }),
    Syscall::plain(122, "setfsuid", |kernel, task, args| {
        Ok(set_fs(kernel, task, Which::User, args[0] as u32))
    }),
    Syscall::plain(123, "setfsgid", |kernel, task, args| {
        Ok(set_fs(kernel, task, Which::Group, args[0] as u32))
    }),
    Syscall::plain(125, "capget", sys_capget),
    Syscall::plain(126, "capset", sys_capset),
];

/// "Leave it" in the calls that set several ids.
const KEEP: u32 = u32::MAX;
/// Most supplementary groups.
const NGROUPS_MAX: usize = 65_536;
/// `_LINUX_CAPABILITY_VERSION_3`: two words for each set.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// Bytes of the two `struct __user_cap_data_struct`.
const CAP_DATA_BYTES: usize = 24;

/// Users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    User,
    Group,
}

impl Which {
    const fn ids(self, cred: &Cred) -> Ids {
        match self {
            Self::User => cred.user,
            Self::Group => cred.group,
        }
    }

    const fn capability(self) -> Cap {
        match self {
            Self::User => Cap::Setuid,
            Self::Group => Cap::Setgid,
        }
    }
}

fn own(kernel: &Kernel, task: TaskId, field: fn(&Cred) -> u32) -> Result<u64, Errno> {
    Ok(u64::from(field(&kernel.tasks.task(task).cred)))
}

/// Takes on new ids; a change of who the process acts as keeps others from looking into it
/// (`commit_creds`).
fn commit(kernel: &mut Kernel, task: TaskId, which: Which, new: Ids) {
    let cred = &mut kernel.tasks.task_mut(task).cred;
    let old = which.ids(cred);
    match which {
        Which::User => cred.set_user_ids(new),
        Which::Group => cred.group = new,
    }
    if (old.effective, old.fs) != (new.effective, new.fs) {
        kernel.tasks.process_of_mut(task).dumpable = Dumpable::No;
    }
}

fn privileged(kernel: &Kernel, task: TaskId, which: Which) -> bool {
    kernel.tasks.task(task).cred.capable(which.capability())
}

/// setuid, setgid.
fn set_one(kernel: &mut Kernel, task: TaskId, which: Which, id: u32) -> Result<u64, Errno> {
    if id == KEEP {
        return Err(Errno::EINVAL);
    }
    let mut ids = which.ids(&kernel.tasks.task(task).cred);
    if privileged(kernel, task, which) {
        (ids.real, ids.saved) = (id, id);
    } else if id != ids.real && id != ids.saved {
        return Err(Errno::EPERM);
    }
    (ids.effective, ids.fs) = (id, id);
    commit(kernel, task, which, ids);
    Ok(0)
}

/// setreuid, setregid.
fn set_two(kernel: &mut Kernel, task: TaskId, which: Which, new: [u32; 2]) -> Result<u64, Errno> {
    let [real, effective] = new;
    let old = which.ids(&kernel.tasks.task(task).cred);
    let is_privileged = privileged(kernel, task, which);
    let may_be_real = real == KEEP || real == old.real || real == old.effective;
    let may_be_effective = effective == KEEP || old.may_take(effective);
    if !(is_privileged || may_be_real && may_be_effective) {
        return Err(Errno::EPERM);
    }
    let mut ids = old;
    if real != KEEP {
        ids.real = real;
    }
    if effective != KEEP {
        ids.effective = effective;
    }
    if real != KEEP || effective != KEEP && effective != old.real {
        ids.saved = ids.effective;
    }
    ids.fs = ids.effective;
    commit(kernel, task, which, ids);
    Ok(0)
}

/// setresuid, setresgid.
fn set_three(kernel: &mut Kernel, task: TaskId, which: Which, new: [u32; 3]) -> Result<u64, Errno> {
    let mut ids = which.ids(&kernel.tasks.task(task).cred);
    let is_privileged = privileged(kernel, task, which);
    if !is_privileged && !new.iter().all(|&id| id == KEEP || ids.may_take(id)) {
        return Err(Errno::EPERM);
    }
    for (field, id) in [&mut ids.real, &mut ids.effective, &mut ids.saved].into_iter().zip(new) {
        if id != KEEP {
            *field = id;
        }
    }
    ids.fs = ids.effective;
    commit(kernel, task, which, ids);
    Ok(0)
}

/// getresuid, getresgid.
fn get_three(
    kernel: &mut Kernel,
    task: TaskId,
    which: Which,
    args: &[u64; 6],
) -> Result<u64, Errno> {
    let ids = which.ids(&kernel.tasks.task(task).cred);
    for (addr, id) in args.iter().zip([ids.real, ids.effective, ids.saved]) {
        kernel.write_user_u32(*addr, id)?;
    }
    Ok(0)
}

/// setfsuid, setfsgid: the old id, whether or not it changes.
fn set_fs(kernel: &mut Kernel, task: TaskId, which: Which, id: u32) -> u64 {
    let ids = which.ids(&kernel.tasks.task(task).cred);
    let allowed = ids.may_take(id) || id == ids.fs || privileged(kernel, task, which);
    if id != KEEP && allowed {
        match which {
            Which::User => kernel.tasks.task_mut(task).cred.set_fs_uid(id),
            Which::Group => kernel.tasks.task_mut(task).cred.group.fs = id,
        }
        if id != ids.fs {
            kernel.tasks.process_of_mut(task).dumpable = Dumpable::No;
        }
    }
    u64::from(ids.fs)
}

fn sys_getgroups(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let groups = kernel.tasks.task(task).cred.groups.clone();
    let size = args[0] as i32;
    if size < 0 {
        return Err(Errno::EINVAL);
    }
    if size == 0 {
        return Ok(groups.len() as u64);
    }
    if groups.len() > size as usize {
        return Err(Errno::EINVAL);
    }
    let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
    kernel.copy_to_user(args[1], &bytes)?;
    Ok(groups.len() as u64)
}

fn sys_setgroups(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    if !privileged(kernel, task, Which::Group) {
        return Err(Errno::EPERM);
    }
    let size = usize::try_from(args[0] as u32).unwrap_or(usize::MAX);
    if size > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; 4 * size];
    kernel.copy_from_user(args[1], &mut bytes)?;
    let (words, _) = bytes.as_chunks::<4>();
    kernel.tasks.task_mut(task).cred.groups =
        words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    Ok(0)
}

/// Reads the header of capget and capset: which task, `None` where the version was not ours
/// (which has been written back).
fn cap_header(kernel: &mut Kernel, task: TaskId, addr: u64) -> Result<Option<TaskId>, Errno> {
    let version = kernel.read_user_u32(addr)?;
    if version != CAPABILITY_VERSION_3 {
        kernel.write_user_u32(addr, CAPABILITY_VERSION_3)?;
        return Ok(None);
    }
    match kernel.read_user_u32(addr.wrapping_add(4))? {
        0 => Ok(Some(task)),
        pid if (pid as i32) < 0 => Err(Errno::EINVAL),
        pid => kernel.tasks.find_tid(pid).map(Some).ok_or(Errno::ESRCH),
    }
}

fn sys_capget(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let Some(target) = cap_header(kernel, task, args[0])? else {
        // Without a place for the answer this is how programs ask for the version.
        return if args[1] == 0 { Ok(0) } else { Err(Errno::EINVAL) };
    };
    let cred = &kernel.tasks.task(target).cred;
    let sets = [cred.effective, cred.permitted, cred.inheritable];
    let words =
        sets.map(|set| set.0 as u32).into_iter().chain(sets.map(|set| (set.0 >> 32) as u32));
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    kernel.copy_to_user(args[1], &bytes)?;
    Ok(0)
}

fn sys_capset(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let target = cap_header(kernel, task, args[0])?.ok_or(Errno::EINVAL)?;
    if target != task {
        return Err(Errno::EPERM);
    }
    let mut bytes = [0; CAP_DATA_BYTES];
    kernel.copy_from_user(args[1], &mut bytes)?;
    let (words, _) = bytes.as_chunks::<4>();
    let set = |index: usize| {
        let word = |at: usize| u64::from(u32::from_le_bytes(words[at]));
        CapSet(word(index) | word(index + 3) << 32).and(CapSet::FULL)
    };
    let (effective, permitted, inheritable) = (set(0), set(1), set(2));
    let cred = &mut kernel.tasks.task_mut(task).cred;
    let may_inherit = cred.inheritable.or(if cred.capable(Cap::Setpcap) {
        cred.bounding
    } else {
        cred.permitted.and(cred.bounding)
    });
    let allowed = inheritable.is_subset_of(may_inherit)
        && permitted.is_subset_of(cred.permitted)
        && effective.is_subset_of(permitted);
    if !allowed {
        return Err(Errno::EPERM);
    }
    (cred.effective, cred.permitted, cred.inheritable) = (effective, permitted, inheritable);
    Ok(0)
}

/// The options of prctl that are about credentials; `None` for others.
pub(super) fn prctl(
    kernel: &mut Kernel,
    task: TaskId,
    option: u64,
    args: &[u64; 6],
) -> Option<Result<u64, Errno>> {
    const PR_GET_DUMPABLE: u64 = 3;
    const PR_SET_DUMPABLE: u64 = 4;
    const PR_GET_KEEPCAPS: u64 = 7;
    const PR_SET_KEEPCAPS: u64 = 8;
    const PR_CAPBSET_READ: u64 = 23;
    const PR_CAPBSET_DROP: u64 = 24;
    const PR_SET_NO_NEW_PRIVS: u64 = 38;
    const PR_GET_NO_NEW_PRIVS: u64 = 39;

    let value = args[1];
    let process = kernel.tasks.process_of_mut(task);
    match option {
        PR_GET_DUMPABLE => return Some(Ok(u64::from(process.dumpable == Dumpable::Yes))),
        PR_SET_DUMPABLE => {
            process.dumpable = match value {
                0 => Dumpable::No,
                1 => Dumpable::Yes,
                _ => return Some(Err(Errno::EINVAL)),
            };
            return Some(Ok(0));
        }
        _ => {}
    }
    let cred = &mut kernel.tasks.task_mut(task).cred;
    Some(match option {
        PR_GET_KEEPCAPS => Ok(u64::from(cred.keep_caps)),
        PR_SET_KEEPCAPS if value <= 1 => {
            cred.keep_caps = value == 1;
            Ok(0)
        }
        PR_CAPBSET_READ if value <= CAP_LAST_CAP => Ok(cred.bounding.0 >> value & 1),
        PR_CAPBSET_DROP if !cred.capable(Cap::Setpcap) => Err(Errno::EPERM),
        PR_CAPBSET_DROP if value <= CAP_LAST_CAP => {
            cred.bounding.0 &= !(1 << value);
            Ok(0)
        }
        PR_SET_NO_NEW_PRIVS if value == 1 && args[2..5] == [0; 3] => {
            cred.no_new_privs = true;
            Ok(0)
        }
        PR_GET_NO_NEW_PRIVS if args[1..5] == [0; 4] => Ok(u64::from(cred.no_new_privs)),
        PR_SET_KEEPCAPS | PR_CAPBSET_READ | PR_CAPBSET_DROP | PR_SET_NO_NEW_PRIVS
        | PR_GET_NO_NEW_PRIVS => Err(Errno::EINVAL),
        _ => return None,
    })
}
