//! poll() on an event (rule 3.9.3).

use crate::defects::Defect;
use crate::event::EventState;
use crate::ids::EventId;
use crate::perf::Perf;

/// Poll bits, with Linux's values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PollEvents(pub u32);

impl PollEvents {
    /// Nothing.
    pub const NONE: PollEvents = PollEvents(0);
    /// `POLLIN | POLLRDNORM`.
    pub const IN_RDNORM: PollEvents = PollEvents(0x41);
    /// `POLLERR`.
    pub const ERR: PollEvents = PollEvents(0x08);
    /// `POLLHUP`.
    pub const HUP: PollEvents = PollEvents(0x10);
    /// `POLL_HUP`, which is no poll bit but a signal's code; as bits `POLLPRI | POLLOUT`.
    const SIGINFO_HUP: PollEvents = PollEvents(6);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: PollEvents) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Perf {
    /// The event's poll bits. Clears what the buffer had pending.
    pub fn poll(&mut self, event: EventId) -> PollEvents {
        // S16.
        let six = self.config.defects.has(Defect::PollSaysSix);
        let hup = if six { PollEvents::SIGINFO_HUP } else { PollEvents::HUP };
        let Some(e) = self.event(event) else {
            return PollEvents::ERR;
        };
        if e.state <= EventState::Exit && e.children.is_empty() {
            return hup;
        }
        if e.state == EventState::Error && e.is_pinned() {
            return PollEvents::ERR;
        }
        let buffer = e.rb.and_then(|b| self.buffers[b.index()].as_mut());
        buffer.map_or(hup, |b| PollEvents(std::mem::take(&mut b.poll)))
    }
}
