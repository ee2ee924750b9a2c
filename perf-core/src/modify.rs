//! Changing a breakpoint in place: MODIFY_ATTRIBUTES and the in-kernel call (rules 3.7.2, 6.1.2).
//!
//! Source: `perf_event_modify_attr` (Linux 6.18 kernel/events/core.c),
//! `modify_user_hw_breakpoint_check` (kernel/events/hw_breakpoint.c).

use crate::attr::PerfEventAttr;
use crate::attr::abi::{AttrFlags, PERF_TYPE_BREAKPOINT};
use crate::defects::Defect;
use crate::errno::Errno;
use crate::event::EventState;
use crate::ids::EventId;
use crate::perf::Perf;
use crate::pmu::Pmus;

/// Whether fields that cannot change are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// User call: they must be equal byte for byte.
    Yes,
    /// In-kernel call: they are ignored.
    No,
}

impl Perf {
    /// MODIFY_ATTRIBUTES: the event and each of its live copies, stopping at the first error.
    /// `attr` has passed [`PerfEventAttr::check`].
    pub fn modify_attributes(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        if e.attr.attr_type != attr.attr_type {
            return Err(Errno::EINVAL);
        }
        if attr.attr_type != PERF_TYPE_BREAKPOINT {
            return Err(Errno::EOPNOTSUPP);
        }
        let attr = attr.clone().with_defaults(&self.config.limits);
        for event in self.with_children(event) {
            let old = std::mem::replace(&mut self.ev_mut(event).attr.sig_data, attr.sig_data);
            let result = self.modify_breakpoint(pmus, now, event, &attr, Compare::Yes);
            if result.is_err() {
                if !self.config.defects.has(Defect::FailedModifyFlips) {
                    self.ev_mut(event).attr.sig_data = old;
                }
                return result;
            }
        }
        Ok(())
    }

    /// In-kernel change of a breakpoint's address, type, length and enable state. On `Err` the
    /// old setting is kept.
    pub fn modify_user_hw_breakpoint(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        self.event(event).ok_or(Errno::EINVAL)?;
        self.modify_breakpoint(pmus, now, event, attr, Compare::No)
    }

    /// Steps b to g: off, validate, commit, on again if the event's attribute says so. K4: that
    /// holds after a failure too, whatever the state was before.
    fn modify_breakpoint(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        attr: &PerfEventAttr,
        compare: Compare,
    ) -> Result<(), Errno> {
        let was_enabled = self.ev(event).state >= EventState::Inactive;
        self.disable_one(pmus, now, event);
        let result = self.commit_breakpoint(pmus, event, attr, compare);
        let by_attr = result.is_ok() || self.config.defects.has(Defect::FailedModifyFlips);
        let attr_enabled = !self.ev(event).attr.has(AttrFlags::DISABLED);
        if if by_attr { attr_enabled } else { was_enabled } {
            self.enable_one(pmus, now, event);
        }
        result
    }

    /// Steps c to f.
    fn commit_breakpoint(
        &mut self,
        pmus: &mut dyn Pmus,
        event: EventId,
        attr: &PerfEventAttr,
        compare: Compare,
    ) -> Result<(), Errno> {
        let id = self.ev(event).pmu;
        let pmu = pmus.pmu(id).ok_or(Errno::EOPNOTSUPP)?;
        pmu.parse(event, attr)?;
        let e = self.ev_mut(event);
        let mut new = e.attr.clone();
        new.copy_breakpoint_fields(attr);
        if compare == Compare::Yes && new != *attr {
            return Err(Errno::EINVAL);
        }
        pmu.modify(event, &e.attr, &new)?;
        e.attr = new;
        Ok(())
    }
}
