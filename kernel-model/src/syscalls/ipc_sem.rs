//! semget, semop, semtimedop, semctl.
//! Source: Linux 6.18 `ipc/sem.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::ipc::ids::{Get, IpcObject};
use crate::ipc::perm::{IpcPerm, Rights};
use crate::ipc::sem::{Alters, Attempt, Operator, SemArray, SemOp};
use crate::kernel::Kernel;
use crate::task::ProcessId;
use crate::task::wait::{Channel, WaitFor, WakeCause};
use crate::uapi::ipc::{
    GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_INFO, IPC_PERM_BYTES, IPC_RMID, IPC_SET,
    IPC_STAT, SEM_INFO, SEM_STAT, SEM_STAT_ANY, SEMBUF_BYTES, SEMID_DS_BYTES, SEMMNI, SEMMNS,
    SEMMSL, SEMOPM, SEMVMX, SETALL, SETVAL,
};
use crate::uapi::put;
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(64, "semget", sys_semget),
    Syscall::waiting(65, "semop", |kernel, task, args| {
        sys_semtimedop(kernel, task, &[args[0], args[1], args[2], 0, 0, 0])
    }),
    Syscall::plain(66, "semctl", sys_semctl),
    Syscall::waiting(220, "semtimedop", sys_semtimedop),
];

/// `SEMUSZ`: what Linux says an undo structure takes.
const SEMUSZ: u32 = 20;

fn sys_semget(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (key, nr, flags) = (args[0] as i32, args[1] as i32, args[2]);
    let nr = u32::try_from(nr).ok().filter(|nr| *nr <= SEMMSL).ok_or(Errno::EINVAL)?;
    let cred = kernel.tasks.task(task).cred.clone();
    let fits = |set: &SemArray| {
        if nr as usize > set.sems().len() { Err(Errno::EINVAL) } else { Ok(()) }
    };
    match kernel.ipc.sems.get_by_key(key, flags, &cred, fits)? {
        Get::Found(id) => Ok(id as u64),
        Get::Make => {
            if nr == 0 {
                return Err(Errno::EINVAL);
            }
            let used: usize = kernel.ipc.sems.iter().map(|set| set.body.sems().len()).sum();
            if used as u64 + u64::from(nr) > u64::from(SEMMNS) {
                return Err(Errno::ENOSPC);
            }
            let bytes = SemArray::charged_bytes(u64::from(nr));
            kernel.ipc.charge(bytes)?;
            let set = SemArray::new(nr as usize, kernel.now_s());
            let added = kernel.ipc.sems.add(IpcPerm::new(key, flags, &cred), set);
            added.map(|id| id as u64).map_err(|(errno, _)| {
                kernel.ipc.uncharge(bytes);
                errno
            })
        }
    }
}

fn read_ops(kernel: &mut Kernel, at: u64, nr: u64) -> Result<Vec<SemOp>, Errno> {
    if nr & 0xffff_ffff > u64::from(SEMOPM) {
        return Err(Errno::E2BIG);
    }
    if nr & 0xffff_ffff == 0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; nr as u32 as usize * SEMBUF_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    let half = |op: &[u8], at: usize| u16::from_le_bytes([op[at], op[at + 1]]);
    let op = |op: &[u8]| SemOp { num: half(op, 0), op: half(op, 2) as i16, flags: half(op, 4) };
    Ok(bytes.chunks_exact(SEMBUF_BYTES).map(op).collect())
}

fn sys_semtimedop(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [id, ops_at, nr_ops, timeout_at, ..] = *args;
    let id = id as i32;
    if kernel.woken(task).is_some() {
        return Ok(go_on(kernel, task, id));
    }
    let mut timeout = [0; TIME_BYTES];
    if timeout_at != 0 {
        kernel.copy_from_user(timeout_at, &mut timeout)?;
    }
    let ops = read_ops(kernel, ops_at, nr_ops)?;
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    let timeout = if timeout_at == 0 { None } else { Some(timespec_to_ns(&timeout)?) };
    let process = kernel.tasks.task(task).process;
    let by = Operator { task, process, pid: kernel.tasks.process_of(task).pid };
    let rights = if Alters::of(&ops) == Alters::Yes { Rights::WRITE } else { Rights::READ };
    let now_s = kernel.now_s();
    let cred = &kernel.tasks.task(task).cred;
    let IpcObject { perm, body: set, .. } = kernel.ipc.sems.find_mut(id)?;
    if ops.iter().any(|op| usize::from(op.num) >= set.sems().len()) {
        return Err(Errno::EFBIG);
    }
    perm.check(cred, rights)?;
    match set.try_ops(by, &ops) {
        Attempt::Done => {
            set.otime = now_s;
            settle(kernel, id);
            Ok(Outcome::Done(Ok(0)))
        }
        Attempt::Failed(errno) => Err(errno),
        Attempt::Blocked(at) => {
            set.wait(by, ops, at);
            let now = kernel.now_ns();
            if let Some(timeout) = timeout {
                kernel.keep_deadline(task, now.saturating_add(timeout));
            }
            Ok(go_on(kernel, task, id))
        }
    }
}

