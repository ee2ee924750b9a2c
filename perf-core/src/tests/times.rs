//! Times enabled and running: rule 3.4, measured shapes.

use proptest::prelude::*;

use super::rig::{C0, C1, Rig, T0, T1, bp};
use crate::attr::abi::AttrFlags;
use crate::{EventId, PerfEventAttr, Scope};

fn timed() -> PerfEventAttr {
    PerfEventAttr { read_format: 3, ..bp() }
}

/// Rule 3.4.2: "disabled fresh: ena=0 run=0", busy adds, sleep does not, DISABLE freezes, RESET
/// leaves times alone.
#[test]
fn task_event() {
    let mut rig = Rig::new();
    let event = rig.open(&timed().with(AttrFlags::DISABLED));
    rig.now += 1_000;
    assert_eq!(rig.times(event), (0, 0));
    rig.enable(event, Scope::Event);
    rig.now += 20_000;
    assert_eq!(rig.times(event), (20_000, 20_000));
    rig.stop(C0);
    rig.now += 50_000;
    assert_eq!(rig.times(event), (20_000, 20_000));
    rig.run(C0, T0);
    rig.now += 500;
    rig.disable(event, Scope::Event);
    rig.now += 20_000;
    assert_eq!(rig.times(event), (20_500, 20_500));
    rig.perf.reset(&mut rig.pmu, rig.now, event, Scope::Event);
    assert_eq!(rig.times(event), (20_500, 20_500));
}

/// Rule 3.4.2: "cpu0-wide after sleep 50ms: ena=50.1ms run=50.1ms", measured.
#[test]
fn cpu_wide_event_counts_sleep() {
    let mut rig = Rig::new();
    let event = rig.try_open(&timed(), None, 0, None).unwrap();
    rig.stop(C0);
    rig.now += 50_100;
    assert_eq!(rig.times(event), (50_100, 50_100));
}

/// Rule 3.2.8: bound to CPU 1 while the task runs on CPU 0: enabled 11.9 ms, running 0, measured.
#[test]
fn cpu_filtered_task_event() {
    let mut rig = Rig::new();
    let event = rig.try_open(&timed(), Some(T0), 1, None).unwrap();
    rig.now += 11_900;
    assert_eq!(rig.times(event), (11_900, 0));
    assert_eq!(rig.hit_each(&[event]), [0]);
    rig.stop(C0);
    rig.run(C1, T0);
    rig.now += 100;
    assert_eq!(rig.times(event), (12_000, 100));
    assert_eq!(rig.hit_each(&[event]), [1]);
}

/// Rule 3.2.8: hits 1@cpu0, 2@cpu1, 1@cpu0 give task@0 = 2, task@1 = 2, any = 4, measured.
#[test]
fn hits_while_migrating() {
    let mut rig = Rig::new();
    let events = [0, 1, -1].map(|cpu| rig.try_open(&timed(), Some(T0), cpu, None).unwrap());
    for cpu in [C0, C1, C1, C0] {
        for c in [C0, C1] {
            rig.stop(c);
        }
        rig.run(cpu, T0);
        rig.hit_each(&events);
    }
    assert_eq!(events.map(|e| rig.count(e)), [2, 2, 4]);
}

/// Rule 3.1.4: "sibling of OFF leader: ena=0.0ms run=0.0ms", measured.
#[test]
fn sibling_of_an_off_leader_has_no_times() {
    let mut rig = Rig::new();
    let leader = rig.open(&timed().with(AttrFlags::DISABLED));
    let sibling = rig.join(leader, &timed());
    rig.now += 500;
    assert_eq!(rig.times(sibling), (0, 0));
    rig.enable(leader, Scope::Event);
    rig.now += 70;
    assert_eq!(rig.times(sibling), (70, 70));
    rig.disable(leader, Scope::Event);
    rig.now += 500;
    assert_eq!(rig.times(sibling), (70, 70));
}

#[test]
fn a_clock_running_backwards_does_no_harm() {
    let mut rig = Rig::new();
    let event = rig.open(&timed());
    rig.now += 100;
    rig.context_switch();
    rig.now -= 60;
    rig.context_switch();
    let (enabled, running) = rig.times(event);
    assert!(running <= enabled && enabled < 300, "{enabled} {running}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// running <= enabled <= age, never decreasing, whatever happens.
    #[test]
    fn running_never_exceeds_enabled(ops in prop::collection::vec((0u8..8, 0u64..50), 1..60)) {
        let mut rig = Rig::new();
        let start = rig.now;
        let mut events: Vec<EventId> = Vec::new();
        for cpu in [-1, 0, 1, -1, -1, -1] {
            events.push(rig.try_open(&timed(), Some(T0), cpu, None).unwrap());
        }
        events.push(rig.try_open(&timed(), None, 0, None).unwrap());
        let sibling = rig.join(events[0], &timed());
        events.push(sibling);
        let mut last = vec![(0, 0); events.len()];
        for (op, arg) in ops {
            rig.now += arg;
            let event = events[arg as usize % events.len()];
            match op {
                0 => rig.enable(event, Scope::Event),
                1 => rig.disable(event, Scope::Event),
                2 => rig.enable(event, Scope::Group),
                3 => rig.disable(event, Scope::Group),
                4 => { rig.stop(C1); rig.run(C0, T0); }
                5 => { rig.stop(C0); rig.run(C1, T0); }
                6 => rig.run(C0, T1),
                _ => rig.perf.rotate(&mut rig.pmu, rig.now, C0),
            }
            if rig.perf.task_cpu(T0).is_none() && op != 6 {
                rig.run(C0, T0);
            }
            for (event, last) in events.iter().zip(&mut last) {
                let times = rig.times(*event);
                prop_assert!(times.1 <= times.0 && times.0 <= rig.now - start);
                prop_assert!(times.0 >= last.0 && times.1 >= last.1);
                *last = times;
            }
        }
    }
}
