//! What a task carries for tracing and job control.
//! Source: Linux 6.18 `include/linux/ptrace.h`, `include/linux/sched.h`.

use perf_core::TaskId;

use crate::observe::ExitStatus;
use crate::signal::SigInfo;
use crate::signal::jobctl::Jobctl;
use crate::uapi::ptrace::{PTRACE_EVENT_EXEC, options};

/// That and how a task is traced (`task_struct::ptrace` and `parent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ptrace {
    /// The tracing thread.
    pub tracer: TaskId,
    /// Attached with PTRACE_SEIZE.
    pub seized: bool,
    /// Options, as PTRACE_SETOPTIONS has them.
    pub options: u64,
}

impl Ptrace {
    /// Whether an event stops the tracee (`ptrace_event_enabled`).
    #[must_use]
    pub const fn has_event(&self, event: u32) -> bool {
        self.options & 1 << event != 0
    }

    /// Whether an exec without the event's option raises SIGTRAP.
    #[must_use]
    pub const fn has_legacy_exec_trap(&self) -> bool {
        !self.has_event(PTRACE_EVENT_EXEC) && !self.seized
    }

    /// Whether syscall stops have bit 7 in their signal.
    #[must_use]
    pub const fn sysgood(&self) -> bool {
        self.options & options::TRACESYSGOOD != 0
    }
}

/// Which stops a tracer wants at system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyscallWork {
    /// None.
    #[default]
    None,
    /// At entry and exit (PTRACE_SYSCALL).
    Trace,
    /// At entry, and the call is not made (PTRACE_SYSEMU).
    Emulate,
}

/// Where a task goes on when it runs again after a stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumeAt {
    /// In its system call, or on the way to user mode.
    #[default]
    Usual,
    /// On the way to user mode, after a stop whose answer does not matter.
    UserLoop,
    /// In the delivery of this signal, which the tracer has seen.
    Signal(SigInfo),
    /// At the entry of a system call, with what the tracer wanted of it.
    SyscallEntry(SyscallWork),
    /// At the entry of a system call, after a filter of seccomp asked for a stop.
    Seccomp,
    /// At its exit.
    SyscallExit,
    /// In its system call, after an event.
    Event,
    /// At the end of its system call, after an event.
    CallDone,
    /// In its end.
    Exit(ExitStatus),
}

/// The part of a task that tracing and job control use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState {
    /// Job control.
    pub jobctl: Jobctl,
    /// Who traces it, and how.
    pub ptrace: Option<Ptrace>,
    /// What the stop is, for wait; then what the tracer answers (`exit_code`).
    pub exit_code: u32,
    /// The signal or event of the stop, where it has a siginfo (`last_siginfo`).
    pub last_siginfo: Option<SigInfo>,
    /// What PTRACE_GETEVENTMSG tells (`ptrace_message`).
    pub message: u64,
    /// Stops at system calls.
    pub syscall_work: SyscallWork,
    /// Where it goes on.
    pub resume_at: ResumeAt,
    /// SIGKILL has come, and the task has not begun to end (`fatal_signal_pending`).
    pub fatal_pending: bool,
}

impl TraceState {
    /// Who traces it.
    #[must_use]
    pub fn tracer(&self) -> Option<TaskId> {
        self.ptrace.map(|ptrace| ptrace.tracer)
    }

    /// Whether its tracer has seized it.
    #[must_use]
    pub fn is_seized(&self) -> bool {
        self.ptrace.is_some_and(|ptrace| ptrace.seized)
    }
}
