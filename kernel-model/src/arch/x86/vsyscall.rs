//! The vsyscall page: three functions at fixed addresses, which old programs call. It can only be
//! executed, and what is executed is the kernel's emulation (`vsyscall=xonly`).
//! Source: Linux 6.18 `arch/x86/entry/vsyscall/vsyscall_64.c`.

use perf_core::{Errno, TaskId};

use super::pt_regs::{RAX, RSP};
use crate::kernel::Kernel;
use crate::signal::SigInfo;
use crate::syscalls::{self, Outcome};
use crate::task::InSyscall;
use crate::uapi::signal::SIGSEGV;

/// Where the page is.
const VSYSCALL_ADDR: u64 = 0xffff_ffff_ff60_0000;
/// Bits of an address that tell the functions apart.
const WHICH: u64 = 0xc00;
const WHICH_SHIFT: u32 = 10;
/// gettimeofday, time, getcpu.
const SYSCALLS: [u64; 3] = [96, 201, 309];
/// Error code of a page fault: an instruction was fetched.
const PF_INSTR: u32 = 1 << 4;
/// Bytes of a return address.
const WORD: u64 = 8;

/// The page's line of `/proc/PID/maps`.
pub const MAPS_LINE: &str =
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

/// The system call that an address of the page stands for.
const fn syscall_of(addr: u64) -> Option<u64> {
    if addr & !WHICH != VSYSCALL_ADDR {
        return None;
    }
    let which = ((addr & WHICH) >> WHICH_SHIFT) as usize;
    if which < SYSCALLS.len() { Some(SYSCALLS[which]) } else { None }
}

impl Kernel {
    /// Does the work of a function of the page, and returns from it. Tells whether the fault was
    /// such a call (`emulate_vsyscall`).
    pub(super) fn emulate_vsyscall(&mut self, task: TaskId, addr: u64, error: u32) -> bool {
        let regs = self.tasks.task(task).regs;
        if error & PF_INSTR == 0 || regs.ip != addr {
            return false;
        }
        let Some(nr) = syscall_of(addr) else { return false };
        if self.run_vsyscall(task, nr).is_err() {
            self.force_signal(task, SigInfo::from_kernel(SIGSEGV));
        }
        true
    }

    fn run_vsyscall(&mut self, task: TaskId, nr: u64) -> Result<(), Errno> {
        let regs = self.tasks.task(task).regs;
        let caller = self.read_user_u64(regs.sp())?;
        let call = InSyscall::numbered(nr, regs.args());
        self.tasks.task_mut(task).syscall = Some(call);
        let outcome = syscalls::dispatch(self, task);
        let entry = self.tasks.task_mut(task);
        entry.syscall = None;
        let value = match outcome {
            Outcome::Done(Err(Errno::EFAULT)) => return Err(Errno::EFAULT),
            Outcome::Done(Err(errno)) => errno.to_syscall() as u64,
            Outcome::Done(Ok(value)) => value,
            // None of the three waits.
            _ => return Err(Errno::EFAULT),
        };
        entry.regs.gpr[RAX] = value;
        entry.regs.ip = caller;
        entry.regs.gpr[RSP] = regs.sp().wrapping_add(WORD);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_functions() {
        for (offset, want) in
            [(0, Some(96)), (0x400, Some(201)), (0x800, Some(309)), (0xc00, None), (1, None)]
        {
            assert_eq!(syscall_of(VSYSCALL_ADDR + offset), want, "{offset:#x}");
        }
        assert_eq!(syscall_of(0x400), None);
    }
}
