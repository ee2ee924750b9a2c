//! mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr.
//! Source: Linux 6.18 `ipc/mqueue.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::Restart;
use crate::fs::task_file::TaskFile;
use crate::fs::{FileId, FileKind};
use crate::ipc::mqueue::{
    DEFAULT_MSGS, DEFAULT_MSGSIZE, HARD_MSGMAX, HARD_MSGSIZEMAX, MQ_PRIO_MAX, MqAttr, MqId, Mqueue,
    Notify, QUEUES_MAX,
};
use crate::ipc::perm::{IpcPerm, Rights};
use crate::kernel::Kernel;
use crate::signal::{SigFields, SigInfo};
use crate::task::cred::Cap;
use crate::task::limits::Resource;
use crate::task::wait::{Channel, WaitFor};
use crate::uapi::fcntl::{O_ACCMODE, O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR, O_WRONLY};
use crate::uapi::time::{TIME_BYTES, timespec_to_ns};
use crate::uapi::{put, signal, word_at};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(240, "mq_open", sys_mq_open),
    Syscall::plain(241, "mq_unlink", sys_mq_unlink),
    Syscall::waiting(242, "mq_timedsend", sys_mq_timedsend),
    Syscall::waiting(243, "mq_timedreceive", sys_mq_timedreceive),
    Syscall::plain(244, "mq_notify", sys_mq_notify).partial("no SIGEV_THREAD (EINVAL)"),
    Syscall::plain(245, "mq_getsetattr", sys_mq_getsetattr),
];

/// Bytes of `struct mq_attr`.
const ATTR_BYTES: usize = 64;
/// Longest name, with its end.
const NAME_BYTES: usize = 256;

fn read_name(kernel: &mut Kernel, at: u64) -> Result<Vec<u8>, Errno> {
    let name = kernel.read_user_cstr(at, NAME_BYTES)?;
    match name.as_slice() {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        name if name.contains(&b'/') => Err(Errno::EACCES),
        _ => Ok(name),
    }
}

fn sys_mq_open(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [name_at, flags, mode, attr_at, ..] = *args;
    let flags = flags as u32;
    let mut attr = MqAttr { max_msgs: DEFAULT_MSGS, msg_size: DEFAULT_MSGSIZE };
    if attr_at != 0 {
        let mut bytes = [0; ATTR_BYTES];
        kernel.copy_from_user(attr_at, &mut bytes)?;
        attr = MqAttr { max_msgs: word_at(&bytes, 8), msg_size: word_at(&bytes, 16) };
    }
    let name = read_name(kernel, name_at)?;
    let id = match kernel.ipc.mqueues.named(&name) {
        Some(_) if flags & O_CREAT != 0 && flags & O_EXCL != 0 => return Err(Errno::EEXIST),
        Some(id) => {
            check_access(kernel, task, id, flags)?;
            id
        }
        None if flags & O_CREAT == 0 => return Err(Errno::ENOENT),
        None => make(kernel, task, name, mode, attr)?,
    };
    kernel.ipc.mqueues.hold(id);
    let kind = FileKind::Task(TaskFile::Messages(id));
    let file = kernel.files.open(kind, flags & (O_ACCMODE | O_NONBLOCK));
    kernel.install_file(task, file, O_CLOEXEC)
}

fn check_access(kernel: &Kernel, task: TaskId, id: MqId, flags: u32) -> Result<(), Errno> {
    let rights = match flags & O_ACCMODE {
        0 => Rights::READ,
        O_WRONLY => Rights::WRITE,
        O_RDWR => Rights::READ.with(Rights::WRITE),
        _ => return Err(Errno::EINVAL),
    };
    kernel.ipc.mqueues.get(id)?.perm.check(&kernel.tasks.task(task).cred, rights)
}

