//! The end of threads and processes.
//! What follows for parents, tracers and children is in [`super::reap`].
//! Source: Linux 6.18 `kernel/exit.c`, `kernel/fork.c` (`mm_release`).

use perf_core::{Errno, Generation, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::fs::inode::ROOT;
use crate::fs::lock::LockOwner;
use crate::fs::namei::Node;
use crate::fs::task_file::TaskFile;
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::net::socket::Release;
use crate::observe::ExitStatus;
use crate::ptrace::Stop;
use crate::signal::group_stop::{StopWhy, Told};
use crate::signal::jobctl::{GroupStop, Jobctl};
use crate::task::wait::Channel;
use crate::task::{MmId, ProcessId, ResumeAt, TaskState};
use crate::uapi::ptrace::PTRACE_EVENT_EXIT;
use crate::uapi::wait::status_word;

pub(super) const CALLS: &[Syscall] =
    &[Syscall::waiting(60, "exit", sys_exit), Syscall::waiting(231, "exit_group", sys_exit_group)];

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
        entry.group_stop = GroupStop::default();
        let threads = entry.threads.clone();
        for thread in threads {
            let trace = &mut self.tasks.task_mut(thread).trace;
            trace.jobctl.clear(Jobctl::PENDING_MASK);
            trace.fatal_pending = true;
            self.wake_to_die(thread);
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
        if self.tasks.process_of(task).exiting.is_none() {
            self.kill_task(task, status);
        }
        self.tasks.task_mut(task).trace.fatal_pending = false;
        let status = self.tasks.process_of(task).exiting.unwrap_or(status);
        self.exit_thread(task, status);
    }

    /// Ends the current task, after its tracer has seen that; it is off its CPU afterwards.
    pub(crate) fn exit_thread(&mut self, task: TaskId, status: ExitStatus) {
        let message = u64::from(status_word(status));
        let then = ResumeAt::Exit(status);
        if self.ptrace_event_then(task, PTRACE_EVENT_EXIT, message, then) == Stop::Not {
            self.do_exit(task, status);
        }
    }

    /// Ends the current task (`do_exit`).
    pub(crate) fn do_exit(&mut self, task: TaskId, status: ExitStatus) {
        self.strace_end(task, status);
        self.exit_signals(task);
        self.exit_robust_list(task);
        self.clear_child_tid(task);
        // Rules 3.12.3 and 5.6.6: which of them comes first.
        if self.perf.config.generation == Generation::V2_6_33 {
            self.flush_ptrace_hw_breakpoint(task);
        }
        self.ipc.forget(task);
        self.exit_task_perf(task);
        self.flush_ptrace_hw_breakpoint(task);
        self.switch_out(self.this_cpu);
        let entry = self.tasks.task_mut(task);
        entry.state = TaskState::Zombie(status);
        entry.syscall = None;
        let (mm, process, usage) = (entry.mm, entry.process, entry.usage);
        self.finish_vfork(process);
        self.put_mm(mm);
        let group = self.tasks.process_of_mut(task);
        group.dead_usage.add(&usage);
        group.threads.retain(|&thread| thread != task);
        if group.threads.is_empty() {
            self.end_process(process);
        }
        self.exit_notify(task);
        self.wake_exec(process);
    }

    /// A thread that ends takes part in a stop that has begun (`exit_signals`).
    fn exit_signals(&mut self, task: TaskId) {
        let jobctl = self.tasks.task(task).trace.jobctl;
        if jobctl.has(Jobctl::STOP_PENDING) && self.participate_group_stop(task) {
            self.notify_parent_cldstop(task, Told::Parent, StopWhy::Stopped);
        }
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
        self.reap_segments();
    }

    /// Does what follows from the closing of files.
    pub(crate) fn after_close(&mut self, closed: impl IntoIterator<Item = FileKind>) {
        for kind in closed {
            match kind {
                FileKind::PerfEvent(event) => self.perf_release(event),
                FileKind::Pipe { pipe, fifo, .. } => {
                    self.wake(Channel::Pipe(pipe.0));
                    if let Some(id) = fifo {
                        self.put_inode(id);
                    }
                }
                FileKind::Epoll(epoll) => self.release_epoll(epoll),
                FileKind::Task(TaskFile::Timer(timer)) => self.release_timerfd(timer),
                FileKind::Socket(socket) => self.release_socket(socket, Release::Closed),
                FileKind::Task(TaskFile::Messages(queue)) => self.release_mqueue(queue),
                FileKind::Regular(id) | FileKind::Device { node: id, .. } => {
                    self.drop_locks_of_closed(id);
                    self.put_inode(id);
                }
                FileKind::Directory(node) => {
                    if let Node::Inode(id) = node {
                        self.drop_locks_of_closed(id);
                    }
                    self.put_node(node);
                }
                FileKind::Text(node) | FileKind::Path(node) => self.put_node(node),
                FileKind::Console(_)
                | FileKind::ProcMem { .. }
                | FileKind::Eventfd(_)
                | FileKind::Task(_) => {}
            }
        }
    }

    /// Gives up a use of an open file, with what follows from that.
    pub(crate) fn release_file(&mut self, file: FileId) {
        let closed = self.files.release(file);
        self.after_close(closed);
    }

    /// A process that has ended holds no place in the tree of names.
    pub(crate) fn leave_places(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let cwd = std::mem::replace(&mut entry.cwd, Node::Inode(ROOT));
        let root = std::mem::replace(&mut entry.root, Node::Inode(ROOT));
        let exe = entry.exe.take();
        let owner = LockOwner::Process(entry.pid);
        self.drop_locks(owner);
        self.vfs.get(ROOT);
        self.vfs.get(ROOT);
        self.put_node(cwd);
        self.put_node(root);
        if let Some(exe) = exe {
            self.put_inode(exe);
        }
    }
}
