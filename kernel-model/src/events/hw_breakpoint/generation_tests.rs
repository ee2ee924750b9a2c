//! The breakpoint PMU of older generations: what leaks, what is validated, what counts.

use perf_core::{Defect, HitRegs, Mode, Pmu, Scope, Target, TaskId};
use proptest::prelude::*;

use super::tests::{Bench, CPU0, bp, init};
use super::*;
use crate::arch::x86::debugreg::BreakpointType;

const KERNEL: u64 = 0xffff_8880_0010_0000;
const TASK: Target = Target::Task(TaskId(0), None);

fn seed_with(change: impl FnOnce(Defects) -> Defects) -> Bench {
    Bench::of_kernel(1, Generation::V2_6_33, change(Defects::LINUX_2_6_33))
}

/// Rule 2.4.3, "three bad opens kill the facility"; B4 where the table is; neither without both.
#[test]
fn bad_opens_leak() {
    let bad = PerfEventAttr { bp_len: 3, ..bp(0x1000) };
    let no_counter = |defects: Defects| defects.without(Defect::GlobalSlotCounter);
    let cases: [(Bench, usize); 5] = [
        (seed_with(|defects| defects), 3),
        (seed_with(|defects| defects.without(Defect::SlotLeaksOnFailure)), 0),
        (seed_with(|defects| no_counter(defects).without(Defect::SlotLeaksOnFailure)), 3),
        (seed_with(|defects| no_counter(defects).without(Defect::TableLeaksOnFailure)), 0),
        (Bench::of_kernel(1, Generation::V6, Defects::LINUX_6), 0),
    ];
    for (mut bench, nr_leaked) in cases {
        for _ in 0..3 {
            assert_eq!(bench.open(&bad, TASK), Err(Errno::EINVAL));
        }
        assert_eq!(bench.state.slots().nr_leaked(), nr_leaked);
        assert_eq!(bench.state.slots().nr_held(), 0);
    }
    let mut bench = seed_with(|defects| defects);
    assert_eq!(bench.open(&bad, TASK), Err(Errno::EINVAL));
    assert!(bench.open(&bp(0x1000), TASK).is_ok() && bench.open(&bp(0x1000), TASK).is_ok());
    assert_eq!(bench.open(&bp(0x1000), TASK), Err(Errno::ENOSPC));
}

/// Table 1.8: addresses and targets; and S4, which looks at neither.
#[test]
fn validation_of_the_seed() {
    let mut bench = seed_with(|defects| defects.without(Defect::SlotLeaksOnFailure));
    assert_eq!(bench.open(&bp(KERNEL), TASK), Err(Errno::EFAULT));
    assert_eq!(bench.open(&bp(0x1000), CPU0), Err(Errno::EFAULT));
    assert_eq!(bench.open(&bp(0), TASK), Err(Errno::EINVAL));
    // No right is asked for.
    let (mut pmu, _) = bench.pmu(CapSysAdmin::NotHeld);
    assert_eq!(pmu.event_init(EventId(50), &init(&bp(KERNEL), CPU0)), Ok(()));
    pmu.destroy(EventId(50));

    let disabled = bp(0).with(AttrFlags::DISABLED);
    let event = bench.open(&disabled, TASK).unwrap();
    let (mut pmu, perf) = bench.root();
    perf.task_sched_in(&mut pmu, 10, CpuId(0), TaskId(0));
    perf.enable(&mut pmu, 20, event, Scope::Event);
    let info = bench.state.info(event).unwrap();
    assert_eq!((info.address, info.kind), (0, BreakpointType::Execute));
    assert_eq!(bench.dr7(0) & 0xf_00aa, 0x2, "register 0 executes");

    let mut bench = seed_with(|defects| defects.without(Defect::DisabledNotValidated));
    assert_eq!(bench.open(&disabled, TASK), Err(Errno::EINVAL));
}

