//! Side-band records: rules 3.11.4 to 3.11.6, measured bytes (ids and times aside).

use super::rig::{Rec, Rig, T0, T1, bp, sampling};
use crate::attr::abi::{
    AttrFlags, PERF_SAMPLE_CPU, PERF_SAMPLE_ID, PERF_SAMPLE_IDENTIFIER, PERF_SAMPLE_TID,
    PERF_SAMPLE_TIME,
};
use crate::{
    BufferId, CloneFlags, CommChange, MmapAccess, MmapInfo, PerfEventAttr, SwitchDirection,
    TaskIdent,
};

const IDENTITY: u64 =
    PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER;

fn pair(low: u64, high: u64) -> u64 {
    high << 32 | low
}

fn exec_map(name: &[u8]) -> MmapInfo<'_> {
    MmapInfo {
        addr: 0x5647_3e34_8000,
        len: 0x4000,
        pgoff: 0x2000,
        maj: 254,
        min: 0,
        ino: 247_857,
        ino_generation: 0,
        prot: 5,
        flags: 2,
        name,
    }
}

fn watched(attr: &PerfEventAttr) -> (Rig, BufferId) {
    let mut rig = Rig::new();
    let event = rig.try_open(attr, Some(T0), 0, None).unwrap();
    let buffer = rig.map(event, 4, MmapAccess::Writable);
    (rig, buffer)
}

/// Rule 3.11.6: fork, rename, hit, exec, exit of a child, as measured.
#[test]
fn life_of_a_child() {
    let flags = AttrFlags::INHERIT
        | AttrFlags::COMM
        | AttrFlags::COMM_EXEC
        | AttrFlags::TASK
        | AttrFlags::MMAP
        | AttrFlags::MMAP2
        | AttrFlags::SAMPLE_ID_ALL;
    let (mut rig, buffer) = watched(&sampling(1, IDENTITY).with(flags));
    let root = rig.perf.events().next().unwrap();
    let (parent, child) = (2658, 2659);
    rig.perf.fork(&mut rig.pmu, rig.now, T0, T1, CloneFlags::default()).unwrap();
    let current = rig.current(parent);
    let ident = TaskIdent { pid: child, tid: child };
    let _woken = rig.perf.fork_record(&mut rig.mem, &current, ident);
    rig.run(super::rig::C0, T1);
    let current = rig.current(child);
    let _woken = rig.perf.comm_record(&mut rig.mem, &current, b"renamed", CommChange::Rename);
    let copy = rig.perf.event(root).unwrap().children()[0];
    rig.hits(copy, 1);
    let _woken = rig.perf.comm_record(&mut rig.mem, &current, b"true", CommChange::Exec);
    let map = exec_map(b"/usr/bin/true");
    let _woken = rig.perf.mmap_record(&mut rig.mem, &current, &map);
    let vdso = exec_map(b"[vdso]");
    let _woken = rig.perf.mmap_record(&mut rig.mem, &current, &vdso);
    let _woken = rig.perf.exit_record(&mut rig.mem, &current, parent);
    let records = rig.drain(buffer);
    let shape: Vec<_> = records.iter().map(|r| (r.kind, r.misc, r.size)).collect();
    let expected = [
        (7, 0, 72),
        (3, 0, 64),
        (9, 2, 48),
        (3, 0x2000, 64),
        (10, 2, 128),
        (10, 2, 120),
        (4, 0, 72),
    ];
    assert_eq!(shape, expected);
    let (p, c, now) = (2658, 2659, rig.now);
    let id = rig.perf.event(root).unwrap().id();
    let fork = [pair(c, p), pair(c, p), now, pair(p, p), now, id, 0, id];
    assert_eq!(records[0].words, fork);
    let comm = [pair(c, c), 0x0064_656d_616e_6572, pair(c, c), now, id, 0, id];
    assert_eq!(records[1].words, comm);
    assert_eq!(records[3].words[1], 0x0000_0000_6575_7274);
    let mmap2 = [
        pair(c, c),
        0x5647_3e34_8000,
        0x4000,
        0x2000,
        0xfe,
        0x3c831,
        0,
        0x2_0000_0005,
        0x6e69_622f_7273_752f,
        0x0000_0065_7572_742f,
    ];
    assert_eq!(records[4].words[..10], mmap2);
    assert_eq!(records[6].words[..2], [pair(c, p), pair(c, p)]);
    assert_eq!(records[6].words[3], pair(c, c));
}

/// "counting bp, comm, no sample_id_all: size=32", and no MMAP without its bit.
#[test]
fn counting_event_with_comm() {
    let (mut rig, buffer) = watched(&bp().with(AttrFlags::COMM | AttrFlags::TASK));
    let current = rig.current(2658);
    let name = b"abcdefghijklmno";
    let _woken = rig.perf.comm_record(&mut rig.mem, &current, name, CommChange::Rename);
    let words = vec![0xa62_0000_0a62, 0x6867_6665_6463_6261, 0x006f_6e6d_6c6b_6a69];
    assert_eq!(rig.drain(buffer), [Rec { kind: 3, misc: 0, size: 32, words }]);
    let _woken = rig.perf.mmap_record(&mut rig.mem, &current, &exec_map(b"//anon"));
    assert_eq!(rig.drain(buffer), []);
}

