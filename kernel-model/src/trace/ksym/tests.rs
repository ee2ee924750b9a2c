//! The rules of linux-hw-breakpoint section 6.2, on breakpoints that are only counted.

use perf_core::{Errno, EventId, PerfEventAttr, TaskId};

use super::filter::{self, FilterError, KsymAccess, KsymFilter};
use super::{KsymLog, KsymTracer, KsymVersion, WideBreakpoints};
use crate::kernel::{KernelSymbol, SymbolKind};
use crate::observe::TaskTag;

const SEED: KsymVersion = KsymVersion::Seed { broken_change: true };

/// Breakpoints of a machine with one CPU and so many registers.
struct Registers {
    free: usize,
    next: u32,
}

impl WideBreakpoints for Registers {
    fn register(&mut self, attr: &PerfEventAttr, _entry: u32) -> Result<Vec<EventId>, Errno> {
        if attr.bp_type == 1 {
            return Err(Errno::EINVAL);
        }
        self.free = self.free.checked_sub(1).ok_or(Errno::ENOSPC)?;
        self.next += 1;
        Ok(vec![EventId(self.next)])
    }

    fn unregister(&mut self, events: Vec<EventId>) {
        self.free += events.len();
    }
}

fn lookup(name: &str) -> Option<KernelSymbol> {
    let names = ["jiffies", "pid_max", "total_forks", "nr_threads", "a", "b"];
    let at = names.iter().position(|known| *known == name)?;
    let addr = 0xffff_ffff_8260_0000 + 64 * at as u64;
    Some(KernelSymbol { name: names[at], addr, size: 8, kind: SymbolKind::Data })
}

struct Rig {
    tracer: KsymTracer,
    registers: Registers,
}

impl Rig {
    fn new(version: KsymVersion) -> Self {
        Self { tracer: KsymTracer::new(version), registers: Registers { free: 4, next: 0 } }
    }

    fn write(&mut self, text: &str) -> Result<u64, Errno> {
        self.tracer.write_filter(text.as_bytes(), &lookup, &mut self.registers)
    }
}

#[test]
fn filters_as_rule_6_2_3_has_them() {
    let watch = |name, access| Ok(KsymFilter::Watch { name, access });
    for (text, last, seed) in [
        ("", Ok(KsymFilter::RemoveAll), Ok(KsymFilter::RemoveAll)),
        ("0\n", Ok(KsymFilter::RemoveAll), Ok(KsymFilter::RemoveAll)),
        (" *:--- \n", Ok(KsymFilter::RemoveAll), Err(FilterError::Access)),
        ("a:rw-\n", watch("a", KsymAccess::ReadWrite), watch("a", KsymAccess::ReadWrite)),
        (" a:-w-", watch("a", KsymAccess::Write), watch(" a", KsymAccess::Write)),
        ("a:r--", watch("a", KsymAccess::Read), Err(FilterError::Access)),
        ("a:---", Err(FilterError::Access), Err(FilterError::Access)),
        ("a:rwx", Err(FilterError::Access), Err(FilterError::Access)),
        ("a", Err(FilterError::NoColon), Err(FilterError::NoColon)),
        ("a:rw", Err(FilterError::AccessLength(2)), Err(FilterError::AccessLength(2))),
        ("a:b:rw-", Err(FilterError::AccessLength(5)), Err(FilterError::AccessLength(5))),
    ] {
        assert_eq!(filter::parse(text.as_bytes(), KsymVersion::Last), last, "{text:?}");
        assert_eq!(filter::parse(text.as_bytes(), SEED), seed, "{text:?}");
    }
    assert_eq!(filter::parse(b"\xff:rw-", SEED), Err(FilterError::NotText));
}

/// Rules 6.2.3, 6.2.4 and 6.2.6.
#[test]
fn entries_are_listed_newest_first_and_are_four_at_most() {
    let mut rig = Rig::new(KsymVersion::Last);
    assert_eq!(rig.write("jiffies:rw-\n"), Ok(12));
    assert_eq!(rig.write("pid_max:-w-"), Ok(11));
    assert_eq!(rig.write("pid_max:-w-"), Err(Errno::EINVAL));
    assert_eq!(rig.write("nobody:rw-"), Err(Errno::EINVAL));
    assert_eq!(rig.write("a:r--"), Err(Errno::EINVAL));
    assert_eq!(rig.tracer.show_filter(), "pid_max+0x0/0x8:-w-\njiffies+0x0/0x8:rw-\n");
    for name in ["a", "b"] {
        rig.write(&format!("{name}:rw-")).unwrap();
    }
    assert_eq!(rig.write("total_forks:rw-"), Err(Errno::ENOSPC));
    assert!(rig.tracer.take_log().is_empty());
    assert_eq!(rig.write("0"), Ok(1));
    assert_eq!((rig.tracer.entries().len(), rig.registers.free), (0, 4));
}

