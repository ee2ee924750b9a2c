//! Message queues: which message a receiver gets, and who waits.
//! Source: Linux 6.18 `ipc/msg.c` (`find_msg`, `testmsg`, `pipelined_send`).

use std::collections::VecDeque;

use perf_core::{Errno, TaskId};

use crate::uapi::ipc::{MSG_COPY, MSG_EXCEPT, MSGMNB};

/// Bytes that a message takes of the kernel's memory beside its text.
const MESSAGE_BYTES: u64 = 48;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, at least 1.
    pub kind: i64,
    /// Its text.
    pub text: Vec<u8>,
}

impl Message {
    /// Bytes that it takes of the kernel's memory.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        self.text.len() as u64 + MESSAGE_BYTES
    }
}

/// Which message a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The first.
    Any,
    /// The first of this type.
    Equal(i64),
    /// The first of another type.
    NotEqual(i64),
    /// The first of the lowest type up to this.
    LessEqual(i64),
    /// The one at this place.
    Number(i64),
}

impl Selector {
    /// What `msgtyp` and the flags of msgrcv mean (`convert_mode`).
    #[must_use]
    pub const fn new(kind: i64, flags: u64) -> Self {
        match kind {
            _ if flags & MSG_COPY != 0 => Self::Number(kind),
            0 => Self::Any,
            i64::MIN..0 => Self::LessEqual(kind.saturating_neg()),
            _ if flags & MSG_EXCEPT != 0 => Self::NotEqual(kind),
            _ => Self::Equal(kind),
        }
    }

    /// Whether a message that is sent now is for this receiver.
    const fn takes(self, kind: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(wanted) => kind == wanted,
            Self::NotEqual(other) => kind != other,
            Self::LessEqual(most) => kind <= most,
            Self::Number(_) => false,
        }
    }
}

/// A task that waits for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// The task.
    pub task: TaskId,
    /// Its process id.
    pub pid: u32,
    /// What it wants.
    pub selector: Selector,
    /// The longest text that it takes; all where long ones are cut.
    pub max_bytes: usize,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct MsgQueue {
    messages: VecDeque<Message>,
    nr_bytes: u64,
    receivers: VecDeque<Receiver>,
    senders: VecDeque<TaskId>,
    /// Bytes that may be in it.
    pub max_bytes: u64,
    /// Time of the last msgsnd, s since 1970.
    pub stime: u64,
    /// Time of the last msgrcv.
    pub rtime: u64,
    /// Time of the last change.
    pub ctime: u64,
    /// Process of the last msgsnd.
    pub last_sender: u32,
    /// Process of the last msgrcv.
    pub last_receiver: u32,
}

