//! The rate limit and frequency mode's view of time: accounting at each overflow, and the tick.
//!
//! Source: `__perf_event_account_interrupt`, `perf_adjust_freq_unthr_context`, Linux 6.18
//! kernel/events/core.c.

use crate::count::Nth;
use crate::ids::{BufferId, EventId};
use crate::overflow::{HitRegs, Overflow};
use crate::perf::Perf;
use crate::record::{Current, RecordType};
use crate::ring_buffer::BufferMemory;

/// Value of `interrupts` while an event is throttled.
pub(crate) const MAX_INTERRUPTS: u64 = u64::MAX;

impl Perf {
    /// `max_samples_per_tick`: the sample rate limit, rounded up to whole samples a tick.
    #[must_use]
    pub fn max_samples_per_tick(&self) -> u64 {
        let per_tick =
            u128::from(self.config.limits.max_sample_rate) * u128::from(self.config.tick_ns);
        u64::try_from(per_tick.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// Accounts one overflow. `true` when the event has just been throttled.
    pub(crate) fn account_interrupt(
        &mut self,
        out: &mut Overflow,
        nth: Nth,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> bool {
        let seq = self.cpus.get(regs.cpu.index()).map_or(0, |c| c.throttled_seq);
        let limit = self.max_samples_per_tick();
        let tick_ns = self.config.tick_ns;
        let event = out.event;
        let e = self.ev_mut(event);
        if e.hw.interrupts_seq == seq {
            e.hw.interrupts = e.hw.interrupts.saturating_add(1);
        } else {
            e.hw.interrupts_seq = seq;
            e.hw.interrupts = 1;
        }
        let over = nth == Nth::Later && e.hw.interrupts >= limit;
        if e.in_freq_mode() {
            let delta = regs.now.saturating_sub(e.hw.freq_time_stamp);
            e.hw.freq_time_stamp = regs.now;
            if delta > 0 && delta < 2 * tick_ns {
                let last = e.hw.last_period;
                e.adjust_period(delta, last);
            }
        }
        if over {
            let current = Current::of_hit(regs);
            out.wakeup = self.throttle_group(mem, &current, event).or(out.wakeup);
        }
        over
    }

    fn throttle_group(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        event: EventId,
    ) -> Option<BufferId> {
        let leader = self.ev(event).group_leader;
        for member in self.group_members(leader) {
            let e = self.ev_mut(member);
            e.hw.interrupts = MAX_INTERRUPTS;
            e.hw.stopped = true;
        }
        self.throttle_record(mem, current, leader, RecordType::Throttle)
    }

    fn unthrottle_group(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        event: EventId,
    ) -> Option<BufferId> {
        let leader = self.ev(event).group_leader;
        for member in self.group_members(leader) {
            let e = self.ev_mut(member);
            e.hw.interrupts = 0;
            e.restart();
        }
        self.throttle_record(mem, current, leader, RecordType::Unthrottle)
    }

    /// A throttled event runs again in a place where no record can be written: its leader's
    /// UNTHROTTLE waits for [`Perf::write_unthrottled`].
    pub(crate) fn unthrottle_later(&mut self, event: EventId) {
        let leader = self.ev(event).group_leader;
        for member in self.group_members(leader) {
            let e = self.ev_mut(member);
            if e.hw.interrupts == MAX_INTERRUPTS {
                e.hw.interrupts = 0;
                e.restart();
            }
        }
        self.unthrottled.push(leader);
    }

    /// Whether [`Perf::write_unthrottled`] has anything to write.
    #[must_use]
    pub fn has_unthrottled(&self) -> bool {
        !self.unthrottled.is_empty()
    }

    /// Writes the UNTHROTTLE records of events that were installed, or given a new period, while
    /// they were throttled. To be called after whatever may do that. Returns the buffers to wake.
    pub fn write_unthrottled(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
    ) -> Vec<BufferId> {
        let leaders = std::mem::take(&mut self.unthrottled);
        let alive = leaders.into_iter().filter(|e| self.event(*e).is_some()).collect::<Vec<_>>();
        let write = |leader| self.throttle_record(mem, current, leader, RecordType::Unthrottle);
        alive.into_iter().filter_map(write).collect()
    }

    /// The scheduler tick on a CPU: throttled events run again, frequency mode adapts its
    /// periods (rule 3.5.7). Returns the buffers to wake.
    pub fn task_tick(&mut self, mem: &mut dyn BufferMemory, current: &Current) -> Vec<BufferId> {
        let tick_ns = self.config.tick_ns;
        let Some(cpu) = self.cpus.get_mut(current.cpu.index()) else {
            return Vec::new();
        };
        cpu.throttled_seq = cpu.throttled_seq.wrapping_add(1);
        let mut wakeups = Vec::new();
        for event in self.events_on(current.cpu) {
            let e = self.ev(event);
            if e.hw.interrupts == MAX_INTERRUPTS {
                wakeups.extend(self.unthrottle_group(mem, current, event));
            }
            let e = self.ev_mut(event);
            if e.in_freq_mode() {
                let delta = e.count.wrapping_sub(e.hw.freq_count_stamp);
                e.hw.freq_count_stamp = e.count;
                if delta > 0 {
                    e.adjust_period(tick_ns, delta);
                }
                e.restart();
            }
        }
        wakeups
    }
}
