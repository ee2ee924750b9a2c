//! Tasks: what Linux's `task_struct` holds, as far as it is modelled.
//!
//! A task's user registers are in [`Task::regs`] whenever the kernel runs on its
//! behalf or it is not running; while it runs in user mode they are in its CPU.

pub mod cred;
pub mod limits;
pub mod pid;
pub mod rseq;
pub mod sched_attr;
pub mod wait;

use std::collections::BTreeMap;

use perf_core::{CpuId, TaskId};

use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::int80::{self, SyscallAbi};
use crate::arch::x86::pt_regs::PtRegs;
use crate::arch::x86::ptrace::{PtraceDebug, StepState};
use crate::arch::x86::segments::ThreadStruct;
use crate::fs::FdTable;
use crate::fs::inode::InodeId;
use crate::fs::namei::Node;
use crate::mm::address_space::AddressSpace;
use crate::observe::{ExitStatus, TaskTag};
pub use crate::ptrace::state::{Ptrace, ResumeAt, TraceState};
use crate::seccomp::Mode;
use crate::signal::info::TrapNumbers;
use crate::signal::jobctl::GroupStop;
use crate::signal::{PendingSignals, SigHandlers};
use crate::syscalls::UserDispatch;
use crate::timer::ProcessTimers;
use crate::timer::usage::Usage;
use wait::{WaitFor, WakeCause};

/// Number of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MmId(pub u32);

/// Number of a process: what its threads share besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// What a task is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// On a CPU or waiting for one.
    Runnable,
    /// In a system call that waits for something.
    Blocked(WaitFor),
    /// Stopped with its process by a signal (`TASK_STOPPED`).
    Stopped,
    /// Stopped for its tracer (`TASK_TRACED`).
    Traced,
    /// Ended and not waited for yet.
    Zombie(ExitStatus),
}

/// The number of a 32-bit call that has no 64-bit counterpart.
const NO_SUCH_CALL: u64 = u64::MAX;

/// The system call that a task is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSyscall {
    /// Its number.
    pub nr: u64,
    /// Its arguments: RDI, RSI, RDX, R10, R8, R9 at entry.
    pub args: [u64; 6],
    /// Absolute end of its wait (ns since boot), once it has one: kept across
    /// restarts of the call.
    pub deadline_ns: Option<u64>,
    /// Why the wait ended, when the call is run again after one.
    pub woken: Option<WakeCause>,
    /// How far a clone has got that made its task, when the call is run again after a stop or
    /// a vfork's wait.
    pub clone: Option<ClonePhase>,
    /// What a read, write, send or receive has moved before it had to wait.
    pub moved: Moved,
}

/// How far a call that moves data has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes, of the message that is under way.
    pub bytes: u64,
    /// Whole messages before it, where the call has several.
    pub messages: u32,
}

impl InSyscall {
    /// The call that a task's registers ask for.
    #[must_use]
    pub fn new(regs: &PtRegs, abi: SyscallAbi) -> Self {
        // The upper half of RAX is not looked at.
        let nr = regs.orig_ax & 0xffff_ffff;
        let (nr, args) = match abi {
            SyscallAbi::X86_64 => (nr, regs.args()),
            SyscallAbi::I386 => {
                (int80::translated(nr as u32).unwrap_or(NO_SUCH_CALL), int80::args(regs))
            }
        };
        Self::numbered(nr, args)
    }

    /// A call with a number and arguments.
    #[must_use]
    pub fn numbered(nr: u64, args: [u64; 6]) -> Self {
        Self { nr, args, deadline_ns: None, woken: None, clone: None, moved: Moved::default() }
    }
}

/// What a clone has yet to do once its task is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClonePhase {
    /// Wait for a vfork to give the memory back.
    Vfork {
        /// The new task.
        child: TaskId,
        /// Its id.
        tid: u32,
    },
    /// Return.
    Done {
        /// Id of the new task.
        tid: u32,
    },
}

/// A call that restart_syscall goes on with (`restart_block`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartBlock {
    /// Its number.
    pub nr: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// Absolute end of its wait, ns since boot.
    pub deadline_ns: Option<u64>,
}

