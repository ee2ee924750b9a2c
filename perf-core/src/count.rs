//! Counting a hit, and what an overflow does (rules 1.7, 3.5, 3.8).
//!
//! Neighbours: `period` has the interval arithmetic, `throttle` the rate limit, `sample` writes
//! the record. Source: `perf_swevent_event`, `__perf_event_overflow`, Linux 6.18
//! kernel/events/core.c.

use crate::attr::abi::{AttrFlags, PERF_SAMPLE_PERIOD};
use crate::defects::Defect;
use crate::event::{EventState, PerfEvent};
use crate::ids::EventId;
use crate::overflow::{HitRegs, Mode, Overflow, PollReason, SigTrap};
use crate::perf::Perf;
use crate::pmu::{Counting, PmuId, Pmus};
use crate::ring_buffer::BufferMemory;
use crate::throttle::MAX_INTERRUPTS;

/// Whether the overflow is the first of its hit; only later ones may throttle (rule 3.5.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nth {
    First,
    Later,
}

impl PerfEvent {
    /// `perf_exclude_event`: stopped, or the mode at the trap is excluded (rule 1.7.1).
    fn excludes(&self, mode: Mode) -> bool {
        let excluded = match mode {
            Mode::User => AttrFlags::EXCLUDE_USER,
            Mode::Kernel => AttrFlags::EXCLUDE_KERNEL,
        };
        self.hw.stopped || self.attr.has(excluded)
    }

    /// Whether every hit is a sample whatever the period (rule 3.5.3).
    fn samples_every_hit(&self, nr: u64, sample_period_overrides: bool) -> bool {
        let freq = self.attr.has(AttrFlags::FREQ);
        let overridden = sample_period_overrides && self.attr.samples(PERF_SAMPLE_PERIOD);
        !freq && (overridden || nr == 1 && self.hw.sample_period == 1)
    }
}

impl Perf {
    /// The hardware reports that `event` happened once (`perf_bp_event`). Counts, samples, and
    /// says what is to be done. An event that is not installed drops the hit.
    pub fn event_hit(
        &mut self,
        event: EventId,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> Overflow {
        self.swevent_hit(event, 1, regs, mem)
    }

    /// The counter of `event` may have run out: the PMU's interrupt, or the end of kernel work
    /// in which it would have come. Nothing happens while the period is not over. The counts of
    /// the CPU have been brought up to date ([`Perf::update_counts`]). Source:
    /// `x86_pmu_handle_irq`, Linux 6.x arch/x86/events/core.c.
    pub fn counter_interrupt(
        &mut self,
        event: EventId,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> Overflow {
        let root = self.event(event).and_then(|e| e.parent).unwrap_or(event);
        let mut out = Overflow::dropped(event, root);
        let Some(e) = self.events.get_mut(event) else {
            return out;
        };
        if e.state != EventState::Active || e.hw.stopped {
            return out;
        }
        let period = e.hw.last_period;
        if !e.start_counter_interval() {
            return out;
        }
        out.counted = true;
        if self.overflow(&mut out, Nth::Later, period, regs, mem) {
            self.ev_mut(event).hw.stopped = true;
        }
        out
    }

    /// How much a counter has still to count until [`Perf::counter_interrupt`] has something to
    /// do; 0 when it is due. `None` for an event that is not active, does not sample or stands
    /// still, and for one that does not count by itself.
    #[must_use]
    pub fn until_interrupt(&self, event: EventId) -> Option<u64> {
        let e = self.event(event)?;
        let counts = e.counting == Counting::Counters
            && e.attr.is_sampling()
            && e.state == EventState::Active
            && !e.hw.stopped;
        counts.then(|| u64::try_from(e.hw.period_left).unwrap_or(0))
    }

    /// `perf_swevent_event`.
    pub(crate) fn swevent_hit(
        &mut self,
        event: EventId,
        nr: u64,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> Overflow {
        let overrides = self.config.defects.has(Defect::SamplePeriodOverrides);
        // S5: the handler of an opened breakpoint does nothing yet.
        let stub = self.config.defects.has(Defect::OpenedNeverCount);
        let root = self.event(event).and_then(|e| e.parent).unwrap_or(event);
        let mut out = Overflow::dropped(event, root);
        let Some(e) = self.event_mut(event) else {
            return out;
        };
        let is_stub = stub && e.pmu == PmuId::Breakpoint && e.handler.is_none();
        if e.state != EventState::Active || e.excludes(regs.mode) || is_stub {
            return out;
        }
        out.counted = true;
        e.count = e.count.wrapping_add(nr);
        if !e.attr.is_sampling() {
            return out;
        }
        let freq = e.attr.has(AttrFlags::FREQ);
        if e.samples_every_hit(nr, overrides) {
            let period =
                if overrides && e.attr.samples(PERF_SAMPLE_PERIOD) { nr } else { e.hw.last_period };
            self.overflow(&mut out, Nth::First, period, regs, mem);
            return out;
        }
        let period = e.hw.last_period;
        debug_assert!(freq || e.hw.sample_period != 0);
        e.hw.period_left = e.hw.period_left.saturating_add(i64::try_from(nr).unwrap_or(i64::MAX));
        if e.hw.period_left < 0 {
            return out;
        }
        let nr_overflows = e.next_interval();
        let mut nth = Nth::First;
        for _ in 0..nr_overflows {
            if self.ev(event).hw.interrupts == MAX_INTERRUPTS {
                break;
            }
            if self.overflow(&mut out, nth, period, regs, mem) {
                break;
            }
            nth = Nth::Later;
        }
        out
    }

    /// One overflow, in the order of rule 3.5.5. `true` when no further overflow of this hit may
    /// follow.
    fn overflow(
        &mut self,
        out: &mut Overflow,
        nth: Nth,
        period: u64,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> bool {
        let event = out.event;
        let mut stop = self.account_interrupt(out, nth, regs, mem);
        out.nr_overflows += 1;
        let e = self.ev_mut(event);
        let mut kill = PollReason::In;
        if e.event_limit != 0 {
            e.event_limit = e.event_limit.wrapping_sub(1);
            if e.event_limit == 0 {
                stop = true;
                kill = PollReason::Hup;
                e.pending_disable = true;
                e.hw.stopped = true;
                out.disable = true;
            }
        }
        if e.attr.has(AttrFlags::SIGTRAP) && e.pending_work.is_none() {
            e.pending_work = Some(regs.addr);
            out.sigtrap = true;
        }
        match e.handler {
            Some(handler) => out.handler = Some(handler),
            None => out.wakeup = self.output_sample(event, period, regs, mem).or(out.wakeup),
        }
        out.kill = Some(kill);
        stop
    }

    /// The interrupt work after a hit that asked for [`Overflow::disable`]: switches the event
    /// off, with its group if it leads one. Does nothing if it has been taken off since.
    pub fn pending_disable(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let pending = self.event(event).is_some_and(|e| e.pending_disable);
        if pending {
            self.ev_mut(event).pending_disable = false;
            self.disable_one(pmus, now, event);
        }
    }

    /// The task work of a sigtrap event, before the hitting task executes another user
    /// instruction: the signal to queue, or `None` if the event was switched off or removed
    /// meanwhile (rule 3.8.8). Overflows until then share one signal (rule 3.8.7).
    pub fn take_sigtrap(&mut self, event: EventId) -> Option<SigTrap> {
        let e = self.event_mut(event)?;
        let addr = e.pending_work.take()?;
        let (perf_type, sig_data) = (e.attr.attr_type, e.attr.sig_data);
        Some(SigTrap { addr, perf_type, sig_data })
    }
}
