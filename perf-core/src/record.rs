//! Records: header, the identity fields every record may end with, and writing them out.
//!
//! Neighbours: `sample` builds SAMPLE records, `sideband` the others.
//! Source: `perf_output_begin`, `__perf_event__output_id_sample`, Linux 6.18
//! kernel/events/{ring_buffer,core}.c; linux-hw-breakpoint rules 3.10.4, 3.11.4.

use crate::attr::PerfEventAttr;
use crate::attr::abi::{
    AttrFlags, PERF_SAMPLE_ADDR, PERF_SAMPLE_CGROUP, PERF_SAMPLE_CODE_PAGE_SIZE, PERF_SAMPLE_CPU,
    PERF_SAMPLE_DATA_PAGE_SIZE, PERF_SAMPLE_DATA_SRC, PERF_SAMPLE_ID, PERF_SAMPLE_IDENTIFIER,
    PERF_SAMPLE_IP, PERF_SAMPLE_PERIOD, PERF_SAMPLE_PHYS_ADDR, PERF_SAMPLE_STREAM_ID,
    PERF_SAMPLE_TID, PERF_SAMPLE_TIME, PERF_SAMPLE_TRANSACTION, PERF_SAMPLE_WEIGHT,
    PERF_SAMPLE_WEIGHT_STRUCT,
};
use crate::ids::{BufferId, CpuId, EventId};
use crate::overflow::HitRegs;
use crate::perf::Perf;
use crate::ring_buffer::{BufferMemory, Wake};

/// Bytes of a record header.
pub const HEADER_SIZE: u64 = 8;
/// `PERF_RECORD_MISC_USER`.
pub const MISC_USER: u16 = 2;
/// `PERF_RECORD_MISC_MMAP_DATA`, `_COMM_EXEC`, `_SWITCH_OUT`: one bit, meaning by type.
pub const MISC_BIT13: u16 = 0x2000;
/// `PERF_RECORD_MISC_SWITCH_OUT_PREEMPT`.
pub const MISC_SWITCH_OUT_PREEMPT: u16 = 0x4000;

/// `PERF_RECORD_*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum RecordType {
    /// A mapping.
    Mmap = 1,
    /// Records were lost.
    Lost = 2,
    /// A task's name.
    Comm = 3,
    /// A task exited.
    Exit = 4,
    /// An event's group was throttled.
    Throttle = 5,
    /// It runs again.
    Unthrottle = 6,
    /// A task was created.
    Fork = 7,
    /// Values of an inherited event; never written on 6.18 (rule 3.6.8).
    Read = 8,
    /// A sample.
    Sample = 9,
    /// A mapping, with device, inode and protection.
    Mmap2 = 10,
    /// A context switch, of a task event.
    Switch = 14,
    /// A context switch, of a CPU-wide event.
    SwitchCpuWide = 15,
}

/// The running task and CPU, for the identity fields of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Current {
    /// The CPU.
    pub cpu: CpuId,
    /// Thread group id of the running task.
    pub pid: u32,
    /// Thread id of the running task.
    pub tid: u32,
    /// perf clock, ns.
    pub now: u64,
}

impl Current {
    pub(crate) fn of_hit(regs: &HitRegs<'_>) -> Self {
        Current { cpu: regs.cpu, pid: regs.pid, tid: regs.tid, now: regs.now }
    }
}

/// A record being built.
pub(crate) struct Record {
    bytes: Vec<u8>,
}