fn make(
    kernel: &mut Kernel,
    task: TaskId,
    name: Vec<u8>,
    mode: u64,
    attr: MqAttr,
) -> Result<MqId, Errno> {
    let cred = &kernel.tasks.task(task).cred;
    let (msgs, size) = if cred.capable(Cap::SysResource) {
        (HARD_MSGMAX, HARD_MSGSIZEMAX)
    } else {
        (DEFAULT_MSGS, DEFAULT_MSGSIZE)
    };
    if !(1..=msgs).contains(&attr.max_msgs) || !(1..=size).contains(&attr.msg_size) {
        return Err(Errno::EINVAL);
    }
    if kernel.ipc.mqueues.len() >= QUEUES_MAX && !cred.capable(Cap::SysResource) {
        return Err(Errno::ENOSPC);
    }
    let process = kernel.tasks.process_of(task);
    let charged = kernel.ipc.mqueues.charged_bytes(cred.user.effective) + attr.charged_bytes();
    if charged > process.limits.soft(Resource::Msgqueue) {
        return Err(Errno::EMFILE);
    }
    let perm = IpcPerm::new(0, mode & !u64::from(process.umask), cred);
    Ok(kernel.ipc.mqueues.add(name, Mqueue::new(perm, attr)))
}

fn sys_mq_unlink(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let name = read_name(kernel, args[0])?;
    let id = kernel.ipc.mqueues.named(&name).ok_or(Errno::ENOENT)?;
    kernel.ipc.mqueues.get(id)?.perm.check_owner(&kernel.tasks.task(task).cred)?;
    let gone = kernel.ipc.mqueues.unlink(&name);
    kernel.queue_gone(gone);
    Ok(0)
}

/// The queue of a descriptor, and its file.
fn find(kernel: &Kernel, task: TaskId, fd: u64) -> Result<(FileId, MqId), Errno> {
    let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
    match kernel.files.file(file).kind {
        FileKind::Task(TaskFile::Messages(id)) => Ok((file, id)),
        _ => Err(Errno::EBADF),
    }
}

/// The end of a wait, ns since boot.
fn read_deadline(kernel: &mut Kernel, at: u64) -> Result<Option<u64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let mut bytes = [0; TIME_BYTES];
    kernel.copy_from_user(at, &mut bytes)?;
    Ok(Some(timespec_to_ns(&bytes)?.saturating_sub(kernel.boot_realtime_ns)))
}

/// Waits for a queue to change.
fn wait(
    kernel: &mut Kernel,
    task: TaskId,
    (file, id): (FileId, MqId),
    deadline: Option<u64>,
) -> Result<Outcome, Errno> {
    if kernel.files.file(file).is_nonblocking() {
        return Err(Errno::EAGAIN);
    }
    if deadline.is_some_and(|deadline| kernel.is_over(task, deadline)) {
        return Err(Errno::ETIMEDOUT);
    }
    let channels = vec![Channel::Mqueue(id)];
    let wait = WaitFor { channels, deadline_ns: deadline, ..WaitFor::default() };
    Ok(kernel.wait_or_interrupt(task, wait, Restart::Sys))
}

fn sys_mq_timedsend(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [fd, text_at, len, priority, timeout_at, _] = *args;
    let deadline = read_deadline(kernel, timeout_at)?;
    let priority = priority as u32;
    if priority >= MQ_PRIO_MAX {
        return Err(Errno::EINVAL);
    }
    let (file, id) = find(kernel, task, fd)?;
    if !kernel.files.file(file).can_write() {
        return Err(Errno::EBADF);
    }
    let queue = kernel.ipc.mqueues.get(id)?;
    if len > queue.attr.msg_size {
        return Err(Errno::EMSGSIZE);
    }
    let is_full = queue.is_full();
    let mut text = vec![0; len as usize];
    kernel.copy_from_user(text_at, &mut text)?;
    if is_full {
        return wait(kernel, task, (file, id), deadline);
    }
    kernel.ipc.charge(len)?;
    let queue = kernel.ipc.mqueues.get_mut(id)?;
    let is_first = queue.is_empty() && queue.nr_receivers == 0;
    queue.push(priority, text);
    let notify = if is_first { queue.notify.take() } else { None };
    if let Some(notify) = notify {
        tell(kernel, task, notify);
    }
    kernel.wake(Channel::Mqueue(id));
    Ok(Outcome::Done(Ok(0)))
}

/// Tells a process of a message (`__do_notify`).
fn tell(kernel: &mut Kernel, sender: TaskId, notify: Notify) {
    let Some((number, value)) = notify.signal.filter(|(number, _)| *number != 0) else { return };
    let pid = kernel.tasks.process_of(sender).pid;
    let uid = kernel.tasks.task(sender).cred.user.real;
    let fields = SigFields::Rt { pid, uid, value };
    let info = SigInfo::new(number, signal::si_code::SI_MESGQ, fields);
    kernel.send_signal_to_process(notify.process, info);
}

