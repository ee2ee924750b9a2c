//! read() on an event (rules 3.9.1, 3.9.2), with the sums over inherited copies (3.6.3, 3.6.7).
//!
//! Source: `perf_read`, `__perf_read_group_add`, Linux 6.18 kernel/events/core.c.

use crate::attr::abi::{
    PERF_FORMAT_GROUP, PERF_FORMAT_ID, PERF_FORMAT_LOST, PERF_FORMAT_TOTAL_TIME_ENABLED,
    PERF_FORMAT_TOTAL_TIME_RUNNING,
};
use crate::errno::Errno;
use crate::event::EventState;
use crate::group::read_size;
use crate::ids::EventId;
use crate::perf::Perf;
use crate::pmu::Pmus;

/// Sums over an event and its live and dead copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Occurrences, or ns of a clock.
    pub value: u64,
    /// ns in which it was enabled (rule 3.4).
    pub enabled_ns: u64,
    /// ns in which it was on its PMU.
    pub running_ns: u64,
}

impl Perf {
    /// The bytes a read of `count` bytes returns: none in ERROR state; ENOSPC when `count` is too
    /// small; ECHILD when a copy's group has another shape.
    pub fn read(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        count: usize,
    ) -> Result<Vec<u8>, Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        if e.state == EventState::Error {
            return Ok(Vec::new());
        }
        let (format, leader) = (e.attr.read_format, e.group_leader);
        let nr = self.ev(leader).siblings.len() as u64 + 1;
        if (count as u64) < read_size(format, nr) {
            return Err(Errno::ENOSPC);
        }
        let words = if format & PERF_FORMAT_GROUP != 0 {
            self.read_group(pmus, now, leader, format)?
        } else {
            self.read_one(pmus, now, event, format)
        };
        Ok(words.into_iter().flat_map(u64::to_le_bytes).collect())
    }

    /// Value of an event and its copies, as the kernel's own users read them.
    pub fn read_value(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) -> Option<u64> {
        Some(self.read_totals(pmus, now, event)?.value)
    }

    /// The same with the times.
    pub fn read_totals(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) -> Option<Totals> {
        self.event(event)?;
        Some(self.totals(pmus, now, event))
    }

    fn totals(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) -> Totals {
        let (enabled_ns, running_ns) = self.total_times_at(event, now);
        self.pmu_read(pmus, now, event);
        let e = self.ev(event);
        let value = e.count.wrapping_add(e.child_count);
        let mut totals = Totals { value, enabled_ns, running_ns };
        for child in e.children.clone() {
            self.pmu_read(pmus, now, child);
            let (enabled, running) = self.times_at(child, now);
            totals.value = totals.value.wrapping_add(self.ev(child).count);
            totals.enabled_ns += enabled;
            totals.running_ns += running;
        }
        totals
    }

    fn read_one(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId, format: u64) -> Vec<u64> {
        let totals = self.totals(pmus, now, event);
        let mut words = vec![totals.value];
        put_times(&mut words, format, &totals);
        self.put_id_and_lost(&mut words, format, event);
        words
    }

    fn read_group(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        leader: EventId,
        format: u64,
    ) -> Result<Vec<u64>, Errno> {
        let l = self.ev(leader);
        let same_shape = |copy: &EventId| {
            let c = self.ev(*copy);
            c.group_generation == l.group_generation && c.siblings.len() == l.siblings.len()
        };
        if !l.children.iter().all(same_shape) {
            return Err(Errno::ECHILD);
        }
        let members = self.group_members(leader);
        let mut words = vec![members.len() as u64];
        let totals = self.totals(pmus, now, leader);
        put_times(&mut words, format, &totals);
        for member in members {
            words.push(self.totals(pmus, now, member).value);
            self.put_id_and_lost(&mut words, format, member);
        }
        Ok(words)
    }

    fn put_id_and_lost(&self, words: &mut Vec<u64>, format: u64, event: EventId) {
        if format & PERF_FORMAT_ID != 0 {
            words.push(self.primary_id(event));
        }
        if format & PERF_FORMAT_LOST != 0 {
            words.push(self.ev(event).lost_samples);
        }
    }
}

fn put_times(words: &mut Vec<u64>, format: u64, totals: &Totals) {
    if format & PERF_FORMAT_TOTAL_TIME_ENABLED != 0 {
        words.push(totals.enabled_ns);
    }
    if format & PERF_FORMAT_TOTAL_TIME_RUNNING != 0 {
        words.push(totals.running_ns);
    }
}