/// A thread.
#[derive(Debug)]
pub struct Task {
    /// Arena id.
    pub id: TaskId,
    /// Thread id as the guest sees it.
    pub tid: u32,
    /// The process that it belongs to.
    pub process: ProcessId,
    /// Name, at most 15 bytes (`comm`).
    pub comm: String,
    /// State.
    pub state: TaskState,
    /// User registers.
    pub regs: PtRegs,
    /// Vector state while not on a CPU.
    pub fpu: FpuState,
    /// FS and GS base.
    pub fs_base: u64,
    /// GS base of user mode.
    pub gs_base: u64,
    /// What only this architecture has.
    pub arch: ThreadStruct,
    /// Which system calls it may make.
    pub seccomp: Mode,
    /// Which system calls it handles itself.
    pub user_dispatch: Option<UserDispatch>,
    /// Ids and capabilities.
    pub cred: cred::Cred,
    /// Its address space.
    pub mm: MmId,
    /// CPU that it runs on or ran on last.
    pub cpu: CpuId,
    /// CPUs that it may run on, a bit each.
    pub affinity: u64,
    /// The system call that it is in.
    pub syscall: Option<InSyscall>,
    /// Blocked signals, a bit each (bit n-1 for signal n).
    pub blocked: u64,
    /// The mask to restore once a signal has been handled (`sigsuspend`, `ppoll`).
    pub saved_mask: Option<u64>,
    /// Signals sent to this thread.
    pub pending: PendingSignals,
    /// Alternate signal stack: base, size, flags as sigaltstack has them.
    pub altstack: (u64, u64, u32),
    /// `set_tid_address`: zeroed and woken at exit.
    pub clear_child_tid: u64,
    /// `set_robust_list`: head and length.
    pub robust_list: (u64, u64),
    /// The last trap that led to a signal.
    pub trap: TrapNumbers,
    /// DR6 as ptrace sees it (`thread.virtual_dr6`).
    pub virtual_dr6: u64,
    /// Breakpoints and DR7 that a tracer has set (`thread.ptrace_bps`, `thread.ptrace_dr7`).
    pub ptrace_debug: PtraceDebug,
    /// Single steps that a tracer has asked for.
    pub step: StepState,
    /// Tracing and job control.
    pub trace: TraceState,
    /// What personality() says: 0, or `ADDR_NO_RANDOMIZE`.
    pub personality: u32,
    /// How it is to be scheduled.
    pub sched: sched_attr::SchedAttr,
    /// Its restartable sequences.
    pub rseq: Option<rseq::Rseq>,
    /// The signal that it gets when its parent ends (`PR_SET_PDEATHSIG`); 0 for none.
    pub pdeath_signal: u32,
    /// What restart_syscall goes on with.
    pub restart_block: Option<RestartBlock>,
    /// Sigtrap perf events whose signal is due before the next user instruction.
    pub sigtraps: Vec<perf_core::EventId>,
    /// What it has used.
    pub usage: Usage,
    /// Since when it is in the kernel, ns since boot, while it is on its CPU there.
    pub in_kernel_since_ns: Option<u64>,
    /// When it was put on its CPU, ns since boot.
    pub on_cpu_since_ns: u64,
}

/// A process: a thread group.
#[derive(Debug)]
pub struct Process {
    /// Process id as the guest sees it (tgid).
    pub pid: u32,
    /// Parent process, `None` once it has ended and nobody adopted the child.
    pub parent: Option<ProcessId>,
    /// The parent's thread that made it, while that lives.
    pub parent_thread: Option<TaskId>,
    /// Process group.
    pub pgid: u32,
    /// Session.
    pub sid: u32,
    /// Live threads in the order of their creation; the first is the leader.
    pub threads: Vec<TaskId>,
    /// Threads that have ended and that their tracers have not waited for.
    pub zombie_threads: Vec<TaskId>,
    /// Its threads' descriptors.
    pub files: FdTable,
    /// Signal handlers.
    pub handlers: SigHandlers,
    /// Signals sent to the process.
    pub pending: PendingSignals,
    /// Set when the whole process is ending.
    pub exiting: Option<ExitStatus>,
    /// How far it has got with a stop.
    pub group_stop: GroupStop,
    /// Whether it adopts the orphans among its descendants (`PR_SET_CHILD_SUBREAPER`).
    pub is_subreaper: bool,
    /// Ended, waiting for the parent's wait.
    pub zombie: Option<ExitStatus>,
    /// Signal sent to the parent at the end (SIGCHLD).
    pub exit_signal: u32,
    /// Whether others may look into it.
    pub dumpable: cred::Dumpable,
    /// Path that `/proc/self/exe` names.
    pub exe_path: String,
    /// Its program's file, while it has one.
    pub exe: Option<InodeId>,
    /// Working directory.
    pub cwd: Node,
    /// Root directory.
    pub root: Node,
    /// Rights that new files do not get.
    pub umask: u32,
    /// The auxiliary vector of its program, for `/proc/PID/auxv`.
    pub auxv: Vec<(u64, u64)>,
    /// The thread that execs and waits until it is alone; the others die before they next run in
    /// user mode.
    pub exec_task: Option<TaskId>,
    /// The task arena id of the leader, kept for reporting after it has gone.
    pub leader: TaskId,
    /// What threads that have ended have used.
    pub dead_usage: Usage,
    /// What children that were waited for have used.
    pub children_usage: Usage,
    /// Its timers.
    pub timers: ProcessTimers,
    /// What it has registered with membarrier.
    pub membarrier: u32,
    /// Its limits.
    pub limits: limits::Rlimits,
    /// Whether the parent waits in vfork for this process to exec or exit.
    pub vfork_parent: Option<TaskId>,
}

