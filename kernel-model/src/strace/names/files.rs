//! Constants of files. Source: Linux 6.18 `include/uapi/asm-generic/fcntl.h`, `include/uapi/linux/{fcntl,stat,fs}.h`.

use super::Names;

/// How a file is opened.
#[rustfmt::skip]
pub(crate) const ACCESS_MODES: Names = Names {
    unknown: "O_???",
    list: &[
        (0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR"), (3, "O_ACCMODE"),
    ],
};

/// Flags of open files.
#[rustfmt::skip]
pub(crate) const OPEN: Names = Names {
    unknown: "O_???",
    list: &[
        (0o100, "O_CREAT"), (0o200, "O_EXCL"), (0o400, "O_NOCTTY"), (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"), (0o4000, "O_NONBLOCK"), (0o4010000, "O_SYNC"),
        (0o10000, "O_DSYNC"), (0o40000, "O_DIRECT"), (0o100000, "O_LARGEFILE"),
        (0o400000, "O_NOFOLLOW"), (0o1000000, "O_NOATIME"), (0o2000000, "O_CLOEXEC"),
        (0o10000000, "O_PATH"), (0o20200000, "O_TMPFILE"), (0o200000, "O_DIRECTORY"),
        (0o20000, "FASYNC"),
    ],
};

/// Flags of calls on paths.
#[rustfmt::skip]
pub(crate) const AT: Names = Names {
    unknown: "AT_???",
    list: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"), (0x200, "AT_REMOVEDIR"), (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"), (0x1000, "AT_EMPTY_PATH"), (0x8000, "AT_RECURSIVE"),
    ],
};

/// Flags of faccessat2.
#[rustfmt::skip]
pub(crate) const FACCESSAT: Names = Names {
    unknown: "AT_???",
    list: &[
        (0x200, "AT_EACCESS"), (0x100, "AT_SYMLINK_NOFOLLOW"), (0x1000, "AT_EMPTY_PATH"),
    ],
};

