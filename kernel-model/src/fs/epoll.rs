//! epoll: sets of files that are waited for together.
//!
//! A watched file is known by the serial number of its open file and by the descriptor, as in
//! Linux; one that was closed for good drops out when it is next looked at. What happens to a
//! file comes as [`Kernel::wake_poll`] on its channel, which puts its items on the ready lists;
//! whether they are ready is asked when events are taken.
//! Source: Linux 6.18 `fs/eventpoll.c`; epoll(7).

use std::collections::{BTreeMap, VecDeque};

use perf_core::Errno;

use super::file::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::task::TaskState;
use crate::task::wait::Channel;
use crate::uapi::epoll::{
    EP_PRIVATE_BITS, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP, EpollEvent,
};
use crate::uapi::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM};

/// Number of an epoll instance; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpollId(pub u32);

/// Epolls that may watch each other in a chain (`EP_MAX_NESTS`).
const MAX_NESTS: usize = 4;
/// What may stand beside `EPOLLEXCLUSIVE`.
const EXCLUSIVE_OK: u32 =
    POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// A watched file: the serial number of the open file, and the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ItemKey {
    serial: u64,
    fd: i32,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    file: FileId,
    event: EpollEvent,
}

/// An epoll instance.
#[derive(Debug, Default)]
struct Epoll {
    items: BTreeMap<ItemKey, Item>,
    /// Items that something happened to, in that order.
    ready: VecDeque<ItemKey>,
}

impl Epoll {
    fn note(&mut self, key: ItemKey) {
        if !self.ready.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn remove(&mut self, key: ItemKey) -> Option<Item> {
        self.ready.retain(|ready| *ready != key);
        self.items.remove(&key)
    }
}

/// All epoll instances, and who watches what.
#[derive(Debug, Default)]
pub(crate) struct Epolls {
    all: BTreeMap<EpollId, Epoll>,
    nr_made: u32,
    /// The wait queue of each channel, as far as epolls stand in it: those that are woken
    /// together first, the exclusive ones behind them.
    watchers: BTreeMap<Channel, Vec<(EpollId, ItemKey)>>,
}

impl Epolls {
    fn get(&mut self, id: EpollId) -> &mut Epoll {
        self.all.get_mut(&id).expect("the epoll's file is open")
    }

    fn new_epoll(&mut self) -> EpollId {
        let id = EpollId(self.nr_made);
        self.nr_made += 1;
        self.all.insert(id, Epoll::default());
        id
    }

    fn watch(&mut self, channel: Channel, id: EpollId, key: ItemKey, is_exclusive: bool) {
        let queue = self.watchers.entry(channel).or_default();
        let at = if is_exclusive { queue.len() } else { 0 };
        queue.insert(at, (id, key));
    }

    fn unwatch(&mut self, matches: impl Fn(&(EpollId, ItemKey)) -> bool) {
        self.watchers.retain(|_, queue| {
            queue.retain(|watcher| !matches(watcher));
            !queue.is_empty()
        });
    }

    fn remove_item(&mut self, id: EpollId, key: ItemKey) -> Option<Item> {
        self.unwatch(|watcher| *watcher == (id, key));
        self.all.get_mut(&id)?.remove(key)
    }
}

impl Kernel {
    /// Makes an epoll instance with one use of its open file.
    pub(crate) fn open_epoll(&mut self, flags: u32) -> FileId {
        let id = self.epolls.new_epoll();
        self.files.open(FileKind::Epoll(id), flags)
    }

    /// The file of an epoll instance was closed for good.
    pub(crate) fn release_epoll(&mut self, id: EpollId) {
        self.epolls.unwatch(|(epoll, _)| *epoll == id);
        self.epolls.all.remove(&id);
    }

    fn is_live(&self, key: ItemKey, item: &Item) -> bool {
        self.files.serial_of(item.file) == Some(key.serial)
    }

    fn item_key(&self, file: FileId, fd: i32) -> ItemKey {
        ItemKey { serial: self.files.serial_of(file).unwrap_or(0), fd }
    }

