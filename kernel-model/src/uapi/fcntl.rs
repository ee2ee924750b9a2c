//! Flags of open, commands of fcntl, flags of the `*at` calls.
//! Source: Linux 6.18 `include/uapi/asm-generic/fcntl.h`, `include/uapi/linux/fcntl.h`.

/// Mask of the access mode.
pub const O_ACCMODE: u32 = 3;
/// Write only.
pub const O_WRONLY: u32 = 1;
/// Read and write.
pub const O_RDWR: u32 = 2;
/// Creates the file.
pub const O_CREAT: u32 = 0o100;
/// The file must be new.
pub const O_EXCL: u32 = 0o200;
/// Not as controlling terminal.
pub const O_NOCTTY: u32 = 0o400;
/// Empties the file.
pub const O_TRUNC: u32 = 0o1000;
/// Writes at the end.
pub const O_APPEND: u32 = 0o2000;
/// Does not wait.
pub const O_NONBLOCK: u32 = 0o4000;
/// Sends SIGIO (`FASYNC`).
pub const O_ASYNC: u32 = 0o20000;
/// Past the cache.
pub const O_DIRECT: u32 = 0o40000;
/// Files beyond 2 GiB; set for every 64-bit program.
pub const O_LARGEFILE: u32 = 0o100_000;
/// Only a directory.
pub const O_DIRECTORY: u32 = 0o200_000;
/// Not through a symbolic link.
pub const O_NOFOLLOW: u32 = 0o400_000;
/// No access times.
pub const O_NOATIME: u32 = 0o1_000_000;
/// Closed at exec.
pub const O_CLOEXEC: u32 = 0o2_000_000;
/// Only a place in the file system.
pub const O_PATH: u32 = 0o10_000_000;
/// A file without a name (`__O_TMPFILE | O_DIRECTORY`).
pub const O_TMPFILE: u32 = 0o20_000_000 | O_DIRECTORY;
/// Flags that F_SETFL may change (`SETFL_MASK`).
pub const SETFL_MASK: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

/// Duplicates a descriptor.
pub const F_DUPFD: u64 = 0;
/// Reads the descriptor's flags.
pub const F_GETFD: u64 = 1;
/// Sets the descriptor's flags.
pub const F_SETFD: u64 = 2;
/// Reads the open file's flags.
pub const F_GETFL: u64 = 3;
/// Sets the open file's flags.
pub const F_SETFL: u64 = 4;
/// Asks for a lock in the way.
pub const F_GETLK: u64 = 5;
/// Takes or gives back a lock.
pub const F_SETLK: u64 = 6;
/// The same, and waits.
pub const F_SETLKW: u64 = 7;
/// Who gets SIGIO: a process, or a group where negative.
pub const F_SETOWN: u64 = 8;
/// The same, read.
pub const F_GETOWN: u64 = 9;
/// Which signal instead of SIGIO.
pub const F_SETSIG: u64 = 10;
/// The same, read.
pub const F_GETSIG: u64 = 11;
/// Who gets SIGIO, with a type.
pub const F_SETOWN_EX: u64 = 15;
/// The same, read.
pub const F_GETOWN_EX: u64 = 16;
/// Asks for a lock in the way of an open file's.
pub const F_OFD_GETLK: u64 = 36;
/// Takes or gives back a lock of an open file.
pub const F_OFD_SETLK: u64 = 37;
/// The same, and waits.
pub const F_OFD_SETLKW: u64 = 38;
/// Sets a lease.
pub const F_SETLEASE: u64 = 1024;
/// Reads it.
pub const F_GETLEASE: u64 = 1025;
/// Asks to be told of changes in a directory.
pub const F_NOTIFY: u64 = 1026;
/// Duplicates a descriptor that is closed at exec.
pub const F_DUPFD_CLOEXEC: u64 = 1030;
/// Sets the bytes of a pipe.
pub const F_SETPIPE_SZ: u64 = 1031;
/// Bytes of a pipe.
pub const F_GETPIPE_SZ: u64 = 1032;
/// Add seals.
pub const F_ADD_SEALS: u64 = 1033;
/// Get the seals.
pub const F_GET_SEALS: u64 = 1034;

/// The flag of a descriptor that is closed at exec.
pub const FD_CLOEXEC: u64 = 1;

/// Type of `struct f_owner_ex`: a thread.
pub const F_OWNER_TID: i32 = 0;
/// A process.
pub const F_OWNER_PID: i32 = 1;
/// A process group.
pub const F_OWNER_PGRP: i32 = 2;

/// The working directory as directory descriptor.
pub const AT_FDCWD: i32 = -100;
/// Does not follow a symbolic link.
pub const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
/// With the effective ids.
pub const AT_EACCESS: u64 = 0x200;
/// unlinkat: the name is a directory's.
pub const AT_REMOVEDIR: u64 = 0x200;
/// Follows a symbolic link.
pub const AT_SYMLINK_FOLLOW: u64 = 0x400;
/// Triggers no automount.
pub const AT_NO_AUTOMOUNT: u64 = 0x800;
/// The descriptor itself.
pub const AT_EMPTY_PATH: u64 = 0x1000;
/// How fresh statx's answer is to be.
pub const AT_STATX_SYNC_TYPE: u64 = 0x6000;
