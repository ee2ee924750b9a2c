//! Group stops: a process stops with all its threads, goes on at SIGCONT, and its parent is told.
//!
//! Threads of a process that nobody traces sleep in [`TaskState::Stopped`]; traced ones trap
//! instead ([`crate::ptrace`]). Source: Linux 6.18 `kernel/signal.c` (`do_signal_stop`,
//! `task_participate_group_stop`, `prepare_signal`, `do_notify_parent_cldstop`),
//! `kernel/exit.c` (`will_become_orphaned_pgrp`).

use perf_core::TaskId;

use super::info::{SigFields, SigInfo};
use super::jobctl::{CldPending, Jobctl};
use crate::kernel::Kernel;
use crate::task::wait::Channel;
use crate::task::{ProcessId, ResumeAt, TaskState};
use crate::uapi::signal::si_code::{CLD_CONTINUED, CLD_STOPPED, CLD_TRAPPED};
use crate::uapi::signal::{SIG_IGN, SIGCHLD, SIGCONT, SIGHUP, sa};

/// Why a task's parents are told of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopWhy {
    /// A tracee trapped.
    Trapped,
    /// A group stop.
    Stopped,
    /// A group stop ended.
    Continued,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The tracer, about the thread.
    Tracer,
    /// The parent, about the process.
    Parent,
}

/// What became of a stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalStop {
    /// The task is stopped and off its CPU.
    Stopped,
    /// It goes on for now: nothing to do, or a trap is pending for its tracer.
    GoesOn,
}

impl Kernel {
    /// Sets bits of a task's job control state, unless it is dying; tells whether it did
    /// (`task_set_jobctl_pending`).
    pub(crate) fn set_jobctl_pending(&mut self, task: TaskId, bits: u32) -> bool {
        let entry = self.tasks.task_mut(task);
        let is_dying = entry.trace.fatal_pending || matches!(entry.state, TaskState::Zombie(_));
        if !is_dying {
            entry.trace.jobctl.set(bits);
        }
        !is_dying
    }

    /// Stops the current task's process, or takes part in a stop that has begun
    /// (`do_signal_stop`).
    pub(crate) fn do_signal_stop(&mut self, task: TaskId, signal: u32) -> SignalStop {
        if !self.tasks.task(task).trace.jobctl.has(Jobctl::STOP_PENDING)
            && !self.begin_group_stop(task, signal)
        {
            return SignalStop::GoesOn;
        }
        if self.tasks.task(task).trace.ptrace.is_some() {
            self.set_jobctl_pending(task, Jobctl::TRAP_STOP);
            return SignalStop::GoesOn;
        }
        let is_complete = self.participate_group_stop(task);
        let signal = self.tasks.process_of(task).group_stop.exit_code;
        self.strace_stopped(task, signal);
        let entry = self.tasks.task_mut(task);
        entry.trace.resume_at = ResumeAt::UserLoop;
        self.switch_out(self.this_cpu);
        self.tasks.task_mut(task).state = TaskState::Stopped;
        if is_complete {
            self.notify_parent_cldstop(task, Told::Parent, StopWhy::Stopped);
        }
        SignalStop::Stopped
    }

    fn begin_group_stop(&mut self, task: TaskId, signal: u32) -> bool {
        let dequeued = self.tasks.task(task).trace.jobctl.has(Jobctl::STOP_DEQUEUED);
        let process = self.tasks.process_of_mut(task);
        if !dequeued || process.exiting.is_some() {
            return false;
        }
        if !process.group_stop.is_stopped {
            process.group_stop.exit_code = signal;
        }
        process.group_stop.nr_to_stop = 0;
        let others: Vec<TaskId> =
            process.threads.iter().copied().filter(|&thread| thread != task).collect();
        let bits = signal | Jobctl::STOP_PENDING | Jobctl::STOP_CONSUME;
        let mut nr_to_stop = u32::from(self.set_jobctl_pending(task, bits));
        for thread in others {
            let is_stopped = self.tasks.task(thread).state == TaskState::Stopped;
            if !is_stopped && self.set_jobctl_pending(thread, bits) {
                nr_to_stop += 1;
                if self.tasks.task(thread).trace.is_seized() {
                    self.ptrace_trap_notify(thread);
                } else {
                    self.wake_for_signal(thread);
                }
            }
        }
        self.tasks.process_of_mut(task).group_stop.nr_to_stop = nr_to_stop;
        true
    }

    /// The task takes part in the stop of its process; tells whether it was the last
    /// (`task_participate_group_stop`).
    pub(crate) fn participate_group_stop(&mut self, task: TaskId) -> bool {
        let jobctl = &mut self.tasks.task_mut(task).trace.jobctl;
        let counts = jobctl.has(Jobctl::STOP_CONSUME);
        jobctl.clear(Jobctl::STOP_PENDING);
        let stop = &mut self.tasks.process_of_mut(task).group_stop;
        if !counts {
            return false;
        }
        stop.nr_to_stop = stop.nr_to_stop.saturating_sub(1);
        let is_complete = stop.nr_to_stop == 0 && !stop.is_stopped;
        if is_complete {
            stop.complete();
        }
        is_complete
    }

