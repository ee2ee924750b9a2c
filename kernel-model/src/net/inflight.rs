//! Files under way in the queues of unix sockets that nobody can read any more.
//!
//! A socket whose every use is in a queue can only be had by reading that queue. Where such
//! sockets hold only each other, nobody ever will, and they are emptied.
//! Source: Linux 6.18 `net/unix/garbage.c`.

use std::collections::{BTreeMap, BTreeSet};

use super::{SocketId, State};
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;

impl Kernel {
    /// Frees what is only under way to itself (`unix_gc`).
    pub(super) fn collect_inflight(&mut self) {
        let lost = self.lost_sockets();
        for id in lost {
            let Some(socket) = self.net.sockets.get_mut(&id) else { continue };
            let messages: Vec<_> = socket.queue.drain().collect();
            for message in messages {
                if let Some((owner, charge)) = message.charge {
                    self.buffer_freed(owner, charge);
                }
                for file in message.rights {
                    self.release_file(file);
                }
            }
        }
    }

    /// Sockets that only queues hold which nobody can read.
    fn lost_sockets(&self) -> Vec<SocketId> {
        let mut under_way: BTreeMap<FileId, u32> = BTreeMap::new();
        for file in self.net.sockets.values().flat_map(|socket| socket.queue.rights()) {
            *under_way.entry(file).or_default() += 1;
        }
        let socket_of = |file: FileId| match self.files.kind_of(file) {
            Some(FileKind::Socket(id)) => Some(id),
            _ => None,
        };
        let mut lost: BTreeSet<SocketId> = under_way
            .iter()
            .filter(|(file, nr)| self.files.nr_users(**file) == Some(**nr))
            .filter_map(|(file, _)| socket_of(*file))
            .collect();
        if lost.is_empty() {
            return Vec::new();
        }
        // What a queue that somebody can read holds can be had.
        let mut found: Vec<SocketId> =
            self.net.sockets.keys().copied().filter(|id| !lost.contains(id)).collect();
        let in_queues = |listener: &State| match listener {
            State::Listening { waiting, .. } => waiting.iter().copied().collect(),
            _ => Vec::new(),
        };
        // Those that wait to be accepted are had with their listener.
        for socket in lost.iter().filter_map(|id| self.net.get(*id)) {
            let embryos = in_queues(&socket.state);
            found.retain(|id| !embryos.contains(id));
        }
        while let Some(id) = found.pop() {
            let Some(socket) = self.net.get(id) else { continue };
            for held in socket.queue.rights().filter_map(socket_of).chain(in_queues(&socket.state))
            {
                if lost.remove(&held) {
                    found.push(held);
                }
            }
        }
        lost.into_iter().collect()
    }
}
