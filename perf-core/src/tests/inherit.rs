//! Inheritance: rule 3.6.

use super::rig::{C0, C1, Rig, T0, T1, bp, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_READ, PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_TID};
use crate::{
    CloneFlags, Errno, EventId, EventState, MmapAccess, PerfEventAttr, PollEvents, Scope, TaskId,
};

const T2: TaskId = TaskId(2);

fn fork(rig: &mut Rig, parent: TaskId, child: TaskId) {
    rig.perf.fork(&mut rig.pmu, rig.now, parent, child, CloneFlags::default()).unwrap();
}

fn exit(rig: &mut Rig, task: TaskId) -> crate::Detached {
    rig.perf.exit_task(&mut rig.pmu, rig.now, task)
}

fn children(rig: &Rig, event: EventId) -> Vec<EventId> {
    rig.perf.event(event).unwrap().children().to_vec()
}

/// Rule 3.6.3: own + live copies + dead copies; RESET keeps the dead ones' part.
#[test]
fn counts_add_up() {
    let mut rig = Rig::new();
    let event = rig.open(&PerfEventAttr { read_format: 3, ..bp().with(AttrFlags::INHERIT) });
    fork(&mut rig, T0, T1);
    let copy = children(&rig, event)[0];
    rig.run(C1, T1);
    rig.now += 100;
    rig.hits(event, 2);
    rig.hits(copy, 5);
    assert_eq!(rig.read(event), Ok(vec![7, 200, 200]));
    let detached = exit(&mut rig, T1);
    assert_eq!(detached.wake, [event]);
    assert!(rig.perf.event(copy).is_none());
    assert_eq!(rig.read(event), Ok(vec![7, 200, 200]));
    rig.perf.reset(&mut rig.pmu, rig.now, event, Scope::Event);
    assert_eq!(rig.count(event), 5, "child does 5 hits, exits, RESET: reads 5");
}

/// RESET reaches live copies.
#[test]
fn reset_zeroes_live_copies() {
    let mut rig = Rig::new();
    let event = rig.open(&bp().with(AttrFlags::INHERIT));
    fork(&mut rig, T0, T1);
    let copy = children(&rig, event)[0];
    rig.run(C1, T1);
    rig.hits(copy, 5);
    rig.perf.reset(&mut rig.pmu, rig.now, event, Scope::Event);
    assert_eq!(rig.count(event), 0);
}

/// Copies of copies link to the root, and ENABLE/DISABLE reach them all.
#[test]
fn grandchildren() {
    let mut rig = Rig::new();
    let event = rig.open(&bp().with(AttrFlags::INHERIT));
    fork(&mut rig, T0, T1);
    fork(&mut rig, T1, T2);
    let copies = children(&rig, event);
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|c| rig.perf.event(*c).unwrap().parent() == Some(event)));
    rig.disable(event, Scope::Event);
    assert!(copies.iter().all(|c| rig.perf.event(*c).unwrap().state() == EventState::Off));
    rig.enable(event, Scope::Event);
    rig.run(C1, T2);
    rig.hits(copies[1], 1);
    assert_eq!(rig.count(event), 1);
}

/// Rule 3.6.1: inherit_thread and CLONE_CLEAR_SIGHAND.
#[test]
fn who_inherits() {
    let sigtrap = AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC;
    let thread = CloneFlags(CloneFlags::THREAD);
    let clear = CloneFlags(CloneFlags::CLEAR_SIGHAND);
    let plain = CloneFlags::default();
    for (flags, clone, inherits) in [
        (AttrFlags(0), plain, false),
        (AttrFlags::INHERIT, plain, true),
        (AttrFlags::INHERIT, clear, true),
        (AttrFlags::INHERIT | AttrFlags::INHERIT_THREAD, plain, false),
        (AttrFlags::INHERIT | AttrFlags::INHERIT_THREAD, thread, true),
        (AttrFlags::INHERIT | sigtrap, plain, true),
        (AttrFlags::INHERIT | sigtrap, clear, false),
    ] {
        let mut rig = Rig::new();
        let event = rig.open(&bp().with(flags));
        rig.perf.fork(&mut rig.pmu, rig.now, T0, T1, clone).unwrap();
        assert_eq!(!children(&rig, event).is_empty(), inherits, "{flags:?} {clone:?}");
    }
}

/// Rule 3.1.1: the copy's state follows the parent event's state, not attr.disabled.
#[test]
fn state_of_a_copy() {
    let mut rig = Rig::new();
    let off = rig.open(&bp().with(AttrFlags::INHERIT | AttrFlags::DISABLED));
    let on = rig.open(&bp().with(AttrFlags::INHERIT | AttrFlags::DISABLED));
    rig.enable(on, Scope::Event);
    fork(&mut rig, T0, T1);
    let state = |e| rig.perf.event(children(&rig, e)[0]).unwrap().state();
    assert_eq!((state(off), state(on)), (EventState::Off, EventState::Inactive));
}

/// Rule 3.6.2: a failing copy fails the fork with its error and leaves nothing behind.
#[test]
fn failing_copy_fails_the_fork() {
    let mut rig = Rig::new();
    let event = rig.open(&bp().with(AttrFlags::INHERIT));
    rig.pmu.bp.refuse = Some(Errno::EPERM);
    let refused = rig.perf.fork(&mut rig.pmu, rig.now, T0, T1, CloneFlags::default());
    assert_eq!(refused, Err(Errno::EPERM));
    assert!(children(&rig, event).is_empty());
    assert_eq!(rig.pmu.bp.live.len(), 1);
}

