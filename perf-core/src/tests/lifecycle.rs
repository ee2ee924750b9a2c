//! Opening, exec, exit, closing, hotplug: rules 1.2, 2.5, 3.12.

use super::rig::{C0, C1, Rig, T0, T1, bp, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_CALLCHAIN, PERF_TYPE_TRACEPOINT};
use crate::{Errno, EventState, HandlerId, OpenRequest, PerfEventAttr, PollEvents, Scope, Target};

/// Rule 1.2, steps 8 to 18 as far as they are generic.
#[test]
fn refused_opens() {
    let mut rig = Rig::new();
    let sigtrap = bp().with(AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC);
    let clock = |id| PerfEventAttr { clockid: id, ..bp().with(AttrFlags::USE_CLOCKID) };
    let deep = PerfEventAttr { sample_max_stack: 128, ..sampling(1, PERF_SAMPLE_CALLCHAIN) };
    let tracepoint = PerfEventAttr { attr_type: PERF_TYPE_TRACEPOINT, ..bp() };
    let cases = [
        (bp(), None, -1, Errno::EINVAL, "cpu -1 with pid -1"),
        (bp(), Some(T0), 2, Errno::EINVAL, "cpu out of range"),
        (bp(), Some(T0), -2, Errno::EINVAL, "cpu below -1"),
        (sigtrap, None, 0, Errno::EINVAL, "sigtrap without task"),
        (PerfEventAttr { bp_len: 3, ..bp() }, Some(T0), -1, Errno::EINVAL, "the PMU refuses"),
        (tracepoint, Some(T0), -1, Errno::ENOENT, "no such PMU"),
        (PerfEventAttr::software(12), Some(T0), -1, Errno::ENOENT, "no such software event"),
        (bp().with(AttrFlags::AUX_OUTPUT), Some(T0), -1, Errno::EOPNOTSUPP, "aux_output"),
        (PerfEventAttr { aux_action: 1, ..bp() }, Some(T0), -1, Errno::EOPNOTSUPP, "aux_action"),
        (deep, Some(T0), -1, Errno::EOVERFLOW, "call chain too deep"),
        (clock(0), Some(T0), -1, Errno::EINVAL, "CLOCK_REALTIME is not NMI safe"),
        (clock(99), Some(T0), -1, Errno::EINVAL, "bad clockid"),
    ];
    for (attr, task, cpu, errno, what) in cases {
        assert_eq!(rig.try_open(&attr, task, cpu, None), Err(errno), "{what}");
    }
    assert!(rig.pmu.bp.live.is_empty(), "every refusal gave its slot back (rule 1.2.2)");
    assert_eq!(rig.perf.events().count(), 0);
}

/// Steps 19 to 21 refuse between alloc and install: the slot is given back.
#[test]
fn abandoned_open() {
    let mut rig = Rig::new();
    let request =
        OpenRequest { attr: bp(), task: Some(T0), cpu: -1, group_leader: None, owner: T0 };
    let event = rig.perf.event_alloc(&mut rig.pmu, &request).unwrap();
    assert_eq!(rig.pmu.bp.live.len(), 1);
    rig.perf.event_free(&mut rig.pmu, event);
    assert!(rig.pmu.bp.live.is_empty() && rig.pmu.bp.on(0).is_empty());
}

/// Step 23: the sixteen KiB a sample may have are used up by large groups.
#[test]
fn group_too_large_to_sample() {
    let mut rig = Rig::new();
    let dummy = PerfEventAttr { read_format: 0x1f, ..PerfEventAttr::software(9) };
    let leader = rig.open(&dummy);
    let refused = (0..1_000).find_map(|n| {
        rig.try_open(&dummy, Some(T0), -1, Some(leader)).err().map(|errno| (n, errno))
    });
    let (members, errno) = refused.expect("a limit exists");
    assert_eq!(errno, Errno::E2BIG);
    assert_eq!(members, 680, "3 words a member, 3 before them, 8 bytes header: 16384 bytes");
}

/// Rules 2.5.3, 3.12.3: the target's exit leaves the event to its descriptor.
#[test]
fn target_exits() {
    let mut rig = Rig::new();
    let event = rig.open(&PerfEventAttr { read_format: 3, ..bp() });
    rig.hits(event, 3);
    rig.now += 40;
    let detached = rig.perf.exit_task(&mut rig.pmu, rig.now, T0);
    assert_eq!(detached.wake, [event]);
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Exit);
    assert_eq!(rig.perf.poll(event), PollEvents::HUP);
    assert_eq!(rig.pmu.bp.live.len(), 1, "the slot stays charged (K8)");
    rig.now += 1_000;
    rig.enable(event, Scope::Event);
    assert!(rig.perf.tasks.is_empty(), "the context went with its task");
    assert_eq!(rig.read(event), Ok(vec![3, 40, 40]));
    assert!(rig.pmu.bp.on(0).is_empty());
    rig.close(event);
    assert!(rig.pmu.bp.live.is_empty());
}

/// ENABLE and MODIFY on a dead event's descriptor return 0.
#[test]
fn modify_after_exit() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    let _pollers = rig.perf.exit_task(&mut rig.pmu, rig.now, T0);
    let result = rig.perf.modify_attributes(&mut rig.pmu, rig.now, event, &bp());
    assert_eq!(result, Ok(()));
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Exit);
}

