//! Making events and freeing them: perf_event_open after the lookups, kernel counters, close.
//!
//! The system call does steps 1 to 7 of linux-hw-breakpoint rule 1.2, calls
//! [`Perf::event_alloc`] (8 to 18), does 19 to 21, and calls [`Perf::event_install`] (22, 23).
//! Source: `perf_event_alloc`, `perf_event_open`, `perf_event_release_kernel`, Linux 6.18
//! kernel/events/core.c.

use crate::attach::Detach;
use crate::attr::PerfEventAttr;
use crate::attr::abi::{
    AttrFlags, PERF_SAMPLE_CALLCHAIN, PERF_SAMPLE_READ, PERF_SAMPLE_TID, PERF_TYPE_SOFTWARE,
};
use crate::clock::EventClock;
use crate::defects::{Defect, Generation};
use crate::errno::Errno;
use crate::event::{EventState, PerfEvent, Sampling, Target, Times};
use crate::ids::{BufferId, CpuId, EventId, HandlerId, TaskId};
use crate::perf::Perf;
use crate::pmu::{Counting, EventInit, NmiSafety, PmuClass, PmuId, Pmus};
use crate::swevent::SwEvent;

/// What the system call knows after steps 1 to 7 of rule 1.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenRequest {
    /// Attributes that passed [`PerfEventAttr::check`] and [`PerfEventAttr::check_access`].
    pub attr: PerfEventAttr,
    /// Target task; `None` for pid -1.
    pub task: Option<TaskId>,
    /// The system call's `cpu` argument; -1 for any.
    pub cpu: i32,
    /// The event behind `group_fd`, unless PERF_FLAG_FD_NO_GROUP.
    pub group_leader: Option<EventId>,
    /// The opener (for prctl, rule 3.7.3).
    pub owner: TaskId,
}

/// Pollers and buffers affected when events are detached.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[must_use]
pub struct Detached {
    /// Events whose pollers must be woken: they may find POLLHUP (rule 3.9.3).
    pub wake: Vec<EventId>,
    /// Buffers that are gone; their memory may be freed once unmapped.
    pub freed_buffers: Vec<BufferId>,
}

/// Everything [`Perf::alloc`] is told.
pub(crate) struct Alloc<'a> {
    pub(crate) attr: &'a PerfEventAttr,
    pub(crate) target: Target,
    pub(crate) leader: Option<EventId>,
    pub(crate) parent: Option<EventId>,
    pub(crate) handler: Option<HandlerId>,
    pub(crate) owner: Option<TaskId>,
}

impl Perf {
    /// Steps 8 to 18 of rule 1.2: creates the event and reserves what its PMU needs, without
    /// running it. Follow with [`Perf::event_install`], or [`Perf::event_free`] on refusal.
    pub fn event_alloc(
        &mut self,
        pmus: &mut dyn Pmus,
        request: &OpenRequest,
    ) -> Result<EventId, Errno> {
        let attr = &request.attr;
        if let Some(leader) = request.group_leader {
            let leader = self.event(leader).ok_or(Errno::EBADF)?;
            let differs = leader.attr.has(AttrFlags::INHERIT) != attr.has(AttrFlags::INHERIT);
            if request.task.is_some() && differs {
                return Err(Errno::EINVAL);
            }
        }
        let target = self.target(request)?;
        let event = self.alloc(
            pmus,
            &Alloc {
                attr,
                target,
                leader: request.group_leader,
                parent: None,
                handler: None,
                owner: Some(request.owner),
            },
        )?;
        if let Err(errno) = self.set_clock(pmus, event) {
            self.event_free(pmus, event);
            return Err(errno);
        }
        Ok(event)
    }

    /// Step 9.
    fn target(&self, request: &OpenRequest) -> Result<Target, Errno> {
        let cpu = match u32::try_from(request.cpu) {
            Ok(cpu) if cpu < self.config.nr_cpus => Some(CpuId(cpu)),
            Err(_) if request.cpu == -1 => None,
            Ok(_) | Err(_) => return Err(Errno::EINVAL),
        };
        match (request.task, cpu) {
            (Some(task), cpu) => Ok(Target::Task(task, cpu)),
            (None, Some(cpu)) if self.refuses_offline(cpu) => Err(Errno::ENODEV),
            (None, Some(cpu)) => Ok(Target::Cpu(cpu)),
            (None, None) => Err(Errno::EINVAL),
        }
    }

