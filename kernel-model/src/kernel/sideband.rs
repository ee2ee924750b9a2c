//! Side-band records of perf events: a task's new name and new mappings.
//! Source: Linux 6.18 `kernel/events/core.c` (`perf_event_comm`, `perf_event_mmap`).

use perf_core::{CommChange, MmapInfo, TaskId};

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
