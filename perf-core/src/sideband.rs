//! Side-band records: COMM, MMAP/MMAP2, FORK, EXIT, SWITCH (rules 3.11, 3.11.5).
//!
//! They go to the enabled events of the running task and of its CPU that ask for them, sampling
//! or not, newest event first as Linux keeps its lists. KSYMBOL, BPF_EVENT, NAMESPACES, CGROUP,
//! TEXT_POKE and build ids are accepted in attributes and never written.
//! Source: `perf_iterate_sb`, `perf_event_*_output`, Linux 6.18 kernel/events/core.c.

use crate::attr::PerfEventAttr;
use crate::attr::abi::AttrFlags;
use crate::event::{ContextId, EventState};
use crate::ids::{BufferId, CpuId, EventId};
use crate::perf::Perf;
use crate::record::{Current, MISC_BIT13, MISC_SWITCH_OUT_PREEMPT, MISC_USER, Record, RecordType};
use crate::ring_buffer::BufferMemory;

/// pid (thread group id) and tid of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskIdent {
    /// Thread group id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
}

/// Why a task's name changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommChange {
    /// prctl or a write to /proc.
    Rename,
    /// exec.
    Exec,
}

/// Direction of a context switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SwitchDirection {
    /// The running task leaves because it blocks.
    Out,
    /// The running task leaves while runnable.
    OutPreempted,
    /// The running task has just arrived.
    In,
}

/// A new mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmapInfo<'a> {
    /// First address.
    pub addr: u64,
    /// Length in bytes.
    pub len: u64,
    /// File offset in bytes (the address itself for anonymous memory).
    pub pgoff: u64,
    /// Device major number.
    pub maj: u32,
    /// Device minor number.
    pub min: u32,
    /// Inode number.
    pub ino: u64,
    /// Inode generation.
    pub ino_generation: u64,
    /// `PROT_*`; bit 2 (`PROT_EXEC`) decides between code and data.
    pub prot: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// Path, or `//anon`, `[vdso]`, `[heap]`, `[stack]`.
    pub name: &'a [u8],
}

const PROT_EXEC: u32 = 4;

/// Where a record is offered first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    CpuThenTask,
    TaskThenCpu,
}

/// Who gets FORK and EXIT records (rule 3.11.5: the comm and mmap bits do too).
fn wants_task_records(attr: &PerfEventAttr) -> bool {
    attr.flags.intersects(
        AttrFlags::TASK
            | AttrFlags::COMM
            | AttrFlags::MMAP
            | AttrFlags::MMAP2
            | AttrFlags::MMAP_DATA,
    )
}

