//! Calls into the PMU an event belongs to: the external one, or one of perf core's own.
//!
//! Source: `hw_breakpoint_add`, `perf_swevent_add`, `cpu_clock_event_add`, Linux 6.x
//! kernel/events/{hw_breakpoint,core}.c.

use crate::defects::Defect;
use crate::errno::Errno;
use crate::ids::{CpuId, EventId};
use crate::perf::Perf;
use crate::pmu::{Pmu, PmuId};

impl Perf {
    /// `pmu->add(event, PERF_EF_START)`.
    pub(crate) fn pmu_add(
        &mut self,
        pmu: &mut dyn Pmu,
        now: u64,
        cpu: CpuId,
        event: EventId,
    ) -> Result<(), Errno> {
        let dead_end = self.config.defects.has(Defect::RefreshDeadEnd);
        let e = self.ev_mut(event);
        match e.pmu {
            PmuId::External => {
                // K1: the stopped flag is not cleared by installing the event.
                e.hw.stopped &= dead_end;
                e.start_interval();
                pmu.add(cpu, event, &e.attr)
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
    pub(crate) fn pmu_del(&mut self, pmu: &mut dyn Pmu, now: u64, cpu: CpuId, event: EventId) {
        self.pmu_read(pmu, now, event);
        match self.ev(event).pmu {
            PmuId::External => pmu.del(cpu, event),
            PmuId::Swevent => self.cpus[cpu.index()].swevents.retain(|e| *e != event),
            PmuId::CpuClock | PmuId::TaskClock => {}
        }
    }

    /// `pmu->read(event)`: brings the count of an active event up to date.
    pub(crate) fn pmu_read(&mut self, pmu: &mut dyn Pmu, now: u64, event: EventId) {
        let e = self.ev_mut(event);
        let Some(cpu) = e.oncpu else { return };
        let delta = match e.pmu {
            PmuId::External => pmu.read(cpu, event),
            PmuId::Swevent => 0,
            PmuId::CpuClock | PmuId::TaskClock => {
                let since = now.saturating_sub(e.hw.prev_count);
                e.hw.prev_count = e.hw.prev_count.max(now);
                since
            }
        };
        e.count = e.count.wrapping_add(delta);
    }
}