/// mmap gives executable mappings only, mmap_data the others, with misc 0x2002.
#[test]
fn mmap_and_mmap_data() {
    let data = MmapInfo { prot: 3, ..exec_map(b"//anon") };
    for (flags, exec_seen, data_seen) in
        [(AttrFlags::MMAP, Some(2), None), (AttrFlags::MMAP_DATA, None, Some(0x2002))]
    {
        let (mut rig, buffer) = watched(&bp().with(flags));
        let current = rig.current(2658);
        for (map, misc) in [(exec_map(b"//anon"), exec_seen), (data, data_seen)] {
            let _woken = rig.perf.mmap_record(&mut rig.mem, &current, &map);
            let records = rig.drain(buffer);
            assert_eq!(records.first().map(|r| r.misc), misc);
            assert!(records.iter().all(|r| r.kind == 1 && r.size == 48));
        }
    }
}

/// "disabled event + comm:" nothing.
#[test]
fn disabled_events_write_nothing() {
    let (mut rig, buffer) = watched(&bp().with(AttrFlags::COMM | AttrFlags::DISABLED));
    let current = rig.current(1);
    let _woken = rig.perf.comm_record(&mut rig.mem, &current, b"zzz", CommChange::Rename);
    assert_eq!(rig.drain(buffer), []);
}

/// "context_switch: SWITCH misc=0x2000 size=8, SWITCH misc=0 size=8"; a CPU-wide event gets
/// SWITCH_CPU_WIDE with the other task.
#[test]
fn switches() {
    let mut rig = Rig::new();
    let attr = bp().with(AttrFlags::CONTEXT_SWITCH);
    let task = rig.open(&attr);
    let wide = rig.try_open(&attr, None, 0, None).unwrap();
    let buffers = [task, wide].map(|e| rig.map(e, 1, MmapAccess::Writable));
    let other = TaskIdent { pid: 7, tid: 8 };
    for direction in [SwitchDirection::Out, SwitchDirection::OutPreempted, SwitchDirection::In] {
        let current = rig.current(1);
        let _woken = rig.perf.switch_record(&mut rig.mem, &current, other, direction);
    }
    let shape = |r: &Rec| (r.kind, r.misc, r.size);
    let own: Vec<_> = rig.drain(buffers[0]).iter().map(shape).collect();
    assert_eq!(own, [(14, 0x2000, 8), (14, 0x6000, 8), (14, 0, 8)]);
    let wide = rig.drain(buffers[1]);
    assert_eq!(shape(&wide[0]), (15, 0x2000, 16));
    assert_eq!(wide[0].words, [pair(7, 8)]);
}

/// comm and mmap bits also produce FORK and EXIT (rule 3.11.5); other tasks' events get nothing.
#[test]
fn who_gets_fork_records() {
    for (flags, wanted) in [
        (AttrFlags::TASK, true),
        (AttrFlags::COMM, true),
        (AttrFlags::MMAP, true),
        (AttrFlags::CONTEXT_SWITCH, false),
    ] {
        let (mut rig, buffer) = watched(&bp().with(flags));
        let current = rig.current(1);
        let child = TaskIdent { pid: 2, tid: 2 };
        let _woken = rig.perf.fork_record(&mut rig.mem, &current, child);
        assert_eq!(rig.drain(buffer).len(), usize::from(wanted), "{flags:?}");
        rig.run(super::rig::C0, T1);
        let _woken = rig.perf.fork_record(&mut rig.mem, &current, child);
        assert_eq!(rig.drain(buffer).len(), 0);
    }
}

/// Side-band records wake by watermark and count as lost when they do not fit.
#[test]
fn side_band_wakes_and_is_lost() {
    let attr = PerfEventAttr { wakeup_events: 40, read_format: 0x10, ..bp() };
    let (mut rig, buffer) = watched(&attr.with(AttrFlags::COMM | AttrFlags::WATERMARK));
    let event = rig.perf.events().next().unwrap();
    let current = rig.current(1);
    let woken: Vec<bool> = (0..1_000)
        .map(|_| {
            let comm = rig.perf.comm_record(&mut rig.mem, &current, b"x", CommChange::Rename);
            comm == [buffer]
        })
        .collect();
    // 24-byte records: past 40 at 48, past 80 at 96, past 120 at 144.
    assert_eq!(woken[..6], [false, true, false, true, false, true]);
    let written = rig.drain(buffer).len() as u64;
    assert_eq!(rig.read(event), Ok(vec![0, 1_000 - written]));
    assert_eq!(written, (4 * 4096 - 1) / 24);
}
