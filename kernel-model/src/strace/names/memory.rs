//! Constants of memory. Source: Linux 6.18 `include/uapi/asm-generic/mman*.h`, `include/uapi/linux/mman.h`.

use super::Names;

/// Rights of mappings.
#[rustfmt::skip]
pub(crate) const PROT: Names = Names {
    unknown: "PROT_???",
    list: &[
        (0, "PROT_NONE"), (1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (8, "PROT_SEM"),
        (0x1000000, "PROT_GROWSDOWN"), (0x2000000, "PROT_GROWSUP"),
    ],
};

/// Kinds of mappings.
#[rustfmt::skip]
pub(crate) const MAP_TYPES: Names = Names {
    unknown: "MAP_???",
    list: &[
        (0, "MAP_FILE"), (1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE"),
    ],
};

/// Flags of mmap.
#[rustfmt::skip]
pub(crate) const MAP: Names = Names {
    unknown: "MAP_???",
    list: &[
        (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"), (0x40, "MAP_32BIT"),
        (0x4000, "MAP_NORESERVE"), (0x8000, "MAP_POPULATE"), (0x10000, "MAP_NONBLOCK"),
        (0x100, "MAP_GROWSDOWN"), (0x800, "MAP_DENYWRITE"), (0x1000, "MAP_EXECUTABLE"),
        (0x2000, "MAP_LOCKED"), (0x20000, "MAP_STACK"), (0x40000, "MAP_HUGETLB"),
        (0x80000, "MAP_SYNC"), (0x100000, "MAP_FIXED_NOREPLACE"),
    ],
};

/// Advice on memory.
#[rustfmt::skip]
pub(crate) const MADVISE: Names = Names {
    unknown: "MADV_???",
    list: &[
        (0, "MADV_NORMAL"), (1, "MADV_RANDOM"), (2, "MADV_SEQUENTIAL"), (3, "MADV_WILLNEED"),
        (4, "MADV_DONTNEED"), (8, "MADV_FREE"), (9, "MADV_REMOVE"), (10, "MADV_DONTFORK"),
        (11, "MADV_DOFORK"), (12, "MADV_MERGEABLE"), (13, "MADV_UNMERGEABLE"),
        (14, "MADV_HUGEPAGE"), (15, "MADV_NOHUGEPAGE"), (16, "MADV_DONTDUMP"),
        (17, "MADV_DODUMP"), (18, "MADV_WIPEONFORK"), (19, "MADV_KEEPONFORK"), (20, "MADV_COLD"),
        (21, "MADV_PAGEOUT"), (22, "MADV_POPULATE_READ"), (23, "MADV_POPULATE_WRITE"),
        (24, "MADV_DONTNEED_LOCKED"), (25, "MADV_COLLAPSE"), (100, "MADV_HWPOISON"),
        (101, "MADV_SOFT_OFFLINE"),
    ],
};

/// Flags of mremap.
#[rustfmt::skip]
pub(crate) const MREMAP: Names = Names {
    unknown: "MREMAP_???",
    list: &[
        (1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP"),
    ],
};

/// Flags of msync.
#[rustfmt::skip]
pub(crate) const MSYNC: Names = Names {
    unknown: "MS_???",
    list: &[
        (1, "MS_ASYNC"), (2, "MS_INVALIDATE"), (4, "MS_SYNC"),
    ],
};

/// Flags of mlock2.
#[rustfmt::skip]
pub(crate) const MLOCK: Names = Names {
    unknown: "MLOCK_???",
    list: &[
        (1, "MLOCK_ONFAULT"),
    ],
};

/// Flags of mlockall.
#[rustfmt::skip]
pub(crate) const MLOCKALL: Names = Names {
    unknown: "MCL_???",
    list: &[
        (1, "MCL_CURRENT"), (2, "MCL_FUTURE"), (4, "MCL_ONFAULT"),
    ],
};

/// Rights of a protection key.
#[rustfmt::skip]
pub(crate) const PKEY: Names = Names {
    unknown: "PKEY_???",
    list: &[
        (1, "PKEY_DISABLE_ACCESS"), (2, "PKEY_DISABLE_WRITE"),
    ],
};

/// Flags of getrandom.
#[rustfmt::skip]
pub(crate) const GETRANDOM: Names = Names {
    unknown: "GRND_???",
    list: &[
        (1, "GRND_NONBLOCK"), (2, "GRND_RANDOM"), (4, "GRND_INSECURE"),
    ],
};

/// Operations of futex.
#[rustfmt::skip]
pub(crate) const FUTEX: Names = Names {
    unknown: "FUTEX_???",
    list: &[
        (0x0, "FUTEX_WAIT"), (0x1, "FUTEX_WAKE"), (0x2, "FUTEX_FD"), (0x3, "FUTEX_REQUEUE"),
        (0x4, "FUTEX_CMP_REQUEUE"), (0x5, "FUTEX_WAKE_OP"), (0x6, "FUTEX_LOCK_PI"),
        (0x7, "FUTEX_UNLOCK_PI"), (0x8, "FUTEX_TRYLOCK_PI"), (0x9, "FUTEX_WAIT_BITSET"),
        (0xa, "FUTEX_WAKE_BITSET"), (0xb, "FUTEX_WAIT_REQUEUE_PI"),
        (0xc, "FUTEX_CMP_REQUEUE_PI"), (0xd, "FUTEX_LOCK_PI2"), (0x80, "FUTEX_WAIT_PRIVATE"),
        (0x81, "FUTEX_WAKE_PRIVATE"), (0x82, "FUTEX_FD_PRIVATE"),
        (0x83, "FUTEX_REQUEUE_PRIVATE"), (0x84, "FUTEX_CMP_REQUEUE_PRIVATE"),
        (0x85, "FUTEX_WAKE_OP_PRIVATE"), (0x86, "FUTEX_LOCK_PI_PRIVATE"),
        (0x87, "FUTEX_UNLOCK_PI_PRIVATE"), (0x88, "FUTEX_TRYLOCK_PI_PRIVATE"),
        (0x89, "FUTEX_WAIT_BITSET_PRIVATE"), (0x8a, "FUTEX_WAKE_BITSET_PRIVATE"),
        (0x8b, "FUTEX_WAIT_REQUEUE_PI_PRIVATE"), (0x8c, "FUTEX_CMP_REQUEUE_PI_PRIVATE"),
        (0x8d, "FUTEX_LOCK_PI2_PRIVATE"), (0x100, "FUTEX_WAIT|FUTEX_CLOCK_REALTIME"),
        (0x180, "FUTEX_WAIT_PRIVATE|FUTEX_CLOCK_REALTIME"),
        (0x109, "FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME"),
        (0x189, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
    ],
};

/// Flags of shmat.
#[rustfmt::skip]
pub(crate) const SHM: Names = Names {
    unknown: "SHM_???",
    list: &[
        (0o10000, "SHM_RDONLY"), (0o20000, "SHM_RND"), (0o40000, "SHM_REMAP"),
        (0o100000, "SHM_EXEC"),
    ],
};

/// Flags of shmget, semget and msgget.
#[rustfmt::skip]
pub(crate) const IPC_GET: Names = Names {
    unknown: "IPC_???",
    list: &[
        (0o1000, "IPC_CREAT"), (0o2000, "IPC_EXCL"), (0o4000, "IPC_NOWAIT"),
    ],
};

/// Commands of semctl, shmctl and msgctl.
#[rustfmt::skip]
pub(crate) const IPC_CTL: Names = Names {
    unknown: "IPC_???",
    list: &[
        (0, "IPC_RMID"), (1, "IPC_SET"), (2, "IPC_STAT"), (3, "IPC_INFO"), (11, "GETPID"),
        (12, "GETVAL"), (13, "GETALL"), (14, "GETNCNT"), (15, "GETZCNT"), (16, "SETVAL"),
        (17, "SETALL"), (18, "SEM_STAT"), (19, "SEM_INFO"),
    ],
};

/// Commands of membarrier.
#[rustfmt::skip]
pub(crate) const MEMBARRIER: Names = Names {
    unknown: "MEMBARRIER_CMD_???",
    list: &[
        (0, "MEMBARRIER_CMD_QUERY"), (1, "MEMBARRIER_CMD_GLOBAL"),
        (2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"), (4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"),
        (8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"),
        (16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"),
    ],
};

/// Flags of rseq.
#[rustfmt::skip]
pub(crate) const RSEQ: Names = Names {
    unknown: "RSEQ_FLAG_???",
    list: &[
        (1, "RSEQ_FLAG_UNREGISTER"),
    ],
};