    /// 2.6.33 looks for the CPU's context first and refuses an offline CPU there, before the event
    /// takes a slot; later kernels do so in step 23.
    fn refuses_offline(&self, cpu: CpuId) -> bool {
        self.config.generation == Generation::V2_6_33 && !self.is_cpu_online(cpu)
    }

    /// Step 18.
    fn set_clock(&mut self, pmus: &mut dyn Pmus, event: EventId) -> Result<(), Errno> {
        let e = self.ev_mut(event);
        if e.attr.has(AttrFlags::USE_CLOCKID) {
            let nmi = pmus.pmu(e.pmu).map_or(NmiSafety::NotNeeded, |pmu| pmu.nmi_safety());
            e.clock = EventClock::from_clockid(e.attr.clockid, nmi)?;
        }
        Ok(())
    }

    /// Steps 9 (sigtrap) to 17: `perf_event_alloc`.
    pub(crate) fn alloc(
        &mut self,
        pmus: &mut dyn Pmus,
        args: &Alloc<'_>,
    ) -> Result<EventId, Errno> {
        let attr = args.attr;
        if attr.has(AttrFlags::SIGTRAP) && args.target.task().is_none() {
            return Err(Errno::EINVAL);
        }
        let event = EventId(self.next_event);
        let next_event = self.next_event.checked_add(1).ok_or(Errno::ENOMEM)?;
        // The id counter advances even when the event is refused below.
        let id = self.next_id;
        self.next_id += 1;
        let inherits_read = attr.has(AttrFlags::INHERIT) && attr.samples(PERF_SAMPLE_READ);
        if inherits_read && !attr.samples(PERF_SAMPLE_TID) {
            return Err(Errno::EINVAL);
        }
        let home = self.init_event(pmus, event, args)?;
        let mut e = PerfEvent {
            id,
            attr: attr.clone().with_defaults(&self.config.limits),
            target: args.target,
            pmu: home.pmu,
            class: home.class,
            counting: home.counting,
            sched_pmu: home.pmu,
            clock: EventClock::Perf,
            state: initial_state(attr),
            oncpu: None,
            context: None,
            parent: args.parent,
            children: Vec::new(),
            group_leader: args.leader.unwrap_or(event),
            siblings: Vec::new(),
            context_ended: false,
            group_generation: 0,
            count: 0,
            child_count: 0,
            times: Times::default(),
            hw: Sampling::default(),
            event_limit: 0,
            pending_disable: false,
            pending_work: None,
            handler: args.handler,
            owner: None,
            rb: None,
            mmap_count: 0,
            lost_samples: 0,
        };
        e.init_period();
        self.events.insert(event, Box::new(e));
        self.next_event = next_event;
        self.set_owner(event, args.owner);
        self.check_unsupported(attr).inspect_err(|_| self.event_free(pmus, event))?;
        Ok(event)
    }

    /// `perf_init_event`: finds the PMU and lets it reserve and validate (steps 11 to 16).
    fn init_event(
        &mut self,
        pmus: &mut dyn Pmus,
        event: EventId,
        args: &Alloc<'_>,
    ) -> Result<Home, Errno> {
        let attr = args.attr;
        if attr.attr_type == PERF_TYPE_SOFTWARE {
            let kind = SwEvent::from_config(attr.config).ok_or(Errno::ENOENT)?;
            kind.init(attr)?;
            let (pmu, class) = (kind.pmu(), PmuClass::Software);
            return Ok(Home { pmu, class, counting: Counting::Hits });
        }
        let pmu = pmus.serving(attr.attr_type).ok_or(Errno::ENOENT)?;
        let home = Home { pmu: pmu.id(), class: pmu.class(), counting: pmu.counting() };
        let same_pmu = |member: &EventId| self.ev(*member).pmu == home.pmu;
        let group = args.leader.map(|leader| self.group_members(leader)).unwrap_or_default();
        let init = EventInit {
            attr,
            task: args.target.task(),
            cpu: args.target.cpu(),
            parent: args.parent,
            handler: args.handler,
            nr_in_group: group.iter().filter(|member| same_pmu(member)).count(),
        };
        pmu.event_init(event, &init)?;
        Ok(home)
    }

    /// Step 17 and the call chain limit.
    fn check_unsupported(&self, attr: &PerfEventAttr) -> Result<(), Errno> {
        if attr.has(AttrFlags::AUX_OUTPUT) || attr.aux_action != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let too_deep = attr.sample_max_stack > self.config.limits.max_stack;
        if attr.samples(PERF_SAMPLE_CALLCHAIN) && too_deep {
            return Err(Errno::EOVERFLOW);
        }
        Ok(())
    }

