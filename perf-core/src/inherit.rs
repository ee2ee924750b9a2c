//! fork, exec, exit, CPU hotplug: events that come and go with their targets (rules 3.6, 3.12).
//!
//! Contexts of clones are never exchanged at a context switch (rule 3.6.6, the optimisation that
//! only moves bookkeeping between objects). Source: `inherit_event`, `perf_event_exec`,
//! `perf_event_exit_task`, Linux 6.18 kernel/events/core.c.

use crate::attach::Detach;
use crate::attr::abi::AttrFlags;
use crate::context::GroupClass;
use crate::errno::Errno;
use crate::event::{ContextId, EventState, Target};
use crate::ids::{CpuId, EventId, TaskId};
use crate::install::{Alloc, Detached};
use crate::perf::Perf;
use crate::pmu::Pmus;

/// The flags of clone() that matter to inheritance, with Linux's values; others are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CloneFlags(pub u64);

impl CloneFlags {
    /// `CLONE_THREAD`.
    pub const THREAD: u64 = 0x1_0000;
    /// `CLONE_CLEAR_SIGHAND`.
    pub const CLEAR_SIGHAND: u64 = 0x1_0000_0000;

    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

impl Perf {
    /// fork: copies the inheritable groups of `parent` for `child` (`perf_event_init_task`). On
    /// `Err` no copy remains and the fork fails with that error (rule 3.6.2).
    pub fn fork(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        parent: TaskId,
        child: TaskId,
        flags: CloneFlags,
    ) -> Result<(), Errno> {
        let Some(context) = self.tasks.get(parent) else {
            return Ok(());
        };
        let leaders: Vec<EventId> =
            context.pinned_groups.iter().chain(&context.flexible_groups).copied().collect();
        for leader in leaders {
            if !self.inherits(leader, flags) {
                continue;
            }
            if let Err(errno) = self.inherit_group(pmus, now, leader, child) {
                let _no_pollers = self.remove_task(pmus, now, child);
                return Err(errno);
            }
        }
        Ok(())
    }

    /// Rule 3.6.1.
    fn inherits(&self, leader: EventId, flags: CloneFlags) -> bool {
        let attr = &self.ev(leader).attr;
        let needs_thread = attr.has(AttrFlags::INHERIT_THREAD);
        let no_handlers = attr.has(AttrFlags::SIGTRAP) && flags.has(CloneFlags::CLEAR_SIGHAND);
        attr.has(AttrFlags::INHERIT)
            && (!needs_thread || flags.has(CloneFlags::THREAD))
            && !no_handlers
    }

    fn inherit_group(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        leader: EventId,
        child: TaskId,
    ) -> Result<(), Errno> {
        let copy = self.inherit_event(pmus, now, leader, child, None)?;
        for sibling in self.ev(leader).siblings.clone() {
            self.inherit_event(pmus, now, sibling, child, Some(copy))?;
        }
        self.ev_mut(copy).group_generation = self.ev(leader).group_generation;
        Ok(())
    }

    /// One copy, linked to the root of the event it is made from.
    fn inherit_event(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        child: TaskId,
        leader: Option<EventId>,
    ) -> Result<EventId, Errno> {
        let e = self.ev(event);
        let enabled = e.state >= EventState::Inactive;
        let root = e.parent.unwrap_or(event);
        let r = self.ev(root);
        let attr = r.attr.clone();
        let target = Target::Task(child, r.target.cpu());
        let alloc = Alloc {
            attr: &attr,
            target,
            leader,
            parent: Some(root),
            handler: r.handler,
            owner: None,
        };
        let copy = self.alloc(pmus, &alloc)?;
        let (clock, period) = (self.ev(root).clock, self.ev(root).hw.sample_period);
        let c = self.ev_mut(copy);
        c.clock = clock;
        c.state = if enabled { EventState::Inactive } else { EventState::Off };
        if attr.has(AttrFlags::FREQ) {
            c.set_all_periods(period);
        }
        self.add_event_to_ctx(pmus, now, copy);
        self.ev_mut(root).children.push(copy);
        Ok(copy)
    }

