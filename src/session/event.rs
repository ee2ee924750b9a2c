//! What a run has to tell, in the form in which the command line keeps it.
//!
//! These are [`kernel_model::observe`]'s values with owned names and plain
//! numbers, so that they can be read back from a file: the report prints them,
//! a recording holds them, a replay compares them. `kernel_guest.rs` makes them
//! from the kernel's observations.

use kernel_model::inputs::{HostEntry, HostPlace};
use kernel_model::observe::{AccessKind, ExitStatus};
use perf_core::Errno;

/// A point of the machine's one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Nanoseconds of guest time since boot.
    pub time_ns: u64,
    /// The CPU's cycle count.
    pub cycles: u64,
    /// Instructions retired by this CPU since boot.
    pub icount: u64,
    /// The CPU, from 0.
    pub cpu: u32,
}

/// The task that was current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Process id as the guest sees it.
    pub pid: u32,
    /// Thread id as the guest sees it.
    pub tid: u32,
    /// The task's name.
    pub comm: String,
}

/// Who made a watched access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program's own instruction.
    User,
    /// The kernel on the program's behalf, with the system call it was serving.
    Kernel {
        /// Such as `read`; none outside system calls.
        syscall: Option<String>,
    },
}

/// One hit of one watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Index of the watch in the order of the command line.
    pub watch: u32,
    /// When and on which CPU.
    pub at: At,
    /// Which task.
    pub who: Who,
    /// Address of the instruction that made the access.
    pub insn_ip: u64,
    /// Its bytes, empty where they could not be read.
    pub insn_bytes: Vec<u8>,
    /// User or kernel.
    pub origin: Origin,
    /// Load, store or execution.
    pub kind: AccessKind,
    /// First byte accessed (linear address).
    pub access_addr: u64,
    /// Bytes accessed.
    pub access_len: u32,
    /// The watched bytes before the access, little endian, zero extended.
    pub old: u64,
    /// The watched bytes after it.
    pub new: u64,
}

/// The time that a watch spent in one debug register of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of the watch.
    pub watch: u32,
    /// The CPU whose register held it.
    pub cpu: u32,
    /// Debug register, 0 to 3.
    pub slot: u8,
    /// The task for which it was armed.
    pub who: Who,
    /// The CPU's retired instructions when it was installed.
    pub from_icount: u64,
    /// The CPU's retired instructions when it was taken out.
    pub to_icount: u64,
}

/// Something worth telling, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A watch was hit.
    Hit(Box<Hit>),
    /// A watch left a debug register, or the run ended.
    Span(Box<Span>),
    /// The guest wrote to its standard output (1) or error (2).
    Output {
        /// 1 or 2.
        fd: u8,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A process ended.
    Exit {
        /// When.
        at: At,
        /// Who.
        who: Who,
        /// How.
        status: ExitStatus,
    },
    /// An undefined instruction ends a process.
    UndefinedInsn {
        /// Its address.
        ip: u64,
        /// Its bytes and some after them, as far as they could be read.
        insn_bytes: Vec<u8>,
        /// Who executed it.
        who: Who,
    },
    /// Memory was used up, and a process killed for that.
    OutOfMemory {
        /// Who.
        who: Who,
        /// Bytes that it had in memory.
        resident_bytes: u64,
        /// Bytes of memory that programs and files share.
        ram_bytes: u64,
    },
    /// A system call that the kernel model does not have was made.
    UnsupportedSyscall {
        /// Its number.
        nr: u64,
        /// Its name on x86-64 Linux.
        name: Option<String>,
        /// Who called.
        who: Who,
    },
}

