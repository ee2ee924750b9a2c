//! The main loop: which CPU runs, and what happens when it enters the kernel.

use perf_core::{CpuId, Errno, TaskId};

use super::{Digest, Kernel, Step, StopReason, StoppedTasks};
use crate::arch::x86::costs::Work;
use crate::arch::x86::entry::{ReturnBy, RunExit};
use crate::arch::x86::int80::SyscallAbi;
use crate::arch::x86::layout::EntryPoint;
use crate::arch::x86::pmc::NMI_VECTOR;
use crate::arch::x86::pt_regs::{PtRegs, RAX};
use crate::arch::x86::traps::KernelTrap;
use crate::ptrace::Stop;
use crate::ptrace::state::SyscallWork;
use crate::sched::shuffle::{Pick, Shuffle};
use crate::seccomp::{Recheck, Verdict};
use crate::signal::{self, Delivery, SigInfo};
use crate::syscalls::{self, Outcome};
use crate::task::{InSyscall, ResumeAt, Task, TaskState};
use crate::uapi::signal::SIGSEGV;

/// Guest time that a CPU runs before another one may, ns: the grain of interleaving.
const QUANTUM_NS: u64 = 50_000;
/// Cycles in which the interrupt that ends a seed's quantum comes, unless interrupts are off.
const RESCHED_CYCLES: u64 = 4096;

impl Kernel {
    /// Lets one CPU run for a quantum. Deterministic, and the only way to progress.
    pub fn step(&mut self) -> Step {
        if let Some(reason) = &self.stopped {
            return Step::Stopped(reason.clone());
        }
        let Some(cpu) = self.choose_cpu() else {
            let reason = self.deadlock();
            return self.end_step(Some(reason));
        };
        self.this_cpu = cpu;
        if self.current_on(cpu).is_none() {
            self.schedule(cpu);
        }
        self.run_quantum(cpu);
        self.end_step(None)
    }

    fn end_step(&mut self, reason: Option<StopReason>) -> Step {
        if let Some(reason) = reason {
            self.stop(reason);
        }
        let end = match (self.init_status(), &self.stopped) {
            (Some(status), _) => Step::Finished(status),
            (None, Some(reason)) => Step::Stopped(reason.clone()),
            (None, None) => return Step::Running,
        };
        self.close_spans();
        self.kgdb_ended(&end);
        end
    }

    /// The busy CPU whose clock is furthest behind, after waking the sleepers that
    /// are due before it.
    fn choose_cpu(&mut self) -> Option<CpuId> {
        if let Some(cpu) = self.kgdb_only_cpu() {
            return Some(cpu);
        }
        loop {
            let next = self
                .hw
                .cpus()
                .filter(|&cpu| self.sched.is_busy(cpu))
                .min_by_key(|&cpu| (self.hw.cycles(cpu), cpu));
            let next_time = next.map(|cpu| self.hw.time_ns(cpu));
            let is_due = |deadline| next_time.is_none_or(|time| deadline <= time);
            let first_timer = self.timers.first();
            let is_earlier = |deadline| first_timer.is_some_and(|(first, _)| first < deadline);
            match self.sched.first_sleeper() {
                Some((deadline, task)) if is_due(deadline) && !is_earlier(deadline) => {
                    self.wake_sleeper(deadline, task);
                }
                _ => match self.timers.first() {
                    Some((deadline, key)) if is_due(deadline) => self.fire_timer(deadline, key),
                    _ => return next,
                },
            }
        }
    }

    /// Puts the next task on an idle CPU and goes on with what it was doing.
    fn schedule(&mut self, cpu: CpuId) {
        let now = self.now_ns();
        match self.sched.pick_next(cpu, now) {
            Pick::Task(task) => {
                self.switch_in(cpu, task);
                self.go_on(cpu, task);
            }
            Pick::Held(until_ns) => self.hold_cpu(cpu, until_ns),
            Pick::Idle => {}
        }
    }

