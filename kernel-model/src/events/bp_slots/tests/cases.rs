//! Single rules of sections 2.1 and 2.3, and what a refused user is shown.

use perf_core::{CpuId, Errno, EventId, Target, TaskId};

use super::{any_cpu, bound, event, wide};
use crate::events::bp_slots::{
    BpSlots, BpTypeIdx, ConstraintLocks, DbgSlotError, HolderNames, RegisterPools, SlotError,
    SlotReport,
};

const W: u32 = 2;
const RW: u32 = 3;
const X: u32 = 4;

fn x86(nr_cpus: u32) -> BpSlots {
    BpSlots::new(RegisterPools::X86, nr_cpus)
}

/// Events numbered from `first`, all admitted.
fn open(slots: &mut BpSlots, first: usize, targets: &[Target]) {
    for (number, target) in targets.iter().enumerate() {
        slots.reserve_bp_slot(event(first + number), *target, W).unwrap();
    }
}

fn refused(slots: &mut BpSlots, target: Target) -> SlotReport {
    match slots.reserve_bp_slot(event(99_999), target, W) {
        Err(SlotError::NoSpace(refusal)) => slots.report(refusal),
        other => panic!("{target:?}: {other:?}"),
    }
}

/// Rule 1.2 step 12: only 0 and 7 are refused here; 1, 5, 6, 8 count as what their bits say.
#[test]
fn types_refused_before_room_is_looked_at() {
    let mut slots = x86(1);
    open(&mut slots, 0, &[wide(0); 4]);
    for bp_type in [0, 7] {
        let error = slots.reserve_bp_slot(event(9), wide(0), bp_type).unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL, "type {bp_type}");
    }
    for bp_type in [1, 2, 3, 4, 5, 6, 8, u32::MAX] {
        let error = slots.reserve_bp_slot(event(9), wide(0), bp_type).unwrap_err();
        assert_eq!(error.errno(), Errno::ENOSPC, "type {bp_type}");
    }
    for (bp_type, idx) in
        [(1, BpTypeIdx::Data), (W, BpTypeIdx::Data), (X, BpTypeIdx::Inst), (8, BpTypeIdx::Inst)]
    {
        assert_eq!(BpTypeIdx::find_slot_idx(bp_type), Ok(idx));
    }
}

/// Section 2.1: on x86 data and execution share; W to X with full slots succeeds.
#[test]
fn one_pool_on_x86_two_elsewhere() {
    let mut slots = x86(1);
    open(&mut slots, 0, &[any_cpu(0); 4]);
    assert_eq!(slots.reserve_bp_slot(event(4), any_cpu(0), X).unwrap_err().errno(), Errno::ENOSPC);
    assert_eq!(slots.modify_bp_slot(event(0), X), Ok(()));

    let mut slots = BpSlots::new(RegisterPools::Separate { data: 4, inst: 1 }, 1);
    open(&mut slots, 0, &[any_cpu(0); 4]);
    assert_eq!(slots.reserve_bp_slot(event(4), any_cpu(0), X), Ok(()));
    let before = slots.clone();
    assert_eq!(slots.modify_bp_slot(event(0), X).unwrap_err().errno(), Errno::ENOSPC);
    assert_eq!(slots, before);
    assert_eq!(slots.modify_bp_slot(event(0), RW), Ok(()));
    slots.release_bp_slot(event(4));
    assert_eq!(slots.modify_bp_slot(event(0), X), Ok(()));
    open(&mut slots, 5, &[any_cpu(0)]);
}

#[test]
fn callers_mistakes_and_failed_setup_are_told_by_name() {
    let mut slots = x86(2);
    open(&mut slots, 0, &[any_cpu(0)]);
    let before = slots.clone();
    let held = SlotError::Held { event: event(0) };
    assert_eq!(slots.reserve_bp_slot(event(0), any_cpu(1), W), Err(held));
    let no_cpu = SlotError::NoSuchCpu { cpu: CpuId(2) };
    assert_eq!(slots.reserve_bp_slot(event(1), wide(2), W), Err(no_cpu));
    assert_eq!(slots.reserve_bp_slot(event(1), bound(0, 2), W), Err(no_cpu));
    assert_eq!(slots.modify_bp_slot(event(1), W), Err(SlotError::NotHeld { event: event(1) }));
    assert_eq!(slots.release_bp_slot(event(1)), None);
    assert_eq!(slots, before);
    // Rule 2.3.9.
    let mut slots = BpSlots::setup_failed(RegisterPools::X86, 2);
    assert_eq!(slots.reserve_bp_slot(event(0), wide(0), W).unwrap_err().errno(), Errno::ENOMEM);
}

