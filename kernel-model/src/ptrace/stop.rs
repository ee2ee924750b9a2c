//! The stops of a tracee: where they come from, and what follows when it goes on.
//! Source: Linux 6.18 `kernel/signal.c` (`ptrace_stop`, `ptrace_notify`, `do_jobctl_trap`,
//! `ptrace_signal`), `include/linux/ptrace.h` (`ptrace_event`, `ptrace_report_syscall`).

use perf_core::TaskId;

use super::state::{ResumeAt, SyscallWork};
use crate::kernel::Kernel;
use crate::signal::group_stop::{StopWhy, Told};
use crate::signal::jobctl::Jobctl;
use crate::signal::{SigFields, SigInfo};
use crate::task::TaskState;
use crate::uapi::ptrace::{
    PTRACE_EVENT_EXEC, PTRACE_EVENT_STOP, PTRACE_EVENTMSG_SYSCALL_ENTRY,
    PTRACE_EVENTMSG_SYSCALL_EXIT,
};
use crate::uapi::signal::{SIGTRAP, is_valid, si_code};

/// Bit of a syscall stop's signal (PTRACE_O_TRACESYSGOOD).
const SYSGOOD: u32 = 0x80;
/// An event stands above the signal in `si_code` and in the code of a stop.
const EVENT_SHIFT: u32 = 8;

/// Whether a task stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Stop {
    /// It is off its CPU.
    Stopped,
    /// There is no tracer, or it is dying: it goes on at once.
    Not,
}

/// What a tracer is shown of a stop.
struct Shown {
    /// `exit_code`: signal, and event above it.
    code: u32,
    message: u64,
    info: Option<SigInfo>,
}

impl Kernel {
    /// Stops the current task for its tracer (`ptrace_stop`).
    fn ptrace_stop(&mut self, task: TaskId, why: StopWhy, shown: Shown, then: ResumeAt) -> Stop {
        let trace = &self.tasks.task(task).trace;
        if trace.ptrace.is_none() || trace.fatal_pending {
            return Stop::Not;
        }
        self.switch_out(self.this_cpu);
        self.enter_trap(task, why, shown, then);
        Stop::Stopped
    }

    /// A task that is off its CPU traps.
    fn enter_trap(&mut self, task: TaskId, why: StopWhy, shown: Shown, then: ResumeAt) {
        let entry = self.tasks.task_mut(task);
        entry.state = TaskState::Traced;
        let trace = &mut entry.trace;
        trace.resume_at = then;
        trace.exit_code = shown.code;
        trace.message = shown.message;
        trace.last_siginfo = shown.info;
        let stops = why == StopWhy::Stopped && trace.jobctl.has(Jobctl::STOP_PENDING);
        let is_complete = stops && self.participate_group_stop(task);
        let jobctl = &mut self.tasks.task_mut(task).trace.jobctl;
        jobctl.clear(Jobctl::TRAP_STOP);
        if shown.info.is_some_and(|info| is_event_stop(&info)) {
            jobctl.clear(Jobctl::TRAP_NOTIFY);
        }
        self.notify_parent_cldstop(task, Told::Tracer, why);
        if is_complete && self.ptrace_reparented(task) {
            self.notify_parent_cldstop(task, Told::Parent, why);
        }
    }

    /// What follows every stop of a tracee when it runs again: tells the tracer's answer.
    pub(crate) fn after_ptrace_stop(&mut self, task: TaskId) -> u32 {
        let trace = &mut self.tasks.task_mut(task).trace;
        let code = std::mem::take(&mut trace.exit_code);
        trace.last_siginfo = None;
        trace.message = 0;
        trace.jobctl.clear(Jobctl::LISTENING);
        code
    }

    /// A stop with a siginfo that says which (`ptrace_do_notify`).
    fn ptrace_notify(
        &mut self,
        task: TaskId,
        why: StopWhy,
        code: u32,
        message: u64,
        then: ResumeAt,
    ) -> Stop {
        let info = self.notify_info(task, code);
        self.ptrace_stop(task, why, Shown { code, message, info: Some(info) }, then)
    }

