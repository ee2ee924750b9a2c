//! The system calls ptrace, process_vm_readv and process_vm_writev.
//! Source: Linux 6.18 `kernel/ptrace.c` (`sys_ptrace`, `ptrace_request`, `ptrace_resume`).

use perf_core::{Errno, TaskId};

use super::attach::Attach;
use super::memory::Direction;
use super::state::SyscallWork;
use super::stop::is_event_stop;
use crate::arch::x86::ptrace::StepMode;
use crate::kernel::Kernel;
use crate::signal::SigInfo;
use crate::signal::jobctl::Jobctl;
use crate::syscalls::import_iovec;
use crate::syscalls::table::Syscall;
use crate::task::TaskState;
use crate::uapi::ptrace::{options, request};
use crate::uapi::signal::{NSIG, SIGKILL};

pub(crate) const CALLS: &[Syscall] = &[
    Syscall::plain(101, "ptrace", sys_ptrace)
        .partial("no PTRACE_SET_SYSCALL_INFO and no PTRACE_GET_RSEQ_CONFIGURATION"),
    Syscall::plain(310, "process_vm_readv", |kernel, _, args| {
        process_vm(kernel, args, Direction::Read)
    }),
    Syscall::plain(311, "process_vm_writev", |kernel, _, args| {
        process_vm(kernel, args, Direction::Write)
    }),
];

/// A way in which a tracee goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resume {
    work: SyscallWork,
    step: StepMode,
}

/// What a request that lets the tracee go on asks for.
fn resume_of(number: u64) -> Option<Resume> {
    let (work, step) = match number {
        request::CONT => (SyscallWork::None, StepMode::Run),
        request::SYSCALL => (SyscallWork::Trace, StepMode::Run),
        request::SYSEMU => (SyscallWork::Emulate, StepMode::Run),
        request::SINGLESTEP => (SyscallWork::None, StepMode::Insn),
        request::SYSEMU_SINGLESTEP => (SyscallWork::Emulate, StepMode::Insn),
        request::SINGLEBLOCK => (SyscallWork::None, StepMode::Block),
        _ => return None,
    };
    Some(Resume { work, step })
}

fn sys_ptrace(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [number, pid, addr, data, ..] = *args;
    if number == request::TRACEME {
        return kernel.ptrace_traceme(task);
    }
    let tracee = kernel.tasks.find_task_by_vpid(pid as u32).ok_or(Errno::ESRCH)?;
    match number {
        request::ATTACH => return kernel.ptrace_attach(task, tracee, Attach::Stop),
        request::SEIZE => {
            if addr != 0 || data & !options::MASK != 0 {
                return Err(Errno::EIO);
            }
            kernel.check_options(task, data)?;
            return kernel.ptrace_attach(task, tracee, Attach::Seize(data));
        }
        _ => {}
    }
    let ignores_state = matches!(number, request::KILL | request::INTERRUPT);
    let entry = kernel.tasks.task(tracee);
    let can_look = entry.state == TaskState::Traced
        && !entry.trace.jobctl.has(Jobctl::LISTENING)
        && !entry.trace.fatal_pending;
    if entry.trace.tracer() != Some(task) || !ignores_state && !can_look {
        return Err(Errno::ESRCH);
    }
    if let Some(answer) = kernel.arch_ptrace(tracee, number, addr, data) {
        return answer;
    }
    ptrace_request(kernel, task, tracee, args)
}

