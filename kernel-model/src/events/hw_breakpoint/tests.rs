//! The PMU on recorded registers, called directly and through perf core.

use perf_core::{EventInit, Perf, PerfConfig, Pmu, Scope, Target, TaskId};

use super::*;
use crate::arch::x86::debugreg::{BreakpointLen, BreakpointType};
use crate::arch::x86::hw_breakpoint::port_log::PortLog;
use crate::events::bp_slots::BpTypeIdx;

const W: u32 = 2;
const X: u32 = 4;
const KERNEL: u64 = 0xffff_8880_0010_0000;

pub(super) struct Bench {
    pub(super) port: PortLog,
    pub(super) state: HwBreakpoints,
    pub(super) perf: Perf,
}

impl Bench {
    pub(super) fn new(nr_cpus: u32) -> Self {
        Self::of_kernel(nr_cpus, Generation::V6, Defects::LINUX_6)
    }

    pub(super) fn of_kernel(nr_cpus: u32, generation: Generation, defects: Defects) -> Self {
        let config = PerfConfig { nr_cpus, generation, defects, ..PerfConfig::default() };
        let rules = AddressRules::default();
        Self {
            port: PortLog::new(nr_cpus as usize),
            state: HwBreakpoints::of_kernel(nr_cpus, rules, generation, defects),
            perf: Perf::new(config),
        }
    }

    pub(super) fn pmu(&mut self, caller: CapSysAdmin) -> (BreakpointPmu<'_, PortLog>, &mut Perf) {
        (BreakpointPmu { hw: &mut self.port, state: &mut self.state, caller }, &mut self.perf)
    }

    pub(super) fn root(&mut self) -> (BreakpointPmu<'_, PortLog>, &mut Perf) {
        self.pmu(CapSysAdmin::Held)
    }

    pub(super) fn open(&mut self, attr: &PerfEventAttr, target: Target) -> Result<EventId, Errno> {
        let (mut pmu, perf) = self.root();
        perf.create_kernel_counter(&mut pmu, 0, attr, target, None)
    }

    pub(super) fn dr7(&self, cpu: usize) -> u64 {
        self.port.registers[cpu][7]
    }

    pub(super) fn log(&mut self) -> Vec<(u32, u32, u8, ArmChange, u64)> {
        let log = self.state.take_arm_log().into_iter();
        log.map(|r| (r.event.0, r.cpu.0, r.slot, r.change, r.icount)).collect()
    }
}

pub(super) fn bp(addr: u64) -> PerfEventAttr {
    PerfEventAttr::breakpoint(addr, 8, W)
}

pub(super) fn init<'a>(attr: &'a PerfEventAttr, target: Target) -> EventInit<'a> {
    let (task, cpu) = (target.task(), target.cpu());
    EventInit { attr, task, cpu, parent: None, handler: None, nr_in_group: 0 }
}

pub(super) const CPU0: Target = Target::Cpu(CpuId(0));

/// Steps 11 to 16 of rule 1.2 and rule 1.2.1: the order of errors with room and without.
#[test]
fn order_of_errors() {
    let excluding = |attr: PerfEventAttr| attr.with(AttrFlags::EXCLUDE_KERNEL);
    let branches = PerfEventAttr {
        sample_type: perf_core::attr::abi::PERF_SAMPLE_BRANCH_STACK,
        bp_type: 0,
        ..bp(0x1000)
    };
    use Errno::{EINVAL, ENOSPC, EOPNOTSUPP, EPERM};
    let cases = [
        ("11", branches, EOPNOTSUPP, EOPNOTSUPP),
        ("12", PerfEventAttr { bp_type: 0, ..bp(KERNEL) }, EINVAL, EINVAL),
        ("12", PerfEventAttr { bp_type: 7, ..bp(KERNEL) }, EINVAL, EINVAL),
        ("14", PerfEventAttr { bp_type: 1, ..bp(KERNEL) }, EINVAL, ENOSPC),
        ("14", PerfEventAttr { bp_type: 8, ..bp(0x1000) }, EINVAL, ENOSPC),
        ("14", PerfEventAttr { bp_len: 16, ..bp(KERNEL) }, EOPNOTSUPP, ENOSPC),
        ("14", bp(0x1001), EINVAL, ENOSPC),
        ("14", bp(0xffff_fe00_0000_0000), EINVAL, ENOSPC),
        ("15", excluding(bp(KERNEL)), EINVAL, ENOSPC),
        ("16", bp(KERNEL), EPERM, ENOSPC),
    ];
    for (step, attr, with_room, without) in cases {
        for (nr_taken, errno) in [(0, with_room), (4, without)] {
            let mut bench = Bench::new(1);
            for _ in 0..nr_taken {
                bench.open(&bp(0x2000), CPU0).unwrap();
            }
            let before = bench.state.slots().clone();
            let (mut pmu, _) = bench.pmu(CapSysAdmin::NotHeld);
            let result = pmu.event_init(EventId(77), &init(&attr, CPU0));
            assert_eq!(result, Err(errno), "step {step}, {nr_taken} taken: {attr:?}");
            // Rule 1.2.2: the slot has been given back.
            assert_eq!(bench.state.slots(), &before);
            assert_eq!(bench.state.info(EventId(77)), None);
            assert_eq!(bench.state.take_slot_report().is_some(), errno == ENOSPC);
            assert!(bench.state.take_slot_report().is_none());
        }
    }
    let mut bench = Bench::new(1);
    assert!(bench.open(&bp(KERNEL), CPU0).is_ok());
}

