//! Side-band records of perf events: a task's new name and new mappings, its birth and end,
//! and who runs (rule 3.11.5).
//! Source: Linux 6.18 `kernel/events/core.c` (`perf_event_comm`, `perf_event_mmap`,
//! `perf_event_fork`, `perf_event_exit_task_context`, `perf_event_switch`).

use perf_core::{CommChange, CpuId, MmapInfo, SwitchDirection, TaskId, TaskIdent};

use super::Kernel;
use crate::mm::layout::PAGE_SHIFT;
use crate::mm::mmap::map;
use crate::mm::vma::{Backing, Vma, VmaName};

/// A mapping as a record tells it.
struct NewMapping {
    addr: u64,
    len: u64,
    pgoff: u64,
    prot: u32,
    flags: u64,
    device: u64,
    inode: u64,
    name: Vec<u8>,
}

impl NewMapping {
    fn of(vma: &Vma) -> Self {
        let (device, inode, name) = match &vma.name {
            VmaName::Anonymous => (0, 0, b"//anon".to_vec()),
            VmaName::Stack => (0, 0, b"[stack]".to_vec()),
            VmaName::File(file) => (file.device, file.inode, file.path.as_bytes().to_vec()),
        };
        let pgoff = match &vma.backing {
            Backing::Anonymous => vma.start,
            Backing::Shared { .. } | Backing::PrivateFile { .. } | Backing::PerfBuffer { .. } => {
                vma.page_of(vma.start) << PAGE_SHIFT
            }
        };
        let flags = if vma.backing.is_shared() { map::SHARED } else { map::PRIVATE };
        let prot = u32::from(vma.prot.bits());
        Self { addr: vma.start, len: vma.len(), pgoff, prot, flags, device, inode, name }
    }
}

impl Kernel {
    /// The current task has a new name.
    pub(crate) fn perf_event_comm(&mut self, task: TaskId, change: CommChange) {
        let current = self.perf_current(self.this_cpu);
        let comm = self.tasks.task(task).comm.clone();
        let woken = self
            .with_rings(|perf, memory| perf.comm_record(memory, &current, comm.as_bytes(), change));
        self.wake_buffers(woken);
    }

    /// The current task has made another.
    pub(crate) fn perf_event_fork(&mut self, child: TaskId) {
        let current = self.perf_current(self.this_cpu);
        let tag = self.tasks.tag(child);
        let child = TaskIdent { pid: tag.pid, tid: tag.tid };
        let woken = self.with_rings(|perf, memory| perf.fork_record(memory, &current, child));
        self.wake_buffers(woken);
    }

    /// A task ends; its events are still there.
    pub(super) fn perf_event_exit(&mut self, task: TaskId) {
        let mut current = self.perf_current(self.this_cpu);
        let tag = self.tasks.tag(task);
        (current.pid, current.tid) = (tag.pid, tag.tid);
        let parent = self.tasks.process_of(task).parent.map_or(0, |parent| parent.0);
        let woken = self.with_rings(|perf, memory| perf.exit_record(memory, &current, parent));
        self.wake_buffers(woken);
    }

    /// The current task of a CPU has come, or is about to go. Between two tasks the CPU is the
    /// idle task's (pid 0) here, so that is the other one.
    pub(super) fn perf_event_switch(&mut self, cpu: CpuId, direction: SwitchDirection) {
        let current = self.perf_current(cpu);
        let idle = TaskIdent { pid: 0, tid: 0 };
        let woken =
            self.with_rings(|perf, memory| perf.switch_record(memory, &current, idle, direction));
        self.wake_buffers(woken);
    }

    /// The current task has a new mapping: the one of its address space that holds `addr`.
    pub(crate) fn perf_event_mmap(&mut self, task: TaskId, addr: u64) {
        let found = self.tasks.space_of_mut(task).find_vma(addr).map(NewMapping::of);
        let Some(new) = found else { return };
        let current = self.perf_current(self.this_cpu);
        let info = MmapInfo {
            addr: new.addr,
            len: new.len,
            pgoff: new.pgoff,
            maj: (new.device >> 8) as u32,
            min: (new.device & 0xff) as u32,
            ino: new.inode,
            ino_generation: 0,
            prot: new.prot,
            flags: new.flags as u32,
            name: &new.name,
        };
        let woken = self.with_rings(|perf, memory| perf.mmap_record(memory, &current, &info));
        self.wake_buffers(woken);
    }
}
