//! `perf_event_open` and the file operations of its descriptors.
//! Source: Linux 6.18 `kernel/events/core.c` (`perf_fops`).

use perf_core::{
    Detached, Errno, EventId, IoctlCommand, Mapped, MmapAccess, MmapRequest, MmapSharing, Output,
    PerfEventAttr, PollReason, Scope, SigTrap, TaskId,
};

use super::Outcome;
use crate::events::hw_breakpoint::BreakpointPmu;
use crate::events::perf_bridge::{
    self, Capability, CloseOnExec, OpenArgs, OpenError, OpenFacts, PtraceMode,
};
use crate::events::pmus::MachinePmus;
use crate::fs::{FileKind, FileTable, OnExec};
use crate::kernel::Kernel;
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::mm::vma::Backing;
use crate::signal::SigInfo;
use crate::task::cred::Cap;
use crate::task::{MmId, TaskState, Tasks};
use crate::uapi::fcntl::O_RDWR;
use crate::uapi::signal::{SIGTRAP, sigmask};

/// Offset of `size` in the attribute.
const ATTR_SIZE_AT: u64 = 4;
/// Largest attribute that is copied in (a page).
const ATTR_SIZE_MAX: u64 = 4096;
/// Size of the first published attribute (`PERF_ATTR_SIZE_VER0`).
const ATTR_SIZE_VER0: u64 = 64;
/// `PROT_WRITE`.
const PROT_WRITE: u64 = 2;
/// `TRAP_PERF_FLAG_ASYNC`.
const TRAP_PERF_FLAG_ASYNC: u32 = 1;

/// What `perf_event_open` has to know about its caller.
struct Facts<'a> {
    tasks: &'a Tasks,
    files: &'a FileTable,
    /// `kernel.perf_event_paranoid`.
    paranoid: i32,
    task: TaskId,
}

impl OpenFacts for Facts<'_> {
    fn current(&self) -> TaskId {
        self.task
    }

    fn capable(&self, capability: Capability) -> bool {
        self.tasks.task(self.task).cred.capable(match capability {
            Capability::Kill => Cap::Kill,
            Capability::Perfmon => Cap::Perfmon,
            Capability::SysAdmin => Cap::SysAdmin,
        })
    }

    fn paranoid(&self) -> i32 {
        self.paranoid
    }

    fn check_unused_fd(&self) -> Result<(), Errno> {
        let fds = &self.tasks.process_of(self.task).files;
        if fds.open_fds().count() < fds.limit() as usize { Ok(()) } else { Err(Errno::EMFILE) }
    }

    fn perf_event_of_fd(&self, fd: i32) -> Option<EventId> {
        event_of_fd(self.tasks, self.files, self.task, fd).ok()
    }

    fn find_task_by_vpid(&self, pid: i32) -> Option<TaskId> {
        let tid = u32::try_from(pid).ok()?;
        self.tasks.tasks.values().find(|task| task.tid == tid).map(|task| task.id)
    }

    fn ptrace_may_access(&self, task: TaskId, _mode: PtraceMode) -> bool {
        self.tasks.ptrace_may_access(self.task, task)
    }

    fn is_past_exit(&self, task: TaskId) -> bool {
        matches!(self.tasks.task(task).state, TaskState::Zombie(_))
    }
}

/// The event behind a descriptor of a task: EBADF where there is none.
pub(crate) fn event_of_fd(
    tasks: &Tasks,
    files: &FileTable,
    task: TaskId,
    fd: i32,
) -> Result<EventId, Errno> {
    match files.file(tasks.process_of(task).files.get(fd)?).kind {
        FileKind::PerfEvent(event) => Ok(event),
        _ => Err(Errno::EBADF),
    }
}

