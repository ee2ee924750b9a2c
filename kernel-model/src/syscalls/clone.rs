//! clone, fork, vfork, clone3: new processes and threads.
//! Source: Linux 6.18 `kernel/fork.c` (`copy_process`, `kernel_clone`, `clone3_args_valid`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::table::Syscall;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::arch::x86::pt_regs::{RAX, RSP};
use crate::arch::x86::ptrace::{PtraceDebug, StepState};
use crate::arch::x86::segments::ThreadStruct;
use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::ptrace::Stop;
use crate::signal::PendingSignals;
use crate::signal::jobctl::GroupStop;
use crate::task::cred::Cap;
use crate::task::limits::Resource;
use crate::task::pid::PID_MAX;
use crate::task::wait::{Channel, WaitFor};
use crate::task::{ClonePhase, MmId, Process, ProcessId, Task, TaskState, TraceState};
use crate::timer::ProcessTimers;
use crate::timer::usage::Usage;
use crate::uapi::clone::{
    CLONE_ARGS_SIZE_VER0, CLONE_ARGS_SIZE_VER2, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND, CLONE_DETACHED, CLONE_FILES, CLONE_FS, CLONE_INTO_CGROUP,
    CLONE_NEW_NAMESPACES, CLONE_NEWNS, CLONE_NEWTIME, CLONE_PARENT, CLONE_PARENT_SETTID,
    CLONE_PIDFD, CLONE_PTRACE, CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_UNTRACED,
    CLONE_VFORK, CLONE_VM, CSIGNAL, CloneArgs,
};
use crate::uapi::fcntl::O_EXCL;
use crate::uapi::ptrace::{
    PTRACE_EVENT_CLONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, PTRACE_EVENT_VFORK_DONE,
};
use crate::uapi::signal::{NSIG, SIGCHLD};
use crate::uapi::word_at;

const BUT: &str = "no namespaces or cgroups; descriptors and handlers are shared by \
                   threads only; the child's tid is stored past its CPU";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(56, "clone", sys_clone).partial(BUT),
    Syscall::waiting(57, "fork", sys_fork),
    Syscall::waiting(58, "vfork", sys_vfork),
    Syscall::waiting(435, "clone3", sys_clone3).partial(BUT),
];

/// RAM that one task's kernel side is reckoned to need: an eighth of memory may go to
/// tasks of four pages each (`set_max_threads`).
const BYTES_PER_TASK: u64 = 8 * 4 * PAGE_SIZE;

fn sys_clone(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [flags, stack, parent_tid, child_tid, tls, _] = *args;
    let exit_signal = flags & CSIGNAL;
    let flags = flags & 0xffff_ffff & !CSIGNAL;
    let request = CloneArgs {
        flags,
        pidfd: parent_tid,
        child_tid,
        parent_tid,
        exit_signal,
        stack,
        tls,
        set_tid: None,
    };
    if flags & CLONE_PIDFD != 0 && flags & CLONE_PARENT_SETTID != 0 {
        return Err(Errno::EINVAL);
    }
    kernel_clone(kernel, task, &request)
}

fn sys_fork(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<Outcome, Errno> {
    let request = CloneArgs { exit_signal: u64::from(SIGCHLD), ..CloneArgs::default() };
    kernel_clone(kernel, task, &request)
}

fn sys_vfork(kernel: &mut Kernel, task: TaskId, _args: &[u64; 6]) -> Result<Outcome, Errno> {
    let request = CloneArgs {
        flags: CLONE_VFORK | CLONE_VM,
        exit_signal: u64::from(SIGCHLD),
        ..CloneArgs::default()
    };
    kernel_clone(kernel, task, &request)
}

fn sys_clone3(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    let [addr, size, ..] = *args;
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; size.max(CLONE_ARGS_SIZE_VER2) as usize];
    kernel.copy_from_user(addr, &mut bytes[..size as usize])?;
    if bytes[CLONE_ARGS_SIZE_VER2 as usize..].iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG);
    }
    let mut request = parse_clone3(&bytes)?;
    let [set_tid, set_tid_size] = [8, 9].map(|index| word_at(&bytes, 8 * index));
    if set_tid_size != 0 {
        request.set_tid = Some(kernel.read_user_u32(set_tid)?);
    }
    kernel_clone(kernel, task, &request)
}

