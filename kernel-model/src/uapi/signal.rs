//! Signal numbers, flags and codes.
//! Source: Linux 6.18 `arch/x86/include/uapi/asm/signal.h`, `include/uapi/asm-generic/siginfo.h`.

/// Number of signals: 1 to 64.
pub const NSIG: u32 = 64;
/// The first real-time signal: from here on, every one sent is queued.
pub const SIGRTMIN: u32 = 32;

/// The terminal has gone.
pub const SIGHUP: u32 = 1;
/// Interrupted by the terminal.
pub const SIGINT: u32 = 2;
/// Quit by the terminal.
pub const SIGQUIT: u32 = 3;
/// Illegal instruction.
pub const SIGILL: u32 = 4;
/// Breakpoint, single step, perf event.
pub const SIGTRAP: u32 = 5;
/// abort().
pub const SIGABRT: u32 = 6;
/// Bus error.
pub const SIGBUS: u32 = 7;
/// Arithmetic exception.
pub const SIGFPE: u32 = 8;
/// Ends a process, always.
pub const SIGKILL: u32 = 9;
/// Invalid memory reference.
pub const SIGSEGV: u32 = 11;
/// Write to a pipe without readers.
pub const SIGPIPE: u32 = 13;
/// alarm() and `ITIMER_REAL`.
pub const SIGALRM: u32 = 14;
/// A child ended.
pub const SIGCHLD: u32 = 17;
/// Goes on after a stop.
pub const SIGCONT: u32 = 18;
/// Stops a process, always.
pub const SIGSTOP: u32 = 19;
/// Stopped by the terminal.
pub const SIGTSTP: u32 = 20;
/// Read from the terminal in the background.
pub const SIGTTIN: u32 = 21;
/// Write to the terminal in the background.
pub const SIGTTOU: u32 = 22;
/// Urgent data.
pub const SIGURG: u32 = 23;
/// CPU time limit.
pub const SIGXCPU: u32 = 24;
/// File size limit.
pub const SIGXFSZ: u32 = 25;
/// `ITIMER_VIRTUAL`.
pub const SIGVTALRM: u32 = 26;
/// `ITIMER_PROF`.
pub const SIGPROF: u32 = 27;
/// The terminal's size changed.
pub const SIGWINCH: u32 = 28;
/// I/O is possible (`SIGPOLL`).
pub const SIGIO: u32 = 29;
/// Bad system call.
pub const SIGSYS: u32 = 31;

/// The bit of a signal in a signal set (bit n-1 for signal n).
#[must_use]
pub const fn sigmask(signal: u32) -> u64 {
    if signal == 0 || signal > NSIG { 0 } else { 1 << (signal - 1) }
}

/// Whether a number names a signal.
#[must_use]
pub const fn is_valid(signal: u32) -> bool {
    signal >= 1 && signal <= NSIG
}

/// Signals that cannot be blocked, caught or ignored.
pub const UNBLOCKABLE: u64 = sigmask(SIGKILL) | sigmask(SIGSTOP);
/// Signals that an instruction causes (`SYNCHRONOUS_MASK`): delivered before all others.
pub const SYNCHRONOUS: u64 = sigmask(SIGSEGV)
    | sigmask(SIGBUS)
    | sigmask(SIGILL)
    | sigmask(SIGTRAP)
    | sigmask(SIGFPE)
    | sigmask(SIGSYS);
/// Signals whose default action stops the process (`SIG_KERNEL_STOP_MASK`).
pub const STOPPING: u64 = sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU);
/// Signals whose default action is a core file (`SIG_KERNEL_COREDUMP_MASK`).
pub const COREDUMPING: u64 = sigmask(SIGQUIT)
    | sigmask(SIGILL)
    | sigmask(SIGTRAP)
    | sigmask(SIGABRT)
    | sigmask(SIGFPE)
    | sigmask(SIGSEGV)
    | sigmask(SIGBUS)
    | sigmask(SIGSYS)
    | sigmask(SIGXCPU)
    | sigmask(SIGXFSZ);
/// Signals whose default action is nothing (`SIG_KERNEL_IGNORE_MASK`).
pub const IGNORED: u64 = sigmask(SIGCONT) | sigmask(SIGCHLD) | sigmask(SIGWINCH) | sigmask(SIGURG);

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;