/// Rule 1.2.2: many failures leave no trace.
#[test]
fn failing_opens_do_not_leak() {
    let mut bench = Bench::new(1);
    for _ in 0..3 {
        bench.open(&bp(0x1000), CPU0).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(bench.open(&bp(0x1001), CPU0), Err(Errno::EINVAL));
    }
    assert!(bench.open(&bp(0x1000), CPU0).is_ok());
    assert_eq!(bench.open(&bp(0x1000), CPU0), Err(Errno::ENOSPC));
}

/// A task's events come and go with it; the log tells when, and in which register.
#[test]
fn switching_tasks() {
    let mut bench = Bench::new(2);
    let task = TaskId(5);
    bench.open(&bp(0x1000), CPU0).unwrap();
    let watch = bench.open(&bp(0x2000), Target::Task(task, None)).unwrap();
    let exec = PerfEventAttr::breakpoint(0x40_1003, 8, X);
    let exec = bench.open(&exec, Target::Task(task, None)).unwrap();
    assert_eq!(bench.log(), [(0, 0, 0, ArmChange::Installed, 0)]);
    assert_eq!(bench.dr7(0), 0x0009_0602);

    bench.port.icount = 100;
    let (mut pmu, perf) = bench.root();
    perf.task_sched_in(&mut pmu, 10, CpuId(0), task);
    assert_eq!(bench.dr7(0), 0x0099_062a);
    assert_eq!(bench.port.registers[0][..3], [0x1000, 0x2000, 0x40_1003]);
    let owners = bench.state.trap_owners(CpuId(0), |event| {
        if event == watch { Consumer::Ptrace { slot: 3 } } else { Consumer::Perf }
    });
    let watch_owner = TrapOwner {
        event: watch,
        kind: BreakpointType::Write,
        consumer: Consumer::Ptrace { slot: 3 },
    };
    assert_eq!(owners[1], Some(watch_owner));
    assert_eq!(owners[2].map(|o| (o.event, o.kind)), Some((exec, BreakpointType::Execute)));
    assert_eq!(owners[3], None);

    bench.port.icount = 200;
    let (mut pmu, perf) = bench.root();
    perf.task_sched_out(&mut pmu, 20, CpuId(0));
    assert_eq!(bench.dr7(0), 0x0009_0602);
    let (mut pmu, perf) = bench.root();
    perf.task_sched_in(&mut pmu, 30, CpuId(1), task);
    assert_eq!(bench.dr7(1), 0x0009_060a);
    let mut log = bench.log();
    log.sort_by_key(|record| (record.4, record.3 == ArmChange::Installed, record.0));
    assert_eq!(
        log,
        [
            (1, 0, 1, ArmChange::Installed, 100),
            (2, 0, 2, ArmChange::Installed, 100),
            (1, 0, 1, ArmChange::Uninstalled, 200),
            (2, 0, 2, ArmChange::Uninstalled, 200),
            (1, 1, 0, ArmChange::Installed, 200),
            (2, 1, 1, ArmChange::Installed, 200),
        ]
    );
}

/// Section 2.5: disabled events keep their slots; only the end of the event gives them back.
#[test]
fn slots_live_as_long_as_events() {
    let mut bench = Bench::new(1);
    let events: Vec<_> = (0..4).map(|_| bench.open(&bp(0x1000), CPU0).unwrap()).collect();
    assert_eq!(bench.dr7(0), 0x9999_06aa);
    let (mut pmu, perf) = bench.root();
    events.iter().for_each(|event| perf.disable(&mut pmu, 0, *event, Scope::Event));
    assert_eq!(bench.dr7(0), 0x600);
    assert_eq!(bench.open(&bp(0x1000), CPU0), Err(Errno::ENOSPC));
    for event in events {
        let (mut pmu, perf) = bench.root();
        let _detached = perf.release(&mut pmu, 0, event);
        assert_eq!(bench.state.info(event), None);
    }
    assert!(!bench.state.slots().is_used());
    assert_eq!(bench.state.slots().nr_held(), 0);
}

