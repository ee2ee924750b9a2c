//! rt_sigreturn: back from a handler.
//! Source: Linux 6.18 `arch/x86/kernel/signal_64.c` (`rt_sigreturn`, `restore_sigcontext`).

use perf_core::{Errno, TaskId};

use super::frame::{self, Restored};
use super::info::SigInfo;
use crate::arch::x86::fpu::{FXSAVE_BYTES, FpuState};
use crate::arch::x86::pt_regs::{RAX, USER_DS};
use crate::kernel::Kernel;
use crate::syscalls::Outcome;
use crate::uapi::signal::{MINSIGSTKSZ, SIGSEGV};

/// rt_sigreturn. A frame that cannot be read is answered with SIGSEGV.
pub(crate) fn sys_rt_sigreturn(
    kernel: &mut Kernel,
    task: TaskId,
    _args: &[u64; 6],
) -> Result<Outcome, Errno> {
    if restore_frame(kernel, task).is_err() {
        kernel.tasks.task_mut(task).regs.gpr[RAX] = 0;
        kernel.force_signal(task, SigInfo::from_kernel(SIGSEGV));
    }
    Ok(Outcome::RegistersSet)
}

fn restore_frame(kernel: &mut Kernel, task: TaskId) -> Result<(), Errno> {
    let current = kernel.tasks.task(task).regs;
    let mut bytes = [0; frame::SIGINFO];
    // The handler's RET has taken the return address.
    kernel.copy_from_user(current.sp().wrapping_sub(8), &mut bytes)?;
    let Restored { mut regs, fixes_ss, mask, altstack, fpstate } = frame::restore(&bytes, &current);
    if fixes_ss && !kernel.hw.is_valid_ss(kernel.this_cpu, regs.ss) {
        regs.ss = USER_DS;
    }
    kernel.set_blocked(task, mask);
    kernel.tasks.task_mut(task).regs = regs;
    restore_fpu(kernel, task, fpstate)?;
    // A stack that is refused leaves the old one (`restore_altstack`).
    let _refused = kernel.set_altstack(task, altstack, MINSIGSTKSZ);
    Ok(())
}

fn restore_fpu(kernel: &mut Kernel, task: TaskId, fpstate: u64) -> Result<(), Errno> {
    let mut state = FpuState::default();
    if fpstate != 0 {
        let format = kernel.hw.fpu_format();
        let mut image = vec![0; format.frame_bytes()];
        // A frame whose image is only an FXSAVE area may end where its page does.
        if kernel.copy_from_user(fpstate, &mut image).is_err() {
            image.truncate(FXSAVE_BYTES);
            kernel.copy_from_user(fpstate, &mut image)?;
        }
        state = FpuState::from_frame(&image, format).ok_or(Errno::EINVAL)?;
    }
    kernel.load_fpu(task, &state);
    Ok(())
}
