//! Tasks of a stage: making, switching, forking, ending.

use perf_core::{CpuId, Errno, TaskId};

use super::op::{Answer, ForkKind, Op, TaskName, TrapAction};
use super::symbols::{
    CODE, CODE_BYTES, DATA, DATA_BYTES, FUNCTIONS, FUNCTIONS_BYTES, STACK, STACK_BYTES,
};
use super::{ScenarioError, Stage, StageTask};
use crate::arch::x86::pt_regs::PtRegs;
use crate::arch::x86::scenario_program::{self as program, HANDLER_AT, PARK_AT, RESTORER_AT};
use crate::kernel::{ExecError, Kernel, Started};
use crate::mm::access::Access;
use crate::mm::address_space::AddressSpace;
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::observe::ExitStatus;
use crate::signal::{SigAction, SigHandlers};
use crate::syscalls::clone::copy_process;
use crate::task::TaskState;
use crate::uapi::clone::{
    CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VM, CloneArgs,
};
use crate::uapi::signal::{SIG_DFL, SIG_IGN, SIGCHLD, SIGTRAP, sa, sigmask};

/// Read, write and execute.
const PROT_ALL: u64 = 7;

/// Makes the parent of all tasks, and the process that opens events.
pub(super) fn first_tasks(kernel: &mut Kernel) -> Result<(TaskId, TaskId), ExecError> {
    let mut space = AddressSpace::new(&mut kernel.hw, &mut kernel.frames, &kernel.layout.template)?;
    map_program(kernel, &mut space)?;
    let mm = kernel.tasks.add_space(space);
    let regs = PtRegs::new_user(CODE + PARK_AT, STACK + STACK_BYTES - 16);
    let started = Started { regs, auxv: Vec::new() };
    let parent = kernel.add_first_task(mm, started, "scenario")?;
    set_handlers(&mut kernel.tasks.process_of_mut(parent).handlers, handled());
    let opener = copy_process(kernel, parent, &process_args(0))?;
    unqueue(kernel, opener);
    Ok((parent, opener))
}

fn map_program(kernel: &mut Kernel, space: &mut AddressSpace) -> Result<(), Errno> {
    let (hw, frames) = (&mut kernel.hw, &mut kernel.frames);
    for (addr, len) in
        [(CODE, CODE_BYTES), (FUNCTIONS, FUNCTIONS_BYTES), (DATA, DATA_BYTES), (STACK, STACK_BYTES)]
    {
        let flags = map::PRIVATE | map::ANONYMOUS | map::FIXED;
        let args = MmapArgs { addr, len, prot: PROT_ALL, flags, offset: 0 };
        space.mmap(hw, frames, &args, &MapSource::Anonymous)?;
    }
    let code = program::code(CODE_BYTES as usize);
    space.write_bytes(hw, frames, CODE, &code, Access::User)?;
    let functions = program::functions(FUNCTIONS_BYTES as usize);
    space.write_bytes(hw, frames, FUNCTIONS, &functions, Access::User)
}

fn process_args(flags: u64) -> CloneArgs {
    CloneArgs { flags, exit_signal: u64::from(SIGCHLD), ..CloneArgs::default() }
}

/// The handler of SIGTRAP that the program has.
fn handled() -> SigAction {
    SigAction {
        handler: CODE + HANDLER_AT,
        flags: sa::SIGINFO | sa::RESTORER,
        restorer: CODE + RESTORER_AT,
        mask: 0,
    }
}

fn set_handlers(handlers: &mut SigHandlers, action: SigAction) {
    handlers.set(SIGTRAP, action);
}

/// A new task is on no CPU and in no queue: the scenario says when it runs.
pub(super) fn unqueue(kernel: &mut Kernel, task: TaskId) {
    let cpu = kernel.tasks.task(task).cpu;
    kernel.sched.dequeue(cpu, task);
}

impl Stage {
    pub(super) fn apply_to_task(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        match op {
            Op::Task { task } => self.make_task(task, self.parent, ForkKind::Process),
            Op::Run { task, cpu } => {
                let id = self.live_task(task)?;
                let cpu = self.online(*cpu)?;
                self.run_on(id, cpu);
                Ok(Answer::Ok)
            }
            Op::Idle { cpu } => {
                let cpu = self.online(*cpu)?;
                self.kernel.this_cpu = cpu;
                self.kernel.switch_out(cpu);
                Ok(Answer::Ok)
            }
            Op::Fork { parent, child, kind } => {
                let id = self.live_task(parent)?;
                self.make_task(child, id, *kind)
            }
            Op::Exec { task } => self.exec(task),
            Op::Exit { task } => self.exit(task),
            Op::Reap { task } => self.reap(task),
            Op::OnTrap { task, action } => self.on_trap(task, *action),
            _ => unreachable!("apply sends only operations on tasks here"),
        }
    }

    /// A task that has not ended.
    pub(super) fn live_task(&self, name: &TaskName) -> Result<TaskId, ScenarioError> {
        let id = self.task(name)?.id;
        match self.kernel.tasks.tasks.get(&id).map(|task| &task.state) {
            Some(
                TaskState::Runnable
                | TaskState::Blocked(_)
                | TaskState::Stopped
                | TaskState::Traced,
            ) => Ok(id),
            Some(TaskState::Zombie(_)) | None => Err(ScenarioError::TaskEnded(name.clone())),
        }
    }

    /// The CPU that a task is on.
    pub(super) fn cpu_of(&self, task: TaskId) -> Option<CpuId> {
        self.kernel.hw.cpus().find(|&cpu| self.kernel.current_on(cpu) == Some(task))
    }

