//! Delivery before a return to user mode: default actions and entry into handlers.
//! Source: Linux 6.18 `kernel/signal.c` (`get_signal`), `arch/x86/kernel/signal.c`
//! (`arch_do_signal_or_restart`, `handle_signal`), `arch/x86/kernel/signal_64.c`
//! (`x64_setup_rt_frame`).

use perf_core::{Errno, TaskId};

use super::action::{Disposition, SigAction};
use super::frame::{self, FrameContents, StackChoice};
use super::group_stop::SignalStop;
use super::info::SigInfo;
use super::jobctl::Jobctl;
use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::pt_regs::{RAX, RDI, RDX, RSI, RSP, USER_CS, USER_DS};
use crate::kernel::Kernel;
use crate::observe::ExitStatus;
use crate::ptrace::Stop;
use crate::syscalls::Restart;
use crate::task::ResumeAt;
use crate::task::limits::Resource;
use crate::uapi::signal::{SIGKILL, SIGSEGV, SIGSTOP, STOPPING, sa, sigmask, ss};

/// RFLAGS that a handler starts without: DF, RF, TF.
const CLEARED_FLAGS: u64 = 0x400 | 0x1_0000 | 0x100;
/// Number of restart_syscall.
const NR_RESTART_SYSCALL: u64 = 219;
/// Bytes of the SYSCALL instruction.
const SYSCALL_BYTES: u64 = 2;

/// What happened before a return to user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// No handler was entered; an interrupted call will be made again.
    Nothing,
    /// The registers are those of a handler's entry.
    HandlerEntered,
    /// The task has ended or stopped, and is off its CPU.
    OffCpu,
}

/// A signal that needs an action, or what came instead.
enum Due {
    Handler(SigInfo, SigAction),
    Death(ExitStatus),
    /// The thread alone ends, for another one that execs.
    ThreadDeath,
    Stopped,
    Nothing,
}

/// What became of one signal.
enum Step {
    /// The next one is to be looked at.
    Next,
    Due(Due),
}

/// Whether a handler was entered.
enum Entered {
    Yes,
    No,
    /// It was, and the tracer is to see its first instruction.
    Stopped,
}

/// Delivers what is pending for the current task, whose registers are in `Task::regs`
/// (`arch_do_signal_or_restart`).
pub fn deliver_pending(kernel: &mut Kernel, task: TaskId) -> Delivery {
    let mut delivery = Delivery::Nothing;
    loop {
        match get_signal(kernel, task) {
            Due::Death(status) => {
                kernel.tasks.task_mut(task).trace.fatal_pending = false;
                kernel.exit_group(task, status);
                return Delivery::OffCpu;
            }
            Due::ThreadDeath => {
                kernel.tasks.task_mut(task).trace.fatal_pending = false;
                let status = ExitStatus::Signaled { signal: SIGKILL as u8, core: false };
                kernel.exit_thread(task, status);
                return Delivery::OffCpu;
            }
            Due::Stopped => return Delivery::OffCpu,
            Due::Handler(info, action) => {
                settle_restart(kernel, task, Some(&action));
                match handle_signal(kernel, task, &info, &action) {
                    Entered::Yes => delivery = Delivery::HandlerEntered,
                    Entered::No => {}
                    Entered::Stopped => return Delivery::OffCpu,
                }
            }
            Due::Nothing => break,
        }
    }
    settle_restart(kernel, task, None);
    if let Some(mask) = kernel.tasks.task_mut(task).saved_mask.take() {
        kernel.set_blocked(task, mask);
    }
    delivery
}

/// Takes the next signal that is not ignored (`get_signal`).
fn get_signal(kernel: &mut Kernel, task: TaskId) -> Due {
    let resumed = std::mem::take(&mut kernel.tasks.task_mut(task).trace.resume_at);
    if let ResumeAt::Signal(stopped) = resumed
        && let Some(info) = kernel.after_signal_stop(task, stopped)
        && let Step::Due(due) = act_on(kernel, task, info)
    {
        return due;
    }
    loop {
        kernel.strace_tell_unqueued(task);
        kernel.tell_continued(task);
        if let Some(status) = kernel.tasks.process_of(task).exiting {
            return Due::Death(status);
        }
        if kernel.tasks.process_of(task).ends_for_exec(task) {
            return Due::ThreadDeath;
        }
        let jobctl = kernel.tasks.task(task).trace.jobctl;
        if jobctl.has(Jobctl::STOP_PENDING) && kernel.do_signal_stop(task, 0) == SignalStop::Stopped
        {
            return Due::Stopped;
        }
        if kernel.tasks.task(task).trace.jobctl.has(Jobctl::TRAP_MASK) {
            if kernel.do_jobctl_trap(task) == Stop::Stopped {
                return Due::Stopped;
            }
            kernel.tasks.task_mut(task).trace.jobctl.clear(Jobctl::TRAP_MASK);
            continue;
        }
        let Some(info) = dequeue(kernel, task) else { return Due::Nothing };
        let action = kernel.tasks.process_of(task).handlers.get(info.si_signo);
        let is_shown = info.si_signo != SIGKILL && !action.has(sa::IMMUTABLE);
        if is_shown {
            kernel.strace_signal(task, &info);
        }
        if is_shown && kernel.ptrace_signal_stop(task, info) == Stop::Stopped {
            return Due::Stopped;
        }
        if let Step::Due(due) = act_on(kernel, task, info) {
            return due;
        }
    }
}

