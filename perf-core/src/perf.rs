//! [`Perf`]: the arena of events, the contexts, and access to both.

use crate::attr::AttrLimits;
use crate::clock::ClockOffsets;
use crate::context::{Context, CpuState};
use crate::defects::{Defects, Generation};
use crate::event::{ContextId, PerfEvent};
use crate::id_table::IdTable;
use crate::ids::{CpuId, EventId, TaskId};
use crate::owner::OwnedList;
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
    /// The kernel that is modelled.
    pub generation: Generation,
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
            generation: Generation::default(),
            defects: Defects::default(),
        }
    }
}

/// The perf event core.
#[derive(Clone, Debug)]
pub struct Perf {
    /// Configuration; sysctls may be changed while running, `nr_cpus` must not.
    pub config: PerfConfig,
    pub(crate) events: IdTable<EventId, Box<PerfEvent>>,
    /// The next event's place; never given out twice.
    pub(crate) next_event: u32,
    pub(crate) next_id: u64,
    pub(crate) cpus: Vec<CpuState>,
    pub(crate) tasks: IdTable<TaskId, Box<Context>>,
    /// Who opened what, for prctl and exit: the ends of a list through the events.
    pub(crate) owned: IdTable<TaskId, OwnedList>,
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
            events: IdTable::default(),
            next_event: 0,
            next_id: 1,
            cpus,
            tasks: IdTable::default(),
            owned: IdTable::default(),
            buffers: Vec::new(),
            error_wakeups: Vec::new(),
            unthrottled: Vec::new(),
        }
    }

    /// The event, unless it has been freed.
    #[must_use]
    pub fn event(&self, event: EventId) -> Option<&PerfEvent> {
        self.events.get(event).map(Box::as_ref)
    }

    /// Ids of all live events, ascending.
    pub fn events(&self) -> impl Iterator<Item = EventId> + '_ {
        self.events.ids()
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

    /// The event, to be changed, unless it has been freed.
    pub(crate) fn event_mut(&mut self, event: EventId) -> Option<&mut PerfEvent> {
        self.events.get_mut(event).map(Box::as_mut)
    }

    pub(crate) fn ev_mut(&mut self, event: EventId) -> &mut PerfEvent {
        self.event_mut(event).expect("event ids inside perf core are live")
    }

    pub(crate) fn context(&self, context: ContextId) -> Option<&Context> {
        match context {
            ContextId::Cpu(cpu) => self.cpus.get(cpu.index()).map(|c| &c.context),
            ContextId::Task(task) => self.tasks.get(task).map(Box::as_ref),
        }
    }

    pub(crate) fn context_mut(&mut self, context: ContextId) -> Option<&mut Context> {
        match context {
            ContextId::Cpu(cpu) => self.cpus.get_mut(cpu.index()).map(|c| &mut c.context),
            ContextId::Task(task) => self.tasks.get_mut(task).map(Box::as_mut),
        }
    }
}
