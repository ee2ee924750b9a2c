//! A native task and the two pipes to it.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::libc;

use super::NativeError;
use super::message::{Message, Reply};
use super::places::*;

/// A thread of the native program that waits for messages.
#[derive(Debug)]
pub(super) struct Agent {
    /// Thread id.
    pub(super) tid: i32,
    /// Process id.
    pub(super) pid: i32,
    /// Address of its message buffer.
    pub(super) buffer: u64,
    to: PipeWriter,
    from: PipeReader,
}

/// Our ends of two pipes, and the task's.
struct Pipes {
    to: PipeWriter,
    from: PipeReader,
    theirs: (PipeReader, PipeWriter),
}

impl Pipes {
    fn new() -> Result<Self, NativeError> {
        let (commands, to) = std::io::pipe().map_err(NativeError::Pipe)?;
        let (from, results) = std::io::pipe().map_err(NativeError::Pipe)?;
        Ok(Self { to, from, theirs: (commands, results) })
    }
}

/// What a clone makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clone {
    /// A process.
    Process,
    /// A thread, with this message buffer.
    Thread {
        /// Its address.
        buffer: u64,
    },
}

impl Agent {
    /// Starts the program as a process; it is to be waited for.
    ///
    /// # Errors
    /// [`NativeError`] where it cannot be started.
    pub(super) fn spawn(program: &Path) -> Result<Self, NativeError> {
        let Pipes { to, from, theirs: (commands, results) } = Pipes::new()?;
        let mut child = Command::new(program)
            .env_clear()
            .stdin(Stdio::from(commands))
            .stdout(Stdio::from(results))
            .stderr(Stdio::null())
            .spawn()
            .map_err(NativeError::Spawn)?;
        let pid = child.id() as i32;
        let mut agent = Self { tid: pid, pid, buffer: THREADS, to, from };
        match agent.hello() {
            Ok(()) => Ok(agent),
            Err(error) => {
                // A child that was not waited for can be killed and waited for.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Clones the task. The new one is our child, as this one is. `Err` in the result: what the
    /// kernel answered.
    ///
    /// # Errors
    /// [`NativeError`] where a task does not answer.
    pub(super) fn clone_task(&mut self, what: Clone) -> Result<Result<Self, i64>, NativeError> {
        let Pipes { to, from, theirs } = Pipes::new()?;
        let mut message = Message::default();
        let path = |fd: i32| format!("/proc/{}/fd/{fd}\0", std::process::id());
        let commands = message.bytes(path(theirs.0.as_raw_fd()).as_bytes());
        let results = message.bytes(path(theirs.1.as_raw_fd()).as_bytes());
        let at = |name: super::message::Bytes| name.address(self.buffer);
        let here = libc::AT_FDCWD as u64;
        // The first free descriptors: 3 and 4, which the new task expects.
        message.call(libc::SYS_openat, &[here, at(commands), libc::O_RDONLY as u64]);
        let opened = message.call(libc::SYS_openat, &[here, at(results), libc::O_WRONLY as u64]);
        let (flags, stack, buffer) = match what {
            Clone::Process => (libc::CLONE_PARENT | libc::SIGCHLD, 0, self.buffer),
            Clone::Thread { buffer } => {
                let flags = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
                (flags, buffer + THREAD_BYTES, buffer)
            }
        };
        let cloned = message.call(libc::SYS_clone, &[flags as u64, stack, 0, 0, 0, buffer]);
        for fd in [3, 4] {
            message.call(libc::SYS_close, &[fd]);
        }
        let reply = self.send(&message)?;
        if reply.result(opened) != 4 {
            return Err(NativeError::Unexpected("a pipe could not be opened by a task"));
        }
        let tid = match reply.result(cloned) {
            tid @ 1.. => tid as i32,
            refused => return Ok(Err(refused)),
        };
        let pid = if what == Clone::Process { tid } else { self.pid };
        let mut agent = Self { tid, pid, buffer, to, from };
        agent.hello()?;
        Ok(Ok(agent))
    }

    /// Has the calls of a message made.
    ///
    /// # Errors
    /// [`NativeError::Gone`] if the task does not answer.
    pub(super) fn send(&mut self, message: &Message) -> Result<Reply, NativeError> {
        self.post(message)?;
        self.receive()
    }

    /// Sends a message that may not be answered.
    ///
    /// # Errors
    /// [`NativeError::Gone`] if the task does not take it.
    pub(super) fn post(&mut self, message: &Message) -> Result<(), NativeError> {
        let bytes = message.encode().ok_or(NativeError::Unexpected("a message is too long"))?;
        self.to.write_all(&bytes).map_err(NativeError::Gone)
    }

    /// The next reply.
    ///
    /// # Errors
    /// [`NativeError::Gone`] if the task has ended.
    pub(super) fn receive(&mut self) -> Result<Reply, NativeError> {
        let mut reply = vec![0; MESSAGE_BYTES as usize];
        let mut here = 0;
        loop {
            let length = match reply[..here].first_chunk() {
                Some(length) => u64::from_le_bytes(*length),
                None => HEADER_BYTES as u64,
            };
            if !(HEADER_BYTES as u64..=MESSAGE_BYTES).contains(&length) {
                return Err(NativeError::Unexpected("a reply has no sensible length"));
            }
            if here >= length as usize {
                reply.truncate(here);
                return Ok(Reply(reply));
            }
            here += match self.from.read(&mut reply[here..]).map_err(NativeError::Gone)? {
                0 => return Err(NativeError::Gone(std::io::ErrorKind::UnexpectedEof.into())),
                bytes => bytes,
            };
        }
    }

    /// What a task says first.
    fn hello(&mut self) -> Result<(), NativeError> {
        self.receive().map(drop)
    }

    /// EXECVE of the program. `Err` in the result: what the kernel answered.
    ///
    /// # Errors
    /// [`NativeError`] where the task does not answer.
    pub(super) fn exec(&mut self) -> Result<Result<(), i64>, NativeError> {
        let mut message = Message::default();
        let exec = message.call(libc::SYS_execve, &[PATH, ARGUMENTS, ARGUMENTS + 8]);
        let reply = self.send(&message)?;
        // An empty message is the new program's hello.
        Ok(match reply.0.len() {
            HEADER_BYTES => {
                self.buffer = THREADS;
                Ok(())
            }
            _ => Err(reply.result(exec)),
        })
    }
}