/// Does what the process wants to happen for a signal.
fn act_on(kernel: &mut Kernel, task: TaskId, info: SigInfo) -> Step {
    let signal = info.si_signo;
    let action = kernel.tasks.process_of_mut(task).handlers.take_for_delivery(signal);
    match action.disposition(signal) {
        Disposition::Ignore => Step::Next,
        Disposition::Stop => {
            let pgid = kernel.tasks.process_of(task).pgid;
            // SIGSTOP always works; the terminal's signals need somebody to go on with.
            if signal != SIGSTOP && kernel.is_orphaned_pgrp(pgid, None) {
                return Step::Next;
            }
            match kernel.do_signal_stop(task, signal) {
                SignalStop::Stopped => Step::Due(Due::Stopped),
                SignalStop::GoesOn => Step::Next,
            }
        }
        Disposition::Terminate { core } => {
            let limit = kernel.tasks.process_of(task).limits.soft(Resource::Core);
            let core = core && limit > 0;
            let signal = signal as u8;
            let entry = kernel.tasks.task(task);
            if kernel.init_process == Some(entry.process) {
                kernel.killed_at = Some(entry.regs.ip);
            }
            Step::Due(Due::Death(ExitStatus::Signaled { signal, core }))
        }
        Disposition::Handle(action) => Step::Due(Due::Handler(info, action)),
    }
}

/// Own faults first, then the thread's queue, then the process's. A stop signal is remembered
/// until SIGCONT comes.
pub(super) fn dequeue(kernel: &mut Kernel, task: TaskId) -> Option<SigInfo> {
    let entry = kernel.tasks.task_mut(task);
    let blocked = entry.blocked;
    let info =
        entry.pending.dequeue_synchronous(blocked).or_else(|| kernel.dequeue_signal(task, blocked));
    if info.is_some_and(|info| sigmask(info.si_signo) & STOPPING != 0) {
        kernel.tasks.task_mut(task).trace.jobctl.set(Jobctl::STOP_DEQUEUED);
    }
    info
}

/// Decides what becomes of a call that was interrupted: with a handler EINTR or the call made
/// again as its flags say, without one the call made again.
fn settle_restart(kernel: &mut Kernel, task: TaskId, handler: Option<&SigAction>) {
    let entry = kernel.tasks.task_mut(task);
    if entry.regs.orig_ax as i64 == -1 {
        return;
    }
    let Some(restart) = Restart::from_result(entry.regs.gpr[RAX]) else { return };
    let again = match (restart, handler) {
        (Restart::NoIntr, _) | (_, None) => true,
        (Restart::Sys, Some(action)) => action.has(sa::RESTART),
        (Restart::NoHand | Restart::Block, Some(_)) => false,
    };
    if !again {
        entry.regs.gpr[RAX] = Errno::EINTR.to_syscall() as u64;
        return;
    }
    let by_block = restart == Restart::Block;
    entry.regs.gpr[RAX] = if by_block { NR_RESTART_SYSCALL } else { entry.regs.orig_ax };
    entry.regs.ip = entry.regs.ip.wrapping_sub(SYSCALL_BYTES);
}

/// Enters a handler; where its frame could not be written, that kills with SIGSEGV unless that
/// has a handler that can run.
fn handle_signal(kernel: &mut Kernel, task: TaskId, info: &SigInfo, action: &SigAction) -> Entered {
    // The frame must not have a tracer's TF.
    let is_stepped = kernel.tasks.task(task).step.is_single_step();
    if is_stepped {
        kernel.user_disable_single_step(task);
    }
    kernel.rseq_note_event(task);
    let ready = kernel.rseq_resume(task);
    if ready.and_then(|()| setup_rt_frame(kernel, task, info, action)).is_err() {
        let segv = SigInfo::from_kernel(SIGSEGV);
        if info.si_signo == SIGSEGV {
            kernel.force_fatal_signal(task, segv);
        } else {
            kernel.force_signal(task, segv);
        }
        return Entered::No;
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
    if is_stepped && kernel.report_handler_entry(task) == Stop::Stopped {
        return Entered::Stopped;
    }
    Entered::Yes
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
    let ss = regs.ss;
    if ss != USER_DS && !kernel.hw.is_valid_ss(kernel.this_cpu, ss) {
        kernel.tasks.task_mut(task).regs.ss = USER_DS;
    }
    Ok(())
}