    /// A CPU whose tasks are held back stands still while others run or time passes for a
    /// sleeper; where there are none the tasks go on.
    fn hold_cpu(&mut self, cpu: CpuId, until_ns: u64) {
        let others = self.hw.cpus().filter(|&other| other != cpu && self.sched.can_run(other));
        let running = others.map(|other| self.hw.time_ns(other)).min();
        let sleeper = self.sched.first_sleeper().map(|(deadline, _)| deadline);
        let sleeper = sleeper.filter(|&deadline| deadline < until_ns);
        // No further than the others: what is held back may be released when they wait.
        let until = match (running.map(|time| time + 1), sleeper) {
            (Some(time), _) => until_ns.min(time),
            (None, Some(deadline)) => deadline,
            (None, None) => {
                if let Some(shuffle) = self.sched.shuffle_mut() {
                    shuffle.release();
                }
                return;
            }
        };
        self.idle_until(cpu, until);
    }

    /// When the CPU's quantum ends, in its cycles.
    fn quantum_end(&mut self, cpu: CpuId) -> u64 {
        let usual = self.hw.cycles_at(QUANTUM_NS);
        let has_company = self.sched.has_company();
        let quantum = match self.sched.shuffle_mut().filter(|_| has_company) {
            Some(shuffle) => shuffle.quantum(),
            None => usual,
        };
        self.hw.cycles(cpu) + quantum
    }

    /// A seed's quantum is over: whether the interrupt that lets another task run was raised.
    fn raise_resched(&mut self, cpu: CpuId) -> bool {
        let is_contended = self.sched.is_contended(cpu);
        let has_company = self.sched.has_company();
        let Some(shuffle) = self.sched.shuffle_mut() else { return false };
        let ends = is_contended || has_company && shuffle.pauses();
        if ends {
            self.sched.set_need_resched(cpu);
            self.hw.raise_timer(cpu);
        }
        ends
    }

    /// Lets the current task go on where it left its CPU.
    fn go_on(&mut self, cpu: CpuId, task: TaskId) {
        let trace = &mut self.tasks.task_mut(task).trace;
        if matches!(trace.resume_at, ResumeAt::Signal(_)) {
            // Its delivery goes on with what the tracer says.
            return self.exit_to_user(cpu, ReturnBy::Iret);
        }
        match std::mem::take(&mut trace.resume_at) {
            ResumeAt::Event => {
                self.after_ptrace_stop(task);
                self.run_syscall(cpu, task);
            }
            ResumeAt::Usual if self.tasks.task(task).syscall.is_some() => {
                self.run_syscall(cpu, task);
            }
            ResumeAt::Usual | ResumeAt::Signal(_) => self.exit_to_user(cpu, ReturnBy::Iret),
            ResumeAt::UserLoop => {
                self.after_ptrace_stop(task);
                self.exit_to_user(cpu, ReturnBy::Iret);
            }
            ResumeAt::SyscallEntry(work) => {
                self.after_syscall_stop(task);
                self.after_syscall_entry(cpu, task, work);
            }
            ResumeAt::Seccomp => {
                self.after_ptrace_stop(task);
                self.after_seccomp_stop(cpu, task);
            }
            ResumeAt::SyscallExit => {
                self.after_syscall_stop(task);
                self.exit_to_user(cpu, ReturnBy::Iret);
            }
            ResumeAt::CallDone => {
                self.after_ptrace_stop(task);
                self.tasks.task_mut(task).syscall = None;
                self.leave_syscall(cpu, task, ReturnBy::Iret);
            }
            ResumeAt::Exit(status) => {
                self.after_ptrace_stop(task);
                self.do_exit(task, status);
            }
        }
    }

    /// Makes the call that the registers ask for after its stop at entry, unless the tracer
    /// took it back.
    fn after_syscall_entry(&mut self, cpu: CpuId, task: TaskId, work: SyscallWork) {
        let entry = self.tasks.task_mut(task);
        let is_emulated = work == SyscallWork::Emulate;
        let is_skipped = entry.regs.orig_ax as i32 == -1;
        if is_emulated || is_skipped || entry.trace.fatal_pending {
            entry.syscall = None;
            self.leave_syscall(cpu, task, ReturnBy::Iret);
            return;
        }
        entry.syscall = Some(InSyscall::new(&entry.regs, entry.arch.abi));
        self.start_syscall(cpu, task, Recheck::No);
    }

