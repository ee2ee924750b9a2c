//! What a blocked system call waits for.
//!
//! A call that cannot complete says what it waits for and is run again from its
//! start when that happens; [`super::InSyscall`] keeps what must survive.

use perf_core::{EventId, TaskId};

use super::ProcessId;
use crate::fs::inode::InodeId;
use crate::ipc::mqueue::MqId;
use crate::timer::file::TimerFdId;

/// Something that wakes waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// A pipe (or socket) became readable or writable; its number.
    Pipe(u32),
    /// A child of the process changed its state.
    Child(ProcessId),
    /// A futex word: the address space (or physical frame for shared ones) and address.
    Futex {
        /// Address space number, or the frame number with the top bit set.
        space: u64,
        /// Address (or offset within the frame).
        address: u64,
    },
    /// A perf event's buffer or state.
    PerfEvent(EventId),
    /// A thread of the process has ended, while another waits in exec.
    Exec(ProcessId),
    /// A lock on a file was given back.
    Lock(InodeId),
    /// What a task waits for in System V IPC is done; the task.
    Ipc(TaskId),
    /// A POSIX message queue has changed.
    Mqueue(MqId),
    /// A timer descriptor's timer has ended.
    TimerFd(TimerFdId),
    /// A signal was sent, which a signalfd may tell of.
    Signals,
    /// A process or thread has ended, or has been waited for.
    Pidfd(u32),
    /// A process has used more CPU time.
    CpuTime(ProcessId),
    /// A vfork child gave the memory back.
    Vfork(TaskId),
    /// Something has happened to a socket; its number.
    Socket(u32),
    /// An eventfd's counter has changed; its number.
    Eventfd(u32),
    /// An epoll instance has something; its number.
    Epoll(u32),
    /// The same, for those in epoll_wait, of whom one is woken.
    EpollWait(u32),
}

/// What a task waits for: any of the channels, or the deadline, or a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitFor {
    /// Channels, any of which wakes.
    pub channels: Vec<Channel>,
    /// Absolute time, ns since boot.
    pub deadline_ns: Option<u64>,
    /// Whether signals do not wake (vfork).
    pub uninterruptible: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeCause {
    /// A channel was woken.
    Channel(Channel),
    /// The deadline passed.
    Timeout,
    /// A signal is to be handled.
    Signal,
}
