//! The test rig: a core, a mock PMU, buffer memory, a clock, task 0 running on CPU 0.

use std::collections::BTreeMap;

use super::pmu::MockPmus;
use crate::attr::abi::{
    AttrFlags, HW_BREAKPOINT_W, PERF_FORMAT_GROUP, PERF_FORMAT_LOST,
    PERF_FORMAT_TOTAL_TIME_ENABLED, PERF_FORMAT_TOTAL_TIME_RUNNING,
};
use crate::ring_buffer::PAGE_SIZE;
use crate::ring_buffer::control::{DATA_HEAD, DATA_TAIL};
use crate::{
    BufferId, BufferMemory, CpuId, Current, Errno, EventId, HitRegs, Mapped, MmapAccess,
    MmapRequest, MmapSharing, Mode, OpenRequest, Overflow, Perf, PerfConfig, PerfEventAttr,
    PmuClass, Scope, TaskId,
};

pub(super) const T0: TaskId = TaskId(0);
pub(super) const T1: TaskId = TaskId(1);
pub(super) const C0: CpuId = CpuId(0);
pub(super) const C1: CpuId = CpuId(1);
pub(super) const ADDR: u64 = 0x55e9_ff9e_1280;
pub(super) const IP: u64 = 0x55e9_ff9d_d04e;
pub(super) const PID: u32 = 0x4c5;

#[derive(Default)]
pub(super) struct Memory(pub(super) BTreeMap<BufferId, Vec<u8>>);

impl BufferMemory for Memory {
    fn read(&self, buf: BufferId, offset: u64, out: &mut [u8]) {
        let at = offset as usize;
        out.copy_from_slice(&self.0[&buf][at..at + out.len()]);
    }
    fn write(&mut self, buf: BufferId, offset: u64, data: &[u8]) {
        let at = offset as usize;
        let bytes = self.0.get_mut(&buf).expect("buffer is mapped");
        bytes[at..at + data.len()].copy_from_slice(data);
    }
}

/// A record as a reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rec {
    pub(super) kind: u32,
    pub(super) misc: u16,
    pub(super) size: u16,
    pub(super) words: Vec<u64>,
}

pub(super) struct Rig {
    pub(super) perf: Perf,
    pub(super) pmu: MockPmus,
    pub(super) mem: Memory,
    pub(super) now: u64,
}

pub(super) fn bp() -> PerfEventAttr {
    PerfEventAttr::breakpoint(ADDR, 1, HW_BREAKPOINT_W).with(AttrFlags::EXCLUDE_KERNEL)
}

