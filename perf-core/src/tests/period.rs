//! Periods, REFRESH, PERIOD, frequency mode: rule 3.5, measured values.

use super::rig::{Rig, T0, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_IP, PERF_SAMPLE_PERIOD};
use crate::{Defect, Defects, Errno, EventState, MmapAccess, Mode, PerfConfig, PmuClass, Scope};

fn cumulative(rig: &mut Rig, event: crate::EventId, n: u64) -> Vec<u64> {
    let mut total = 0;
    (0..n)
        .map(|_| {
            total += rig.hits(event, 1);
            total
        })
        .collect()
}

/// Rule 3.5.3: 12 hits with periods 1 to 4, without and with PERF_SAMPLE_PERIOD, as measured.
#[test]
fn period_and_sample_period() {
    for (period, plain) in [(1, 12), (2, 6), (3, 4), (4, 3)] {
        let mut rig = Rig::new();
        let event = rig.open(&sampling(period, PERF_SAMPLE_IP));
        assert_eq!(rig.hits(event, 12), plain);
        let overridden = rig.open(&sampling(period, PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD));
        assert_eq!(rig.hits(overridden, 12), 12, "K6, period {period}");
        assert_eq!(rig.count(overridden), 12);
        rig.perf.config.defects = Defects::NONE;
        let honoured = rig.open(&sampling(period, PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD));
        assert_eq!(rig.hits(honoured, 12), plain, "without K6, period {period}");
    }
}

#[test]
fn sample_says_period_1_with_k6_and_the_period_without() {
    for (defects, expected) in [(Defects::LINUX_6, 1), (Defects::NONE, 3)] {
        let mut rig = Rig::new();
        rig.perf.config.defects = defects;
        let event = rig.open(&sampling(3, PERF_SAMPLE_PERIOD));
        let buffer = rig.map(event, 1, MmapAccess::Writable);
        rig.hits(event, 3);
        assert_eq!(rig.drain(buffer)[0].words, [expected]);
    }
}

/// Rules 3.5.4 and 3.7.1: the measured sequence of one event of period 4 through
/// DISABLE/ENABLE, a context switch, and PERIOD=2.
#[test]
fn period_4_through_its_life() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(4, PERF_SAMPLE_IP));
    assert_eq!(cumulative(&mut rig, event, 12), [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    rig.disable(event, Scope::Event);
    rig.enable(event, Scope::Event);
    assert_eq!(cumulative(&mut rig, event, 8), [0, 0, 0, 1, 1, 1, 1, 2]);
    rig.hits(event, 1);
    rig.context_switch();
    assert_eq!(cumulative(&mut rig, event, 8), [0, 0, 1, 1, 1, 1, 2, 2]);
    rig.perf.set_period(&mut rig.pmu, rig.now, event, 2).unwrap();
    assert_eq!(cumulative(&mut rig, event, 8), [1, 1, 1, 2, 2, 3, 3, 4]);
}

#[test]
fn without_k7_a_new_period_starts_at_once() {
    let mut rig = Rig::new();
    rig.perf.config.defects = Defects::NONE;
    let event = rig.open(&sampling(4, PERF_SAMPLE_IP));
    rig.hits(event, 3);
    rig.perf.set_period(&mut rig.pmu, rig.now, event, 2).unwrap();
    assert_eq!(cumulative(&mut rig, event, 6), [0, 1, 1, 2, 2, 3]);
}

/// Rule 3.7, PERIOD row.
#[test]
fn period_errors() {
    let mut rig = Rig::new();
    let counting = rig.open(&super::rig::bp());
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, counting, 1), Err(Errno::EINVAL));
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 0), Err(Errno::EINVAL));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 1 << 63), Err(Errno::EINVAL));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 3), Ok(()));
    let freq = rig.open(&sampling(1000, PERF_SAMPLE_IP).with(AttrFlags::FREQ));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, freq, 100_001), Err(Errno::EINVAL));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, freq, 2_000), Ok(()));
}

/// Rules 3.5.8 and 3.5.9: the measured sequence.
#[test]
fn refresh_dead_end() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    assert_eq!(rig.hits(event, 1), 0);
    let refresh = |rig: &mut Rig, n| rig.perf.refresh(&mut rig.pmu, rig.now, event, n);
    refresh(&mut rig, 3).unwrap();
    assert_eq!((rig.hits(event, 10), rig.count(event)), (3, 3));
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Off);
    refresh(&mut rig, 1).unwrap();
    assert_eq!((rig.hits(event, 2), rig.count(event)), (0, 3));
    rig.enable(event, Scope::Event);
    assert_eq!((rig.hits(event, 5), rig.count(event)), (0, 3));
    refresh(&mut rig, 2).unwrap();
    refresh(&mut rig, 2).unwrap();
    refresh(&mut rig, 0).unwrap();
    rig.context_switch();
    rig.disable(event, Scope::Event);
    rig.enable(event, Scope::Event);
    assert_eq!((rig.hits(event, 10), rig.count(event)), (0, 3));
    assert!(rig.perf.event(event).unwrap().is_stopped());
}

