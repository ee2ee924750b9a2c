//! MODIFY_ATTRIBUTES: rule 3.7.2, the measured list.

use super::rig::{ADDR, C0, Rig, T0, T1, bp, sampling};
use crate::attr::abi::AttrFlags;
use crate::{CloneFlags, Defects, Errno, EventId, PerfEventAttr, Scope, SwEvent};

fn modify(rig: &mut Rig, event: EventId, attr: &PerfEventAttr) -> Result<(), Errno> {
    rig.perf.modify_attributes(&mut rig.pmu, rig.now, event, attr)
}

#[test]
fn allowed_changes() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    rig.hits(event, 1);
    for change in [
        PerfEventAttr { bp_addr: ADDR + 64, ..bp() },
        PerfEventAttr { bp_len: 4, ..bp() },
        PerfEventAttr { bp_type: 3, ..bp() },
        PerfEventAttr { bp_type: 4, bp_len: 8, ..bp() },
        PerfEventAttr { sig_data: 7, ..bp() },
    ] {
        assert_eq!(modify(&mut rig, event, &change), Ok(()), "{change:?}");
        let stored = change.with_defaults(&rig.perf.config.limits);
        assert_eq!(rig.perf.event(event).unwrap().attr(), &stored);
    }
    rig.hits(event, 2);
    assert_eq!(rig.count(event), 3, "count is kept");
}

#[test]
fn refused_changes_keep_the_old_breakpoint() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    let changes = [
        PerfEventAttr { bp_len: 3, ..bp() },
        PerfEventAttr { bp_type: 1, ..bp() },
        PerfEventAttr { bp_type: 0, ..bp() },
        PerfEventAttr { bp_addr: ADDR + 1, bp_len: 4, ..bp() },
        PerfEventAttr { attr_type: 1, ..bp() },
        PerfEventAttr { sample_period: 1, ..bp() },
        PerfEventAttr { read_format: 1, ..bp() },
        PerfEventAttr { config: 1, ..bp() },
        PerfEventAttr { size: 72, ..bp() },
        PerfEventAttr { wakeup_events: 1, ..bp() },
        bp().with(AttrFlags::PINNED),
        bp().with(AttrFlags::EXCLUDE_USER),
        bp().with(AttrFlags::INHERIT),
        bp().with(AttrFlags::COMM),
        bp().with(AttrFlags::ENABLE_ON_EXEC),
    ];
    for (change, n) in changes.into_iter().zip(1..) {
        assert_eq!(modify(&mut rig, event, &change), Err(Errno::EINVAL), "{change:?}");
        rig.hits(event, 1);
        assert_eq!(rig.count(event), n, "old bp still counts");
    }
    let software = rig.open(&PerfEventAttr::software(SwEvent::Dummy as u64));
    let same = PerfEventAttr::software(SwEvent::Dummy as u64);
    assert_eq!(modify(&mut rig, software, &same), Err(Errno::EOPNOTSUPP));
}

/// The `disabled` bit of the new attribute decides afterwards.
#[test]
fn disabled_bit() {
    let off = bp().with(AttrFlags::DISABLED);
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    modify(&mut rig, event, &off).unwrap();
    assert_eq!(rig.hits(event, 1) + rig.count(event), 0);
    rig.enable(event, Scope::Event);
    assert_eq!(rig.hit_each(&[event]), [1]);
    modify(&mut rig, event, &bp()).unwrap();
    assert_eq!(rig.hit_each(&[event]), [2]);
    let event = rig.open(&off);
    modify(&mut rig, event, &bp()).unwrap();
    assert_eq!(rig.hit_each(&[event]), [1]);
}

/// K4: after a failure the event's own `disabled` bit decides, whatever its state was.
#[test]
fn failing_modify_and_the_enable_state() {
    let bad = PerfEventAttr { bp_len: 3, ..bp() };
    for (defects, lost_enable, got_enabled) in [(Defects::LINUX_6, 0, 1), (Defects::NONE, 1, 0)] {
        let mut rig = Rig::new();
        rig.perf.config.defects = defects;
        let event = rig.open(&bp().with(AttrFlags::DISABLED));
        rig.enable(event, Scope::Event);
        assert!(modify(&mut rig, event, &bad).is_err());
        assert_eq!(rig.hit_each(&[event]), [lost_enable], "opened disabled, enabled");
        let event = rig.open(&bp());
        rig.disable(event, Scope::Event);
        assert!(modify(&mut rig, event, &bad).is_err());
        assert_eq!(rig.hit_each(&[event]), [got_enabled], "opened enabled, disabled");
    }
}

