//! Groups: rules 3.1.4, 3.2.6, 3.2.7, 3.3, measured values.

use super::rig::{C0, Rig, T0, T1, bp};
use crate::attr::abi::AttrFlags;
use crate::{Defects, Errno, EventState, PerfConfig, PerfEventAttr, PmuClass, Scope, SwEvent};

fn group_of_3() -> (Rig, [crate::EventId; 3]) {
    let mut rig = Rig::new();
    let leader = rig.open(&bp());
    let first = rig.join(leader, &bp());
    let second = rig.join(leader, &bp());
    (rig, [leader, first, second])
}

/// Rule 3.3.3: the measured sequence on a leader and two siblings with 1, 2 and 3 hits.
#[test]
fn enable_and_disable_with_and_without_flag_group() {
    let (mut rig, group) = group_of_3();
    let [leader, first, second] = group;
    rig.hits(leader, 1);
    rig.hits(first, 2);
    rig.hits(second, 3);
    rig.disable(leader, Scope::Event);
    assert_eq!(rig.hit_each(&group), [1, 2, 3]);
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.hit_each(&group), [2, 3, 4]);
    rig.disable(first, Scope::Event);
    assert_eq!(rig.hit_each(&group), [3, 3, 5]);
    rig.disable(leader, Scope::Event);
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.hit_each(&group), [4, 3, 6]);
    rig.enable(second, Scope::Group);
    assert_eq!(rig.hit_each(&group), [5, 4, 7]);
    rig.disable(first, Scope::Group);
    assert_eq!(rig.hit_each(&group), [5, 4, 7]);
    rig.perf.reset(&mut rig.pmu, rig.now, leader, Scope::Group);
    assert_eq!(group.map(|e| rig.count(e)), [0, 0, 0]);
}

/// Rule 3.3.1, measured list.
#[test]
fn who_may_join() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp());
    let mut join = |attr: PerfEventAttr, task, cpu| rig.try_open(&attr, task, cpu, Some(leader));
    let refused = Err(Errno::EINVAL);
    assert_eq!(join(bp().with(AttrFlags::PINNED), Some(T0), -1), refused);
    assert_eq!(join(bp().with(AttrFlags::EXCLUSIVE), Some(T0), -1), refused);
    assert_eq!(join(bp().with(AttrFlags::INHERIT), Some(T0), -1), refused);
    assert_eq!(join(bp(), Some(T0), 0), refused, "task on a CPU under any CPU");
    assert_eq!(join(bp(), Some(T1), -1), refused, "other task");
    assert_eq!(join(bp(), None, 0), refused, "CPU-wide");
    let clock = PerfEventAttr { clockid: 1, ..bp().with(AttrFlags::USE_CLOCKID) };
    assert_eq!(join(clock, Some(T0), -1), refused, "other clock");
    assert!(join(PerfEventAttr::software(SwEvent::PageFaults as u64), Some(T0), -1).is_ok());
    let sibling = join(bp(), Some(T0), -1).unwrap();
    assert_eq!(rig.try_open(&bp(), Some(T0), -1, Some(sibling)), refused, "sibling as leader");
    assert_eq!(rig.pmu.bp.live.len(), 2, "every refused open gave its slot back");
}

/// Rule 3.3.2.
#[test]
fn closing_a_leader_frees_its_siblings() {
    let (mut rig, [leader, first, second]) = group_of_3();
    rig.hits(first, 1);
    rig.close(leader);
    assert_eq!(rig.hit_each(&[first, second]), [2, 1]);
    rig.disable(first, Scope::Event);
    assert_eq!(rig.hit_each(&[first, second]), [2, 2]);
    rig.enable(first, Scope::Event);
    assert_eq!(rig.hit_each(&[first, second]), [3, 3]);
    assert_eq!(rig.perf.event(first).unwrap().group_leader(), first);
    assert_eq!(rig.pmu.bp.live.len(), 2);
}

/// Rule 3.1.4: "leader disabled, sibling enabled: 0 0 after leader ENABLE: 1 1", measured.
#[test]
fn sibling_of_an_off_leader_does_not_run() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp().with(AttrFlags::DISABLED));
    let sibling = rig.join(leader, &bp());
    assert_eq!(rig.hit_each(&[leader, sibling]), [0, 0]);
    assert_eq!(rig.perf.event(sibling).unwrap().state(), EventState::Inactive);
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.hit_each(&[leader, sibling]), [1, 1]);
}

/// Rule 3.2.7 (K3): immediate hit 0, after a context switch 1; without K3 1 at once.
#[test]
fn closing_an_off_leader() {
    for (defects, at_once) in [(Defects::LINUX_6, 0), (Defects::NONE, 1)] {
        let mut rig = Rig::new();
        rig.perf.config.defects = defects;
        let leader = rig.open(&bp().with(AttrFlags::DISABLED));
        let sibling = rig.join(leader, &bp());
        rig.close(leader);
        assert_eq!(rig.hit_each(&[sibling]), [at_once]);
        rig.context_switch();
        assert_eq!(rig.hit_each(&[sibling]), [at_once + 1]);
    }
}