    /// Poll bits of an item that it asks for (`ep_item_poll`); `None` where its file is gone.
    fn item_bits(&mut self, id: EpollId, key: ItemKey) -> Option<u32> {
        let item = *self.epolls.get(id).items.get(&key)?;
        if !self.is_live(key, &item) {
            self.epolls.remove_item(id, key);
            return None;
        }
        Some(self.poll_file(item.file).bits & item.event.events & !EP_PRIVATE_BITS)
    }

    /// Tells those who wait for an epoll that there is something.
    fn epoll_wake(&mut self, id: EpollId) {
        self.wake_n(Channel::EpollWait(id.0), 1);
        self.wake_poll(Channel::Epoll(id.0), POLLIN | POLLRDNORM);
    }

    fn has_epoll_waiter(&self, id: EpollId) -> bool {
        let channel = Channel::EpollWait(id.0);
        self.tasks.tasks.values().any(
            |task| matches!(&task.state, TaskState::Blocked(wait) if wait.channels.contains(&channel)),
        )
    }

    /// Something has happened on a channel: `bits` say what, or nothing where that is not known
    /// (`ep_poll_callback`).
    pub(crate) fn epoll_notify(&mut self, channel: Channel, bits: u32) {
        let Some(queue) = self.epolls.watchers.get(&channel) else { return };
        for (id, key) in queue.clone() {
            let Some(item) = self.epolls.get(id).items.get(&key).copied() else { continue };
            if !self.is_live(key, &item) {
                self.epolls.remove_item(id, key);
                continue;
            }
            let wanted = item.event.events & !EP_PRIVATE_BITS;
            if wanted == 0 || bits != 0 && bits & wanted == 0 {
                continue;
            }
            let is_exclusive = item.event.events & EPOLLEXCLUSIVE != 0;
            let ends = is_exclusive
                && self.has_epoll_waiter(id)
                && match bits & (POLLIN | POLLOUT) {
                    0 => true,
                    both if both == POLLIN | POLLOUT => false,
                    one => wanted & one != 0,
                };
            self.epolls.get(id).note(key);
            self.epoll_wake(id);
            if ends {
                return;
            }
        }
    }

    /// Whether an epoll has events (`__ep_eventpoll_poll`).
    pub(crate) fn epoll_has_events(&mut self, id: EpollId) -> bool {
        while let Some(&key) = self.epolls.get(id).ready.front() {
            if self.item_bits(id, key).is_some_and(|bits| bits != 0) {
                return true;
            }
            let ready = &mut self.epolls.get(id).ready;
            if ready.front() == Some(&key) {
                ready.pop_front();
            }
        }
        false
    }

    /// Takes at most `max` events (`ep_send_events`). What asks for its state and not for
    /// changes goes to the end of the ready list; what had no room stays at its front.
    pub(crate) fn epoll_take(&mut self, id: EpollId, max: usize) -> Vec<EpollEvent> {
        let mut events = Vec::new();
        let mut ready = std::mem::take(&mut self.epolls.get(id).ready);
        while events.len() < max
            && let Some(key) = ready.pop_front()
        {
            let bits = self.item_bits(id, key).unwrap_or(0);
            let epoll = self.epolls.get(id);
            let Some(item) = epoll.items.get_mut(&key).filter(|_| bits != 0) else { continue };
            events.push(EpollEvent { events: bits, data: item.event.data });
            if item.event.events & EPOLLONESHOT != 0 {
                item.event.events &= EP_PRIVATE_BITS;
            } else if item.event.events & EPOLLET == 0 {
                epoll.note(key);
            }
        }
        let epoll = self.epolls.get(id);
        ready.append(&mut epoll.ready);
        epoll.ready = ready;
        if !epoll.ready.is_empty() {
            self.wake_n(Channel::EpollWait(id.0), 1);
        }
        events
    }

