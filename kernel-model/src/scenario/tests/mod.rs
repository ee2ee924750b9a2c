//! Tests of the stage itself: that operations reach the kernel and the hardware.

mod random;

use perf_core::{CpuId, Errno};

use super::op::{
    Access, AccessKind, Answer, BreakpointSpec, EventName, EventOption, ForkKind, Op, OpenOp,
    OpenTarget, Place, SignalSeen, TaskName,
};
use super::{ScenarioError, Stage, StageConfig};

fn stage() -> Stage {
    let mut stage = Stage::new(StageConfig::default()).unwrap();
    for name in ["x", "y"] {
        stage.apply(&Op::Var { name: name.into() }).unwrap();
    }
    stage.apply(&Op::Code { name: "f".into() }).unwrap();
    for task in ["T0", "T1"] {
        stage.apply(&Op::Task { task: task.into() }).unwrap();
    }
    stage
}

fn any(task: &str) -> OpenTarget {
    OpenTarget::Task(task.into())
}

fn open(stage: &mut Stage, event: &str, target: OpenTarget, spec: BreakpointSpec) -> Answer {
    stage.apply(&Op::Open(OpenOp::breakpoint(event, target, spec))).unwrap()
}

fn run(stage: &mut Stage, task: &str, cpu: u32) {
    let answer = stage.apply(&Op::Run { task: task.into(), cpu: CpuId(cpu) }).unwrap();
    assert_eq!(answer, Answer::Ok);
}

fn hit(stage: &mut Stage, task: &str, kind: AccessKind, place: Place) -> Answer {
    stage.apply(&Op::Hit { task: task.into(), access: Access { kind, place } }).unwrap()
}

fn read(stage: &mut Stage, event: &str) -> Answer {
    stage.apply(&Op::Read { event: event.into() }).unwrap()
}

fn write4(symbol: &str) -> BreakpointSpec {
    BreakpointSpec::write(4, Place::at(symbol, 0))
}

#[test]
fn a_store_is_counted_by_the_hardware() {
    let mut stage = stage();
    assert_eq!(open(&mut stage, "a", any("T0"), write4("x")), Answer::Ok);
    run(&mut stage, "T0", 0);
    for (kind, offset, hits) in [
        (AccessKind::Store(4), 0, 1),
        (AccessKind::Load(4), 0, 0),
        (AccessKind::Store(1), 3, 1),
        (AccessKind::Store(1), 4, 0),
        (AccessKind::Increment(2), 2, 1),
        (AccessKind::Store(16), 0, 1),
    ] {
        let got = hit(&mut stage, "T0", kind, Place::at("x", offset));
        assert_eq!(got, Answer::Count(hits), "{kind:?} at {offset}");
    }
    assert_eq!(read(&mut stage, "a"), Answer::Count(4));
    let view = stage.registers_view(CpuId(0));
    assert!(view.is_shadow_equal);
    let holder = view.slots[0].as_ref().unwrap();
    assert_eq!((holder.owner.as_str(), holder.len), ("a", 4));
    assert_eq!(stage.registers_view(CpuId(1)).slots, [None, None, None, None]);
}

#[test]
fn execution_and_kernel_accesses() {
    let mut stage = stage();
    let exec = BreakpointSpec::execute(Place::at("f", 0));
    assert_eq!(open(&mut stage, "e", any("T0"), exec), Answer::Ok);
    assert_eq!(open(&mut stage, "k", any("T0"), write4("x")), Answer::Ok);
    run(&mut stage, "T0", 1);
    assert_eq!(hit(&mut stage, "T0", AccessKind::Exec, Place::at("f", 0)), Answer::Count(1));
    let kernel_store = hit(&mut stage, "T0", AccessKind::KernelStore(4), Place::at("x", 0));
    assert_eq!(kernel_store, Answer::Count(4));
    let kernel_load = hit(&mut stage, "T0", AccessKind::KernelLoad(4), Place::at("x", 0));
    assert_eq!(kernel_load, Answer::Count(0));
}

