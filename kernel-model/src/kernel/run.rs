//! The main loop: which CPU runs, and what happens when it enters the kernel.

use perf_core::{CpuId, TaskId};

use super::{Digest, Kernel, Step, StopReason};
use crate::arch::x86::costs::Work;
use crate::arch::x86::entry::{ReturnBy, RunExit};
use crate::arch::x86::layout::EntryPoint;
use crate::signal::{self, Delivery};
use crate::syscalls::{self, Outcome};
use crate::task::InSyscall;

/// Guest time that a CPU runs before another one may, ns: the grain of interleaving.
const QUANTUM_NS: u64 = 50_000;

impl Kernel {
    /// Lets one CPU run for a quantum. Deterministic, and the only way to progress.
    pub fn step(&mut self) -> Step {
        if let Some(reason) = &self.stopped {
            return Step::Stopped(reason.clone());
        }
        let Some(cpu) = self.choose_cpu() else {
            let nr_tasks = self.tasks.tasks.len();
            return self.end_step(Some(StopReason::Deadlock { nr_tasks }));
        };
        self.this_cpu = cpu;
        if self.current_on(cpu).is_none() {
            self.schedule(cpu);
        }
        self.run_quantum(cpu);
        self.end_step(None)
    }

    fn end_step(&mut self, reason: Option<StopReason>) -> Step {
        if let Some(status) = self.init_status() {
            self.close_spans();
            return Step::Finished(status);
        }
        if let Some(reason) = reason {
            self.stop(reason);
        }
        match &self.stopped {
            Some(reason) => {
                let reason = reason.clone();
                self.close_spans();
                Step::Stopped(reason)
            }
            None => Step::Running,
        }
    }

    /// The busy CPU whose clock is furthest behind, after waking the sleepers that
    /// are due before it.
    fn choose_cpu(&mut self) -> Option<CpuId> {
        loop {
            let next = self
                .hw
                .cpus()
                .filter(|&cpu| self.sched.is_busy(cpu))
                .min_by_key(|&cpu| (self.hw.cycles(cpu), cpu));
            let next_time = next.map(|cpu| self.hw.time_ns(cpu));
            match self.sched.first_sleeper() {
                Some((deadline, task)) if next_time.is_none_or(|time| deadline <= time) => {
                    self.wake_sleeper(deadline, task);
                }
                _ => return next,
            }
        }
    }

    /// Puts the next task on an idle CPU and goes on with what it was doing.
    fn schedule(&mut self, cpu: CpuId) {
        let Some(task) = self.sched.pick_next(cpu) else { return };
        self.switch_in(cpu, task);
        if self.tasks.task(task).syscall.is_some() {
            self.run_syscall(cpu, task);
        } else {
            self.exit_to_user(cpu, None, ReturnBy::Iret);
        }
    }

    fn run_quantum(&mut self, cpu: CpuId) {
        let end = self.hw.cycles(cpu) + self.hw.cycles_at(QUANTUM_NS);
        let mut tick_raised = false;
        while self.current_on(cpu).is_some() && self.stopped.is_none() {
            let tick = self.hw.cycles_at(self.sched.next_tick_ns(cpu));
            let deadline = if tick_raised { end } else { end.min(tick) };
            match self.hw.run(cpu, deadline) {
                RunExit::Deadline => {
                    if !tick_raised && self.hw.cycles(cpu) >= tick {
                        self.hw.raise_timer(cpu);
                        tick_raised = true;
                    }
                    if self.hw.cycles(cpu) >= end {
                        return;
                    }
                }
                RunExit::Entry(entry) => {
                    tick_raised &= entry != EntryPoint::Timer;
                    self.user_entry(cpu, entry);
                    if self.current_on(cpu).is_none() {
                        return;
                    }
                }
                RunExit::Unsupported(text) => self.stop(StopReason::UnsupportedInsn(text)),
                RunExit::Broken(what) => {
                    let ip = self.hw.ip(cpu);
                    self.stop(StopReason::KernelFault { cpu: cpu.0, what, ip });
                }
            }
        }
    }

