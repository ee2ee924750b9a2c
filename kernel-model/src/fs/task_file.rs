//! Descriptors that tell of timers, signals and processes: timerfd, signalfd, pidfd.
//!
//! A [`TaskFile`] names what it tells of; the kernel answers reads and polls, as it alone knows.
//! Source: Linux 6.18 `fs/timerfd.c`, `fs/signalfd.c`, `fs/pidfs.c`.

use perf_core::{Errno, TaskId};

use super::file::{FileId, FileKind};
use super::io::IoResult;
use crate::ipc::mqueue::MqId;
use crate::kernel::Kernel;
use crate::signal::{SigFields, SigInfo};
use crate::task::TaskState;
use crate::task::wait::Channel;
use crate::timer::file::TimerFdId;
use crate::uapi::fcntl::O_EXCL;
use crate::uapi::poll::{POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};
use crate::uapi::{put, word_at};

/// Bytes of `struct signalfd_siginfo`.
const SIGNALFD_BYTES: usize = 128;

/// What a descriptor tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFile {
    /// A timer.
    Timer(TimerFdId),
    /// Signals of whoever reads.
    Signals {
        /// Which, a bit each.
        set: u64,
    },
    /// A POSIX message queue.
    Messages(MqId),
    /// A process, or with `O_EXCL` (`PIDFD_THREAD`) among the file's flags a thread.
    Pid {
        /// Its id, which no other one gets later.
        pid: u32,
    },
}

impl TaskFile {
    /// What wakes those who wait for it.
    pub(crate) const fn channel(self) -> Channel {
        match self {
            Self::Timer(id) => Channel::TimerFd(id),
            Self::Signals { .. } => Channel::Signals,
            Self::Messages(id) => Channel::Mqueue(id),
            Self::Pid { pid } => Channel::Pidfd(pid),
        }
    }

    /// Its name in `/proc/self/fd`.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Timer(_) => b"anon_inode:[timerfd]",
            Self::Signals { .. } => b"anon_inode:[signalfd]",
            Self::Messages(_) => b"/dev/mqueue",
            Self::Pid { .. } => b"anon_inode:[pidfd]",
        }
    }
}

/// How far a process or thread has got, as a descriptor of it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It lives.
    Lives,
    /// It has ended.
    Ended,
    /// It has been waited for.
    Gone,
}

impl Kernel {
    /// Poll bits.
    pub(super) fn poll_task_file(&self, id: FileId, file: TaskFile) -> u32 {
        match file {
            TaskFile::Timer(timer) => {
                let has_ended = self.timerfds.get(timer).is_some_and(|timer| timer.ticks > 0);
                if has_ended { POLLIN } else { 0 }
            }
            TaskFile::Signals { set } => {
                let Some(task) = self.current_on(self.this_cpu) else { return 0 };
                let own = self.tasks.task(task).pending.mask();
                let pending = own | self.tasks.process_of(task).pending.mask();
                if pending & set != 0 { POLLIN } else { 0 }
            }
            TaskFile::Messages(queue) => self.ipc.mqueues.get(queue).map_or(0, |queue| {
                let when = |condition, bits| if condition { bits } else { 0 };
                when(!queue.is_empty(), POLLIN | POLLRDNORM)
                    | when(!queue.is_full(), POLLOUT | POLLWRNORM)
            }),
            TaskFile::Pid { pid } => match self.life_of(pid, self.files.file(id).flags) {
                Life::Lives => 0,
                Life::Ended => POLLIN | POLLRDNORM,
                Life::Gone => POLLIN | POLLRDNORM | POLLHUP,
            },
        }
    }

    /// How far the process has got that a descriptor with these file flags names.
    pub(crate) fn life_of(&self, pid: u32, flags: u32) -> Life {
        let Some(task) = self.tasks.find_task_by_vpid(pid) else { return Life::Gone };
        let has_ended = if flags & O_EXCL != 0 {
            matches!(self.tasks.task(task).state, TaskState::Zombie(_))
        } else {
            self.tasks.process_of(task).zombie.is_some()
        };
        if has_ended { Life::Ended } else { Life::Lives }
    }

    /// Reads.
    pub(super) fn read_task_file(
        &mut self,
        id: FileId,
        file: TaskFile,
        out: &mut [u8],
    ) -> IoResult {
        let done = match file {
            TaskFile::Timer(timer) => match self.read_timerfd(timer, out.len()) {
                Err(errno) => return IoResult::Err(errno),
                Ok(None) => 0,
                Ok(Some(ticks)) => {
                    put(out, 0, ticks.to_le_bytes());
                    8
                }
            },
            TaskFile::Signals { .. } if out.len() < SIGNALFD_BYTES => {
                return IoResult::Err(Errno::EINVAL);
            }
            TaskFile::Signals { set } => self.read_signals(set, out),
            TaskFile::Messages(_) | TaskFile::Pid { .. } => return IoResult::Err(Errno::EINVAL),
        };
        match done {
            0 if self.files.file(id).is_nonblocking() => IoResult::Err(Errno::EAGAIN),
            0 => IoResult::WouldBlock,
            done => IoResult::Done(done),
        }
    }

