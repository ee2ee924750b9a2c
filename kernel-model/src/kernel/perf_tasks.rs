//! Perf events of a task over its life: scheduling, forks, execs and exits; and what the kernel
//! counts for it. Source: Linux 6.18 `kernel/events/core.c`.

use perf_core::{CpuId, Defect, Errno, Mode, SwEvent, SwitchDirection, TaskId};

use super::Kernel;
use super::hits::HitPlace;
use crate::arch::x86::entry::TrapFrame;
use crate::mm::fault::FaultResult;
use crate::task::wait::Channel;

/// Coming to a CPU and leaving it.
impl Kernel {
    /// A task starts to run: its events are installed (`perf_event_task_sched_in`).
    pub(super) fn perf_sched_in(&mut self, cpu: CpuId, task: TaskId) {
        let now = self.hw.time_ns(cpu);
        self.with_pmu(|perf, pmu| perf.task_sched_in(pmu, now, cpu, task));
        self.perf_event_switch(cpu, SwitchDirection::In);
        if self.ran_on.insert(task, cpu).is_some_and(|before| before != cpu) {
            self.count_scheduling(cpu, task, SwEvent::CpuMigrations);
        }
    }

    /// A task stops running: its events are removed (`perf_event_task_sched_out`).
    pub(super) fn perf_sched_out(&mut self, cpu: CpuId, task: TaskId, direction: SwitchDirection) {
        self.count_scheduling(cpu, task, SwEvent::ContextSwitches);
        self.perf_event_switch(cpu, direction);
        let now = self.hw.time_ns(cpu);
        self.with_pmu(|perf, pmu| perf.task_sched_out(pmu, now, cpu));
    }

    /// The scheduler's own events happen in the kernel (`perf_sw_event_sched`).
    fn count_scheduling(&mut self, cpu: CpuId, task: TaskId, kind: SwEvent) {
        let place = HitPlace { mode: Mode::Kernel, ip: self.hw.ip(cpu) };
        self.count_software(cpu, task, kind, 0, place);
    }
}

/// What forks, execs and exits mean for perf events.
impl Kernel {
    /// Copies the inherited events of a task for its child. One on a kernel address makes the
    /// fork of an unprivileged task fail with EPERM (rule 1.6.2).
    pub(crate) fn fork_task_perf(
        &mut self,
        parent: TaskId,
        child: TaskId,
        clone_flags: u64,
    ) -> Result<(), Errno> {
        let now = self.now_ns();
        let flags = perf_core::CloneFlags(clone_flags);
        // K5 (rule 1.6.2): the copies are validated with the rights of whoever forks.
        if self.perf.config.defects.has(Defect::ForkNeedsKernelRight) {
            self.with_pmu_for(parent, |perf, pmu| perf.fork(pmu, now, parent, child, flags))?;
        } else {
            self.with_pmu(|perf, pmu| perf.fork(pmu, now, parent, child, flags))?;
        }
        self.perf_event_fork(child);
        Ok(())
    }

    /// A task has a new program: events wait for it or leave (rule 3.12.1).
    pub(crate) fn exec_task_perf(&mut self, task: TaskId) {
        let now = self.now_ns();
        let detached = self.with_pmu(|perf, pmu| perf.exec(pmu, now, task));
        self.after_detach(detached);
    }

    /// A task ends: its events go to EXIT, its copies die.
    pub(crate) fn exit_task_perf(&mut self, task: TaskId) {
        self.perf_event_exit(task);
        self.ran_on.remove(&task);
        let now = self.now_ns();
        let detached = self.with_pmu(|perf, pmu| perf.exit_task(pmu, now, task));
        self.breakpoints.task_exited(task);
        self.after_detach(detached);
    }

    /// Wakes pollers of events that lost their target, and frees buffers nobody maps.
    pub(crate) fn after_detach(&mut self, detached: perf_core::Detached) {
        for event in detached.wake {
            self.wake(Channel::PerfEvent(event));
        }
        for buffer in detached.freed_buffers {
            if let Some(frames) = self.rings.remove(&buffer) {
                for frame in frames {
                    self.frames.put(frame);
                }
            }
        }
    }

    /// A page fault counts for software events, as does one that was served: no fault here waits
    /// for a device.
    pub(crate) fn count_page_fault(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        frame: &TrapFrame,
        address: u64,
        result: &FaultResult,
    ) {
        let mode = if frame.from_user() { Mode::User } else { Mode::Kernel };
        let place = HitPlace { mode, ip: frame.ip };
        self.count_software(cpu, task, SwEvent::PageFaults, address, place);
        if *result == FaultResult::Handled {
            self.count_software(cpu, task, SwEvent::PageFaultsMin, address, place);
        }
    }

    fn count_software(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        kind: SwEvent,
        addr: u64,
        place: HitPlace,
    ) {
        self.update_counts(cpu);
        let tag = self.tasks.tag(task);
        let regs = self.hit_regs(cpu, &tag, place, addr);
        let outcomes = self.with_rings(|perf, memory| perf.sw_event(kind, 1, &regs, memory));
        for outcome in outcomes {
            self.carry_out(cpu, task, &outcome);
        }
    }

    /// The scheduler tick: unthrottles, adapts frequencies, rotates.
    pub(super) fn perf_tick(&mut self, cpu: CpuId) {
        self.update_counts(cpu);
        let current = self.perf_current(cpu);
        let now = current.now;
        let woken = self.with_rings(|perf, memory| perf.task_tick(memory, &current));
        self.wake_buffers(woken);
        if self.perf.rotation_due(cpu) {
            self.with_pmu(|perf, pmu| perf.rotate(pmu, now, cpu));
        }
    }
}
