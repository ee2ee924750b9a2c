//! Putting groups on a CPU and taking them off: all or nothing per group, classes in the order
//! cpu pinned, task pinned, cpu flexible, task flexible (rules 3.2.3 to 3.2.10).
//!
//! Neighbours: `install` and `ioctl` ask for a [`Perf::resched`]; `pmu_ops` talks to the PMU.
//! Source: `ctx_resched`, `group_sched_in`, `merge_sched_in`, Linux 6.x kernel/events/core.c.

use crate::attr::abi::AttrFlags;
use crate::context::GroupClass::{self, Flexible, Pinned};
use crate::defects::Defect;
use crate::event::{ContextId, EventState};
use crate::ids::{CpuId, EventId, TaskId};
use crate::perf::Perf;
use crate::pmu::{PerPmu, PmuClass, PmuId, Pmus};
use crate::throttle::MAX_INTERRUPTS;

/// A member of a group could not be installed; the group is off again.
pub(crate) struct InstallFailed;

/// Which groups a re-run touches: `None` all, `Some` only those led by this PMU (rule 3.2.5).
pub(crate) type PmuFilter = Option<PmuId>;

impl Perf {
    /// The CPU `task` runs on now.
    #[must_use]
    pub fn task_cpu(&self, task: TaskId) -> Option<CpuId> {
        (0u32..).zip(&self.cpus).find(|(_, c)| c.current == Some(task)).map(|(i, _)| CpuId(i))
    }

    fn task_context_on(&self, cpu: CpuId) -> Option<ContextId> {
        let task = self.cpus[cpu.index()].current?;
        self.tasks.contains(task).then_some(ContextId::Task(task))
    }

    /// The contexts that are live on a CPU: its own, and its task's if it has events.
    pub(crate) fn live_contexts(&self, cpu: CpuId) -> Vec<ContextId> {
        std::iter::once(ContextId::Cpu(cpu)).chain(self.task_context_on(cpu)).collect()
    }

    /// The running task of `cpu` leaves it: its events come off (rule 3.2.4).
    pub fn task_sched_out(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId) {
        if let Some(context) = self.task_context_on(cpu) {
            for class in [Pinned, Flexible] {
                self.class_sched_out(pmus, now, cpu, context, class, None);
            }
            if let Some(c) = self.context_mut(context) {
                c.stop_clock(now);
            }
        }
        self.cpus[cpu.index()].current = None;
    }

    /// `task` starts to run on `cpu`. Must follow [`Perf::task_sched_out`] of the task before.
    pub fn task_sched_in(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId, task: TaskId) {
        if self.cpus[cpu.index()].current.is_some() {
            self.task_sched_out(pmus, now, cpu);
        }
        self.cpus[cpu.index()].current = Some(task);
        let Some(context) = self.tasks.get_mut(task) else {
            return;
        };
        context.start_clock(cpu, now);
        let (own, cpu_wide) = (ContextId::Task(task), ContextId::Cpu(cpu));
        let has_pinned = !context.pinned_groups.is_empty();
        if has_pinned {
            self.class_sched_out(pmus, now, cpu, cpu_wide, Flexible, None);
        }
        self.class_sched_in(pmus, now, cpu, own, Pinned, None);
        if has_pinned {
            self.class_sched_in(pmus, now, cpu, cpu_wide, Flexible, None);
        }
        self.class_sched_in(pmus, now, cpu, own, Flexible, None);
    }

    /// Re-runs the classes of equal or lower priority than `class` of `context` on the CPU the
    /// context is live on (`ctx_resched`). Nothing to do when it is live nowhere.
    pub(crate) fn resched(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        context: ContextId,
        class: GroupClass,
        filter: PmuFilter,
    ) {
        let Some(cpu) = self.context(context).and_then(|c| c.on_cpu) else {
            return;
        };
        let cpu_wide = ContextId::Cpu(cpu);
        let task = self.task_context_on(cpu);
        let order = [
            (Some(cpu_wide), Pinned),
            (task, Pinned),
            (Some(cpu_wide), Flexible),
            (task, Flexible),
        ];
        let first = order.iter().position(|&(c, k)| c == Some(context) && k == class);
        let rerun = &order[first.unwrap_or(order.len())..];
        for &(context, class) in rerun.iter().rev() {
            if let Some(context) = context {
                self.class_sched_out(pmus, now, cpu, context, class, filter);
            }
        }
        for &(context, class) in rerun {
            if let Some(context) = context {
                self.class_sched_in(pmus, now, cpu, context, class, filter);
            }
        }
    }

    /// The filter and class for a re-run on behalf of `event`.
    pub(crate) fn resched_for(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let e = self.ev(event);
        let Some(context) = e.context else { return };
        let only_own = self.config.defects.has(Defect::ForeignLeaderSibling);
        let filter = only_own.then_some(e.sched_pmu);
        let leader_pinned = self.ev(e.group_leader).is_pinned();
        let class = if leader_pinned { Pinned } else { Flexible };
        self.resched(pmus, now, context, class, filter);
    }