/// A call that is among those that wait: it is answered, or waits on.
fn go_on(kernel: &mut Kernel, task: TaskId, id: i32) -> Outcome {
    if let Some(answer) = kernel.ipc.sem_done.remove(&task) {
        return Outcome::Done(answer.map(|()| 0));
    }
    let deadline = kernel.kept_deadline(task);
    let is_over = deadline.is_some_and(|deadline| kernel.is_over(task, deadline));
    // A timeout of zero still asks once.
    let ended = match kernel.woken(task) {
        Some(WakeCause::Timeout) => Some(Errno::EAGAIN),
        _ if kernel.signal_pending(task) => Some(Errno::EINTR),
        _ if is_over => Some(Errno::EAGAIN),
        _ => None,
    };
    let Some(errno) = ended else {
        let channels = vec![Channel::Ipc(task)];
        return Outcome::Wait(WaitFor { channels, deadline_ns: deadline, ..WaitFor::default() });
    };
    if let Ok(object) = kernel.ipc.sems.find_mut(id) {
        object.body.cancel(task);
    }
    Outcome::Done(Err(errno))
}

/// Completes what can be after a change, and wakes those who waited for that.
fn settle(kernel: &mut Kernel, id: i32) {
    let now_s = kernel.now_s();
    let Ok(object) = kernel.ipc.sems.find_mut(id) else { return };
    let completed = object.body.settle();
    if completed.iter().any(|(_, result)| result.is_ok()) {
        object.body.otime = now_s;
    }
    for (task, result) in completed {
        answer(kernel, task, result);
    }
}

fn answer(kernel: &mut Kernel, task: TaskId, result: Result<(), Errno>) {
    kernel.ipc.sem_done.insert(task, result);
    kernel.wake_one(task, Channel::Ipc(task));
}

impl Kernel {
    /// Seconds since 1970, as IPC objects keep their times.
    pub(super) fn now_s(&self) -> u64 {
        self.realtime_ns() / crate::uapi::time::NSEC_PER_SEC
    }

    /// A process has ended: what it did with SEM_UNDO is undone (`exit_sem`).
    pub(super) fn exit_sem(&mut self, process: ProcessId, pid: u32) {
        let undoing: Vec<i32> = self
            .ipc
            .sems
            .iter_mut()
            .filter_map(|object| object.body.exit(process, pid).then_some(object.id))
            .collect();
        for id in undoing {
            settle(self, id);
        }
    }
}