impl Record {
    pub(crate) fn new(record_type: RecordType, misc: u16) -> Self {
        let mut record = Record { bytes: Vec::with_capacity(64) };
        record.u32(record_type as u32);
        record.bytes.extend(misc.to_le_bytes());
        record.bytes.extend([0, 0]);
        record
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Raw bytes, then zeros up to `len`.
    pub(crate) fn padded(&mut self, bytes: &[u8], len: usize) {
        let take = &bytes[..bytes.len().min(len)];
        self.bytes.extend(take);
        self.bytes.resize(self.bytes.len() + (len - take.len()), 0);
    }

    /// A string with its NUL, padded with NULs to a multiple of 8.
    pub(crate) fn string(&mut self, text: &[u8]) {
        self.padded(text, (text.len() + 1).next_multiple_of(8));
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The record with its size filled in; `None` if it outgrew the 16-bit size field.
    fn finish(mut self) -> Option<Vec<u8>> {
        let size = u16::try_from(self.bytes.len()).ok()?;
        self.bytes[6..8].copy_from_slice(&size.to_le_bytes());
        Some(self.bytes)
    }
}

/// Fixed bytes of a sample of `attr`, identity trailer of other records included
/// (`perf_event__header_size`).
pub(crate) fn header_size(attr: &PerfEventAttr) -> u64 {
    const FIXED: [u64; 13] = [
        PERF_SAMPLE_IP,
        PERF_SAMPLE_TID,
        PERF_SAMPLE_TIME,
        PERF_SAMPLE_ADDR,
        PERF_SAMPLE_ID,
        PERF_SAMPLE_STREAM_ID,
        PERF_SAMPLE_CPU,
        PERF_SAMPLE_PERIOD,
        PERF_SAMPLE_IDENTIFIER,
        PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT,
        PERF_SAMPLE_DATA_SRC,
        PERF_SAMPLE_TRANSACTION,
        PERF_SAMPLE_PHYS_ADDR,
    ];
    const LATE: [u64; 3] =
        [PERF_SAMPLE_CGROUP, PERF_SAMPLE_DATA_PAGE_SIZE, PERF_SAMPLE_CODE_PAGE_SIZE];
    let words = FIXED.iter().chain(&LATE).filter(|bits| attr.samples(**bits)).count() as u64;
    HEADER_SIZE + 8 * words
}

impl Perf {
    /// The event's clock at `now`.
    pub(crate) fn event_clock(&self, event: EventId, now: u64) -> u64 {
        self.config.clock_offsets.read(self.ev(event).clock, now)
    }

    /// The id user space knows the event by: a copy has its root's.
    pub(crate) fn primary_id(&self, event: EventId) -> u64 {
        let e = self.ev(event);
        e.parent.and_then(|p| self.event(p)).map_or(e.id, |p| p.id)
    }

    /// `sample_id_all`: the selected identity fields, in the order of rule 3.11.4.
    pub(crate) fn put_sample_id(&self, record: &mut Record, event: EventId, current: &Current) {
        let attr = &self.ev(event).attr;
        if !attr.has(AttrFlags::SAMPLE_ID_ALL) {
            return;
        }
        if attr.samples(PERF_SAMPLE_TID) {
            record.u32(current.pid);
            record.u32(current.tid);
        }
        if attr.samples(PERF_SAMPLE_TIME) {
            record.u64(self.event_clock(event, current.now));
        }
        if attr.samples(PERF_SAMPLE_ID) {
            record.u64(self.primary_id(event));
        }
        if attr.samples(PERF_SAMPLE_STREAM_ID) {
            record.u64(self.ev(event).id);
        }
        if attr.samples(PERF_SAMPLE_CPU) {
            record.u32(current.cpu.0);
            record.u32(0);
        }
        if attr.samples(PERF_SAMPLE_IDENTIFIER) {
            record.u64(self.primary_id(event));
        }
    }

    /// Writes a record of `event` to the buffer its root writes to, preceded by a LOST record if
    /// records were lost before. `wakeup_events` is 0 for anything but samples. Returns the
    /// buffer if its pollers are to be woken.
    pub(crate) fn output(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        event: EventId,
        record: Record,
        wakeup_events: u32,
    ) -> Option<BufferId> {
        let root = self.ev(event).parent.unwrap_or(event);
        let id = self.event(root)?.rb?;
        let lost = self.lost_record(id, root, current);
        let record = record.finish();
        let buffer = self.buffers[id.index()].as_mut()?;
        let size = lost.as_ref().map_or(0, Vec::len) + record.as_ref().map_or(0, Vec::len);
        let room = match &record {
            Some(_) if !buffer.paused => buffer.reserve(mem, size as u64).ok(),
            Some(_) | None => None,
        };
        let (Some(mut room), Some(record)) = (room, record) else {
            self.count_lost(id, root);
            return None;
        };
        if let Some(lost) = &lost {
            room.put(lost);
        }
        room.put(&record);
        room.count_sample(wakeup_events);
        let wake = room.commit();
        if lost.is_some() {
            buffer.lost = 0;
        }
        (wake == Wake::Yes).then_some(id)
    }

    fn count_lost(&mut self, id: BufferId, root: EventId) {
        if let Some(buffer) = self.buffers[id.index()].as_mut()
            && buffer.nr_pages > 0
        {
            buffer.lost += 1;
            self.ev_mut(root).lost_samples += 1;
        }
    }

    /// Rule 3.10.4.
    fn lost_record(&self, id: BufferId, root: EventId, current: &Current) -> Option<Vec<u8>> {
        let lost = self.buffers[id.index()].as_ref()?.lost;
        if lost == 0 {
            return None;
        }
        let mut record = Record::new(RecordType::Lost, 0);
        record.u64(self.ev(root).id);
        record.u64(lost);
        self.put_sample_id(&mut record, root, current);
        record.finish()
    }

    /// THROTTLE and UNTHROTTLE: time, id, stream id (rule 3.11).
    pub(crate) fn throttle_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        event: EventId,
        record_type: RecordType,
    ) -> Option<BufferId> {
        let mut record = Record::new(record_type, 0);
        record.u64(self.event_clock(event, current.now));
        record.u64(self.primary_id(event));
        record.u64(self.ev(event).id);
        self.put_sample_id(&mut record, event, current);
        self.output(mem, current, event, record, 0)
    }
}
