//! Groups: joining, leaving, and what becomes of siblings whose leader goes (rule 3.3).
//!
//! Source: `perf_group_attach`, `perf_group_detach`, Linux 6.x kernel/events/core.c.

use crate::attr::abi::{
    AttrFlags, PERF_FORMAT_GROUP, PERF_FORMAT_ID, PERF_FORMAT_LOST, PERF_FORMAT_TOTAL_TIME_ENABLED,
    PERF_FORMAT_TOTAL_TIME_RUNNING,
};
use crate::context::GroupClass;
use crate::errno::Errno;
use crate::event::EventState;
use crate::ids::EventId;
use crate::install::initial_state;
use crate::perf::Perf;
use crate::pmu::{PmuClass, PmuId, Pmus};
use crate::record::header_size;

/// Largest fixed part of a sample (`perf_event_validate_size`).
const MAX_FIXED_SIZE: u64 = 16 * 1024;

impl Perf {
    /// Rule 3.3.1: may `event` join the group of its (not yet linked) leader?
    pub(crate) fn check_group(&self, event: EventId) -> Result<(), Errno> {
        let e = self.ev(event);
        if e.group_leader == event {
            return Ok(());
        }
        let leader = self.event(e.group_leader).ok_or(Errno::EINVAL)?;
        // Hardware events of two PMUs do not form a group.
        let one_pmu = e.class == PmuClass::Software
            || self.hardware_pmu(e.group_leader).is_none_or(|pmu| pmu == e.pmu);
        let fits = leader.group_leader == e.group_leader
            && one_pmu
            && leader.clock == e.clock
            && leader.target == e.target
            && !e.attr.has(AttrFlags::EXCLUSIVE)
            && !e.attr.has(AttrFlags::PINNED);
        if fits { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Rule 1.2 step 23: neither the new event's samples nor those of the group it joins may
    /// outgrow 16 KiB in their fixed part.
    pub(crate) fn validate_size(&self, event: EventId) -> Result<(), Errno> {
        let leader = self.ev(event).group_leader;
        let joining = u64::from(leader != event);
        let nr = self.ev(leader).siblings.len() as u64 + 1 + joining;
        let too_big = |id: EventId| {
            let attr = &self.ev(id).attr;
            read_size(attr.read_format, nr) + header_size(attr) >= MAX_FIXED_SIZE
        };
        let mut members = [event, leader].into_iter().chain(self.ev(leader).siblings.clone());
        if members.any(too_big) { Err(Errno::E2BIG) } else { Ok(()) }
    }

    /// Links an event to its leader, or enters a leader into its context's list of groups.
    pub(crate) fn group_attach(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let leader = self.ev(event).group_leader;
        if leader == event {
            self.add_to_groups(event);
            return;
        }
        self.choose_pmu_context(pmus, now, event, leader);
        let l = self.ev_mut(leader);
        l.siblings.push(event);
        l.group_generation = l.group_generation.wrapping_add(1);
    }

    /// The PMU of a group's hardware-class events; `None` for a software group.
    fn hardware_pmu(&self, leader: EventId) -> Option<PmuId> {
        let members = self.group_members(leader).into_iter().map(|m| self.ev(m));
        members.into_iter().find(|m| m.class == PmuClass::Hardware).map(|m| m.pmu)
    }

    /// A group with a hardware event is scheduled in the hardware PMU's context: software
    /// members that were there first are taken out, start again in the state they were opened
    /// in, and go behind the groups that were there (`move_group` of perf_event_open).
    fn choose_pmu_context(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        leader: EventId,
    ) {
        if self.hardware_pmu(leader).is_some() {
            self.ev_mut(event).sched_pmu = self.ev(leader).sched_pmu;
            return;
        }
        if self.ev(event).class == PmuClass::Software {
            return;
        }
        if let Some(cpu) = self.ev(leader).oncpu {
            self.group_sched_out(pmus, now, cpu, leader);
        }
        let pmu = self.ev(event).pmu;
        for member in self.group_members(leader) {
            if self.ev(member).state >= EventState::Error {
                let state = initial_state(&self.ev(member).attr);
                self.set_state(member, state, now);
            }
            self.ev_mut(member).sched_pmu = pmu;
        }
        let class = self.group_class(leader);
        let context = self.ev(leader).context;
        if let Some(context) = context.and_then(|c| self.context_mut(c)) {
            context.groups_mut(class).retain(|l| *l != leader);
            context.groups_mut(class).push(leader);
        }
    }

    /// Leader first, then its siblings.
    pub(crate) fn group_members(&self, leader: EventId) -> Vec<EventId> {
        std::iter::once(leader).chain(self.ev(leader).siblings.iter().copied()).collect()
    }

    pub(crate) fn group_class(&self, leader: EventId) -> GroupClass {
        if self.ev(leader).is_pinned() { GroupClass::Pinned } else { GroupClass::Flexible }
    }

    fn add_to_groups(&mut self, leader: EventId) {
        let class = self.group_class(leader);
        let context = self.ev(leader).context;
        if let Some(context) = context.and_then(|c| self.context_mut(c)) {
            context.groups_mut(class).push(leader);
        }
    }

    /// Takes an event out of its group. Siblings of a leader become singletons, in the state
    /// they have (rule 3.3.2).
    pub(crate) fn group_detach(&mut self, event: EventId) {
        let leader = self.ev(event).group_leader;
        if leader != event {
            if let Some(l) = self.event_mut(leader) {
                l.siblings.retain(|s| *s != event);
                l.group_generation = l.group_generation.wrapping_add(1);
            }
            self.ev_mut(event).group_leader = event;
            return;
        }
        for sibling in std::mem::take(&mut self.ev_mut(event).siblings) {
            self.ev_mut(sibling).group_leader = sibling;
            self.add_to_groups(sibling);
        }
    }
}

/// Bytes of a read with `read_format` of a group of `nr` (rule 3.9.1).
pub(crate) fn read_size(read_format: u64, nr: u64) -> u64 {
    let has = |bit: u64| u64::from(read_format & bit != 0);
    let times = has(PERF_FORMAT_TOTAL_TIME_ENABLED) + has(PERF_FORMAT_TOTAL_TIME_RUNNING);
    let entry = 1 + has(PERF_FORMAT_ID) + has(PERF_FORMAT_LOST);
    let group = has(PERF_FORMAT_GROUP);
    let entries = if group == 1 { nr } else { 1 };
    8 * (times + group + entry * entries)
}
