//! Which events a task opened: for prctl (rule 3.7.3), and to be forgotten when it exits.
//!
//! Each task's events are a list through the events themselves (`owner_entry` and `owner` in
//! Linux), so that entering and leaving it costs the same however many there are.

use crate::ids::{EventId, TaskId};
use crate::perf::Perf;

/// The ends of a task's list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnedList {
    first: EventId,
    last: EventId,
}

/// An event's place in its owner's list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) task: TaskId,
    previous: Option<EventId>,
    next: Option<EventId>,
}

impl Perf {
    /// Events `owner` opened that still count as its own, in the order of opening.
    pub(crate) fn owned_by(&self, owner: TaskId) -> Vec<EventId> {
        let first = self.owned.get(owner).map(|list| list.first);
        let next = |event: &EventId| self.ev(*event).owner.and_then(|owner| owner.next);
        std::iter::successors(first, next).collect()
    }

    pub(crate) fn set_owner(&mut self, event: EventId, owner: Option<TaskId>) {
        if let Some(old) = self.ev_mut(event).owner.take() {
            self.leave_owner(old);
        }
        if let Some(new) = owner {
            self.join_owner(event, new);
        }
    }

    fn join_owner(&mut self, event: EventId, task: TaskId) {
        let previous = self.owned.get(task).map(|list| list.last);
        match self.owned.get_mut(task) {
            Some(list) => list.last = event,
            None => {
                self.owned.insert(task, OwnedList { first: event, last: event });
            }
        }
        self.set_next(previous, Some(event));
        self.ev_mut(event).owner = Some(Owner { task, previous, next: None });
    }

    fn leave_owner(&mut self, old: Owner) {
        self.set_next(old.previous, old.next);
        if let Some(next) = old.next
            && let Some(entry) = self.ev_mut(next).owner.as_mut()
        {
            entry.previous = old.previous;
        }
        let Some(list) = self.owned.get_mut(old.task) else { return };
        match (old.previous, old.next) {
            (None, None) => {
                self.owned.remove(old.task);
            }
            (None, Some(next)) => list.first = next,
            (Some(previous), None) => list.last = previous,
            // Neither end changes.
            (Some(_), Some(_)) => {}
        }
    }

    fn set_next(&mut self, event: Option<EventId>, next: Option<EventId>) {
        if let Some(event) = event
            && let Some(entry) = self.ev_mut(event).owner.as_mut()
        {
            entry.next = next;
        }
    }
}
