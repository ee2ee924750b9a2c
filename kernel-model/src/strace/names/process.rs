//! Constants of processes and time. Source: Linux 6.18 `include/uapi/linux/{sched,wait,resource,prctl,time}.h`.

use super::Names;

/// Flags of clone and clone3.
#[rustfmt::skip]
pub(crate) const CLONE: Names = Names {
    unknown: "CLONE_???",
    list: &[
        (0x100, "CLONE_VM"), (0x200, "CLONE_FS"), (0x400, "CLONE_FILES"),
        (0x800, "CLONE_SIGHAND"), (0x1000, "CLONE_PIDFD"), (0x2000, "CLONE_PTRACE"),
        (0x4000, "CLONE_VFORK"), (0x8000, "CLONE_PARENT"), (0x10000, "CLONE_THREAD"),
        (0x20000, "CLONE_NEWNS"), (0x40000, "CLONE_SYSVSEM"), (0x80000, "CLONE_SETTLS"),
        (0x100000, "CLONE_PARENT_SETTID"), (0x200000, "CLONE_CHILD_CLEARTID"),
        (0x800000, "CLONE_UNTRACED"), (0x1000000, "CLONE_CHILD_SETTID"),
        (0x2000000, "CLONE_NEWCGROUP"), (0x4000000, "CLONE_NEWUTS"), (0x8000000, "CLONE_NEWIPC"),
        (0x10000000, "CLONE_NEWUSER"), (0x20000000, "CLONE_NEWPID"),
        (0x40000000, "CLONE_NEWNET"), (0x80000000, "CLONE_IO"),
        (0x100000000, "CLONE_CLEAR_SIGHAND"), (0x200000000, "CLONE_INTO_CGROUP"),
        (0x80, "CLONE_NEWTIME"),
    ],
};

/// Options of waitid.
#[rustfmt::skip]
pub(crate) const WAIT: Names = Names {
    unknown: "W???",
    list: &[
        (1, "WNOHANG"), (2, "WSTOPPED"), (4, "WEXITED"), (8, "WCONTINUED"),
        (0x1000000, "WNOWAIT"), (0x80000000, "__WCLONE"), (0x40000000, "__WALL"),
        (0x20000000, "__WNOTHREAD"),
    ],
};