    /// Leaders of a class that pass the filter, PMU by PMU, then in the context's order.
    fn leaders(&self, context: ContextId, class: GroupClass, filter: PmuFilter) -> Vec<EventId> {
        let groups = self.context(context).map(|c| c.groups(class).as_slice()).unwrap_or_default();
        let passes = |l: &EventId| filter.is_none_or(|pmu| self.ev(*l).sched_pmu == pmu);
        let mut leaders: Vec<EventId> = groups.iter().copied().filter(passes).collect();
        leaders.sort_by_key(|&l| self.ev(l).sched_pmu);
        leaders
    }

    pub(crate) fn class_sched_out(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        context: ContextId,
        class: GroupClass,
        filter: PmuFilter,
    ) {
        for leader in self.leaders(context, class, filter) {
            self.group_sched_out(pmus, now, cpu, leader);
        }
        if class == Flexible
            && let Some(c) = self.context_mut(context)
        {
            match filter {
                Some(pmu) => c.rotate_necessary[pmu] = false,
                None => c.rotate_necessary = PerPmu::default(),
            }
        }
    }

    pub(crate) fn class_sched_in(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        context: ContextId,
        class: GroupClass,
        filter: PmuFilter,
    ) {
        // Each PMU's run starts afresh (`pmu_groups_sched_in`).
        let mut run = (None, true);
        for leader in self.leaders(context, class, filter) {
            let sched_pmu = self.ev(leader).sched_pmu;
            if run.0 != Some(sched_pmu) {
                run = (Some(sched_pmu), true);
            }
            self.merge_sched_in(pmus, now, cpu, leader, &mut run.1);
            let wants_rotation =
                class == Flexible && self.wants_to_run_on(leader, cpu, EventState::Inactive);
            if wants_rotation && let Some(c) = self.context_mut(context) {
                c.rotate_necessary[sched_pmu] = true;
            }
        }
    }

    fn wants_to_run_on(&self, leader: EventId, cpu: CpuId, state: EventState) -> bool {
        let e = self.ev(leader);
        e.state == state && e.target.cpu().is_none_or(|c| c == cpu)
    }

    /// Tries one group. A pinned group that does not fit goes to ERROR (rule 3.2.11).
    fn merge_sched_in(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        leader: EventId,
        can_add_hw: &mut bool,
    ) {
        if !self.wants_to_run_on(leader, cpu, EventState::Inactive) {
            return;
        }
        if self.group_can_go_on(cpu, leader, *can_add_hw)
            && self.group_sched_in(pmus, now, cpu, leader).is_ok()
        {
            return;
        }
        *can_add_hw = false;
        if self.ev(leader).is_pinned() {
            self.set_state(leader, EventState::Error, now);
            self.error_wakeups.push(leader);
        }
    }

    /// Group admission before trying (rules 3.2.1, 3.2.2).
    fn group_can_go_on(&self, cpu: CpuId, leader: EventId, can_add_hw: bool) -> bool {
        let e = self.ev(leader);
        let software = |id: &EventId| self.ev(*id).class == PmuClass::Software;
        if software(&leader) && e.siblings.iter().all(software) {
            return true;
        }
        let kept_out = self.cpus[cpu.index()].exclusive[e.sched_pmu]
            || e.attr.has(AttrFlags::EXCLUSIVE) && self.has_active_peers(leader);
        !kept_out && can_add_hw
    }

    /// Whether a group of the same context, class and PMU is on (`get_event_list`: an exclusive
    /// group does not look at any others).
    fn has_active_peers(&self, leader: EventId) -> bool {
        let e = self.ev(leader);
        let context = e.context.and_then(|c| self.context(c));
        let peers = context.map(|c| c.groups(self.group_class(leader)).as_slice());
        peers
            .unwrap_or_default()
            .iter()
            .map(|peer| self.ev(*peer))
            .any(|peer| peer.state == EventState::Active && peer.sched_pmu == e.sched_pmu)
    }

    /// Installs leader and siblings, or none of them (rule 3.2.10).
    fn group_sched_in(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        leader: EventId,
    ) -> Result<(), InstallFailed> {
        self.event_sched_in(pmus, now, cpu, leader)?;
        for i in 0..self.ev(leader).siblings.len() {
            let sibling = self.ev(leader).siblings[i];
            if self.event_sched_in(pmus, now, cpu, sibling).is_err() {
                for j in 0..i {
                    let installed = self.ev(leader).siblings[j];
                    self.event_sched_out(pmus, now, cpu, installed);
                }
                self.event_sched_out(pmus, now, cpu, leader);
                return Err(InstallFailed);
            }
        }
        Ok(())
    }

    pub(crate) fn group_sched_out(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        leader: EventId,
    ) {
        if self.ev(leader).state != EventState::Active {
            return;
        }
        self.event_sched_out(pmus, now, cpu, leader);
        for i in 0..self.ev(leader).siblings.len() {
            let sibling = self.ev(leader).siblings[i];
            self.event_sched_out(pmus, now, cpu, sibling);
        }
    }

