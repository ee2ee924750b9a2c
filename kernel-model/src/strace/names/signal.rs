//! Constants of signals. Source: Linux 6.18 `arch/x86/include/uapi/asm/signal.h`, `include/uapi/asm-generic/siginfo.h`.

use super::Names;

/// Signals below the real-time ones.
#[rustfmt::skip]
pub(crate) const SIGNALS: Names = Names {
    unknown: "SIG???",
    list: &[
        (1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (4, "SIGILL"), (5, "SIGTRAP"),
        (6, "SIGABRT"), (7, "SIGBUS"), (8, "SIGFPE"), (9, "SIGKILL"), (10, "SIGUSR1"),
        (11, "SIGSEGV"), (12, "SIGUSR2"), (13, "SIGPIPE"), (14, "SIGALRM"), (15, "SIGTERM"),
        (16, "SIGSTKFLT"), (17, "SIGCHLD"), (18, "SIGCONT"), (19, "SIGSTOP"), (20, "SIGTSTP"),
        (21, "SIGTTIN"), (22, "SIGTTOU"), (23, "SIGURG"), (24, "SIGXCPU"), (25, "SIGXFSZ"),
        (26, "SIGVTALRM"), (27, "SIGPROF"), (28, "SIGWINCH"), (29, "SIGIO"), (30, "SIGPWR"),
        (31, "SIGSYS"),
    ],
};

/// Flags of actions.
#[rustfmt::skip]
pub(crate) const ACTION: Names = Names {
    unknown: "SA_???",
    list: &[
        (0x4000000, "SA_RESTORER"), (0x8000000, "SA_ONSTACK"), (0x10000000, "SA_RESTART"),
        (0x40000000, "SA_NODEFER"), (0x80000000, "SA_RESETHAND"), (4, "SA_SIGINFO"),
        (1, "SA_NOCLDSTOP"), (2, "SA_NOCLDWAIT"), (0x400, "SA_UNSUPPORTED"),
        (0x800, "SA_EXPOSE_TAGBITS"),
    ],
};

/// How rt_sigprocmask changes the mask.
#[rustfmt::skip]
pub(crate) const PROCMASK: Names = Names {
    unknown: "SIG_???",
    list: &[
        (0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK"),
    ],
};

/// Flags of sigaltstack.
#[rustfmt::skip]
pub(crate) const ALTSTACK: Names = Names {
    unknown: "SS_???",
    list: &[
        (1, "SS_ONSTACK"), (2, "SS_DISABLE"), (0x80000000, "SS_AUTODISARM"),
    ],
};

/// Causes that every signal can have.
#[rustfmt::skip]
pub(crate) const CODES: Names = Names {
    unknown: "SI_???",
    list: &[
        (0, "SI_USER"), (0x80, "SI_KERNEL"), (0xffffffff, "SI_QUEUE"), (0xfffffffe, "SI_TIMER"),
        (0xfffffffd, "SI_MESGQ"), (0xfffffffc, "SI_ASYNCIO"), (0xfffffffb, "SI_SIGIO"),
        (0xfffffffa, "SI_TKILL"), (0xfffffff9, "SI_DETHREAD"), (0xffffffc4, "SI_ASYNCNL"),
    ],
};

/// Causes of SIGCHLD.
#[rustfmt::skip]
pub(crate) const CHILD_CODES: Names = Names {
    unknown: "CLD_???",
    list: &[
        (1, "CLD_EXITED"), (2, "CLD_KILLED"), (3, "CLD_DUMPED"), (4, "CLD_TRAPPED"),
        (5, "CLD_STOPPED"), (6, "CLD_CONTINUED"),
    ],
};

/// Causes of SIGTRAP.
#[rustfmt::skip]
pub(crate) const TRAP_CODES: Names = Names {
    unknown: "TRAP_???",
    list: &[
        (1, "TRAP_BRKPT"), (2, "TRAP_TRACE"), (3, "TRAP_BRANCH"), (4, "TRAP_HWBKPT"),
        (5, "TRAP_UNK"), (6, "TRAP_PERF"),
    ],
};

/// Causes of SIGSEGV.
#[rustfmt::skip]
pub(crate) const SEGV_CODES: Names = Names {
    unknown: "SEGV_???",
    list: &[
        (1, "SEGV_MAPERR"), (2, "SEGV_ACCERR"), (3, "SEGV_BNDERR"), (4, "SEGV_PKUERR"),
    ],
};

/// Causes of SIGBUS.
#[rustfmt::skip]
pub(crate) const BUS_CODES: Names = Names {
    unknown: "BUS_???",
    list: &[
        (1, "BUS_ADRALN"), (2, "BUS_ADRERR"), (3, "BUS_OBJERR"), (4, "BUS_MCEERR_AR"),
        (5, "BUS_MCEERR_AO"),
    ],
};

/// Causes of SIGFPE.
#[rustfmt::skip]
pub(crate) const FPE_CODES: Names = Names {
    unknown: "FPE_???",
    list: &[
        (1, "FPE_INTDIV"), (2, "FPE_INTOVF"), (3, "FPE_FLTDIV"), (4, "FPE_FLTOVF"),
        (5, "FPE_FLTUND"), (6, "FPE_FLTRES"), (7, "FPE_FLTINV"), (8, "FPE_FLTSUB"),
    ],
};

/// Causes of SIGILL.
#[rustfmt::skip]
pub(crate) const ILL_CODES: Names = Names {
    unknown: "ILL_???",
    list: &[
        (1, "ILL_ILLOPC"), (2, "ILL_ILLOPN"), (3, "ILL_ILLADR"), (4, "ILL_ILLTRP"),
        (5, "ILL_PRVOPC"), (6, "ILL_PRVREG"), (7, "ILL_COPROC"), (8, "ILL_BADSTK"),
    ],
};

/// Causes of SIGIO.
#[rustfmt::skip]
pub(crate) const POLL_CODES: Names = Names {
    unknown: "POLL_???",
    list: &[
        (1, "POLL_IN"), (2, "POLL_OUT"), (3, "POLL_MSG"), (4, "POLL_ERR"), (5, "POLL_PRI"),
        (6, "POLL_HUP"),
    ],
};

/// Causes of SIGSYS.
#[rustfmt::skip]
pub(crate) const SYS_CODES: Names = Names {
    unknown: "SYS_???",
    list: &[
        (1, "SYS_SECCOMP"), (2, "SYS_USER_DISPATCH"),
    ],
};

/// Flags of a SIGTRAP of a perf event.
#[rustfmt::skip]
pub(crate) const TRAP_PERF_FLAGS: Names = Names {
    unknown: "TRAP_PERF_FLAG_???",
    list: &[
        (1, "TRAP_PERF_FLAG_ASYNC"),
    ],
};
