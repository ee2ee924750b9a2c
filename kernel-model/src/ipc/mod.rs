//! System V IPC: semaphores, message queues and shared memory; POSIX message queues.
//!
//! What an operation does is here, without tasks and user memory: those are the business of
//! the system calls (`syscalls/ipc_sem.rs`, `ipc_msg.rs`, `ipc_shm.rs`,
//! `mqueue.rs`). A task that waits is
//! in its object's list; whoever changes the object completes the operation for it, leaves the
//! answer in [`Ipc`] and wakes it, as Linux does, so that the order is that of coming.
//!
//! Key types: [`Ipc`], [`ids::IpcIds`], [`perm::IpcPerm`], [`sem::SemArray`],
//! [`msg::MsgQueue`], [`shm::ShmSegment`], [`mqueue::Mqueue`].
//! Source: Linux 6.18 `ipc/util.c`, `ipc/sem.c`, `ipc/msg.c`, `ipc/shm.c`; sysvipc(7).

pub mod ids;
pub mod mqueue;
pub mod msg;
pub mod perm;
pub mod proc_files;
pub mod sem;
pub mod shm;

use std::collections::BTreeMap;

use perf_core::{Errno, TaskId};

use ids::IpcIds;
use mqueue::Mqueues;
use msg::{Message, MsgQueue};
use sem::SemArray;
use shm::ShmSegment;

use crate::uapi::ipc::{MSGMNI, SEMMNI, SHMMNI};

/// The largest part of guest memory that semaphores and messages may take: an eighth.
const MEMORY_PART: u64 = 8;

/// All objects of the machine.
#[derive(Debug)]
pub struct Ipc {
    /// Semaphores.
    pub sems: IpcIds<SemArray>,
    /// Message queues.
    pub msgs: IpcIds<MsgQueue>,
    /// Shared memory.
    pub shms: IpcIds<ShmSegment>,
    /// POSIX message queues.
    pub mqueues: Mqueues,
    /// Answers to tasks that wait in semop.
    pub sem_done: BTreeMap<TaskId, Result<(), Errno>>,
    /// Answers to tasks that wait in msgrcv.
    pub msg_done: BTreeMap<TaskId, Result<Message, Errno>>,
    used_bytes: u64,
    max_bytes: u64,
}

impl Ipc {
    /// No objects, on a machine with so many bytes of memory.
    #[must_use]
    pub fn new(ram_bytes: u64) -> Self {
        Self {
            sems: IpcIds::new(SEMMNI),
            msgs: IpcIds::new(MSGMNI),
            shms: IpcIds::new(SHMMNI),
            mqueues: Mqueues::default(),
            sem_done: BTreeMap::new(),
            msg_done: BTreeMap::new(),
            used_bytes: 0,
            max_bytes: ram_bytes / MEMORY_PART,
        }
    }

    /// Takes kernel memory for an object.
    ///
    /// # Errors
    /// ENOMEM beyond an eighth of guest memory.
    pub fn charge(&mut self, bytes: u64) -> Result<(), Errno> {
        let used = self.used_bytes.saturating_add(bytes);
        if used > self.max_bytes {
            return Err(Errno::ENOMEM);
        }
        self.used_bytes = used;
        Ok(())
    }

    /// Gives kernel memory back.
    pub fn uncharge(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }

    /// A task has ended: nobody asks for its answers.
    pub fn forget(&mut self, task: TaskId) {
        self.sem_done.remove(&task);
        if let Some(Ok(message)) = self.msg_done.remove(&task) {
            self.uncharge(message.charged_bytes());
        }
    }
}