    /// Steps 22 and 23, then the event starts to live in its context. `output` is the event
    /// behind `group_fd` with PERF_FLAG_FD_OUTPUT. On `Err` the event has been freed.
    pub fn event_install(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        event: EventId,
        output: Option<EventId>,
    ) -> Result<(), Errno> {
        let ready = self.check_install(event, output);
        if ready.is_err() {
            self.event_free(pmus, event);
        } else {
            self.install_in_context(pmus, now, event);
        }
        ready
    }

    fn check_install(&mut self, event: EventId, output: Option<EventId>) -> Result<(), Errno> {
        self.check_group(event)?;
        if output.is_some() {
            self.set_output(event, output)?;
        }
        self.validate_size(event)?;
        if let Target::Cpu(cpu) = self.ev(event).target
            && !self.is_cpu_online(cpu)
        {
            return Err(Errno::ENODEV);
        }
        Ok(())
    }

    /// An event that was never installed is gone, and its PMU is never told: what it reserved is
    /// lost (rule 2.4.3).
    pub fn event_forget(&mut self, event: EventId) {
        if self.event(event).is_some() {
            self.set_owner(event, None);
            self.events.remove(event);
        }
    }

    /// Frees an event that was never installed, or has been taken out of its context.
    pub fn event_free(&mut self, pmus: &mut dyn Pmus, event: EventId) {
        if self.event(event).is_none() {
            return;
        }
        self.set_owner(event, None);
        let Some(e) = self.events.remove(event) else {
            return;
        };
        if let Some(buffer) = e.rb.and_then(|b| self.buffers[b.index()].as_mut()) {
            buffer.detach(event);
        }
        if let Some(pmu) = pmus.pmu(e.pmu) {
            pmu.destroy(event);
        }
    }

    /// `perf_event_create_kernel_counter`: an event without descriptor. With a handler, that is
    /// called on overflow instead of writing a sample.
    pub fn create_kernel_counter(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        attr: &PerfEventAttr,
        target: Target,
        handler: Option<HandlerId>,
    ) -> Result<EventId, Errno> {
        self.create_grouped_counter(pmus, now, attr, target, None, handler)
    }

    /// The same as a member of the group of `leader`, if there is one.
    pub fn create_grouped_counter(
        &mut self,
        pmus: &mut dyn Pmus,
        now: u64,
        attr: &PerfEventAttr,
        target: Target,
        leader: Option<EventId>,
        handler: Option<HandlerId>,
    ) -> Result<EventId, Errno> {
        let alloc = Alloc { attr, target, leader, parent: None, handler, owner: None };
        let event = self.alloc(pmus, &alloc)?;
        self.event_install(pmus, now, event, None)?;
        Ok(event)
    }

    /// The last reference to an event is gone (close, or unregister of a kernel counter): its
    /// copies die with it, its siblings become singletons (rules 3.3.2, 3.6.5).
    pub fn release(&mut self, pmus: &mut dyn Pmus, now: u64, event: EventId) -> Detached {
        let mut detached = Detached::default();
        let Some(e) = self.event(event) else {
            return detached;
        };
        let (siblings, was_off) = (e.siblings.clone(), e.state == EventState::Off);
        let mapped = e.rb.filter(|_| e.mmap_count > 0);
        self.remove_from_context(pmus, now, event, Detach::Dead);
        for child in self.ev(event).children.clone() {
            self.remove_from_context(pmus, now, child, Detach::Child);
            self.event_free(pmus, child);
        }
        if let Some(buffer) = mapped {
            self.free_buffer(buffer, &mut detached);
        }
        detached.wake.retain(|e| *e != event);
        self.event_free(pmus, event);
        // K3: siblings of an OFF leader wait for the next scheduling point.
        if was_off && !self.config.defects.has(Defect::OffLeaderCloseStrands) {
            for sibling in siblings {
                self.resched_for(pmus, now, sibling);
            }
        }
        detached
    }
}

/// What an event is put under for its life.
struct Home {
    pmu: PmuId,
    class: PmuClass,
    counting: Counting,
}

/// Rule 3.1.1.
pub(crate) fn initial_state(attr: &PerfEventAttr) -> EventState {
    if attr.has(AttrFlags::DISABLED) { EventState::Off } else { EventState::Inactive }
}
