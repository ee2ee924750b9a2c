//! Breakpoints that kernel code registers for itself: on a task, or on every CPU.
//!
//! Each registration has a number, which is what its overflow handler is known by
//! ([`OverflowHandler::InKernel`]); hits are logged here, as a module's handler would do.
//! Neighbour: `wide_breakpoint.rs`, which opens one event a CPU.
//! Source: Linux 6.18 `kernel/events/hw_breakpoint.c` (`register_user_hw_breakpoint`,
//! `modify_user_hw_breakpoint`, `unregister_hw_breakpoint`), `include/linux/hw_breakpoint.h`.

use std::collections::BTreeMap;

use perf_core::attr::abi::AttrFlags;
use perf_core::{CpuId, Defect, Errno, EventId, Mode, PerfEventAttr, Target, TaskId};

use super::Kernel;
use crate::events::hw_breakpoint::Support;
use crate::events::overflow_handler::OverflowHandler;

/// Number of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RegistrationId(pub(crate) u32);

/// A hit of a registered breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InKernelHit {
    /// Whose breakpoint.
    pub(crate) registration: RegistrationId,
    /// The task that was current.
    pub(crate) task: TaskId,
    /// The CPU.
    pub(crate) cpu: CpuId,
    /// Who made the access.
    pub(crate) mode: Mode,
}

/// All registrations, and what has hit them.
#[derive(Clone, Debug, Default)]
pub(crate) struct InKernelBreakpoints {
    registrations: BTreeMap<RegistrationId, Vec<EventId>>,
    next: u32,
    hits: Vec<InKernelHit>,
}

impl InKernelBreakpoints {
    /// Notes a hit.
    pub(crate) fn note(&mut self, hit: InKernelHit) {
        self.hits.push(hit);
    }

    /// Takes the hits of a registration, in order.
    pub(crate) fn take_hits(&mut self, id: RegistrationId) -> Vec<InKernelHit> {
        let (own, others) = self.hits.iter().partition(|hit| hit.registration == id);
        self.hits = others;
        own
    }

    /// The events of a registration: one, or one a CPU.
    pub(crate) fn events(&self, id: RegistrationId) -> &[EventId] {
        self.registrations.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// `hw_breakpoint_init`: what a module starts from (rule 6.1.1).
#[must_use]
pub(crate) fn hw_breakpoint_init() -> PerfEventAttr {
    let mut attr = PerfEventAttr::breakpoint(0, 0, 0).with(AttrFlags::PINNED);
    attr.sample_period = 1;
    attr
}

impl Kernel {
    /// A breakpoint on a task, whichever CPU it is on. `None` is the null pointer of a kernel
    /// without breakpoint support (rule 6.1.4).
    ///
    /// # Errors
    /// As `perf_event_open` from the slot on.
    pub(crate) fn register_user_hw_breakpoint(
        &mut self,
        attr: &PerfEventAttr,
        task: TaskId,
    ) -> Result<Option<RegistrationId>, Errno> {
        let Some((id, handler)) = self.next_registration() else { return Ok(None) };
        let now = self.now_ns();
        let target = Target::Task(task, None);
        let opened = self.with_pmu(|perf, pmu| {
            perf.create_kernel_counter(pmu, now, attr, target, Some(handler.id()))
        });
        self.registered(id, opened.map(|event| vec![event]))
    }

    /// Keeps what a registration opened. S8: its failure is a null pointer too (rule 6.1.3).
    fn registered(
        &mut self,
        id: RegistrationId,
        opened: Result<Vec<EventId>, Errno>,
    ) -> Result<Option<RegistrationId>, Errno> {
        match opened {
            Ok(events) => {
                self.in_kernel.registrations.insert(id, events);
                Ok(Some(id))
            }
            Err(_) if self.perf.config.defects.has(Defect::NullInsteadOfError) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// A breakpoint on each online CPU, all or none (rule 6.1.1). `None` as above.
    ///
    /// # Errors
    /// The errno of the first CPU that refused.
    pub(crate) fn register_wide_in_kernel(
        &mut self,
        attr: &PerfEventAttr,
    ) -> Result<Option<RegistrationId>, Errno> {
        let Some((id, handler)) = self.next_registration() else { return Ok(None) };
        let opened = self.register_wide_hw_breakpoint(attr, handler);
        self.registered(id, opened)
    }

    /// Changes address, type, length and enable state; a failure keeps the old setting (rule
    /// 6.1.2). Of a wide breakpoint each CPU's, stopping at the first error.
    ///
    /// # Errors
    /// ENOSYS without breakpoint support; EINVAL and others from validation.
    pub(crate) fn modify_user_hw_breakpoint(
        &mut self,
        id: RegistrationId,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        if self.breakpoints.support() == Support::Absent {
            return Err(Errno::ENOSYS);
        }
        let now = self.now_ns();
        for event in self.in_kernel.events(id).to_vec() {
            self.with_pmu(|perf, pmu| perf.modify_user_hw_breakpoint(pmu, now, event, attr))?;
        }
        Ok(())
    }

    /// Takes a registration back; nothing for one that is none (`unregister_hw_breakpoint(NULL)`).
    pub(crate) fn unregister_hw_breakpoint(&mut self, id: Option<RegistrationId>) {
        let events = id.and_then(|id| self.in_kernel.registrations.remove(&id));
        self.unregister_wide_hw_breakpoint(events.unwrap_or_default());
    }

    fn next_registration(&mut self) -> Option<(RegistrationId, OverflowHandler)> {
        if self.breakpoints.support() == Support::Absent {
            return None;
        }
        let registration = self.in_kernel.next;
        self.in_kernel.next += 1;
        Some((RegistrationId(registration), OverflowHandler::InKernel { registration }))
    }
}
