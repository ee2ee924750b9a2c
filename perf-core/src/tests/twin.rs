//! The scheduler against a twin that keeps plain sets and recomputes them from the definition:
//! classes in order, insertion order within, a group only if all its enabled members fit into
//! four registers and none is broken.

use proptest::prelude::*;

use super::pmu::REGISTERS;
use super::rig::{C0, C1, Rig, T0, T1, bp};
use crate::attr::abi::AttrFlags;
use crate::{CpuId, EventId, EventState, PerfEventAttr, Scope, Target, TaskId};

/// One group as the twin sees it.
#[derive(Clone, Debug)]
struct Group {
    members: Vec<Member>,
    target: Target,
    pinned: bool,
    error: bool,
    on: Option<CpuId>,
}

#[derive(Clone, Debug)]
struct Member {
    event: EventId,
    enabled: bool,
    broken: bool,
}

#[derive(Default)]
struct Twin {
    groups: Vec<Group>,
    current: [Option<TaskId>; 2],
}

impl Group {
    fn wants(&self) -> bool {
        self.members[0].enabled && !self.error
    }
    /// 0 cpu pinned, 1 task pinned, 2 cpu flexible, 3 task flexible.
    fn class(&self) -> usize {
        usize::from(self.target.task().is_some()) + if self.pinned { 0 } else { 2 }
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

    /// What is installed on `cpu`: every enabled member of the groups that are on.
    fn installed(&self, cpu: CpuId) -> Vec<EventId> {
        let on = self.groups.iter().filter(|g| g.on == Some(cpu));
        let members = on.flat_map(|g| &g.members).filter(|m| m.enabled);
        let mut events: Vec<EventId> = members.map(|m| m.event).collect();
        events.sort();
        events
    }

    /// Takes the listed classes off `cpu` and fills them again, in order.
    fn rerun(&mut self, cpu: CpuId, classes: &[usize]) {
        for i in 0..self.groups.len() {
            let group = &self.groups[i];
            let bound_elsewhere = group.on != Some(cpu);
            if classes.contains(&group.class()) && !bound_elsewhere {
                self.groups[i].on = None;
            }
        }
        for class in classes {
            for i in 0..self.groups.len() {
                let group = &self.groups[i];
                let candidate = group.class() == *class
                    && group.on.is_none()
                    && group.wants()
                    && self.eligible(group, cpu);
                if !candidate {
                    continue;
                }
                let enabled = || group.members.iter().filter(|m| m.enabled);
                let needed = enabled().count();
                let fits = self.installed(cpu).len() + needed <= REGISTERS;
                if fits && enabled().all(|m| !m.broken) {
                    self.groups[i].on = Some(cpu);
                } else if group.pinned {
                    self.groups[i].error = true;
                }
            }
        }
    }

    fn leave(&mut self, cpu: CpuId) {
        for group in &mut self.groups {
            if group.on == Some(cpu) && group.target.task().is_some() {
                group.on = None;
            }
        }
        self.current[cpu.index()] = None;
    }

    fn arrive(&mut self, cpu: CpuId, task: TaskId) {
        self.leave(cpu);
        self.current[cpu.index()] = Some(task);
        let has_pinned = self.groups.iter().any(|g| g.pinned && g.target.task() == Some(task));
        self.rerun(cpu, if has_pinned { &[1, 2, 3] } else { &[3] });
    }

    /// After a group was added or enabled.
    fn rerun_for(&mut self, group: usize) {
        let target = self.groups[group].target;
        let cpu = match target {
            Target::Cpu(cpu) => Some(cpu),
            Target::Task(task, _) => {
                [C0, C1].into_iter().find(|c| self.current[c.index()] == Some(task))
            }
        };
        let classes = &[0, 1, 2, 3][self.groups[group].class()..];
        if let Some(cpu) = cpu {
            self.rerun(cpu, classes);
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
    Open { target: usize, pinned: bool, disabled: bool, broken: bool },
    Join { leader: usize, broken: bool, disabled: bool },
    Enable(usize),
    Disable(usize),
    Arrive { cpu: usize, task: usize },
    Leave { cpu: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let rarely = || prop::bool::weighted(0.1);
    prop_oneof![
        3 => (0usize..8, any::<bool>(), any::<bool>(), rarely()).prop_map(
            |(target, pinned, disabled, broken)| Op::Open { target, pinned, disabled, broken }),
        2 => (any::<usize>(), rarely(), rarely()).prop_map(
            |(leader, broken, disabled)| Op::Join { leader, broken, disabled }),
        3 => any::<usize>().prop_map(Op::Enable),
        3 => any::<usize>().prop_map(Op::Disable),
        3 => (0usize..2, 0usize..2).prop_map(|(cpu, task)| Op::Arrive { cpu, task }),
        1 => (0usize..2).prop_map(|cpu| Op::Leave { cpu }),
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
            self.rig.pmu.bp.broken.insert(EventId(self.rig.perf.next_event));
        }
    }

    fn step(&mut self, op: &Op) {
        let nr: usize = self.twin.groups.iter().map(|g| g.members.len()).sum();
        let pick = |n: &usize| EventId((n % nr.max(1)) as u32);
        match op {
            Op::Open { target, pinned, disabled, broken } => {
                self.break_next(*broken);
                let (target, pinned) = (TARGETS[*target], *pinned);
                let attr = self.attr(pinned, *disabled);
                let event = self.open(&attr, target, None);
                let member = Member { event, enabled: !disabled, broken: *broken };
                let members = vec![member];
                self.twin.groups.push(Group { members, target, pinned, error: false, on: None });
                if !disabled {
                    self.twin.rerun_for(self.twin.groups.len() - 1);
                }
            }
            Op::Join { leader, broken, disabled } if !self.twin.groups.is_empty() => {
                self.break_next(*broken);
                let g = leader % self.twin.groups.len();
                let leader = self.twin.groups[g].members[0].event;
                let attr = self.attr(false, *disabled);
                let event = self.open(&attr, self.twin.groups[g].target, Some(leader));
                let member = Member { event, enabled: !disabled, broken: *broken };
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
            Op::Join { .. } | Op::Enable(_) | Op::Disable(_) => {}
        }
    }

    fn attr(&self, pinned: bool, disabled: bool) -> PerfEventAttr {
        let mut attr = bp();
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
    fn scheduler_agrees_with_its_definition(ops in prop::collection::vec(op(), 1..50)) {
        let mut both = Both { rig: Rig::new(), twin: Twin::default() };
        both.twin.current[0] = Some(T0);
        for op in &ops {
            both.step(op);
            for cpu in [C0, C1] {
                let installed = both.rig.pmu.bp.on(cpu.0);
                prop_assert!(installed.len() <= REGISTERS);
                prop_assert_eq!(&installed, &both.twin.installed(cpu), "{} after {:?}", cpu, op);
            }
            for group in &both.twin.groups {
                let state = both.rig.perf.event(group.members[0].event).unwrap().state();
                prop_assert_eq!(state == EventState::Error, group.error);
                prop_assert_eq!(state == EventState::Active, group.on.is_some());
            }
        }
    }
}
