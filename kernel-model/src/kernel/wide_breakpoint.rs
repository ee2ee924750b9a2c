//! Breakpoints that the kernel itself registers on every CPU.
//! Source: Linux 6.18 `kernel/events/hw_breakpoint.c` (`register_wide_hw_breakpoint`,
//! `unregister_hw_breakpoint`).

use perf_core::{CpuId, Errno, EventId, Generation, PerfEventAttr, Target};

use super::Kernel;
use crate::events::overflow_handler::OverflowHandler;

impl Kernel {
    /// A breakpoint on each online CPU, in 2.6.33 on each possible one; all or none (rule 6.1.1).
    ///
    /// # Errors
    /// The errno of the first CPU that refused it; those before have been given back.
    pub(crate) fn register_wide_hw_breakpoint(
        &mut self,
        attr: &PerfEventAttr,
        handler: OverflowHandler,
    ) -> Result<Vec<EventId>, Errno> {
        self.breakpoints.slots_mut().begin_wide();
        let events = self.register_on_each_cpu(attr, handler);
        self.breakpoints.slots_mut().end_wide();
        events
    }

    fn register_on_each_cpu(
        &mut self,
        attr: &PerfEventAttr,
        handler: OverflowHandler,
    ) -> Result<Vec<EventId>, Errno> {
        let mut events = Vec::new();
        let all_possible = self.perf.config.generation == Generation::V2_6_33;
        let wanted = |cpu: &CpuId| all_possible || self.perf.is_cpu_online(*cpu);
        let cpus: Vec<CpuId> = self.hw.cpus().filter(wanted).collect();
        for cpu in cpus {
            let now = self.hw.time_ns(cpu);
            let opened = self.with_pmu(|perf, pmu| {
                let target = Target::Cpu(cpu);
                perf.create_kernel_counter(pmu, now, attr, target, Some(handler.id()))
            });
            match opened {
                Ok(event) => events.push(event),
                Err(errno) => {
                    self.unregister_wide_hw_breakpoint(events);
                    return Err(errno);
                }
            }
        }
        Ok(events)
    }

    /// Takes the breakpoints of one registration back.
    pub(crate) fn unregister_wide_hw_breakpoint(&mut self, events: Vec<EventId>) {
        for event in events {
            let now = self.now_ns();
            let detached = self.with_pmu(|perf, pmu| perf.release(pmu, now, event));
            self.after_detach(detached);
        }
    }
}
