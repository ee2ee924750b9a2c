//! sigtrap events: rule 3.8.

use super::rig::{ADDR, Rig, bp, sampling};
use crate::attr::abi::AttrFlags;
use crate::{EventId, PerfEventAttr, Scope, SigTrap};

fn sigtrap(period: u64) -> PerfEventAttr {
    let flags = AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC;
    PerfEventAttr { sig_data: 0xabc, ..sampling(period, 0) }.with(flags)
}

fn signals(rig: &mut Rig, event: EventId, hits: u64) -> usize {
    let mut n = 0;
    for _ in 0..hits {
        let out = rig.hit(event);
        let signal = rig.perf.take_sigtrap(event);
        assert_eq!(out.sigtrap, signal.is_some());
        n += usize::from(signal.is_some());
    }
    n
}

/// Rule 3.8.2.
#[test]
fn payload() {
    let mut rig = Rig::new();
    let event = rig.open(&sigtrap(1));
    assert!(rig.hit(event).sigtrap);
    let expected = SigTrap { addr: ADDR, perf_type: 5, sig_data: 0xabc };
    assert_eq!(rig.perf.take_sigtrap(event), Some(expected));
    assert_eq!(rig.perf.take_sigtrap(event), None);
}

/// Rules 3.8.1, 3.8.4: period 3, 10 hits: 3 signals; period 0: none.
#[test]
fn one_signal_an_overflow() {
    let mut rig = Rig::new();
    let event = rig.open(&sigtrap(3));
    assert_eq!(signals(&mut rig, event, 10), 3);
    let never = rig.open(&sigtrap(0));
    assert_eq!(signals(&mut rig, never, 10), 0);
    let plain = rig.open(&bp());
    assert_eq!(signals(&mut rig, plain, 3), 0);
}

/// Rule 3.8.7: overflows before delivery share a signal.
#[test]
fn overflows_collapse() {
    let mut rig = Rig::new();
    let event = rig.open(&sigtrap(1));
    let queued = [0, 1, 2].map(|_| rig.hit(event).sigtrap);
    assert_eq!(queued, [true, false, false]);
    assert!(rig.perf.take_sigtrap(event).is_some());
    assert!(rig.hit(event).sigtrap);
}

/// Rule 3.8.8: REFRESH(1) with 3 hits: 1 signal, 1 count; switched off or removed before
/// delivery: none.
#[test]
fn dropped_signals() {
    let mut rig = Rig::new();
    let event = rig.open(&sigtrap(1).with(AttrFlags::DISABLED));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 1).unwrap();
    assert_eq!((signals(&mut rig, event, 3), rig.count(event)), (1, 1));
    let event = rig.open(&sigtrap(1));
    let _out = rig.hit(event);
    rig.disable(event, Scope::Event);
    assert_eq!(rig.perf.take_sigtrap(event), None);
    rig.enable(event, Scope::Event);
    let _out = rig.hit(event);
    let _pollers = rig.perf.exec(&mut rig.pmu, rig.now, super::rig::T0);
    assert_eq!(rig.perf.take_sigtrap(event), None);
}
