//! The scheduler against a twin that keeps plain sets and recomputes them from the definition:
//! classes in order, PMU by PMU, insertion order within; a group only if all its enabled members
//! fit into four registers and four counters and none is broken; hardware groups not after one
//! that failed, not beside an exclusive one; rotation of what found no room. Counts and running
//! times are those of the spans in which the twin has a group on.

use proptest::prelude::*;

use super::pmu::REGISTERS;
use super::rig::{C0, C1, Rig, T0, T1, bp};
use crate::attr::abi::AttrFlags;
use crate::event::ContextId;
use crate::perf::Perf;
use crate::{CpuId, EventId, EventState, PerfEventAttr, Scope, Target, TaskId, Totals};

/// One group as the twin sees it.
#[derive(Clone, Debug)]
struct Group {
    members: Vec<Member>,
    target: Target,
    pinned: bool,
    exclusive: bool,
    error: bool,
    on: Option<CpuId>,
    /// The PMU in whose context the group is scheduled.
    pmu: Kind,
}

/// The two PMUs, in the order in which they are run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Counter,
    Register,
}

const KINDS: [Kind; 2] = [Kind::Counter, Kind::Register];

#[derive(Clone, Debug)]
struct Member {
    event: EventId,
    kind: Kind,
    enabled: bool,
    /// How it was opened.
    opened_enabled: bool,
    broken: bool,
    count: u64,
    running_ns: u64,
}

impl Member {
    fn new(event: EventId, kind: Kind, enabled: bool, broken: bool) -> Self {
        let (count, running_ns) = (0, 0);
        Member { event, kind, enabled, opened_enabled: enabled, broken, count, running_ns }
    }
}

#[derive(Default)]
struct Twin {
    groups: Vec<Group>,
    current: [Option<TaskId>; 2],
    /// Contexts and PMUs in which a flexible group found no room.
    rotate: Vec<(ContextId, Kind)>,
}

impl Group {
    fn wants(&self) -> bool {
        self.members[0].enabled && !self.error
    }
    /// 0 cpu pinned, 1 task pinned, 2 cpu flexible, 3 task flexible.
    fn class(&self) -> usize {
        usize::from(self.target.task().is_some()) + if self.pinned { 0 } else { 2 }
    }
    fn context(&self) -> ContextId {
        Perf::context_of(self.target)
    }
}

impl Twin {
    fn eligible(&self, group: &Group, cpu: CpuId) -> bool {
        match group.target {
            Target::Cpu(c) => c == cpu,
            Target::Task(task, bound) => {
                self.current[cpu.index()] == Some(task) && bound.is_none_or(|c| c == cpu)
            }
        }
    }

    /// What of a PMU is installed on `cpu`: every enabled member of the groups that are on.
    fn installed(&self, cpu: CpuId, kind: Kind) -> Vec<EventId> {
        let on = self.groups.iter().filter(|g| g.on == Some(cpu));
        let members = on.flat_map(|g| &g.members).filter(|m| m.enabled && m.kind == kind);
        let mut events: Vec<EventId> = members.map(|m| m.event).collect();
        events.sort();
        events
    }

    /// Takes the listed classes off `cpu` and fills them again, in order: of one PMU, or of all.
    fn rerun(&mut self, cpu: CpuId, classes: &[usize], only: Option<Kind>) {
        let concerns = |pmu: Kind| only.is_none_or(|only| only == pmu);
        for group in &mut self.groups {
            let there = group.on == Some(cpu) && concerns(group.pmu);
            if classes.contains(&group.class()) && there {
                group.on = None;
            }
        }
        let own = [Some(ContextId::Cpu(cpu)), self.current[cpu.index()].map(ContextId::Task)];
        for class in classes.iter().filter(|class| **class >= 2) {
            self.rotate.retain(|(c, pmu)| own[class & 1] != Some(*c) || !concerns(*pmu));
        }
        for class in classes {
            for pmu in KINDS.into_iter().filter(|pmu| concerns(*pmu)) {
                self.fill(cpu, *class, pmu);
            }
        }
    }

    fn fill(&mut self, cpu: CpuId, class: usize, pmu: Kind) {
        let mut room_for_hardware = true;
        for i in 0..self.groups.len() {
            let group = &self.groups[i];
            let candidate = group.class() == class
                && group.pmu == pmu
                && group.on.is_none()
                && group.wants()
                && self.eligible(group, cpu);
            if !candidate {
                continue;
            }
            if self.admits(group, cpu, room_for_hardware) && self.fits(group, cpu) {
                self.groups[i].on = Some(cpu);
                continue;
            }
            room_for_hardware = false;
            if self.groups[i].pinned {
                self.groups[i].error = true;
            } else {
                self.rotate.push((self.groups[i].context(), pmu));
            }
        }
    }

