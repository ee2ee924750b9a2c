//! Requests, options, events and structures of ptrace.
//! Source: Linux 6.18 `include/uapi/linux/ptrace.h`, `arch/x86/include/uapi/asm/ptrace-abi.h`,
//! `include/uapi/linux/elf.h`.

/// Requests (the system call's first argument).
pub mod request {
    /// The caller's parent traces it.
    pub const TRACEME: u64 = 0;
    /// Reads a word of memory.
    pub const PEEKTEXT: u64 = 1;
    /// The same.
    pub const PEEKDATA: u64 = 2;
    /// Reads a word of `struct user`.
    pub const PEEKUSR: u64 = 3;
    /// Writes a word of memory.
    pub const POKETEXT: u64 = 4;
    /// The same.
    pub const POKEDATA: u64 = 5;
    /// Writes a word of `struct user`.
    pub const POKEUSR: u64 = 6;
    /// Lets the tracee go on.
    pub const CONT: u64 = 7;
    /// Kills the tracee.
    pub const KILL: u64 = 8;
    /// Lets the tracee execute one instruction.
    pub const SINGLESTEP: u64 = 9;
    /// Reads `struct user_regs_struct`.
    pub const GETREGS: u64 = 12;
    /// Writes it.
    pub const SETREGS: u64 = 13;
    /// Reads `struct user_fpregs_struct`.
    pub const GETFPREGS: u64 = 14;
    /// Writes it.
    pub const SETFPREGS: u64 = 15;
    /// Traces a task and stops it.
    pub const ATTACH: u64 = 16;
    /// Ends tracing.
    pub const DETACH: u64 = 17;
    /// Lets the tracee go on to the next system call's entry or exit.
    pub const SYSCALL: u64 = 24;
    /// arch_prctl of the tracee.
    pub const ARCH_PRCTL: u64 = 30;
    /// Lets the tracee go on to the next system call, which is not made.
    pub const SYSEMU: u64 = 31;
    /// The same, or one instruction.
    pub const SYSEMU_SINGLESTEP: u64 = 32;
    /// Lets the tracee go on to its next taken branch.
    pub const SINGLEBLOCK: u64 = 33;
    /// [`SETOPTIONS`] by its first number.
    pub const OLDSETOPTIONS: u64 = 21;
    /// Sets options.
    pub const SETOPTIONS: u64 = 0x4200;
    /// Reads the event's message.
    pub const GETEVENTMSG: u64 = 0x4201;
    /// Reads the siginfo of the stop.
    pub const GETSIGINFO: u64 = 0x4202;
    /// Replaces it.
    pub const SETSIGINFO: u64 = 0x4203;
    /// Reads a register set.
    pub const GETREGSET: u64 = 0x4204;
    /// Writes one.
    pub const SETREGSET: u64 = 0x4205;
    /// Traces a task without stopping it.
    pub const SEIZE: u64 = 0x4206;
    /// Stops a seized tracee.
    pub const INTERRUPT: u64 = 0x4207;
    /// Leaves a tracee in its group stop.
    pub const LISTEN: u64 = 0x4208;
    /// Reads pending signals.
    pub const PEEKSIGINFO: u64 = 0x4209;
    /// Reads the blocked signals.
    pub const GETSIGMASK: u64 = 0x420a;
    /// Sets them.
    pub const SETSIGMASK: u64 = 0x420b;
    /// Reads a filter of seccomp.
    pub const SECCOMP_GET_FILTER: u64 = 0x420c;
    /// Reads flags of a filter of seccomp.
    pub const SECCOMP_GET_METADATA: u64 = 0x420d;
    /// Tells where the rseq area is.
    pub const GET_RSEQ_CONFIGURATION: u64 = 0x420f;
    /// Replaces the system call of a stop.
    pub const SET_SYSCALL_INFO: u64 = 0x4212;
    /// Tells which system calls the tracee handles itself.
    pub const GET_SYSCALL_USER_DISPATCH_CONFIG: u64 = 0x4210;
    /// Sets that.
    pub const SET_SYSCALL_USER_DISPATCH_CONFIG: u64 = 0x4211;
    /// Reads a TLS descriptor.
    pub const GET_THREAD_AREA: u64 = 25;
    /// Sets a TLS descriptor.
    pub const SET_THREAD_AREA: u64 = 26;
    /// Describes the system call of a stop.
    pub const GET_SYSCALL_INFO: u64 = 0x420e;
}

/// Bits of PTRACE_SETOPTIONS.
pub mod options {
    /// Syscall stops have bit 7 in their signal.
    pub const TRACESYSGOOD: u64 = 1;
    /// The tracee dies with its tracer.
    pub const EXITKILL: u64 = 1 << 20;
    /// Seccomp filters do not run.
    pub const SUSPEND_SECCOMP: u64 = 1 << 21;
    /// All of them (`PTRACE_O_MASK`).
    pub const MASK: u64 = 0xff | EXITKILL | SUSPEND_SECCOMP;
}

/// The tracee forked.
pub const PTRACE_EVENT_FORK: u32 = 1;
/// The tracee vforked.
pub const PTRACE_EVENT_VFORK: u32 = 2;
/// The tracee cloned.
pub const PTRACE_EVENT_CLONE: u32 = 3;
/// The tracee runs another program.
pub const PTRACE_EVENT_EXEC: u32 = 4;
/// The child of a vfork gave the memory back.
pub const PTRACE_EVENT_VFORK_DONE: u32 = 5;
/// The tracee is about to end.
pub const PTRACE_EVENT_EXIT: u32 = 6;
/// A filter of seccomp asks the tracer.
pub const PTRACE_EVENT_SECCOMP: u32 = 7;
/// The tracee stopped, by a signal or by PTRACE_INTERRUPT.
pub const PTRACE_EVENT_STOP: u32 = 128;

/// The message of a stop at a system call's entry.
pub const PTRACE_EVENTMSG_SYSCALL_ENTRY: u64 = 1;
/// The message of a stop at its exit.
pub const PTRACE_EVENTMSG_SYSCALL_EXIT: u64 = 2;

/// PTRACE_PEEKSIGINFO: the process's queue instead of the thread's.
pub const PTRACE_PEEKSIGINFO_SHARED: u32 = 1;

/// General registers (register set).
pub const NT_PRSTATUS: u64 = 1;
/// x87 and SSE registers, as FXSAVE has them.
pub const NT_PRFPREG: u64 = 2;
/// The XSAVE area.
pub const NT_X86_XSTATE: u64 = 0x202;

/// `AUDIT_ARCH_I386`.
pub const AUDIT_ARCH_I386: u32 = 0x4000_0003;
/// `AUDIT_ARCH_X86_64`.
pub const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