/// A question that the guest asked through the door of nondeterminism, with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes of standard input.
    Stdin {
        /// The most that the guest would take.
        max: u64,
        /// What it was given; empty at the end of input.
        bytes: Vec<u8>,
    },
    /// Random bytes.
    Random {
        /// What it was given; as long as what it asked for.
        bytes: Vec<u8>,
    },
    /// The date of boot.
    BootRealtime {
        /// Nanoseconds since 1970.
        ns: u64,
    },
    /// What a mounted directory or file of the host is.
    HostEntry {
        /// Which.
        place: HostPlace,
        /// What it is, or why not.
        answer: Result<HostEntry, Errno>,
    },
    /// What a directory of the host holds.
    HostDirectory {
        /// Which.
        place: HostPlace,
        /// Its names in order, or why not.
        answer: Result<Vec<HostEntry>, Errno>,
    },
    /// Bytes of a file of the host.
    HostRead {
        /// Which.
        place: HostPlace,
        /// From where on.
        offset: u64,
        /// The most that the guest would take.
        max: u64,
        /// What it was given, or why not.
        answer: Result<Content, Errno>,
    },
}

/// Bytes of a file, by their hash: those that were given before are not told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    /// The bytes, the first time.
    pub bytes: Option<Vec<u8>>,
}

impl Input {
    /// The name of the question.
    #[must_use]
    pub const fn question(&self) -> &'static str {
        match self {
            Self::Stdin { .. } => "standard input",
            Self::Random { .. } => "random bytes",
            Self::BootRealtime { .. } => "the date of boot",
            Self::HostEntry { .. } => "a mounted directory or file",
            Self::HostDirectory { .. } => "a directory of the host",
            Self::HostRead { .. } => "a file of the host",
        }
    }
}

/// A digest of machine state, chained over everything since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a run had got to when something was seen from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Scheduling quanta run.
    pub step: u64,
    /// Instructions retired by all CPUs.
    pub insns: u64,
}

/// The state of the machine at a point of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The point.
    pub at: Position,
    /// The state.
    pub digest: Digest,
}

/// One line of a run's log, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The guest was told something.
    Input(Input),
    /// The guest did something worth telling.
    Event(Event),
    /// The machine's state was taken.
    Mark(Mark),
}

/// What one CPU did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuWork {
    /// Instructions retired.
    pub insns: u64,
    /// Cycles.
    pub cycles: u64,
    /// Nanoseconds of guest time.
    pub time_ns: u64,
}

/// What the machine did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Per CPU.
    pub cpus: Vec<CpuWork>,
    /// Guest time since boot, nanoseconds.
    pub time_ns: u64,
}

impl Totals {
    /// Instructions retired by all CPUs.
    #[must_use]
    pub fn insns(&self) -> u64 {
        self.cpus.iter().fold(0, |sum, cpu| sum.saturating_add(cpu.insns))
    }

    /// Cycles of all CPUs.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.cpus.iter().fold(0, |sum, cpu| sum.saturating_add(cpu.cycles))
    }
}

/// What one event has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Occurrences while it ran.
    pub value: u64,
    /// Nanoseconds in which it was enabled.
    pub enabled_ns: u64,
    /// Nanoseconds of these in which it was on a counter.
    pub running_ns: u64,
}

impl Count {
    /// What it would have counted on a counter all the time; `None` if it never was on one.
    #[must_use]
    pub fn scaled(&self) -> Option<u64> {
        let product = u128::from(self.value) * u128::from(self.enabled_ns);
        let scaled = product.checked_div(u128::from(self.running_ns))?;
        Some(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The first process ended.
    Exited(ExitStatus),
    /// The machine could not go on.
    Stopped {
        /// The kernel model's reason, in words.
        reason: String,
    },
    /// The limit on instructions was reached.
    Limit {
        /// The limit that was set.
        max_insns: u64,
    },
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// How it ended.
    pub ending: Ending,
    /// Scheduling quanta run.
    pub steps: u64,
    /// Work done.
    pub totals: Totals,
    /// What the plan's counters have counted, in their order.
    pub counts: Vec<Count>,
    /// The last state.
    pub digest: Digest,
}