    /// Rules 3.2.1 and 3.2.2.
    fn admits(&self, group: &Group, cpu: CpuId, room_for_hardware: bool) -> bool {
        if group.members.iter().all(|m| m.kind == Kind::Register) {
            return true;
        }
        let on = || self.groups.iter().filter(|g| g.on == Some(cpu) && g.pmu == group.pmu);
        let peer = |g: &Group| g.context() == group.context() && g.pinned == group.pinned;
        let alone = on().any(|g| g.exclusive);
        room_for_hardware && !alone && !(group.exclusive && on().any(peer))
    }

    fn fits(&self, group: &Group, cpu: CpuId) -> bool {
        let enabled = || group.members.iter().filter(|m| m.enabled);
        let room = |kind| {
            let needed = enabled().filter(|m| m.kind == kind).count();
            self.installed(cpu, kind).len() + needed <= REGISTERS
        };
        KINDS.into_iter().all(room) && enabled().all(|m| !m.broken)
    }

    /// The multiplexing timer.
    fn rotate(&mut self, cpu: CpuId) {
        let own = ContextId::Cpu(cpu);
        let task = self.current[cpu.index()].map(ContextId::Task);
        for pmu in KINDS {
            let first = |twin: &Twin, context: Option<ContextId>| {
                let context = context.filter(|c| twin.rotate.contains(&(*c, pmu)))?;
                let flexible = |g: &&Group| g.context() == context && !g.pinned && g.pmu == pmu;
                let groups = || twin.groups.iter().filter(flexible);
                let first = groups().find(|g| g.on.is_some()).or(groups().next());
                first.map(|g| g.members[0].event)
            };
            let (cpu_first, task_first) = (first(self, Some(own)), first(self, task));
            if cpu_first.is_none() && task_first.is_none() {
                continue;
            }
            for leader in [cpu_first, task_first].into_iter().flatten() {
                let (g, _) = self.find(leader);
                let group = self.groups.remove(g);
                self.groups.push(group);
            }
            self.rerun(cpu, if cpu_first.is_some() { &[2, 3] } else { &[3] }, Some(pmu));
        }
    }

    /// Time passes, and every counter counts.
    fn pass(&mut self, ns: u64, counts: [u64; 2]) {
        for group in &mut self.groups {
            let Some(cpu) = group.on else { continue };
            for member in group.members.iter_mut().filter(|m| m.enabled) {
                member.running_ns += ns;
                let counter = member.kind == Kind::Counter;
                member.count += if counter { counts[cpu.index()] } else { 0 };
            }
        }
    }

    fn leave(&mut self, cpu: CpuId) {
        for group in &mut self.groups {
            if group.on == Some(cpu) && group.target.task().is_some() {
                group.on = None;
            }
        }
        let task = self.current[cpu.index()].take().map(ContextId::Task);
        self.rotate.retain(|(context, _)| Some(*context) != task);
    }

    fn arrive(&mut self, cpu: CpuId, task: TaskId) {
        self.leave(cpu);
        self.current[cpu.index()] = Some(task);
        let has_pinned = self.groups.iter().any(|g| g.pinned && g.target.task() == Some(task));
        self.rerun(cpu, if has_pinned { &[1, 2, 3] } else { &[3] }, None);
    }

    /// After a group was added or enabled.
    fn rerun_for(&mut self, group: usize) {
        let (target, pmu) = (self.groups[group].target, self.groups[group].pmu);
        let cpu = match target {
            Target::Cpu(cpu) => Some(cpu),
            Target::Task(task, _) => {
                [C0, C1].into_iter().find(|c| self.current[c.index()] == Some(task))
            }
        };
        let classes = &[0, 1, 2, 3][self.groups[group].class()..];
        if let Some(cpu) = cpu {
            self.rerun(cpu, classes, Some(pmu));
        }
    }

    fn find(&self, event: EventId) -> (usize, usize) {
        let place = |(g, group): (usize, &Group)| {
            let m = group.members.iter().position(|m| m.event == event)?;
            Some((g, m))
        };
        self.groups.iter().enumerate().find_map(place).expect("the twin knows the event")
    }
}