    /// The CPU on whose behalf the kernel works for a task that may be on none: its own, or the
    /// first that is up.
    pub(super) fn enter_for(&mut self, task: TaskId) {
        let cpus = self.kernel.hw.cpus();
        let first = cpus.into_iter().find(|&cpu| self.kernel.perf.is_cpu_online(cpu));
        self.kernel.this_cpu = self.cpu_of(task).or(first).unwrap_or(CpuId(0));
    }

    /// Context switch: whoever is on the CPU waits. Tells who that was.
    pub(super) fn run_on(&mut self, task: TaskId, cpu: CpuId) -> Option<TaskId> {
        let old = self.cpu_of(task);
        if old == Some(cpu) {
            return None;
        }
        if let Some(old) = old {
            self.kernel.this_cpu = old;
            self.kernel.switch_out(old);
        }
        self.kernel.this_cpu = cpu;
        let before = self.kernel.switch_out(cpu);
        self.kernel.sched.set_current(cpu, task);
        self.kernel.switch_in(cpu, task);
        before
    }

    /// Lets a task do something in the kernel, for which it has to be on a CPU. One that was on
    /// none is on none afterwards.
    fn as_current<T>(&mut self, task: TaskId, body: impl FnOnce(&mut Kernel) -> T) -> T {
        self.enter_for(task);
        if self.cpu_of(task).is_some() {
            return body(&mut self.kernel);
        }
        let cpu = self.kernel.this_cpu;
        let before = self.run_on(task, cpu);
        let result = body(&mut self.kernel);
        self.kernel.this_cpu = cpu;
        self.kernel.switch_out(cpu);
        if let Some(before) = before {
            self.run_on(before, cpu);
        }
        result
    }

    fn make_task(
        &mut self,
        name: &TaskName,
        parent: TaskId,
        kind: ForkKind,
    ) -> Result<Answer, ScenarioError> {
        if self.tasks.contains_key(name) {
            return Err(ScenarioError::NameTaken(name.0.clone()));
        }
        let thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_FS;
        let args = match kind {
            ForkKind::Process => process_args(0),
            ForkKind::ClearHandlers => process_args(CLONE_CLEAR_SIGHAND),
            ForkKind::Thread => CloneArgs { flags: thread, ..CloneArgs::default() },
        };
        match self.as_current(parent, |kernel| copy_process(kernel, parent, &args)) {
            Ok(id) => {
                unqueue(&mut self.kernel, id);
                let entry = self.kernel.tasks.task_mut(id);
                entry.comm = name.0.chars().filter(char::is_ascii).take(15).collect();
                let tid = entry.tid;
                self.tasks.insert(name.clone(), StageTask { id, tid });
                Ok(Answer::Ok)
            }
            Err(errno) => Ok(Answer::Errno(errno)),
        }
    }

    fn exec(&mut self, name: &TaskName) -> Result<Answer, ScenarioError> {
        let task = self.live_task(name)?;
        self.enter_for(task);
        self.kernel.tasks.process_of_mut(task).handlers.flush_for_exec();
        self.kernel.flush_ptrace_hw_breakpoint(task);
        self.kernel.exec_task_perf(task);
        // The program sets its handler again when it starts.
        set_handlers(&mut self.kernel.tasks.process_of_mut(task).handlers, handled());
        Ok(Answer::Ok)
    }

    /// A task has to be on a CPU to end there; who was on it goes on.
    fn exit(&mut self, name: &TaskName) -> Result<Answer, ScenarioError> {
        let task = self.live_task(name)?;
        self.enter_for(task);
        let cpu = self.kernel.this_cpu;
        let before = self.run_on(task, cpu);
        self.kernel.exit_thread(task, ExitStatus::Exited(0));
        if let Some(before) = before {
            self.run_on(before, cpu);
        }
        Ok(Answer::Ok)
    }

    fn reap(&mut self, name: &TaskName) -> Result<Answer, ScenarioError> {
        let StageTask { id, .. } = self.task(name)?;
        let Some(task) = self.kernel.tasks.tasks.get(&id) else {
            return Ok(Answer::Errno(Errno::ECHILD));
        };
        let process = task.process;
        let is_zombie =
            self.kernel.tasks.processes.get(&process).is_some_and(|p| p.zombie.is_some());
        if !is_zombie {
            return Err(ScenarioError::TaskAlive(name.clone()));
        }
        self.kernel.release_process(process);
        Ok(Answer::Ok)
    }

    fn on_trap(&mut self, name: &TaskName, action: TrapAction) -> Result<Answer, ScenarioError> {
        let task = self.live_task(name)?;
        self.enter_for(task);
        let with = |handler| SigAction { handler, ..SigAction::default() };
        let handlers = &mut self.kernel.tasks.process_of_mut(task).handlers;
        match action {
            TrapAction::Default => set_handlers(handlers, with(SIG_DFL)),
            TrapAction::Handle => set_handlers(handlers, handled()),
            TrapAction::Ignore => set_handlers(handlers, with(SIG_IGN)),
            TrapAction::Block | TrapAction::Unblock => {
                let blocked = self.kernel.tasks.task(task).blocked;
                let mask = match action {
                    TrapAction::Block => blocked | sigmask(SIGTRAP),
                    _ => blocked & !sigmask(SIGTRAP),
                };
                self.kernel.set_blocked(task, mask);
                if self.cpu_of(task).is_some() {
                    self.return_to_user(task)?;
                }
            }
        }
        Ok(Answer::Ok)
    }
}