    /// exec, first half of rule 3.12.1: enable_on_exec events are enabled (once), then
    /// remove_on_exec events detached.
    pub fn exec(&mut self, pmus: &mut dyn Pmus, now: u64, task: TaskId) -> Detached {
        self.enable_on_exec(pmus, now, task);
        let mut detached = Detached::default();
        for event in self.task_events(task) {
            if self.ev(event).attr.has(AttrFlags::REMOVE_ON_EXEC) {
                self.set_owner(event, None);
                self.exit_event(pmus, now, event, Detach::Exec, &mut detached);
            }
        }
        detached
    }

    fn enable_on_exec(&mut self, pmus: &mut dyn Pmus, now: u64, task: TaskId) {
        let mut class = None;
        for event in self.task_events(task) {
            let e = self.ev_mut(event);
            if !e.attr.has(AttrFlags::ENABLE_ON_EXEC) {
                continue;
            }
            e.attr.flags = e.attr.flags.without(AttrFlags::ENABLE_ON_EXEC);
            let leader = e.group_leader;
            if e.state < EventState::Inactive {
                self.set_state(event, EventState::Inactive, now);
                let pinned = class == Some(GroupClass::Pinned) || self.ev(leader).is_pinned();
                class = Some(if pinned { GroupClass::Pinned } else { GroupClass::Flexible });
            }
        }
        if let Some(class) = class {
            self.resched(pmus, now, ContextId::Task(task), class, None);
        }
    }

    /// exit (rule 3.12.3), and exec of a non-dumpable image (rule 2.5.6): every event of the
    /// task is detached; copies are folded into their roots and freed. What the task opened
    /// itself has no owner any more. [`Perf::exit_record`] comes first.
    pub fn exit_task(&mut self, pmus: &mut dyn Pmus, now: u64, task: TaskId) -> Detached {
        for event in self.owned_by(task) {
            self.set_owner(event, None);
        }
        self.remove_task(pmus, now, task)
    }

    fn remove_task(&mut self, pmus: &mut dyn Pmus, now: u64, task: TaskId) -> Detached {
        let mut detached = Detached::default();
        if let Some(cpu) = self.task_cpu(task) {
            for class in [GroupClass::Pinned, GroupClass::Flexible] {
                self.class_sched_out(pmus, now, cpu, ContextId::Task(task), class, None);
            }
        }
        for event in self.task_events(task) {
            self.exit_event(pmus, now, event, Detach::Exit, &mut detached);
            if let Some(event) = self.event_mut(event) {
                event.context_ended = true;
            }
        }
        self.tasks.remove(task);
        detached
    }

    /// Events of a task, newest first, as Linux keeps the list.
    fn task_events(&self, task: TaskId) -> Vec<EventId> {
        let events = self.tasks.get(task).map(|c| c.events.clone()).unwrap_or_default();
        events.into_iter().rev().collect()
    }

    /// `perf_event_exit_event`: an event with a descriptor stays, in EXIT, with what `own` says of
    /// its group; a copy is freed.
    fn exit_event(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        own: Detach,
        detached: &mut Detached,
    ) {
        match self.ev(event).parent {
            Some(root) => {
                self.remove_from_context(pmus, now, event, Detach::Child);
                self.event_free(pmus, event);
                detached.wake.push(root);
            }
            None => {
                self.remove_from_context(pmus, now, event, own);
                detached.wake.push(event);
            }
        }
    }

    /// Whether the CPU takes part in scheduling.
    #[must_use]
    pub fn is_cpu_online(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.index()).is_some_and(|c| c.context.on_cpu.is_some())
    }

    /// The CPU goes down: its events come off and wait (rule 6.5.1). No task runs on it any
    /// more. Its clock stands still.
    pub fn cpu_offline(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId) {
        if !self.is_cpu_online(cpu) {
            return;
        }
        self.task_sched_out(pmus, now, cpu);
        for class in [GroupClass::Pinned, GroupClass::Flexible] {
            self.class_sched_out(pmus, now, cpu, ContextId::Cpu(cpu), class, None);
        }
        self.cpus[cpu.index()].context.stop_clock(now);
    }

    /// The CPU comes up: its events are installed again.
    pub fn cpu_online(&mut self, pmus: &mut dyn Pmus, now: u64, cpu: CpuId) {
        if self.is_cpu_online(cpu) || cpu.0 >= self.config.nr_cpus {
            return;
        }
        self.cpus[cpu.index()].context.start_clock(cpu, now);
        for class in [GroupClass::Pinned, GroupClass::Flexible] {
            self.class_sched_in(pmus, now, cpu, ContextId::Cpu(cpu), class, None);
        }
    }
}
