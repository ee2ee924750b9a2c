//! Everything at once: random life of events, tasks, groups, copies and buffers. Nothing may
//! panic, the PMU's view must equal the events' states, and nothing may leak.

use proptest::prelude::*;

use super::rig::{C0, C1, Rig, T0, bp};
use crate::attr::abi::AttrFlags;
use crate::{
    CloneFlags, CommChange, Defects, EventId, EventState, MmapAccess, MmapRequest, MmapSharing,
    PerfEventAttr, PmuId, Scope, SwEvent, SwitchDirection, TaskId, TaskIdent,
};

const TASKS: u32 = 3;

/// Operations, the frequent ones more than once.
const OPS: [u8; 44] = [
    0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 7, 8, 9, 10, 10, 10, 10, 10, 11,
    11, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21,
];

struct Soup {
    rig: Rig,
    open: Vec<EventId>,
}

impl Soup {
    fn attr(&self, bits: u64) -> PerfEventAttr {
        let mut attr = match bits & 3 {
            0 => PerfEventAttr::software((bits >> 2) % 10),
            _ => bp(),
        };
        let flags = [
            AttrFlags::DISABLED,
            AttrFlags::INHERIT,
            AttrFlags::PINNED,
            AttrFlags::EXCLUSIVE,
            AttrFlags::COMM,
            AttrFlags::CONTEXT_SWITCH,
            AttrFlags::SAMPLE_ID_ALL,
            AttrFlags::ENABLE_ON_EXEC,
            AttrFlags::WRITE_BACKWARD,
        ];
        // Half of the DISABLED bits away, so that most events run.
        let bits = bits & !(bits >> 32 & 1 << 8);
        for (i, flag) in flags.into_iter().enumerate() {
            if bits >> (8 + i) & 1 != 0 {
                attr = attr.with(flag);
            }
        }
        if bits >> 20 & 3 == 0 && !attr.has(AttrFlags::ENABLE_ON_EXEC) {
            attr = attr.with(AttrFlags::REMOVE_ON_EXEC);
            if bits >> 22 & 1 != 0 {
                attr = attr.with(AttrFlags::SIGTRAP);
            }
        }
        attr.sample_period = bits >> 24 & 3;
        attr.sample_type = bits >> 28 & 0x1_f7ef;
        attr.sample_regs_user = 1;
        attr.sample_stack_user = 16;
        attr.read_format = bits >> 45 & 0x1f;
        attr
    }

    fn pick(&self, n: u64) -> Option<EventId> {
        let len = self.open.len() as u64;
        (len > 0).then(|| self.open[(n % len) as usize])
    }

    fn open(&mut self, bits: u64, target: u64, leader: Option<EventId>) {
        let task = (!target.is_multiple_of(4)).then_some(TaskId((target >> 2) as u32 % TASKS));
        let cpu = (target >> 4) as i32 % 3 - 1;
        let attr = self.attr(bits);
        self.open.extend(self.rig.try_open(&attr, task, cpu, leader));
    }

    fn switch(&mut self, arg: u64) {
        let cpu = [C0, C1][(arg & 1) as usize];
        let task = TaskId((arg >> 1) as u32 % TASKS);
        let other = TaskIdent { pid: 1, tid: 1 };
        let current = crate::Current { cpu, ..self.rig.current(2) };
        let (perf, mem) = (&mut self.rig.perf, &mut self.rig.mem);
        let _woken = perf.switch_record(mem, &current, other, SwitchDirection::Out);
        for c in [C0, C1] {
            if self.rig.perf.task_cpu(task) == Some(c) {
                self.rig.stop(c);
            }
        }
        self.rig.run(cpu, task);
    }

    fn map(&mut self, event: EventId, arg: u64) {
        let access = [MmapAccess::ReadOnly, MmapAccess::Writable][(arg & 1) as usize];
        let length = ((arg >> 1) % 4) * 4096;
        let sharing = MmapSharing::Shared;
        let request = MmapRequest { length, offset: 0, sharing, access };
        if let Ok(crate::Mapped::New { buffer, bytes }) = self.rig.perf.mmap(event, &request) {
            self.rig.mem.0.insert(buffer, vec![0; bytes as usize]);
            let (perf, mem) = (&mut self.rig.perf, &mut self.rig.mem);
            perf.init_userpage(self.rig.now, event, mem);
        }
    }

    fn hit_all(&mut self, cpu: u32) {
        for event in self.rig.pmu.bp.on(cpu) {
            let _out = self.rig.hit(event);
            let _signal = self.rig.perf.take_sigtrap(event);
        }
        let regs = self.rig.regs(crate::CpuId(cpu), crate::Mode::User);
        let faults = SwEvent::PageFaults;
        for out in self.rig.perf.sw_event(faults, 3, &regs, &mut self.rig.mem) {
            if out.disable {
                let (pmu, now) = (&mut self.rig.pmu, self.rig.now);
                self.rig.perf.pending_disable(pmu, now, out.event);
            }
        }
    }

