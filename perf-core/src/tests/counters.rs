//! Events that count by themselves: reading, sampling, throttling, groups of two PMUs.

use super::rig::{C0, Rig, T0, bp, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_IP, PERF_SAMPLE_PERIOD, PERF_SAMPLE_READ};
use crate::{Defects, EventId, EventState, MmapAccess, Mode, PerfConfig, PerfEventAttr, Scope};

fn counter(period: u64) -> PerfEventAttr {
    PerfEventAttr { sample_period: period, ..PerfEventAttr::hardware(0) }
}

impl Rig {
    /// The counters of CPU 0 count `n`, in `ns` of time; the interrupt comes if one is due. The
    /// number of overflows.
    fn counts(&mut self, event: EventId, n: u64, ns: u64) -> u32 {
        self.now += ns;
        self.pmu.cpu.count(C0, n);
        self.perf.update_counts(&mut self.pmu, self.now, C0);
        let regs = self.regs(C0, Mode::User);
        let out = self.perf.counter_interrupt(event, &regs, &mut self.mem);
        if out.disable {
            self.perf.pending_disable(&mut self.pmu, self.now, event);
        }
        out.nr_overflows
    }

    fn tick(&mut self) {
        self.perf.update_counts(&mut self.pmu, self.now, C0);
        let current = self.current(1);
        let _woken = self.perf.task_tick(&mut self.mem, &current);
    }
}

/// The interrupt is due exactly when the period is over; periods that pass as a whole make one
/// sample; what is left of an interval survives a context switch.
#[test]
fn periods() {
    let mut rig = Rig::new();
    let event = rig.open(&counter(100));
    assert_eq!(rig.perf.until_interrupt(event), Some(100));
    assert_eq!(rig.counts(event, 99, 1), 0);
    assert_eq!(rig.perf.until_interrupt(event), Some(1));
    assert_eq!(rig.counts(event, 1, 1), 1);
    assert_eq!(rig.counts(event, 30, 1), 0);
    rig.context_switch();
    assert_eq!(rig.perf.until_interrupt(event), Some(70));
    assert_eq!(rig.counts(event, 570, 1), 1);
    assert_eq!(rig.perf.until_interrupt(event), Some(100), "what passed as a whole is skipped");
    assert_eq!(rig.count(event), 700);
    let counting = rig.open(&counter(0));
    assert_eq!(rig.perf.until_interrupt(counting), None);
}

/// PERIOD starts a new interval of the new length at once, and so REFRESH has no dead end here.
#[test]
fn period_and_refresh() {
    let mut rig = Rig::new();
    let event = rig.open(&counter(100));
    rig.counts(event, 60, 1);
    rig.perf.set_period(&mut rig.pmu, rig.now, event, 10).unwrap();
    assert_eq!(rig.perf.until_interrupt(event), Some(10));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 1).unwrap();
    assert_eq!(rig.counts(event, 10, 1), 1);
    assert_eq!(rig.perf.event(event).unwrap().state(), EventState::Off);
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 2).unwrap();
    assert_eq!(rig.counts(event, 10, 1), 1, "installing a counter clears the stopped flag");
    assert_eq!(rig.count(event), 80);
}

/// Rules 3.9, 3.11: more samples in a tick than the limit stop the whole group with a THROTTLE
/// record; the tick starts it again with UNTHROTTLE, and what happened meanwhile is not counted.
#[test]
fn throttling() {
    let mut config = PerfConfig { nr_cpus: 1, ..Default::default() };
    config.limits.max_sample_rate = 1000;
    let mut rig = Rig::with_config(config, crate::PmuClass::Software);
    let attr = PerfEventAttr { sample_type: PERF_SAMPLE_IP, ..counter(10) };
    let event = rig.open(&attr);
    let sibling = rig.join(event, &counter(0));
    let buffer = rig.map(event, 8, MmapAccess::Writable);
    let samples: u32 = (0..10).map(|_| rig.counts(event, 10, 1)).sum();
    assert_eq!(samples, 4, "1000 Hz are 4 in a tick of 4 ms");
    let kinds = |rig: &mut Rig| rig.drain(buffer).iter().map(|r| r.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&mut rig), [9, 9, 9, 5, 9]);
    assert_eq!((rig.count(event), rig.count(sibling)), (40, 40));
    assert_eq!(rig.perf.until_interrupt(event), None);
    rig.tick();
    assert_eq!(kinds(&mut rig), [6]);
    assert_eq!(rig.counts(event, 10, 1), 1);
    assert_eq!((rig.count(event), rig.count(sibling)), (50, 50));
}