pub(super) fn sampling(period: u64, sample_type: u64) -> PerfEventAttr {
    PerfEventAttr { sample_period: period, sample_type, ..bp() }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_config(PerfConfig { nr_cpus: 2, ..Default::default() }, PmuClass::Software)
    }

    pub(super) fn with_config(config: PerfConfig, class: PmuClass) -> Self {
        let mut rig = Rig {
            perf: Perf::new(config),
            pmu: MockPmus::new(class),
            mem: Memory::default(),
            now: 1_000,
        };
        rig.run(C0, T0);
        rig
    }

    pub(super) fn try_open(
        &mut self,
        attr: &PerfEventAttr,
        task: Option<TaskId>,
        cpu: i32,
        group_leader: Option<EventId>,
    ) -> Result<EventId, Errno> {
        let attr = attr.clone();
        let request = OpenRequest { attr, task, cpu, group_leader, owner: T0 };
        let event = self.perf.event_alloc(&mut self.pmu, &request)?;
        self.perf.event_install(&mut self.pmu, self.now, event, None)?;
        Ok(event)
    }

    /// Opens on task 0, any CPU.
    pub(super) fn open(&mut self, attr: &PerfEventAttr) -> EventId {
        self.try_open(attr, Some(T0), -1, None).expect("open succeeds")
    }

    /// Opens on task 0, any CPU, in a group.
    pub(super) fn join(&mut self, leader: EventId, attr: &PerfEventAttr) -> EventId {
        self.try_open(attr, Some(T0), -1, Some(leader)).expect("open succeeds")
    }

    pub(super) fn regs(&self, cpu: CpuId, mode: Mode) -> HitRegs<'static> {
        HitRegs { ip: IP, mode, pid: PID, tid: PID, cpu, now: self.now, addr: ADDR, source: None }
    }

    pub(super) fn current(&self, pid: u32) -> Current {
        Current { cpu: C0, pid, tid: pid, now: self.now }
    }

    /// One hit with what follows it: the interrupt work.
    pub(super) fn hit_mode(&mut self, event: EventId, mode: Mode) -> Overflow {
        let cpu = self.perf.event(event).and_then(|e| e.oncpu()).unwrap_or(C0);
        let regs = self.regs(cpu, mode);
        let out = self.perf.event_hit(event, &regs, &mut self.mem);
        if out.disable {
            self.perf.pending_disable(&mut self.pmu, self.now, event);
        }
        out
    }

    pub(super) fn hit(&mut self, event: EventId) -> Overflow {
        self.hit_mode(event, Mode::User)
    }

    pub(super) fn hits(&mut self, event: EventId, n: u64) -> u64 {
        (0..n).map(|_| u64::from(self.hit(event).nr_overflows)).sum()
    }

    /// Hits each event once and returns all counts.
    pub(super) fn hit_each(&mut self, events: &[EventId]) -> Vec<u64> {
        for event in events {
            let _out = self.hit(*event);
        }
        events.iter().map(|e| self.count(*e)).collect()
    }

    pub(super) fn count(&mut self, event: EventId) -> u64 {
        self.perf.read_value(&mut self.pmu, self.now, event).expect("event lives")
    }

    pub(super) fn read(&mut self, event: EventId) -> Result<Vec<u64>, Errno> {
        let bytes = self.perf.read(&mut self.pmu, self.now, event, 4096)?;
        Ok(bytes.chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect())
    }

    /// `(enabled, running)` in ns.
    pub(super) fn times(&mut self, event: EventId) -> (u64, u64) {
        let format = self.perf.event(event).unwrap().attr().read_format;
        let wanted = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
        assert_eq!(format & (wanted | PERF_FORMAT_GROUP | PERF_FORMAT_LOST), wanted);
        let words = self.read(event).unwrap();
        (words[1], words[2])
    }

    pub(super) fn enable(&mut self, event: EventId, scope: Scope) {
        self.perf.enable(&mut self.pmu, self.now, event, scope);
    }

    pub(super) fn disable(&mut self, event: EventId, scope: Scope) {
        self.perf.disable(&mut self.pmu, self.now, event, scope);
    }

    pub(super) fn close(&mut self, event: EventId) {
        let _pollers = self.perf.release(&mut self.pmu, self.now, event);
    }

    pub(super) fn run(&mut self, cpu: CpuId, task: TaskId) {
        self.perf.task_sched_in(&mut self.pmu, self.now, cpu, task);
    }

    pub(super) fn stop(&mut self, cpu: CpuId) {
        self.perf.task_sched_out(&mut self.pmu, self.now, cpu);
    }

    /// Task 0 leaves CPU 0 and comes back.
    pub(super) fn context_switch(&mut self) {
        self.stop(C0);
        self.now += 10;
        self.run(C0, T0);
    }

    pub(super) fn map(&mut self, event: EventId, data_pages: u64, access: MmapAccess) -> BufferId {
        let request = MmapRequest {
            length: (1 + data_pages) * PAGE_SIZE,
            offset: 0,
            sharing: MmapSharing::Shared,
            access,
        };
        match self.perf.mmap(event, &request).expect("mmap succeeds") {
            Mapped::New { buffer, bytes } => {
                self.mem.0.insert(buffer, vec![0; bytes as usize]);
                self.perf.init_userpage(self.now, event, &mut self.mem);
                buffer
            }
            Mapped::Again { buffer } => buffer,
        }
    }

    pub(super) fn word(&self, buffer: BufferId, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.mem.read(buffer, offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    pub(super) fn head(&self, buffer: BufferId) -> u64 {
        self.word(buffer, DATA_HEAD)
    }

    /// Reads all records and moves `data_tail`.
    pub(super) fn drain(&mut self, buffer: BufferId) -> Vec<Rec> {
        let size = self.mem.0[&buffer].len() as u64 - PAGE_SIZE;
        let (mut tail, head) = (self.word(buffer, DATA_TAIL), self.head(buffer));
        let mut records = Vec::new();
        while tail < head {
            let words_at = |at: u64, n: u64| -> Vec<u64> {
                let word = |i| self.word(buffer, PAGE_SIZE + (at + 8 * i) % size);
                (0..n).map(word).collect()
            };
            let header = words_at(tail, 1)[0];
            let bytes = (header >> 48) as u16;
            records.push(Rec {
                kind: header as u32,
                misc: (header >> 32) as u16,
                size: bytes,
                words: words_at(tail + 8, u64::from(bytes) / 8 - 1),
            });
            tail += u64::from(bytes);
        }
        self.mem.write(buffer, DATA_TAIL, &tail.to_le_bytes());
        records
    }
}