    fn event_sched_in(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        event: EventId,
    ) -> Result<(), InstallFailed> {
        if self.ev(event).state <= EventState::Off {
            return Ok(());
        }
        self.ev_mut(event).oncpu = Some(cpu);
        self.set_state(event, EventState::Active, now);
        if self.pmu_add(pmus, now, cpu, event).is_err() {
            self.set_state(event, EventState::Inactive, now);
            self.ev_mut(event).oncpu = None;
            return Err(InstallFailed);
        }
        let e = self.ev(event);
        let (pmu, exclusive) = (e.sched_pmu, e.attr.has(AttrFlags::EXCLUSIVE));
        let (hardware, counter) = (e.class == PmuClass::Hardware, e.counts_by_itself());
        let throttled = e.hw.interrupts == MAX_INTERRUPTS;
        let state = &mut self.cpus[cpu.index()];
        state.active_hardware[pmu] += u32::from(hardware);
        state.active_counters += u32::from(counter);
        state.exclusive[pmu] |= exclusive;
        if throttled {
            self.ev_mut(event).hw.interrupts = 0;
            if self.ev(event).group_leader == event {
                self.unthrottled.push(event);
            }
        }
        Ok(())
    }

    /// Takes one event off; it stays INACTIVE, or goes OFF if it had to be switched off.
    pub(crate) fn event_sched_out(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        cpu: CpuId,
        event: EventId,
    ) {
        if self.ev(event).state != EventState::Active {
            return;
        }
        self.pmu_del(pmus, now, cpu, event);
        let e = self.ev_mut(event);
        e.oncpu = None;
        let off = std::mem::take(&mut e.pending_disable);
        let (pmu, exclusive) = (e.sched_pmu, e.attr.has(AttrFlags::EXCLUSIVE));
        let (hardware, counter) = (e.class == PmuClass::Hardware, e.counts_by_itself());
        let state = &mut self.cpus[cpu.index()];
        state.active_hardware[pmu] -= u32::from(hardware);
        state.active_counters -= u32::from(counter);
        if exclusive || state.active_hardware[pmu] == 0 {
            state.exclusive[pmu] = false;
        }
        let to = if off { EventState::Off } else { EventState::Inactive };
        self.set_state(event, to, now);
    }

    /// The multiplexing timer of `cpu`: where a flexible group found no room, the first active
    /// flexible group goes to the tail and the flexible classes run again (rule 3.2.12).
    pub fn rotate(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId) {
        for pmu in [PmuId::Cpu, PmuId::Breakpoint] {
            self.rotate_pmu(pmus, now, cpu, pmu);
        }
    }

    /// `perf_rotate_context` of one PMU.
    fn rotate_pmu(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId, pmu: PmuId) {
        let only = Some(pmu);
        let cpu_wide = ContextId::Cpu(cpu);
        let task = self.task_context_on(cpu);
        let cpu_first = self.to_rotate(cpu_wide, pmu);
        let task_first = task.and_then(|task| self.to_rotate(task, pmu));
        if cpu_first.is_none() && task_first.is_none() {
            return;
        }
        let mut rerun = Vec::new();
        rerun.extend(cpu_first.map(|_| cpu_wide));
        rerun.extend(task);
        for &context in rerun.iter().rev() {
            self.class_sched_out(pmus, now, cpu, context, Flexible, only);
        }
        self.move_to_tail(cpu_wide, cpu_first);
        if let Some(task) = task {
            self.move_to_tail(task, task_first);
        }
        for &context in &rerun {
            self.class_sched_in(pmus, now, cpu, context, Flexible, only);
        }
    }

    /// The group of a context that has had its turn: the first active flexible one, else the
    /// first (`ctx_event_to_rotate`). `None` when every group of the PMU found room.
    fn to_rotate(&self, context: ContextId, pmu: PmuId) -> Option<EventId> {
        self.context(context).filter(|c| c.rotate_necessary[pmu])?;
        let leaders = self.leaders(context, Flexible, Some(pmu));
        let active = leaders.iter().find(|l| self.ev(**l).state == EventState::Active);
        active.or(leaders.first()).copied()
    }

    fn move_to_tail(&mut self, context: ContextId, leader: Option<EventId>) {
        let Some(context) = self.context_mut(context) else {
            return;
        };
        if let Some(at) = context.flexible_groups.iter().position(|l| Some(*l) == leader) {
            let leader = context.flexible_groups.remove(at);
            context.flexible_groups.push(leader);
        }
    }

    /// Whether [`Perf::rotate`] would do anything on `cpu`.
    #[must_use]
    pub fn rotation_due(&self, cpu: CpuId) -> bool {
        let contexts = self.live_contexts(cpu).into_iter().filter_map(|c| self.context(c));
        contexts.into_iter().any(|c| c.rotate_necessary.any())
    }
}
