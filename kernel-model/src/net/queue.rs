//! What waits to be read from a socket: bytes of a stream, or messages.
//! Source: Linux 6.18 `net/unix/af_unix.c` (`unix_stream_read_generic`,
//! `__unix_dgram_recvmsg`), `net/core/skbuff.c`.

use std::collections::VecDeque;

use super::address::Address;
use super::{SocketId, Ucred};
use crate::fs::FileId;

/// What was sent at once (`struct sk_buff`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// How many of them were read.
    pub(crate) nr_read: usize,
    /// The sender's address, as far as it is told.
    pub(crate) from: Option<Address>,
    /// Who sent it, where that is told.
    pub(crate) cred: Option<Ucred>,
    /// Files that are handed over, with a use of each.
    pub(crate) rights: Vec<FileId>,
    /// Whose buffer it fills, and how much of it.
    pub(crate) charge: Option<(SocketId, usize)>,
}

/// Whether what is read stays in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// It goes.
    Take,
    /// It stays (`MSG_PEEK`); files that come with it are the queue's.
    Leave,
}

/// Whether one read may hold what different senders have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Senders {
    /// It is told who sent it, so it may not.
    Apart,
    /// Nobody is told.
    Mixed,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the message, where more than what was asked for.
    pub(crate) full_len: usize,
    /// The sender's address.
    pub(crate) from: Option<Address>,
    /// Who sent it.
    pub(crate) cred: Option<Ucred>,
    /// Files that come with it.
    pub(crate) rights: Vec<FileId>,
    /// Buffers that have room again.
    pub(crate) freed: Vec<(SocketId, usize)>,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    messages: VecDeque<Message>,
}

impl Queue {
    pub(crate) fn push(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes that wait.
    pub(crate) fn nr_bytes(&self) -> usize {
        self.messages.iter().map(|message| message.bytes.len() - message.nr_read).sum()
    }

    /// Bytes of the first message.
    pub(crate) fn first_len(&self) -> usize {
        self.messages.front().map_or(0, |message| message.bytes.len() - message.nr_read)
    }

    /// How much of buffers they fill.
    #[cfg(test)]
    fn charge(&self) -> usize {
        self.messages.iter().filter_map(|message| message.charge).map(|(_, charge)| charge).sum()
    }

    /// All files that are handed over.
    pub(crate) fn rights(&self) -> impl Iterator<Item = FileId> {
        self.messages.iter().flat_map(|message| message.rights.iter().copied())
    }

    /// Takes everything.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Message> {
        self.messages.drain(..)
    }

    /// Reads up to `max` bytes of a stream. It ends behind a message that files come with.
    pub(crate) fn take_stream(&mut self, max: usize, peek: Peek, senders: Senders) -> Taken {
        let mut taken = Taken::default();
        let mut at = 0;
        while taken.bytes.len() < max
            && let Some(message) = self.messages.get_mut(at)
        {
            if at == 0 && taken.bytes.is_empty() {
                taken.cred = message.cred;
            } else if senders == Senders::Apart && message.cred != taken.cred {
                break;
            }
            let left = &message.bytes[message.nr_read..];
            let now = left.len().min(max - taken.bytes.len());
            taken.bytes.extend_from_slice(&left[..now]);
            let ends = !message.rights.is_empty();
            match peek {
                Peek::Leave => {
                    taken.rights.extend_from_slice(&message.rights);
                    at += 1;
                }
                Peek::Take => {
                    taken.rights.append(&mut message.rights);
                    message.nr_read += now;
                    if message.nr_read == message.bytes.len() {
                        taken.freed.extend(message.charge);
                        self.messages.pop_front();
                    }
                }
            }
            if ends {
                break;
            }
        }
        taken.full_len = taken.bytes.len();
        taken
    }

    /// Reads the first message; what does not fit into `max` bytes is lost.
    pub(crate) fn take_message(&mut self, max: usize, peek: Peek) -> Option<Taken> {
        let message = match peek {
            Peek::Take => self.messages.pop_front()?,
            Peek::Leave => Message { charge: None, ..self.messages.front()?.clone() },
        };
        let Message { mut bytes, from, cred, rights, charge, .. } = message;
        let full_len = bytes.len();
        bytes.truncate(max);
        let freed = charge.into_iter().collect();
        Some(Taken { bytes, full_len, from, cred, rights, freed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(bytes: &[u8]) -> Message {
        Message { bytes: bytes.to_vec(), ..Message::default() }
    }

    #[test]
    fn a_stream_ends_behind_files_and_between_senders() {
        let mut queue = Queue::default();
        let by = |pid| Some(Ucred { pid, uid: 0, gid: 0 });
        queue.push(Message { cred: by(1), ..message(b"ab") });
        queue.push(Message { rights: vec![FileId(7)], cred: by(1), ..message(b"cd") });
        queue.push(Message { cred: by(2), ..message(b"ef") });
        queue.push(Message { cred: by(3), ..message(b"gh") });
        let first = queue.take_stream(3, Peek::Take, Senders::Mixed);
        assert_eq!((first.bytes, first.rights), (b"abc".to_vec(), vec![FileId(7)]));
        let peeked = queue.take_stream(9, Peek::Leave, Senders::Mixed);
        assert_eq!((peeked.bytes, peeked.rights), (b"defgh".to_vec(), vec![]));
        assert_eq!(queue.take_stream(9, Peek::Take, Senders::Apart).bytes, b"d");
        assert_eq!(queue.take_stream(9, Peek::Take, Senders::Apart).bytes, b"ef");
        assert_eq!(queue.take_stream(9, Peek::Take, Senders::Mixed).bytes, b"gh");
        assert!(queue.is_empty());
    }

    #[test]
    fn messages_are_cut() {
        let mut queue = Queue::default();
        queue.push(message(b"abc"));
        queue.push(message(b""));
        let taken = queue.take_message(2, Peek::Leave).unwrap();
        assert_eq!((taken.bytes, taken.full_len), (b"ab".to_vec(), 3));
        assert_eq!(queue.take_message(2, Peek::Take).unwrap().bytes, b"ab");
        assert_eq!(queue.take_message(2, Peek::Take).unwrap().full_len, 0);
        assert!(queue.take_message(2, Peek::Take).is_none());
    }

    proptest! {
        #[test]
        fn a_stream_is_a_queue_of_bytes(
            ops in prop::collection::vec((0u8..3, 0usize..40), 1..60),
        ) {
            let mut queue = Queue::default();
            let mut twin = VecDeque::new();
            let (mut next, mut charged) = (0u8, 0usize);
            for (what, len) in ops {
                if what == 0 && len > 0 {
                    let bytes: Vec<u8> = (0..len).map(|at| next.wrapping_add(at as u8)).collect();
                    next = next.wrapping_add(len as u8);
                    twin.extend(bytes.iter().copied());
                    charged += len;
                    queue.push(Message { charge: Some((SocketId(1), len)), ..message(&bytes) });
                } else {
                    let peek = if what == 1 { Peek::Take } else { Peek::Leave };
                    let taken = queue.take_stream(len, peek, Senders::Mixed);
                    let want: Vec<u8> = twin.iter().copied().take(len).collect();
                    prop_assert_eq!(&taken.bytes, &want);
                    if peek == Peek::Take {
                        twin.drain(..want.len());
                    }
                    charged -= taken.freed.iter().map(|(_, charge)| charge).sum::<usize>();
                }
                prop_assert_eq!(queue.nr_bytes(), twin.len());
                prop_assert_eq!(queue.charge(), charged);
            }
        }
    }
}
