//! Reading what was written, and refusing what was not.

use kernel_model::scenario::StageConfig;
use kernel_model::scenario::op::{
    Access, AccessKind, BreakpointSpec, Enabled, EventKind, EventOption, ForkKind, GuestStep,
    NotifierVerdict, Op, OpenOp, OpenTarget, Place, PlaceBase, RegisterTarget, SymbolName,
    TextPokeStep, TrapAction,
};
use perf_core::{CpuId, Scope};
use proptest::prelude::*;

use super::super::{Expected, Scenario, Step, print};
use super::scenario;

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_]{0,6}"
}

fn place() -> impl Strategy<Value = Place> {
    let base = prop_oneof![
        name().prop_map(|name| PlaceBase::Symbol(SymbolName(name))),
        any::<u64>().prop_map(PlaceBase::Address),
    ];
    (base, prop_oneof![Just(0), any::<u64>()]).prop_map(|(base, offset)| Place { base, offset })
}

fn target() -> impl Strategy<Value = OpenTarget> {
    prop_oneof![
        name().prop_map(|task| OpenTarget::Task(task.as_str().into())),
        (name(), any::<u32>())
            .prop_map(|(task, cpu)| OpenTarget::TaskOnCpu(task.as_str().into(), CpuId(cpu))),
        any::<u32>().prop_map(|cpu| OpenTarget::Cpu(CpuId(cpu))),
    ]
}

fn breakpoint() -> impl Strategy<Value = BreakpointSpec> {
    (0u32..9, prop_oneof![Just(8u64), any::<u64>()], place())
        .prop_map(|(bp_type, bp_len, place)| BreakpointSpec { bp_type, bp_len, place })
}

fn event_option() -> impl Strategy<Value = EventOption> {
    prop_oneof![
        Just(EventOption::Inherit),
        Just(EventOption::Sigtrap),
        Just(EventOption::ExcludeKernel),
        any::<u64>().prop_map(EventOption::Period),
        any::<u64>().prop_map(EventOption::SigData),
        any::<u64>().prop_map(EventOption::SampleType),
        name().prop_map(|leader| EventOption::Group(leader.as_str().into())),
    ]
}

fn open_op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        breakpoint().prop_map(EventKind::Breakpoint),
        any::<u64>().prop_map(EventKind::Software),
    ];
    (name(), target(), kind, proptest::option::of(event_option())).prop_map(
        |(event, target, kind, option)| {
            let options = option.into_iter().collect();
            Op::Open(OpenOp { event: event.as_str().into(), target, kind, options })
        },
    )
}

fn access() -> impl Strategy<Value = Access> {
    let kind = prop_oneof![
        Just(AccessKind::Exec),
        any::<u8>().prop_map(AccessKind::Store),
        any::<u8>().prop_map(AccessKind::Load),
        any::<u8>().prop_map(AccessKind::Increment),
        any::<u8>().prop_map(AccessKind::KernelStore),
        any::<u8>().prop_map(AccessKind::KernelLoad),
    ];
    (kind, place()).prop_map(|(kind, place)| Access { kind, place })
}

fn named_op() -> impl Strategy<Value = Op> {
    let scope = prop_oneof![Just(Scope::Event), Just(Scope::Group)];
    (name(), name(), scope, 0..12u32).prop_map(|(first, second, scope, kind)| {
        let (task, event) = (first.as_str().into(), first.as_str().into());
        match kind {
            0 => Op::Task { task },
            1 => Op::Close { event },
            2 => Op::Enable { event, scope },
            3 => Op::Disable { event, scope },
            4 => Op::Reset { event, scope },
            5 => Op::Read { event },
            6 => Op::Fork { parent: task, child: second.as_str().into(), kind: ForkKind::Thread },
            7 => Op::Dup { event, copy: second.as_str().into() },
            8 => Op::OnTrap { task, action: TrapAction::Unblock },
            9 => Op::Exit { task },
            10 => Op::Var { name: first.as_str().into() },
            _ => Op::Signals { task },
        }
    })
}