/// Whom waitid waits for.
#[rustfmt::skip]
pub(crate) const WAITID: Names = Names {
    unknown: "P_???",
    list: &[
        (0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD"),
    ],
};

/// Resources with limits.
#[rustfmt::skip]
pub(crate) const RESOURCES: Names = Names {
    unknown: "RLIMIT_???",
    list: &[
        (0, "RLIMIT_CPU"), (1, "RLIMIT_FSIZE"), (2, "RLIMIT_DATA"), (3, "RLIMIT_STACK"),
        (4, "RLIMIT_CORE"), (5, "RLIMIT_RSS"), (6, "RLIMIT_NPROC"), (7, "RLIMIT_NOFILE"),
        (8, "RLIMIT_MEMLOCK"), (9, "RLIMIT_AS"), (10, "RLIMIT_LOCKS"), (11, "RLIMIT_SIGPENDING"),
        (12, "RLIMIT_MSGQUEUE"), (13, "RLIMIT_NICE"), (14, "RLIMIT_RTPRIO"),
        (15, "RLIMIT_RTTIME"),
    ],
};

/// Whose use getrusage tells.
#[rustfmt::skip]
pub(crate) const RUSAGE: Names = Names {
    unknown: "RUSAGE_???",
    list: &[
        (0, "RUSAGE_SELF"), (0xffffffff, "RUSAGE_CHILDREN"), (1, "RUSAGE_THREAD"),
    ],
};

/// Scheduling policies.
#[rustfmt::skip]
pub(crate) const SCHEDULERS: Names = Names {
    unknown: "SCHED_???",
    list: &[
        (0, "SCHED_OTHER"), (1, "SCHED_FIFO"), (2, "SCHED_RR"), (3, "SCHED_BATCH"),
        (5, "SCHED_IDLE"), (6, "SCHED_DEADLINE"),
    ],
};

/// Whose priority it is.
#[rustfmt::skip]
pub(crate) const PRIORITY: Names = Names {
    unknown: "PRIO_???",
    list: &[
        (0, "PRIO_PROCESS"), (1, "PRIO_PGRP"), (2, "PRIO_USER"),
    ],
};

/// Codes of arch_prctl.
#[rustfmt::skip]
pub(crate) const ARCH_PRCTL: Names = Names {
    unknown: "ARCH_???",
    list: &[
        (0x1001, "ARCH_SET_GS"), (0x1002, "ARCH_SET_FS"), (0x1003, "ARCH_GET_FS"),
        (0x1004, "ARCH_GET_GS"), (0x1011, "ARCH_GET_CPUID"), (0x1012, "ARCH_SET_CPUID"),
        (0x1021, "ARCH_GET_XCOMP_SUPP"), (0x1022, "ARCH_GET_XCOMP_PERM"),
        (0x1023, "ARCH_REQ_XCOMP_PERM"),
    ],
};

/// Options of prctl.
#[rustfmt::skip]
pub(crate) const PRCTL: Names = Names {
    unknown: "PR_???",
    list: &[
        (1, "PR_SET_PDEATHSIG"), (2, "PR_GET_PDEATHSIG"), (3, "PR_GET_DUMPABLE"),
        (4, "PR_SET_DUMPABLE"), (7, "PR_GET_KEEPCAPS"), (8, "PR_SET_KEEPCAPS"),
        (13, "PR_GET_TIMING"), (14, "PR_SET_TIMING"), (15, "PR_SET_NAME"), (16, "PR_GET_NAME"),
        (21, "PR_GET_SECCOMP"), (22, "PR_SET_SECCOMP"), (23, "PR_CAPBSET_READ"),
        (24, "PR_CAPBSET_DROP"), (25, "PR_GET_TSC"), (26, "PR_SET_TSC"),
        (27, "PR_GET_SECUREBITS"), (28, "PR_SET_SECUREBITS"), (29, "PR_SET_TIMERSLACK"),
        (30, "PR_GET_TIMERSLACK"), (31, "PR_TASK_PERF_EVENTS_DISABLE"),
        (32, "PR_TASK_PERF_EVENTS_ENABLE"), (35, "PR_SET_MM"), (36, "PR_SET_CHILD_SUBREAPER"),
        (37, "PR_GET_CHILD_SUBREAPER"), (38, "PR_SET_NO_NEW_PRIVS"), (39, "PR_GET_NO_NEW_PRIVS"),
        (40, "PR_GET_TID_ADDRESS"), (41, "PR_SET_THP_DISABLE"), (42, "PR_GET_THP_DISABLE"),
        (47, "PR_CAP_AMBIENT"), (52, "PR_GET_SPECULATION_CTRL"), (53, "PR_SET_SPECULATION_CTRL"),
        (57, "PR_SET_IO_FLUSHER"), (58, "PR_GET_IO_FLUSHER"),
        (59, "PR_SET_SYSCALL_USER_DISPATCH"), (0x53564d41, "PR_SET_VMA"),
        (0x59616d61, "PR_SET_PTRACER"),
    ],
};

/// Clocks.
#[rustfmt::skip]
pub(crate) const CLOCKS: Names = Names {
    unknown: "CLOCK_???",
    list: &[
        (0, "CLOCK_REALTIME"), (1, "CLOCK_MONOTONIC"), (2, "CLOCK_PROCESS_CPUTIME_ID"),
        (3, "CLOCK_THREAD_CPUTIME_ID"), (4, "CLOCK_MONOTONIC_RAW"), (5, "CLOCK_REALTIME_COARSE"),
        (6, "CLOCK_MONOTONIC_COARSE"), (7, "CLOCK_BOOTTIME"), (8, "CLOCK_REALTIME_ALARM"),
        (9, "CLOCK_BOOTTIME_ALARM"), (10, "CLOCK_SGI_CYCLE"), (11, "CLOCK_TAI"),
    ],
};

/// Flags of timers and sleeps.
#[rustfmt::skip]
pub(crate) const TIMER_FLAGS: Names = Names {
    unknown: "TIMER_???",
    list: &[
        (1, "TIMER_ABSTIME"),
    ],
};

/// Interval timers.
#[rustfmt::skip]
pub(crate) const ITIMERS: Names = Names {
    unknown: "ITIMER_???",
    list: &[
        (0, "ITIMER_REAL"), (1, "ITIMER_VIRTUAL"), (2, "ITIMER_PROF"),
    ],
};

/// Flags of personality.
#[rustfmt::skip]
pub(crate) const PERSONALITY: Names = Names {
    unknown: "ADDR_???",
    list: &[
        (0x20000, "UNAME26"), (0x40000, "ADDR_NO_RANDOMIZE"), (0x80000, "FDPIC_FUNCPTRS"),
        (0x100000, "MMAP_PAGE_ZERO"), (0x200000, "ADDR_COMPAT_LAYOUT"),
        (0x400000, "READ_IMPLIES_EXEC"), (0x800000, "ADDR_LIMIT_32BIT"),
        (0x1000000, "SHORT_INODE"), (0x2000000, "WHOLE_SECONDS"), (0x4000000, "STICKY_TIMEOUTS"),
        (0x8000000, "ADDR_LIMIT_3GB"),
    ],
};

/// Operations of seccomp.
#[rustfmt::skip]
pub(crate) const SECCOMP: Names = Names {
    unknown: "SECCOMP_SET_MODE_???",
    list: &[
        (0, "SECCOMP_SET_MODE_STRICT"), (1, "SECCOMP_SET_MODE_FILTER"),
        (2, "SECCOMP_GET_ACTION_AVAIL"), (3, "SECCOMP_GET_NOTIF_SIZES"),
    ],
};

/// Flags of seccomp.
#[rustfmt::skip]
pub(crate) const SECCOMP_FLAGS: Names = Names {
    unknown: "SECCOMP_FILTER_FLAG_???",
    list: &[
        (0x1, "SECCOMP_FILTER_FLAG_TSYNC"), (0x2, "SECCOMP_FILTER_FLAG_LOG"),
        (0x4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"), (0x8, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
        (0x10, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
        (0x20, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
    ],
};

/// Flags of pidfd_open.
#[rustfmt::skip]
pub(crate) const PIDFD: Names = Names {
    unknown: "PIDFD_???",
    list: &[
        (0o4000, "PIDFD_NONBLOCK"),
    ],
};

/// Layouts of capability sets.
#[rustfmt::skip]
pub(crate) const CAP_VERSIONS: Names = Names {
    unknown: "_LINUX_CAPABILITY_VERSION_???",
    list: &[
        (0x19980330, "_LINUX_CAPABILITY_VERSION_1"), (0x20071026, "_LINUX_CAPABILITY_VERSION_2"),
        (0x20080522, "_LINUX_CAPABILITY_VERSION_3"),
    ],
};
