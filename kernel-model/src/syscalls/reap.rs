//! What the end of a task means for others: its parent and tracer are told, its children get
//! another parent, and it goes for good when it has been waited for.
//! Source: Linux 6.18 `kernel/exit.c` (`exit_notify`, `forget_original_parent`, `release_task`),
//! `kernel/signal.c` (`do_notify_parent`).

use perf_core::TaskId;

use crate::kernel::Kernel;
use crate::observe::{ExitStatus, Observation};
use crate::signal::{SigFields, SigInfo};
use crate::task::wait::Channel;
use crate::task::{ProcessId, TaskState};
use crate::timer::usage::Usage;
use crate::uapi::signal::{SIG_IGN, SIGCHLD, is_valid, sa, si_code};

/// Process id of a system's first process, which adopts orphans.
const INIT_PID: u32 = 1;

impl Kernel {
    /// The last thread of a process has gone: its descriptors are closed.
    pub(super) fn end_process(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let (leader, pid) = (entry.leader, entry.pid);
        self.exit_sem(process, pid);
        self.ipc.mqueues.forget_process(process);
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let closed = entry.files.close_all(&mut self.files);
        self.after_close(closed);
        self.delete_timers(process);
        self.leave_places(process);
        let status = self.process_status(process);
        let at = self.moment(self.this_cpu);
        let tag = self.tasks.tag(leader);
        self.observations.push(Observation::ProcessExit { at, task: tag, status });
        if self.init_process == Some(process) {
            self.init_exit = Some(status);
        }
    }

    /// How a process ended: as a whole, or as its leader did.
    fn process_status(&self, process: ProcessId) -> ExitStatus {
        let Some(entry) = self.tasks.processes.get(&process) else { return ExitStatus::Exited(0) };
        let own_status = match self.tasks.task(entry.leader).state {
            TaskState::Zombie(status) => status,
            TaskState::Runnable
            | TaskState::Blocked(_)
            | TaskState::Stopped
            | TaskState::Traced => ExitStatus::Exited(0),
        };
        entry.exiting.unwrap_or(own_status)
    }

    /// Tells others of a task's end (`exit_notify`). A thread that nobody traces goes at once.
    pub(super) fn exit_notify(&mut self, task: TaskId) {
        let group = self.tasks.process_of(task);
        let process = self.tasks.task(task).process;
        let (is_leader, is_last) = (group.leader == task, group.threads.is_empty());
        let tid = self.tasks.task(task).tid;
        self.exit_ptrace(task);
        self.tell_of_parents_death(task);
        if is_last {
            self.forget_children(process);
            self.kill_orphaned_pgrp(process, None);
        }
        if self.tasks.task(task).trace.ptrace.is_some() {
            if !is_leader {
                self.tasks.process_of_mut(task).zombie_threads.push(task);
            }
            if !is_leader || !is_last {
                self.notify_tracer(task, SIGCHLD);
            }
        } else if !is_leader {
            self.tasks.tasks.remove(&task);
        }
        self.wake(Channel::Pidfd(tid));
        self.finish_leader(process);
    }

    /// Makes a process a zombie whose threads have all gone, and tells of it.
    fn finish_leader(&mut self, process: ProcessId) {
        let status = self.process_status(process);
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let has_threads = !entry.threads.is_empty() || !entry.zombie_threads.is_empty();
        if has_threads || entry.zombie.is_some() {
            return;
        }
        entry.zombie = Some(status);
        let (leader, signal, pid) = (entry.leader, entry.exit_signal, entry.pid);
        self.wake(Channel::Pidfd(pid));
        if self.tasks.task(leader).trace.ptrace.is_none() {
            self.notify_parent(process);
        } else if self.ptrace_reparented(leader) {
            self.notify_tracer(leader, SIGCHLD);
        } else {
            self.notify_tracer(leader, signal);
        }
    }

    /// A thread has been waited for by its tracer, or nobody is there to do so (`release_task`).
    pub(crate) fn release_thread(&mut self, task: TaskId) {
        let Some(entry) = self.tasks.tasks.remove(&task) else { return };
        if let Some(process) = self.tasks.processes.get_mut(&entry.process) {
            process.zombie_threads.retain(|&thread| thread != task);
        }
        self.wake_exec(entry.process);
        self.finish_leader(entry.process);
    }

    /// Children of a process that has ended get another parent (`forget_original_parent`).
    fn forget_children(&mut self, process: ProcessId) {
        let reaper = self.find_new_reaper(process);
        let is_child = |child: &crate::task::Process| child.parent == Some(process);
        let children: Vec<ProcessId> = self
            .tasks
            .processes
            .iter()
            .filter(|(_, child)| is_child(child))
            .map(|(id, _)| *id)
            .collect();
        for child in children {
            let Some(entry) = self.tasks.processes.get_mut(&child) else { continue };
            entry.parent = reaper;
            entry.parent_thread = None;
            entry.exit_signal = SIGCHLD;
            let (is_zombie, leader) = (entry.zombie.is_some(), entry.leader);
            if is_zombie && self.tasks.task(leader).trace.ptrace.is_none() {
                self.notify_parent(child);
            }
            self.kill_orphaned_pgrp(child, Some(process));
        }
    }

