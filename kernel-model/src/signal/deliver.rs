//! Delivery before a return to user mode: default actions and entry into handlers.
//! Source: Linux 6.18 `kernel/signal.c` (`get_signal`), `arch/x86/kernel/signal.c`
//! (`arch_do_signal_or_restart`, `handle_signal`), `arch/x86/kernel/signal_64.c`
//! (`x64_setup_rt_frame`).

use perf_core::{Errno, TaskId};

use super::action::{Disposition, SigAction};
use super::frame::{self, FrameContents, StackChoice};
use super::info::SigInfo;
use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::pt_regs::{RAX, RDI, RDX, RSI, RSP, USER_CS, USER_DS};
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::syscalls::Outcome;
use crate::uapi::signal::{SIGKILL, SIGSEGV, sa, sigmask, ss};

/// RFLAGS that a handler starts without: DF, RF, TF.
const CLEARED_FLAGS: u64 = 0x400 | 0x1_0000 | 0x100;
/// Bytes of the SYSCALL instruction.
const SYSCALL_BYTES: u64 = 2;

/// What happened before a return to user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// No handler was entered; an interrupted call will be made again.
    Nothing,
    /// The registers are those of a handler's entry.
    HandlerEntered,
    /// The task has ended, and is off its CPU.
    TaskExited,
}

/// A signal that needs an action.
enum Due {
    Handler(SigInfo, SigAction),
    Death(ExitStatus),
    /// The thread alone ends, for another one that execs.
    ThreadDeath,
}

/// Delivers what is pending for the current task, whose registers are in `Task::regs`.
/// `interrupted` is what its system call came to, where a signal cut it short.
pub fn deliver_pending(
    kernel: &mut Kernel,
    task: TaskId,
    interrupted: Option<Outcome>,
) -> Delivery {
    let mut interrupted = interrupted;
    let mut delivery = Delivery::Nothing;
    loop {
        match get_signal(kernel, task) {
            Some(Due::Death(status)) => {
                kernel.exit_group(task, status);
                return Delivery::TaskExited;
            }
            Some(Due::ThreadDeath) => {
                kernel
                    .exit_thread(task, ExitStatus::Signaled { signal: SIGKILL as u8, core: false });
                return Delivery::TaskExited;
            }
            Some(Due::Handler(info, action)) => {
                if let Some(outcome) = interrupted.take() {
                    settle_interrupted(kernel, task, &outcome, &action);
                }
                if handle_signal(kernel, task, &info, &action) {
                    delivery = Delivery::HandlerEntered;
                }
            }
            None => break,
        }
    }
    if let Some(Outcome::Interrupted | Outcome::InterruptedNoHand) = interrupted {
        rewind_syscall(kernel, task);
    }
    if let Some(mask) = kernel.tasks.task_mut(task).saved_mask.take() {
        kernel.set_blocked(task, mask);
    }
    delivery
}

/// Takes the next signal that is not ignored (`get_signal`).
fn get_signal(kernel: &mut Kernel, task: TaskId) -> Option<Due> {
    loop {
        if let Some(status) = kernel.tasks.process_of(task).exiting {
            return Some(Due::Death(status));
        }
        if kernel.tasks.process_of(task).ends_for_exec(task) {
            return Some(Due::ThreadDeath);
        }
        let info = dequeue(kernel, task)?;
        let signal = info.si_signo;
        let action = kernel.tasks.process_of_mut(task).handlers.take_for_delivery(signal);
        match action.disposition(signal) {
            // Stops are refused where they are sent; one that became a stop since then
            // has no effect.
            Disposition::Ignore | Disposition::Stop => {}
            Disposition::Terminate { core } => {
                let core = core && crate::syscalls::core_limit() > 0;
                return Some(Due::Death(ExitStatus::Signaled { signal: signal as u8, core }));
            }
            Disposition::Handle(action) => return Some(Due::Handler(info, action)),
        }
    }
}

