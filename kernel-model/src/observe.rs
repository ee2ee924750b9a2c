//! What the kernel model tells the outside: hits, output, ends of tasks, notices.
//!
//! Observations are plain values in the order in which they happened. They are
//! part of what a recording holds and of what a replay compares, so every field
//! is a function of guest state.
//!
//! Neighbours: [`crate::kernel::Kernel::take_observations`] hands them out.

use perf_core::attr::abi::{AttrFlags, PERF_TYPE_SOFTWARE};
use perf_core::{CpuId, SwEvent, TaskId};

use crate::strace::CallTold;

/// A point of the machine's one clock, with the work that had retired by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Nanoseconds of guest time since boot.
    pub time_ns: u64,
    /// The CPU's cycle count.
    pub cycles: u64,
    /// Instructions retired by this CPU since boot.
    pub icount: u64,
    /// The CPU on which it happened.
    pub cpu: CpuId,
}

/// The task that was current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskTag {
    /// Arena id of the task.
    pub task: TaskId,
    /// Process id as the guest sees it (tgid).
    pub pid: u32,
    /// Thread id as the guest sees it.
    pub tid: u32,
    /// The task's name, at most 15 bytes.
    pub comm: String,
}

/// Number of a breakpoint that the command line asked for, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u32);

/// What a breakpoint looks for (`HW_BREAKPOINT_W`, `_RW`, `_X`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchAccess {
    /// Stores.
    Write,
    /// Loads and stores.
    ReadWrite,
    /// Instruction execution.
    Execute,
}

/// A breakpoint asked for from outside (`-e mem:ADDR/LEN:ACCESS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// First watched linear address.
    pub addr: u64,
    /// Bytes watched: 1, 2, 4 or 8 for data; 8 (`sizeof(long)`) for execution.
    pub len: u64,
    /// The accesses that match.
    pub access: WatchAccess,
}

/// A perf event to count, asked for from outside (`-e cycles`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRequest {
    /// `attr.type`: PERF_TYPE_HARDWARE or PERF_TYPE_SOFTWARE.
    pub attr_type: u32,
    /// `attr.config`.
    pub config: u64,
    /// Flags of the attribute, of [`CounterRequest::FLAGS`].
    pub flags: AttrFlags,
    /// The leader of its group, by its number in the order of opening; `None` for a leader.
    pub leader: Option<u32>,
}

impl CounterRequest {
    /// The flags that a request may have.
    pub const FLAGS: AttrFlags = AttrFlags(
        AttrFlags::PINNED.0
            | AttrFlags::EXCLUSIVE.0
            | AttrFlags::EXCLUDE_USER.0
            | AttrFlags::EXCLUDE_KERNEL.0
            | AttrFlags::EXCLUDE_HV.0,
    );

    /// Whether it counts nanoseconds.
    #[must_use]
    pub const fn is_clock(&self) -> bool {
        let clock = SwEvent::TaskClock as u64;
        self.attr_type == PERF_TYPE_SOFTWARE && self.config <= clock
    }
}

/// How the matching access touched the watched bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// The instruction at the watched address was about to execute.
    Execute,
    /// A load.
    Read,
    /// A store, or a read-modify-write.
    Write,
}

/// The mode in which the access was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HitOrigin {
    /// The program's own instruction.
    User,
    /// The kernel, on the program's behalf: the system call it was serving, if any.
    Kernel {
        /// Name of the system call, such as `read`.
        syscall: Option<&'static str>,
    },
}

/// One hit of one breakpoint event that the command line asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The request that it belongs to.
    pub watch: WatchId,
    /// When and where.
    pub at: Moment,
    /// Who.
    pub task: TaskTag,
    /// Address of the instruction that made the access (not the saved RIP,
    /// which for a data breakpoint is that of the next instruction).
    pub insn_ip: u64,
    /// Bytes of that instruction (up to 15), empty where they could not be read.
    pub insn_bytes: Vec<u8>,
    /// User or kernel.
    pub origin: HitOrigin,
    /// Load, store or execution.
    pub kind: AccessKind,
    /// First byte accessed (linear address).
    pub access_addr: u64,
    /// Bytes accessed.
    pub access_len: u32,
    /// The watched bytes before the access, little endian, zero extended.
    pub old: u64,
    /// The watched bytes after the access.
    pub new: u64,
}

/// The time that a watch spent in one debug register of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmedSpan {
    /// The request that was armed.
    pub watch: WatchId,
    /// The CPU whose register held it.
    pub cpu: CpuId,
    /// Debug register number, 0 to 3.
    pub slot: u8,
    /// The task for which it was armed.
    pub task: TaskTag,
    /// The CPU's retired instructions when it was installed.
    pub from_icount: u64,
    /// The CPU's retired instructions when it was taken out.
    pub to_icount: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// `exit_group(code)`; the low eight bits.
    Exited(u8),
    /// Killed by a signal.
    Signaled {
        /// Signal number.
        signal: u8,
        /// Whether Linux would have written a core file.
        core: bool,
    },
}

/// Something worth telling, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A breakpoint asked for from outside was hit.
    Hit(Box<Hit>),
    /// A breakpoint asked for from outside left a debug register (or the run ended).
    Span(Box<ArmedSpan>),
    /// The guest wrote to its standard output (1) or error (2).
    Output {
        /// 1 or 2.
        fd: u8,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A process ended.
    ProcessExit {
        /// When.
        at: Moment,
        /// Who.
        task: TaskTag,
        /// How.
        status: ExitStatus,
    },
    /// An instruction that the processor calls undefined (#UD) ends a process.
    UndefinedInsn {
        /// Its address.
        ip: u64,
        /// Its bytes and some after them, up to 15, as far as they can be read.
        insn_bytes: Vec<u8>,
        /// Who executed it.
        task: TaskTag,
    },
    /// Memory was used up, and a process killed for that.
    OutOfMemory {
        /// Who.
        task: TaskTag,
        /// Bytes that it had in memory.
        resident_bytes: u64,
        /// Bytes of memory that the machine's programs and files share.
        ram_bytes: u64,
    },
    /// A call, signal or end of a task, for who asked for them. No part of a recording.
    Call(Box<CallTold>),
    /// A system call that is not supported was made; told once a number.
    UnsupportedSyscall {
        /// Its number.
        nr: u64,
        /// Its name on x86-64 Linux, where it has one.
        name: Option<&'static str>,
        /// Who called.
        task: TaskTag,
    },
}