fn ptrace_request(
    kernel: &mut Kernel,
    tracer: TaskId,
    task: TaskId,
    args: &[u64; 6],
) -> Result<u64, Errno> {
    let [number, _, addr, data, ..] = *args;
    if let Some(resume) = resume_of(number) {
        return ptrace_resume(kernel, task, resume, data);
    }
    match number {
        request::PEEKTEXT | request::PEEKDATA => kernel.ptrace_peek_data(task, addr, data),
        request::POKETEXT | request::POKEDATA => kernel.ptrace_poke_data(task, addr, data),
        request::KILL => {
            kernel.send_signal_to_thread(task, SigInfo::from_kernel(SIGKILL));
            Ok(0)
        }
        request::DETACH => kernel.ptrace_detach(tracer, task, checked_signal(data)?),
        request::OLDSETOPTIONS | request::SETOPTIONS => {
            kernel.check_options(tracer, data)?;
            if let Some(ptrace) = &mut kernel.tasks.task_mut(task).trace.ptrace {
                ptrace.options = data;
            }
            Ok(0)
        }
        request::GETEVENTMSG => {
            let message = kernel.tasks.task(task).trace.message;
            kernel.write_user_u64(data, message).map(|()| 0)
        }
        request::GETSIGINFO => kernel.ptrace_getsiginfo(task, data),
        request::SETSIGINFO => kernel.ptrace_setsiginfo(task, data),
        request::PEEKSIGINFO => kernel.ptrace_peek_siginfo(task, addr, data),
        request::GETSIGMASK => kernel.ptrace_getsigmask(task, addr, data),
        request::SETSIGMASK => kernel.ptrace_setsigmask(task, addr, data),
        request::GET_SYSCALL_INFO => kernel.ptrace_get_syscall_info(task, addr, data),
        request::SECCOMP_GET_FILTER => kernel.ptrace_seccomp_get_filter(tracer, task, addr, data),
        request::SECCOMP_GET_METADATA => {
            kernel.ptrace_seccomp_get_metadata(tracer, task, addr, data)
        }
        request::GET_SYSCALL_USER_DISPATCH_CONFIG => {
            kernel.ptrace_get_user_dispatch(task, addr, data)
        }
        request::SET_SYSCALL_USER_DISPATCH_CONFIG => {
            kernel.ptrace_set_user_dispatch(task, addr, data)
        }
        request::INTERRUPT => interrupt(kernel, task),
        request::LISTEN => listen(kernel, task),
        _ => {
            kernel.tell_unsupported(tracer, Some("ptrace: this request"));
            Err(Errno::EIO)
        }
    }
}

/// A signal that a tracer gives; 0 is none.
fn checked_signal(data: u64) -> Result<u32, Errno> {
    if data > u64::from(NSIG) { Err(Errno::EIO) } else { Ok(data as u32) }
}

/// Lets the tracee go on with a signal, or none.
fn ptrace_resume(
    kernel: &mut Kernel,
    task: TaskId,
    resume: Resume,
    data: u64,
) -> Result<u64, Errno> {
    let signal = checked_signal(data)?;
    kernel.tasks.task_mut(task).trace.syscall_work = resume.work;
    kernel.set_step_mode(task, resume.step);
    kernel.tasks.task_mut(task).trace.exit_code = signal;
    kernel.wake_traced(task);
    Ok(0)
}

fn interrupt(kernel: &mut Kernel, task: TaskId) -> Result<u64, Errno> {
    if !kernel.tasks.task(task).trace.is_seized() {
        return Err(Errno::EIO);
    }
    if kernel.set_jobctl_pending(task, Jobctl::TRAP_STOP) {
        kernel.kick_tracee(task);
    }
    Ok(0)
}

fn listen(kernel: &mut Kernel, task: TaskId) -> Result<u64, Errno> {
    let trace = &mut kernel.tasks.task_mut(task).trace;
    if !trace.is_seized() || !trace.last_siginfo.is_some_and(|info| is_event_stop(&info)) {
        return Err(Errno::EIO);
    }
    trace.jobctl.set(Jobctl::LISTENING);
    if trace.jobctl.has(Jobctl::TRAP_NOTIFY) {
        kernel.wake_traced(task);
    }
    Ok(0)
}

fn process_vm(kernel: &mut Kernel, args: &[u64; 6], direction: Direction) -> Result<u64, Errno> {
    let [pid, local_at, nr_local, remote_at, nr_remote, flags] = *args;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let local = import_iovec(kernel, local_at, nr_local)?;
    let remote = import_iovec(kernel, remote_at, nr_remote)?;
    if local.iter().all(|(_, len)| *len == 0) || remote.is_empty() {
        return Ok(0);
    }
    let mm = kernel.remote_mm(pid)?;
    kernel.process_vm_rw(mm, &local, &remote, direction)
}
