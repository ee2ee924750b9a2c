//! What the descriptor's ioctls and prctl do to events (rules 3.1, 3.3.3, 3.5.8, 3.7).
//!
//! Neighbours: `period` has PERIOD, `modify` MODIFY_ATTRIBUTES, `mmap` SET_OUTPUT and
//! PAUSE_OUTPUT. Source: `_perf_ioctl`, Linux 6.18 kernel/events/core.c.

use crate::attr::abi::AttrFlags;
use crate::defects::Defect;
use crate::errno::Errno;
use crate::event::EventState;
use crate::ids::{EventId, TaskId};
use crate::perf::Perf;
use crate::pmu::Pmus;

/// Which events an ENABLE, DISABLE or RESET acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The event and its live copies.
    Event,
    /// `PERF_IOC_FLAG_GROUP`: leader and all siblings, and their live copies.
    Group,
}

impl Scope {
    /// From the ioctl argument: bit 0 is `PERF_IOC_FLAG_GROUP`, the others are ignored.
    #[must_use]
    pub const fn from_ioctl_arg(arg: u64) -> Scope {
        if arg & 1 != 0 { Scope::Group } else { Scope::Event }
    }
}

/// The ioctl commands of a perf descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IoctlCommand {
    /// `PERF_EVENT_IOC_ENABLE`.
    Enable,
    /// `PERF_EVENT_IOC_DISABLE`.
    Disable,
    /// `PERF_EVENT_IOC_REFRESH`; the argument is the budget.
    Refresh,
    /// `PERF_EVENT_IOC_RESET`.
    Reset,
    /// `PERF_EVENT_IOC_PERIOD`; the argument points to a u64.
    Period,
    /// `PERF_EVENT_IOC_SET_OUTPUT`; the argument is a descriptor or -1 (as long).
    SetOutput,
    /// `PERF_EVENT_IOC_SET_FILTER`: EINVAL on every event here.
    SetFilter,
    /// `PERF_EVENT_IOC_ID`; the argument points to a u64 to fill.
    Id,
    /// `PERF_EVENT_IOC_SET_BPF`: no BPF here.
    SetBpf,
    /// `PERF_EVENT_IOC_PAUSE_OUTPUT`.
    PauseOutput,
    /// `PERF_EVENT_IOC_QUERY_BPF`: EINVAL on every event here.
    QueryBpf,
    /// `PERF_EVENT_IOC_MODIFY_ATTRIBUTES`; the argument points to an attribute.
    ModifyAttributes,
}

impl IoctlCommand {
    /// The command with this number; `None` is ENOTTY. Accepts the numbers of 32-bit callers,
    /// which differ in the size of pointer arguments.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<IoctlCommand> {
        use IoctlCommand as C;
        Some(match number {
            0x2400 => C::Enable,
            0x2401 => C::Disable,
            0x2402 => C::Refresh,
            0x2403 => C::Reset,
            0x4008_2404 => C::Period,
            0x2405 => C::SetOutput,
            0x4008_2406 | 0x4004_2406 => C::SetFilter,
            0x8008_2407 | 0x8004_2407 => C::Id,
            0x4004_2408 => C::SetBpf,
            0x4004_2409 => C::PauseOutput,
            0xc008_240a | 0xc004_240a => C::QueryBpf,
            0x4008_240b | 0x4004_240b => C::ModifyAttributes,
            _ => return None,
        })
    }
}

impl Perf {
    /// ENABLE. No effect on events that are enabled or gone (rule 3.1.2).
    pub fn enable(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId, scope: Scope) {
        for event in self.in_scope(event, scope) {
            self.enable_one(pmus, now, event);
        }
    }

    /// DISABLE. Idempotent (rule 3.1.3). A SIGTRAP not yet delivered is dropped (rule 3.8.8).
    pub fn disable(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId, scope: Scope) {
        for event in self.in_scope(event, scope) {
            self.disable_one(pmus, now, event);
            self.ev_mut(event).pending_work = None;
        }
    }

    /// RESET: counts to zero, times untouched, dead copies' counts kept (rules 3.3.3, 3.6.3).
    /// The control page is refreshed by [`Perf::update_userpage`].
    pub fn reset(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId, scope: Scope) {
        for event in self.in_scope(event, scope) {
            self.pmu_read(pmus, now, event);
            self.ev_mut(event).count = 0;
        }
    }

    /// REFRESH (rule 3.5.8): `budget` more overflows, then the event switches itself off.
    /// EINVAL on a counting or inherit event.
    pub fn refresh(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        budget: i32,
    ) -> Result<(), Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        if e.attr.has(AttrFlags::INHERIT) || !e.attr.is_sampling() {
            return Err(Errno::EINVAL);
        }
        let e = self.ev_mut(event);
        e.event_limit = e.event_limit.wrapping_add(budget);
        self.enable_one(pmus, now, event);
        Ok(())
    }

    /// prctl(PR_TASK_PERF_EVENTS_ENABLE): every event `owner` opened (rule 3.7.3).
    pub fn task_events_enable(&mut self, pmus: &mut dyn Pmus, now: u64, owner: TaskId) {
        for event in self.owned_by(owner) {
            self.enable(pmus, now, event, Scope::Event);
        }
    }

    /// prctl(PR_TASK_PERF_EVENTS_DISABLE).
    pub fn task_events_disable(&mut self, pmus: &mut dyn Pmus, now: u64, owner: TaskId) {
        for event in self.owned_by(owner) {
            self.disable(pmus, now, event, Scope::Event);
        }
    }

    /// The event, or its group, each followed by its live copies.
    fn in_scope(&self, event: EventId, scope: Scope) -> Vec<EventId> {
        let Some(e) = self.event(event) else {
            return Vec::new();
        };
        let leader_only = self.config.defects.has(Defect::GroupFlagIgnoresSiblings);
        let members = match scope {
            Scope::Event => vec![event],
            // S9: the loop over the siblings acts on the leader every time.
            Scope::Group if leader_only => vec![e.group_leader],
            Scope::Group => self.group_members(e.group_leader),
        };
        members.into_iter().flat_map(|m| self.with_children(m)).collect()
    }

    pub(crate) fn with_children(&self, event: EventId) -> Vec<EventId> {
        std::iter::once(event).chain(self.ev(event).children.iter().copied()).collect()
    }

    /// Rule 3.1.2.
    pub(crate) fn enable_one(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let e = self.ev(event);
        if e.state >= EventState::Inactive || e.state < EventState::Error {
            return;
        }
        self.set_state(event, EventState::Inactive, now);
        let e = self.ev(event);
        let on_cpu = e.context.and_then(|c| self.context(c)).and_then(|c| c.on_cpu);
        let matches = on_cpu.is_some_and(|cpu| e.target.cpu().is_none_or(|c| c == cpu));
        let leader_on =
            e.group_leader == event || self.ev(e.group_leader).state == EventState::Active;
        if matches && leader_on {
            self.resched_for(pmus, now, event);
        }
    }

    /// Rule 3.1.3.
    pub(crate) fn disable_one(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let e = self.ev(event);
        if e.state <= EventState::Off {
            return;
        }
        if let Some(cpu) = e.oncpu {
            if e.group_leader == event {
                self.group_sched_out(pmus, now, cpu, event);
            } else {
                self.event_sched_out(pmus, now, cpu, event);
            }
        }
        self.set_state(event, EventState::Off, now);
    }
}