    /// Children get the signal that they have asked for when the thread ends that made them
    /// (`reparent_leader`, `forget_original_parent`).
    fn tell_of_parents_death(&mut self, task: TaskId) {
        let is_child = |child: &&crate::task::Process| child.parent_thread == Some(task);
        let children = self.tasks.processes.values().filter(is_child);
        let threads: Vec<TaskId> = children.flat_map(|child| child.threads.clone()).collect();
        let (pid, uid) = (self.tasks.process_of(task).pid, self.tasks.task(task).cred.user.real);
        for thread in threads {
            let signal = self.tasks.task(thread).pdeath_signal;
            if signal != 0 {
                let fields = SigFields::Kill { pid, uid };
                let process = self.tasks.task(thread).process;
                self.send_signal_to_process(
                    process,
                    SigInfo::new(signal, si_code::SI_USER, fields),
                );
            }
        }
    }

    /// Who adopts the children of a process: the nearest subreaper among its ancestors, or the
    /// first process of the system. Where that is not modelled, nobody (`find_new_reaper`).
    fn find_new_reaper(&self, process: ProcessId) -> Option<ProcessId> {
        let lives = |id: &ProcessId| {
            self.tasks.processes.get(id).is_some_and(|process| !process.threads.is_empty())
        };
        let mut ancestor = self.tasks.processes.get(&process)?.parent;
        while let Some(id) = ancestor {
            let entry = self.tasks.processes.get(&id)?;
            if entry.is_subreaper && lives(&id) {
                return Some(id);
            }
            ancestor = entry.parent;
        }
        self.tasks.find_pid(INIT_PID).filter(lives).filter(|init| *init != process)
    }

    /// Sends a tracer the signal of its tracee's end and wakes it.
    fn notify_tracer(&mut self, task: TaskId, signal: u32) {
        let Some(tracer) = self.tasks.task(task).trace.tracer() else { return };
        let to = self.tasks.task(tracer).process;
        let entry = self.tasks.task(task);
        let TaskState::Zombie(status) = entry.state else { return };
        let status = self.tasks.process_of(task).exiting.unwrap_or(status);
        if is_valid(signal) {
            let info = child_info(signal, entry.tid, &entry.usage, status);
            self.send_child_signal(to, info);
        }
        self.wake(Channel::Child(to));
    }

    /// A signal about a child, unless the receiver ignores SIGCHLD.
    fn send_child_signal(&mut self, to: ProcessId, info: SigInfo) {
        let Some(receiver) = self.tasks.processes.get(&to) else { return };
        let ignores = info.si_signo == SIGCHLD && receiver.handlers.get(SIGCHLD).handler == SIG_IGN;
        if !ignores {
            self.send_signal_to_process(to, info);
        }
    }

    /// Sends the parent its signal and wakes it (`do_notify_parent`); a child that nobody
    /// wants to wait for goes at once.
    pub(crate) fn notify_parent(&mut self, child: ProcessId) {
        let Some(entry) = self.tasks.processes.get(&child) else { return };
        let Some(status) = entry.zombie else { return };
        let (signal, pid, usage) = (entry.exit_signal, entry.pid, entry.dead_usage);
        let Some(parent) = entry.parent else {
            self.release_process(child);
            return;
        };
        let Some(parent_entry) = self.tasks.processes.get(&parent) else { return };
        let action = parent_entry.handlers.get(SIGCHLD);
        let ignores = action.handler == SIG_IGN || action.has(sa::NOCLDWAIT);
        if is_valid(signal) {
            self.send_child_signal(parent, child_info(signal, pid, &usage, status));
        }
        if signal == SIGCHLD && ignores {
            self.release_process(child);
        }
        self.wake(Channel::Child(parent));
    }

    /// Removes an ended process for good (`release_task`).
    pub(crate) fn release_process(&mut self, process: ProcessId) {
        if let Some(entry) = self.tasks.processes.remove(&process) {
            self.tasks.tasks.remove(&entry.leader);
            self.wake(Channel::Pidfd(entry.pid));
        }
    }
}

/// The siginfo about a child's end.
pub(super) fn child_info(signal: u32, pid: u32, usage: &Usage, status: ExitStatus) -> SigInfo {
    let (code, status) = match status {
        ExitStatus::Exited(code) => (si_code::CLD_EXITED, i32::from(code)),
        ExitStatus::Signaled { signal, core: false } => (si_code::CLD_KILLED, i32::from(signal)),
        ExitStatus::Signaled { signal, core: true } => (si_code::CLD_DUMPED, i32::from(signal)),
    };
    let (utime, stime) = usage.ticks();
    let (utime, stime) = (utime as i64, stime as i64);
    SigInfo::new(signal, code, SigFields::Child { pid, uid: 0, status, utime, stime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_end_in_its_signal() {
        let usage = Usage { runtime_ns: 25_000_000, ..Usage::default() };
        let signaled = |core| ExitStatus::Signaled { signal: 11, core };
        for (status, code, value) in
            [(ExitStatus::Exited(3), 1, 3), (signaled(false), 2, 11), (signaled(true), 3, 11)]
        {
            let info = child_info(SIGCHLD, 7, &usage, status);
            let fields = SigFields::Child { pid: 7, uid: 0, status: value, utime: 2, stime: 0 };
            assert_eq!((info.si_code, info.fields), (code, fields));
        }
    }
}