/// `perf_event_open(attr, pid, cpu, group_fd, flags)`.
pub(super) fn perf_event_open(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Outcome {
    Outcome::Done(open(kernel, task, args))
}

fn open(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let attr = copy_attr(kernel, args[0])?;
    let open_args = OpenArgs {
        attr: &attr,
        pid: args[1] as i32,
        cpu: args[2] as i32,
        group_fd: args[3] as i32,
        flags: args[4],
    };
    match open_event(kernel, task, &open_args) {
        Ok(fd) => Ok(fd as u64),
        Err(error) => Err(refuse(kernel, args[0], error)),
    }
}

/// Opens an event and gives it a descriptor of the caller: the system call behind its copy-in.
pub(crate) fn open_event(
    kernel: &mut Kernel,
    task: TaskId,
    args: &OpenArgs<'_>,
) -> Result<i32, OpenError> {
    let now = kernel.now_ns();
    kernel.sync_counters();
    let paranoid = kernel.perf_event_paranoid;
    let facts = Facts { tasks: &kernel.tasks, files: &kernel.files, paranoid, task };
    let caller = perf_bridge::cap_sys_admin(&facts);
    let breakpoint = BreakpointPmu { hw: &mut kernel.hw, state: &mut kernel.breakpoints, caller };
    let mut pmus = MachinePmus { breakpoint, cpu: &mut kernel.cpu_pmu };
    let opened = perf_bridge::perf_event_open(&facts, &mut kernel.perf, &mut pmus, now, args);
    kernel.after_pmu();
    let opened = opened?;
    let file = kernel.files.open(FileKind::PerfEvent(opened.event), O_RDWR);
    let on_exec = match opened.close_on_exec {
        CloseOnExec::Yes => OnExec::Close,
        CloseOnExec::No => OnExec::Keep,
    };
    Ok(kernel.tasks.process_of_mut(task).files.install(file, on_exec)?)
}

/// Copies what `attr.size` says, as far as it may be an attribute (rule 1.1.1).
fn copy_attr(kernel: &mut Kernel, addr: u64) -> Result<Vec<u8>, Errno> {
    let size = u64::from(kernel.read_user_u32(addr.wrapping_add(ATTR_SIZE_AT))?);
    let len = match size {
        0 => ATTR_SIZE_VER0,
        ATTR_SIZE_VER0..=ATTR_SIZE_MAX => size,
        // Refused by its size; the rest is not read.
        _ => ATTR_SIZE_AT + 4,
    };
    let mut bytes = vec![0; len as usize];
    kernel.copy_from_user(addr, &mut bytes)?;
    Ok(bytes)
}

/// Writes the kernel's own attribute size back where the caller's was refused.
fn refuse(kernel: &mut Kernel, attr: u64, error: OpenError) -> Errno {
    if let Some(size) = error.write_back_size()
        && kernel.write_user_u32(attr.wrapping_add(ATTR_SIZE_AT), size).is_err()
    {
        return Errno::EFAULT;
    }
    error.errno()
}

/// read() of a perf descriptor.
pub(super) fn read(kernel: &mut Kernel, event: EventId, addr: u64, len: usize) -> Outcome {
    let now = kernel.now_ns();
    let bytes = kernel.with_pmu(|perf, pmu| perf.read(pmu, now, event, len));
    Outcome::Done(bytes.and_then(|bytes| {
        kernel.copy_to_user(addr, &bytes)?;
        Ok(bytes.len() as u64)
    }))
}

/// ioctl() of a perf descriptor.
pub(super) fn ioctl(
    kernel: &mut Kernel,
    task: TaskId,
    event: EventId,
    number: u32,
    arg: u64,
) -> Outcome {
    let Some(command) = IoctlCommand::from_number(number) else {
        return Outcome::Done(Err(Errno::ENOTTY));
    };
    Outcome::Done(run_ioctl(kernel, task, event, command, arg).map(|()| 0))
}

fn run_ioctl(
    kernel: &mut Kernel,
    task: TaskId,
    event: EventId,
    command: IoctlCommand,
    arg: u64,
) -> Result<(), Errno> {
    let now = kernel.now_ns();
    let scope = Scope::from_ioctl_arg(arg);
    match command {
        IoctlCommand::Enable => {
            kernel.with_pmu(|perf, pmu| perf.enable(pmu, now, event, scope));
            Ok(())
        }
        IoctlCommand::Disable => {
            kernel.with_pmu(|perf, pmu| perf.disable(pmu, now, event, scope));
            Ok(())
        }
        IoctlCommand::Reset => {
            kernel.with_pmu(|perf, pmu| perf.reset(pmu, now, event, scope));
            kernel.with_rings(|perf, memory| perf.update_userpage(now, event, memory));
            Ok(())
        }
        IoctlCommand::Refresh => {
            kernel.with_pmu(|perf, pmu| perf.refresh(pmu, now, event, arg as i32))
        }
        IoctlCommand::Period => {
            let value = kernel.read_user_u64(arg)?;
            kernel.with_pmu(|perf, pmu| perf.set_period(pmu, now, event, value))
        }
        IoctlCommand::SetOutput => set_output(kernel, task, event, arg),
        IoctlCommand::Id => {
            let id = kernel.perf.event(event).map_or(0, perf_core::PerfEvent::id);
            kernel.write_user_u64(arg, id)
        }
        IoctlCommand::PauseOutput => {
            // The argument is a number, of which the kernel looks at 32 bits.
            let output = if arg as u32 == 0 { Output::Running } else { Output::Paused };
            kernel.perf.pause_output(event, output)
        }
        IoctlCommand::ModifyAttributes => modify(kernel, task, event, arg),
        // No filters and no BPF programs here (rule 3.7).
        IoctlCommand::SetFilter | IoctlCommand::QueryBpf | IoctlCommand::SetBpf => {
            Err(Errno::EINVAL)
        }
    }
}

fn set_output(kernel: &mut Kernel, task: TaskId, event: EventId, arg: u64) -> Result<(), Errno> {
    let output = match arg as i64 {
        -1 => None,
        fd => Some(event_of_fd(&kernel.tasks, &kernel.files, task, fd as i32)?),
    };
    kernel.perf.set_output(event, output)
}

fn modify(kernel: &mut Kernel, task: TaskId, event: EventId, addr: u64) -> Result<(), Errno> {
    let bytes = copy_attr(kernel, addr)?;
    let attr = match PerfEventAttr::parse(&bytes) {
        Ok(attr) => attr,
        Err(error) => return Err(refuse(kernel, addr, OpenError::Attr(error))),
    };
    attr.check(&kernel.perf.config.limits)?;
    let now = kernel.now_ns();
    kernel.with_pmu_for(task, |perf, pmu| perf.modify_attributes(pmu, now, event, &attr))
}

/// mmap() of a perf descriptor: the control page and the ring buffer (rule 3.10.1).
pub(super) fn mmap(
    kernel: &mut Kernel,
    task: TaskId,
    event: EventId,
    args: &MmapArgs,
) -> Result<u64, Errno> {
    let request = MmapRequest {
        length: args.len,
        offset: args.offset,
        sharing: if args.flags & map::SHARED != 0 {
            MmapSharing::Shared
        } else {
            MmapSharing::Private
        },
        access: if args.prot & PROT_WRITE != 0 {
            MmapAccess::Writable
        } else {
            MmapAccess::ReadOnly
        },
    };
    let (buffer, is_new) = match kernel.perf.mmap(event, &request)? {
        Mapped::New { buffer, bytes } => {
            provide_frames(kernel, event, buffer, bytes)?;
            (buffer, true)
        }
        Mapped::Again { buffer } => (buffer, false),
    };
    *kernel.perf_maps.entry(event).or_insert(0) += 1;
    let pages = kernel.rings.get(&buffer).cloned().unwrap_or_default();
    let source = MapSource::PerfBuffer { pages: &pages, event };
    let mm = kernel.tasks.task(task).mm;
    let (space, _) = kernel.tasks.spaces.get_mut(&mm).ok_or(Errno::ENOMEM)?;
    let mapped = space.mmap(&mut kernel.hw, &mut kernel.frames, args, &source);
    kernel.collect_closed_buffers(mm);
    if mapped.is_err() {
        kernel.perf_mapping_closed(event);
    } else if is_new {
        let now = kernel.now_ns();
        kernel.with_rings(|perf, memory| perf.init_userpage(now, event, memory));
    }
    if let Ok(addr) = mapped {
        kernel.perf_event_mmap(task, addr);
    }
    mapped
}

/// Gives a new buffer its memory; takes the mapping back where there is none.
fn provide_frames(
    kernel: &mut Kernel,
    event: EventId,
    buffer: perf_core::BufferId,
    bytes: u64,
) -> Result<(), Errno> {
    let nr_pages = bytes / crate::mm::layout::PAGE_SIZE;
    let mut frames = Vec::new();
    for _ in 0..nr_pages {
        match kernel.frames.alloc_zeroed(&mut kernel.hw) {
            Ok(frame) => frames.push(frame),
            Err(errno) => {
                for frame in frames {
                    kernel.frames.put(frame);
                }
                let detached = kernel.perf.mmap_close(event);
                kernel.after_detach(detached);
                return Err(errno);
            }
        }
    }
    kernel.rings.insert(buffer, frames);
    Ok(())
}

impl Kernel {
    /// The last descriptor of an event is closed. A mapping keeps the event alive.
    pub(crate) fn perf_release(&mut self, event: EventId) {
        if self.perf_maps.contains_key(&event) {
            self.perf_orphans.insert(event);
            return;
        }
        let now = self.now_ns();
        let detached: Detached = self.with_pmu(|perf, pmu| perf.release(pmu, now, event));
        self.after_detach(detached);
    }

    /// One mapping of an event's ring buffer is gone.
    pub(crate) fn perf_mapping_closed(&mut self, event: EventId) {
        let detached = self.perf.mmap_close(event);
        self.after_detach(detached);
        let Some(count) = self.perf_maps.get_mut(&event) else { return };
        *count -= 1;
        if *count == 0 {
            self.perf_maps.remove(&event);
            if self.perf_orphans.remove(&event) {
                self.perf_release(event);
            }
        }
    }

    /// Closes the mappings that an address space has given up since the last call.
    pub(crate) fn collect_closed_buffers(&mut self, mm: MmId) {
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return };
        for event in space.take_closed_perf_buffers() {
            self.perf_mapping_closed(event);
        }
    }

    /// A fork has copied the mappings of an address space.
    pub(crate) fn perf_mappings_copied(&mut self, mm: MmId) {
        let Some((space, _)) = self.tasks.spaces.get(&mm) else { return };
        let copied: Vec<EventId> = space
            .vmas()
            .filter_map(|vma| match &vma.backing {
                Backing::PerfBuffer { event, .. } => Some(*event),
                _ => None,
            })
            .collect();
        for event in copied {
            self.perf.mmap_open(event);
            *self.perf_maps.entry(event).or_insert(0) += 1;
        }
    }
}

/// SIGIO, or what F_SETSIG named, to the owner of a descriptor with O_ASYNC (rule 3.9.5).
pub(crate) fn send_sigio(kernel: &mut Kernel, event: EventId, reason: PollReason) {
    for file in kernel.files.async_files(FileKind::PerfEvent(event)) {
        kernel.send_sigio(file, reason.si_code(), reason.si_band());
    }
}

/// SIGTRAP of a sigtrap event (`send_sig_perf`, rules 3.8.2 and 3.8.4): one that finds
/// the signal blocked is marked as late and stays pending, and does not kill.
pub(crate) fn send_sigtrap(kernel: &mut Kernel, task: TaskId, trap: &SigTrap) {
    let blocked = kernel.tasks.task(task).blocked & sigmask(SIGTRAP) != 0;
    let flags = if blocked { TRAP_PERF_FLAG_ASYNC } else { 0 };
    let info = SigInfo::perf(trap.addr, trap.perf_type, trap.sig_data, flags);
    kernel.send_signal_to_thread(task, info);
}
