//! Software events as leaders and on their own.

use super::rig::{C0, C1, Rig, T0, T1, bp};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_IP};
use crate::{Errno, Mode, PerfEventAttr, RecordType, Scope, SwEvent};

fn software(kind: SwEvent) -> PerfEventAttr {
    PerfEventAttr::software(kind as u64)
}

fn happens(rig: &mut Rig, kind: SwEvent, nr: u64, mode: Mode) -> usize {
    let regs = rig.regs(C0, mode);
    rig.perf.sw_event(kind, nr, &regs, &mut rig.mem).len()
}

#[test]
fn page_faults_count_by_kind_mode_and_cpu() {
    let mut rig = Rig::new();
    let all = rig.open(&software(SwEvent::PageFaults));
    let user = rig.open(&software(SwEvent::PageFaults).with(AttrFlags::EXCLUDE_KERNEL));
    let major = rig.open(&software(SwEvent::PageFaultsMaj));
    let elsewhere = rig.try_open(&software(SwEvent::PageFaults), None, 1, None).unwrap();
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 2, Mode::User), 2);
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 1, Mode::Kernel), 1);
    let counts = [all, user, major, elsewhere].map(|e| rig.count(e));
    assert_eq!(counts, [3, 2, 0, 0]);
    rig.disable(all, Scope::Event);
    happens(&mut rig, SwEvent::PageFaults, 1, Mode::User);
    assert_eq!(rig.count(all), 3);
}

#[test]
fn clocks_count_time_while_installed() {
    let mut rig = Rig::new();
    let task = rig.open(&software(SwEvent::TaskClock));
    let cpu = rig.try_open(&software(SwEvent::CpuClock), None, 0, None).unwrap();
    rig.now += 100;
    assert_eq!((rig.count(task), rig.count(cpu)), (100, 100));
    rig.stop(C0);
    rig.now += 50;
    assert_eq!((rig.count(task), rig.count(cpu)), (100, 150));
    rig.run(C1, T0);
    rig.now += 7;
    rig.perf.reset(&mut rig.pmu, rig.now, task, Scope::Event);
    assert_eq!(rig.count(task), 0);
    rig.now += 5;
    assert_eq!((rig.count(task), rig.count(cpu)), (5, 162));
}

#[test]
fn clocks_do_not_sample() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { sample_period: 1, ..software(SwEvent::CpuClock) };
    assert_eq!(rig.try_open(&attr, Some(T0), -1, None), Err(Errno::EOPNOTSUPP));
}

/// Rule 3.3.1, last sentence, both ways round.
#[test]
fn mixed_groups() {
    let mut rig = Rig::new();
    let leader = rig.open(&software(SwEvent::Dummy).with(AttrFlags::DISABLED));
    let members = [rig.join(leader, &bp()), rig.join(leader, &software(SwEvent::PageFaults))];
    rig.enable(leader, Scope::Event);
    assert_eq!(rig.pmu.bp.on(0), [members[0]]);
    happens(&mut rig, SwEvent::PageFaults, 1, Mode::User);
    assert_eq!(rig.hit_each(&members[..1]), [1]);
    assert_eq!(rig.count(members[1]), 1);
    rig.run(C0, T1);
    assert!(rig.pmu.bp.on(0).is_empty());
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 1, Mode::User), 0);
}

/// A page-faults sibling of a running breakpoint leader counts nothing until the next switch
/// (rule 3.2.6, measured).
#[test]
fn late_software_sibling_of_a_breakpoint() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp());
    rig.join(leader, &software(SwEvent::PageFaults));
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 1, Mode::User), 0);
    rig.context_switch();
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 1, Mode::User), 1);
}

/// Several occurrences at once may overflow several times; the rate limit then throttles, with
/// a record, until the tick.
#[test]
fn throttling() {
    let mut rig = Rig::new();
    rig.perf.config.limits.max_sample_rate = 1_000;
    assert_eq!(rig.perf.max_samples_per_tick(), 4);
    let attr = PerfEventAttr {
        sample_period: 2,
        sample_type: PERF_SAMPLE_IP,
        ..software(SwEvent::PageFaults)
    };
    let event = rig.open(&attr);
    let buffer = rig.map(event, 1, crate::MmapAccess::Writable);
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 100, Mode::User), 1);
    let kinds: Vec<u32> = rig.drain(buffer).iter().map(|r| r.kind).collect();
    let (sample, throttle) = (RecordType::Sample as u32, RecordType::Throttle as u32);
    assert_eq!(kinds, [sample, sample, sample, throttle, sample]);
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 1, Mode::User), 0, "throttled");
    assert_eq!(rig.count(event), 100);
    let current = rig.current(1);
    let _wakeups = rig.perf.task_tick(&mut rig.mem, &current);
    assert_eq!(happens(&mut rig, SwEvent::PageFaults, 2, Mode::User), 1);
    let records = rig.drain(buffer);
    assert_eq!(records[0].kind, RecordType::Unthrottle as u32);
    let id = rig.perf.event(event).unwrap().id();
    assert_eq!((records[0].size, records[0].words[1..].to_vec()), (32, vec![id, id]));
    assert_eq!(records[1].kind, sample);
}
