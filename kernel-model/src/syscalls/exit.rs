//! The end of threads and processes.
//! Source: Linux 6.18 `kernel/exit.c`, `kernel/fork.c` (`mm_release`), `kernel/signal.c`
//! (`do_notify_parent`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::fs::inode::ROOT;
use crate::fs::namei::Node;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::observe::{ExitStatus, Observation};
use crate::signal::{SigFields, SigInfo};
use crate::task::wait::Channel;
use crate::task::{MmId, ProcessId, TaskState};
use crate::uapi::signal::{SIG_IGN, SIGCHLD, is_valid, sa, si_code};

pub(super) const CALLS: &[Syscall] =
    &[Syscall::waiting(60, "exit", sys_exit), Syscall::waiting(231, "exit_group", sys_exit_group)];

/// Nanoseconds in a tick of `times()` (`USER_HZ`).
const CLOCK_TICK_NS: u64 = 10_000_000;

fn sys_exit(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    kernel.exit_thread(task, ExitStatus::Exited(args[0] as u8));
    Ok(Outcome::Exited)
}

fn sys_exit_group(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    kernel.exit_group(task, ExitStatus::Exited(args[0] as u8));
    Ok(Outcome::Exited)
}

impl Kernel {
    /// Makes every thread of a process end before it next runs in user mode. The first
    /// status counts.
    pub(crate) fn begin_group_exit(&mut self, process: ProcessId, status: ExitStatus) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        entry.exiting.get_or_insert(status);
        let threads = entry.threads.clone();
        for thread in threads {
            self.wake_for_signal(thread);
        }
    }

    /// Ends the process of a task: the task before it next runs in user mode, and its
    /// other threads.
    pub(crate) fn kill_task(&mut self, task: TaskId, status: ExitStatus) {
        let process = self.tasks.task(task).process;
        self.begin_group_exit(process, status);
    }

    /// Ends the current task and its process (`do_group_exit`).
    pub(crate) fn exit_group(&mut self, task: TaskId, status: ExitStatus) {
        self.kill_task(task, status);
        let status = self.tasks.process_of(task).exiting.unwrap_or(status);
        self.exit_thread(task, status);
    }

    /// Ends the current task (`do_exit`); it is off its CPU afterwards.
    pub(crate) fn exit_thread(&mut self, task: TaskId, status: ExitStatus) {
        self.exit_robust_list(task);
        self.clear_child_tid(task);
        self.exit_task_perf(task);
        self.switch_out(self.this_cpu);
        let entry = self.tasks.task_mut(task);
        entry.state = TaskState::Zombie(status);
        entry.syscall = None;
        let (mm, process, runtime) = (entry.mm, entry.process, entry.runtime_ns);
        self.finish_vfork(process);
        self.put_mm(mm);
        let group = self.tasks.process_of_mut(task);
        group.dead_runtime_ns += runtime;
        group.threads.retain(|&thread| thread != task);
        let (is_leader, is_last) = (group.leader == task, group.threads.is_empty());
        if is_last {
            self.end_process(process);
        }
        if !is_leader {
            self.tasks.tasks.remove(&task);
        }
        self.wake_exec(process);
    }

    /// Zeroes the word of set_tid_address and wakes who waits for it, where others still
    /// use the memory (`mm_release`).
    pub(crate) fn clear_child_tid(&mut self, task: TaskId) {
        let entry = self.tasks.task_mut(task);
        let addr = std::mem::take(&mut entry.clear_child_tid);
        let mm = entry.mm;
        let nr_users = self.tasks.spaces.get(&mm).map_or(0, |(_, users)| *users);
        // An address that cannot be written is ignored.
        if addr != 0 && nr_users > 1 && self.write_user_u32(addr, 0).is_ok() {
            self.futex_wake_shared(task, addr);
        }
    }

    /// Lets the parent of a vfork go on (`complete_vfork_done`).
    pub(crate) fn finish_vfork(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        if entry.vfork_parent.take().is_some() {
            let leader = entry.leader;
            self.wake(Channel::Vfork(leader));
        }
    }

    /// Gives up a use of an address space, and with the last one its memory. No CPU may
    /// go on to run in it (`mmput`).
    pub(crate) fn put_mm(&mut self, mm: MmId) {
        let Some((_, users)) = self.tasks.spaces.get_mut(&mm) else { return };
        *users -= 1;
        if *users > 0 {
            return;
        }
        let Some((space, _)) = self.tasks.spaces.remove(&mm) else { return };
        let (cr3, kernel_cr3) = (space.cr3(), self.layout.template.physical());
        let cpus: Vec<_> = self.hw.cpus().collect();
        for cpu in cpus {
            if self.hw.cr3(cpu) == cr3 {
                self.hw.write_cr3(cpu, kernel_cr3);
            }
        }
        for event in space.teardown(&mut self.hw, &mut self.frames) {
            self.perf_mapping_closed(event);
        }
    }

    /// Does what follows from the closing of files.
    pub(crate) fn after_close(&mut self, closed: impl IntoIterator<Item = FileKind>) {
        for kind in closed {
            match kind {
                FileKind::PerfEvent(event) => self.perf_release(event),
                FileKind::Pipe { pipe, .. } => self.wake(Channel::Pipe(pipe.0)),
                FileKind::Regular(id) | FileKind::Device { node: id, .. } => self.put_inode(id),
                FileKind::Text(node) | FileKind::Directory(node) | FileKind::Path(node) => {
                    self.put_node(node);
                }
                FileKind::Console(_) | FileKind::ProcMem(_) => {}
            }
        }
    }

    /// Gives up a use of an open file, with what follows from that.
    pub(crate) fn release_file(&mut self, file: FileId) {
        let closed = self.files.release(file);
        self.after_close(closed);
    }

    /// A process that has ended holds no place in the tree of names.
    pub(super) fn leave_places(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let cwd = std::mem::replace(&mut entry.cwd, Node::Inode(ROOT));
        let exe = entry.exe.take();
        self.vfs.get(ROOT);
        self.put_node(cwd);
        if let Some(exe) = exe {
            self.put_inode(exe);
        }
    }

    /// The last thread of a process has gone (`exit_notify`).
    fn end_process(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let leader = entry.leader;
        let closed = entry.files.close_all(&mut self.files);
        let group_status = entry.exiting;
        self.after_close(closed);
        self.leave_places(process);
        let own_status = match self.tasks.task(leader).state {
            TaskState::Zombie(status) => status,
            TaskState::Runnable | TaskState::Blocked(_) => ExitStatus::Exited(0),
        };
        let status = group_status.unwrap_or(own_status);
        let at = self.moment(self.this_cpu);
        let tag = self.tasks.tag(leader);
        self.observations.push(Observation::ProcessExit { at, task: tag, status });
        if let Some(entry) = self.tasks.processes.get_mut(&process) {
            entry.zombie = Some(status);
        }
        if self.init_process == Some(process) {
            self.init_exit = Some(status);
        }
        self.forget_children(process);
        self.notify_parent(process, status);
    }

    /// Children of a process that has ended belong to nobody; nobody waits for those that
    /// have ended too.
    fn forget_children(&mut self, process: ProcessId) {
        let children: Vec<(ProcessId, bool)> = self
            .tasks
            .processes
            .iter()
            .filter(|(_, child)| child.parent == Some(process))
            .map(|(id, child)| (*id, child.zombie.is_some()))
            .collect();
        for (child, is_zombie) in children {
            if is_zombie {
                self.release_process(child);
            } else if let Some(child) = self.tasks.processes.get_mut(&child) {
                child.parent = None;
                child.exit_signal = SIGCHLD;
            }
        }
    }

    /// Sends the parent its signal and wakes it (`do_notify_parent`); a child that nobody
    /// wants to wait for goes at once.
    fn notify_parent(&mut self, child: ProcessId, status: ExitStatus) {
        let Some(entry) = self.tasks.processes.get(&child) else { return };
        let (signal, pid, runtime) = (entry.exit_signal, entry.pid, entry.dead_runtime_ns);
        let Some(parent) = entry.parent else {
            self.release_process(child);
            return;
        };
        let Some(parent_entry) = self.tasks.processes.get(&parent) else { return };
        let action = parent_entry.handlers.get(SIGCHLD);
        let ignores = signal == SIGCHLD && action.handler == SIG_IGN;
        let reaps_itself = ignores || signal == SIGCHLD && action.has(sa::NOCLDWAIT);
        if is_valid(signal) && !ignores {
            self.send_signal_to_process(parent, child_info(signal, pid, runtime, status));
        }
        if reaps_itself {
            self.release_process(child);
        }
        self.wake(Channel::Child(parent));
    }

    /// Removes an ended process for good (`release_task`).
    pub(crate) fn release_process(&mut self, process: ProcessId) {
        if let Some(entry) = self.tasks.processes.remove(&process) {
            self.tasks.tasks.remove(&entry.leader);
        }
    }
}

/// The siginfo about a child's end.
pub(super) fn child_info(signal: u32, pid: u32, runtime_ns: u64, status: ExitStatus) -> SigInfo {
    let (code, status) = match status {
        ExitStatus::Exited(code) => (si_code::CLD_EXITED, i32::from(code)),
        ExitStatus::Signaled { signal, core: false } => (si_code::CLD_KILLED, i32::from(signal)),
        ExitStatus::Signaled { signal, core: true } => (si_code::CLD_DUMPED, i32::from(signal)),
    };
    let utime = (runtime_ns / CLOCK_TICK_NS) as i64;
    SigInfo::new(signal, code, SigFields::Child { pid, uid: 0, status, utime, stime: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_end_in_its_signal() {
        let signaled = |core| ExitStatus::Signaled { signal: 11, core };
        for (status, code, value) in
            [(ExitStatus::Exited(3), 1, 3), (signaled(false), 2, 11), (signaled(true), 3, 11)]
        {
            let info = child_info(SIGCHLD, 7, 25_000_000, status);
            let fields = SigFields::Child { pid: 7, uid: 0, status: value, utime: 2, stime: 0 };
            assert_eq!((info.si_code, info.fields), (code, fields));
        }
    }
}