    fn notify_info(&self, task: TaskId, code: u32) -> SigInfo {
        let signal = if code >> EVENT_SHIFT == PTRACE_EVENT_STOP { code & 0x7f } else { SIGTRAP };
        let fields = SigFields::Kill { pid: self.tasks.task(task).tid, uid: 0 };
        SigInfo::new(signal, code as i32, fields)
    }

    /// Stops at an event, where the tracer asked for it (`ptrace_event`); the current task goes
    /// on in its system call.
    pub(crate) fn ptrace_event(&mut self, task: TaskId, event: u32, message: u64) -> Stop {
        self.ptrace_event_then(task, event, message, ResumeAt::Event)
    }

    /// The same, and where it goes on.
    pub(crate) fn ptrace_event_then(
        &mut self,
        task: TaskId,
        event: u32,
        message: u64,
        then: ResumeAt,
    ) -> Stop {
        let Some(ptrace) = self.tasks.task(task).trace.ptrace else { return Stop::Not };
        if ptrace.has_event(event) {
            let code = event << EVENT_SHIFT | SIGTRAP;
            return self.ptrace_notify(task, StopWhy::Trapped, code, message, then);
        }
        Stop::Not
    }

    /// A traced task has another program: the event, or SIGTRAP without its option. `old_tid` is
    /// the id that the task had before. The task goes on at the end of execve.
    pub(crate) fn ptrace_exec_event(&mut self, task: TaskId, old_tid: u32) -> Stop {
        let Some(ptrace) = self.tasks.task(task).trace.ptrace else { return Stop::Not };
        if ptrace.has_legacy_exec_trap() {
            let fields = SigFields::Kill { pid: self.tasks.process_of(task).pid, uid: 0 };
            self.send_signal_to_thread(task, SigInfo::new(SIGTRAP, si_code::SI_USER, fields));
        }
        let then = ResumeAt::CallDone;
        self.ptrace_event_then(task, PTRACE_EVENT_EXEC, u64::from(old_tid), then)
    }

    /// The stop at a system call's entry.
    pub(crate) fn report_syscall_entry(&mut self, task: TaskId) -> Stop {
        let work = self.tasks.task(task).trace.syscall_work;
        if work == SyscallWork::None {
            return Stop::Not;
        }
        self.report_syscall(task, PTRACE_EVENTMSG_SYSCALL_ENTRY, ResumeAt::SyscallEntry(work))
    }

    /// The stop at a system call's exit; a single step over the call is a signal
    /// (`syscall_exit_work`).
    pub(crate) fn report_syscall_exit(&mut self, task: TaskId) -> Stop {
        let entry = self.tasks.task(task);
        let work = entry.trace.syscall_work;
        if entry.step.traps_at_syscall_exit() && work != SyscallWork::Emulate {
            self.user_single_step_report(task);
            return Stop::Not;
        }
        if work != SyscallWork::Trace {
            return Stop::Not;
        }
        self.report_syscall(task, PTRACE_EVENTMSG_SYSCALL_EXIT, ResumeAt::SyscallExit)
    }

    fn report_syscall(&mut self, task: TaskId, message: u64, then: ResumeAt) -> Stop {
        let Some(ptrace) = self.tasks.task(task).trace.ptrace else { return Stop::Not };
        let code = SIGTRAP | if ptrace.sysgood() { SYSGOOD } else { 0 };
        self.ptrace_notify(task, StopWhy::Trapped, code, message, then)
    }

    /// What follows a syscall stop: the tracer's signal goes to the tracee.
    pub(crate) fn after_syscall_stop(&mut self, task: TaskId) {
        let signal = self.after_ptrace_stop(task);
        if is_valid(signal) {
            self.send_signal_to_thread(task, SigInfo::from_kernel(signal));
        }
    }