    fn step(&mut self, op: u8, a: u64, b: u64) {
        self.rig.now += a % 100;
        let now = self.rig.now;
        let task = TaskId(a as u32 % TASKS);
        let event = self.pick(a);
        let scope = Scope::from_ioctl_arg(b);
        match (op, event) {
            (0, _) => self.open(a, b, None),
            (2, Some(leader)) => {
                let target = self.rig.perf.event(leader).unwrap().target();
                let task = target.task().map_or(0, |t| u64::from(t.0) << 2 | 1);
                let cpu = target.cpu().map_or(0, |c| u64::from(c.0) + 1) << 4;
                self.open(a & !(0xff << 8), task | cpu, Some(leader));
            }
            (3, _) => self.switch(a),
            (4, Some(e)) => self.rig.enable(e, scope),
            (5, Some(e)) => self.rig.disable(e, scope),
            (6, Some(e)) => {
                self.rig.close(e);
                self.open.retain(|o| *o != e);
            }
            (7, _) => {
                let child = TaskId(b as u32 % TASKS);
                if child != task {
                    let _gone = self.rig.perf.exit_task(&mut self.rig.pmu, now, child);
                    let flags = CloneFlags::default();
                    self.rig.perf.fork(&mut self.rig.pmu, now, task, child, flags).unwrap();
                }
            }
            (8, _) => drop(self.rig.perf.exit_task(&mut self.rig.pmu, now, task)),
            (9, _) => drop(self.rig.perf.exec(&mut self.rig.pmu, now, task)),
            (10, _) => self.hit_all(b as u32 & 1),
            (11, Some(e)) => drop(self.rig.read(e)),
            (12, Some(e)) => self.map(e, b),
            (13, Some(e)) => drop(self.rig.perf.mmap_close(e)),
            (14, Some(e)) => drop(self.rig.perf.set_output(e, self.pick(b))),
            (15, Some(e)) => {
                let moved =
                    PerfEventAttr { bp_addr: b, ..self.rig.perf.event(e).unwrap().attr().clone() };
                let (pmu, perf) = (&mut self.rig.pmu, &mut self.rig.perf);
                let _answer = perf.modify_attributes(pmu, now, e, &moved);
            }
            (16, Some(e)) => drop(self.rig.perf.refresh(&mut self.rig.pmu, now, e, b as i32 & 3)),
            (17, Some(e)) => {
                let rig = &mut self.rig;
                let _refused = rig.perf.set_period(&mut rig.pmu, rig.now, e, b & 7);
            }
            (18, _) => self.rig.perf.rotate(&mut self.rig.pmu, now, C0),
            (19, _) => {
                let current = self.rig.current(3);
                let (perf, mem) = (&mut self.rig.perf, &mut self.rig.mem);
                drop(perf.comm_record(mem, &current, b"soup", CommChange::Rename));
                drop(perf.task_tick(mem, &current));
            }
            (20, Some(e)) => drop(self.rig.perf.poll(e)),
            (21, _) if b & 1 == 0 => self.rig.perf.cpu_offline(&mut self.rig.pmu, now, C1),
            (21, _) => self.rig.perf.cpu_online(&mut self.rig.pmu, now, C1),
            _ => {}
        }
    }

    /// The PMU holds exactly the active events, where they say they are.
    fn check(&self) -> Result<(), TestCaseError> {
        for cpu in 0..2 {
            let perf = &self.rig.perf;
            let here = |id: &EventId| {
                let e = perf.event(*id).unwrap();
                e.pmu() == PmuId::Breakpoint && e.oncpu() == Some(crate::CpuId(cpu))
            };
            let expected: Vec<EventId> = perf.events().filter(here).collect();
            prop_assert_eq!(self.rig.pmu.bp.on(cpu), expected);
        }
        for id in self.rig.perf.events() {
            let e = self.rig.perf.event(id).unwrap();
            prop_assert_eq!(e.state() == EventState::Active, e.oncpu().is_some());
            let leader = self.rig.perf.event(e.group_leader());
            prop_assert!(leader.is_some(), "the leader of a live event lives");
            prop_assert!(e.parent().is_none_or(|p| self.rig.perf.event(p).is_some()));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_panics_or_leaks(
        ops in prop::collection::vec((prop::sample::select(&OPS[..]), any::<u64>(), any::<u64>()), 1..200),
        defects in any::<bool>(),
    ) {
        let mut soup = Soup { rig: Rig::new(), open: Vec::new() };
        soup.rig.perf.config.defects = if defects { Defects::LINUX_6 } else { Defects::NONE };
        for (op, a, b) in ops {
            soup.step(op, a, b);
            soup.check()?;
        }
        for event in std::mem::take(&mut soup.open) {
            soup.rig.close(event);
            soup.check()?;
        }
        prop_assert!(soup.rig.pmu.bp.live.is_empty(), "slots leak");
        prop_assert_eq!(soup.rig.perf.events().count(), 0);
        prop_assert!(soup.rig.perf.owned_by(T0).is_empty());
        prop_assert!(soup.rig.perf.buffers.iter().all(Option::is_none), "buffers leak");
        for context in soup.rig.perf.tasks.values() {
            prop_assert!(context.events.is_empty() && context.flexible_groups.is_empty());
        }
    }
}
