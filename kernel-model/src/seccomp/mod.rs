//! Seccomp: which system calls a thread may make.
//!
//! - [`bpf`]: the programs; `install`: the system call and prctl; `tracer`: what a tracer asks
//!
//! Each system call goes through [`Kernel::secure_computing`] after its stop at entry.
//! Source: Linux 6.18 `kernel/seccomp.c`.

pub mod bpf;
mod install;
mod tracer;

use std::collections::{BTreeMap, BTreeSet};

use perf_core::{Errno, TaskId};

use crate::arch::x86::int80::{self, SyscallAbi};
use crate::arch::x86::pt_regs::RAX;
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::ptrace::Stop;
use crate::signal::{SigFields, SigInfo};
use crate::task::{ResumeAt, Task};
use crate::uapi::ptrace::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, PTRACE_EVENT_SECCOMP, options};
use crate::uapi::put;
use crate::uapi::signal::{SIGKILL, SIGSYS};
use bpf::{Program, SECCOMP_DATA_BYTES};
pub(crate) use install::{CALLS, prctl};

/// Number of an installed filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilterId(u64);

/// A filter.
#[derive(Clone, Debug)]
struct Filter {
    program: Program,
    /// `SECCOMP_FILTER_FLAG_LOG`.
    logs: bool,
}

/// All filters in use.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    filters: BTreeMap<FilterId, Filter>,
    next: u64,
}

impl Filters {
    fn add(&mut self, filter: Filter, in_use: &BTreeSet<FilterId>) -> FilterId {
        self.filters.retain(|id, _| in_use.contains(id));
        let id = FilterId(self.next);
        self.next += 1;
        self.filters.insert(id, filter);
        id
    }
}

/// What a thread may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    Disabled,
    /// read, write, exit and rt_sigreturn.
    Strict,
    /// What these filters allow, the oldest first.
    Filter(Vec<FilterId>),
    /// Nothing: it is being killed (`SECCOMP_MODE_DEAD`).
    Dead,
}

impl Mode {
    /// Its number, as PR_GET_SECCOMP and `/proc/PID/status` tell it.
    #[must_use]
    pub const fn number(&self) -> u32 {
        match self {
            Self::Disabled => 0,
            Self::Strict => 1,
            Self::Filter(_) => 2,
            Self::Dead => 3,
        }
    }

    /// How many filters there are.
    #[must_use]
    pub fn nr_filters(&self) -> usize {
        self.filters().len()
    }

    fn filters(&self) -> &[FilterId] {
        match self {
            Self::Filter(filters) => filters,
            Self::Disabled | Self::Strict | Self::Dead => &[],
        }
    }
}

/// Actions of filters (`SECCOMP_RET_*`): the upper half of what they return.
mod action {
    pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
    pub(super) const KILL_THREAD: u32 = 0;
    pub(super) const TRAP: u32 = 0x3_0000;
    pub(super) const ERRNO: u32 = 0x5_0000;
    pub(super) const USER_NOTIF: u32 = 0x7fc0_0000;
    pub(super) const TRACE: u32 = 0x7ff0_0000;
    pub(super) const LOG: u32 = 0x7ffc_0000;
    pub(super) const ALLOW: u32 = 0x7fff_0000;
    /// All of them.
    pub(super) const ALL: [u32; 8] =
        [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, USER_NOTIF, TRACE, LOG, ALLOW];
    /// The action's bits.
    pub(super) const MASK: u32 = 0xffff_0000;
}

/// `MAX_ERRNO`.
const MAX_ERRNO: u32 = 4095;
/// `si_code` of SIGSYS from a filter.
const SYS_SECCOMP: i32 = 1;

/// Whether a filter may ask the tracer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recheck {
    /// It may.
    No,
    /// The tracer has been asked.
    Yes,
}

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Allow,
    /// It is not made; the registers have its result.
    Skip,
    /// The task has ended, or stopped for its tracer.
    OffCpu,
}

/// `struct seccomp_data` of the call that a task is at.
fn seccomp_data(task: &Task) -> [u8; SECCOMP_DATA_BYTES] {
    let regs = &task.regs;
    let (arch, args) = match task.arch.abi {
        SyscallAbi::X86_64 => (AUDIT_ARCH_X86_64, regs.args()),
        SyscallAbi::I386 => (AUDIT_ARCH_I386, int80::args(regs)),
    };
    let mut data = [0; SECCOMP_DATA_BYTES];
    put(&mut data, 0, (regs.orig_ax as u32).to_le_bytes());
    put(&mut data, 4, arch.to_le_bytes());
    put(&mut data, 8, regs.ip.to_le_bytes());
    for (index, arg) in args.into_iter().enumerate() {
        put(&mut data, 16 + 8 * index, arg.to_le_bytes());
    }
    data
}