fn sys_mq_timedreceive(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<Outcome, Errno> {
    let [fd, to, len, priority_at, timeout_at, _] = *args;
    let deadline = read_deadline(kernel, timeout_at)?;
    let (file, id) = find(kernel, task, fd)?;
    if !kernel.files.file(file).can_read() {
        return Err(Errno::EBADF);
    }
    let has_waited = kernel.woken(task).is_some();
    let queue = kernel.ipc.mqueues.get_mut(id)?;
    if len < queue.attr.msg_size {
        return Err(Errno::EMSGSIZE);
    }
    if has_waited {
        queue.nr_receivers = queue.nr_receivers.saturating_sub(1);
    }
    let Some((priority, text)) = queue.pop() else {
        let outcome = wait(kernel, task, (file, id), deadline)?;
        if matches!(outcome, Outcome::Wait(_)) {
            kernel.ipc.mqueues.get_mut(id)?.nr_receivers += 1;
        }
        return Ok(outcome);
    };
    kernel.ipc.uncharge(text.len() as u64);
    kernel.wake(Channel::Mqueue(id));
    if priority_at != 0 {
        kernel.write_user_u32(priority_at, priority)?;
    }
    kernel.copy_to_user(to, &text)?;
    Ok(Outcome::Done(Ok(text.len() as u64)))
}

fn sys_mq_notify(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD: u32 = 2;

    let [fd, event_at, ..] = *args;
    let process = kernel.tasks.task(task).process;
    let notify = if event_at == 0 {
        None
    } else {
        let mut bytes = [0; 64];
        kernel.copy_from_user(event_at, &mut bytes)?;
        let word = word_at(&bytes, 8);
        let (number, kind) = (word as u32, (word >> 32) as u32);
        let signal = match kind {
            SIGEV_NONE => None,
            SIGEV_SIGNAL if number <= signal::NSIG => Some((number, word_at(&bytes, 0))),
            SIGEV_THREAD => {
                kernel.tell_unsupported(task, Some("mq_notify: SIGEV_THREAD"));
                return Err(Errno::EINVAL);
            }
            _ => return Err(Errno::EINVAL),
        };
        Some(Notify { process, signal })
    };
    let (_, id) = find(kernel, task, fd)?;
    let queue = kernel.ipc.mqueues.get_mut(id)?;
    match (notify, queue.notify) {
        (None, Some(old)) if old.process == process => queue.notify = None,
        (None, _) => {}
        (Some(_), Some(_)) => return Err(Errno::EBUSY),
        (Some(_), None) => queue.notify = notify,
    }
    Ok(0)
}

fn sys_mq_getsetattr(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [fd, new_at, old_at, ..] = *args;
    let mut new_flags = None;
    if new_at != 0 {
        let mut bytes = [0; ATTR_BYTES];
        kernel.copy_from_user(new_at, &mut bytes)?;
        let flags = word_at(&bytes, 0);
        if flags & !u64::from(O_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        new_flags = Some(flags as u32);
    }
    let (file, id) = find(kernel, task, fd)?;
    let queue = kernel.ipc.mqueues.get(id)?;
    let open = kernel.files.file_mut(file);
    let words =
        [u64::from(open.flags & O_NONBLOCK), queue.attr.max_msgs, queue.attr.msg_size, queue.len()];
    if let Some(flags) = new_flags {
        open.flags = open.flags & !O_NONBLOCK | flags;
    }
    if old_at != 0 {
        let mut bytes = [0; ATTR_BYTES];
        for (at, word) in words.into_iter().enumerate() {
            put(&mut bytes, 8 * at, word.to_le_bytes());
        }
        kernel.copy_to_user(old_at, &bytes)?;
    }
    Ok(0)
}

impl Kernel {
    /// A queue's open file was closed.
    pub(crate) fn release_mqueue(&mut self, id: MqId) {
        let gone = self.ipc.mqueues.release(id);
        self.queue_gone(gone);
    }

    fn queue_gone(&mut self, gone: Option<Mqueue>) {
        if let Some(queue) = gone {
            self.ipc.uncharge(queue.nr_bytes());
        }
    }
}
