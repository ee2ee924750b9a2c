//! POSIX message queues: messages by priority, names, and who is told of the first one.
//! Source: Linux 6.18 `ipc/mqueue.c`; mq_overview(7).

use std::collections::{BTreeMap, VecDeque};

use perf_core::Errno;

use super::perm::IpcPerm;
use crate::task::ProcessId;

/// Messages of a queue that does not say (`DFLT_MSG`).
pub const DEFAULT_MSGS: u64 = 10;
/// Bytes of a message of a queue that does not say.
pub const DEFAULT_MSGSIZE: u64 = 8192;
/// The most messages with privilege (`HARD_MSGMAX`).
pub const HARD_MSGMAX: u64 = 65_536;
/// The largest message with privilege (`HARD_MSGSIZEMAX`).
pub const HARD_MSGSIZEMAX: u64 = 16 << 20;
/// Queues without privilege.
pub const QUEUES_MAX: usize = 256;
/// The first priority that there is not.
pub const MQ_PRIO_MAX: u32 = 32_768;
/// Bytes of the kernel's for a message, and for a priority.
const NODE_BYTES: u64 = 48;

/// Number of a queue; not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MqId(pub u32);

/// How large a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MqAttr {
    /// Messages.
    pub max_msgs: u64,
    /// Bytes of each.
    pub msg_size: u64,
}

impl MqAttr {
    /// What counts against `RLIMIT_MSGQUEUE`.
    #[must_use]
    pub const fn charged_bytes(self) -> u64 {
        let nr_priorities =
            if self.max_msgs < MQ_PRIO_MAX as u64 { self.max_msgs } else { MQ_PRIO_MAX as u64 };
        self.max_msgs * (NODE_BYTES + self.msg_size) + nr_priorities * NODE_BYTES
    }
}

/// Who is told of a message in an empty queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The process.
    pub process: ProcessId,
    /// The signal and its value; nothing for SIGEV_NONE.
    pub signal: Option<(u32, u64)>,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Mqueue {
    /// Whose it is.
    pub perm: IpcPerm,
    /// How large it is.
    pub attr: MqAttr,
    /// Who is told.
    pub notify: Option<Notify>,
    /// Tasks that wait in mq_timedreceive.
    pub nr_receivers: u32,
    messages: BTreeMap<u32, VecDeque<Vec<u8>>>,
    nr_messages: u64,
    users: u32,
    has_name: bool,
}

impl Mqueue {
    /// An empty queue, with a name and no user.
    #[must_use]
    pub const fn new(perm: IpcPerm, attr: MqAttr) -> Self {
        Self {
            perm,
            attr,
            notify: None,
            nr_receivers: 0,
            messages: BTreeMap::new(),
            nr_messages: 0,
            users: 0,
            has_name: true,
        }
    }

    /// Messages in it.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.nr_messages
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nr_messages == 0
    }

    /// Whether there is no room.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.nr_messages >= self.attr.max_msgs
    }

    /// Bytes of the messages.
    #[must_use]
    pub fn nr_bytes(&self) -> u64 {
        self.messages.values().flatten().map(|text| text.len() as u64).sum()
    }

    /// Puts a message behind those of its priority.
    pub fn push(&mut self, priority: u32, text: Vec<u8>) {
        self.messages.entry(priority).or_default().push_back(text);
        self.nr_messages += 1;
    }

    /// Takes the first message of the highest priority.
    pub fn pop(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut last = self.messages.last_entry()?;
        let priority = *last.key();
        let text = last.get_mut().pop_front()?;
        if last.get().is_empty() {
            last.remove();
        }
        self.nr_messages -= 1;
        Some((priority, text))
    }
}

/// All queues and their names.
#[derive(Debug, Default)]
pub struct Mqueues {
    queues: BTreeMap<MqId, Mqueue>,
    names: BTreeMap<Vec<u8>, MqId>,
    next: u32,
}

impl Mqueues {
    /// Queues that there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// The queue with a name.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<MqId> {
        self.names.get(name).copied()
    }

    /// Adds a queue with a name.
    pub fn add(&mut self, name: Vec<u8>, queue: Mqueue) -> MqId {
        let id = MqId(self.next);
        self.next += 1;
        self.queues.insert(id, queue);
        self.names.insert(name, id);
        id
    }

    /// A queue.
    ///
    /// # Errors
    /// EBADF where it has gone.
    pub fn get(&self, id: MqId) -> Result<&Mqueue, Errno> {
        self.queues.get(&id).ok_or(Errno::EBADF)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// EBADF.
    pub fn get_mut(&mut self, id: MqId) -> Result<&mut Mqueue, Errno> {
        self.queues.get_mut(&id).ok_or(Errno::EBADF)
    }

    /// Bytes that a user's queues count.
    #[must_use]
    pub fn charged_bytes(&self, uid: u32) -> u64 {
        let own = self.queues.values().filter(|queue| queue.perm.cuid == uid);
        own.map(|queue| queue.attr.charged_bytes()).sum()
    }

    /// Another open file.
    pub fn hold(&mut self, id: MqId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.users += 1;
        }
    }

    /// An open file has gone; answers the queue if it goes too.
    pub fn release(&mut self, id: MqId) -> Option<Mqueue> {
        let queue = self.queues.get_mut(&id)?;
        queue.users = queue.users.saturating_sub(1);
        self.collect(id)
    }

    /// Takes a name away; answers the queue if it goes too.
    pub fn unlink(&mut self, name: &[u8]) -> Option<Mqueue> {
        let id = self.names.remove(name)?;
        self.queues.get_mut(&id)?.has_name = false;
        self.collect(id)
    }

    fn collect(&mut self, id: MqId) -> Option<Mqueue> {
        let queue = self.queues.get(&id)?;
        if queue.users > 0 || queue.has_name {
            return None;
        }
        self.queues.remove(&id)
    }

    /// A process closes a descriptor of a queue: it is told of nothing more.
    pub fn forget_process(&mut self, process: ProcessId) {
        for queue in self.queues.values_mut() {
            queue.notify = queue.notify.filter(|notify| notify.process != process);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::cred::Cred;

    #[test]
    fn the_highest_priority_first_and_the_oldest_of_it() {
        let attr = MqAttr { max_msgs: 4, msg_size: 8 };
        let mut queue = Mqueue::new(IpcPerm::new(0, 0o600, &Cred::default()), attr);
        for (priority, text) in [(1, "a"), (5, "b"), (1, "c"), (5, "d")] {
            queue.push(priority, text.into());
        }
        assert!(queue.is_full());
        let order: Vec<u8> = std::iter::from_fn(|| queue.pop()).map(|(_, text)| text[0]).collect();
        assert_eq!((order, queue.is_empty()), (b"bdac".to_vec(), true));
    }

    #[test]
    fn a_queue_goes_with_its_name_and_last_user() {
        let mut all = Mqueues::default();
        let attr = MqAttr { max_msgs: 10, msg_size: 8192 };
        let queue = Mqueue::new(IpcPerm::new(0, 0o600, &Cred::default()), attr);
        let id = all.add(b"q".to_vec(), queue);
        all.hold(id);
        assert_eq!(all.charged_bytes(0), 82_880);
        assert!(all.unlink(b"q").is_none());
        assert_eq!(all.named(b"q"), None);
        assert!(all.get(id).is_ok());
        assert!(all.release(id).is_some());
        assert!(all.is_empty());
    }
}