impl Process {
    /// Whether a thread is to end because another one of the process execs (`de_thread`).
    #[must_use]
    pub fn ends_for_exec(&self, task: TaskId) -> bool {
        self.exec_task.is_some_and(|exec| exec != task)
    }
}

/// All tasks, processes and address spaces.
#[derive(Debug, Default)]
pub struct Tasks {
    /// Threads by arena id.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Processes.
    pub processes: BTreeMap<ProcessId, Process>,
    /// Address spaces with the number of tasks that use each.
    pub spaces: BTreeMap<MmId, (AddressSpace, u32)>,
    next_task: u32,
    next_space: u32,
    /// Numbers for tids and pids.
    pub pids: pid::PidAllocator,
}

impl Tasks {
    /// An arena id that was never used.
    pub fn new_task_id(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    /// Adds an address space with one user.
    pub fn add_space(&mut self, space: AddressSpace) -> MmId {
        let id = MmId(self.next_space);
        self.next_space += 1;
        self.spaces.insert(id, (space, 1));
        id
    }

    /// A task.
    ///
    /// # Panics
    /// Where there is no such task: ids are only kept of tasks that live.
    #[must_use]
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[&id]
    }

    /// A task, to be changed.
    ///
    /// # Panics
    /// Where there is no such task.
    pub fn task_mut(&mut self, id: TaskId) -> &mut Task {
        self.tasks.get_mut(&id).expect("a task id that was kept names a live task")
    }

    /// The process of a task.
    ///
    /// # Panics
    /// Where there is no such task.
    #[must_use]
    pub fn process_of(&self, id: TaskId) -> &Process {
        &self.processes[&self.task(id).process]
    }

    /// The process of a task, to be changed.
    ///
    /// # Panics
    /// Where there is no such task.
    pub fn process_of_mut(&mut self, id: TaskId) -> &mut Process {
        let process = self.task(id).process;
        self.processes.get_mut(&process).expect("a live task has a process")
    }

    /// The address space of a task.
    ///
    /// # Panics
    /// Where there is no such task.
    pub fn space_of_mut(&mut self, id: TaskId) -> &mut AddressSpace {
        let mm = self.task(id).mm;
        &mut self.spaces.get_mut(&mm).expect("a live task has an address space").0
    }

    /// The live task with this thread id.
    #[must_use]
    pub fn find_tid(&self, tid: u32) -> Option<TaskId> {
        self.tasks
            .values()
            .find(|task| task.tid == tid && !matches!(task.state, TaskState::Zombie(_)))
            .map(|task| task.id)
    }

    /// The task with this thread id, zombies included.
    #[must_use]
    pub fn find_task_by_vpid(&self, tid: u32) -> Option<TaskId> {
        self.tasks.values().find(|task| task.tid == tid).map(|task| task.id)
    }

    /// The process with this process id, zombies included.
    #[must_use]
    pub fn find_pid(&self, pid: u32) -> Option<ProcessId> {
        self.processes.iter().find(|(_, process)| process.pid == pid).map(|(id, _)| *id)
    }

    /// How a task is named in observations.
    ///
    /// # Panics
    /// Where there is no such task.
    #[must_use]
    pub fn tag(&self, id: TaskId) -> TaskTag {
        let task = self.task(id);
        let pid = self.process_of(id).pid;
        TaskTag { task: id, pid, tid: task.tid, comm: task.comm.clone() }
    }
}