impl Kernel {
    /// Whether the call that the current task is at is to be made (`__secure_computing`).
    pub(crate) fn secure_computing(&mut self, task: TaskId, recheck: Recheck) -> Verdict {
        const STRICT: [u32; 4] = [0, 1, 15, 60];
        let entry = self.tasks.task(task);
        let suspended =
            entry.trace.ptrace.is_some_and(|p| p.options & options::SUSPEND_SECCOMP != 0);
        match &entry.seccomp {
            Mode::Disabled => Verdict::Allow,
            _ if suspended => Verdict::Allow,
            Mode::Strict if STRICT.contains(&(entry.regs.orig_ax as u32)) => Verdict::Allow,
            Mode::Strict => {
                self.tasks.task_mut(task).seccomp = Mode::Dead;
                self.exit_thread(task, ExitStatus::Signaled { signal: SIGKILL as u8, core: false });
                Verdict::OffCpu
            }
            Mode::Filter(_) => self.seccomp_filter(task, recheck),
            Mode::Dead => {
                self.exit_thread(task, ExitStatus::Signaled { signal: SIGKILL as u8, core: false });
                Verdict::OffCpu
            }
        }
    }

    /// What the filters return: of several the most severe action, and of equal ones the newest
    /// filter's (`seccomp_run_filters`).
    fn run_filters(&self, task: TaskId) -> u32 {
        let entry = self.tasks.task(task);
        let data = seccomp_data(entry);
        let severity = |value: u32| (value & action::MASK) as i32;
        let mut answer = action::ALLOW;
        for id in entry.seccomp.filters().iter().rev() {
            let Some(filter) = self.seccomp_filters.filters.get(id) else { continue };
            let value = filter.program.run(&data);
            if severity(value) < severity(answer) {
                answer = value;
            }
        }
        answer
    }

    fn seccomp_filter(&mut self, task: TaskId, recheck: Recheck) -> Verdict {
        let answer = self.run_filters(task);
        let data = answer & !action::MASK;
        match answer & action::MASK {
            action::ALLOW | action::LOG => Verdict::Allow,
            action::ERRNO => {
                self.set_result(task, i64::from(data.min(MAX_ERRNO)).wrapping_neg() as u64)
            }
            action::TRAP => {
                self.rollback(task);
                let info = self.seccomp_siginfo(task, data);
                self.force_signal(task, info);
                Verdict::Skip
            }
            action::TRACE if recheck == Recheck::Yes => Verdict::Allow,
            action::TRACE => self.seccomp_trace(task, data),
            // Nobody listens.
            action::USER_NOTIF => self.set_result(task, Errno::ENOSYS.to_syscall() as u64),
            kill => self.seccomp_kill(task, kill, data),
        }
    }

    fn set_result(&mut self, task: TaskId, value: u64) -> Verdict {
        self.tasks.task_mut(task).regs.gpr[RAX] = value;
        Verdict::Skip
    }

    /// The registers are as before the call (`syscall_rollback`).
    pub(crate) fn rollback(&mut self, task: TaskId) {
        let regs = &mut self.tasks.task_mut(task).regs;
        regs.gpr[RAX] = regs.orig_ax;
    }

    /// SIGSYS for the call that a task is at (`force_sig_seccomp`).
    fn seccomp_siginfo(&self, task: TaskId, reason: u32) -> SigInfo {
        let info = self.sigsys_info(task, SYS_SECCOMP);
        SigInfo { si_errno: reason as i32, ..info }
    }

    /// SIGSYS with this code.
    pub(crate) fn sigsys_info(&self, task: TaskId, code: i32) -> SigInfo {
        let entry = self.tasks.task(task);
        let arch = match entry.arch.abi {
            SyscallAbi::X86_64 => AUDIT_ARCH_X86_64,
            SyscallAbi::I386 => AUDIT_ARCH_I386,
        };
        let (call_addr, syscall) = (entry.regs.ip, entry.regs.orig_ax as i32);
        SigInfo::new(SIGSYS, code, SigFields::Sys { call_addr, syscall, arch })
    }

    fn seccomp_trace(&mut self, task: TaskId, data: u32) -> Verdict {
        let ptrace = self.tasks.task(task).trace.ptrace;
        if !ptrace.is_some_and(|ptrace| ptrace.has_event(PTRACE_EVENT_SECCOMP)) {
            return self.set_result(task, Errno::ENOSYS.to_syscall() as u64);
        }
        let then = ResumeAt::Seccomp;
        match self.ptrace_event_then(task, PTRACE_EVENT_SECCOMP, u64::from(data), then) {
            Stop::Stopped => Verdict::OffCpu,
            Stop::Not => Verdict::Skip,
        }
    }

    /// Kills the process, or a thread that is not its last one.
    fn seccomp_kill(&mut self, task: TaskId, kill: u32, data: u32) -> Verdict {
        self.tasks.task_mut(task).seccomp = Mode::Dead;
        if kill == action::KILL_THREAD && self.tasks.process_of(task).threads.len() > 1 {
            self.exit_thread(task, ExitStatus::Signaled { signal: SIGSYS as u8, core: false });
            return Verdict::OffCpu;
        }
        self.rollback(task);
        let info = self.seccomp_siginfo(task, data);
        self.force_exit_signal(task, info);
        Verdict::Skip
    }
}
