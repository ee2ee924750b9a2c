//! Sampling periods: the interval arithmetic of rules 3.5.2 to 3.5.4, frequency mode (3.5.7),
//! and PERIOD (3.7.1).
//!
//! Source: `perf_swevent_set_period`, `perf_adjust_period`, `__perf_event_period`, Linux 6.18
//! kernel/events/core.c.

use crate::attr::abi::AttrFlags;
use crate::defects::Defect;
use crate::errno::Errno;
use crate::event::{EventState, PerfEvent};
use crate::ids::EventId;
use crate::perf::Perf;
use crate::pmu::{Counting, Pmus};
use crate::throttle::MAX_INTERRUPTS;

const NSEC_PER_SEC: u128 = 1_000_000_000;

impl PerfEvent {
    /// Sampling state of a new event: the first interval is exactly one period.
    pub(crate) fn init_period(&mut self) {
        let freq = self.attr.has(AttrFlags::FREQ) && self.attr.sample_period != 0;
        let period = if freq { 1 } else { self.attr.sample_period };
        self.set_all_periods(period);
    }

    pub(crate) fn set_all_periods(&mut self, period: u64) {
        self.hw.sample_period = period;
        self.hw.last_period = period;
        self.hw.period_left = period as i64;
    }

    /// `pmu->start` with `PERF_EF_RELOAD`.
    pub(crate) fn restart(&mut self) {
        self.hw.stopped = false;
        if self.counting == Counting::Counters {
            let _already_due = self.start_counter_interval();
        }
    }

    /// The part of `pmu->add` that is about periods (rule 3.5.2).
    pub(crate) fn start_interval(&mut self) {
        if self.attr.is_sampling() {
            self.hw.last_period = self.hw.sample_period;
            let _already_due = self.next_interval();
        }
    }

    /// Ends intervals that are over and returns how many were; the new one has the period now in
    /// force (`perf_swevent_set_period`).
    pub(crate) fn next_interval(&mut self) -> u64 {
        let period = self.hw.last_period.max(1);
        self.hw.last_period = self.hw.sample_period;
        let left = self.hw.period_left;
        if left < 0 {
            return 0;
        }
        let nr = (u128::from(period) + left as u128) / u128::from(period);
        let rest = left as i128 - (nr * u128::from(period)) as i128;
        self.hw.period_left = i64::try_from(rest).unwrap_or(i64::MIN);
        u64::try_from(nr).unwrap_or(u64::MAX)
    }

    /// A counter has counted `delta` more.
    pub(crate) fn use_up(&mut self, delta: u64) {
        if self.attr.is_sampling() {
            let delta = i64::try_from(delta).unwrap_or(i64::MAX);
            self.hw.period_left = self.hw.period_left.saturating_sub(delta);
        }
    }

    /// Goes on with a counter's interval, or starts the next if it is over, which is what the
    /// answer says. Intervals that are over as a whole are skipped (`x86_perf_event_set_period`).
    pub(crate) fn start_counter_interval(&mut self) -> bool {
        if !self.attr.is_sampling() || self.hw.period_left > 0 {
            return false;
        }
        let period = i64::try_from(self.hw.sample_period).unwrap_or(i64::MAX).max(1);
        let late = self.hw.period_left <= -period;
        self.hw.period_left = if late { period } else { self.hw.period_left + period };
        self.hw.last_period = self.hw.sample_period;
        true
    }

    /// Frequency mode: moves the period an eighth of the way towards what would have given the
    /// wanted frequency over the last `nsec` ns with `count` occurrences.
    pub(crate) fn adjust_period(&mut self, nsec: u64, count: u64) {
        let frequency = u128::from(self.attr.sample_period);
        let divisor = u128::from(nsec) * frequency;
        let wanted = (u128::from(count) * NSEC_PER_SEC).checked_div(divisor).unwrap_or(0);
        let wanted = i128::try_from(wanted).unwrap_or(i128::MAX).min(i128::from(i64::MAX));
        let delta = wanted - i128::from(self.hw.sample_period);
        let step = (if delta >= 0 { delta + 7 } else { delta - 7 }) / 8;
        let period = (i128::from(self.hw.sample_period) + step).clamp(1, i128::from(i64::MAX));
        self.hw.sample_period = period as u64;
        if i128::from(self.hw.period_left) > 8 * period {
            self.hw.period_left = 0;
            // The PMU is stopped and started around this, which clears the stopped flag.
            self.restart();
        }
    }
}

impl Perf {
    /// PERF_EVENT_IOC_PERIOD (rule 3.7.1). EINVAL on a counting event, for 0, and out of range.
    /// After its task's end the event keeps its period all the same (measured on 6.18).
    pub fn set_period(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        value: u64,
    ) -> Result<(), Errno> {
        let limits = self.config.limits;
        // S10: success of the copy from the user is taken for failure.
        let faults = self.config.defects.has(Defect::PeriodAlwaysFaults);
        let late = self.config.defects.has(Defect::PeriodOneIntervalLate);
        let e = self.event_mut(event).ok_or(Errno::EBADF)?;
        if !e.attr.is_sampling() {
            return Err(Errno::EINVAL);
        }
        if faults {
            return Err(Errno::EFAULT);
        }
        if value == 0 {
            return Err(Errno::EINVAL);
        }
        e.attr.check_period(value, &limits)?;
        if e.context_ended {
            return Ok(());
        }
        self.pmu_read(pmus, now, event);
        let e = self.ev_mut(event);
        e.attr.sample_period = value;
        if !e.attr.has(AttrFlags::FREQ) {
            e.hw.sample_period = value;
        }
        e.hw.period_left = 0;
        if e.state == EventState::Active {
            let counts_hits = e.counting == Counting::Hits;
            if !late && counts_hits && !e.attr.has(AttrFlags::FREQ) {
                e.hw.last_period = value;
                e.hw.period_left = -(value as i64);
            }
            e.restart();
            if e.hw.interrupts == MAX_INTERRUPTS {
                self.unthrottle_later(event);
            }
        }
        Ok(())
    }
}