/// K4: sig_data 123 survives a failing call.
#[test]
fn failing_modify_and_sig_data() {
    let bad = PerfEventAttr { bp_len: 3, sig_data: 123, ..bp() };
    for (defects, kept) in [(Defects::LINUX_6, 123), (Defects::NONE, 0)] {
        let mut rig = Rig::new();
        rig.perf.config.defects = defects;
        let event = rig.open(&bp());
        assert!(modify(&mut rig, event, &bad).is_err());
        assert_eq!(rig.perf.event(event).unwrap().attr().sig_data, kept);
    }
}

/// "sampling period 4: 3 hits, modify, 1 hit: 0 samples=1".
#[test]
fn the_interval_goes_on() {
    let mut rig = Rig::new();
    let attr = sampling(4, 1);
    let event = rig.open(&attr);
    assert_eq!(rig.hits(event, 3), 0);
    modify(&mut rig, event, &PerfEventAttr { bp_addr: ADDR + 8, ..attr }).unwrap();
    assert_eq!(rig.hits(event, 1), 1);
}

/// "inherit modify addr: 0 child1+parent1=2", and a copy's attribute changes with the root's.
#[test]
fn copies_change_too() {
    let mut rig = Rig::new();
    let attr = bp().with(AttrFlags::INHERIT);
    let event = rig.open(&attr);
    rig.perf.fork(&mut rig.pmu, rig.now, T0, T1, CloneFlags::default()).unwrap();
    let child = rig.perf.event(event).unwrap().children()[0];
    let moved = PerfEventAttr { bp_addr: ADDR + 8, ..attr };
    modify(&mut rig, event, &moved).unwrap();
    assert_eq!(rig.perf.event(child).unwrap().attr().bp_addr, ADDR + 8);
    rig.hits(event, 1);
    rig.run(C0, T1);
    rig.hits(child, 1);
    assert_eq!(rig.count(event), 2);
}

/// "modify sibling: 0 sibling=1 ; modify leader: 0 leader=1 sibling=2".
#[test]
fn members_of_a_group() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp());
    let sibling = rig.join(leader, &bp());
    let moved = PerfEventAttr { bp_addr: ADDR + 8, ..bp() };
    modify(&mut rig, sibling, &moved).unwrap();
    rig.hits(sibling, 1);
    assert_eq!(rig.count(sibling), 1);
    modify(&mut rig, leader, &moved).unwrap();
    assert_eq!(rig.hit_each(&[leader, sibling]), [1, 2]);
}

/// Rule 6.1.2: the in-kernel call looks at the breakpoint fields only.
#[test]
fn in_kernel_modify() {
    let mut rig = Rig::new();
    let attr = bp().with(AttrFlags::PINNED);
    let target = crate::Target::Task(T0, None);
    let event = rig.perf.create_kernel_counter(&mut rig.pmu, 0, &attr, target, None).unwrap();
    let moved = PerfEventAttr { bp_addr: ADDR + 8, config: 9, ..bp() };
    rig.perf.modify_user_hw_breakpoint(&mut rig.pmu, rig.now, event, &moved).unwrap();
    let now = rig.perf.event(event).unwrap().attr();
    assert_eq!((now.bp_addr, now.config), (ADDR + 8, 0));
    assert!(now.has(AttrFlags::PINNED));
    let bad = PerfEventAttr { bp_len: 3, ..bp() };
    let refused = rig.perf.modify_user_hw_breakpoint(&mut rig.pmu, rig.now, event, &bad);
    assert_eq!(refused, Err(Errno::EINVAL));
    assert_eq!(rig.hit_each(&[event]), [1]);
}

/// Rule 3.12.3 and measured on 6.18: PERIOD on an event whose task has ended answers 0 and
/// changes nothing, so that MODIFY_ATTRIBUTES wants the old period.
#[test]
fn period_does_not_reach_an_event_of_an_ended_task() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(3, 0));
    let _detached = rig.perf.exit_task(&mut rig.pmu, rig.now, T0);
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 1), Ok(()));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 0), Err(Errno::EINVAL));
    assert_eq!(modify(&mut rig, event, &sampling(1, 0)), Err(Errno::EINVAL));
    assert_eq!(modify(&mut rig, event, &sampling(3, 0)), Ok(()));
}