    /// The current task has entered the kernel from user mode.
    pub(crate) fn user_entry(&mut self, cpu: CpuId, entry: EntryPoint) {
        let Some(task) = self.current_on(cpu) else { return };
        let (fs_base, gs_base) = self.hw.bases(cpu);
        let current = self.tasks.task_mut(task);
        (current.fs_base, current.gs_base) = (fs_base, gs_base);
        match entry {
            EntryPoint::Syscall => {
                let regs = self.hw.syscall_regs(cpu);
                self.hw.charge_work(cpu, Work::Syscall);
                let entry = self.tasks.task_mut(task);
                entry.regs = regs;
                entry.syscall = Some(InSyscall {
                    nr: regs.orig_ax,
                    args: regs.args(),
                    deadline_ns: None,
                    woken: None,
                });
                self.run_syscall(cpu, task);
            }
            EntryPoint::Exception(vector) => {
                let frame = self.hw.trap_frame(cpu, entry);
                self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &frame);
                self.user_trap(cpu, task, vector, &frame);
                self.exit_to_user(cpu, None, ReturnBy::Iret);
            }
            EntryPoint::Timer => {
                let frame = self.hw.trap_frame(cpu, entry);
                self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &frame);
                self.timer_tick(cpu, task);
                self.exit_to_user(cpu, None, ReturnBy::Iret);
            }
            EntryPoint::RoutineDone => {
                let ip = self.hw.ip(cpu);
                let what = "a kernel routine ended without a caller";
                self.stop(StopReason::KernelFault { cpu: cpu.0, what, ip });
            }
        }
    }

    fn timer_tick(&mut self, cpu: CpuId, task: TaskId) {
        self.hw.charge_work(cpu, Work::Tick);
        let now = self.now_ns();
        self.sched.tick(cpu, now);
        self.update_jiffies(now);
        self.perf_tick(cpu, task);
    }

    /// Runs the current task's system call, for the first time or again.
    fn run_syscall(&mut self, cpu: CpuId, task: TaskId) {
        match syscalls::dispatch(self, task) {
            Outcome::Done(result) => {
                let value = match result {
                    Ok(value) => value,
                    Err(errno) => i64::from(-errno.number()) as u64,
                };
                let entry = self.tasks.task_mut(task);
                entry.regs.gpr[crate::arch::x86::pt_regs::RAX] = value;
                entry.syscall = None;
                self.exit_to_user(cpu, None, ReturnBy::SysretIfPossible);
            }
            Outcome::Wait(wait) => {
                if let Some(call) = &mut self.tasks.task_mut(task).syscall {
                    call.woken = None;
                }
                self.block(cpu, wait);
            }
            outcome @ (Outcome::Interrupted | Outcome::InterruptedNoHand) => {
                self.tasks.task_mut(task).syscall = None;
                self.exit_to_user(cpu, Some(outcome), ReturnBy::Iret);
            }
            Outcome::RegistersSet => {
                self.tasks.task_mut(task).syscall = None;
                self.exit_to_user(cpu, None, ReturnBy::Iret);
            }
            Outcome::Exited => {}
        }
    }

    /// Everything that is due before the current task goes back to user mode
    /// (`exit_to_user_mode_loop`).
    pub(crate) fn exit_to_user(&mut self, cpu: CpuId, interrupted: Option<Outcome>, by: ReturnBy) {
        let Some(task) = self.current_on(cpu) else { return };
        self.deliver_sigtraps(task);
        let mut by = by;
        match signal::deliver_pending(self, task, interrupted) {
            Delivery::Nothing => {}
            Delivery::HandlerEntered => {
                self.hw.charge_work(cpu, Work::Signal);
                by = ReturnBy::Iret;
            }
            Delivery::TaskExited => return,
        }
        if self.stopped.is_some() {
            return;
        }
        if self.sched.need_resched(cpu) {
            self.preempt(cpu);
            return;
        }
        let area = *self.layout.area(cpu);
        let regs = self.tasks.task(task).regs;
        self.hw.return_to_user(cpu, &area, &regs, by);
    }

    /// Digest of the machine, chained over all digests before.
    pub fn digest(&mut self) -> Digest {
        let mut hasher = crate::digest::Hasher::new();
        hasher.update(&self.digest.0);
        self.hw.digest(&mut |bytes| hasher.update(bytes));
        self.digest = Digest(hasher.finish());
        self.digest
    }
}
