//! System V IPC: commands, limits and structures.
//! Source: Linux 6.18 `include/uapi/linux/{ipc,sem,msg,shm}.h`, `arch/x86/include/uapi/asm/sembuf.h`,
//! `include/uapi/asm-generic/{ipcbuf,msgbuf,shmbuf}.h`.

/// The key of what nobody else finds.
pub const IPC_PRIVATE: i32 = 0;
/// Make it where there is none.
pub const IPC_CREAT: u64 = 0o1000;
/// Fail where there is one.
pub const IPC_EXCL: u64 = 0o2000;
/// Do not wait.
pub const IPC_NOWAIT: u64 = 0o4000;

/// Remove.
pub const IPC_RMID: u64 = 0;
/// Set owner and mode.
pub const IPC_SET: u64 = 1;
/// Tell.
pub const IPC_STAT: u64 = 2;
/// Tell the limits.
pub const IPC_INFO: u64 = 3;

/// Bytes of `struct ipc64_perm`.
pub const IPC_PERM_BYTES: usize = 48;

/// Pid of the last operation.
pub const GETPID: u64 = 11;
/// Value.
pub const GETVAL: u64 = 12;
/// All values.
pub const GETALL: u64 = 13;
/// Waiters for a larger value.
pub const GETNCNT: u64 = 14;
/// Waiters for zero.
pub const GETZCNT: u64 = 15;
/// Set the value.
pub const SETVAL: u64 = 16;
/// Set all values.
pub const SETALL: u64 = 17;
/// As IPC_STAT, by index.
pub const SEM_STAT: u64 = 18;
/// What is in use.
pub const SEM_INFO: u64 = 19;
/// As SEM_STAT, for anyone.
pub const SEM_STAT_ANY: u64 = 20;
/// Undone when the process ends.
pub const SEM_UNDO: u16 = 0x1000;
/// Sets.
pub const SEMMNI: u32 = 32_000;
/// Semaphores of a set.
pub const SEMMSL: u32 = 32_000;
/// Semaphores of all sets.
pub const SEMMNS: u32 = SEMMNI * SEMMSL;
/// Operations of a call.
pub const SEMOPM: u32 = 500;
/// The largest value, and the largest that is undone.
pub const SEMVMX: i32 = 32_767;
/// Bytes of `struct sembuf`.
pub const SEMBUF_BYTES: usize = 6;
/// Bytes of `struct semid64_ds`.
pub const SEMID_DS_BYTES: usize = 104;

/// As IPC_STAT, by index.
pub const MSG_STAT: u64 = 11;
/// What is in use.
pub const MSG_INFO: u64 = 12;
/// As MSG_STAT, for anyone.
pub const MSG_STAT_ANY: u64 = 13;
/// Cut a message that is too long.
pub const MSG_NOERROR: u64 = 0o10000;
/// Any type but this.
pub const MSG_EXCEPT: u64 = 0o20000;
/// A copy of the message at a place, which stays.
pub const MSG_COPY: u64 = 0o40000;
/// Queues.
pub const MSGMNI: u32 = 32_000;
/// Bytes of a message.
pub const MSGMAX: u64 = 8192;
/// Bytes of a queue.
pub const MSGMNB: u64 = 16_384;
/// Bytes of `struct msqid64_ds`.
pub const MSQID_DS_BYTES: usize = 120;

/// Lock in memory.
pub const SHM_LOCK: u64 = 11;
/// Unlock.
pub const SHM_UNLOCK: u64 = 12;
/// As IPC_STAT, by index.
pub const SHM_STAT: u64 = 13;
/// What is in use.
pub const SHM_INFO: u64 = 14;
/// As SHM_STAT, for anyone.
pub const SHM_STAT_ANY: u64 = 15;
/// Attach for reading only.
pub const SHM_RDONLY: u64 = 0o10000;
/// Round the address down.
pub const SHM_RND: u64 = 0o20000;
/// In place of what is mapped there.
pub const SHM_REMAP: u64 = 0o40000;
/// Attach for execution.
pub const SHM_EXEC: u64 = 0o100_000;
/// Large pages.
pub const SHM_HUGETLB: u64 = 0o4000;
/// In the mode of a segment that goes with its last attachment.
pub const SHM_DEST: u32 = 0o1000;
/// In the mode of a segment that is locked.
pub const SHM_LOCKED: u32 = 0o2000;
/// Segments.
pub const SHMMNI: u32 = 4096;
/// Bytes of a segment, and pages of all.
pub const SHMMAX: u64 = u64::MAX - (1 << 24);
/// Bytes of `struct shmid64_ds`.
pub const SHMID_DS_BYTES: usize = 112;