/// Reads `struct clone_args` and applies the rules that clone does not have.
fn parse_clone3(bytes: &[u8]) -> Result<CloneArgs, Errno> {
    let word = |index: usize| word_at(bytes, 8 * index);
    let (flags, exit_signal, stack, stack_size) = (word(0), word(4), word(5), word(6));
    let (set_tid, set_tid_size) = (word(8), word(9));
    let known = 0xffff_ffff | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;
    let has_signal = exit_signal != 0;
    let is_wrong = exit_signal > u64::from(NSIG)
        || flags & !known != 0
        || flags & (CLONE_DETACHED | CSIGNAL & !CLONE_NEWTIME) != 0
        || flags & CLONE_SIGHAND != 0 && flags & CLONE_CLEAR_SIGHAND != 0
        || flags & (CLONE_THREAD | CLONE_PARENT) != 0 && has_signal
        || (stack == 0) != (stack_size == 0)
        || stack.checked_add(stack_size).is_none_or(|end| end > TASK_SIZE_MAX)
        || set_tid_size > 1
        || (set_tid == 0) != (set_tid_size == 0);
    if is_wrong {
        return Err(Errno::EINVAL);
    }
    Ok(CloneArgs {
        flags,
        pidfd: word(1),
        child_tid: word(2),
        parent_tid: word(3),
        exit_signal,
        stack: stack + stack_size,
        tls: word(7),
        set_tid: None,
    })
}