    /// The stop before a signal is delivered.
    pub(crate) fn ptrace_signal_stop(&mut self, task: TaskId, info: SigInfo) -> Stop {
        self.tasks.task_mut(task).trace.jobctl.set(Jobctl::STOP_DEQUEUED);
        let shown = Shown { code: info.si_signo, message: 0, info: Some(info) };
        self.ptrace_stop(task, StopWhy::Trapped, shown, ResumeAt::Signal(info))
    }

    /// What follows it: the signal that the tracer lets through, if any (`ptrace_signal`).
    pub(crate) fn after_signal_stop(&mut self, task: TaskId, stopped: SigInfo) -> Option<SigInfo> {
        let seen = self.tasks.task(task).trace.last_siginfo.unwrap_or(stopped);
        let signal = self.after_ptrace_stop(task);
        if !is_valid(signal) {
            return None;
        }
        self.injected(task, signal, seen)
    }

    /// The signal that a tracer chose; one that is blocked now goes back to the queue.
    fn injected(&mut self, task: TaskId, signal: u32, seen: SigInfo) -> Option<SigInfo> {
        let info = if signal == seen.si_signo {
            seen
        } else {
            let tracer = self.tasks.task(task).trace.tracer();
            let pid = tracer.map_or(0, |tracer| self.tasks.task(tracer).tid);
            SigInfo::new(signal, si_code::SI_USER, SigFields::Kill { pid, uid: 0 })
        };
        let entry = self.tasks.task(task);
        let is_blocked = entry.blocked & crate::uapi::signal::sigmask(signal) != 0;
        if is_blocked || entry.trace.fatal_pending {
            self.send_signal_to_thread(task, info);
            return None;
        }
        Some(info)
    }

    /// The stop that is pending in the task's job control state (`do_jobctl_trap`).
    pub(crate) fn do_jobctl_trap(&mut self, task: TaskId) -> Stop {
        let shown = self.jobctl_trap(task);
        self.ptrace_stop(task, StopWhy::Stopped, shown, ResumeAt::UserLoop)
    }

    fn jobctl_trap(&self, task: TaskId) -> Shown {
        let trace = &self.tasks.task(task).trace;
        let mut signal = trace.jobctl.stop_signal();
        if !trace.is_seized() {
            return Shown { code: signal, message: 0, info: None };
        }
        let stop = &self.tasks.process_of(task).group_stop;
        if stop.nr_to_stop == 0 && !stop.is_stopped {
            signal = SIGTRAP;
        }
        let code = signal | PTRACE_EVENT_STOP << EVENT_SHIFT;
        Shown { code, message: 0, info: Some(self.notify_info(task, code)) }
    }

    /// A task in a group stop becomes a tracee's: it traps in the stop that it is in.
    pub(super) fn trap_stopped_task(&mut self, task: TaskId) {
        let shown = self.jobctl_trap(task);
        self.enter_trap(task, StopWhy::Stopped, shown, ResumeAt::UserLoop);
    }

    /// The stop at a handler's first instruction, where the tracee is single-stepped
    /// (`signal_delivered`).
    pub(crate) fn report_handler_entry(&mut self, task: TaskId) -> Stop {
        self.ptrace_notify(task, StopWhy::Trapped, SIGTRAP, 0, ResumeAt::UserLoop)
    }

    /// A seized tracee is to trap because a group stop began or ended (`ptrace_trap_notify`).
    pub(crate) fn ptrace_trap_notify(&mut self, task: TaskId) {
        self.set_jobctl_pending(task, Jobctl::TRAP_NOTIFY);
        self.kick_tracee(task);
    }

    /// Interrupts a tracee, and wakes one that is listened to (`ptrace_signal_wake_up`).
    pub(super) fn kick_tracee(&mut self, task: TaskId) {
        if self.tasks.task(task).trace.jobctl.has(Jobctl::LISTENING) {
            self.wake_traced(task);
        }
        self.wake_for_signal(task);
    }
}

/// Whether a stop is a group stop or an interrupt of a seized tracee.
pub(super) fn is_event_stop(info: &SigInfo) -> bool {
    info.si_code >> EVENT_SHIFT == PTRACE_EVENT_STOP as i32
}