/// Rules 3.6.5, 2.5.4: closing the root kills all copies and frees their slots.
#[test]
fn closing_the_root() {
    let mut rig = Rig::new();
    let event = rig.open(&bp().with(AttrFlags::INHERIT));
    fork(&mut rig, T0, T1);
    rig.run(C1, T1);
    assert_eq!(rig.pmu.bp.on(1).len(), 1);
    rig.close(event);
    assert!(rig.pmu.bp.on(1).is_empty() && rig.pmu.bp.live.is_empty());
}

/// Rule 3.6.7: group reads sum over copies; another group shape gives ECHILD.
#[test]
fn group_reads() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 8, ..bp().with(AttrFlags::INHERIT) };
    let leader = rig.open(&attr);
    let sibling = rig.join(leader, &attr);
    fork(&mut rig, T0, T1);
    let copies = [children(&rig, leader)[0], children(&rig, sibling)[0]];
    assert_eq!(rig.perf.event(copies[0]).unwrap().siblings(), [copies[1]]);
    rig.run(C1, T1);
    rig.hit_each(&[leader, sibling, copies[0], copies[1]]);
    rig.hits(copies[1], 3);
    assert_eq!(rig.read(sibling), Ok(vec![2, 2, 5]));
    rig.join(leader, &attr);
    assert_eq!(rig.read(leader), Err(Errno::ECHILD));
    let _pollers = exit(&mut rig, T1);
    assert_eq!(rig.read(leader), Ok(vec![3, 2, 5, 0]));
}

/// A group that lost a member before the fork has the shape of its copies all the same.
#[test]
fn group_reads_after_a_member_left() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 8, ..bp().with(AttrFlags::INHERIT) };
    let leader = rig.open(&attr);
    rig.join(leader, &attr);
    let gone = rig.join(leader, &attr);
    rig.close(gone);
    fork(&mut rig, T0, T1);
    assert_eq!(rig.read(leader), Ok(vec![2, 0, 0]));
}

/// Rule 3.6.4: copies write into the root's buffer, with the root's id and their own stream id.
#[test]
fn records_of_copies() {
    let mut rig = Rig::new();
    let attr = sampling(1, PERF_SAMPLE_STREAM_ID | crate::attr::abi::PERF_SAMPLE_ID);
    let event = rig.try_open(&attr.with(AttrFlags::INHERIT), Some(T0), 0, None).unwrap();
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    fork(&mut rig, T0, T1);
    let copy = children(&rig, event)[0];
    rig.run(C0, T1);
    let out = rig.hit(copy);
    assert_eq!((out.event, out.root), (copy, event));
    let id = |e: EventId| rig.perf.event(e).unwrap().id();
    let expected = [id(event), id(copy)];
    assert_eq!(rig.drain(buffer)[0].words, expected);
}

/// With inherit, PERF_SAMPLE_READ needs PERF_SAMPLE_TID (rule 1.2 step 10) and gives the
/// thread's own value.
#[test]
fn sample_read_is_per_thread() {
    let mut rig = Rig::new();
    let refused = sampling(1, PERF_SAMPLE_READ).with(AttrFlags::INHERIT);
    assert_eq!(rig.try_open(&refused, Some(T0), 0, None), Err(Errno::EINVAL));
    let attr = sampling(1, PERF_SAMPLE_READ | PERF_SAMPLE_TID).with(AttrFlags::INHERIT);
    let event = rig.try_open(&attr, Some(T0), 0, None).unwrap();
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    rig.hits(event, 3);
    rig.drain(buffer);
    fork(&mut rig, T0, T1);
    let copy = children(&rig, event)[0];
    rig.run(C0, T1);
    rig.hits(copy, 1);
    assert_eq!(rig.drain(buffer)[0].words[1], 1);
    assert_eq!(rig.count(event), 4);
}

/// Rule 3.9.3: a dead root with live copies does not hang up.
#[test]
fn poll_with_live_copies() {
    let mut rig = Rig::new();
    let event = rig.try_open(&bp().with(AttrFlags::INHERIT), Some(T0), 0, None).unwrap();
    rig.map(event, 1, MmapAccess::Writable);
    fork(&mut rig, T0, T1);
    let _pollers = exit(&mut rig, T0);
    assert_eq!(rig.perf.poll(event), PollEvents::NONE);
    assert_eq!(exit(&mut rig, T1).wake, [event]);
    assert_eq!(rig.perf.poll(event), PollEvents::HUP);
}

/// A copy is enabled on the CPU its task runs on, and times stop with the task.
#[test]
fn times_of_copies() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 3, ..bp().with(AttrFlags::INHERIT) };
    let event = rig.open(&attr);
    rig.now += 10;
    fork(&mut rig, T0, T1);
    rig.now += 10;
    assert_eq!(rig.times(event), (20, 20));
    rig.run(C1, T1);
    rig.now += 5;
    assert_eq!(rig.times(event), (30, 30));
    rig.stop(C1);
    rig.now += 5;
    assert_eq!(rig.times(event), (35, 35));
}