/// Rules 2.1.1 to 2.1.4, example X1.
#[test]
fn slots_are_the_kernels() {
    let mut stage = stage();
    let place = || write4("x");
    for event in ["a", "b", "c", "d"] {
        assert_eq!(open(&mut stage, event, OpenTarget::Cpu(CpuId(0)), place()), Answer::Ok);
    }
    let refused = Answer::Errno(Errno::ENOSPC);
    assert_eq!(open(&mut stage, "e", OpenTarget::Cpu(CpuId(0)), place()), refused);
    assert_eq!(open(&mut stage, "e", any("T0"), place()), refused);
    assert_eq!(open(&mut stage, "e", OpenTarget::Cpu(CpuId(1)), place()), Answer::Ok);
    assert_eq!(stage.apply(&Op::Close { event: "a".into() }).unwrap(), Answer::Ok);
    let free = stage.apply(&Op::Free { target: any("T0") }).unwrap();
    assert_eq!(free, Answer::Count(1));
    assert_eq!(stage.apply(&Op::Slots).unwrap(), Answer::Count(4));
}

/// Rules 3.6.1, 3.6.3, 2.5.4.
#[test]
fn fork_exec_exit() {
    let mut stage = stage();
    let mut inherit = OpenOp::breakpoint("a", any("T0"), write4("x"));
    inherit.options.push(EventOption::Inherit);
    assert_eq!(stage.apply(&Op::Open(inherit)).unwrap(), Answer::Ok);
    let fork = |parent: &str, child: &str| Op::Fork {
        parent: parent.into(),
        child: child.into(),
        kind: ForkKind::Process,
    };
    assert_eq!(stage.apply(&fork("T0", "kid")).unwrap(), Answer::Ok);
    run(&mut stage, "kid", 1);
    let store = hit(&mut stage, "kid", AccessKind::Store(4), Place::at("x", 0));
    assert_eq!(store, Answer::Count(1));
    assert_eq!(stage.registers_view(CpuId(1)).slots[0].as_ref().unwrap().owner, "a/kid");
    assert_eq!(stage.apply(&Op::Slots).unwrap(), Answer::Count(2));
    let kid = TaskName::from("kid");
    assert_eq!(stage.apply(&Op::Exec { task: kid.clone() }).unwrap(), Answer::Ok);
    assert_eq!(stage.apply(&Op::Exit { task: kid.clone() }).unwrap(), Answer::Ok);
    assert_eq!(stage.apply(&Op::Slots).unwrap(), Answer::Count(1));
    assert_eq!(read(&mut stage, "a"), Answer::Count(1));
    assert_eq!(stage.apply(&Op::Reap { task: kid.clone() }).unwrap(), Answer::Ok);
    let late = open(&mut stage, "b", OpenTarget::Task(kid.clone()), write4("x"));
    assert_eq!(late, Answer::Errno(Errno::ESRCH));
    let gone = stage.apply(&Op::Run { task: kid.clone(), cpu: CpuId(0) });
    assert_eq!(gone, Err(ScenarioError::TaskEnded(kid)));
}

/// Rules 3.8.2, 3.8.3.
#[test]
fn sigtrap_reaches_the_handler() {
    let mut stage = stage();
    let mut open = OpenOp::breakpoint("a", any("T0"), write4("x"));
    open.options = vec![
        EventOption::Sigtrap,
        EventOption::RemoveOnExec,
        EventOption::Period(1),
        EventOption::SigData(7),
    ];
    assert_eq!(stage.apply(&Op::Open(open)).unwrap(), Answer::Ok);
    run(&mut stage, "T0", 0);
    hit(&mut stage, "T0", AccessKind::Store(1), Place::at("x", 1));
    let seen = stage.apply(&Op::Signals { task: "T0".into() }).unwrap();
    let addr = super::symbols::DATA;
    let want = SignalSeen { code: 6, addr, sig_data: 7, flags: 0 };
    assert_eq!(seen, Answer::Signals(vec![want]));
}

#[test]
fn what_a_scenario_cannot_say() {
    let mut stage = stage();
    let store = Access { kind: AccessKind::Store(4), place: Place::at("x", 0) };
    let hit = |access: Access| Op::Hit { task: "T0".into(), access };
    let not_running = ScenarioError::NotRunning("T0".into());
    assert_eq!(stage.apply(&hit(store)), Err(not_running));
    run(&mut stage, "T0", 0);
    let no_symbol = Access { kind: AccessKind::Store(4), place: Place::at("nowhere", 0) };
    let unknown = ScenarioError::NoSuchSymbol("nowhere".into());
    assert_eq!(stage.apply(&hit(no_symbol)), Err(unknown));
    let no_event = EventName::from("none");
    let read = stage.apply(&Op::Read { event: no_event.clone() });
    assert_eq!(read, Err(ScenarioError::NoSuchEvent(no_event)));
    let no_cpu = stage.apply(&Op::Idle { cpu: CpuId(9) });
    assert_eq!(no_cpu, Err(ScenarioError::NoSuchCpu(CpuId(9))));
}