/// S5: an opened event never counts; a kernel counter with a handler is called.
#[test]
fn opened_events_never_count() {
    for (defects, counts) in [
        (Defects::LINUX_2_6_33, [0, 1]),
        (Defects::LINUX_2_6_33.without(Defect::OpenedNeverCount), [1, 1]),
    ] {
        let mut bench = Bench::of_kernel(1, Generation::V2_6_33, defects);
        let events = [None, Some(perf_core::HandlerId(7))].map(|handler| {
            let (mut pmu, perf) = bench.root();
            perf.create_kernel_counter(&mut pmu, 0, &bp(0x1000), TASK, handler).unwrap()
        });
        let (mut pmu, perf) = bench.root();
        perf.task_sched_in(&mut pmu, 10, CpuId(0), TaskId(0));
        let regs = HitRegs {
            ip: 0x40_0000,
            mode: Mode::User,
            pid: 1,
            tid: 1,
            cpu: CpuId(0),
            now: 20,
            addr: 0x1000,
            source: None,
        };
        for (event, expected) in events.into_iter().zip(counts) {
            let _outcome = perf.event_hit(event, &regs, &mut NoBuffers);
            assert_eq!(perf.event(event).unwrap().count(), expected);
        }
    }
}

/// No event here has a buffer.
struct NoBuffers;

impl perf_core::BufferMemory for NoBuffers {
    fn read(&self, _: perf_core::BufferId, _: u64, out: &mut [u8]) {
        out.fill(0);
    }

    fn write(&mut self, _: perf_core::BufferId, _: u64, _: &[u8]) {}
}

/// K8 (rule 2.5.3): a dead target's events hold their slots, or do not.
#[test]
fn dead_targets() {
    for (defects, room) in
        [(Defects::LINUX_6, false), (Defects::LINUX_6.without(Defect::DeadTargetsHoldSlots), true)]
    {
        let mut bench = Bench::of_kernel(1, Generation::V6, defects);
        let events: Vec<_> = (0..4).map(|_| bench.open(&bp(0x1000), TASK).unwrap()).collect();
        let (mut pmu, perf) = bench.root();
        let _woken = perf.exit_task(&mut pmu, 10, TaskId(0));
        bench.state.task_exited(TaskId(0));
        assert_eq!(bench.open(&bp(0x1000), CPU0).is_ok(), room);
        for event in events {
            let (mut pmu, perf) = bench.root();
            let _detached = perf.release(&mut pmu, 20, event);
        }
        assert_eq!(bench.state.slots().nr_held(), usize::from(room));
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Task, and a length that may be bad.
    Open(u32, u64),
    Close(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![4 => Just(8u64), 1 => Just(3u64)];
    prop_oneof![
        3 => (0..6u32, len).prop_map(|(task, len)| Op::Open(task, len)),
        2 => any::<usize>().prop_map(Op::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// When everything is closed, what is left is what failed opens leaked: nothing where no
    /// switch says so, and one slot for each of them where one does.
    #[test]
    fn nothing_is_left_behind(
        old in any::<bool>(),
        switches in prop::collection::vec(prop::sample::select(Defect::ALL), 0..6),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let generation = if old { Generation::V2_6_33 } else { Generation::V6 };
        let toggle = |set: Defects, defect: Defect| {
            if set.has(defect) { set.without(defect) } else { set.with(defect) }
        };
        let defects = switches.into_iter().fold(Defects::of(generation), toggle);
        let mut bench = Bench::of_kernel(2, generation, defects);
        let mut live = Vec::new();
        let mut nr_failed = 0;
        for op in ops {
            match op {
                Op::Open(task, bp_len) => {
                    let attr = PerfEventAttr { bp_len, ..bp(0x1000) };
                    match bench.open(&attr, Target::Task(TaskId(task), None)) {
                        Ok(event) => live.push(event),
                        Err(errno) => nr_failed += usize::from(errno == Errno::EINVAL),
                    }
                }
                Op::Close(which) if !live.is_empty() => {
                    let event = live.remove(which % live.len());
                    let (mut pmu, perf) = bench.root();
                    let _detached = perf.release(&mut pmu, 0, event);
                }
                Op::Close(_) => {}
            }
            prop_assert_eq!(bench.state.slots().nr_held(), live.len());
        }
        for event in live {
            let (mut pmu, perf) = bench.root();
            let _detached = perf.release(&mut pmu, 0, event);
        }
        let slots = bench.state.slots();
        let leaks = defects.has(if slots.is_cpu_table() {
            Defect::TableLeaksOnFailure
        } else {
            Defect::SlotLeaksOnFailure
        });
        prop_assert_eq!((slots.nr_held(), slots.nr_leaked()), (0, if leaks { nr_failed } else { 0 }));
        let fresh = HwBreakpoints::of_kernel(2, AddressRules::default(), generation, defects);
        prop_assert_eq!(slots.is_used(), slots.nr_leaked() > 0);
        if slots.nr_leaked() == 0 && !defects.has(Defect::HistogramCorruption) {
            prop_assert_eq!(slots, fresh.slots());
        }
    }
}
