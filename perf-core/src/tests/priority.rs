//! Scheduling order: rules 3.2.3 to 3.2.5 on four registers.

use super::rig::{C0, Rig, T0, T1, bp};
use crate::attr::abi::AttrFlags;
use crate::{EventId, EventState, Scope, TaskId};

const PINNED: AttrFlags = AttrFlags::PINNED;
const FLEXIBLE: AttrFlags = AttrFlags(0);

fn open(rig: &mut Rig, task: Option<TaskId>, flags: AttrFlags) -> EventId {
    let cpu = if task.is_some() { -1 } else { 0 };
    rig.try_open(&bp().with(flags), task, cpu, None).unwrap()
}

/// With six candidates the four of highest priority are installed, whatever the order of
/// opening.
#[test]
fn classes_in_order() {
    let mut rig = Rig::new();
    let task_flexible = [0; 2].map(|_| open(&mut rig, Some(T0), FLEXIBLE));
    let cpu_flexible = [0; 2].map(|_| open(&mut rig, None, FLEXIBLE));
    assert_eq!(rig.pmu.bp.on(0), [task_flexible, cpu_flexible].concat());
    let task_pinned = open(&mut rig, Some(T0), PINNED);
    let expected = [task_flexible[0], cpu_flexible[0], cpu_flexible[1], task_pinned];
    assert_eq!(rig.pmu.bp.on(0), expected);
    let cpu_pinned = open(&mut rig, None, PINNED);
    let expected = [cpu_flexible[0], cpu_flexible[1], task_pinned, cpu_pinned];
    assert_eq!(rig.pmu.bp.on(0), expected);
}

/// A pinned event that finds no room goes to ERROR; flexible ones wait.
#[test]
fn no_room() {
    let mut rig = Rig::new();
    let pinned = [0; 5].map(|_| open(&mut rig, Some(T0), PINNED));
    let flexible = open(&mut rig, Some(T0), FLEXIBLE);
    let state = |e| rig.perf.event(e).unwrap().state();
    assert_eq!(state(pinned[4]), EventState::Error);
    assert_eq!(state(flexible), EventState::Inactive);
    assert_eq!(rig.pmu.bp.on(0), pinned[..4]);
}

/// Rule 3.2.4: an incoming task with pinned events pushes CPU flexible events aside.
#[test]
fn incoming_task_with_pinned_events() {
    let mut rig = Rig::new();
    let cpu_flexible = [0; 3].map(|_| open(&mut rig, None, FLEXIBLE));
    let pinned = [0; 2].map(|_| open(&mut rig, Some(T1), PINNED));
    assert_eq!(rig.pmu.bp.on(0), cpu_flexible);
    rig.run(C0, T1);
    assert_eq!(rig.pmu.bp.on(0), [cpu_flexible[0], cpu_flexible[1], pinned[0], pinned[1]]);
    rig.run(C0, T0);
    assert_eq!(rig.pmu.bp.on(0), cpu_flexible[..2], "what was pushed aside waits for a re-run");
    rig.disable(cpu_flexible[0], Scope::Event);
    rig.enable(cpu_flexible[0], Scope::Event);
    assert_eq!(rig.pmu.bp.on(0), cpu_flexible);
}

/// Disabling frees a register but re-runs nothing.
#[test]
fn disabling_does_not_rerun() {
    let mut rig = Rig::new();
    let events = [0; 5].map(|_| open(&mut rig, Some(T0), FLEXIBLE));
    rig.disable(events[0], Scope::Event);
    assert_eq!(rig.pmu.bp.on(0), events[1..4]);
    rig.context_switch();
    assert_eq!(rig.pmu.bp.on(0), events[1..]);
}