/// Rule 3.7.2 (c), (e), (f): works with all slots full, W to X too; a failure keeps the old one.
#[test]
fn modify_in_place() {
    let mut bench = Bench::new(1);
    let event = bench.open(&bp(0x1000), CPU0).unwrap();
    for _ in 0..3 {
        bench.open(&bp(0x2000), CPU0).unwrap();
    }
    let exec = PerfEventAttr { bp_type: X, bp_addr: 0x40_1001, ..bp(0) };
    let (mut pmu, perf) = bench.root();
    assert_eq!(perf.modify_attributes(&mut pmu, 0, event, &exec), Ok(()));
    let info = ArchHwBreakpoint {
        address: 0x40_1001,
        len: BreakpointLen::LEN_X,
        kind: BreakpointType::Execute,
    };
    assert_eq!(bench.state.info(event), Some(info));
    assert_eq!(bench.port.registers[0][0], 0x40_1001);
    assert_eq!(bench.dr7(0) >> 16 & 0xf, 0);
    for bad in [
        PerfEventAttr { bp_len: 4, ..exec.clone() },
        PerfEventAttr { bp_type: 0, ..exec.clone() },
        PerfEventAttr { bp_addr: KERNEL, ..exec.clone() },
    ] {
        let (mut pmu, perf) = bench.root();
        assert_eq!(perf.modify_attributes(&mut pmu, 0, event, &bad), Err(Errno::EINVAL));
        assert_eq!(bench.state.info(event), Some(info));
    }
    // A kernel address needs the right of whoever modifies.
    let kernel = PerfEventAttr { bp_addr: KERNEL, bp_type: W, ..exec };
    let (mut pmu, perf) = bench.pmu(CapSysAdmin::NotHeld);
    assert_eq!(perf.modify_attributes(&mut pmu, 0, event, &kernel), Err(Errno::EPERM));
    let (mut pmu, perf) = bench.root();
    assert_eq!(perf.modify_attributes(&mut pmu, 0, event, &kernel), Ok(()));
    assert!(bench.state.slots().fits(CPU0, BpTypeIdx::Data).is_err());
}

/// Rules 3.6.1, 3.6.2 and 1.6.2: copies take slots of the child; a copy of a kernel-address event
/// is validated with the forking task's rights, and its refusal fails the fork.
#[test]
fn fork_copies() {
    let (parent, child) = (TaskId(1), TaskId(2));
    let target = Target::Task(parent, None);
    for (addr, caller, expected) in [
        (0x1000, CapSysAdmin::NotHeld, Ok(())),
        (KERNEL, CapSysAdmin::Held, Ok(())),
        (KERNEL, CapSysAdmin::NotHeld, Err(Errno::EPERM)),
    ] {
        let mut bench = Bench::new(1);
        let inherited = bp(addr).with(AttrFlags::INHERIT);
        (0..2).for_each(|_| assert!(bench.open(&inherited, target).is_ok()));
        (0..2).for_each(|_| assert!(bench.open(&bp(0x2000), CPU0).is_ok()));
        let before = bench.state.slots().clone();
        let (mut pmu, perf) = bench.pmu(caller);
        let flags = perf_core::CloneFlags::default();
        assert_eq!(perf.fork(&mut pmu, 0, parent, child, flags), expected);
        let copies = if expected.is_ok() { 2 } else { 0 };
        assert_eq!(bench.state.slots().nr_held(), before.nr_held() + copies);
        if expected.is_err() {
            assert_eq!(bench.state.slots(), &before);
        }
    }
}

#[test]
fn what_the_pmu_is() {
    let mut bench = Bench::new(1);
    let (mut pmu, _) = bench.root();
    assert!(pmu.serves(5) && !pmu.serves(1));
    assert_eq!(pmu.class(), perf_core::PmuClass::Software);
    assert_eq!(pmu.nmi_safety(), perf_core::NmiSafety::Needed);
    assert_eq!(pmu.read(CpuId(0), EventId(0)), 0);
    // An event that was never created, and a CPU that does not exist.
    assert_eq!(pmu.add(CpuId(0), EventId(9), &bp(0)), Err(Errno::ENOENT));
    pmu.del(CpuId(0), EventId(9));
    pmu.del(CpuId(9), EventId(9));
    pmu.event_init(EventId(9), &init(&bp(0x1000), CPU0)).unwrap();
    assert_eq!(pmu.add(CpuId(3), EventId(9), &bp(0)), Err(Errno::ENODEV));
    let attr = bp(0x1000);
    let nowhere = EventInit { task: None, cpu: None, ..init(&attr, CPU0) };
    assert_eq!(pmu.event_init(EventId(10), &nowhere), Err(Errno::EINVAL));
}
