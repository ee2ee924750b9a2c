//! Mapping and redirecting: rules 3.10.1, 3.10.2, 3.10.5, measured answers.

use super::rig::{C0, Rig, T0, T1, bp, sampling};
use crate::attr::abi::{AttrFlags, PERF_SAMPLE_IP};
use crate::ring_buffer::control::{
    CAPABILITIES, DATA_OFFSET, DATA_SIZE, LOCK, OFFSET, SIZE, TIME_ENABLED,
};
use crate::{Errno, EventId, Mapped, MmapAccess, MmapRequest, MmapSharing, PerfEventAttr};

const PAGE: u64 = 4096;

fn request(length: u64) -> MmapRequest {
    let access = MmapAccess::Writable;
    MmapRequest { length, offset: 0, sharing: MmapSharing::Shared, access }
}

#[test]
fn lengths_and_flags() {
    let mut rig = Rig::new();
    let mut ask = |request: MmapRequest| {
        let event = rig.open(&sampling(1, PERF_SAMPLE_IP));
        let result = rig.perf.mmap(event, &request).map(|m| match m {
            Mapped::New { bytes, .. } => bytes,
            Mapped::Again { .. } => 0,
        });
        rig.close(event);
        result
    };
    let refused = Err(Errno::EINVAL);
    assert_eq!(ask(request(PAGE)), Ok(PAGE), "1 page only : ok");
    assert_eq!(ask(request(2 * PAGE)), Ok(2 * PAGE), "1+1 : ok");
    assert_eq!(ask(request(4 * PAGE)), refused, "1+3 : EINVAL");
    assert_eq!(ask(request(0)), refused);
    assert_eq!(ask(request(2 * PAGE + 8)), refused);
    let private = MmapRequest { sharing: MmapSharing::Private, ..request(2 * PAGE) };
    assert_eq!(ask(private), refused, "private : EINVAL");
    assert_eq!(ask(MmapRequest { offset: PAGE, ..request(PAGE) }), refused, "offset 4096");
    assert!(ask(request(4097 * PAGE)).is_ok(), "16 MiB");
}

/// Rule 3.6.4.
#[test]
fn inherit_needs_a_fixed_cpu() {
    let mut rig = Rig::new();
    let any = rig.open(&bp().with(AttrFlags::INHERIT));
    assert_eq!(rig.perf.mmap(any, &request(2 * PAGE)), Err(Errno::EINVAL));
    let fixed = rig.try_open(&bp().with(AttrFlags::INHERIT), Some(T0), 0, None).unwrap();
    assert!(rig.perf.mmap(fixed, &request(2 * PAGE)).is_ok());
}

/// "userpage: version=0 compat=0 lock=2 index=0 offset=0 ... caps=0x2 data_offset=4096
/// data_size=4096 size=96", then a hit and RESET.
#[test]
fn control_page() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    rig.now += 77;
    rig.hits(event, 2);
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    assert_eq!(rig.word(buffer, 0), 0, "version, compat");
    assert_eq!(rig.word(buffer, LOCK), 2, "lock 2, index 0");
    assert_eq!(rig.word(buffer, OFFSET), 2);
    assert_eq!(rig.word(buffer, TIME_ENABLED), 77);
    assert_eq!(rig.word(buffer, CAPABILITIES), 2);
    assert_eq!(rig.word(buffer, SIZE) as u32, 96);
    assert_eq!((rig.word(buffer, DATA_OFFSET), rig.word(buffer, DATA_SIZE)), (4096, 4096));
    rig.perf.reset(&mut rig.pmu, rig.now, event, crate::Scope::Event);
    rig.perf.update_userpage(rig.now, event, &mut rig.mem);
    assert_eq!((rig.word(buffer, LOCK), rig.word(buffer, OFFSET)), (4, 0));
}

#[test]
fn mapping_twice() {
    let mut rig = Rig::new();
    let event = rig.open(&bp());
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    assert_eq!(rig.perf.mmap(event, &request(2 * PAGE)), Ok(Mapped::Again { buffer }));
    assert_eq!(rig.perf.mmap(event, &request(3 * PAGE)), Err(Errno::EINVAL));
    assert_eq!(rig.perf.mmap_close(event), Default::default());
    let detached = rig.perf.mmap_close(event);
    assert_eq!((detached.freed_buffers, detached.wake), (vec![buffer], vec![event]));
    assert_eq!(rig.perf.event(event).unwrap().buffer(), None);
    rig.hits(event, 1);
}