fn sys_semctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [id, num, command, arg, ..] = *args;
    let (id, num, command) = (id as i32, num as i32, command & 0xffff_ffff);
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO | SEM_INFO => {
            let in_use = command == SEM_INFO;
            let bytes = info(kernel, in_use);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(kernel.ipc.sems.max_index())
        }
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let object = if command == IPC_STAT {
                kernel.ipc.sems.find(id)?
            } else {
                kernel.ipc.sems.at_index(id)?
            };
            let rights = if command == SEM_STAT_ANY { Rights::NONE } else { Rights::READ };
            object.perm.check(&kernel.tasks.task(task).cred, rights)?;
            let (bytes, id) = (stat(object), object.id);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(if command == IPC_STAT { 0 } else { id as u64 })
        }
        GETVAL | GETPID | GETNCNT | GETZCNT => get_one(kernel, task, id, num, command),
        GETALL => {
            let object = kernel.ipc.sems.find(id)?;
            object.perm.check(&kernel.tasks.task(task).cred, Rights::READ)?;
            let sems = object.body.sems().iter();
            let bytes: Vec<u8> = sems.flat_map(|sem| (sem.value as u16).to_le_bytes()).collect();
            kernel.copy_to_user(arg, &bytes)?;
            Ok(0)
        }
        SETVAL => set_one(kernel, task, id, num, arg as i32),
        SETALL => set_all(kernel, task, id, arg),
        IPC_SET => {
            let mut bytes = [0; IPC_PERM_BYTES];
            kernel.copy_from_user(arg, &mut bytes)?;
            let now_s = kernel.now_s();
            let object = kernel.ipc.sems.find_mut(id)?;
            object.perm.check_owner(&kernel.tasks.task(task).cred)?;
            object.perm.update(&bytes)?;
            object.body.ctime = now_s;
            Ok(0)
        }
        IPC_RMID => {
            let object = kernel.ipc.sems.find(id)?;
            object.perm.check_owner(&kernel.tasks.task(task).cred)?;
            let Some(set) = kernel.ipc.sems.remove(id) else { return Err(Errno::EINVAL) };
            kernel.ipc.uncharge(SemArray::charged_bytes(set.sems().len() as u64));
            for waiting in set.waiting() {
                answer(kernel, waiting, Err(Errno::EIDRM));
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The place of a semaphore in a set.
fn place(set: &SemArray, num: i32) -> Result<u16, Errno> {
    let is_there = |num: &u16| usize::from(*num) < set.sems().len();
    u16::try_from(num).ok().filter(is_there).ok_or(Errno::EINVAL)
}

fn get_one(kernel: &Kernel, task: TaskId, id: i32, num: i32, command: u64) -> Result<u64, Errno> {
    let object = kernel.ipc.sems.find(id)?;
    object.perm.check(&kernel.tasks.task(task).cred, Rights::READ)?;
    let set = &object.body;
    let num = place(set, num)?;
    let sem = set.sems()[usize::from(num)];
    Ok(match command {
        GETVAL => sem.value as u64,
        GETPID => u64::from(sem.pid),
        GETNCNT => set.nr_waiting_to_take(num) as u64,
        _ => set.nr_waiting_for_zero(num) as u64,
    })
}

fn set_one(kernel: &mut Kernel, task: TaskId, id: i32, num: i32, value: i32) -> Result<u64, Errno> {
    if !(0..=SEMVMX).contains(&value) {
        return Err(Errno::ERANGE);
    }
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    let object = kernel.ipc.sems.find_mut(id)?;
    let num = place(&object.body, num)?;
    object.perm.check(&kernel.tasks.task(task).cred, Rights::WRITE)?;
    object.body.set_value(num, value, pid);
    object.body.ctime = now_s;
    settle(kernel, id);
    Ok(0)
}

fn set_all(kernel: &mut Kernel, task: TaskId, id: i32, values_at: u64) -> Result<u64, Errno> {
    let object = kernel.ipc.sems.find(id)?;
    object.perm.check(&kernel.tasks.task(task).cred, Rights::WRITE)?;
    let mut bytes = vec![0; object.body.sems().len() * 2];
    kernel.copy_from_user(values_at, &mut bytes)?;
    let value = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    let values: Vec<u16> = bytes.chunks_exact(2).map(value).collect();
    if values.iter().any(|value| i32::from(*value) > SEMVMX) {
        return Err(Errno::ERANGE);
    }
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    let object = kernel.ipc.sems.find_mut(id)?;
    object.body.set_all(&values, pid);
    object.body.ctime = now_s;
    settle(kernel, id);
    Ok(0)
}

/// `struct seminfo`.
fn info(kernel: &Kernel, in_use: bool) -> Vec<u8> {
    let sets = &kernel.ipc.sems;
    let nr_sems: usize = sets.iter().map(|set| set.body.sems().len()).sum();
    let (usz, aem) =
        if in_use { (sets.len() as u32, nr_sems as u32) } else { (SEMUSZ, SEMVMX as u32) };
    let words = [SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, usz, SEMVMX as u32, aem];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// `struct semid64_ds`.
fn stat(object: &IpcObject<SemArray>) -> [u8; SEMID_DS_BYTES] {
    let mut bytes = [0; SEMID_DS_BYTES];
    put(&mut bytes, 0, object.perm.to_bytes());
    let set = &object.body;
    for (at, value) in [(48, set.otime), (64, set.ctime), (80, set.sems().len() as u64)] {
        put(&mut bytes, at, value.to_le_bytes());
    }
    bytes
}