/// A throttled event that is installed anew runs again; its record is written afterwards.
#[test]
fn unthrottled_by_a_context_switch() {
    let mut config = PerfConfig { nr_cpus: 1, ..Default::default() };
    config.limits.max_sample_rate = 250;
    let mut rig = Rig::with_config(config, crate::PmuClass::Software);
    let event = rig.open(&counter(10));
    let buffer = rig.map(event, 8, MmapAccess::Writable);
    assert_eq!(rig.counts(event, 10, 1), 1);
    assert_eq!(rig.counts(event, 10, 1), 0, "throttled");
    rig.context_switch();
    assert!(rig.perf.has_unthrottled());
    let current = rig.current(1);
    let _woken = rig.perf.write_unthrottled(&mut rig.mem, &current);
    assert!(!rig.perf.has_unthrottled());
    let kinds: Vec<_> = rig.drain(buffer).iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [5, 9, 6]);
    assert_eq!(rig.counts(event, 10, 1), 1);
}

/// Frequency mode comes near the period that gives the wanted rate (rule 3.5.7).
#[test]
fn frequency() {
    let mut rig = Rig::new();
    let event = rig.open(&counter(1000).with(AttrFlags::FREQ));
    // 100 counts in 1000 ns, so that 1000 Hz are 100,000 counts.
    let mut samples = 0;
    for step in 0..200_000 {
        samples += rig.counts(event, 100, 1000);
        if step % 4000 == 3999 {
            rig.tick();
        }
    }
    // A fifth of a second is 200 samples; it starts at period 1 and nears the rate by eighths.
    assert!((100..400).contains(&samples), "{samples}");
}

/// A sample's READ block has the siblings' counts of that instant, and a register hit reads a
/// counter that leads its group.
#[test]
fn a_group_of_two_pmus() {
    let config = PerfConfig { defects: Defects::NONE, ..Default::default() };
    let mut rig = Rig::with_config(config, crate::PmuClass::Software);
    let leader = rig.open(&PerfEventAttr { read_format: 8, ..counter(0) });
    let attr =
        PerfEventAttr { read_format: 8, ..sampling(1, PERF_SAMPLE_READ | PERF_SAMPLE_PERIOD) };
    let watch = rig.join(leader, &attr);
    let buffer = rig.map(watch, 8, MmapAccess::Writable);
    rig.pmu.cpu.count(C0, 17);
    rig.perf.update_counts(&mut rig.pmu, rig.now, C0);
    let _out = rig.hit(watch);
    let words = &rig.drain(buffer)[0].words;
    assert_eq!(words[words.len() - 3..], [2, 17, 1]);
    rig.disable(leader, Scope::Event);
    rig.pmu.cpu.count(C0, 5);
    assert_eq!(rig.hit_each(&[watch]), [1], "the leader takes its group along");
    assert_eq!(rig.count(leader), 17);
}

/// The first counter that joins a group of registers takes it to its own PMU.
#[test]
fn a_counter_joins_registers() {
    let mut rig = Rig::new();
    let leader = rig.open(&bp());
    let others: Vec<_> = (0..4).map(|_| rig.open(&counter(0))).collect();
    let joined = rig.join(leader, &counter(0));
    assert_eq!(rig.pmu.cpu.on(0), others);
    assert!(rig.pmu.bp.on(0).is_empty(), "all or nothing over two PMUs");
    rig.close(others[0]);
    rig.context_switch();
    assert_eq!((rig.pmu.bp.on(0), rig.pmu.cpu.on(0).len()), (vec![leader], 4));
    assert!(rig.pmu.cpu.on(0).contains(&joined));
    assert_eq!(rig.perf.task_cpu(T0), Some(C0));
}
