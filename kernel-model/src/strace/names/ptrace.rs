//! Constants of ptrace. Source: Linux 6.18 `include/uapi/linux/ptrace.h`, `arch/x86/include/uapi/asm/ptrace-abi.h`, `arch/x86/include/asm/user_64.h`.

use super::Names;

/// Requests of ptrace.
#[rustfmt::skip]
pub(crate) const REQUESTS: Names = Names {
    unknown: "PTRACE_???",
    list: &[
        (0, "PTRACE_TRACEME"), (1, "PTRACE_PEEKTEXT"), (2, "PTRACE_PEEKDATA"),
        (3, "PTRACE_PEEKUSER"), (4, "PTRACE_POKETEXT"), (5, "PTRACE_POKEDATA"),
        (6, "PTRACE_POKEUSER"), (7, "PTRACE_CONT"), (8, "PTRACE_KILL"), (9, "PTRACE_SINGLESTEP"),
        (12, "PTRACE_GETREGS"), (13, "PTRACE_SETREGS"), (14, "PTRACE_GETFPREGS"),
        (15, "PTRACE_SETFPREGS"), (16, "PTRACE_ATTACH"), (17, "PTRACE_DETACH"),
        (18, "PTRACE_GETFPXREGS"), (19, "PTRACE_SETFPXREGS"), (21, "PTRACE_OLDSETOPTIONS"),
        (24, "PTRACE_SYSCALL"), (25, "PTRACE_GET_THREAD_AREA"), (26, "PTRACE_SET_THREAD_AREA"),
        (30, "PTRACE_ARCH_PRCTL"), (31, "PTRACE_SYSEMU"), (32, "PTRACE_SYSEMU_SINGLESTEP"),
        (33, "PTRACE_SINGLEBLOCK"), (0x4200, "PTRACE_SETOPTIONS"),
        (0x4201, "PTRACE_GETEVENTMSG"), (0x4202, "PTRACE_GETSIGINFO"),
        (0x4203, "PTRACE_SETSIGINFO"), (0x4204, "PTRACE_GETREGSET"),
        (0x4205, "PTRACE_SETREGSET"), (0x4206, "PTRACE_SEIZE"), (0x4207, "PTRACE_INTERRUPT"),
        (0x4208, "PTRACE_LISTEN"), (0x4209, "PTRACE_PEEKSIGINFO"), (0x420a, "PTRACE_GETSIGMASK"),
        (0x420b, "PTRACE_SETSIGMASK"), (0x420c, "PTRACE_SECCOMP_GET_FILTER"),
        (0x420d, "PTRACE_SECCOMP_GET_METADATA"), (0x420e, "PTRACE_GET_SYSCALL_INFO"),
        (0x420f, "PTRACE_GET_RSEQ_CONFIGURATION"),
    ],
};

/// Options of a tracer.
#[rustfmt::skip]
pub(crate) const OPTIONS: Names = Names {
    unknown: "PTRACE_O_???",
    list: &[
        (0x1, "PTRACE_O_TRACESYSGOOD"), (0x2, "PTRACE_O_TRACEFORK"),
        (0x4, "PTRACE_O_TRACEVFORK"), (0x8, "PTRACE_O_TRACECLONE"), (0x10, "PTRACE_O_TRACEEXEC"),
        (0x20, "PTRACE_O_TRACEVFORKDONE"), (0x40, "PTRACE_O_TRACEEXIT"),
        (0x80, "PTRACE_O_TRACESECCOMP"), (0x100000, "PTRACE_O_EXITKILL"),
        (0x200000, "PTRACE_O_SUSPEND_SECCOMP"),
    ],
};

/// Events of a tracee.
#[rustfmt::skip]
pub(crate) const EVENTS: Names = Names {
    unknown: "PTRACE_EVENT_???",
    list: &[
        (1, "PTRACE_EVENT_FORK"), (2, "PTRACE_EVENT_VFORK"), (3, "PTRACE_EVENT_CLONE"),
        (4, "PTRACE_EVENT_EXEC"), (5, "PTRACE_EVENT_VFORK_DONE"), (6, "PTRACE_EVENT_EXIT"),
        (7, "PTRACE_EVENT_SECCOMP"), (128, "PTRACE_EVENT_STOP"),
    ],
};

/// Register sets.
#[rustfmt::skip]
pub(crate) const NOTES: Names = Names {
    unknown: "NT_???",
    list: &[
        (1, "NT_PRSTATUS"), (2, "NT_FPREGSET"), (0x200, "NT_386_TLS"), (0x201, "NT_386_IOPERM"),
        (0x202, "NT_X86_XSTATE"), (0x46e62b7f, "NT_PRXFPREG"),
    ],
};

/// Registers in `struct user`, by offset.
#[rustfmt::skip]
pub(crate) const USER_AREA: Names = Names {
    unknown: "offsetof(struct user, ???)",
    list: &[
        (0, "8*R15"), (8, "8*R14"), (16, "8*R13"), (24, "8*R12"), (32, "8*RBP"), (40, "8*RBX"),
        (48, "8*R11"), (56, "8*R10"), (64, "8*R9"), (72, "8*R8"), (80, "8*RAX"), (88, "8*RCX"),
        (96, "8*RDX"), (104, "8*RSI"), (112, "8*RDI"), (120, "8*ORIG_RAX"), (128, "8*RIP"),
        (136, "8*CS"), (144, "8*EFL"), (152, "8*RSP"), (160, "8*SS"), (168, "8*FS_BASE"),
        (176, "8*GS_BASE"), (184, "8*DS"), (192, "8*ES"), (200, "8*FS"), (208, "8*GS"),
    ],
};