impl Perf {
    /// `perf_event_comm`. Returns the buffers to wake, as all of these do.
    pub fn comm_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        comm: &[u8],
        change: CommChange,
    ) -> Vec<BufferId> {
        let misc = if change == CommChange::Exec { MISC_BIT13 } else { 0 };
        let wants = |attr: &PerfEventAttr| attr.has(AttrFlags::COMM);
        self.iterate_sb(mem, current, Order::CpuThenTask, wants, |_, _| {
            let mut record = Record::new(RecordType::Comm, misc);
            record.u32(current.pid);
            record.u32(current.tid);
            record.string(comm);
            record
        })
    }

    /// `perf_event_mmap`.
    pub fn mmap_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        map: &MmapInfo<'_>,
    ) -> Vec<BufferId> {
        let exec = map.prot & PROT_EXEC != 0;
        let wanted_by =
            if exec { AttrFlags::MMAP | AttrFlags::MMAP2 } else { AttrFlags::MMAP_DATA };
        let misc = if exec { MISC_USER } else { MISC_USER | MISC_BIT13 };
        let wants = |attr: &PerfEventAttr| attr.flags.intersects(wanted_by);
        self.iterate_sb(mem, current, Order::CpuThenTask, wants, |perf, event| {
            let mmap2 = perf.ev(event).attr.has(AttrFlags::MMAP2);
            let kind = if mmap2 { RecordType::Mmap2 } else { RecordType::Mmap };
            let mut record = Record::new(kind, misc);
            record.u32(current.pid);
            record.u32(current.tid);
            record.u64(map.addr);
            record.u64(map.len);
            record.u64(map.pgoff);
            if mmap2 {
                record.u32(map.maj);
                record.u32(map.min);
                record.u64(map.ino);
                record.u64(map.ino_generation);
                record.u32(map.prot);
                record.u32(map.flags);
            }
            record.string(map.name);
            record
        })
    }

    /// `perf_event_fork`: `current` has created `child`.
    pub fn fork_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        child: TaskIdent,
    ) -> Vec<BufferId> {
        let creator = TaskIdent { pid: current.pid, tid: current.tid };
        self.iterate_sb(mem, current, Order::CpuThenTask, wants_task_records, |perf, event| {
            perf.task_record(RecordType::Fork, event, current, child, creator)
        })
    }

    /// The EXIT record of `current`, whose real parent's thread group id is `parent_pid`. To be
    /// called before [`Perf::exit_task`].
    pub fn exit_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        parent_pid: u32,
    ) -> Vec<BufferId> {
        let own = TaskIdent { pid: current.pid, tid: current.tid };
        let parent = TaskIdent { pid: parent_pid, tid: parent_pid };
        self.iterate_sb(mem, current, Order::TaskThenCpu, wants_task_records, |perf, event| {
            perf.task_record(RecordType::Exit, event, current, own, parent)
        })
    }

    fn task_record(
        &self,
        kind: RecordType,
        event: EventId,
        current: &Current,
        task: TaskIdent,
        parent: TaskIdent,
    ) -> Record {
        let mut record = Record::new(kind, 0);
        for word in [task.pid, parent.pid, task.tid, parent.tid] {
            record.u32(word);
        }
        record.u64(self.event_clock(event, current.now));
        record
    }

    /// `perf_event_switch`. Called for the task that leaves before [`Perf::task_sched_out`] (then
    /// `other` comes next), and for the one that arrives after [`Perf::task_sched_in`] (then
    /// `other` was before).
    pub fn switch_record(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        other: TaskIdent,
        direction: SwitchDirection,
    ) -> Vec<BufferId> {
        let misc = match direction {
            SwitchDirection::Out => MISC_BIT13,
            SwitchDirection::OutPreempted => MISC_BIT13 | MISC_SWITCH_OUT_PREEMPT,
            SwitchDirection::In => 0,
        };
        let wants = |attr: &PerfEventAttr| attr.has(AttrFlags::CONTEXT_SWITCH);
        self.iterate_sb(mem, current, Order::CpuThenTask, wants, |perf, event| {
            if perf.ev(event).target.task().is_some() {
                return Record::new(RecordType::Switch, misc);
            }
            let mut record = Record::new(RecordType::SwitchCpuWide, misc);
            record.u32(other.pid);
            record.u32(other.tid);
            record
        })
    }

    /// Offers a record to every enabled event of the current CPU and its task that wants it.
    fn iterate_sb(
        &mut self,
        mem: &mut dyn BufferMemory,
        current: &Current,
        order: Order,
        wants: impl Fn(&PerfEventAttr) -> bool,
        build: impl Fn(&Perf, EventId) -> Record,
    ) -> Vec<BufferId> {
        let mut wakeups = Vec::new();
        for event in self.sb_events(current.cpu, order) {
            let e = self.ev(event);
            let here = e.target.cpu().is_none_or(|cpu| cpu == current.cpu);
            if e.state < EventState::Inactive || !here || !wants(&e.attr) {
                continue;
            }
            let mut record = build(self, event);
            self.put_sample_id(&mut record, event, current);
            wakeups.extend(self.output(mem, current, event, record, 0));
        }
        wakeups
    }

    fn sb_events(&self, cpu: CpuId, order: Order) -> Vec<EventId> {
        let task = self.cpus.get(cpu.index()).and_then(|c| c.current).map(ContextId::Task);
        let mut contexts = [Some(ContextId::Cpu(cpu)), task];
        if order == Order::TaskThenCpu {
            contexts.reverse();
        }
        let contexts = contexts.into_iter().flatten().filter_map(|c| self.context(c));
        contexts.flat_map(|c| c.events.iter().rev().copied()).collect()
    }
}
