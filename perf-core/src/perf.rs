//! [`Perf`]: the arena of events, the contexts, and access to both.

use std::collections::{BTreeMap, BTreeSet};

use crate::attr::AttrLimits;
use crate::clock::ClockOffsets;
use crate::context::{Context, CpuState};
use crate::defects::Defects;
use crate::event::{ContextId, PerfEvent};
use crate::ids::{CpuId, EventId, TaskId};
use crate::ring_buffer::RingBuffer;

/// What perf core has to know about the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PerfConfig {
    /// Number of possible CPUs (`nr_cpu_ids`).
    pub nr_cpus: u32,
    /// Limits on attributes, from sysctls and architecture.
    pub limits: AttrLimits,
    /// Length of a scheduler tick in ns (4 ms at HZ=250).
    pub tick_ns: u64,
    /// Other clocks relative to the perf clock.
    pub clock_offsets: ClockOffsets,
    /// Which defects to show.
    pub defects: Defects,
}

impl Default for PerfConfig {
    fn default() -> Self {
        PerfConfig {
            nr_cpus: 1,
            limits: AttrLimits::default(),
            tick_ns: 4_000_000,
            clock_offsets: ClockOffsets::default(),
            defects: Defects::default(),
        }
    }
}

/// The perf event core.
#[derive(Clone, Debug)]
pub struct Perf {
    /// Configuration; sysctls may be changed while running, `nr_cpus` must not.
    pub config: PerfConfig,
    pub(crate) events: Vec<Option<Box<PerfEvent>>>,
    pub(crate) next_id: u64,
    pub(crate) cpus: Vec<CpuState>,
    pub(crate) tasks: BTreeMap<TaskId, Context>,
    /// Who opened what, for prctl and exit.
    pub(crate) owned: BTreeSet<(TaskId, EventId)>,
    /// Ring buffers, by id.
    pub(crate) buffers: Vec<Option<RingBuffer>>,
    /// Pinned events that went to ERROR and whose pollers have not been woken yet.
    pub(crate) error_wakeups: Vec<EventId>,
    /// Group leaders whose UNTHROTTLE record is still to be written.
    pub(crate) unthrottled: Vec<EventId>,
}

impl Perf {
    /// A core without events, all CPUs online.
    #[must_use]
    pub fn new(config: PerfConfig) -> Self {
        let cpus = (0..config.nr_cpus)
            .map(|cpu| {
                let mut state = CpuState::default();
                state.context.start_clock(CpuId(cpu), 0);
                state
            })
            .collect();
        Perf {
            config,
            events: Vec::new(),
            next_id: 1,
            cpus,
            tasks: BTreeMap::new(),
            owned: BTreeSet::new(),
            buffers: Vec::new(),
            error_wakeups: Vec::new(),
            unthrottled: Vec::new(),
        }
    }

    /// The event, unless it has been freed.
    #[must_use]
    pub fn event(&self, event: EventId) -> Option<&PerfEvent> {
        self.events.get(event.index())?.as_deref()
    }

    /// Ids of all live events, ascending.
    pub fn events(&self) -> impl Iterator<Item = EventId> + '_ {
        (0u32..).zip(&self.events).filter(|(_, e)| e.is_some()).map(|(i, _)| EventId(i))
    }

    /// Pinned events that could not be installed since the last call: their pollers are to be
    /// woken and find POLLERR (rule 3.2.11).
    #[must_use]
    pub fn take_error_wakeups(&mut self) -> Vec<EventId> {
        std::mem::take(&mut self.error_wakeups)
    }

    /// An event that perf core's own structures refer to, hence exists.
    pub(crate) fn ev(&self, event: EventId) -> &PerfEvent {
        self.event(event).expect("event ids inside perf core are live")
    }

    pub(crate) fn ev_mut(&mut self, event: EventId) -> &mut PerfEvent {
        self.events[event.index()].as_deref_mut().expect("event ids inside perf core are live")
    }

    /// Events `owner` opened that still count as its own, in the order of opening.
    pub(crate) fn owned_by(&self, owner: TaskId) -> Vec<EventId> {
        let all = (owner, EventId(0))..=(owner, EventId(u32::MAX));
        self.owned.range(all).map(|(_, event)| *event).collect()
    }

    pub(crate) fn set_owner(&mut self, event: EventId, owner: Option<TaskId>) {
        if let Some(old) = std::mem::replace(&mut self.ev_mut(event).owner, owner) {
            self.owned.remove(&(old, event));
        }
        if let Some(new) = owner {
            self.owned.insert((new, event));
        }
    }

    pub(crate) fn context(&self, context: ContextId) -> Option<&Context> {
        match context {
            ContextId::Cpu(cpu) => self.cpus.get(cpu.index()).map(|c| &c.context),
            ContextId::Task(task) => self.tasks.get(&task),
        }
    }

    pub(crate) fn context_mut(&mut self, context: ContextId) -> Option<&mut Context> {
        match context {
            ContextId::Cpu(cpu) => self.cpus.get_mut(cpu.index()).map(|c| &mut c.context),
            ContextId::Task(task) => self.tasks.get_mut(&task),
        }
    }
}