/// Rules 2.3.7 and 2.3.8: what keeps a debugger out.
#[test]
fn debugger_variants_never_wait() {
    use ConstraintLocks::{Cpu, Free, Task};
    let cases = [
        (Free, wide(0), true),
        (Free, any_cpu(0), true),
        (Cpu, wide(0), false),
        (Cpu, any_cpu(0), false),
        (Task(TaskId(1)), wide(0), false),
        (Task(TaskId(1)), any_cpu(0), true),
        (Task(TaskId(0)), any_cpu(0), false),
    ];
    for (locks, target, allowed) in cases {
        let mut slots = x86(1);
        slots.set_locks(locks);
        let before = slots.clone();
        let result = slots.dbg_reserve_bp_slot(event(0), target, W);
        if allowed {
            assert_eq!(result, Ok(()), "{locks:?} {target:?}");
            assert_eq!(slots.dbg_release_bp_slot(event(0)), Ok(()));
            assert_eq!(slots, before);
        } else {
            assert_eq!(result, Err(DbgSlotError::Locked), "{locks:?} {target:?}");
            assert_eq!(slots, before);
            slots.set_locks(Free);
            slots.dbg_reserve_bp_slot(event(0), target, W).unwrap();
            slots.set_locks(locks);
            assert_eq!(slots.dbg_release_bp_slot(event(0)), Err(DbgSlotError::Locked));
        }
        assert!(ConstraintLocks::taken_for(target).excludes(target));
    }
    let mut slots = x86(1);
    open(&mut slots, 0, &[wide(0); 4]);
    let full = slots.dbg_reserve_bp_slot(event(4), wide(0), W);
    assert!(matches!(full, Err(DbgSlotError::Refused(SlotError::NoSpace(_)))));
}

/// Many tasks in the way of nothing: a task's event looks at its own task only (property P5),
/// and a CPU-wide one finds the fullest of them.
#[test]
fn many_tasks() {
    let mut slots = x86(2);
    for task in 0..10_000 {
        open(&mut slots, task as usize * 3, &[any_cpu(task), any_cpu(task), bound(task, 1)]);
    }
    open(&mut slots, 30_000, &[any_cpu(7), any_cpu(20_000), wide(0)]);
    let report = refused(&mut slots, wide(1));
    assert_eq!(report.tasks[0].task, TaskId(7));
    assert_eq!(report.cpus[0].taken, 4);
}

#[test]
fn report_for_a_task() {
    let mut slots = x86(2);
    open(&mut slots, 0, &[any_cpu(3), any_cpu(3), bound(3, 1), wide(1), any_cpu(4)]);
    let report = refused(&mut slots, any_cpu(3));
    assert_eq!(
        report.to_string(),
        "no breakpoint slot for task3 on any CPU: cpu1 would need 5, has 4
            cpu0            cpu1
  CPU-wide  -               event3
  task3     event0, event1  event0, event1, event2
  taken     2 of 4          4 of 4"
    );
    assert_eq!(report.tasks.len(), 1);
    assert_eq!(report.cpus[1].wide, [event(3)]);
}

struct Names;

impl HolderNames for Names {
    fn task(&self, task: TaskId) -> String {
        format!("prog ({})", 1000 + task.0)
    }
    fn event(&self, event: EventId) -> String {
        format!("w{}", event.0)
    }
}

#[test]
fn report_for_a_cpu_with_names() {
    let mut slots = x86(2);
    open(&mut slots, 0, &[bound(1, 0), any_cpu(2), any_cpu(2), any_cpu(2), wide(0), bound(5, 1)]);
    let report = refused(&mut slots, wide(0)).with_names(&Names);
    assert_eq!(
        report.to_string(),
        "no breakpoint slot for everything on cpu0: cpu0 would need 5, has 4
               cpu0
  CPU-wide     w4
  prog (1002)  w1, w2, w3
  prog (1001)  w0
  taken        4 of 4"
    );
}

#[test]
fn long_reports_are_cut() {
    let mut slots = x86(1);
    (0..20).for_each(|task| open(&mut slots, task * 4, &[any_cpu(task as u32); 4]));
    let text = refused(&mut slots, wide(0)).to_string();
    assert!(text.ends_with("and 4 more tasks"), "{text}");
    assert_eq!(text.lines().count(), 1 + 2 + 16 + 1 + 1);
}