/// Rule 6.2.4 in the version of 2009: its own limit with a line in the log, and EAGAIN.
#[test]
fn the_seed_counts_for_itself_and_answers_eagain() {
    let mut rig = Rig::new(SEED);
    for name in ["jiffies", "pid_max", "a", "b"] {
        rig.write(&format!("{name}:rw-")).unwrap();
    }
    rig.registers.free = 1;
    assert_eq!(rig.write("total_forks:rw-"), Err(Errno::ENOSPC));
    assert_eq!(rig.tracer.take_log(), [KsymLog::TooMany]);

    let mut rig = Rig::new(SEED);
    rig.registers.free = 0;
    assert_eq!(rig.write("jiffies:rw-"), Err(Errno::EAGAIN));
}

/// Rule 6.2.5, both versions, success and failure.
#[test]
fn changing_an_access() {
    let mut rig = Rig::new(KsymVersion::Last);
    rig.write("a:rw-").unwrap();
    rig.write("a:-w-").unwrap();
    assert_eq!(rig.tracer.show_filter(), "a+0x0/0x8:-w-\n");
    assert_eq!(rig.registers.free, 3);
    assert_eq!(rig.write("a:r--"), Err(Errno::EINVAL));
    assert_eq!((rig.tracer.show_filter().as_str(), rig.registers.free), ("", 4));

    let mut rig = Rig::new(SEED);
    rig.write("a:rw-").unwrap();
    rig.write("a:-w-").unwrap();
    assert_eq!((rig.tracer.entries().len(), rig.registers.free), (0, 3), "leaked, still armed");

    let mut rig = Rig::new(KsymVersion::Seed { broken_change: false });
    rig.write("a:rw-").unwrap();
    rig.write("a:-w-").unwrap();
    assert_eq!((rig.tracer.entries().len(), rig.registers.free), (1, 3));
}

/// S11: where the change fails the entry stays, dead.
#[test]
fn a_failed_change_of_the_seed_keeps_a_dead_entry() {
    /// Refuses everything after the first.
    struct Once(bool);
    impl WideBreakpoints for Once {
        fn register(&mut self, _: &PerfEventAttr, _: u32) -> Result<Vec<EventId>, Errno> {
            if std::mem::replace(&mut self.0, true) {
                Err(Errno::ENOSPC)
            } else {
                Ok(vec![EventId(1)])
            }
        }
        fn unregister(&mut self, _: Vec<EventId>) {}
    }
    let mut registers = Once(false);
    let mut tracer = KsymTracer::new(SEED);
    tracer.write_filter(b"a:rw-", &lookup, &mut registers).unwrap();
    let changed = tracer.write_filter(b"a:-w-", &lookup, &mut registers);
    assert_eq!(changed, Err(Errno::EINVAL));
    assert_eq!(tracer.show_filter(), "a+0x0/0x8:rw-\n");
    assert!(tracer.entries()[0].events.is_empty());
}

/// Rules 6.2.7, 6.2.8 and 6.2.10.
#[test]
fn hits_are_kept_while_the_tracer_is_current() {
    let mut rig = Rig::new(KsymVersion::Last);
    rig.write("jiffies:rw-").unwrap();
    let task = TaskTag { task: TaskId(3), pid: 1000, tid: 1001, comm: "sort".to_owned() };
    rig.tracer.hit(0, &task, 1, 0x40);
    assert!(rig.tracer.records().is_empty());
    rig.tracer.init();
    rig.tracer.hit(0, &task, 1, 0x40);
    rig.tracer.hit(7, &task, 1, 0x40);
    let symbol_at = |addr| match addr {
        0x40 => Some(("do_timer", 4)),
        _ => Some(("jiffies", 0)),
    };
    let trace = rig.tracer.show_trace(&symbol_at);
    let lines: Vec<&str> = trace.lines().collect();
    assert!(lines[..2].iter().all(|line| line.starts_with('#')), "{trace}");
    assert_eq!(lines[2..], ["       sort-1001  [001] jiffies+0x0 RW do_timer+0x4"]);
    let profile = rig.tracer.show_profile();
    let line = profile.lines().nth(2).unwrap();
    assert_eq!(line, format!("  {:<12}  {:<36} {:>15}", "RW", "jiffies", 1));
    rig.tracer.reset(&mut rig.registers);
    assert_eq!((rig.tracer.entries().len(), rig.registers.free), (0, 4));
    assert_eq!(rig.tracer.records().len(), 1);
}