/// Bits of `sa_flags`.
pub mod sa {
    /// Children that stop send no SIGCHLD.
    pub const NOCLDSTOP: u64 = 1;
    /// Children leave no zombie.
    pub const NOCLDWAIT: u64 = 2;
    /// The handler gets a siginfo.
    pub const SIGINFO: u64 = 4;
    /// Unknown bits are cleared where a program reads them back.
    pub const UNSUPPORTED: u64 = 0x400;
    /// Tag bits of `si_addr` stay.
    pub const EXPOSE_TAGBITS: u64 = 0x800;
    /// A tracer does not see the signal (`SA_IMMUTABLE`): the kernel's own.
    pub const IMMUTABLE: u64 = 0x0080_0000;
    /// `sa_restorer` is set.
    pub const RESTORER: u64 = 0x0400_0000;
    /// On the alternate stack.
    pub const ONSTACK: u64 = 0x0800_0000;
    /// Interrupted calls are restarted.
    pub const RESTART: u64 = 0x1000_0000;
    /// The signal is not blocked in its handler.
    pub const NODEFER: u64 = 0x4000_0000;
    /// Back to the default action when delivered.
    pub const RESETHAND: u64 = 0x8000_0000;
    /// All of them (`UAPI_SA_FLAGS`).
    pub const KNOWN: u64 = NOCLDSTOP
        | NOCLDWAIT
        | SIGINFO
        | ONSTACK
        | RESTART
        | NODEFER
        | RESETHAND
        | EXPOSE_TAGBITS
        | RESTORER;
}

/// Values of `ss_flags`.
pub mod ss {
    /// On the alternate stack now.
    pub const ONSTACK: u32 = 1;
    /// No alternate stack.
    pub const DISABLE: u32 = 2;
    /// Disabled while a handler runs on it.
    pub const AUTODISARM: u32 = 1 << 31;
}

/// Smallest alternate stack (`MINSIGSTKSZ`).
pub const MINSIGSTKSZ: u64 = 2048;

/// Values of `si_code`.
pub mod si_code {
    /// kill().
    pub const SI_USER: i32 = 0;
    /// sigqueue().
    pub const SI_QUEUE: i32 = -1;
    /// A POSIX timer.
    pub const SI_TIMER: i32 = -2;
    /// A message came into a POSIX message queue.
    pub const SI_MESGQ: i32 = -3;
    /// The kernel.
    pub const SI_KERNEL: i32 = 0x80;
    /// tkill() and tgkill().
    pub const SI_TKILL: i32 = -6;
    /// A child exited.
    pub const CLD_EXITED: i32 = 1;
    /// A child was killed.
    pub const CLD_KILLED: i32 = 2;
    /// A child was killed and would have left a core file.
    pub const CLD_DUMPED: i32 = 3;
    /// A tracee trapped.
    pub const CLD_TRAPPED: i32 = 4;
    /// A child stopped.
    pub const CLD_STOPPED: i32 = 5;
    /// A stopped child went on.
    pub const CLD_CONTINUED: i32 = 6;
    /// Breakpoint instruction, or a #DB without a cause.
    pub const TRAP_BRKPT: i32 = 1;
    /// Single step.
    pub const TRAP_TRACE: i32 = 2;
    /// Debug register.
    pub const TRAP_HWBKPT: i32 = 4;
    /// Perf event with sigtrap.
    pub const TRAP_PERF: i32 = 6;
    /// An operand or opcode that does not exist.
    pub const ILL_ILLOPN: i32 = 2;
    /// Integer division.
    pub const FPE_INTDIV: i32 = 1;
    /// Floating-point division by zero.
    pub const FPE_FLTDIV: i32 = 3;
    /// Floating-point overflow.
    pub const FPE_FLTOVF: i32 = 4;
    /// Floating-point underflow.
    pub const FPE_FLTUND: i32 = 5;
    /// Floating-point inexact result.
    pub const FPE_FLTRES: i32 = 6;
    /// Invalid floating-point operation.
    pub const FPE_FLTINV: i32 = 7;
    /// A misaligned address.
    pub const BUS_ADRALN: i32 = 1;
    /// Nothing is mapped there.
    pub const SEGV_MAPERR: i32 = 1;
    /// The mapping does not allow it.
    pub const SEGV_ACCERR: i32 = 2;
    /// Beyond the end of the mapped file.
    pub const BUS_ADRERR: i32 = 2;
    /// Data is there.
    pub const POLL_IN: i32 = 1;
    /// The other side has gone.
    pub const POLL_HUP: i32 = 6;
}

/// `TRAP_PERF_FLAG_ASYNC`: the signal was blocked when the event overflowed.
pub const TRAP_PERF_FLAG_ASYNC: u32 = 1;
