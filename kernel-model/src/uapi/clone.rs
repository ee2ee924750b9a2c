//! Flags of clone and `struct clone_args`.
//! Source: Linux 6.18 `include/uapi/linux/sched.h`.

/// The signal at the child's end, in clone's flags.
pub const CSIGNAL: u64 = 0xff;
/// Shares the memory.
pub const CLONE_VM: u64 = 0x100;
/// Shares root, working directory and umask.
pub const CLONE_FS: u64 = 0x200;
/// Shares the descriptors.
pub const CLONE_FILES: u64 = 0x400;
/// Shares the signal handlers.
pub const CLONE_SIGHAND: u64 = 0x800;
/// A pidfd for the child.
pub const CLONE_PIDFD: u64 = 0x1000;
/// The tracer follows.
pub const CLONE_PTRACE: u64 = 0x2000;
/// The caller waits until the child gives the memory back.
pub const CLONE_VFORK: u64 = 0x4000;
/// The caller's parent is the child's parent.
pub const CLONE_PARENT: u64 = 0x8000;
/// A thread of the caller's process.
pub const CLONE_THREAD: u64 = 0x1_0000;
/// A mount namespace of its own.
pub const CLONE_NEWNS: u64 = 0x2_0000;
/// Shares System V undo values.
pub const CLONE_SYSVSEM: u64 = 0x4_0000;
/// The FS base is given.
pub const CLONE_SETTLS: u64 = 0x8_0000;
/// Stores the tid in the parent's memory.
pub const CLONE_PARENT_SETTID: u64 = 0x10_0000;
/// Zeroes the tid in the child's memory at its end and wakes.
pub const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
/// Without effect.
pub const CLONE_DETACHED: u64 = 0x40_0000;
/// The tracer cannot follow.
pub const CLONE_UNTRACED: u64 = 0x80_0000;
/// Stores the tid in the child's memory.
pub const CLONE_CHILD_SETTID: u64 = 0x100_0000;
/// The namespaces (cgroup, UTS, IPC, user, PID, net, time): not built.
pub const CLONE_NEW_NAMESPACES: u64 = CLONE_NEWNS | 0x7e00_0000 | CLONE_NEWTIME;
/// A time namespace; within the bits of the signal, so only for clone3.
pub const CLONE_NEWTIME: u64 = 0x80;
/// Shares the I/O context.
pub const CLONE_IO: u64 = 0x8000_0000;
/// All handlers become the default (clone3).
pub const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// A chosen cgroup (clone3).
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Bytes of `struct clone_args` in its versions.
pub const CLONE_ARGS_SIZE_VER0: u64 = 64;
/// With `set_tid`.
pub const CLONE_ARGS_SIZE_VER1: u64 = 80;
/// With `cgroup`.
pub const CLONE_ARGS_SIZE_VER2: u64 = 88;

/// What a new task is to be (`struct kernel_clone_args`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneArgs {
    /// Flags, without the signal.
    pub flags: u64,
    /// Where the pidfd number goes.
    pub pidfd: u64,
    /// Where the tid goes in the child's memory.
    pub child_tid: u64,
    /// Where the tid goes in the parent's memory.
    pub parent_tid: u64,
    /// Signal at the child's end.
    pub exit_signal: u64,
    /// The child's stack pointer, or 0 for the parent's.
    pub stack: u64,
    /// FS base with [`CLONE_SETTLS`].
    pub tls: u64,
    /// The id that the new task is to have (`set_tid`).
    pub set_tid: Option<u32>,
}