/// Rule 3.2.6 (K2): a breakpoint joining a running software leader of another PMU waits for the
/// next switch, or for the leader to be enabled; ENABLE on it stops it again.
#[test]
fn sibling_of_a_running_foreign_leader() {
    for software in [SwEvent::CpuClock, SwEvent::TaskClock, SwEvent::PageFaults, SwEvent::Dummy] {
        let mut rig = Rig::new();
        let leader = rig.open(&PerfEventAttr::software(software as u64));
        let sibling = rig.join(leader, &bp());
        assert_eq!(rig.hit_each(&[sibling]), [0], "{software:?}");
        rig.context_switch();
        assert_eq!(rig.hit_each(&[sibling]), [1]);
        rig.disable(sibling, Scope::Event);
        rig.enable(sibling, Scope::Event);
        assert_eq!(rig.hit_each(&[sibling]), [1]);
        rig.disable(leader, Scope::Event);
        rig.enable(leader, Scope::Event);
        assert_eq!(rig.hit_each(&[sibling]), [2]);
    }
}

#[test]
fn without_k2_it_starts_at_once() {
    let mut rig = Rig::new();
    rig.perf.config.defects = Defects::NONE;
    let leader = rig.open(&PerfEventAttr::software(SwEvent::CpuClock as u64));
    let sibling = rig.join(leader, &bp());
    assert_eq!(rig.hit_each(&[sibling]), [1]);
}

/// Rule 3.2.6: a leader opened disabled and enabled afterwards behaves as expected.
#[test]
fn foreign_leader_opened_disabled() {
    let mut rig = Rig::new();
    let off = PerfEventAttr::software(SwEvent::Dummy as u64).with(AttrFlags::DISABLED);
    let leader = rig.open(&off);
    let sibling = rig.join(leader, &bp());
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.hit_each(&[sibling]), [1]);
}

/// Rule 3.2.2: "exclusive bp + plain bp + exclusive bp: 2 2 2", measured.
#[test]
fn exclusive_does_nothing_among_software_class_events() {
    let mut rig = Rig::new();
    let attrs = [bp().with(AttrFlags::EXCLUSIVE), bp(), bp().with(AttrFlags::EXCLUSIVE)];
    let events = attrs.map(|a| rig.open(&a));
    rig.hit_each(&events);
    assert_eq!(rig.hit_each(&events), [2, 2, 2]);
}

/// Rule 3.2.2, second half: it does keep hardware-class groups apart.
#[test]
fn exclusive_keeps_hardware_groups_out() {
    let config = PerfConfig { nr_cpus: 1, ..Default::default() };
    let mut rig = Rig::with_config(config, PmuClass::Hardware);
    let alone = rig.open(&bp().with(AttrFlags::EXCLUSIVE));
    let other = rig.open(&bp());
    assert_eq!(rig.pmu.bp.on(0), [alone]);
    rig.close(alone);
    rig.context_switch();
    assert_eq!(rig.pmu.bp.on(0), [other]);
}

/// Rules 3.2.10, 3.2.11: a member that cannot be installed keeps the whole group out; pinned
/// leaders go to ERROR, from where ENABLE retries.
#[test]
fn group_installation_is_all_or_nothing() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp().with(AttrFlags::PINNED | AttrFlags::DISABLED));
    let good = rig.join(leader, &bp());
    let bad = rig.join(leader, &bp());
    let other = rig.open(&bp());
    rig.pmu.bp.broken.insert(bad);
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.pmu.bp.on(0), [other]);
    assert_eq!(rig.perf.event(leader).unwrap().state(), EventState::Error);
    assert_eq!(rig.perf.take_error_wakeups(), [leader]);
    assert_eq!(rig.read(leader), Ok(vec![]));
    assert_eq!(rig.perf.poll(leader), crate::PollEvents::ERR);
    rig.context_switch();
    assert_eq!(rig.pmu.bp.on(0), [other], "ERROR is not retried by itself");
    rig.pmu.bp.broken.clear();
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.pmu.bp.on(0), [leader, good, bad, other]);
}

/// Rule 3.2.12: a flexible group without room gets its turn by rotation.
#[test]
fn rotation() {
    let mut rig = Rig::new();
    let events: Vec<_> = (0..5).map(|_| rig.open(&bp())).collect();
    assert_eq!(rig.pmu.bp.on(0), events[..4]);
    assert!(rig.perf.rotation_due(C0));
    rig.perf.rotate(&mut rig.pmu, rig.now, C0);
    assert_eq!(rig.pmu.bp.on(0), events[1..]);
    rig.close(events[4]);
    rig.context_switch();
    assert_eq!(rig.pmu.bp.on(0), events[..4]);
    assert!(!rig.perf.rotation_due(C0));
}

/// The same for CPU-wide events, each a turn.
#[test]
fn rotation_of_cpu_wide_events() {
    let mut rig = Rig::new();
    let open = |rig: &mut Rig| rig.try_open(&bp(), None, 0, None).unwrap();
    let events: Vec<_> = (0..6).map(|_| open(&mut rig)).collect();
    let mut turns = [0; 6];
    for _ in 0..6 {
        for (event, turns) in events.iter().zip(&mut turns) {
            *turns += u32::from(rig.pmu.bp.on(0).contains(event));
        }
        rig.perf.rotate(&mut rig.pmu, rig.now, C0);
    }
    assert_eq!(turns, [4; 6]);
}

/// Hardware events pull a software group into their own PMU context: adding one re-runs it.
#[test]
fn hardware_event_joins_a_software_group() {
    let config = PerfConfig { nr_cpus: 1, ..Default::default() };
    let mut rig = Rig::with_config(config, PmuClass::Hardware);
    let leader = rig.open(&PerfEventAttr::software(SwEvent::Dummy as u64));
    let sibling = rig.join(leader, &bp());
    assert_eq!(rig.hit_each(&[sibling]), [1]);
    let late = rig.join(leader, &PerfEventAttr::software(SwEvent::PageFaults as u64));
    assert_eq!(rig.perf.event(late).unwrap().state(), EventState::Active);
}
