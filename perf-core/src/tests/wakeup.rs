//! Wake-ups, poll, SIGIO, LOST, PAUSE_OUTPUT, overwrite mode: rules 3.9.3 to 3.10.4, measured.

use super::rig::{Rec, Rig, bp, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_IP};
use crate::{Errno, EventId, MmapAccess, Output, PerfEventAttr, PollEvents, PollReason};

/// The hits, of `n`, after which poll() reports data.
fn wakeups(rig: &mut Rig, event: EventId, n: u64) -> Vec<u64> {
    (1..=n)
        .filter(|_| {
            let woken = rig.hit(event).wakeup.is_some();
            let polled = rig.perf.poll(event).contains(PollEvents(1));
            assert_eq!(woken, polled);
            polled
        })
        .collect()
}

fn mapped(attr: &PerfEventAttr, pages: u64) -> (Rig, EventId, crate::BufferId) {
    let mut rig = Rig::new();
    let event = rig.open(attr);
    assert_eq!(rig.perf.poll(event), PollEvents::HUP, "poll before mmap: revents=0x10");
    let buffer = rig.map(event, pages, MmapAccess::Writable);
    assert_eq!(rig.perf.poll(event), PollEvents::NONE, "after mmap no data: 0");
    (rig, event, buffer)
}

/// wakeup_events=3: hits 3 and 6.
#[test]
fn wakeup_events() {
    let attr = PerfEventAttr { wakeup_events: 3, ..sampling(1, PERF_SAMPLE_IP) };
    let (mut rig, event, _) = mapped(&attr, 8);
    assert_eq!(wakeups(&mut rig, event, 7), [3, 6]);
}

/// watermark=40 with 16-byte records: hits 3 and 6.
#[test]
fn wakeup_watermark() {
    let attr = PerfEventAttr { wakeup_events: 40, ..sampling(1, PERF_SAMPLE_IP) };
    let (mut rig, event, _) = mapped(&attr.with(AttrFlags::WATERMARK), 8);
    assert_eq!(wakeups(&mut rig, event, 7), [3, 6]);
}

/// Neither: strictly more than half a 32 KiB buffer, hit 1025.
#[test]
fn default_wakeup_is_half_the_buffer() {
    let (mut rig, event, _) = mapped(&sampling(1, PERF_SAMPLE_IP), 8);
    assert_eq!(wakeups(&mut rig, event, 1_100), [1_025]);
}

/// "300 hits into 4096B/16B: head=4080 lost=45 samples=255", then LOST 45 and one sample.
#[test]
fn lost_records() {
    let (mut rig, event, buffer) = mapped(&sampling(1, PERF_SAMPLE_IP), 1);
    rig.hits(event, 300);
    assert_eq!(rig.head(buffer), 4080);
    let records = rig.drain(buffer);
    assert!(records.len() == 255 && records.iter().all(|r| r.kind == 9));
    rig.hits(event, 1);
    let records = rig.drain(buffer);
    let id = rig.perf.event(event).unwrap().id();
    assert_eq!(records[0], Rec { kind: 2, misc: 0, size: 24, words: vec![id, 45] });
    assert_eq!((records.len(), records[1].kind, records[1].size), (2, 9, 16));
    rig.hits(event, 1);
    assert_eq!(rig.drain(buffer).len(), 1, "reported once");
}

/// Overwrite mode: 300 records of 16 bytes, head 4800, nothing lost.
#[test]
fn overwrite_mode() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 0x10, ..sampling(1, PERF_SAMPLE_IP) };
    let event = rig.open(&attr);
    let buffer = rig.map(event, 1, MmapAccess::ReadOnly);
    rig.hits(event, 300);
    assert_eq!(rig.head(buffer), 4800);
    assert_eq!(rig.read(event), Ok(vec![300, 0]));
}

/// PAUSE_OUTPUT: hits count, one LOST and one SAMPLE on resume, head 40.
#[test]
fn pause_output() {
    let (mut rig, event, buffer) = mapped(&sampling(1, PERF_SAMPLE_IP), 1);
    rig.perf.pause_output(event, Output::Paused).unwrap();
    rig.hits(event, 5);
    assert_eq!((rig.count(event), rig.head(buffer)), (5, 0));
    rig.perf.pause_output(event, Output::Running).unwrap();
    rig.hits(event, 1);
    assert_eq!(rig.head(buffer), 40);
    assert_eq!(rig.drain(buffer)[0].words[1], 5);
}

#[test]
fn pause_output_needs_data_pages() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP));
    assert_eq!(rig.perf.pause_output(event, Output::Paused), Err(Errno::EINVAL));
    let buffer = rig.map(event, 0, MmapAccess::Writable);
    assert_eq!(rig.perf.pause_output(event, Output::Running), Err(Errno::EINVAL));
    rig.hits(event, 3);
    assert_eq!((rig.count(event), rig.head(buffer)), (3, 0));
}

/// Rule 3.9.5: every overflow asks for SIGIO, mapped or not; the last of a budget with POLL_HUP.
#[test]
fn sigio_reasons() {
    let mut rig = Rig::new();
    let event = rig.open(&sampling(1, PERF_SAMPLE_IP).with(AttrFlags::DISABLED));
    rig.perf.refresh(&mut rig.pmu, rig.now, event, 2).unwrap();
    let kills = [0, 1, 2].map(|_| rig.hit(event).kill);
    assert_eq!(kills, [Some(PollReason::In), Some(PollReason::Hup), None]);
    assert_eq!((PollReason::In.si_code(), PollReason::In.si_band()), (1, 0x41));
    assert_eq!((PollReason::Hup.si_code(), PollReason::Hup.si_band()), (6, 0x18));
    let counting = rig.open(&bp());
    assert_eq!(rig.hit(counting).kill, None);
}

/// Any value a reader may leave in data_tail is survived.
#[test]
fn wild_tails() {
    for tail in [1, 7, 4096, 1 << 63, u64::MAX, u64::MAX - 7] {
        let (mut rig, event, buffer) = mapped(&sampling(1, PERF_SAMPLE_IP), 1);
        rig.mem.0.get_mut(&buffer).unwrap()[1032..1040].copy_from_slice(&tail.to_le_bytes());
        rig.hits(event, 600);
        assert_eq!(rig.count(event), 600);
        assert!(rig.head(buffer) <= 4096, "tail {tail:#x}");
    }
}
