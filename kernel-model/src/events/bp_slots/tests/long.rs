//! Long random sequences on a large machine: hundreds of operations, up to 8 CPUs and 64 tasks,
//! beside the twin. The older table without its defects has to give the same answers.

use perf_core::{Defects, Errno, Generation, Target};
use proptest::prelude::*;

use super::twin::{Live, Twin};
use super::{any_cpu, bound, event, invariants, wide};
use crate::events::bp_slots::{BpSlots, BpTypeIdx, RegisterPools};

const W: u32 = 2;

/// What is done, with numbers that are cut to the machine's size.
#[derive(Clone, Copy, Debug)]
enum Op {
    Wide(u32),
    AnyCpu(u32),
    Bound(u32, u32),
    /// Index into the live events, modulo their number.
    Close(usize),
}

fn op() -> impl Strategy<Value = Op> {
    // Few tasks get most of the events, so that slots run out.
    let task = prop_oneof![3 => 0..3u32, 1 => 0..64u32];
    prop_oneof![
        2 => any::<u32>().prop_map(Op::Wide),
        4 => task.clone().prop_map(Op::AnyCpu),
        4 => (task, any::<u32>()).prop_map(|(task, cpu)| Op::Bound(task, cpu)),
        7 => any::<usize>().prop_map(Op::Close),
    ]
}

/// The target of an open on a machine of this size.
fn target(op: Op, nr_cpus: u32) -> Option<Target> {
    match op {
        Op::Wide(cpu) => Some(wide(cpu % nr_cpus)),
        Op::AnyCpu(task) => Some(any_cpu(task)),
        Op::Bound(task, cpu) => Some(bound(task, cpu % nr_cpus)),
        Op::Close(_) => None,
    }
}

struct Machine {
    slots: BpSlots,
    twin: Twin,
    nr_opened: usize,
}

impl Machine {
    fn step(&mut self, op: Op) {
        match (op, target(op, self.twin.nr_cpus)) {
            (_, Some(target)) => self.open(target),
            (Op::Close(which), None) if !self.twin.live.is_empty() => {
                let live = self.twin.live.remove(which % self.twin.live.len());
                assert_eq!(self.slots.release_bp_slot(live.event), Some(live.target));
            }
            (_, None) => {}
        }
    }

    /// P2, and 2.1.4.
    fn open(&mut self, target: Target) {
        let idx = BpTypeIdx::Data;
        let result = self.slots.reserve_bp_slot(event(self.nr_opened), target, W);
        assert_eq!(result.is_ok(), self.twin.admits(idx, target), "{target:?}");
        match result {
            Ok(()) => {
                self.twin.live.push(Live { event: event(self.nr_opened), target, idx });
                self.nr_opened += 1;
            }
            Err(refused) => assert_eq!(refused.errno(), Errno::ENOSPC),
        }
    }
}

fn play(nr_cpus: u32, generation: Generation, ops: &[Op]) {
    let fresh = BpSlots::of_kernel(RegisterPools::X86, nr_cpus, generation, Defects::NONE);
    let mut machine = Machine {
        slots: fresh.clone(),
        twin: Twin::new(RegisterPools::X86, nr_cpus),
        nr_opened: 0,
    };
    for (at, op) in ops.iter().enumerate() {
        machine.step(*op);
        if generation == Generation::V6 && at % 16 == 0 {
            invariants::check(&machine.slots, &machine.twin);
        }
    }
    // P6: nothing is left behind.
    while !machine.twin.live.is_empty() {
        machine.step(Op::Close(machine.twin.live.len() / 2));
    }
    assert_eq!(machine.slots, fresh);
    assert!(!machine.slots.is_used());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn long_sequences(nr_cpus in 1..=8u32, ops in prop::collection::vec(op(), 100..400)) {
        for generation in Generation::ALL {
            play(nr_cpus, generation, &ops);
        }
    }
}