    /// Adds a file (`ep_insert`).
    ///
    /// # Errors
    /// EEXIST; EINVAL for flags that do not go with `EPOLLEXCLUSIVE`; ELOOP for epolls that would
    /// watch themselves, or in too long a chain.
    pub(crate) fn epoll_add(
        &mut self,
        id: EpollId,
        file: FileId,
        fd: i32,
        event: EpollEvent,
    ) -> Result<(), Errno> {
        let nested = match self.files.file(file).kind {
            FileKind::Epoll(nested) => Some(nested),
            _ => None,
        };
        let is_exclusive = event.events & EPOLLEXCLUSIVE != 0;
        if is_exclusive && (nested.is_some() || event.events & !EXCLUSIVE_OK != 0) {
            return Err(Errno::EINVAL);
        }
        if let Some(nested) = nested {
            let below = self.depth_below(nested, id, MAX_NESTS).ok_or(Errno::ELOOP)?;
            if below + 1 + self.depth_above(id, MAX_NESTS) > MAX_NESTS {
                return Err(Errno::ELOOP);
            }
        }
        let key = self.item_key(file, fd);
        let epoll = self.epolls.get(id);
        if epoll.items.contains_key(&key) {
            return Err(Errno::EEXIST);
        }
        let event = EpollEvent { events: event.events | POLLERR | POLLHUP, ..event };
        epoll.items.insert(key, Item { file, event });
        if let Some(channel) = self.files.file(file).kind.channel() {
            self.epolls.watch(channel, id, key, is_exclusive);
        }
        self.note_if_ready(id, key);
        Ok(())
    }

    /// Asks for something else about a file (`ep_modify`).
    ///
    /// # Errors
    /// ENOENT; EINVAL where `EPOLLEXCLUSIVE` is or was set.
    pub(crate) fn epoll_modify(
        &mut self,
        id: EpollId,
        file: FileId,
        fd: i32,
        event: EpollEvent,
    ) -> Result<(), Errno> {
        if event.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        let key = self.item_key(file, fd);
        let item = self.epolls.get(id).items.get_mut(&key).ok_or(Errno::ENOENT)?;
        if item.event.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        item.event = EpollEvent { events: event.events | POLLERR | POLLHUP, ..event };
        self.note_if_ready(id, key);
        Ok(())
    }

    /// Removes a file (`ep_remove`).
    ///
    /// # Errors
    /// ENOENT.
    pub(crate) fn epoll_delete(&mut self, id: EpollId, file: FileId, fd: i32) -> Result<(), Errno> {
        let key = self.item_key(file, fd);
        self.epolls.remove_item(id, key).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn note_if_ready(&mut self, id: EpollId, key: ItemKey) {
        if self.item_bits(id, key).is_some_and(|bits| bits != 0) {
            self.epolls.get(id).note(key);
            self.epoll_wake(id);
        }
    }

    /// The epolls that an epoll watches.
    fn nested_in(&self, id: EpollId) -> Vec<EpollId> {
        let items = self.epolls.all.get(&id).map(|epoll| &epoll.items);
        let live = items.into_iter().flatten().filter(|(key, item)| self.is_live(**key, item));
        live.filter_map(|(_, item)| match self.files.file(item.file).kind {
            FileKind::Epoll(nested) => Some(nested),
            _ => None,
        })
        .collect()
    }

    /// Epolls in the longest chain below one; `None` where it leads to `to` or is longer than
    /// `limit`.
    fn depth_below(&self, id: EpollId, to: EpollId, limit: usize) -> Option<usize> {
        if id == to {
            return None;
        }
        let below = limit.checked_sub(1);
        let mut deepest = 0;
        for nested in self.nested_in(id) {
            deepest = deepest.max(1 + self.depth_below(nested, to, below?)?);
        }
        Some(deepest)
    }

    /// Epolls in the longest chain above one, as far as `limit`.
    fn depth_above(&self, id: EpollId, limit: usize) -> usize {
        let Some(limit) = limit.checked_sub(1) else { return 0 };
        let above = self.epolls.all.keys().filter(|above| self.nested_in(**above).contains(&id));
        above.map(|above| 1 + self.depth_above(*above, limit)).max().unwrap_or(0)
    }
}
