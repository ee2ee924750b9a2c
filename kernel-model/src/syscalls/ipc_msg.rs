//! msgget, msgsnd, msgrcv, msgctl.
//! Source: Linux 6.18 `ipc/msg.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use super::waiting::Restart;
use crate::ipc::ids::{Get, IpcObject};
use crate::ipc::msg::{Message, MsgQueue, Receiver, Selector};
use crate::ipc::perm::{IpcPerm, Rights};
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::task::wait::Channel;
use crate::uapi::ipc::{
    IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY, MSG_EXCEPT, MSG_INFO, MSG_NOERROR,
    MSG_STAT, MSG_STAT_ANY, MSGMAX, MSGMNB, MSGMNI, MSQID_DS_BYTES,
};
use crate::uapi::{put, word_at};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(68, "msgget", sys_msgget),
    Syscall::waiting(69, "msgsnd", sys_msgsnd),
    Syscall::waiting(70, "msgrcv", sys_msgrcv),
    Syscall::plain(71, "msgctl", sys_msgctl),
];

fn sys_msgget(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (key, flags) = (args[0] as i32, args[1]);
    let cred = kernel.tasks.task(task).cred.clone();
    match kernel.ipc.msgs.get_by_key(key, flags, &cred, |_| Ok(()))? {
        Get::Found(id) => Ok(id as u64),
        Get::Make => {
            let queue = MsgQueue::new(kernel.now_s());
            let added = kernel.ipc.msgs.add(IpcPerm::new(key, flags, &cred), queue);
            added.map(|id| id as u64).map_err(|(errno, _)| errno)
        }
    }
}

/// A queue that is removed amid a call is answered with another errno than one that never was.
fn errno_of_missing(kernel: &Kernel, task: TaskId) -> Errno {
    if kernel.woken(task).is_some() { Errno::EIDRM } else { Errno::EINVAL }
}

fn sys_msgsnd(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [id, message_at, len, flags, ..] = *args;
    let id = id as i32;
    let kind = kernel.read_user_u64(message_at)? as i64;
    if len > MSGMAX || id < 0 || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let mut text = vec![0; len as usize];
    kernel.copy_from_user(message_at + 8, &mut text)?;
    let missing = errno_of_missing(kernel, task);
    let object = kernel.ipc.msgs.find_mut(id).map_err(|_| missing)?;
    object.perm.check(&kernel.tasks.task(task).cred, Rights::WRITE)?;
    if !object.body.has_room(len) {
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::EAGAIN);
        }
        object.body.wait_to_send(task);
        let wait = super::waiting::on(Channel::Ipc(task));
        let outcome = kernel.wait_or_interrupt(task, wait, Restart::NoHand);
        if matches!(outcome, Outcome::Interrupted(_)) {
            cancel(kernel, task, id);
        }
        return Ok(outcome);
    }
    let message = Message { kind, text };
    kernel.ipc.charge(message.charged_bytes())?;
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    let object = kernel.ipc.msgs.find_mut(id)?;
    object.body.cancel(task);
    (object.body.stime, object.body.last_sender) = (now_s, pid);
    let answers = object.body.send(message);
    if let Some((receiver, Ok(_))) = answers.last() {
        (object.body.rtime, object.body.last_receiver) = (now_s, receiver.pid);
    }
    for (receiver, result) in answers {
        kernel.ipc.msg_done.insert(receiver.task, result);
        kernel.wake_one(receiver.task, Channel::Ipc(receiver.task));
    }
    Ok(Outcome::Done(Ok(0)))
}

fn cancel(kernel: &mut Kernel, task: TaskId, id: i32) {
    if let Ok(object) = kernel.ipc.msgs.find_mut(id) {
        object.body.cancel(task);
    }
}

/// Lets the senders of a queue try again.
fn wake_senders(kernel: &mut Kernel, id: i32) {
    let Ok(object) = kernel.ipc.msgs.find_mut(id) else { return };
    for sender in object.body.take_senders() {
        kernel.wake_one(sender, Channel::Ipc(sender));
    }
}

fn sys_msgrcv(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [id, to, len, kind, flags, _] = *args;
    let id = id as i32;
    if let Some(answer) = kernel.ipc.msg_done.remove(&task) {
        let message = answer?;
        kernel.ipc.uncharge(message.charged_bytes());
        return deliver(kernel, to, len, &message).map(|nr| Outcome::Done(Ok(nr)));
    }
    if id < 0 || i64::try_from(len).is_err() {
        return Err(Errno::EINVAL);
    }
    if flags & MSG_COPY != 0 && (flags & MSG_EXCEPT != 0 || flags & IPC_NOWAIT == 0) {
        return Err(Errno::EINVAL);
    }
    let selector = Selector::new(kind as i64, flags);
    let max_bytes = if flags & MSG_NOERROR != 0 { usize::MAX } else { len as usize };
    let missing = errno_of_missing(kernel, task);
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    let object = kernel.ipc.msgs.find_mut(id).map_err(|_| missing)?;
    object.perm.check(&kernel.tasks.task(task).cred, Rights::READ)?;
    object.body.cancel(task);
    match object.body.receive(selector, max_bytes) {
        Ok(message) => {
            if !matches!(selector, Selector::Number(_)) {
                (object.body.rtime, object.body.last_receiver) = (now_s, pid);
                kernel.ipc.uncharge(message.charged_bytes());
                wake_senders(kernel, id);
            }
            deliver(kernel, to, len, &message).map(|nr| Outcome::Done(Ok(nr)))
        }
        Err(Errno::ENOMSG) if flags & IPC_NOWAIT == 0 => {
            object.body.wait_to_receive(Receiver { task, pid, selector, max_bytes });
            let wait = super::waiting::on(Channel::Ipc(task));
            let outcome = kernel.wait_or_interrupt(task, wait, Restart::NoHand);
            if matches!(outcome, Outcome::Interrupted(_)) {
                cancel(kernel, task, id);
            }
            Ok(outcome)
        }
        Err(errno) => Err(errno),
    }
}

