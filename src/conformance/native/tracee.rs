//! The process in which cases run: an ordinary small program that is taken over
//! before it does anything, and gets other memory and the stub to run.

use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::super::layout::*;
use super::places::*;
use super::remote::{self, Remote};
use super::stub::{self, Stub};
use super::{BaseAccess, NativeError, refused};

/// A program that every Linux has and that waits until its input is closed, so that
/// it ends with us even if it could not be taken over.
const PROGRAM: &str = "cat";
/// Signals that processor exceptions become.
const SIGNALS: [Signal; 5] =
    [Signal::SIGTRAP, Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL];

const READ: u64 = libc::PROT_READ as u64;
const READ_WRITE: u64 = READ | libc::PROT_WRITE as u64;
const READ_EXECUTE: u64 = READ | libc::PROT_EXEC as u64;
const ALL_RIGHTS: u64 = READ_WRITE | libc::PROT_EXEC as u64;

/// What is mapped: first byte, bytes, rights.
const MAPPINGS: [(u64, u64, u64); 9] = [
    (CODE, CODE_BYTES, ALL_RIGHTS),
    (DATA, DATA_BYTES + READ_ONLY_BYTES, READ_WRITE),
    (STACK, STACK_BYTES, READ_WRITE),
    (STUB, STUB_BYTES, READ_WRITE),
    (CONTROL, 0x1000, READ_WRITE),
    (SIGNAL_STACK, SIGNAL_STACK_BYTES, READ_WRITE),
    (IMAGE, IMAGE_BYTES as u64, READ_WRITE),
    (INPUT, INPUT_BYTES, READ_WRITE),
    (OUTPUT, OUTPUT_BYTES, READ_WRITE),
];

/// A process that runs batches. It is killed when this is dropped, and by the kernel
/// when the thread that started it ends.
pub(super) struct Tracee {
    child: Child,
    /// It has been waited for: its pid may be another's.
    gone: bool,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchEnd {
    /// All its cases have run.
    Complete,
    /// The process is gone.
    Died,
}

impl Tracee {
    /// Starts a process and prepares it; it is stopped before its first batch.
    ///
    /// # Errors
    /// [`NativeError::Refused`] where the kernel does not allow it.
    pub(super) fn start(
        image: &[u8],
        read_only: &[u8],
        bases: BaseAccess,
    ) -> Result<Self, NativeError> {
        let child = Command::new(PROGRAM)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(NativeError::Spawn)?;
        let mut tracee = Self { child, gone: false };
        let stub = stub::assemble(bases).map_err(|error| NativeError::Stub(error.to_string()))?;
        let pid = tracee.pid();
        let mut remote = Remote::seize(pid)?;
        remote.call(
            "prctl",
            libc::SYS_prctl,
            [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64, 0, 0, 0, 0],
        )?;
        map(&mut remote, pid, &stub)?;
        unmap_the_rest(&mut remote, pid)?;
        remote::write(pid, &[(IMAGE, image), (READ_ONLY, read_only)])?;
        remote.call("mprotect", libc::SYS_mprotect, [READ_ONLY, READ_ONLY_BYTES, READ, 0, 0, 0])?;
        handle_signals(&mut remote, pid, &stub)?;
        remote.detach(stub.start, SIGNAL_STACK + SIGNAL_STACK_BYTES, [FS_BASE, GS_BASE])?;
        match tracee.wait()? {
            BatchEnd::Complete => Ok(tracee),
            BatchEnd::Died => Err(NativeError::Unexpected(String::from("the stub died"))),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Runs the `count` cases that lie in the input slots.
    ///
    /// # Errors
    /// [`NativeError`] where the process cannot be reached.
    pub(super) fn run(&mut self, count: usize) -> Result<BatchEnd, NativeError> {
        let mut control = [0; 16];
        control[..8].copy_from_slice(&(count as u64).to_le_bytes());
        remote::write(self.pid(), &[(CONTROL + COUNT, &control)])?;
        kill(self.pid(), Signal::SIGCONT).map_err(refused("kill"))?;
        self.wait()
    }

    /// Waits for the stop before the next batch.
    fn wait(&mut self) -> Result<BatchEnd, NativeError> {
        match waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).map_err(refused("waitpid"))? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(BatchEnd::Complete),
            WaitStatus::Signaled(..) | WaitStatus::Exited(..) => {
                self.gone = true;
                Ok(BatchEnd::Died)
            }
            other => Err(NativeError::Unexpected(format!("{other:?}"))),
        }
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if !self.gone {
            // A child that was not waited for can be killed and waited for.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn map(remote: &mut Remote, pid: Pid, stub: &Stub) -> Result<(), NativeError> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    for (at, bytes, rights) in MAPPINGS {
        let arguments = [at, bytes, rights, flags as u64, u64::MAX, 0];
        remote.call("mmap", libc::SYS_mmap, arguments)?;
    }
    remote::write(pid, &[(STUB, &stub.code)])?;
    let arguments = [STUB, STUB_BYTES, READ_EXECUTE, 0, 0, 0];
    remote.call("mprotect", libc::SYS_mprotect, arguments)?;
    remote.move_to(stub.syscall);
    Ok(())
}

/// Unmaps what the program brought along, so that a wild access faults. What the
/// kernel does not give up (sealed mappings) stays.
fn unmap_the_rest(remote: &mut Remote, pid: Pid) -> Result<(), NativeError> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(NativeError::Spawn)?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let ranges = maps.lines().filter_map(|line| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        Some((hex(from)?, hex(to)?))
    });
    let ours =
        |at: u64| MAPPINGS.iter().any(|&(from, bytes, _)| (from..from + bytes).contains(&at));
    for (from, to) in ranges.filter(|&(from, _)| !ours(from)) {
        match remote.call("munmap", libc::SYS_munmap, [from, to - from, 0, 0, 0, 0]) {
            Ok(_) | Err(NativeError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives the stub's handler all exceptions, on its own stack, never blocked.
fn handle_signals(remote: &mut Remote, pid: Pid, stub: &Stub) -> Result<(), NativeError> {
    const SA_RESTORER: u64 = 0x0400_0000;
    let scratch = CONTROL + SCRATCH;
    let stack: Vec<u8> =
        [SIGNAL_STACK, 0, SIGNAL_STACK_BYTES].iter().flat_map(|word| word.to_le_bytes()).collect();
    remote::write(pid, &[(scratch, &stack)])?;
    remote.call("sigaltstack", libc::SYS_sigaltstack, [scratch, 0, 0, 0, 0, 0])?;
    let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER) as u64 | SA_RESTORER;
    let action: Vec<u8> =
        [stub.handler, flags, stub.handler, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    remote::write(pid, &[(scratch, &action)])?;
    for signal in SIGNALS {
        let arguments = [signal as u64, scratch, 0, 8, 0, 0];
        remote.call("rt_sigaction", libc::SYS_rt_sigaction, arguments)?;
    }
    // Whatever the parent had blocked.
    remote::write(pid, &[(scratch, &[0; 8])])?;
    let arguments = [libc::SIG_SETMASK as u64, scratch, 0, 8, 0, 0];
    remote.call("rt_sigprocmask", libc::SYS_rt_sigprocmask, arguments)?;
    Ok(())
}
