//! Where the kernel tells its tracer of calls. All of these do nothing where nobody asked.

use perf_core::TaskId;

use super::call::{Call, Raw};
use super::decode::{process, siginfo, signal};
use super::event::{CallArg, CallEvent, CallResult, CallSet, CallTold, CallTrace, Rest};
use super::value::Value;
use crate::arch::x86::pt_regs::RAX;
use crate::kernel::Kernel;
use crate::observe::{ExitStatus, Observation};
use crate::signal::SigInfo;
use crate::task::TaskState;

/// Number of execve.
const NR_EXECVE: u64 = 59;

impl Kernel {
    /// Tells of calls, signals and ends of tasks from now on, as [`Observation::Call`].
    pub fn trace_calls(&mut self, wanted: CallSet) {
        self.strace = Some(Box::new(CallTrace::new(wanted)));
    }

    /// The first program was started, as if by the execve that starts every other.
    pub(crate) fn strace_first_program(&mut self, task: TaskId, path: &[u8], nr_args: usize) {
        let sp = self.tasks.task(task).regs.sp();
        if !self.strace.as_ref().is_some_and(|trace| trace.wanted.has(NR_EXECVE)) {
            return;
        }
        let args = [0, sp + 8, sp + 8 * (nr_args as u64 + 2), 0, 0, 0];
        let shown = self.look_at_call(task, args, None, |call| {
            let path = Value::Bytes { bytes: path.to_vec(), is_cut: false };
            [path, process::argv(call, args[1]), process::envp(call, args[2])]
        });
        let args = shown.into_iter().flatten().map(|value| CallArg { label: "", value }).collect();
        let name = String::from("execve");
        self.tell_call(task, Some(CallEvent::Entry { name, args, rest: Rest::Nothing }));
        let result = CallResult::Value { number: String::from("0"), note: None };
        self.tell_call(task, Some(CallEvent::Exit { change: None, args: Vec::new(), result }));
    }

    /// A call that a task's registers ask for begins.
    pub(crate) fn strace_entry(&mut self, task: TaskId) {
        let Some(mut trace) = self.strace.take() else { return };
        let entered = self.tasks.task(task).syscall;
        let event = entered.and_then(|entered| {
            self.look_at_call(task, entered.args, None, |call| trace.enter(entered.nr, call))
        });
        self.strace = Some(trace);
        self.tell_call(task, event.flatten());
    }

    /// The call of a task has its result in the task's registers; one that SIGKILL ends has none.
    pub(crate) fn strace_exit(&mut self, task: TaskId) {
        let exiting = self.tasks.process_of(task).exiting;
        if matches!(exiting, Some(ExitStatus::Signaled { signal: 9, .. })) {
            return;
        }
        let Some(mut trace) = self.strace.take() else { return };
        let result = self.tasks.task(task).regs.gpr[RAX] as i64;
        let event = trace
            .open_args(task)
            .and_then(|args| self.look_at_call(task, args, Some(result), |call| trace.leave(call)));
        self.strace = Some(trace);
        self.tell_call(task, event.flatten());
    }

    fn look_at_call<T>(
        &self,
        task: TaskId,
        args: [u64; 6],
        result: Option<i64>,
        look: impl FnOnce(&Call<'_>) -> T,
    ) -> Option<T> {
        let entry = self.tasks.task(task);
        let (space, _) = self.tasks.spaces.get(&entry.mm)?;
        Some(look(&Call { hw: &self.hw, space, task: entry, args, result }))
    }

    /// A signal is about to be acted on.
    pub(crate) fn strace_signal(&mut self, task: TaskId, info: &SigInfo) {
        if self.strace.is_some() {
            let name = signal::name(info.si_signo);
            let info = siginfo::decode(&Raw::of(&info.to_bytes()));
            self.tell_call(task, Some(CallEvent::Signal { name, info }));
        }
    }

    /// A signal is in no queue, because the process ignores it or dies of it at once: its tracer
    /// is told when the process next goes back to user mode.
    pub(crate) fn strace_unqueued(&mut self, task: TaskId, info: &SigInfo) {
        let process = self.tasks.task(task).process;
        if let Some(trace) = &mut self.strace {
            trace.unqueued.entry(process).or_default().push(*info);
        }
    }

    /// Tells of these signals.
    pub(crate) fn strace_tell_unqueued(&mut self, task: TaskId) {
        let process = self.tasks.task(task).process;
        let Some(trace) = &mut self.strace else { return };
        for info in trace.unqueued.remove(&process).unwrap_or_default() {
            self.strace_signal(task, &info);
        }
    }

    /// The process of a task has stopped.
    pub(crate) fn strace_stopped(&mut self, task: TaskId, signal: u32) {
        if self.strace.is_some() {
            let name = signal::name(signal);
            self.tell_call(task, Some(CallEvent::Stopped { name }));
        }
    }

    /// A task ends.
    pub(crate) fn strace_end(&mut self, task: TaskId, status: ExitStatus) {
        if let Some(trace) = &mut self.strace {
            trace.forget(task);
            self.tell_call(task, Some(CallEvent::Ended(status)));
        }
    }

    fn tell_call(&mut self, task: TaskId, event: Option<CallEvent>) {
        let Some(event) = event else { return };
        let is_alive = |state: &TaskState| !matches!(state, TaskState::Zombie(_));
        let nr_tasks = self.tasks.tasks.values().filter(|task| is_alive(&task.state)).count();
        let told = CallTold { task: self.tasks.tag(task), nr_tasks, event };
        self.observations.push(Observation::Call(Box::new(told)));
    }
}