/// Rule 3.7, SET_OUTPUT row.
#[test]
fn set_output_refusals() {
    let mut rig = Rig::new();
    let main = rig.open(&bp());
    let other = rig.open(&bp());
    let refused = Err(Errno::EINVAL);
    assert_eq!(rig.perf.set_output(other, Some(main)), refused, "target without buffer");
    rig.map(main, 1, MmapAccess::Writable);
    assert_eq!(rig.perf.set_output(main, Some(main)), refused, "self");
    assert_eq!(rig.perf.set_output(main, Some(other)), refused, "already mapped");
    assert_eq!(rig.perf.set_output(EventId(99), Some(main)), Err(Errno::EBADF));
    let cases = [
        (bp(), Some(T1), -1, refused),
        (bp(), Some(T0), 0, refused),
        (bp().with(AttrFlags::WRITE_BACKWARD), Some(T0), -1, refused),
        (PerfEventAttr { clockid: 1, ..bp().with(AttrFlags::USE_CLOCKID) }, Some(T0), -1, refused),
        (bp(), Some(T0), -1, Ok(())),
    ];
    for (attr, task, cpu, answer) in cases {
        let event = rig.try_open(&attr, task, cpu, None).unwrap();
        assert_eq!(rig.perf.set_output(event, Some(main)), answer, "{attr:?}");
    }
}

/// Rule 3.10.5: streams merge; a redirected event cannot be mapped (EBUSY on 6.18); the buffer's
/// pollers are woken together; unmapping detaches all.
#[test]
fn redirected_output() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { wakeup_events: 1, ..sampling(1, PERF_SAMPLE_IP) };
    let main = rig.open(&attr);
    let buffer = rig.map(main, 1, MmapAccess::Writable);
    let second = rig.open(&attr);
    rig.perf.set_output(second, Some(main)).unwrap();
    assert_eq!(rig.perf.mmap(second, &request(2 * PAGE)), Err(Errno::EBUSY));
    rig.hits(main, 1);
    let out = rig.hit(second);
    assert_eq!(out.wakeup, Some(buffer));
    assert_eq!(rig.perf.buffer_events(buffer), [main, second]);
    assert_eq!(rig.drain(buffer).len(), 2);
    let detached = rig.perf.mmap_close(main);
    assert_eq!(detached.wake, [main, second]);
    assert_eq!(rig.perf.event(second).unwrap().buffer(), None);
    rig.perf.set_output(second, None).unwrap();
}

/// PERF_FLAG_FD_OUTPUT: a failing redirect fails the open and gives the slot back.
#[test]
fn redirect_at_open() {
    let mut rig = Rig::new();
    let main = rig.open(&bp());
    let open = |rig: &mut Rig, attr: PerfEventAttr| {
        let request =
            crate::OpenRequest { attr, task: Some(T0), cpu: -1, group_leader: None, owner: T0 };
        let event = rig.perf.event_alloc(&mut rig.pmu, &request)?;
        rig.perf.event_install(&mut rig.pmu, rig.now, event, Some(main)).map(|()| event)
    };
    assert_eq!(open(&mut rig, bp()), Err(Errno::EINVAL));
    assert_eq!(rig.pmu.bp.live.len(), 1);
    let buffer = rig.map(main, 1, MmapAccess::Writable);
    let event = open(&mut rig, sampling(1, PERF_SAMPLE_IP)).unwrap();
    rig.hits(event, 2);
    assert_eq!(rig.drain(buffer).len(), 2);
    let regs = rig.regs(C0, crate::Mode::User);
    assert_eq!(rig.perf.event_hit(main, &regs, &mut rig.mem).wakeup, None);
    rig.close(event);
    assert_eq!(rig.perf.buffer_events(buffer), [main]);
}

/// Backward writing: the newest record is at data_head.
#[test]
fn backward() {
    let mut rig = Rig::new();
    let attr = sampling(1, PERF_SAMPLE_IP).with(AttrFlags::WRITE_BACKWARD);
    let event = rig.open(&attr);
    let buffer = rig.map(event, 1, MmapAccess::ReadOnly);
    rig.hits(event, 300);
    let head = rig.head(buffer);
    assert_eq!(head, 4800u64.wrapping_neg());
    let at = PAGE + head % PAGE;
    assert_eq!(rig.word(buffer, at) as u32, 9, "a SAMPLE header is at the head");
    assert_eq!(rig.word(buffer, at) >> 48, 16);
}
