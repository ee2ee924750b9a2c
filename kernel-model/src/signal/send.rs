//! Sending signals. Source: Linux 6.18 `kernel/signal.c` (`__send_signal_locked`,
//! `complete_signal`, `force_sig_info_to_task`, `retarget_shared_pending`).

use perf_core::TaskId;

use super::action::{Disposition, SigAction};
use super::info::SigInfo;
use super::jobctl::Jobctl;
use super::pending::Enqueued;
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::task::limits::Resource;
use crate::task::wait::Channel;
use crate::task::{ProcessId, TaskState};
use crate::uapi::signal::{
    SIG_DFL, SIGCONT, SIGKILL, SIGRTMIN, STOPPING, UNBLOCKABLE, sa, si_code, sigmask,
};

/// Whose queue a signal goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// A thread's.
    Thread,
    /// Its process's.
    Process,
}

impl Kernel {
    /// Sends a signal to one thread (`PIDTYPE_PID`). Nothing happens where it is ignored
    /// or pending already.
    pub(crate) fn send_signal_to_thread(&mut self, task: TaskId, info: SigInfo) -> Enqueued {
        self.send_signal(task, info, Queue::Thread)
    }

    /// Sends a signal to a process (`PIDTYPE_TGID`).
    pub(crate) fn send_signal_to_process(&mut self, process: ProcessId, info: SigInfo) -> Enqueued {
        let first = self.tasks.processes.get(&process).and_then(|p| p.threads.first().copied());
        match first {
            Some(task) => self.send_signal(task, info, Queue::Process),
            None => Enqueued::Merged,
        }
    }

    /// Sends a signal that the thread cannot escape: one that is blocked or ignored gets
    /// its default action and is unblocked (`force_sig_info`).
    pub(crate) fn force_signal(&mut self, task: TaskId, info: SigInfo) {
        let bit = sigmask(info.si_signo);
        let is_blocked = self.tasks.task(task).blocked & bit != 0;
        let handlers = &self.tasks.process_of(task).handlers;
        let is_ignored = handlers.get(info.si_signo).handler == crate::uapi::signal::SIG_IGN;
        if is_blocked || is_ignored {
            self.reset_action(task, info.si_signo);
            self.tasks.task_mut(task).blocked &= !bit;
        }
        self.send_signal_to_thread(task, info);
    }

    /// The same, and a handler does not run either (`force_fatal_sig`).
    pub(crate) fn force_fatal_signal(&mut self, task: TaskId, info: SigInfo) {
        self.reset_action(task, info.si_signo);
        self.force_signal(task, info);
    }

    /// The same, and a tracer does not see it either (`force_exit_sig`).
    pub(crate) fn force_exit_signal(&mut self, task: TaskId, info: SigInfo) {
        self.reset_action(task, info.si_signo);
        let handlers = &mut self.tasks.process_of_mut(task).handlers;
        let action = handlers.get(info.si_signo);
        handlers.set(info.si_signo, SigAction { flags: action.flags | sa::IMMUTABLE, ..action });
        self.force_signal(task, info);
    }

    fn reset_action(&mut self, task: TaskId, signal: u32) {
        let handlers = &mut self.tasks.process_of_mut(task).handlers;
        let action = SigAction { handler: SIG_DFL, ..handlers.get(signal) };
        handlers.set(signal, action);
    }

    /// Whether a signal is to be handled before the task goes on in user mode
    /// (`signal_pending`).
    #[must_use]
    pub(crate) fn signal_pending(&self, task: TaskId) -> bool {
        let entry = self.tasks.task(task);
        let process = self.tasks.process_of(task);
        let pending = entry.pending.mask() | process.pending.mask();
        pending & !entry.blocked != 0
            || process.exiting.is_some()
            || process.ends_for_exec(task)
            || entry.trace.jobctl.has(Jobctl::PENDING_MASK)
    }

    /// Sets the blocked signals; a process's pending signals that this thread no longer
    /// takes may wake another one (`set_current_blocked`).
    pub(crate) fn set_blocked(&mut self, task: TaskId, mask: u64) {
        let mask = mask & !UNBLOCKABLE;
        let entry = self.tasks.task_mut(task);
        let newly_blocked = mask & !entry.blocked;
        entry.blocked = mask;
        let process = self.tasks.process_of(task);
        let orphaned = process.pending.mask() & newly_blocked;
        if orphaned == 0 {
            return;
        }
        let others: Vec<TaskId> =
            process.threads.iter().copied().filter(|&other| other != task).collect();
        for other in others {
            if orphaned & !self.tasks.task(other).blocked != 0 {
                self.wake_for_signal(other);
            }
        }
    }

    /// Sends a timer's signal to its process or to a thread; whether it is not ignored.
    pub(crate) fn send_timer_signal(&mut self, task: TaskId, info: SigInfo, queue: Queue) -> bool {
        if !self.prepare_signal(task, info.si_signo) {
            return false;
        }
        match queue {
            Queue::Thread => self.tasks.task_mut(task).pending.enqueue_timer(info),
            Queue::Process => self.tasks.process_of_mut(task).pending.enqueue_timer(info),
        }
        self.wake(Channel::Signals);
        self.complete_signal(task, &info, queue);
        true
    }

