//! read(): rule 3.9.1, all 32 formats as measured.

use super::rig::{Rig, bp, sampling};
use crate::attr::abi::AttrFlags;
use crate::{Errno, IoctlCommand, MmapAccess, PerfEventAttr, Scope};

/// What each word of a measured read was.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Word {
    Nr,
    Value,
    Enabled,
    Running,
    Id,
    Lost,
}
use Word::{Enabled, Id, Lost, Nr, Running, Value};

/// Measured layouts of a single event, by read_format.
const LAYOUTS: [&[Word]; 32] = [
    &[Value],
    &[Value, Enabled],
    &[Value, Running],
    &[Value, Enabled, Running],
    &[Value, Id],
    &[Value, Enabled, Id],
    &[Value, Running, Id],
    &[Value, Enabled, Running, Id],
    &[Nr, Value],
    &[Nr, Enabled, Value],
    &[Nr, Running, Value],
    &[Nr, Enabled, Running, Value],
    &[Nr, Value, Id],
    &[Nr, Enabled, Value, Id],
    &[Nr, Running, Value, Id],
    &[Nr, Enabled, Running, Value, Id],
    &[Value, Lost],
    &[Value, Enabled, Lost],
    &[Value, Running, Lost],
    &[Value, Enabled, Running, Lost],
    &[Value, Id, Lost],
    &[Value, Enabled, Id, Lost],
    &[Value, Running, Id, Lost],
    &[Value, Enabled, Running, Id, Lost],
    &[Nr, Value, Lost],
    &[Nr, Enabled, Value, Lost],
    &[Nr, Running, Value, Lost],
    &[Nr, Enabled, Running, Value, Lost],
    &[Nr, Value, Id, Lost],
    &[Nr, Enabled, Value, Id, Lost],
    &[Nr, Running, Value, Id, Lost],
    &[Nr, Enabled, Running, Value, Id, Lost],
];

#[test]
fn all_read_formats() {
    for (format, layout) in (0u64..).zip(LAYOUTS) {
        let mut rig = Rig::new();
        let event = rig.open(&PerfEventAttr { read_format: format, ..bp() });
        rig.hits(event, 2);
        rig.now += 22_550;
        let id = rig.perf.event(event).unwrap().id();
        let expected: Vec<u64> = layout
            .iter()
            .map(|word| match word {
                Nr => 1,
                Value => 2,
                Enabled | Running => 22_550,
                Id => id,
                Lost => 0,
            })
            .collect();
        assert_eq!(rig.read(event), Ok(expected.clone()), "read_format {format:#x}");
        let bytes = expected.len() * 8;
        for count in [0, bytes - 1] {
            let short = rig.perf.read(&mut rig.pmu, rig.now, event, count);
            assert_eq!(short, Err(Errno::ENOSPC), "read_format {format:#x}, {count} bytes");
        }
        let exact = rig.perf.read(&mut rig.pmu, rig.now, event, bytes);
        assert_eq!(exact.map(|b| b.len()), Ok(bytes));
    }
}

/// "group read bytes=96 nr=3 times=equal values 1 2 3 ids match=1 lost=0", from any member.
#[test]
fn group_of_three() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 0x1f, ..bp() };
    let leader = rig.open(&attr);
    let group = [leader, rig.join(leader, &attr), rig.join(leader, &attr)];
    for (event, n) in group.into_iter().zip(1..) {
        rig.hits(event, n);
    }
    rig.now += 10;
    let ids = group.map(|e| rig.perf.event(e).unwrap().id());
    assert_eq!((ids[1] - ids[0], ids[2] - ids[1]), (1, 1), "ids consecutive: 1 1");
    let expected = vec![3, 10, 10, 1, ids[0], 0, 2, ids[1], 0, 3, ids[2], 0];
    for event in group {
        assert_eq!(rig.read(event), Ok(expected.clone()));
    }
    let short = rig.perf.read(&mut rig.pmu, rig.now, leader, 95);
    assert_eq!(short, Err(Errno::ENOSPC));
}

/// "leader closed: sibling read bytes=48 nr=1 value=2".
#[test]
fn sibling_after_its_leader_is_closed() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 0x1f, ..bp() };
    let leader = rig.open(&attr);
    let sibling = rig.join(leader, &attr);
    rig.hits(sibling, 2);
    rig.close(leader);
    let words = rig.read(sibling).unwrap();
    assert_eq!((words.len(), words[0], words[3]), (6, 1, 2));
}

/// A refused open uses up an id, as every event object does.
#[test]
fn ids_advance_with_refused_opens() {
    let mut rig = Rig::new();
    let first = rig.open(&bp());
    let bad = PerfEventAttr { bp_len: 3, ..bp() };
    assert_eq!(rig.try_open(&bad, Some(super::rig::T0), -1, None), Err(Errno::EINVAL));
    let second = rig.open(&bp());
    let id = |e| rig.perf.event(e).unwrap().id();
    assert_eq!(id(second) - id(first), 2);
}

/// FORMAT_LOST stays cumulative.
#[test]
fn lost_is_cumulative() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 0x10, ..sampling(1, 1) };
    let event = rig.open(&attr);
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    rig.hits(event, 300);
    assert_eq!(rig.read(event), Ok(vec![300, 45]));
    rig.drain(buffer);
    rig.hits(event, 1);
    assert_eq!(rig.read(event), Ok(vec![301, 45]));
}

#[test]
fn unknown_events_are_ebadf() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    rig.close(event);
    assert_eq!(rig.read(event), Err(Errno::EBADF));
    assert_eq!(rig.perf.set_period(&mut rig.pmu, rig.now, event, 1), Err(Errno::EBADF));
    rig.enable(event, Scope::Group);
    assert_eq!(rig.perf.event(event).map(|e| e.id()), None);
}

#[test]
fn ioctl_numbers() {
    assert_eq!(IoctlCommand::from_number(0x2400), Some(IoctlCommand::Enable));
    assert_eq!(IoctlCommand::from_number(0x4008_2404), Some(IoctlCommand::Period));
    assert_eq!(IoctlCommand::from_number(0x8008_2407), Some(IoctlCommand::Id));
    assert_eq!(IoctlCommand::from_number(0x4008_240b), Some(IoctlCommand::ModifyAttributes));
    assert_eq!(IoctlCommand::from_number(0x240c), None);
    assert_eq!(Scope::from_ioctl_arg(0), Scope::Event);
    assert_eq!(Scope::from_ioctl_arg(3), Scope::Group);
}

/// Rule 3.7.3.
#[test]
fn prctl_reaches_what_the_task_opened() {
    let mut rig = Rig::new();
    let own = rig.open(&bp());
    let kernel = rig
        .perf
        .create_kernel_counter(
            &mut rig.pmu,
            rig.now,
            &bp().with(AttrFlags::PINNED),
            crate::Target::Task(super::rig::T0, None),
            None,
        )
        .unwrap();
    rig.perf.task_events_disable(&mut rig.pmu, rig.now, super::rig::T0);
    assert_eq!(rig.hit_each(&[own, kernel]), [0, 1]);
    rig.perf.task_events_enable(&mut rig.pmu, rig.now, super::rig::T0);
    assert_eq!(rig.hit_each(&[own, kernel]), [1, 2]);
}