fn kernel_op() -> impl Strategy<Value = Op> {
    let enabled = prop_oneof![Just(Enabled::Yes), Just(Enabled::No)];
    prop_oneof![
        (name(), breakpoint(), enabled).prop_map(|(name, breakpoint, enabled)| Op::Register {
            name: name.as_str().into(),
            target: RegisterTarget::User(name.as_str().into()),
            breakpoint,
            enabled,
        }),
        (name(), breakpoint()).prop_map(|(name, breakpoint)| Op::ModifyRegistered {
            name: name.as_str().into(),
            breakpoint,
            enabled: Enabled::No,
        }),
        (name(), any::<i32>()).prop_map(|(name, priority)| Op::Notifier {
            name: name.as_str().into(),
            priority,
            verdict: NotifierVerdict::Stop,
        }),
        (name(), any::<u8>(), any::<u64>()).prop_map(|(task, number, value)| Op::Poke {
            task: task.as_str().into(),
            number,
            value,
        }),
        any::<u32>().prop_map(|cpu| Op::Guest { cpu: CpuId(cpu), step: GuestStep::EnterWithDebug }),
        any::<u32>().prop_map(|cpu| Op::TextPoke { cpu: CpuId(cpu), step: TextPokeStep::End }),
        (any::<u32>(), any::<u8>())
            .prop_map(|(cpu, number)| Op::DebugRegister { cpu: CpuId(cpu), number }),
        proptest::option::of(target()).prop_map(|target| Op::Explain { target }),
        name().prop_map(|name| Op::Log { name: name.as_str().into() }),
        prop::sample::select(vec![Op::Suspend, Op::Resume, Op::Kexec, Op::Used]),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        kernel_op(),
        open_op(),
        named_op(),
        (name(), access())
            .prop_map(|(task, access)| Op::Hit { task: task.as_str().into(), access }),
        (name(), any::<u32>())
            .prop_map(|(task, cpu)| Op::Run { task: task.as_str().into(), cpu: CpuId(cpu) }),
        (name(), breakpoint()).prop_map(|(event, breakpoint)| Op::Modify {
            event: event.as_str().into(),
            breakpoint,
            enabled: Enabled::No,
        }),
        (name(), any::<u64>())
            .prop_map(|(event, period)| Op::Period { event: event.as_str().into(), period }),
        any::<u32>().prop_map(|cpu| Op::CpuDown { cpu: CpuId(cpu) }),
        target().prop_map(|target| Op::Free { target }),
        Just(Op::Slots),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_printed_is_read_back(
        ops in prop::collection::vec(any_op(), 1..5),
        nr_cpus in 1..=64u32,
        above in proptest::option::of(any::<u64>()),
    ) {
        let mut config = StageConfig { nr_cpus, ..StageConfig::default() };
        if nr_cpus > 32 {
            config.generation = perf_core::Generation::V2_6_33;
            config.defects = perf_core::Defects::of(config.generation);
        }
        if nr_cpus <= 9 {
            config.defects = config.defects.without(perf_core::Defect::RefreshDeadEnd);
        }
        let expected = above.map(Expected::Above);
        let steps = ops.into_iter().map(|op| Step { line: 0, op, expected: expected.clone() });
        let written = Scenario { config, steps: steps.collect() };
        let text = print::scenario(&written);
        let mut read = scenario(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for step in &mut read.steps {
            step.line = 0;
        }
        prop_assert_eq!(read, written);
    }
}

#[test]
fn errors_have_their_place_and_reason() {
    for (text, want) in [
        ("opne a T0@* w4:x", "1:1: 'opne' is no operation"),
        ("task", "1:5: the line ends where a task's name is missing"),
        ("\n  run T0 at 0", "2:10: 'at' is no on"),
        ("open a T0 w4:x", "1:8: 'T0' is no target (T@*, T@CPU or C and a CPU's number)"),
        ("open a C0 q4:x", "1:11: 'q4:x' is no breakpoint (w4:x, rw8:x+8, x:f, bp7/3:x)"),
        ("open a C0 w4:x big", "1:16: 'big' is no option of an event"),
        ("open a C0 w4:x pinned pinned", "1:23: 'pinned' is given twice"),
        ("read a b", "1:8: 'b' does not belong here"),
        ("read a =", "1:9: the line ends where an answer is missing"),
        ("read a = >x", "1:10: '>x' is no number"),
        ("task 0T", "1:6: '0T' is no task's name"),
        ("task T0\ncpus 4", "2:1: 'cpus' comes before the first operation"),
        ("cpus 65", "1:6: '65' is no number of CPUs (1 to 64)"),
        ("defect none on", "1:8: 'none' is no defect"),
        (
            "hit T0 grab4 x",
            "1:8: 'grab4' is no access (store4, load4, inc4, exec, kstore4, kload4)",
        ),
    ] {
        assert_eq!(scenario(text).unwrap_err().to_string(), want, "{text:?}");
    }
}

#[test]
fn comments_and_answers() {
    let read =
        scenario("# all\ntask T0 # one\n  registers 0 = a w4:x,  -, -, -  # four\n").unwrap();
    let expected: Vec<_> = read.steps.iter().map(|step| (step.line, &step.expected)).collect();
    let registers = Some(Expected::Text("a w4:x, -, -, -".to_owned()));
    assert_eq!(expected, [(2, &None), (3, &registers)]);
}