/// Puts a message into the receiver's memory; tells the bytes of its text.
fn deliver(kernel: &mut Kernel, to: u64, len: u64, message: &Message) -> Result<u64, Errno> {
    let nr = message.text.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    kernel.write_user_u64(to, message.kind as u64)?;
    kernel.copy_to_user(to.wrapping_add(8), &message.text[..nr])?;
    Ok(nr as u64)
}

fn sys_msgctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [id, command, arg, ..] = *args;
    let (id, command) = (id as i32, command & 0xffff_ffff);
    if id < 0 || command > MSG_STAT_ANY {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO | MSG_INFO => {
            let bytes = info(kernel, command);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(kernel.ipc.msgs.max_index())
        }
        IPC_STAT | MSG_STAT | MSG_STAT_ANY => {
            let object = if command == IPC_STAT {
                kernel.ipc.msgs.find(id)?
            } else {
                kernel.ipc.msgs.at_index(id)?
            };
            let rights = if command == MSG_STAT_ANY { Rights::NONE } else { Rights::READ };
            object.perm.check(&kernel.tasks.task(task).cred, rights)?;
            let (bytes, id) = (stat(object), object.id);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(if command == IPC_STAT { 0 } else { id as u64 })
        }
        IPC_SET => set(kernel, task, id, arg),
        IPC_RMID => {
            let object = kernel.ipc.msgs.find(id)?;
            object.perm.check_owner(&kernel.tasks.task(task).cred)?;
            let Some(mut queue) = kernel.ipc.msgs.remove(id) else { return Err(Errno::EINVAL) };
            kernel.ipc.uncharge(queue.charged_bytes());
            for receiver in queue.take_receivers() {
                kernel.ipc.msg_done.insert(receiver, Err(Errno::EIDRM));
                kernel.wake_one(receiver, Channel::Ipc(receiver));
            }
            for sender in queue.take_senders() {
                kernel.wake_one(sender, Channel::Ipc(sender));
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn set(kernel: &mut Kernel, task: TaskId, id: i32, from: u64) -> Result<u64, Errno> {
    let mut bytes = [0; MSQID_DS_BYTES];
    kernel.copy_from_user(from, &mut bytes)?;
    let now_s = kernel.now_s();
    let object = kernel.ipc.msgs.find_mut(id)?;
    let cred = &kernel.tasks.task(task).cred;
    object.perm.check_owner(cred)?;
    let max_bytes = word_at(&bytes, 88);
    if max_bytes > MSGMNB && !cred.capable(Cap::SysResource) {
        return Err(Errno::EPERM);
    }
    object.perm.update(&bytes)?;
    (object.body.max_bytes, object.body.ctime) = (max_bytes, now_s);
    // Whoever waits may be allowed or refused now.
    for receiver in object.body.take_receivers() {
        kernel.wake_one(receiver, Channel::Ipc(receiver));
    }
    wake_senders(kernel, id);
    Ok(0)
}

/// `struct msginfo`.
fn info(kernel: &Kernel, command: u64) -> [u8; 32] {
    let queues = &kernel.ipc.msgs;
    let (pool, map, total) = if command == MSG_INFO {
        let nr_messages: usize = queues.iter().map(|queue| queue.body.len()).sum();
        let nr_bytes: u64 = queues.iter().map(|queue| queue.body.nr_bytes()).sum();
        (queues.len() as u64, nr_messages as u64, nr_bytes)
    } else {
        (u64::from(MSGMNI) * MSGMNB / 1024, MSGMNB, MSGMNB)
    };
    let words = [pool, map, MSGMAX, MSGMNB, u64::from(MSGMNI), 16, total];
    let mut bytes = [0; 32];
    for (at, word) in words.into_iter().enumerate() {
        put(&mut bytes, 4 * at, (word as u32).to_le_bytes());
    }
    put(&mut bytes, 28, u16::MAX.to_le_bytes());
    bytes
}

/// `struct msqid64_ds`.
fn stat(object: &IpcObject<MsgQueue>) -> [u8; MSQID_DS_BYTES] {
    let mut bytes = [0; MSQID_DS_BYTES];
    put(&mut bytes, 0, object.perm.to_bytes());
    let queue = &object.body;
    let words = [
        queue.stime,
        queue.rtime,
        queue.ctime,
        queue.nr_bytes(),
        queue.len() as u64,
        queue.max_bytes,
    ];
    for (at, word) in words.into_iter().enumerate() {
        put(&mut bytes, 48 + 8 * at, word.to_le_bytes());
    }
    put(&mut bytes, 96, queue.last_sender.to_le_bytes());
    put(&mut bytes, 100, queue.last_receiver.to_le_bytes());
    bytes
}
