//! Out of memory: the process with the most memory is killed, and its private memory is taken
//! back at once (the OOM killer and its reaper).
//! Source: Linux 6.18 `mm/oom_kill.c` (`oom_badness`, `select_bad_process`, `oom_reap_task`).

use super::address_space::AddressSpace;
use super::frame::FrameAllocator;
use super::vma::Backing;
use crate::arch::x86::hw::Hw;
use crate::kernel::Kernel;
use crate::mm::layout::PAGE_SIZE;
use crate::observe::{ExitStatus, Observation};
use crate::task::{MmId, ProcessId};
use crate::uapi::signal::SIGKILL;

impl AddressSpace {
    /// Takes back the private pages of a space whose processes are dying (`__oom_reap_task_mm`).
    fn reap(&mut self, hw: &mut Hw, frames: &mut FrameAllocator) {
        let private =
            |backing: &Backing| matches!(backing, Backing::Anonymous | Backing::PrivateFile { .. });
        let areas: Vec<(u64, u64)> = self
            .vmas()
            .filter(|vma| private(&vma.backing))
            .map(|vma| (vma.start, vma.end))
            .collect();
        for (start, end) in areas {
            self.zap(hw, frames, start, end);
        }
    }
}

impl Kernel {
    /// No frame is free: chooses the process with the most memory and kills it, with all that
    /// share the memory. Whether there was one that is not dying already.
    pub(crate) fn out_of_memory(&mut self) -> bool {
        let candidates = self
            .tasks
            .processes
            .iter()
            .filter(|(_, process)| process.exiting.is_none() && !process.threads.is_empty());
        let sized = candidates.filter_map(|(id, process)| {
            let mm = self.tasks.task(*process.threads.first()?).mm;
            let (space, _) = self.tasks.spaces.get(&mm)?;
            Some((space.resident(&self.hw).total(), *id, mm))
        });
        // Of several with as much, the youngest.
        let Some((pages, victim, mm)) = sized.max() else { return false };
        self.tell_killed(victim, pages);
        for process in self.processes_in(mm) {
            let status = ExitStatus::Signaled { signal: SIGKILL as u8, core: false };
            self.begin_group_exit(process, status);
        }
        if let Some((space, _)) = self.tasks.spaces.get_mut(&mm) {
            space.reap(&mut self.hw, &mut self.frames);
        }
        true
    }

    fn processes_in(&self, mm: MmId) -> Vec<ProcessId> {
        let uses = |process: &crate::task::Process| {
            process.threads.iter().any(|thread| self.tasks.task(*thread).mm == mm)
        };
        self.tasks.processes.iter().filter(|(_, found)| uses(found)).map(|(id, _)| *id).collect()
    }

    fn tell_killed(&mut self, victim: ProcessId, pages: u64) {
        let Some(&thread) =
            self.tasks.processes.get(&victim).and_then(|found| found.threads.first())
        else {
            return;
        };
        let task = self.tasks.tag(thread);
        let (resident_bytes, ram_bytes) = (pages * PAGE_SIZE, self.frames.nr_managed() * PAGE_SIZE);
        self.observations.push(Observation::OutOfMemory { task, resident_bytes, ram_bytes });
    }
}