    /// The same after the stop that a filter of seccomp asked for.
    fn after_seccomp_stop(&mut self, cpu: CpuId, task: TaskId) {
        let entry = self.tasks.task_mut(task);
        if entry.regs.orig_ax as i32 == -1 || entry.trace.fatal_pending {
            entry.syscall = None;
            self.leave_syscall(cpu, task, ReturnBy::Iret);
            return;
        }
        entry.syscall = Some(InSyscall::new(&entry.regs, entry.arch.abi));
        self.start_syscall(cpu, task, Recheck::Yes);
    }

    fn deadlock(&self) -> StopReason {
        let all = self.tasks.tasks.values();
        let is_stopped =
            |task: &&Task| matches!(task.state, TaskState::Stopped | TaskState::Traced);
        let stopped = all.filter(is_stopped).map(|task| self.tasks.tag(task.id)).collect();
        StopReason::Deadlock { nr_tasks: self.tasks.tasks.len(), stopped: StoppedTasks(stopped) }
    }

    fn run_quantum(&mut self, cpu: CpuId) {
        let mut end = self.quantum_end(cpu);
        let (mut tick_raised, mut nmi_raised, mut resched_raised) = (false, false, false);
        self.kgdb_poll();
        while self.current_on(cpu).is_some() && self.stopped.is_none() {
            let tick = self.hw.cycles_at(self.sched.next_tick_ns(cpu));
            // While a debugger steps, the timer waits.
            let may_tick = !tick_raised && !self.kgdb_steps(cpu);
            let mut deadline = if may_tick { end.min(tick) } else { end };
            if !nmi_raised && let Some(counter) = self.counter_deadline(cpu) {
                deadline = deadline.min(counter);
            }
            if self.kicks >> cpu.0 & 1 != 0 && !self.kgdb_steps(cpu) {
                self.kicks &= !(1 << cpu.0);
                self.hw.raise_timer(cpu);
            }
            let was_user = self.hw.is_user(cpu);
            match self.hw.run(cpu, self.kgdb_deadline(cpu, deadline)) {
                RunExit::Deadline => {
                    self.kgdb_boundary(cpu, was_user);
                    if may_tick && self.hw.cycles(cpu) >= tick {
                        self.hw.raise_timer(cpu);
                        tick_raised = true;
                    }
                    nmi_raised |= self.raise_counter_nmi(cpu);
                    if self.hw.cycles(cpu) >= end {
                        if resched_raised || !self.raise_resched(cpu) {
                            return;
                        }
                        resched_raised = true;
                        end += RESCHED_CYCLES;
                    }
                }
                RunExit::Entry(entry) => {
                    tick_raised &= entry != EntryPoint::Timer;
                    nmi_raised &= entry != EntryPoint::Exception(NMI_VECTOR);
                    self.account_kernel_entry(cpu);
                    self.count_kernel(cpu, entry);
                    self.user_entry(cpu, entry);
                    if self.current_on(cpu).is_none() {
                        return;
                    }
                    if self.sched.shuffle_mut().is_some_and(Shuffle::take_cut) {
                        end = end.min(self.quantum_end(cpu));
                    }
                }
                RunExit::Unsupported(text) => self.stop(StopReason::UnsupportedInsn(text)),
                RunExit::Broken(what) => self.entry_fault(cpu, what),
            }
        }
    }

