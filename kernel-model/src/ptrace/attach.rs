//! Who traces whom: beginning, inheriting and ending it.
//! Source: Linux 6.18 `kernel/ptrace.c` (`ptrace_attach`, `ptrace_traceme`, `__ptrace_unlink`,
//! `__ptrace_detach`, `exit_ptrace`), `include/linux/ptrace.h` (`ptrace_init_task`).

use perf_core::{Errno, TaskId};

use super::state::{Ptrace, SyscallWork};
use crate::kernel::Kernel;
use crate::signal::SigInfo;
use crate::signal::jobctl::Jobctl;
use crate::task::cred::Cap;
use crate::task::{ProcessId, TaskState};
use crate::uapi::ptrace::options;
use crate::uapi::signal::{SIG_IGN, SIGCHLD, SIGKILL, SIGSTOP, sa};

/// Which of the two requests attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// PTRACE_ATTACH: the tracee is sent SIGSTOP.
    Stop,
    /// PTRACE_SEIZE, with these options.
    Seize(u64),
}

/// Whether all options exist.
fn check_known(options: u64) -> Result<(), Errno> {
    if options & !options::MASK != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

impl Kernel {
    /// Checks options (`check_ptrace_options`).
    pub(super) fn check_options(&self, tracer: TaskId, options: u64) -> Result<(), Errno> {
        check_known(options)?;
        let entry = self.tasks.task(tracer);
        let may_suspend =
            entry.cred.capable(Cap::SysAdmin) && entry.seccomp == crate::seccomp::Mode::Disabled;
        if options & options::SUSPEND_SECCOMP != 0 && !may_suspend {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// PTRACE_TRACEME: the caller's parent traces it.
    pub(super) fn ptrace_traceme(&mut self, task: TaskId) -> Result<u64, Errno> {
        if self.tasks.task(task).trace.ptrace.is_some() {
            return Err(Errno::EPERM);
        }
        let tracer = self.parent_thread(task).ok_or(Errno::EPERM)?;
        let ptrace = Ptrace { tracer, seized: false, options: 0 };
        self.tasks.task_mut(task).trace.ptrace = Some(ptrace);
        Ok(0)
    }

    /// The thread that made a task's process, or the oldest of its process's that still lives.
    fn parent_thread(&self, task: TaskId) -> Option<TaskId> {
        let process = self.tasks.process_of(task);
        let parent = self.tasks.processes.get(&process.parent?)?;
        let maker = process.parent_thread.filter(|maker| parent.threads.contains(maker));
        maker.or_else(|| parent.threads.first().copied())
    }

    /// PTRACE_ATTACH and PTRACE_SEIZE.
    pub(super) fn ptrace_attach(
        &mut self,
        tracer: TaskId,
        task: TaskId,
        how: Attach,
    ) -> Result<u64, Errno> {
        let entry = self.tasks.task(task);
        let is_own = entry.process == self.tasks.task(tracer).process;
        if is_own || matches!(entry.state, TaskState::Zombie(_)) || entry.trace.ptrace.is_some() {
            return Err(Errno::EPERM);
        }
        if !self.tasks.ptrace_may_access(tracer, task) {
            return Err(Errno::EPERM);
        }
        let is_stopped = entry.state == TaskState::Stopped;
        let (seized, options) = match how {
            Attach::Stop => (false, 0),
            Attach::Seize(options) => (true, options),
        };
        let ptrace = Ptrace { tracer, seized, options };
        self.tasks.task_mut(task).trace.ptrace = Some(ptrace);
        if how == Attach::Stop {
            self.send_signal_to_thread(task, SigInfo::from_kernel(SIGSTOP));
        }
        if is_stopped {
            self.trap_stopped_task(task);
        }
        Ok(0)
    }

    /// Lets a new task be traced as its maker is, where an event or the maker asks for it
    /// (`ptrace_init_task`).
    pub(crate) fn ptrace_init_task(&mut self, maker: TaskId, child: TaskId) {
        let Some(ptrace) = self.tasks.task(maker).trace.ptrace else { return };
        self.tasks.task_mut(child).trace.ptrace = Some(ptrace);
        if ptrace.seized {
            self.set_jobctl_pending(child, Jobctl::TRAP_STOP);
        } else {
            self.tasks.task_mut(child).pending.add_without_info(SIGSTOP);
        }
    }

    /// Whether a task is traced by another process than its parent.
    pub(crate) fn ptrace_reparented(&self, task: TaskId) -> bool {
        let Some(tracer) = self.tasks.task(task).trace.tracer() else { return false };
        self.tasks.process_of(task).parent != Some(self.tasks.task(tracer).process)
    }

    /// PTRACE_DETACH: `signal` goes to the tracee.
    pub(super) fn ptrace_detach(
        &mut self,
        tracer: TaskId,
        task: TaskId,
        signal: u32,
    ) -> Result<u64, Errno> {
        self.user_disable_single_step(task);
        self.tasks.task_mut(task).trace.exit_code = signal;
        self.detach_traps(task);
        self.unlink_from(tracer, task);
        Ok(0)
    }

    /// Ends tracing; a traced zombie becomes its parent's, or goes (`__ptrace_detach`).
    fn unlink_from(&mut self, tracer: TaskId, task: TaskId) {
        let tracing_process = self.tasks.task(tracer).process;
        self.ptrace_unlink(task);
        if !matches!(self.tasks.task(task).state, TaskState::Zombie(_)) {
            return;
        }
        let process = self.tasks.task(task).process;
        if self.tasks.process_of(task).leader != task {
            self.release_thread(task);
        } else if self.tasks.process_of(task).zombie.is_some() {
            if self.tasks.process_of(task).parent != Some(tracing_process) {
                self.notify_parent(process);
            } else if self.ignores_children(tracing_process) {
                self.release_process(process);
            }
        }
    }

    fn ignores_children(&self, process: ProcessId) -> bool {
        self.tasks.processes.get(&process).is_some_and(|process| {
            let action = process.handlers.get(SIGCHLD);
            action.handler == SIG_IGN || action.has(sa::NOCLDWAIT)
        })
    }

    /// The task is nobody's tracee any more; one that is stopped goes on, or into the group
    /// stop of its process (`__ptrace_unlink`).
    pub(crate) fn ptrace_unlink(&mut self, task: TaskId) {
        let stop = self.tasks.process_of(task).group_stop;
        let entry = self.tasks.task_mut(task);
        let is_dead = matches!(entry.state, TaskState::Zombie(_));
        entry.trace.ptrace = None;
        entry.trace.syscall_work = SyscallWork::None;
        entry.trace.jobctl.clear(Jobctl::TRAP_MASK);
        let rejoins = !is_dead && (stop.is_stopped || stop.nr_to_stop > 0);
        if rejoins {
            entry.trace.jobctl.set(Jobctl::STOP_PENDING);
        }
        if entry.state == TaskState::Traced {
            self.wake_traced(task);
        } else if rejoins {
            self.wake_for_signal(task);
        }
    }

    /// A tracer ends: its tracees go on without it, or die with it (`exit_ptrace`).
    pub(crate) fn exit_ptrace(&mut self, tracer: TaskId) {
        let traced = |task: &&crate::task::Task| task.trace.tracer() == Some(tracer);
        let tracees: Vec<TaskId> =
            self.tasks.tasks.values().filter(traced).map(|task| task.id).collect();
        for task in tracees {
            let ptrace = self.tasks.task(task).trace.ptrace;
            if ptrace.is_some_and(|ptrace| ptrace.options & options::EXITKILL != 0) {
                self.send_signal_to_thread(task, SigInfo::from_kernel(SIGKILL));
            }
            self.unlink_from(tracer, task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_exist() {
        for (bits, ok) in [
            (0, true),
            (0xff, true),
            (options::EXITKILL, true),
            (0x100, false),
            (options::SUSPEND_SECCOMP, true),
            (u64::MAX, false),
        ] {
            assert_eq!(check_known(bits).is_ok(), ok, "{bits:#x}");
        }
    }
}
