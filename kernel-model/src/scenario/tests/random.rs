//! Random operations: what must hold after each of them, and when all is closed.

use perf_core::{CpuId, Scope};
use proptest::prelude::*;

use super::super::op::{
    Access, AccessKind, Answer, BreakpointSpec, Enabled, EventOption, ForkKind, Op, OpenOp,
    OpenTarget, Place, RegisterTarget, TaskName,
};
use super::super::{ScenarioError, Stage, StageConfig};

const NR_CPUS: u32 = 2;
const TASKS: [&str; 4] = ["T0", "T1", "T2", "T3"];
const EVENTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const SYMBOLS: [&str; 2] = ["x", "y"];

fn task() -> impl Strategy<Value = TaskName> {
    prop::sample::select(TASKS.to_vec()).prop_map(TaskName::from)
}

fn event() -> impl Strategy<Value = &'static str> {
    prop::sample::select(EVENTS.to_vec())
}

fn cpu() -> impl Strategy<Value = CpuId> {
    (0..NR_CPUS).prop_map(CpuId)
}

fn place() -> impl Strategy<Value = Place> {
    prop::sample::select(SYMBOLS.to_vec()).prop_map(|symbol| Place::at(symbol, 0))
}

fn breakpoint() -> impl Strategy<Value = BreakpointSpec> {
    let len = prop::sample::select(vec![1u64, 2, 3, 4, 8, 16]);
    (1u32..5, len, place()).prop_map(|(bp_type, bp_len, place)| BreakpointSpec {
        bp_type,
        bp_len,
        place,
    })
}

fn target() -> impl Strategy<Value = OpenTarget> {
    prop_oneof![
        task().prop_map(OpenTarget::Task),
        (task(), cpu()).prop_map(|(task, cpu)| OpenTarget::TaskOnCpu(task, cpu)),
        cpu().prop_map(OpenTarget::Cpu),
    ]
}

fn open() -> impl Strategy<Value = Op> {
    let options = prop::sample::subsequence(
        vec![EventOption::Inherit, EventOption::Pinned, EventOption::Disabled],
        0..3,
    );
    (event(), target(), breakpoint(), options).prop_map(|(event, target, breakpoint, options)| {
        Op::Open(OpenOp { options, ..OpenOp::breakpoint(event, target, breakpoint) })
    })
}

fn hit() -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(vec![
        AccessKind::Store(4),
        AccessKind::Load(8),
        AccessKind::Increment(1),
        AccessKind::KernelStore(2),
    ]);
    (task(), kind, place())
        .prop_map(|(task, kind, place)| Op::Hit { task, access: Access { kind, place } })
}

fn machine_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (task(), cpu()).prop_map(|(task, cpu)| Op::Run { task, cpu }),
        1 => cpu().prop_map(|cpu| Op::Idle { cpu }),
        1 => cpu().prop_map(|cpu| Op::CpuDown { cpu }),
        2 => cpu().prop_map(|cpu| Op::CpuUp { cpu }),
        1 => (task(), task()).prop_map(|(parent, child)| Op::Fork {
            parent,
            child,
            kind: ForkKind::Process,
        }),
        1 => task().prop_map(|task| Op::Exit { task }),
        1 => task().prop_map(|task| Op::Exec { task }),
        1 => (task(), 0u8..8, prop::sample::select(vec![0, 0x60_0000, 0xd_0001, 0x5]))
            .prop_map(|(task, number, value)| Op::Poke { task, number, value }),
    ]
}

fn event_op() -> impl Strategy<Value = Op> {
    let scope = Scope::Event;
    prop_oneof![
        event().prop_map(|event| Op::Close { event: event.into() }),
        event().prop_map(move |event| Op::Enable { event: event.into(), scope }),
        event().prop_map(move |event| Op::Disable { event: event.into(), scope }),
        (event(), breakpoint()).prop_map(|(event, breakpoint)| Op::Modify {
            event: event.into(),
            breakpoint,
            enabled: Enabled::Yes,
        }),
        (event(), breakpoint()).prop_map(|(name, breakpoint)| Op::Register {
            name: name.into(),
            target: RegisterTarget::Wide,
            breakpoint,
            enabled: Enabled::Yes,
        }),
        event().prop_map(|name| Op::Unregister { name: name.into() }),
    ]
}

/// Applies an operation; one that makes no sense at this point has no effect.
fn apply(stage: &mut Stage, op: &Op) -> Result<Option<Answer>, TestCaseError> {
    match stage.apply(op) {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ (ScenarioError::Stopped(_) | ScenarioError::NeverEnded(_))) => {
            Err(TestCaseError::fail(format!("{op:?}: {error}")))
        }
        Err(_) => Ok(None),
    }
}

/// Whenever a breakpoint is active the hardware is what the shadow says (rule 6.4.2).
fn check_registers(stage: &Stage, op: &Op) -> Result<(), TestCaseError> {
    for cpu in (0..NR_CPUS).map(CpuId) {
        let view = stage.registers_view(cpu);
        let nr_owners = view.slots.iter().flatten().count();
        let nr_enabled = (view.dr7 & 0xff).count_ones() as usize;
        prop_assert_eq!(nr_owners, nr_enabled, "{:?} on {}", op, cpu);
        prop_assert!(view.is_shadow_equal || nr_owners == 0, "{:?} on {}", op, cpu);
    }
    Ok(())
}

fn new_stage() -> Stage {
    let mut stage = Stage::new(StageConfig { nr_cpus: NR_CPUS, ..StageConfig::default() }).unwrap();
    for name in SYMBOLS {
        stage.apply(&Op::Var { name: name.into() }).unwrap();
    }
    for task in &TASKS[..2] {
        stage.apply(&Op::Task { task: (*task).into() }).unwrap();
    }
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn invariants_hold_and_everything_is_given_back(
        ops in prop::collection::vec(
            prop_oneof![3 => open(), 2 => hit(), 4 => machine_op(), 3 => event_op()],
            1..60,
        ),
    ) {
        let mut stage = new_stage();
        for op in &ops {
            apply(&mut stage, op)?;
            check_registers(&stage, op)?;
        }
        for event in EVENTS {
            apply(&mut stage, &Op::Close { event: event.into() })?;
            apply(&mut stage, &Op::Unregister { name: event.into() })?;
        }
        for task in TASKS {
            apply(&mut stage, &Op::Exit { task: task.into() })?;
        }
        prop_assert_eq!(stage.apply(&Op::Slots).ok(), Some(Answer::Count(0)));
        prop_assert_eq!(stage.apply(&Op::Used).ok(), Some(Answer::Used(false)));
        for cpu in (0..NR_CPUS).map(CpuId) {
            apply(&mut stage, &Op::CpuUp { cpu })?;
            let free = stage.apply(&Op::Free { target: OpenTarget::Cpu(cpu) });
            prop_assert_eq!(free.ok(), Some(Answer::Count(4)));
        }
    }
}