/// Rule 3.5.9: PERIOD revives, and the pending budget applies.
#[test]
fn period_revives_an_exhausted_event() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 1).unwrap();
    assert_eq!(rig.hits(event, 2), 1);
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 2).unwrap();
    rig.perf.set_period(&mut rig.pmu, rig.now, event, 1).unwrap();
    assert_eq!((rig.hits(event, 5), rig.count(event)), (2, 3));
}

#[test]
fn without_k1_refresh_rearms() {
    let mut rig = Rig::new();
    rig.perf.config.defects = Defects::LINUX_6.without(Defect::RefreshDeadEnd);
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    for _ in 0..3 {
        rig.perf.refresh(&mut rig.pmu, rig.now, event, 3).unwrap();
        assert_eq!(rig.hits(event, 10), 3);
    }
    assert_eq!(rig.count(event), 9);
}

/// Rule 3.5.9, last paragraph: an exhausted leader stops its sibling.
#[test]
fn exhausted_leader_takes_its_group_off() {
    let mut rig = Rig::new();
    let leader = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    let sibling = rig.join(leader, &super::rig::bp());
    rig.perf.refresh(&mut rig.pmu, rig.now, leader, 1).unwrap();
    assert_eq!(rig.hit_each(&[leader, sibling]), [1, 0]);
    assert_eq!(rig.hit_each(&[leader, sibling]), [1, 0]);
}

/// Rule 3.7, REFRESH row.
#[test]
fn refresh_errors() {
    let mut rig = Rig::new();
    let counting = rig.open(&super::rig::bp());
    let inherit = rig.open(&sampling(1, 0).with(AttrFlags::INHERIT));
    for event in [counting, inherit] {
        let refused = rig.perf.refresh(&mut rig.pmu, rig.now, event, 1);
        assert_eq!(refused, Err(Errno::EINVAL));
    }
}

/// The task is switched out before the interrupt work runs: the event goes OFF all the same.
#[test]
fn exhausted_and_switched_out() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 1).unwrap();
    let regs = rig.regs(super::rig::C0, Mode::User);
    let out = rig.perf.event_hit(event, &regs, &mut rig.mem);
    assert!(out.disable);
    rig.context_switch();
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Off);
    rig.enable(event, Scope::Event);
    rig.perf.pending_disable(&mut rig.pmu, rig.now, event);
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Active);
}

/// A negative budget is never used up and never overflows.
#[test]
fn refresh_with_a_negative_budget() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, i32::MIN).unwrap();
    assert_eq!(rig.hits(event, 5), 5);
}

/// Rule 1.7.
#[test]
fn excluded_modes_leave_no_trace() {
    let mut rig = Rig::new();
    for (flags, user, kernel) in [
        (AttrFlags(0), true, true),
        (AttrFlags::EXCLUDE_USER, false, true),
        (AttrFlags::EXCLUDE_KERNEL, true, false),
        (AttrFlags::EXCLUDE_USER | AttrFlags::EXCLUDE_KERNEL, false, false),
    ] {
        let mut attr = sampling(1, PERF_SAMPLE_IP);
        attr.flags = flags;
        let event = rig.try_open(&attr, Some(T0), -1, None).unwrap();
        for (mode, counts) in [(Mode::User, user), (Mode::Kernel, kernel)] {
            let out = rig.hit_mode(event, mode);
            assert_eq!(out.counted, counts, "{flags:?} {mode:?}");
            assert_eq!(out.nr_overflows, u32::from(counts));
            assert_eq!(out.kill.is_some(), counts);
        }
        rig.close(event);
    }
}

/// Rule 3.5.6: 2000 hits within a tick at 10 samples a tick: all counted, all sampled.
#[test]
fn breakpoints_are_never_throttled() {
    let mut rig = Rig::new();
    rig.perf.config.limits.max_sample_rate = 2_500;
    assert_eq!(rig.perf.max_samples_per_tick(), 10);
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP));
    assert_eq!((rig.hits(event, 2_000), rig.count(event)), (2_000, 2_000));
}

/// Rule 3.5.7, shape only: the period starts at 1 and settles where 1000 samples a second come
/// out of a steady stream of hits.
#[test]
fn frequency_mode_settles() {
    let config = PerfConfig { nr_cpus: 1, ..Default::default() };
    let mut rig = Rig::with_config(config, PmuClass::Software);
    let event = rig.open(&sampling(1_000, PERF_SAMPLE_IP).with(AttrFlags::FREQ));
    assert_eq!(rig.hits(event, 1), 1);
    let mut late = 0;
    for hit in 0u64..60_000 {
        rig.now += 10_000;
        let samples = rig.hits(event, 1);
        late += if hit >= 30_000 { samples } else { 0 };
        if hit % 400 == 0 {
            let current = rig.current(1);
            let _wakeups = rig.perf.task_tick(&mut rig.mem, &current);
        }
    }
    assert!((250..350).contains(&late), "{late} samples in 300 ms at 1000 Hz");
}
