//! System calls made in another process: it is stopped by ptrace, its registers are
//! those of the call, and it executes `SYSCALL; INT3`.

use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{NativeError, refused};

/// `SYSCALL; INT3` and padding.
const SYSCALL_INT3: i64 = 0x9090_9090_90cc_050f_u64 as i64;

/// A stopped tracee that makes system calls for us.
pub(super) struct Remote {
    pid: Pid,
    registers: libc::user_regs_struct,
}

impl Remote {
    /// Takes a process over, wherever it is, and lets it start its program again: it
    /// is then stopped before its first instruction, and has asked the kernel for
    /// nothing yet (glibc registers memory for restartable sequences, for instance).
    ///
    /// # Errors
    /// [`NativeError::Refused`] where the kernel does not allow it.
    pub(super) fn seize(pid: Pid) -> Result<Self, NativeError> {
        let options = ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACEEXEC;
        ptrace::seize(pid, options).map_err(refused("PTRACE_SEIZE"))?;
        ptrace::interrupt(pid).map_err(refused("PTRACE_INTERRUPT"))?;
        match waitpid(pid, None).map_err(refused("waitpid"))? {
            WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..) => {}
            other => return Err(NativeError::Unexpected(format!("{other:?}"))),
        }
        Self::where_it_stands(pid)?.start_again()
    }

    /// Makes the process ready for system calls at its present RIP.
    fn where_it_stands(pid: Pid) -> Result<Self, NativeError> {
        let mut registers = ptrace::getregs(pid).map_err(refused("PTRACE_GETREGS"))?;
        registers.rip &= !7;
        // The word may be the middle of an instruction: nothing of it runs again.
        let at = registers.rip as ptrace::AddressType;
        ptrace::write(pid, at, SYSCALL_INT3).map_err(refused("PTRACE_POKETEXT"))?;
        Ok(Self { pid, registers })
    }

    /// EXECVE of the program that the process runs, without arguments.
    fn start_again(self) -> Result<Self, NativeError> {
        const ROOM: u64 = 0x2000;
        let program = std::fs::read_link(format!("/proc/{}/exe", self.pid));
        let mut path = program.map_err(NativeError::Spawn)?.into_os_string().into_vec();
        path.resize(path.len().next_multiple_of(8) + 8, 0);
        let at = (self.registers.rsp - ROOM) & !0xf;
        let arguments: Vec<u8> = [at, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        let argv = at + path.len() as u64;
        write(self.pid, &[(at, &path), (argv, &arguments)])?;
        self.begin(libc::SYS_execve, [at, argv, argv + 8, 0, 0, 0])?;
        match waitpid(self.pid, None).map_err(refused("waitpid"))? {
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => {}
            other => return Err(NativeError::Unexpected(format!("execve: {other:?}"))),
        }
        let fresh = Self::where_it_stands(self.pid)?;
        // RAX is set once more on the way out of EXECVE: that way ends at the INT3.
        let mut regs = fresh.registers;
        regs.rip += 2;
        ptrace::setregs(self.pid, regs).map_err(refused("PTRACE_SETREGS"))?;
        ptrace::cont(self.pid, None).map_err(refused("PTRACE_CONT"))?;
        fresh.wait_for_int3("execve")?;
        Ok(fresh)
    }

    /// Makes later calls with the `SYSCALL; INT3` at another address.
    pub(super) fn move_to(&mut self, syscall: u64) {
        self.registers.rip = syscall;
    }

    /// Makes a system call.
    ///
    /// # Errors
    /// [`NativeError::Refused`] with what the call answered.
    pub(super) fn call(
        &mut self,
        what: &'static str,
        number: i64,
        arguments: [u64; 6],
    ) -> Result<u64, NativeError> {
        self.begin(number, arguments)?;
        self.wait_for_int3(what)?;
        let answer = ptrace::getregs(self.pid).map_err(refused("PTRACE_GETREGS"))?.rax as i64;
        if (-4095..0).contains(&answer) {
            return Err(NativeError::Refused { what, errno: Errno::from_raw(-answer as i32) });
        }
        Ok(answer as u64)
    }

    fn wait_for_int3(&self, what: &'static str) -> Result<(), NativeError> {
        match waitpid(self.pid, None).map_err(refused("waitpid"))? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(()),
            other => Err(NativeError::Unexpected(format!("{what}: {other:?}"))),
        }
    }

    /// Lets the process start a system call.
    fn begin(&self, number: i64, arguments: [u64; 6]) -> Result<(), NativeError> {
        let mut regs = self.registers;
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = arguments;
        regs.rax = number as u64;
        // No system call is under way that could be restarted.
        regs.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, regs).map_err(refused("PTRACE_SETREGS"))?;
        ptrace::cont(self.pid, None).map_err(refused("PTRACE_CONT"))
    }

    /// Lets the process go on at `rip` with the stack pointer `rsp` and these bases
    /// of FS and GS, untraced.
    ///
    /// # Errors
    /// [`NativeError::Refused`] where ptrace fails.
    pub(super) fn detach(self, rip: u64, rsp: u64, bases: [u64; 2]) -> Result<(), NativeError> {
        let mut regs = self.registers;
        [regs.fs_base, regs.gs_base] = bases;
        (regs.rip, regs.rsp, regs.orig_rax) = (rip, rsp, u64::MAX);
        ptrace::setregs(self.pid, regs).map_err(refused("PTRACE_SETREGS"))?;
        ptrace::detach(self.pid, None).map_err(refused("PTRACE_DETACH"))
    }
}

/// Writes memory of a process.
///
/// # Errors
/// [`NativeError::Refused`] where the kernel does not allow it.
pub(super) fn write(pid: Pid, parts: &[(u64, &[u8])]) -> Result<(), NativeError> {
    let local: Vec<IoSlice<'_>> = parts.iter().map(|(_, bytes)| IoSlice::new(bytes)).collect();
    let remote: Vec<RemoteIoVec> =
        parts.iter().map(|(at, bytes)| range(*at, bytes.len())).collect();
    let wanted: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
    let written = process_vm_writev(pid, &local, &remote).map_err(refused("process_vm_writev"))?;
    if written == wanted { Ok(()) } else { Err(NativeError::Short) }
}

/// Reads memory of a process.
///
/// # Errors
/// [`NativeError::Refused`] where the kernel does not allow it.
pub(in crate::conformance) fn read(pid: Pid, at: u64, into: &mut [u8]) -> Result<(), NativeError> {
    let wanted = into.len();
    let remote = [range(at, wanted)];
    let read = process_vm_readv(pid, &mut [IoSliceMut::new(into)], &remote)
        .map_err(refused("process_vm_readv"))?;
    if read == wanted { Ok(()) } else { Err(NativeError::Short) }
}

fn range(at: u64, len: usize) -> RemoteIoVec {
    RemoteIoVec { base: at as usize, len }
}