/// Own faults first, then the thread's queue, then the process's.
pub(super) fn dequeue(kernel: &mut Kernel, task: TaskId) -> Option<SigInfo> {
    let entry = kernel.tasks.task_mut(task);
    let blocked = entry.blocked;
    entry
        .pending
        .dequeue_synchronous(blocked)
        .or_else(|| entry.pending.dequeue(blocked))
        .or_else(|| kernel.tasks.process_of_mut(task).pending.dequeue(blocked))
}

/// Decides what a handler's return leads to: EINTR or the call made again.
fn settle_interrupted(kernel: &mut Kernel, task: TaskId, outcome: &Outcome, action: &SigAction) {
    match outcome {
        Outcome::Interrupted if action.has(sa::RESTART) => rewind_syscall(kernel, task),
        Outcome::Interrupted | Outcome::InterruptedNoHand => {
            let eintr = Errno::EINTR.to_syscall() as u64;
            kernel.tasks.task_mut(task).regs.gpr[RAX] = eintr;
        }
        Outcome::Done(_) | Outcome::Wait(_) | Outcome::RegistersSet | Outcome::Exited => {}
    }
}

/// Makes the task execute its SYSCALL instruction again.
fn rewind_syscall(kernel: &mut Kernel, task: TaskId) {
    let regs = &mut kernel.tasks.task_mut(task).regs;
    regs.gpr[RAX] = regs.orig_ax;
    regs.ip = regs.ip.wrapping_sub(SYSCALL_BYTES);
}

/// Enters a handler; `false` where its frame could not be written, which kills with
/// SIGSEGV unless that has a handler that can run.
fn handle_signal(kernel: &mut Kernel, task: TaskId, info: &SigInfo, action: &SigAction) -> bool {
    if setup_rt_frame(kernel, task, info, action).is_err() {
        let segv = SigInfo::from_kernel(SIGSEGV);
        if info.si_signo == SIGSEGV {
            kernel.force_fatal_signal(task, segv);
        } else {
            kernel.force_signal(task, segv);
        }
        return false;
    }
    kernel.load_fpu(task, &FpuState::default());
    let entry = kernel.tasks.task_mut(task);
    entry.regs.flags &= !CLEARED_FLAGS;
    entry.saved_mask = None;
    if entry.altstack.2 & ss::AUTODISARM != 0 {
        entry.altstack = (0, 0, ss::DISABLE);
    }
    let own = if action.has(sa::NODEFER) { 0 } else { sigmask(info.si_signo) };
    let mask = entry.blocked | action.mask | own;
    kernel.set_blocked(task, mask);
    true
}

/// Writes vector state and frame to the stack and sets the registers for the handler.
fn setup_rt_frame(
    kernel: &mut Kernel,
    task: TaskId,
    info: &SigInfo,
    action: &SigAction,
) -> Result<(), Errno> {
    if !action.has(sa::RESTORER) {
        return Err(Errno::EFAULT);
    }
    let fpu = kernel.hw.fpu_format();
    let entry = kernel.tasks.task(task);
    let choice =
        if action.has(sa::ONSTACK) { StackChoice::Alternate } else { StackChoice::Current };
    let place = frame::place(entry.regs.sp(), entry.altstack, choice, fpu).ok_or(Errno::EFAULT)?;
    let contents = FrameContents {
        restorer: action.restorer,
        regs: entry.regs,
        mask: entry.saved_mask.unwrap_or(entry.blocked),
        altstack: entry.altstack,
        trap: entry.trap,
        fpstate: place.fpstate,
        fpu,
        siginfo: action.has(sa::SIGINFO).then(|| info.to_bytes()),
    };
    let image = kernel.save_fpu(task).to_frame(fpu);
    kernel.copy_to_user(place.fpstate, &image)?;
    kernel.copy_to_user(place.frame, &contents.to_bytes())?;
    let regs = &mut kernel.tasks.task_mut(task).regs;
    regs.gpr[RDI] = u64::from(info.si_signo);
    regs.gpr[RSI] = place.frame + frame::SIGINFO as u64;
    regs.gpr[RDX] = place.frame + frame::UCONTEXT as u64;
    regs.gpr[RAX] = 0;
    regs.gpr[RSP] = place.frame;
    regs.ip = action.handler;
    regs.cs = USER_CS;
    regs.ss = USER_DS;
    Ok(())
}