/// Flags of statx, how much it asks a server among them.
#[rustfmt::skip]
pub(crate) const STATX_AT: Names = Names {
    unknown: "AT_???",
    list: &[
        (0x2000, "AT_STATX_FORCE_SYNC"), (0x4000, "AT_STATX_DONT_SYNC"),
        (0x100, "AT_SYMLINK_NOFOLLOW"), (0x200, "AT_REMOVEDIR"), (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"), (0x1000, "AT_EMPTY_PATH"), (0x8000, "AT_RECURSIVE"),
    ],
};

/// What statx is asked.
#[rustfmt::skip]
pub(crate) const STATX: Names = Names {
    unknown: "STATX_???",
    list: &[
        (0xfff, "STATX_ALL"), (0x7ff, "STATX_BASIC_STATS"), (0x1, "STATX_TYPE"),
        (0x2, "STATX_MODE"), (0x4, "STATX_NLINK"), (0x8, "STATX_UID"), (0x10, "STATX_GID"),
        (0x20, "STATX_ATIME"), (0x40, "STATX_MTIME"), (0x80, "STATX_CTIME"),
        (0x100, "STATX_INO"), (0x200, "STATX_SIZE"), (0x400, "STATX_BLOCKS"),
        (0x800, "STATX_BTIME"), (0x1000, "STATX_MNT_ID"), (0x2000, "STATX_DIOALIGN"),
    ],
};

/// Attributes of files.
#[rustfmt::skip]
pub(crate) const STATX_ATTR: Names = Names {
    unknown: "STATX_ATTR_???",
    list: &[
        (4, "STATX_ATTR_COMPRESSED"), (0x10, "STATX_ATTR_IMMUTABLE"),
        (0x20, "STATX_ATTR_APPEND"), (0x40, "STATX_ATTR_NODUMP"),
        (0x800, "STATX_ATTR_ENCRYPTED"), (0x1000, "STATX_ATTR_AUTOMOUNT"),
        (0x2000, "STATX_ATTR_MOUNT_ROOT"), (0x100000, "STATX_ATTR_VERITY"),
        (0x200000, "STATX_ATTR_DAX"),
    ],
};

/// What access asks.
#[rustfmt::skip]
pub(crate) const ACCESS: Names = Names {
    unknown: "?_OK",
    list: &[
        (0, "F_OK"), (4, "R_OK"), (2, "W_OK"), (1, "X_OK"),
    ],
};

/// Kinds of files.
#[rustfmt::skip]
pub(crate) const FILE_TYPES: Names = Names {
    unknown: "S_???",
    list: &[
        (0o100000, "S_IFREG"), (0o140000, "S_IFSOCK"), (0o10000, "S_IFIFO"),
        (0o120000, "S_IFLNK"), (0o40000, "S_IFDIR"), (0o60000, "S_IFBLK"), (0o20000, "S_IFCHR"),
    ],
};

/// Where lseek counts from.
#[rustfmt::skip]
pub(crate) const WHENCE: Names = Names {
    unknown: "SEEK_???",
    list: &[
        (0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE"),
    ],
};

/// Commands of fcntl.
#[rustfmt::skip]
pub(crate) const FCNTL: Names = Names {
    unknown: "F_???",
    list: &[
        (0, "F_DUPFD"), (1, "F_GETFD"), (2, "F_SETFD"), (3, "F_GETFL"), (4, "F_SETFL"),
        (5, "F_GETLK"), (6, "F_SETLK"), (7, "F_SETLKW"), (8, "F_SETOWN"), (9, "F_GETOWN"),
        (10, "F_SETSIG"), (11, "F_GETSIG"), (15, "F_SETOWN_EX"), (16, "F_GETOWN_EX"),
        (17, "F_GETOWNER_UIDS"), (36, "F_OFD_GETLK"), (37, "F_OFD_SETLK"), (38, "F_OFD_SETLKW"),
        (1024, "F_SETLEASE"), (1025, "F_GETLEASE"), (1026, "F_NOTIFY"), (1029, "F_CANCELLK"),
        (1030, "F_DUPFD_CLOEXEC"), (1031, "F_SETPIPE_SZ"), (1032, "F_GETPIPE_SZ"),
        (1033, "F_ADD_SEALS"), (1034, "F_GET_SEALS"),
    ],
};

/// Flags of descriptors.
#[rustfmt::skip]
pub(crate) const FD_FLAGS: Names = Names {
    unknown: "FD_???",
    list: &[
        (1, "FD_CLOEXEC"),
    ],
};

/// Kinds of record locks.
#[rustfmt::skip]
pub(crate) const LOCK_TYPES: Names = Names {
    unknown: "F_???",
    list: &[
        (0, "F_RDLCK"), (1, "F_WRLCK"), (2, "F_UNLCK"),
    ],
};

/// Operations of flock.
#[rustfmt::skip]
pub(crate) const FLOCK: Names = Names {
    unknown: "LOCK_???",
    list: &[
        (1, "LOCK_SH"), (2, "LOCK_EX"), (4, "LOCK_NB"), (8, "LOCK_UN"),
    ],
};

/// Seals of a memfd.
#[rustfmt::skip]
pub(crate) const SEALS: Names = Names {
    unknown: "F_SEAL_???",
    list: &[
        (0x1, "F_SEAL_SEAL"), (0x2, "F_SEAL_SHRINK"), (0x4, "F_SEAL_GROW"),
        (0x8, "F_SEAL_WRITE"), (0x10, "F_SEAL_FUTURE_WRITE"), (0x20, "F_SEAL_EXEC"),
    ],
};

/// Flags of renameat2.
#[rustfmt::skip]
pub(crate) const RENAME: Names = Names {
    unknown: "RENAME_???",
    list: &[
        (0x1, "RENAME_NOREPLACE"), (0x2, "RENAME_EXCHANGE"), (0x4, "RENAME_WHITEOUT"),
    ],
};

/// Flags of close_range.
#[rustfmt::skip]
pub(crate) const CLOSE_RANGE: Names = Names {
    unknown: "CLOSE_RANGE_???",
    list: &[
        (2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC"),
    ],
};

/// Flags of memfd_create.
#[rustfmt::skip]
pub(crate) const MEMFD: Names = Names {
    unknown: "MFD_???",
    list: &[
        (1, "MFD_CLOEXEC"), (2, "MFD_ALLOW_SEALING"), (4, "MFD_HUGETLB"), (8, "MFD_NOEXEC_SEAL"),
        (16, "MFD_EXEC"),
    ],
};

/// Modes of fallocate.
#[rustfmt::skip]
pub(crate) const FALLOCATE: Names = Names {
    unknown: "FALLOC_FL_???",
    list: &[
        (1, "FALLOC_FL_KEEP_SIZE"), (2, "FALLOC_FL_PUNCH_HOLE"), (4, "FALLOC_FL_NO_HIDE_STALE"),
        (8, "FALLOC_FL_COLLAPSE_RANGE"), (16, "FALLOC_FL_ZERO_RANGE"),
        (32, "FALLOC_FL_INSERT_RANGE"), (64, "FALLOC_FL_UNSHARE_RANGE"),
    ],
};

/// Advice on files.
#[rustfmt::skip]
pub(crate) const FADVISE: Names = Names {
    unknown: "POSIX_FADV_???",
    list: &[
        (0, "POSIX_FADV_NORMAL"), (1, "POSIX_FADV_RANDOM"), (2, "POSIX_FADV_SEQUENTIAL"),
        (3, "POSIX_FADV_WILLNEED"), (4, "POSIX_FADV_DONTNEED"), (5, "POSIX_FADV_NOREUSE"),
    ],
};

/// Flags of preadv2 and pwritev2.
#[rustfmt::skip]
pub(crate) const RWF: Names = Names {
    unknown: "RWF_???",
    list: &[
        (0x1, "RWF_HIPRI"), (0x2, "RWF_DSYNC"), (0x4, "RWF_SYNC"), (0x8, "RWF_NOWAIT"),
        (0x10, "RWF_APPEND"), (0x20, "RWF_NOAPPEND"),
    ],
};

/// Flags of splice.
#[rustfmt::skip]
pub(crate) const SPLICE: Names = Names {
    unknown: "SPLICE_F_???",
    list: &[
        (0x1, "SPLICE_F_MOVE"), (0x2, "SPLICE_F_NONBLOCK"), (0x4, "SPLICE_F_MORE"),
        (0x8, "SPLICE_F_GIFT"),
    ],
};

/// Flags of setxattr.
#[rustfmt::skip]
pub(crate) const XATTR: Names = Names {
    unknown: "XATTR_???",
    list: &[
        (1, "XATTR_CREATE"), (2, "XATTR_REPLACE"),
    ],
};

/// Flags of mount.
#[rustfmt::skip]
pub(crate) const MOUNT: Names = Names {
    unknown: "MS_???",
    list: &[
        (1, "MS_RDONLY"), (2, "MS_NOSUID"), (4, "MS_NODEV"), (8, "MS_NOEXEC"),
        (16, "MS_SYNCHRONOUS"), (32, "MS_REMOUNT"), (64, "MS_MANDLOCK"), (128, "MS_DIRSYNC"),
        (256, "MS_NOSYMFOLLOW"), (1024, "MS_NOATIME"), (2048, "MS_NODIRATIME"),
        (4096, "MS_BIND"), (8192, "MS_MOVE"), (16384, "MS_REC"), (32768, "MS_SILENT"),
        (0x10000, "MS_POSIXACL"), (0x20000, "MS_UNBINDABLE"), (0x40000, "MS_PRIVATE"),
        (0x80000, "MS_SLAVE"), (0x100000, "MS_SHARED"), (0x200000, "MS_RELATIME"),
        (0x400000, "MS_KERNMOUNT"), (0x800000, "MS_I_VERSION"), (0x1000000, "MS_STRICTATIME"),
        (0x2000000, "MS_LAZYTIME"),
    ],
};

/// Flags of umount2.
#[rustfmt::skip]
pub(crate) const UMOUNT: Names = Names {
    unknown: "MNT_???",
    list: &[
        (1, "MNT_FORCE"), (2, "MNT_DETACH"), (4, "MNT_EXPIRE"), (8, "UMOUNT_NOFOLLOW"),
    ],
};

/// Flags of inotify_init1.
#[rustfmt::skip]
pub(crate) const INOTIFY_INIT: Names = Names {
    unknown: "IN_???",
    list: &[
        (0o4000, "IN_NONBLOCK"), (0o2000000, "IN_CLOEXEC"),
    ],
};

/// Events of inotify.
#[rustfmt::skip]
pub(crate) const INOTIFY: Names = Names {
    unknown: "IN_???",
    list: &[
        (0x1, "IN_ACCESS"), (0x2, "IN_MODIFY"), (0x4, "IN_ATTRIB"), (0x8, "IN_CLOSE_WRITE"),
        (0x10, "IN_CLOSE_NOWRITE"), (0x20, "IN_OPEN"), (0x40, "IN_MOVED_FROM"),
        (0x80, "IN_MOVED_TO"), (0x100, "IN_CREATE"), (0x200, "IN_DELETE"),
        (0x400, "IN_DELETE_SELF"), (0x800, "IN_MOVE_SELF"), (0x2000, "IN_UNMOUNT"),
        (0x4000, "IN_Q_OVERFLOW"), (0x8000, "IN_IGNORED"), (0x1000000, "IN_ONLYDIR"),
        (0x2000000, "IN_DONT_FOLLOW"), (0x4000000, "IN_EXCL_UNLINK"),
        (0x10000000, "IN_MASK_CREATE"), (0x20000000, "IN_MASK_ADD"), (0x40000000, "IN_ISDIR"),
        (0x80000000, "IN_ONESHOT"),
    ],
};

/// Events of poll.
#[rustfmt::skip]
pub(crate) const POLL: Names = Names {
    unknown: "POLL???",
    list: &[
        (1, "POLLIN"), (2, "POLLPRI"), (4, "POLLOUT"), (8, "POLLERR"), (16, "POLLHUP"),
        (32, "POLLNVAL"), (64, "POLLRDNORM"), (128, "POLLRDBAND"), (256, "POLLWRNORM"),
        (512, "POLLWRBAND"), (0x400, "POLLMSG"), (0x1000, "POLLREMOVE"), (0x2000, "POLLRDHUP"),
    ],
};

/// Events of epoll.
#[rustfmt::skip]
pub(crate) const EPOLL: Names = Names {
    unknown: "EPOLL???",
    list: &[
        (1, "EPOLLIN"), (2, "EPOLLPRI"), (4, "EPOLLOUT"), (8, "EPOLLERR"), (16, "EPOLLHUP"),
        (32, "EPOLLNVAL"), (64, "EPOLLRDNORM"), (128, "EPOLLRDBAND"), (256, "EPOLLWRNORM"),
        (512, "EPOLLWRBAND"), (0x400, "EPOLLMSG"), (0x2000, "EPOLLRDHUP"),
        (0x10000000, "EPOLLEXCLUSIVE"), (0x20000000, "EPOLLWAKEUP"),
        (0x40000000, "EPOLLONESHOT"), (0x80000000, "EPOLLET"),
    ],
};

/// Flags of epoll_create1.
#[rustfmt::skip]
pub(crate) const EPOLL_CREATE: Names = Names {
    unknown: "EPOLL_???",
    list: &[
        (0o2000000, "EPOLL_CLOEXEC"),
    ],
};

/// Operations of epoll_ctl.
#[rustfmt::skip]
pub(crate) const EPOLL_CTL: Names = Names {
    unknown: "EPOLL_CTL_???",
    list: &[
        (1, "EPOLL_CTL_ADD"), (2, "EPOLL_CTL_DEL"), (3, "EPOLL_CTL_MOD"),
    ],
};

/// Flags of eventfd2.
#[rustfmt::skip]
pub(crate) const EVENTFD: Names = Names {
    unknown: "EFD_???",
    list: &[
        (1, "EFD_SEMAPHORE"), (0o4000, "EFD_NONBLOCK"), (0o2000000, "EFD_CLOEXEC"),
    ],
};

/// Flags of signalfd4.
#[rustfmt::skip]
pub(crate) const SIGNALFD: Names = Names {
    unknown: "SFD_???",
    list: &[
        (0o2000000, "SFD_CLOEXEC"), (0o4000, "SFD_NONBLOCK"),
    ],
};

/// Flags of timerfd_create.
#[rustfmt::skip]
pub(crate) const TIMERFD: Names = Names {
    unknown: "TFD_???",
    list: &[
        (0o2000000, "TFD_CLOEXEC"), (0o4000, "TFD_NONBLOCK"),
    ],
};

/// Flags of timerfd_settime.
#[rustfmt::skip]
pub(crate) const TIMERFD_SET: Names = Names {
    unknown: "TFD_???",
    list: &[
        (1, "TFD_TIMER_ABSTIME"), (2, "TFD_TIMER_CANCEL_ON_SET"),
    ],
};

/// Kinds of file systems.
#[rustfmt::skip]
pub(crate) const FILE_SYSTEMS: Names = Names {
    unknown: "???",
    list: &[
        (0xcafe4a11, "BPF_FS_MAGIC"), (0x27e0eb, "CGROUP_SUPER_MAGIC"),
        (0x63677270, "CGROUP2_SUPER_MAGIC"), (0x64626720, "DEBUGFS_MAGIC"),
        (0x1cd1, "DEVPTS_SUPER_MAGIC"), (0xef53, "EXT2_SUPER_MAGIC"),
        (0x19800202, "MQUEUE_MAGIC"), (0x6e736673, "NSFS_MAGIC"),
        (0x794c7630, "OVERLAYFS_SUPER_MAGIC"), (0x50495045, "PIPEFS_MAGIC"),
        (0x9fa0, "PROC_SUPER_MAGIC"), (0x858458f6, "RAMFS_MAGIC"), (0x534f434b, "SOCKFS_MAGIC"),
        (0x62656572, "SYSFS_MAGIC"), (0x1021994, "TMPFS_MAGIC"), (0x74726163, "TRACEFS_MAGIC"),
    ],
};

/// Flags of mounted file systems.
#[rustfmt::skip]
pub(crate) const STATFS_FLAGS: Names = Names {
    unknown: "ST_???",
    list: &[
        (0x20, "ST_VALID"), (1, "ST_RDONLY"), (2, "ST_NOSUID"), (4, "ST_NODEV"),
        (8, "ST_NOEXEC"), (0x10, "ST_SYNCHRONOUS"), (0x40, "ST_MANDLOCK"), (0x400, "ST_NOATIME"),
        (0x800, "ST_NODIRATIME"), (0x1000, "ST_RELATIME"), (0x2000, "ST_NOSYMFOLLOW"),
    ],
};

/// Commands of ioctl.
#[rustfmt::skip]
pub(crate) const IOCTLS: Names = Names {
    unknown: "_IOC_???",
    list: &[
        (0x5401, "TCGETS"), (0x5402, "TCSETS"), (0x5403, "TCSETSW"), (0x5404, "TCSETSF"),
        (0x5409, "TCSBRK"), (0x540a, "TCXONC"), (0x540b, "TCFLSH"), (0x540e, "TIOCSCTTY"),
        (0x540f, "TIOCGPGRP"), (0x5410, "TIOCSPGRP"), (0x5413, "TIOCGWINSZ"),
        (0x5414, "TIOCSWINSZ"), (0x541b, "FIONREAD"), (0x5422, "TIOCNOTTY"), (0x5421, "FIONBIO"),
        (0x5429, "TIOCGSID"), (0x5450, "FIONCLEX"), (0x5451, "FIOCLEX"), (0x5452, "FIOASYNC"),
        (0x2400, "PERF_EVENT_IOC_ENABLE"), (0x2401, "PERF_EVENT_IOC_DISABLE"),
        (0x2402, "PERF_EVENT_IOC_REFRESH"), (0x2403, "PERF_EVENT_IOC_RESET"),
        (0x40082404, "PERF_EVENT_IOC_PERIOD"), (0x2405, "PERF_EVENT_IOC_SET_OUTPUT"),
        (0x40082406, "PERF_EVENT_IOC_SET_FILTER"), (0x80082407, "PERF_EVENT_IOC_ID"),
        (0x40042408, "PERF_EVENT_IOC_SET_BPF"), (0x40042409, "PERF_EVENT_IOC_PAUSE_OUTPUT"),
        (0xc008240a, "PERF_EVENT_IOC_QUERY_BPF"),
        (0x4008240b, "PERF_EVENT_IOC_MODIFY_ATTRIBUTES"),
    ],
};