#[derive(Clone, Debug)]
enum Op {
    Open { kind: Kind, target: usize, pinned: bool, exclusive: bool, disabled: bool, broken: bool },
    Join { kind: Kind, leader: usize, broken: bool, disabled: bool },
    Enable(usize),
    Disable(usize),
    Arrive { cpu: usize, task: usize },
    Leave { cpu: usize },
    Rotate { cpu: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let rarely = || prop::bool::weighted(0.1);
    let kind = || prop::sample::select(KINDS.to_vec());
    prop_oneof![
        4 => (kind(), 0usize..8, any::<bool>(), rarely(), any::<bool>(), rarely()).prop_map(
            |(kind, target, pinned, exclusive, disabled, broken)|
                Op::Open { kind, target, pinned, exclusive, disabled, broken }),
        2 => (kind(), any::<usize>(), rarely(), rarely()).prop_map(
            |(kind, leader, broken, disabled)| Op::Join { kind, leader, broken, disabled }),
        3 => any::<usize>().prop_map(Op::Enable),
        3 => any::<usize>().prop_map(Op::Disable),
        3 => (0usize..2, 0usize..2).prop_map(|(cpu, task)| Op::Arrive { cpu, task }),
        1 => (0usize..2).prop_map(|cpu| Op::Leave { cpu }),
        3 => (0usize..2).prop_map(|cpu| Op::Rotate { cpu }),
    ]
}

const TARGETS: [Target; 8] = [
    Target::Cpu(C0),
    Target::Cpu(C1),
    Target::Task(T0, None),
    Target::Task(T1, None),
    Target::Task(T0, Some(C0)),
    Target::Task(T0, Some(C1)),
    Target::Task(T1, Some(C0)),
    Target::Task(T1, Some(C1)),
];

struct Both {
    rig: Rig,
    twin: Twin,
}

impl Both {
    fn open(&mut self, attr: &PerfEventAttr, target: Target, leader: Option<EventId>) -> EventId {
        let cpu = target.cpu().map_or(-1, |c| c.0 as i32);
        self.rig.try_open(attr, target.task(), cpu, leader).expect("the mock has slots")
    }

    /// The id the next event will get, to break it before it is installed.
    fn break_next(&mut self, broken: bool) {
        if broken {
            let next = EventId(self.rig.perf.next_event);
            self.rig.pmu.bp.broken.insert(next);
            self.rig.pmu.cpu.broken.insert(next);
        }
    }

    fn step(&mut self, op: &Op) {
        let nr: usize = self.twin.groups.iter().map(|g| g.members.len()).sum();
        let pick = |n: &usize| EventId((n % nr.max(1)) as u32);
        match op {
            Op::Open { kind, target, pinned, exclusive, disabled, broken } => {
                self.break_next(*broken);
                let (target, pinned, pmu) = (TARGETS[*target], *pinned, *kind);
                // An exclusive register is like any other (rule 3.2.2).
                let exclusive = *exclusive && pmu == Kind::Counter;
                let mut attr = self.attr(pmu, pinned, *disabled);
                if exclusive {
                    attr = attr.with(AttrFlags::EXCLUSIVE);
                }
                let event = self.open(&attr, target, None);
                let members = vec![Member::new(event, pmu, !disabled, *broken)];
                let (error, on) = (false, None);
                let group = Group { members, target, pinned, exclusive, error, on, pmu };
                self.twin.groups.push(group);
                if !disabled {
                    self.twin.rerun_for(self.twin.groups.len() - 1);
                }
            }
            Op::Join { kind, leader, broken, disabled } if !self.twin.groups.is_empty() => {
                self.break_next(*broken);
                let mut g = leader % self.twin.groups.len();
                let leader = self.twin.groups[g].members[0].event;
                let attr = self.attr(*kind, false, *disabled);
                let event = self.open(&attr, self.twin.groups[g].target, Some(leader));
                let member = Member::new(event, *kind, !disabled, *broken);
                if *kind == Kind::Counter && self.twin.groups[g].pmu == Kind::Register {
                    g = self.move_group(g);
                }
                let leader_wants = self.twin.groups[g].wants();
                // The others must come off before the newcomer counts as one of them.
                self.twin.groups[g].members.push(member);
                if !disabled && leader_wants {
                    self.twin.rerun_for(g);
                }
            }
            Op::Enable(n) if nr > 0 => {
                let event = pick(n);
                self.rig.enable(event, Scope::Event);
                self.twin_enable(event);
            }
            Op::Disable(n) if nr > 0 => {
                let event = pick(n);
                self.rig.disable(event, Scope::Event);
                let (g, m) = self.twin.find(event);
                let group = &mut self.twin.groups[g];
                if m == 0 && !group.error {
                    group.on = None;
                }
                if m > 0 || !group.error {
                    group.members[m].enabled = false;
                }
            }
            Op::Arrive { cpu, task } => {
                let (cpu, task) = ([C0, C1][*cpu], [T0, T1][*task]);
                let elsewhere = if cpu == C0 { C1 } else { C0 };
                if self.twin.current[elsewhere.index()] == Some(task) {
                    self.rig.stop(elsewhere);
                    self.twin.leave(elsewhere);
                }
                self.rig.run(cpu, task);
                self.twin.arrive(cpu, task);
            }
            Op::Leave { cpu } => {
                let cpu = [C0, C1][*cpu];
                self.rig.stop(cpu);
                self.twin.leave(cpu);
            }
            Op::Rotate { cpu } => {
                let cpu = [C0, C1][*cpu];
                self.rig.perf.rotate(&mut self.rig.pmu, self.rig.now, cpu);
                self.twin.rotate(cpu);
            }
            Op::Join { .. } | Op::Enable(_) | Op::Disable(_) => {}
        }
    }