/// Refuses combinations that make no sense or are not built.
fn check_flags(flags: u64) -> Result<(), Errno> {
    let has = |flag| flags & flag != 0;
    let is_wrong = flags & (CLONE_NEWNS | CLONE_FS) == CLONE_NEWNS | CLONE_FS
        || has(CLONE_PIDFD) && has(CLONE_DETACHED)
        || has(CLONE_THREAD) && !has(CLONE_SIGHAND)
        || has(CLONE_SIGHAND) && !has(CLONE_VM);
    let is_missing = has(CLONE_NEW_NAMESPACES | CLONE_INTO_CGROUP)
        || has(CLONE_THREAD) != has(CLONE_SIGHAND)
        || has(CLONE_THREAD) != has(CLONE_FILES)
        || has(CLONE_THREAD) && has(CLONE_VFORK);
    if is_wrong || is_missing { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The event that tells a tracer of a new task, where it wants to know (`kernel_clone`).
fn trace_event(kernel: &Kernel, task: TaskId, request: &CloneArgs) -> Option<u32> {
    let event = if request.flags & CLONE_UNTRACED != 0 {
        return None;
    } else if request.flags & CLONE_VFORK != 0 {
        PTRACE_EVENT_VFORK
    } else if request.exit_signal != u64::from(SIGCHLD) {
        PTRACE_EVENT_CLONE
    } else {
        PTRACE_EVENT_FORK
    };
    let ptrace = kernel.tasks.task(task).trace.ptrace?;
    ptrace.has_event(event).then_some(event)
}

/// Makes the task, and waits for it where it is a vfork. The call is run again from here after
/// each event that a tracer sees.
fn kernel_clone(kernel: &mut Kernel, task: TaskId, request: &CloneArgs) -> Result<Outcome, Errno> {
    if let Some(phase) = kernel.tasks.task(task).syscall.and_then(|call| call.clone) {
        return Ok(finish_clone(kernel, task, phase));
    }
    let event = trace_event(kernel, task, request);
    let child = match copy_process(kernel, task, request) {
        Ok(child) => child,
        Err(errno) => {
            if request.flags & (CLONE_NEW_NAMESPACES | CLONE_INTO_CGROUP) != 0 {
                kernel.tell_unsupported(task, Some("clone: namespaces and cgroups"));
            }
            return Err(errno);
        }
    };
    let tid = kernel.tasks.task(child).tid;
    let phase = if request.flags & CLONE_VFORK != 0 {
        ClonePhase::Vfork { child, tid }
    } else {
        ClonePhase::Done { tid }
    };
    set_phase(kernel, task, phase);
    if let Some(event) = event
        && kernel.ptrace_event(task, event, u64::from(tid)) == Stop::Stopped
    {
        return Ok(Outcome::Stopped);
    }
    Ok(finish_clone(kernel, task, phase))
}

fn set_phase(kernel: &mut Kernel, task: TaskId, phase: ClonePhase) {
    if let Some(call) = &mut kernel.tasks.task_mut(task).syscall {
        call.clone = Some(phase);
    }
}

/// What a clone does once its task lives.
fn finish_clone(kernel: &mut Kernel, task: TaskId, phase: ClonePhase) -> Outcome {
    let (child, tid) = match phase {
        ClonePhase::Done { tid } => return Outcome::Done(Ok(u64::from(tid))),
        ClonePhase::Vfork { child, tid } => (child, tid),
    };
    let process = kernel.tasks.processes.get(&ProcessId(tid));
    let has_memory = process.is_some_and(|process| process.vfork_parent == Some(task));
    let is_dying = kernel.tasks.task(task).trace.fatal_pending;
    if has_memory && !is_dying {
        let channels = vec![Channel::Vfork(child)];
        return Outcome::Wait(WaitFor { channels, uninterruptible: true, ..WaitFor::default() });
    }
    set_phase(kernel, task, ClonePhase::Done { tid });
    if !is_dying
        && kernel.ptrace_event(task, PTRACE_EVENT_VFORK_DONE, u64::from(tid)) == Stop::Stopped
    {
        return Outcome::Stopped;
    }
    Outcome::Done(Ok(u64::from(tid)))
}

/// Makes a task and lets it run (`copy_process`).
pub(crate) fn copy_process(
    kernel: &mut Kernel,
    parent: TaskId,
    request: &CloneArgs,
) -> Result<TaskId, Errno> {
    let flags = request.flags;
    check_flags(flags)?;
    let max_tasks = (kernel.hw.nr_frames() * PAGE_SIZE / BYTES_PER_TASK).max(20);
    if kernel.tasks.tasks.len() as u64 >= max_tasks {
        return Err(Errno::EAGAIN);
    }
    check_nproc(kernel, parent)?;
    if flags & CLONE_SETTLS != 0 && request.tls >= TASK_SIZE_MAX {
        return Err(Errno::EPERM);
    }
    let mm = copy_mm(kernel, parent, flags)?;
    let tid = match new_pid(kernel, parent, request) {
        Ok(tid) => tid,
        Err(errno) => {
            kernel.put_mm(mm);
            return Err(errno);
        }
    };
    let child = add_task(kernel, parent, request, mm, tid);
    if let Err(errno) = kernel.fork_task_perf(parent, child, flags) {
        remove_unborn(kernel, child);
        return Err(errno);
    }
    if flags & CLONE_PIDFD != 0
        && let Err(errno) = give_pidfd(kernel, parent, request, tid)
    {
        remove_unborn(kernel, child);
        return Err(errno);
    }
    let bytes = tid.to_le_bytes();
    if flags & CLONE_PARENT_SETTID != 0 {
        // Linux too ignores an address that cannot be written.
        let _ignored = kernel.copy_to_user(request.parent_tid, &bytes);
    }
    if flags & CLONE_CHILD_SETTID != 0
        && let Some((space, _)) = kernel.tasks.spaces.get_mut(&mm)
    {
        let (hw, frames) = (&mut kernel.hw, &mut kernel.frames);
        let _ignored = space.write_bytes(hw, frames, request.child_tid, &bytes, Access::User);
    }
    if trace_event(kernel, parent, request).is_some() || flags & CLONE_PTRACE != 0 {
        kernel.ptrace_init_task(parent, child);
    }
    if flags & CLONE_THREAD != 0 {
        kernel.join_group_stop(parent, child);
    }
    kernel.count_fork();
    kernel.enqueue_new(child);
    Ok(child)
}

/// `RLIMIT_NPROC`, which root is free of.
fn check_nproc(kernel: &Kernel, parent: TaskId) -> Result<(), Errno> {
    let cred = &kernel.tasks.task(parent).cred;
    let user = cred.user.real;
    let limit = kernel.tasks.process_of(parent).limits.soft(Resource::Nproc);
    let is_free = user == 0 || cred.capable(Cap::SysResource) || cred.capable(Cap::SysAdmin);
    let all = kernel.tasks.tasks.values();
    let nr = all.filter(|task| task.cred.user.real == user).count() as u64;
    if is_free || nr < limit { Ok(()) } else { Err(Errno::EAGAIN) }
}

/// The id that clone3 asks for, or the next one (`alloc_pid`).
fn new_pid(kernel: &mut Kernel, parent: TaskId, request: &CloneArgs) -> Result<u32, Errno> {
    let Some(wanted) = request.set_tid else {
        return kernel.alloc_pid().ok_or(Errno::EAGAIN);
    };
    if wanted == 0 || wanted >= PID_MAX {
        return Err(Errno::EINVAL);
    }
    if !kernel.tasks.task(parent).cred.capable(Cap::SysAdmin) {
        return Err(Errno::EPERM);
    }
    if kernel.tasks.pids.take(wanted) { Ok(wanted) } else { Err(Errno::EEXIST) }
}

/// A descriptor of the new task, and its number in the caller's memory.
fn give_pidfd(
    kernel: &mut Kernel,
    parent: TaskId,
    request: &CloneArgs,
    tid: u32,
) -> Result<(), Errno> {
    let thread = if request.flags & CLONE_THREAD != 0 { O_EXCL } else { 0 };
    let fd = kernel.open_pidfd(parent, tid, thread)?;
    if let Err(errno) = kernel.write_user_u32(request.pidfd, fd as u32) {
        let closed = kernel.tasks.process_of_mut(parent).files.close(&mut kernel.files, fd as i32);
        kernel.after_close(closed.ok().flatten());
        return Err(errno);
    }
    Ok(())
}

/// Shares or copies the address space.
fn copy_mm(kernel: &mut Kernel, parent: TaskId, flags: u64) -> Result<MmId, Errno> {
    let mm = kernel.tasks.task(parent).mm;
    let (space, users) = kernel.tasks.spaces.get_mut(&mm).ok_or(Errno::ENOMEM)?;
    if flags & CLONE_VM != 0 {
        *users += 1;
        return Ok(mm);
    }
    let copy = space.fork(&mut kernel.hw, &mut kernel.frames)?;
    let copy = kernel.tasks.add_space(copy);
    kernel.perf_mappings_copied(copy);
    Ok(copy)
}

/// Adds the task, and its process where it is no thread.
fn add_task(
    kernel: &mut Kernel,
    parent: TaskId,
    request: &CloneArgs,
    mm: MmId,
    tid: u32,
) -> TaskId {
    let fpu = kernel.save_fpu(parent);
    let copies_debug = kernel.perf.config.defects.has(perf_core::Defect::ForkCopiesVirtualDr);
    let fresh_dr6 = kernel.fresh_virtual_dr6();
    let id = kernel.tasks.new_task_id();
    let is_thread = request.flags & CLONE_THREAD != 0;
    let from = kernel.tasks.task(parent);
    let process = if is_thread { from.process } else { ProcessId(tid) };
    let has = |flag| request.flags & flag != 0;
    let mut regs = from.regs;
    regs.gpr[RAX] = 0;
    if request.stack != 0 {
        regs.gpr[RSP] = request.stack;
    }
    from.step.hide_from_child(&mut regs);
    let keeps_altstack = request.flags & (CLONE_VM | CLONE_VFORK) != CLONE_VM;
    let child = Task {
        id,
        tid,
        process,
        comm: from.comm.clone(),
        state: TaskState::Runnable,
        regs,
        fpu,
        fs_base: if has(CLONE_SETTLS) { request.tls } else { from.fs_base },
        gs_base: from.gs_base,
        seccomp: from.seccomp.clone(),
        user_dispatch: None,
        arch: child_arch(from.arch, has(CLONE_SETTLS)),
        cred: from.cred.clone(),
        mm,
        cpu: from.cpu,
        affinity: from.affinity,
        syscall: None,
        blocked: from.blocked,
        saved_mask: None,
        pending: PendingSignals::default(),
        altstack: if keeps_altstack { from.altstack } else { (0, 0, 0) },
        clear_child_tid: if has(CLONE_CHILD_CLEARTID) { request.child_tid } else { 0 },
        robust_list: (0, 0),
        trap: from.trap,
        virtual_dr6: if copies_debug { from.virtual_dr6 } else { fresh_dr6 },
        ptrace_debug: PtraceDebug::of_child(&from.ptrace_debug, copies_debug),
        step: StepState::default(),
        trace: TraceState::default(),
        personality: from.personality,
        sched: from.sched.of_child(),
        rseq: if has(CLONE_VM) { None } else { from.rseq },
        pdeath_signal: 0,
        restart_block: None,
        sigtraps: Vec::new(),
        usage: Usage::default(),
        in_kernel_since_ns: None,
        on_cpu_since_ns: 0,
    };
    kernel.tasks.tasks.insert(id, child);
    if is_thread {
        kernel.tasks.process_of_mut(parent).threads.push(id);
    } else {
        add_process(kernel, parent, request, id, tid);
    }
    id
}

/// What a new task has of its maker's (`copy_thread`); a thread pointer of its own clears FS.
fn child_arch(mut arch: ThreadStruct, has_tls: bool) -> ThreadStruct {
    if has_tls {
        arch.selectors.fs = 0;
    }
    arch
}

fn add_process(
    kernel: &mut Kernel,
    parent_task: TaskId,
    request: &CloneArgs,
    leader: TaskId,
    pid: u32,
) {
    let parent_id = kernel.tasks.task(parent_task).process;
    let parent = kernel.tasks.process_of(parent_task);
    let is_sibling = request.flags & CLONE_PARENT != 0;
    let mut handlers = parent.handlers.clone();
    if request.flags & CLONE_CLEAR_SIGHAND != 0 {
        handlers.clear_for_clone();
    }
    let (cwd, root, exe, umask) = (parent.cwd, parent.root, parent.exe, parent.umask);
    let process = Process {
        pid,
        parent: if is_sibling { parent.parent } else { Some(parent_id) },
        pgid: parent.pgid,
        sid: parent.sid,
        parent_thread: if is_sibling { parent.parent_thread } else { Some(parent_task) },
        threads: vec![leader],
        zombie_threads: Vec::new(),
        files: parent.files.fork(&mut kernel.files),
        handlers,
        pending: PendingSignals::default(),
        exiting: None,
        group_stop: GroupStop::default(),
        is_subreaper: false,
        zombie: None,
        exit_signal: if is_sibling { parent.exit_signal } else { request.exit_signal as u32 },
        dumpable: parent.dumpable,
        exe_path: parent.exe_path.clone(),
        auxv: parent.auxv.clone(),
        exec_task: None,
        cwd,
        root,
        exe,
        umask,
        leader,
        dead_usage: Usage::default(),
        children_usage: Usage::default(),
        timers: ProcessTimers::default(),
        membarrier: parent.membarrier,
        limits: parent.limits,
        vfork_parent: (request.flags & CLONE_VFORK != 0).then_some(parent_task),
    };
    kernel.tasks.processes.insert(ProcessId(pid), process);
    kernel.get_node(cwd);
    kernel.get_node(root);
    if let Some(exe) = exe {
        kernel.vfs.get(exe);
    }
}

/// Takes back a task that has never run.
fn remove_unborn(kernel: &mut Kernel, child: TaskId) {
    let Some(task) = kernel.tasks.tasks.remove(&child) else { return };
    let Some(process) = kernel.tasks.processes.get_mut(&task.process) else { return };
    process.threads.retain(|&thread| thread != child);
    if process.leader == child {
        let closed = process.files.close_all(&mut kernel.files);
        kernel.leave_places(task.process);
        kernel.tasks.processes.remove(&task.process);
        kernel.after_close(closed);
    }
    kernel.put_mm(task.mm);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone3(words: &[(usize, u64)]) -> Result<CloneArgs, Errno> {
        let mut bytes = [0; 88];
        for &(index, value) in words {
            bytes[8 * index..8 * index + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        parse_clone3(&bytes)
    }

    #[test]
    fn clone3_rules() {
        let einval = Some(Errno::EINVAL);
        for (words, want) in [
            (&[(0, 0), (4, 17)][..], None),
            (&[(4, 65)], einval),
            (&[(0, 17)], einval),
            (&[(0, 1 << 34)], einval),
            (&[(0, CLONE_DETACHED)], einval),
            (&[(0, CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)], einval),
            (&[(0, CLONE_THREAD), (4, 17)], einval),
            (&[(5, 0x1000)], einval),
            (&[(6, 0x1000)], einval),
            (&[(5, u64::MAX), (6, 2)], einval),
            (&[(8, 1)], einval),
        ] {
            assert_eq!(clone3(words).err(), want, "{words:x?}");
        }
        let args = clone3(&[(0, CLONE_VM), (5, 0x1000), (6, 0x200)]).unwrap();
        assert_eq!((args.stack, args.flags), (0x1200, CLONE_VM));
    }

    #[test]
    fn flag_combinations() {
        let thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_FS;
        for (flags, is_possible) in [
            (0, true),
            (thread, true),
            (CLONE_VM | CLONE_VFORK, true),
            (CLONE_THREAD | CLONE_VM, false),
            (CLONE_SIGHAND, false),
            (CLONE_NEWNS | CLONE_FS, false),
            (CLONE_FILES, false),
            (thread | CLONE_VFORK, false),
            (CLONE_PIDFD, true),
            (CLONE_PIDFD | CLONE_DETACHED, false),
        ] {
            assert_eq!(check_flags(flags).is_ok(), is_possible, "{flags:#x}");
        }
    }
}