    fn send_signal(&mut self, task: TaskId, info: SigInfo, queue: Queue) -> Enqueued {
        if !self.prepare_signal(task, info.si_signo) {
            if self.tasks.process_of(task).exiting.is_none() {
                self.strace_unqueued(task, &info);
            }
            return Enqueued::Merged;
        }
        let is_full = !self.may_exceed_limit(&info) && self.queue_is_full(task);
        let is_real_time = info.si_signo >= SIGRTMIN && info.si_code != si_code::SI_USER;
        if is_full && is_real_time {
            return Enqueued::Refused;
        }
        let pending = match queue {
            Queue::Thread => &mut self.tasks.task_mut(task).pending,
            Queue::Process => &mut self.tasks.process_of_mut(task).pending,
        };
        let enqueued = if is_full {
            pending.add_without_info(info.si_signo);
            Enqueued::WithoutInfo
        } else {
            pending.enqueue(info)
        };
        if enqueued != Enqueued::Merged {
            self.wake(Channel::Signals);
            self.complete_signal(task, &info, queue);
        }
        enqueued
    }

    /// Standard signals of the kernel's and of kill() are queued whatever the limit says.
    const fn may_exceed_limit(&self, info: &SigInfo) -> bool {
        info.si_signo < SIGRTMIN && info.si_code >= 0
    }

    /// Whether the user of a task has as many signals queued as `RLIMIT_SIGPENDING` allows.
    fn queue_is_full(&self, task: TaskId) -> bool {
        let user = self.tasks.task(task).cred.user.real;
        let threads = self.tasks.tasks.values().filter(|task| task.cred.user.real == user);
        let own: usize = threads.map(|task| task.pending.infos().count()).sum();
        let is_same = |process: &&crate::task::Process| {
            let leader = self.tasks.tasks.get(&process.leader);
            leader.is_some_and(|leader| leader.cred.user.real == user)
        };
        let shared = self.tasks.processes.values().filter(is_same);
        let shared: usize = shared.map(|process| process.pending.infos().count()).sum();
        let limit = self.tasks.process_of(task).limits.soft(Resource::Sigpending);
        (own + shared) as u64 >= limit
    }

    /// Lets stop and continue signals cancel each other; tells whether the signal has to
    /// be sent at all. A tracer is told of ignored signals too.
    fn prepare_signal(&mut self, task: TaskId, signal: u32) -> bool {
        if self.tasks.process_of(task).exiting.is_some() {
            return false;
        }
        let bit = sigmask(signal);
        if bit & STOPPING != 0 {
            self.flush_pending(task, sigmask(SIGCONT));
        } else if signal == SIGCONT {
            self.flush_pending(task, STOPPING);
            self.continue_process(self.tasks.task(task).process);
        }
        let entry = self.tasks.task(task);
        let is_kept = entry.blocked & bit != 0 || entry.trace.ptrace.is_some() && signal != SIGKILL;
        let disposition = self.tasks.process_of(task).handlers.disposition(signal);
        is_kept || disposition != Disposition::Ignore
    }

    /// Forgets pending signals of the whole process.
    pub(crate) fn flush_pending(&mut self, task: TaskId, set: u64) {
        let process = self.tasks.process_of_mut(task);
        process.pending.flush(set);
        let threads = process.threads.clone();
        for thread in threads {
            self.tasks.task_mut(thread).pending.flush(set);
        }
    }

    /// Chooses the thread that takes the signal and wakes it (`complete_signal`).
    fn complete_signal(&mut self, task: TaskId, info: &SigInfo, queue: Queue) {
        let signal = info.si_signo;
        let candidates = match queue {
            Queue::Thread => vec![task],
            Queue::Process => self.tasks.process_of(task).threads.clone(),
        };
        let Some(taker) = candidates.into_iter().find(|&thread| self.wants_signal(thread, signal))
        else {
            return;
        };
        let disposition = self.tasks.process_of(task).handlers.disposition(signal);
        let is_blocked = self.tasks.task(taker).blocked & sigmask(signal) != 0;
        let is_seen_first = self.tasks.task(task).trace.ptrace.is_some() && signal != SIGKILL;
        let is_fatal = disposition == (Disposition::Terminate { core: false });
        if is_fatal && !is_blocked && !is_seen_first {
            if signal != SIGKILL {
                self.strace_unqueued(task, info);
            }
            let process = self.tasks.task(task).process;
            let status = ExitStatus::Signaled { signal: signal as u8, core: false };
            self.begin_group_exit(process, status);
        } else {
            self.wake_for_signal(taker);
        }
    }

    fn wants_signal(&self, task: TaskId, signal: u32) -> bool {
        let entry = self.tasks.task(task);
        if matches!(entry.state, TaskState::Zombie(_)) {
            return false;
        }
        if entry.blocked & !entry.pending.waited_for & sigmask(signal) != 0 {
            return false;
        }
        if matches!(entry.state, TaskState::Stopped | TaskState::Traced) && signal != SIGKILL {
            return false;
        }
        let is_running = self.current_on(entry.cpu) == Some(task);
        let others = entry.pending.mask() & !entry.blocked & !sigmask(signal);
        signal == SIGKILL || is_running || others == 0
    }
}
