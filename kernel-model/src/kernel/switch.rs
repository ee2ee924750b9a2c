//! Context switches, blocking and waking. Source: Linux 6.18 `kernel/sched/core.c`,
//! `arch/x86/kernel/process_64.c`.

use perf_core::{CpuId, SwitchDirection, TaskId};

use super::{Kernel, StopReason};
use crate::arch::x86::costs::Work;
use crate::task::TaskState;
use crate::task::wait::{Channel, WaitFor, WakeCause};

impl Kernel {
    /// Ends the run after this step.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        self.stopped.get_or_insert(reason);
    }

    /// Puts a task on a CPU that has none: registers, memory, its perf events.
    pub(crate) fn switch_in(&mut self, cpu: CpuId, task: TaskId) {
        self.hw.charge_work(cpu, Work::ContextSwitch);
        let now = self.now_ns();
        let cr3 = self.tasks.space_of_mut(task).cr3();
        if self.hw.cr3(cpu) != cr3 {
            self.hw.write_cr3(cpu, cr3);
        }
        let entry = self.tasks.task_mut(task);
        entry.cpu = cpu;
        entry.on_cpu_since_ns = now;
        entry.in_kernel_since_ns = Some(now);
        if let Some(rseq) = &mut entry.rseq {
            rseq.has_event = true;
        }
        self.hw.load_fpu(cpu, &entry.fpu);
        self.hw.set_block_step(cpu, entry.step.is_block_step());
        self.load_segments(cpu, task);
        self.perf_sched_in(cpu, task);
    }

    /// Loads a task's descriptors and segment registers (`load_TLS`, `load_mm_ldt`,
    /// `x86_fsgsbase_load`).
    pub(super) fn load_segments(&mut self, cpu: CpuId, task: TaskId) {
        let entry = self.tasks.task(task);
        let (arch, fs_base, gs_base) = (entry.arch, entry.fs_base, entry.gs_base);
        let area = *self.layout.area(cpu);
        self.hw.load_tsc_mode(cpu, arch.tsc);
        self.hw.load_tls(cpu, &area, &arch.tls);
        // Without room for the table its selectors cannot be loaded.
        let _no_memory = self.load_mm_ldt(cpu, task);
        self.hw.load_selectors(cpu, &arch.selectors, fs_base, gs_base);
    }

    /// Takes the current task off its CPU, whatever state it is in.
    pub(crate) fn switch_out(&mut self, cpu: CpuId) -> Option<TaskId> {
        self.switch_out_as(cpu, SwitchDirection::Out)
    }

    fn switch_out_as(&mut self, cpu: CpuId, direction: SwitchDirection) -> Option<TaskId> {
        let task = self.sched.current(cpu)?;
        self.count_switch();
        self.counters_after_kernel_work(cpu, task);
        self.perf_sched_out(cpu, task, direction);
        self.hw.cancel_timer(cpu);
        self.account_kernel_exit(cpu);
        self.kicks &= !(1 << cpu.0);
        let now = self.now_ns();
        let fpu = self.hw.save_fpu(cpu);
        let entry = self.tasks.task_mut(task);
        entry.fpu = fpu;
        entry.usage.runtime_ns += now.saturating_sub(entry.on_cpu_since_ns);
        match direction {
            SwitchDirection::Out => entry.usage.nr_voluntary += 1,
            SwitchDirection::OutPreempted => entry.usage.nr_involuntary += 1,
            SwitchDirection::In => {}
        }
        self.sched.clear_current(cpu)
    }

    /// Puts the current task at the end of its CPU's queue (`sched_yield`, end of slice).
    pub(super) fn preempt(&mut self, cpu: CpuId) {
        let out = self.switch_out_as(cpu, SwitchDirection::OutPreempted);
        let Some(task) = out else { return };
        let affinity = self.tasks.task(task).affinity;
        let target =
            if affinity >> cpu.0 & 1 != 0 { cpu } else { self.sched.select_cpu(affinity, cpu) };
        self.make_runnable(task, target);
    }

    /// Blocks the current task.
    pub(super) fn block(&mut self, cpu: CpuId, wait: WaitFor) {
        let Some(task) = self.switch_out(cpu) else { return };
        if let Some(deadline) = wait.deadline_ns {
            self.sched.add_sleeper(deadline, task);
        }
        self.tasks.task_mut(task).state = TaskState::Blocked(wait);
    }

    /// Queues a runnable task; an idle CPU's clock catches up with the waker's.
    fn make_runnable(&mut self, task: TaskId, cpu: CpuId) {
        let now = self.now_ns();
        let entry = self.tasks.task_mut(task);
        entry.state = TaskState::Runnable;
        entry.cpu = cpu;
        if !self.sched.is_busy(cpu) {
            self.idle_until(cpu, now);
        }
        self.sched.enqueue(cpu, task);
    }

    /// Queues a new task on the least loaded CPU that it may use.
    pub(crate) fn enqueue_new(&mut self, task: TaskId) {
        let entry = self.tasks.task(task);
        let cpu = self.sched.select_cpu(entry.affinity, entry.cpu);
        let now = self.now_ns();
        if let Some(shuffle) = self.sched.shuffle_mut() {
            shuffle.started(task, now);
        }
        self.make_runnable(task, cpu);
        self.shuffle_woken();
    }

    /// Ends a task's wait.
    fn wake_task(&mut self, task: TaskId, cause: WakeCause) {
        let entry = self.tasks.task_mut(task);
        let TaskState::Blocked(wait) = &entry.state else { return };
        let deadline = wait.deadline_ns;
        if let Some(call) = &mut entry.syscall {
            call.woken = Some(cause);
        }
        if let Some(deadline) = deadline {
            self.sched.remove_sleeper(deadline, task);
        }
        self.requeue(task);
    }

    /// Puts a task that goes on in the queue of its last CPU, where it may still run there.
    fn requeue(&mut self, task: TaskId) {
        let entry = self.tasks.task(task);
        let (affinity, last) = (entry.affinity, entry.cpu);
        let cpu = self.sched.select_wake_cpu(affinity, last);
        self.make_runnable(task, cpu);
        self.shuffle_woken();
    }

    /// A seed may let a task that has become runnable preempt the one that runs here.
    fn shuffle_woken(&mut self) {
        let Some(shuffle) = self.sched.shuffle_mut() else { return };
        if shuffle.woken() && self.current_on(self.this_cpu).is_some() {
            self.sched.set_need_resched(self.this_cpu);
        }
    }

    /// Lets a task that its process's stop has stopped go on.
    pub(crate) fn wake_stopped(&mut self, task: TaskId) {
        if self.tasks.task(task).state == TaskState::Stopped {
            self.requeue(task);
        }
    }

    /// Lets a tracee that is stopped for its tracer go on.
    pub(crate) fn wake_traced(&mut self, task: TaskId) {
        if self.tasks.task(task).state == TaskState::Traced {
            self.requeue(task);
        }
    }

    /// Wakes a task that is to die, whatever it waits for.
    pub(crate) fn wake_to_die(&mut self, task: TaskId) {
        self.wake_task(task, WakeCause::Signal);
        self.wake_stopped(task);
        self.wake_traced(task);
    }

    /// Wakes every task that waits on a channel.
    pub(crate) fn wake(&mut self, channel: Channel) {
        self.wake_poll(channel, 0);
    }

    /// The same, and tells which poll bits may have been set; 0 where that is not known.
    pub(crate) fn wake_poll(&mut self, channel: Channel, bits: u32) {
        self.wake_n(channel, u32::MAX);
        self.epoll_notify(channel, bits);
    }

    /// Wakes up to `limit` tasks that wait on a channel, in the order of their ids;
    /// tells how many.
    pub(crate) fn wake_n(&mut self, channel: Channel, limit: u32) -> u32 {
        let waiting: Vec<TaskId> = self
            .tasks
            .tasks
            .values()
            .filter(|task| {
                matches!(&task.state, TaskState::Blocked(wait) if wait.channels.contains(&channel))
            })
            .map(|task| task.id)
            .take(limit as usize)
            .collect();
        for &task in &waiting {
            self.wake_task(task, WakeCause::Channel(channel));
        }
        waiting.len() as u32
    }

    /// Wakes one task, where it waits on a channel.
    pub(crate) fn wake_one(&mut self, task: TaskId, channel: Channel) {
        let waits = self.tasks.tasks.get(&task).is_some_and(|task| {
            matches!(&task.state, TaskState::Blocked(wait) if wait.channels.contains(&channel))
        });
        if waits {
            self.wake_task(task, WakeCause::Channel(channel));
        }
    }

    /// Wakes a task for a signal, unless its wait does not allow that.
    pub(crate) fn wake_for_signal(&mut self, task: TaskId) {
        let interruptible = matches!(
            &self.tasks.task(task).state,
            TaskState::Blocked(wait) if !wait.uninterruptible
        );
        if interruptible {
            self.wake_task(task, WakeCause::Signal);
        } else {
            self.kick_task(task);
        }
    }

    /// Makes a task that runs enter the kernel at once, to see what is due (`kick_process`).
    pub(crate) fn kick_task(&mut self, task: TaskId) {
        let cpu = self.tasks.task(task).cpu;
        if self.current_on(cpu) == Some(task) {
            self.kicks |= 1 << cpu.0;
        }
    }

    /// Wakes the first sleeper, whose time has come.
    pub(super) fn wake_sleeper(&mut self, deadline: u64, task: TaskId) {
        self.sched.remove_sleeper(deadline, task);
        let cpu = self.tasks.task(task).cpu;
        self.this_cpu = cpu;
        if !self.sched.is_busy(cpu) {
            self.idle_until(cpu, deadline);
        }
        self.wake_task(task, WakeCause::Timeout);
    }

    /// The live vector state of a task.
    pub(crate) fn save_fpu(&mut self, task: TaskId) -> crate::arch::x86::fpu::FpuState {
        if self.current_on(self.this_cpu) == Some(task) {
            self.hw.save_fpu(self.this_cpu)
        } else {
            self.tasks.task(task).fpu.clone()
        }
    }

    /// Replaces the vector state of a task.
    pub(crate) fn load_fpu(&mut self, task: TaskId, state: &crate::arch::x86::fpu::FpuState) {
        if self.current_on(self.this_cpu) == Some(task) {
            self.hw.load_fpu(self.this_cpu, state);
        }
        self.tasks.task_mut(task).fpu = state.clone();
    }
}
