//! Random operations against the twin: rules 2.1.1 to 2.1.6 and properties P1 to P8.

use perf_core::{Errno, Target};
use proptest::prelude::*;

use super::twin::{Live, Twin};
use super::{any_cpu, bound, event, invariants, wide};
use crate::events::bp_slots::{BpSlots, BpTypeIdx, RegisterPools};

const NR_CPUS: u32 = 3;
const NR_TASKS: u32 = 4;
const HW_BREAKPOINT_W: u32 = 2;
const HW_BREAKPOINT_X: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Open(Target, u32),
    /// Index into the live events, modulo their number.
    Close(usize),
    Modify(usize, u32),
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        2 => (0..NR_CPUS).prop_map(wide),
        3 => (0..NR_TASKS).prop_map(any_cpu),
        3 => (0..NR_TASKS, 0..NR_CPUS).prop_map(|(task, cpu)| bound(task, cpu)),
    ]
}

fn bp_type() -> impl Strategy<Value = u32> {
    prop_oneof![Just(HW_BREAKPOINT_W), Just(HW_BREAKPOINT_X)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (target(), bp_type()).prop_map(|(target, bp_type)| Op::Open(target, bp_type)),
        3 => any::<usize>().prop_map(Op::Close),
        1 => (any::<usize>(), bp_type()).prop_map(|(which, bp_type)| Op::Modify(which, bp_type)),
    ]
}

fn registers() -> impl Strategy<Value = RegisterPools> {
    prop_oneof![
        3 => Just(RegisterPools::X86),
        1 => Just(RegisterPools::Separate { data: 3, inst: 2 }),
    ]
}

fn all_targets() -> Vec<Target> {
    let cpus = (0..NR_CPUS).map(wide);
    let tasks = (0..NR_TASKS).flat_map(|task| {
        std::iter::once(any_cpu(task)).chain((0..NR_CPUS).map(move |cpu| bound(task, cpu)))
    });
    cpus.chain(tasks).collect()
}

/// The answer to every possible open.
fn answers(slots: &BpSlots) -> Vec<(BpTypeIdx, Target, bool)> {
    let kinds = [BpTypeIdx::Data, BpTypeIdx::Inst];
    let opens = kinds.iter().flat_map(|idx| all_targets().into_iter().map(|t| (*idx, t)));
    opens.map(|(idx, target)| (idx, target, slots.fits(target, idx).is_ok())).collect()
}

struct Pair {
    slots: BpSlots,
    twin: Twin,
    nr_opened: usize,
}

impl Pair {
    fn new(registers: RegisterPools) -> Self {
        let slots = BpSlots::new(registers, NR_CPUS);
        Self { slots, twin: Twin::new(registers, NR_CPUS), nr_opened: 0 }
    }

    fn apply(&mut self, op: Op) {
        let before = answers(&self.slots);
        match op {
            Op::Open(target, bp_type) => self.open(target, bp_type, &before),
            Op::Close(which) if !self.twin.live.is_empty() => {
                let live = self.twin.live.remove(which % self.twin.live.len());
                assert_eq!(self.slots.release_bp_slot(live.event), Some(live.target));
                self.nothing_became_inadmissible(&before);
            }
            Op::Modify(which, bp_type) if !self.twin.live.is_empty() => {
                self.modify(which % self.twin.live.len(), bp_type);
            }
            Op::Close(_) | Op::Modify(..) => {}
        }
        self.check();
    }

    /// P2: ENOSPC exactly when the definition says so, and then nothing changes (2.1.4).
    fn open(&mut self, target: Target, bp_type: u32, before: &[(BpTypeIdx, Target, bool)]) {
        let idx = BpTypeIdx::find_slot_idx(bp_type).unwrap();
        let admitted = self.twin.admits(idx, target);
        let result = self.slots.reserve_bp_slot(event(self.nr_opened), target, bp_type);
        if !admitted {
            assert_eq!(result.unwrap_err().errno(), Errno::ENOSPC);
            assert_eq!(answers(&self.slots), before);
            return;
        }
        assert_eq!(result, Ok(()));
        self.twin.live.push(Live { event: event(self.nr_opened), target, idx });
        self.nr_opened += 1;
        // P5: opens on one task never matter for opens on another.
        if let Some(opened) = target.task() {
            let of_others = |t: &Target| t.task().is_some_and(|task| task != opened);
            for (was, is) in before.iter().zip(answers(&self.slots)) {
                assert!(!of_others(&was.1) || was.2 == is.2, "{was:?} {is:?}");
            }
        }
    }

    /// Rule 2.1.6.
    fn modify(&mut self, which: usize, bp_type: u32) {
        let idx = BpTypeIdx::find_slot_idx(bp_type).unwrap();
        let Live { event, target, .. } = self.twin.live[which];
        let mut without = self.twin.clone();
        without.live.remove(which);
        let result = self.slots.modify_bp_slot(event, bp_type);
        assert_eq!(result.is_ok(), without.admits(idx, target));
        match result {
            Ok(()) => self.twin.live[which].idx = idx,
            Err(refused) => assert_eq!(refused.errno(), Errno::ENOSPC),
        }
    }

    /// P4.
    fn nothing_became_inadmissible(&self, before: &[(BpTypeIdx, Target, bool)]) {
        for (was, is) in before.iter().zip(answers(&self.slots)) {
            assert!(!was.2 || is.2, "{was:?} {is:?}");
        }
    }

    /// P1 and the refinement invariants; the answers; P3, P7 and P8.
    fn check(&self) {
        invariants::check(&self.slots, &self.twin);
        let now = answers(&self.slots);
        for (idx, target, admitted) in &now {
            assert_eq!(*admitted, self.twin.admits(*idx, *target), "{idx:?} {target:?}");
            let implied: Vec<Target> = match *target {
                Target::Task(task, None) => (0..NR_CPUS).map(|cpu| bound(task.0, cpu)).collect(),
                Target::Cpu(cpu) => (0..NR_TASKS).map(|task| bound(task, cpu.0)).collect(),
                Target::Task(_, Some(_)) => Vec::new(),
            };
            for other in implied {
                assert!(!admitted || self.slots.fits(other, *idx).is_ok(), "{target:?} {other:?}");
            }
        }
        assert_eq!(answers(&self.rebuilt()), now);
    }

    /// The same live events, opened in the opposite order.
    fn rebuilt(&self) -> BpSlots {
        let mut slots = BpSlots::new(self.twin.registers, NR_CPUS);
        for live in self.twin.live.iter().rev() {
            let bp_type = match live.idx {
                BpTypeIdx::Data => HW_BREAKPOINT_W,
                BpTypeIdx::Inst => HW_BREAKPOINT_X,
            };
            slots.reserve_bp_slot(live.event, live.target, bp_type).unwrap();
        }
        slots
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn answers_are_those_of_the_definition(
        registers in registers(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut pair = Pair::new(registers);
        ops.into_iter().for_each(|op| pair.apply(op));
        // P6: after closing everything all is as in the beginning.
        while !pair.twin.live.is_empty() {
            pair.apply(Op::Close(0));
        }
        prop_assert_eq!(&pair.slots, &BpSlots::new(registers, NR_CPUS));
    }
}