    /// The first counter of a group of registers takes it along: its members start as they were
    /// opened, behind all groups. Tells where it is now.
    fn move_group(&mut self, g: usize) -> usize {
        let mut group = self.twin.groups.remove(g);
        (group.pmu, group.on, group.error) = (Kind::Counter, None, false);
        for member in &mut group.members {
            member.enabled = member.opened_enabled;
        }
        self.twin.groups.push(group);
        self.twin.groups.len() - 1
    }

    /// Lets time pass and counters count, and compares what was counted.
    fn pass(&mut self, counts: [u64; 2]) -> Result<(), TestCaseError> {
        self.rig.now += 10;
        for (cpu, n) in [C0, C1].into_iter().zip(counts) {
            self.rig.pmu.cpu.count(cpu, n);
        }
        self.twin.pass(10, counts);
        for member in self.twin.groups.iter().flat_map(|g| &g.members) {
            let (pmu, now) = (&mut self.rig.pmu, self.rig.now);
            let totals = self.rig.perf.read_totals(pmu, now, member.event).unwrap_or_default();
            let Totals { value, running_ns, .. } = totals;
            prop_assert_eq!((value, running_ns), (member.count, member.running_ns));
        }
        Ok(())
    }

    fn attr(&self, kind: Kind, pinned: bool, disabled: bool) -> PerfEventAttr {
        let mut attr = match kind {
            Kind::Register => bp(),
            Kind::Counter => PerfEventAttr::hardware(0),
        };
        if pinned {
            attr = attr.with(AttrFlags::PINNED);
        }
        if disabled {
            attr = attr.with(AttrFlags::DISABLED);
        }
        attr
    }

    fn twin_enable(&mut self, event: EventId) {
        let (g, m) = self.twin.find(event);
        let group = &mut self.twin.groups[g];
        let retry = m == 0 && group.error;
        if group.members[m].enabled && !retry {
            return;
        }
        group.members[m].enabled = true;
        if m == 0 {
            group.error = false;
        }
        let target = group.target;
        let live = match target {
            Target::Cpu(_) => true,
            Target::Task(task, bound) => {
                let at = [C0, C1].into_iter().find(|c| self.twin.current[c.index()] == Some(task));
                at.is_some_and(|cpu| bound.is_none_or(|c| c == cpu))
            }
        };
        if live && (m == 0 || self.twin.groups[g].on.is_some()) {
            self.twin.rerun_for(g);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn scheduler_agrees_with_its_definition(ops in prop::collection::vec((op(), 0u64..100, 0u64..100), 1..100)) {
        let mut both = Both { rig: Rig::new(), twin: Twin::default() };
        both.twin.current[0] = Some(T0);
        for (op, on_c0, on_c1) in &ops {
            both.step(op);
            for cpu in [C0, C1] {
                for kind in KINDS {
                    let pmu = if kind == Kind::Counter { &both.rig.pmu.cpu } else { &both.rig.pmu.bp };
                    let installed = pmu.on(cpu.0);
                    prop_assert!(installed.len() <= REGISTERS);
                    prop_assert_eq!(installed, both.twin.installed(cpu, kind), "{} after {:?}", cpu, op);
                }
            }
            for group in &both.twin.groups {
                let state = both.rig.perf.event(group.members[0].event).unwrap().state();
                prop_assert_eq!(state == EventState::Error, group.error);
                prop_assert_eq!(state == EventState::Active, group.on.is_some());
            }
            both.pass([*on_c0, *on_c1])?;
        }
    }
}