    /// A new thread joins the stop of its process (`task_join_group_stop`).
    pub(crate) fn join_group_stop(&mut self, parent: TaskId, thread: TaskId) {
        let mut bits = self.tasks.task(parent).trace.jobctl.stop_signal() | Jobctl::STOP_PENDING;
        let stop = &mut self.tasks.process_of_mut(thread).group_stop;
        if stop.nr_to_stop > 0 {
            stop.nr_to_stop += 1;
            bits |= Jobctl::STOP_CONSUME;
        } else if !stop.is_stopped {
            return;
        }
        self.set_jobctl_pending(thread, bits);
    }

    /// SIGCONT for a process: stops that are pending are forgotten, and stopped threads go on.
    pub(super) fn continue_process(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get(&process) else { return };
        for thread in entry.threads.clone() {
            let trace = &mut self.tasks.task_mut(thread).trace;
            trace.jobctl.clear(Jobctl::STOP_PENDING);
            if trace.is_seized() {
                self.ptrace_trap_notify(thread);
            } else {
                self.wake_stopped(thread);
            }
        }
        if let Some(entry) = self.tasks.processes.get_mut(&process) {
            entry.group_stop.end();
        }
    }

    /// Tells the parent what SIGCONT left to be told, by the first thread that goes on.
    pub(super) fn tell_continued(&mut self, task: TaskId) {
        let Some(cld) = self.tasks.process_of_mut(task).group_stop.cld.take() else { return };
        let why = match cld {
            CldPending::Stopped => StopWhy::Stopped,
            CldPending::Continued => StopWhy::Continued,
        };
        self.notify_parent_cldstop(task, Told::Parent, why);
        let leader = self.tasks.process_of(task).leader;
        if self.ptrace_reparented(leader) {
            self.notify_parent_cldstop(leader, Told::Tracer, why);
        }
    }

    /// Sends SIGCHLD for a stop and wakes who waits (`do_notify_parent_cldstop`).
    pub(crate) fn notify_parent_cldstop(&mut self, task: TaskId, told: Told, why: StopWhy) {
        let process = self.tasks.process_of(task);
        let about = if told == Told::Tracer { task } else { process.leader };
        let to = match told {
            Told::Tracer => self.tasks.task(task).trace.tracer(),
            Told::Parent => None,
        };
        let to = match to {
            Some(tracer) => Some(self.tasks.task(tracer).process),
            None => process.parent,
        };
        let Some(to) = to else { return };
        let (code, status) = match why {
            StopWhy::Trapped => (CLD_TRAPPED, self.tasks.task(about).trace.exit_code & 0x7f),
            StopWhy::Stopped => (CLD_STOPPED, process.group_stop.exit_code & 0x7f),
            StopWhy::Continued => (CLD_CONTINUED, SIGCONT),
        };
        let (pid, status) = (self.tasks.task(about).tid, status as i32);
        let fields = SigFields::Child { pid, uid: 0, status, utime: 0, stime: 0 };
        let Some(receiver) = self.tasks.processes.get(&to) else { return };
        let action = receiver.handlers.get(SIGCHLD);
        if action.handler != SIG_IGN && !action.has(sa::NOCLDSTOP) {
            self.send_signal_to_process(to, SigInfo::new(SIGCHLD, code, fields));
        }
        self.wake(Channel::Child(to));
    }

    /// Whether a process group has no member whose parent, in the same session, could continue
    /// it; `ignored` counts as gone (`will_become_orphaned_pgrp`). The first process has a shell
    /// for a parent, which is not modelled.
    pub(crate) fn is_orphaned_pgrp(&self, pgid: u32, ignored: Option<ProcessId>) -> bool {
        !self.tasks.processes.iter().any(|(id, member)| {
            let counts = member.pgid == pgid && Some(*id) != ignored && !member.threads.is_empty();
            counts && (self.init_process == Some(*id) || self.holds_pgrp(member))
        })
    }

    /// Whether a process's parent is in another group of its session.
    fn holds_pgrp(&self, member: &crate::task::Process) -> bool {
        let parent = member.parent.and_then(|parent| self.tasks.processes.get(&parent));
        parent.is_some_and(|parent| parent.pgid != member.pgid && parent.sid == member.sid)
    }

    /// A group that loses its last connection with its session and has stopped members gets
    /// SIGHUP and SIGCONT (`kill_orphaned_pgrp`). `lost` is the parent that `process` has no
    /// more, or `None` where the process itself goes.
    pub(crate) fn kill_orphaned_pgrp(&mut self, process: ProcessId, lost: Option<ProcessId>) {
        let Some(entry) = self.tasks.processes.get(&process) else { return };
        let (pgid, sid) = (entry.pgid, entry.sid);
        let (parent, ignored) = match lost {
            Some(parent) => (Some(parent), None),
            None => (entry.parent, Some(process)),
        };
        let held = parent
            .and_then(|parent| self.tasks.processes.get(&parent))
            .is_some_and(|parent| parent.pgid != pgid && parent.sid == sid);
        let members = || self.tasks.processes.iter().filter(|(_, member)| member.pgid == pgid);
        let has_stopped = members().any(|(_, member)| member.group_stop.is_stopped);
        if !held || !has_stopped || !self.is_orphaned_pgrp(pgid, ignored) {
            return;
        }
        let members: Vec<ProcessId> = members().map(|(id, _)| *id).collect();
        for signal in [SIGHUP, SIGCONT] {
            for &member in &members {
                self.send_signal_to_process(member, SigInfo::from_kernel(signal));
            }
        }
    }
}
