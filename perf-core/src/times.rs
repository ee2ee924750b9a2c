//! Time enabled and time running (rule 3.4), and state changes, which is when they are settled.
//!
//! Source: `__perf_update_times`, `perf_event_set_state`, Linux 6.x kernel/events/core.c.

use crate::event::EventState;
use crate::ids::EventId;
use crate::perf::Perf;

impl Perf {
    /// The event's state as far as time is concerned: a member of a group whose leader is not
    /// enabled is not enabled either (rule 3.1.4).
    pub(crate) fn effective_state(&self, event: EventId) -> EventState {
        let e = self.ev(event);
        match self.event(e.group_leader) {
            Some(leader) if leader.state <= EventState::Off => leader.state,
            _ => e.state,
        }
    }

    /// Time of the event's context at `now`, ns. Stands still when the event has no context.
    fn event_time(&self, event: EventId, now: u64) -> u64 {
        let e = self.ev(event);
        let context = e.context.and_then(|c| self.context(c));
        context.map_or(e.times.tstamp, |c| c.time_at(now))
    }

    /// Own enabled and running time at `now`, ns.
    pub(crate) fn times_at(&self, event: EventId, now: u64) -> (u64, u64) {
        let times = &self.ev(event).times;
        let delta = self.event_time(event, now).saturating_sub(times.tstamp);
        let state = self.effective_state(event);
        let enabled = if state >= EventState::Inactive { delta } else { 0 };
        let running = if state >= EventState::Active { delta } else { 0 };
        (times.enabled + enabled, times.running + running)
    }

    /// Enabled and running time at `now` including dead copies (rule 3.4.3), ns.
    pub(crate) fn total_times_at(&self, event: EventId, now: u64) -> (u64, u64) {
        let (enabled, running) = self.times_at(event, now);
        let times = &self.ev(event).times;
        (enabled + times.child_enabled, running + times.child_running)
    }

    /// Settles the event's times up to `now`.
    pub(crate) fn update_times(&mut self, event: EventId, now: u64) {
        let (enabled, running) = self.times_at(event, now);
        let tstamp = self.event_time(event, now);
        let times = &mut self.ev_mut(event).times;
        *times = crate::event::Times { tstamp, enabled, running, ..times.clone() };
    }

    /// Starts the event's times at the current time of its context.
    pub(crate) fn start_times(&mut self, event: EventId, now: u64) {
        let tstamp = self.event_time(event, now);
        self.ev_mut(event).times.tstamp = tstamp;
    }

    /// Changes state. Crossing the line between enabled and not also settles the siblings, whose
    /// effective state changes with their leader's.
    pub(crate) fn set_state(&mut self, event: EventId, state: EventState, now: u64) {
        let old = self.ev(event).state;
        if old == state {
            return;
        }
        self.update_times(event, now);
        if (old < EventState::Inactive) != (state < EventState::Inactive) {
            for i in 0..self.ev(event).siblings.len() {
                self.update_times(self.ev(event).siblings[i], now);
            }
        }
        self.ev_mut(event).state = state;
    }
}