/// Rule 3.12.1: enable_on_exec is one shot; "before: ena=0 after exec: run==ena".
#[test]
fn enable_on_exec() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 3, ..bp() };
    let event = rig.open(&attr.with(AttrFlags::DISABLED | AttrFlags::ENABLE_ON_EXEC));
    rig.now += 10;
    assert_eq!(rig.times(event), (0, 0));
    let _pollers = rig.perf.exec(&mut rig.pmu, rig.now, T0);
    rig.now += 10;
    assert_eq!(rig.times(event), (10, 10));
    assert_eq!(rig.hit_each(&[event]), [1]);
    rig.disable(event, Scope::Event);
    let _pollers = rig.perf.exec(&mut rig.pmu, rig.now, T0);
    assert_eq!(rig.hit_each(&[event]), [1]);
}

/// Rule 2.5.5: remove_on_exec detaches; an event with a descriptor keeps its slot, a copy frees
/// its own.
#[test]
fn remove_on_exec() {
    let mut rig = Rig::new();
    let stays = rig.open(&bp());
    let goes = rig.open(&bp().with(AttrFlags::REMOVE_ON_EXEC | AttrFlags::INHERIT));
    rig.perf.fork(&mut rig.pmu, rig.now, T0, T1, Default::default()).unwrap();
    assert_eq!(rig.pmu.bp.live.len(), 3);
    let detached = rig.perf.exec(&mut rig.pmu, rig.now, T1);
    assert_eq!((detached.wake, rig.pmu.bp.live.len()), (vec![goes], 2));
    let detached = rig.perf.exec(&mut rig.pmu, rig.now, T0);
    assert_eq!((detached.wake, rig.pmu.bp.live.len()), (vec![goes], 2));
    assert_eq!(rig.pmu.bp.on(0), [stays]);
    assert_eq!(rig.perf.poll(goes), PollEvents::HUP);
}

/// A removed leader's siblings go on by themselves, as the running kernel (6.18) has it.
#[test]
fn remove_on_exec_of_a_leader() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp().with(AttrFlags::REMOVE_ON_EXEC));
    let sibling = rig.join(leader, &bp());
    let _pollers = rig.perf.exec(&mut rig.pmu, rig.now, T0);
    assert_eq!(rig.pmu.bp.on(0), [sibling]);
    rig.context_switch();
    assert_eq!(rig.pmu.bp.on(0), [sibling]);
    assert_eq!(rig.hit_each(&[leader, sibling]), [0, 1]);
    rig.close(leader);
    assert_eq!(rig.hit_each(&[sibling]), [2]);
}

/// Rule 2.5.6: everything is detached, and the task can be watched anew.
#[test]
fn exec_of_a_non_dumpable_image() {
    let mut rig = Rig::new();
    let old = rig.open(&bp());
    let _pollers = rig.perf.exit_task(&mut rig.pmu, rig.now, T0);
    let new = rig.open(&bp());
    assert_eq!(rig.pmu.bp.on(0), [new]);
    rig.context_switch();
    assert_eq!(rig.hit_each(&[old, new]), [0, 1]);
}

/// The opener's exit leaves its events on others running, without owner.
#[test]
fn opener_exits() {
    let mut rig = Rig::new();
    let event = rig.try_open(&bp(), Some(T1), -1, None).unwrap();
    assert_eq!(rig.perf.event(event).unwrap().owner(), Some(T0));
    let _pollers = rig.perf.exit_task(&mut rig.pmu, rig.now, T0);
    assert_eq!(rig.perf.event(event).unwrap().owner(), None);
    rig.perf.task_events_disable(&mut rig.pmu, rig.now, T0);
    rig.run(C0, T1);
    assert_eq!(rig.hit_each(&[event]), [1]);
}

/// Kernel counters: the handler instead of a record, no owner.
#[test]
fn kernel_counter() {
    let mut rig = Rig::new();
    let attr = sampling(1, 0).with(AttrFlags::PINNED);
    let handler = Some(HandlerId(7));
    let target = Target::Task(T0, None);
    let event =
        rig.perf.create_kernel_counter(&mut rig.pmu, rig.now, &attr, target, handler).unwrap();
    assert_eq!(rig.hit(event).handler, handler);
    assert_eq!(rig.perf.event(event).unwrap().owner(), None);
    rig.close(event);
    assert!(rig.pmu.bp.live.is_empty());
}

/// Step 23 and rule 6.5.1.
#[test]
fn cpu_hotplug() {
    let mut rig = Rig::new();
    let event = rig.try_open(&bp(), None, 1, None).unwrap();
    assert_eq!(rig.pmu.bp.on(1), [event]);
    rig.perf.cpu_offline(&mut rig.pmu, rig.now, C1);
    assert!(rig.pmu.bp.on(1).is_empty() && !rig.perf.is_cpu_online(C1));
    assert_eq!(rig.try_open(&bp(), None, 1, None), Err(Errno::ENODEV));
    assert_eq!(rig.pmu.bp.live.len(), 1, "refused after the slot was taken, and given back");
    rig.perf.cpu_online(&mut rig.pmu, rig.now, C1);
    assert_eq!(rig.pmu.bp.on(1), [event]);
    assert!(rig.perf.is_cpu_online(C0));
}
