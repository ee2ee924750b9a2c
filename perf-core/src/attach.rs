//! Entering events into contexts and taking them out again.
//!
//! Source: `add_event_to_ctx`, `__perf_install_in_context`, `__perf_remove_from_context`, Linux
//! 6.x kernel/events/core.c.

use crate::event::{ContextId, EventState, Target};
use crate::ids::EventId;
use crate::perf::Perf;
use crate::pmu::Pmus;

/// What else is undone when an event leaves its context (`DETACH_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detach {
    /// The target is gone: state EXIT, grouping kept for the descriptor's sake.
    Exit,
    /// `remove_on_exec`: state EXIT, leaves its group, whose other members go on by themselves
    /// (measured on 6.18).
    Exec,
    /// The descriptor is gone: state DEAD, leaves its group.
    Dead,
    /// A copy whose task or root is gone: leaves its group, its counts go to the root.
    Child,
}

impl Perf {
    pub(crate) fn context_of(target: Target) -> ContextId {
        match target {
            Target::Cpu(cpu) => ContextId::Cpu(cpu),
            Target::Task(task, _) => ContextId::Task(task),
        }
    }

    /// Enters an event into its target's context without running it.
    pub(crate) fn add_event_to_ctx(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        let target = self.ev(event).target;
        let id = Self::context_of(target);
        if let Target::Task(task, _) = target
            && !self.tasks.contains(task)
        {
            let cpu = self.task_cpu(task);
            let context = self.tasks.get_or_default(task);
            if let Some(cpu) = cpu {
                context.start_clock(cpu, now);
            }
        }
        if let Some(context) = self.context_mut(id) {
            context.events.push(event);
        }
        self.ev_mut(event).context = Some(id);
        self.start_times(event, now);
        self.group_attach(pmus, now, event);
    }

    /// Enters an event and runs it if its context is live and it is enabled (rule 3.2.5).
    pub(crate) fn install_in_context(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) {
        self.add_event_to_ctx(pmus, now, event);
        if self.effective_state(event) > EventState::Off {
            self.resched_for(pmus, now, event);
        }
    }

    /// Takes an event off its CPU and out of its context. Idempotent.
    pub(crate) fn remove_from_context(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        detach: Detach,
    ) {
        let to = match detach {
            Detach::Dead => EventState::Dead,
            Detach::Exit | Detach::Exec | Detach::Child => EventState::Exit,
        };
        if let Some(cpu) = self.ev(event).oncpu {
            if detach == Detach::Exit {
                // The group stays linked to a leader that never runs again.
                self.group_sched_out(pmus, now, cpu, event);
            } else {
                self.event_sched_out(pmus, now, cpu, event);
            }
        }
        let state = self.ev(event).state.min(to);
        self.set_state(event, state, now);
        self.update_times(event, now);
        self.ev_mut(event).pending_work = None;
        if detach != Detach::Exit {
            self.group_detach(event);
        }
        self.list_del(event);
        if detach == Detach::Child {
            self.sync_child(event);
        }
    }

    fn list_del(&mut self, event: EventId) {
        let Some(id) = self.ev_mut(event).context.take() else {
            return;
        };
        if let Some(context) = self.context_mut(id) {
            context.events.retain(|e| *e != event);
            context.pinned_groups.retain(|e| *e != event);
            context.flexible_groups.retain(|e| *e != event);
        }
    }

    /// Folds a dying copy into its root (rules 3.4.3, 3.6.3) and unlinks it.
    fn sync_child(&mut self, event: EventId) {
        let e = self.ev(event);
        let (count, enabled, running) = (e.count, e.times.enabled, e.times.running);
        let Some(parent) = e.parent else { return };
        let root = self.ev_mut(parent);
        root.child_count = root.child_count.wrapping_add(count);
        root.times.child_enabled += enabled;
        root.times.child_running += running;
        root.children.retain(|c| *c != event);
    }
}