    /// Takes as many of the reader's signals as there is room for.
    fn read_signals(&mut self, set: u64, out: &mut [u8]) -> usize {
        let Some(task) = self.current_on(self.this_cpu) else { return 0 };
        let mut done = 0;
        for room in out.chunks_exact_mut(SIGNALFD_BYTES) {
            let Some(info) = self.dequeue_signal(task, !set) else { break };
            room.copy_from_slice(&signalfd_siginfo(&info));
            done += SIGNALFD_BYTES;
        }
        done
    }

    /// The process that a descriptor names.
    ///
    /// # Errors
    /// EBADF for another kind of file.
    pub(crate) fn pidfd_of(&self, task: TaskId, fd: u64) -> Result<(u32, u32), Errno> {
        let id = self.tasks.process_of(task).files.get(fd as i32)?;
        let file = self.files.file(id);
        match file.kind {
            FileKind::Task(TaskFile::Pid { pid }) => Ok((pid, file.flags)),
            _ => Err(Errno::EBADF),
        }
    }
}

/// A `struct signalfd_siginfo` (`signalfd_copyinfo`).
fn signalfd_siginfo(info: &SigInfo) -> [u8; SIGNALFD_BYTES] {
    let mut bytes = [0; SIGNALFD_BYTES];
    put(&mut bytes, 0, info.si_signo.to_le_bytes());
    put(&mut bytes, 4, info.si_errno.to_le_bytes());
    put(&mut bytes, 8, info.si_code.to_le_bytes());
    let mut sender = |pid: u32, uid: u32| {
        put(&mut bytes, 12, pid.to_le_bytes());
        put(&mut bytes, 16, uid.to_le_bytes());
    };
    match info.fields {
        SigFields::None => {}
        SigFields::Kill { pid, uid } => sender(pid, uid),
        SigFields::Fault { addr } | SigFields::Perf { addr, .. } => {
            put(&mut bytes, 72, addr.to_le_bytes());
        }
        SigFields::Sys { call_addr, syscall, arch } => {
            put(&mut bytes, 84, syscall.to_le_bytes());
            put(&mut bytes, 88, call_addr.to_le_bytes());
            put(&mut bytes, 96, arch.to_le_bytes());
        }
        SigFields::Poll { band, fd } => {
            put(&mut bytes, 20, fd.to_le_bytes());
            put(&mut bytes, 28, (band as u32).to_le_bytes());
        }
        SigFields::Child { pid, uid, status, utime, stime } => {
            sender(pid, uid);
            put(&mut bytes, 40, status.to_le_bytes());
            put(&mut bytes, 56, utime.to_le_bytes());
            put(&mut bytes, 64, stime.to_le_bytes());
        }
        SigFields::Rt { pid, uid, value } => {
            sender(pid, uid);
            put_value(&mut bytes, value);
        }
        SigFields::Timer { id, overrun, value } => {
            put(&mut bytes, 24, id.to_le_bytes());
            put(&mut bytes, 32, overrun.to_le_bytes());
            put_value(&mut bytes, value);
        }
        SigFields::Raw(raw) => {
            let ids = word_at(&raw, 0);
            sender(ids as u32, (ids >> 32) as u32);
            put_value(&mut bytes, word_at(&raw, 8));
        }
    }
    bytes
}

/// A value, as a number and as a pointer.
fn put_value(bytes: &mut [u8], value: u64) {
    put(bytes, 44, (value as u32).to_le_bytes());
    put(bytes, 48, value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_signalfd_tells() {
        let rt = SigFields::Rt { pid: 7, uid: 8, value: 1 << 32 | 9 };
        let bytes = signalfd_siginfo(&SigInfo::new(40, -1, rt));
        let word = |at: usize| word_at(&bytes, at) as u32;
        assert_eq!([word(0), word(8), word(12), word(16), word(44)], [40, u32::MAX, 7, 8, 9]);
        assert_eq!(word_at(&bytes, 48), 1 << 32 | 9);
        let child = SigFields::Child { pid: 5, uid: 0, status: 3, utime: 1, stime: 2 };
        let bytes = signalfd_siginfo(&SigInfo::new(17, 1, child));
        assert_eq!([word_at(&bytes, 40) as u32, bytes[56].into(), bytes[64].into()], [3, 1, 2]);
    }
}