    /// The current task has entered the kernel from user mode.
    pub(crate) fn user_entry(&mut self, cpu: CpuId, entry: EntryPoint) {
        let Some(task) = self.current_on(cpu) else { return };
        self.kgdb_note_entry(cpu, entry);
        if self.entered_from_kernel(cpu, entry) {
            return;
        }
        let (fs_base, gs_base) = self.hw.bases(cpu);
        let selectors = self.hw.selectors(cpu);
        let current = self.tasks.task_mut(task);
        (current.fs_base, current.gs_base) = (fs_base, gs_base);
        current.arch.selectors = selectors;
        match entry {
            EntryPoint::Syscall => {
                let regs = self.hw.syscall_regs(cpu);
                self.enter_syscall(cpu, task, regs, SyscallAbi::X86_64);
            }
            EntryPoint::Int80 => {
                let frame = self.hw.trap_frame(cpu, entry);
                let mut regs = self.hw.trap_regs(cpu, &frame);
                regs.orig_ax = regs.gpr[RAX] & 0xffff_ffff;
                self.enter_syscall(cpu, task, regs, SyscallAbi::I386);
            }
            EntryPoint::Exception(NMI_VECTOR) => {
                let frame = self.hw.trap_frame(cpu, entry);
                if frame.from_user() {
                    self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &frame);
                    self.counter_nmi(cpu, task, &frame);
                    self.exit_to_user(cpu, ReturnBy::Iret);
                } else {
                    // It came at the first instruction of another entry.
                    self.counter_nmi(cpu, task, &frame);
                    self.hw.return_to_kernel(cpu, &frame, frame.flags);
                }
            }
            EntryPoint::Exception(vector) => {
                let frame = self.hw.trap_frame(cpu, entry);
                self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &frame);
                self.user_trap(cpu, task, vector, &frame);
                self.exit_to_user(cpu, ReturnBy::Iret);
            }
            EntryPoint::Timer => {
                let frame = self.hw.trap_frame(cpu, entry);
                self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &frame);
                // An interrupt before its time only calls into the kernel
                // (`sysvec_reschedule_ipi`); a seed's preemption comes by the same vector.
                if self.hw.cycles(cpu) >= self.hw.cycles_at(self.sched.next_tick_ns(cpu)) {
                    self.timer_tick(cpu);
                }
                self.exit_to_user(cpu, ReturnBy::Iret);
            }
            EntryPoint::RoutineDone => {
                let ip = self.hw.ip(cpu);
                let what = "a kernel routine ended without a caller";
                self.stop(StopReason::KernelFault { cpu: cpu.0, what, ip });
            }
        }
    }

    /// The current task makes a system call.
    fn enter_syscall(&mut self, cpu: CpuId, task: TaskId, regs: PtRegs, abi: SyscallAbi) {
        self.hw.charge_work(cpu, Work::Syscall);
        let entry = self.tasks.task_mut(task);
        entry.regs = regs;
        entry.regs.gpr[RAX] = Errno::ENOSYS.to_syscall() as u64;
        entry.arch.abi = abi;
        entry.syscall = Some(InSyscall::new(&regs, abi));
        if self.dispatches_to_user(task) {
            self.tasks.task_mut(task).syscall = None;
            self.exit_to_user(cpu, ReturnBy::Iret);
            return;
        }
        if self.strace.is_some() {
            self.strace_entry(task);
        }
        if self.report_syscall_entry(task) == Stop::Not {
            self.start_syscall(cpu, task, Recheck::No);
        }
    }

    /// Makes the call that the current task is at, where seccomp lets it.
    fn start_syscall(&mut self, cpu: CpuId, task: TaskId, recheck: Recheck) {
        match self.secure_computing(task, recheck) {
            Verdict::Allow => self.run_syscall(cpu, task),
            Verdict::Skip => {
                self.tasks.task_mut(task).syscall = None;
                self.leave_syscall(cpu, task, ReturnBy::Iret);
            }
            Verdict::OffCpu => {}
        }
    }

    /// An exception of the entry code itself, which only a debugger's breakpoint there raises;
    /// whether it was one.
    fn entered_from_kernel(&mut self, cpu: CpuId, entry: EntryPoint) -> bool {
        // An NMI may come at the first instruction of another entry, and is for the counters.
        let is_exception = matches!(entry, EntryPoint::Exception(vector) if vector != NMI_VECTOR);
        if !is_exception || self.hw.trap_frame(cpu, entry).from_user() {
            return false;
        }
        if self.fixup_bad_iret(cpu, entry) {
            return true;
        }
        match self.kernel_trap(cpu, entry) {
            KernelTrap::Resumed => {}
            KernelTrap::Fixup => self.entry_fault(cpu, "an exception in the entry code"),
            KernelTrap::Fatal(what) => self.entry_fault(cpu, what),
        }
        true
    }

    fn entry_fault(&mut self, cpu: CpuId, what: &'static str) {
        let ip = self.hw.ip(cpu);
        self.stop(StopReason::KernelFault { cpu: cpu.0, what, ip });
    }

    fn timer_tick(&mut self, cpu: CpuId) {
        self.hw.charge_work(cpu, Work::Tick);
        let now = self.now_ns();
        self.sched.tick(cpu, now);
        self.update_jiffies(now);
        self.perf_tick(cpu);
        self.run_cpu_timers(cpu);
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
                entry.regs.gpr[RAX] = value;
                entry.syscall = None;
                self.leave_syscall(cpu, task, ReturnBy::SysretIfPossible);
            }
            Outcome::Wait(wait) => {
                if let Some(call) = &mut self.tasks.task_mut(task).syscall {
                    call.woken = None;
                }
                self.block(cpu, wait);
            }
            Outcome::Interrupted(restart) => {
                self.note_restart(task, restart);
                let entry = self.tasks.task_mut(task);
                entry.regs.gpr[RAX] = restart.result();
                entry.syscall = None;
                self.leave_syscall(cpu, task, ReturnBy::Iret);
            }
            Outcome::RegistersSet => {
                self.tasks.task_mut(task).syscall = None;
                self.leave_syscall(cpu, task, ReturnBy::Iret);
            }
            Outcome::Exited | Outcome::Stopped => {}
        }
    }

    /// The way from a system call to user mode (`syscall_exit_to_user_mode`).
    fn leave_syscall(&mut self, cpu: CpuId, task: TaskId, by: ReturnBy) {
        if self.strace.is_some() {
            self.strace_exit(task);
        }
        if self.report_syscall_exit(task) == Stop::Not {
            self.exit_to_user(cpu, by);
        }
    }

    /// Everything that is due before the current task goes back to user mode
    /// (`exit_to_user_mode_loop`).
    pub(crate) fn exit_to_user(&mut self, cpu: CpuId, by: ReturnBy) {
        let Some(task) = self.current_on(cpu) else { return };
        self.counters_after_kernel_work(cpu, task);
        self.deliver_sigtraps(task);
        let mut by = by;
        match signal::deliver_pending(self, task) {
            Delivery::Nothing => {}
            Delivery::HandlerEntered => {
                self.hw.charge_work(cpu, Work::Signal);
                by = ReturnBy::Iret;
            }
            Delivery::OffCpu => return,
        }
        if self.stopped.is_some() {
            return;
        }
        if self.sched.need_resched(cpu) {
            self.preempt(cpu);
            return;
        }
        if self.rseq_resume(task).is_err() {
            self.force_signal(task, SigInfo::from_kernel(SIGSEGV));
            return self.exit_to_user(cpu, ReturnBy::Iret);
        }
        let regs = self.tasks.task(task).regs;
        self.kicks &= !(1 << cpu.0);
        self.return_to_user(cpu, &regs, by);
        self.account_kernel_exit(cpu);
        self.count_user(cpu);
    }

    /// Digest of the machine, chained over all digests before.
    pub fn digest(&mut self) -> Digest {
        let mut hasher = crate::digest::Hasher::new();
        hasher.update(&self.digest.0);
        self.hw.digest(&mut |bytes| hasher.update(bytes));
        self.sched.digest(&mut |bytes| hasher.update(bytes));
        self.digest = Digest(hasher.finish());
        self.digest
    }
}
