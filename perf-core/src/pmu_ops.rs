//! Calls into the PMU an event belongs to: one behind the border, or one of perf core's own.
//!
//! Source: `hw_breakpoint_add`, `x86_pmu_add`, `perf_swevent_add`, `cpu_clock_event_add`, Linux
//! 6.x kernel/events/{hw_breakpoint,core}.c, arch/x86/events/core.c.

use crate::defects::Defect;
use crate::errno::Errno;
use crate::ids::{CpuId, EventId};
use crate::perf::Perf;
use crate::pmu::{Counting, PmuId, Pmus};

impl Perf {
    /// `pmu->add(event, PERF_EF_START)`.
    pub(crate) fn pmu_add(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        event: EventId,
    ) -> Result<(), Errno> {
        let dead_end = self.config.defects.has(Defect::RefreshDeadEnd);
        let e = self.ev_mut(event);
        match e.pmu {
            PmuId::Cpu | PmuId::Breakpoint => {
                if e.counting == Counting::Counters {
                    e.hw.stopped = false;
                    let _already_due = e.start_counter_interval();
                } else {
                    // K1: the stopped flag is not cleared by installing the event.
                    e.hw.stopped &= dead_end;
                    e.start_interval();
                }
                pmus.pmu(e.pmu).ok_or(Errno::ENODEV)?.add(cpu, event, &e.attr)
            }
            PmuId::Swevent => {
                e.hw.stopped = false;
                e.start_interval();
                self.cpus[cpu.index()].swevents.push(event);
                Ok(())
            }
            PmuId::CpuClock | PmuId::TaskClock => {
                e.hw.prev_count = now;
                Ok(())
            }
        }
    }

    /// `pmu->del(event)`.
    pub(crate) fn pmu_del(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId, event: EventId) {
        self.pmu_read(pmus, now, event);
        match self.ev(event).pmu {
            id @ (PmuId::Cpu | PmuId::Breakpoint) => {
                if let Some(pmu) = pmus.pmu(id) {
                    pmu.del(cpu, event);
                }
            }
            PmuId::Swevent => self.cpus[cpu.index()].swevents.retain(|e| *e != event),
            PmuId::CpuClock | PmuId::TaskClock => {}
        }
    }

    /// `pmu->read(event)`: brings the count of an active event up to date. A counter that is
    /// stopped (throttled) loses what happens meanwhile.
    pub(crate) fn pmu_read(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let e = self.ev_mut(event);
        let Some(cpu) = e.oncpu else { return };
        let delta = match e.pmu {
            PmuId::Cpu | PmuId::Breakpoint => {
                let delta = pmus.pmu(e.pmu).map_or(0, |pmu| pmu.read(cpu, event));
                if e.hw.stopped { 0 } else { delta }
            }
            PmuId::Swevent => 0,
            PmuId::CpuClock | PmuId::TaskClock => {
                let since = now.saturating_sub(e.hw.prev_count);
                e.hw.prev_count = e.hw.prev_count.max(now);
                since
            }
        };
        e.count = e.count.wrapping_add(delta);
        if e.counting == Counting::Counters {
            e.use_up(delta);
        }
    }

    /// Brings the counts of all active events of a CPU up to date. To be called before
    /// [`Perf::event_hit`], [`Perf::counter_interrupt`], [`Perf::task_tick`] and the like when
    /// events count by themselves there ([`Perf::counts_by_itself`]): what these stop, start and
    /// write out is then exact to the instant.
    pub fn update_counts(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId) {
        for event in self.events_on(cpu) {
            self.pmu_read(pmus, now, event);
        }
    }

    /// Whether any active event of the CPU counts without being told of every hit: a counter or
    /// a clock.
    #[must_use]
    pub fn counts_by_itself(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.index()).is_some_and(|c| c.active_counters > 0)
    }

    /// Active events of a CPU: the CPU's own, then its task's, each oldest first.
    pub(crate) fn events_on(&self, cpu: CpuId) -> Vec<EventId> {
        let active = |e: &EventId| self.ev(*e).oncpu == Some(cpu);
        let contexts = self.live_contexts(cpu).into_iter().filter_map(|c| self.context(c));
        contexts.flat_map(|c| c.events.iter().copied().filter(active)).collect()
    }
}