impl MsgQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(now_s: u64) -> Self {
        Self {
            messages: VecDeque::new(),
            nr_bytes: 0,
            receivers: VecDeque::new(),
            senders: VecDeque::new(),
            max_bytes: MSGMNB,
            stime: 0,
            rtime: 0,
            ctime: now_s,
            last_sender: 0,
            last_receiver: 0,
        }
    }

    /// Messages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of text in it.
    #[must_use]
    pub const fn nr_bytes(&self) -> u64 {
        self.nr_bytes
    }

    /// Bytes of the kernel's memory that its messages take.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        self.messages.iter().map(Message::charged_bytes).sum()
    }

    /// Whether a message of so many bytes has room.
    #[must_use]
    pub fn has_room(&self, len: u64) -> bool {
        self.nr_bytes + len <= self.max_bytes && (self.messages.len() as u64) < self.max_bytes
    }

    /// Puts a message in, or hands it to the first receiver that it fits. Receivers that it is
    /// for and too long for are answered E2BIG.
    pub fn send(&mut self, message: Message) -> Vec<(Receiver, Result<Message, Errno>)> {
        let mut answers = Vec::new();
        let mut at = 0;
        while let Some(receiver) = self.receivers.get(at).copied() {
            if !receiver.selector.takes(message.kind) {
                at += 1;
                continue;
            }
            self.receivers.remove(at);
            if message.text.len() <= receiver.max_bytes {
                answers.push((receiver, Ok(message)));
                return answers;
            }
            answers.push((receiver, Err(Errno::E2BIG)));
        }
        self.nr_bytes += message.text.len() as u64;
        self.messages.push_back(message);
        answers
    }

    /// Takes a message out; with [`Selector::Number`] a copy of one that stays.
    ///
    /// # Errors
    /// ENOMSG; E2BIG for one that is too long, which stays.
    pub fn receive(&mut self, selector: Selector, max_bytes: usize) -> Result<Message, Errno> {
        let at = self.find(selector).ok_or(Errno::ENOMSG)?;
        if self.messages[at].text.len() > max_bytes {
            return Err(Errno::E2BIG);
        }
        if matches!(selector, Selector::Number(_)) {
            return Ok(self.messages[at].clone());
        }
        let message = self.messages.remove(at).ok_or(Errno::ENOMSG)?;
        self.nr_bytes -= message.text.len() as u64;
        Ok(message)
    }

    fn find(&self, selector: Selector) -> Option<usize> {
        match selector {
            Selector::Number(at) => usize::try_from(at).ok().filter(|at| *at < self.messages.len()),
            Selector::LessEqual(most) => {
                let all = self.messages.iter().enumerate();
                let fitting = all.filter(|(_, message)| message.kind <= most);
                // The first of several with the same type.
                fitting.min_by_key(|(at, message)| (message.kind, *at)).map(|(at, _)| at)
            }
            _ => self.messages.iter().position(|message| selector.takes(message.kind)),
        }
    }

    /// Puts a receiver behind those that wait.
    pub fn wait_to_receive(&mut self, receiver: Receiver) {
        self.receivers.push_back(receiver);
    }

    /// Puts a sender behind those that wait, unless it is among them.
    pub fn wait_to_send(&mut self, task: TaskId) {
        if !self.senders.contains(&task) {
            self.senders.push_back(task);
        }
    }

    /// A task waits no longer.
    pub fn cancel(&mut self, task: TaskId) {
        self.receivers.retain(|receiver| receiver.task != task);
        self.senders.retain(|sender| *sender != task);
    }

    /// The senders, who wait no longer: they try again.
    pub fn take_senders(&mut self) -> Vec<TaskId> {
        self.senders.drain(..).collect()
    }

    /// The receivers, who wait no longer.
    pub fn take_receivers(&mut self) -> Vec<TaskId> {
        self.receivers.drain(..).map(|receiver| receiver.task).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: i64, text: &[u8]) -> Message {
        Message { kind, text: text.to_vec() }
    }

    fn filled() -> MsgQueue {
        let mut queue = MsgQueue::new(0);
        for (kind, text) in [(3, b"c1"), (1, b"a1"), (2, b"b1"), (1, b"a2")] {
            assert_eq!(queue.send(message(kind, text)), []);
        }
        queue
    }

    #[test]
    fn receivers_choose_by_type() {
        for (kind, flags, want) in [
            (0, 0, Ok("c1")),
            (1, 0, Ok("a1")),
            (3, MSG_EXCEPT, Ok("a1")),
            (-2, 0, Ok("a1")),
            (i64::MIN, 0, Ok("a1")),
            (9, 0, Err(Errno::ENOMSG)),
            (3, MSG_COPY, Ok("a2")),
            (4, MSG_COPY, Err(Errno::ENOMSG)),
        ] {
            let mut queue = filled();
            let got = queue.receive(Selector::new(kind, flags), 8).map(|found| found.text);
            assert_eq!(got, want.map(|text| text.as_bytes().to_vec()), "{kind} {flags:#o}");
            let stays = want.is_err() || flags & MSG_COPY != 0;
            assert_eq!(queue.len(), if stays { 4 } else { 3 });
        }
        let mut queue = filled();
        assert_eq!(queue.receive(Selector::Any, 1), Err(Errno::E2BIG));
        assert_eq!((queue.len(), queue.nr_bytes()), (4, 8));
    }

    #[test]
    fn a_message_goes_to_the_first_receiver_that_it_fits() {
        let mut queue = MsgQueue::new(0);
        let receiver = |task, kind, max_bytes| Receiver {
            task: TaskId(task),
            pid: task,
            selector: Selector::new(kind, 0),
            max_bytes,
        };
        let waiting = [receiver(1, 7, 8), receiver(2, 0, 1), receiver(3, 0, 8), receiver(4, 0, 8)];
        waiting.into_iter().for_each(|waiting| queue.wait_to_receive(waiting));
        let answers = queue.send(message(5, b"text"));
        let want = [(waiting[1], Err(Errno::E2BIG)), (waiting[2], Ok(message(5, b"text")))];
        assert_eq!(answers, want);
        assert!(queue.is_empty());
        assert_eq!(queue.take_receivers(), [TaskId(1), TaskId(4)]);
    }

    #[test]
    fn room_is_bytes_and_messages() {
        let mut queue = MsgQueue::new(0);
        queue.max_bytes = 3;
        assert!(queue.has_room(3) && !queue.has_room(4));
        for _ in 0..3 {
            queue.send(message(1, b""));
        }
        assert!(!queue.has_room(0));
    }
}
