//! `perf_event_open` between the system call and perf core: the order in which a request is
//! refused.
//!
//! [`perf_event_open`] is the one place with all steps of linux-hw-breakpoint rule 1.2 in their
//! order. What it has to know about tasks, descriptors and rights it asks through [`OpenFacts`],
//! so that it runs without any of them. Neighbours: `Perf::event_alloc` does steps 8 to 18 (11 to
//! 16 in [`super::hw_breakpoint`]), `Perf::event_install` 22 and 23.
//! Source: `perf_event_open`, `perf_check_permission`, `find_get_context`, Linux 6.18
//! kernel/events/core.c.

#[cfg(test)]
mod tests;

use perf_core::attr::abi::AttrFlags;
use perf_core::{
    AttrError, Credentials, Defect, Errno, EventId, EventState, OpenRequest, Perf, PerfEvent,
    PerfEventAttr, Pmus, TaskId,
};

use super::hw_breakpoint::CapSysAdmin;

/// `PERF_FLAG_FD_NO_GROUP`: `group_fd` is not the leader.
pub const PERF_FLAG_FD_NO_GROUP: u64 = 1;
/// `PERF_FLAG_FD_OUTPUT`: records go to the buffer of `group_fd`.
pub const PERF_FLAG_FD_OUTPUT: u64 = 2;
/// `PERF_FLAG_PID_CGROUP`: `pid` is a descriptor of a cgroup.
pub const PERF_FLAG_PID_CGROUP: u64 = 4;
/// `PERF_FLAG_FD_CLOEXEC`: the new descriptor closes on exec.
pub const PERF_FLAG_FD_CLOEXEC: u64 = 8;
const PERF_FLAG_ALL: u64 =
    PERF_FLAG_FD_NO_GROUP | PERF_FLAG_FD_OUTPUT | PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC;

/// A right that perf asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// CAP_KILL.
    Kill,
    /// CAP_PERFMON.
    Perfmon,
    /// CAP_SYS_ADMIN.
    SysAdmin,
}

/// What a caller wants of another task (`PTRACE_MODE_*_REALCREDS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PtraceMode {
    /// To look at it.
    Read,
    /// To change it.
    Attach,
}

/// What `perf_event_open` has to know about the calling task and the system.
pub trait OpenFacts {
    /// The calling task.
    fn current(&self) -> TaskId;
    /// Whether the caller has a capability.
    fn capable(&self, capability: Capability) -> bool;
    /// `kernel.perf_event_paranoid`.
    fn paranoid(&self) -> i32;
    /// Whether there is room for a descriptor (EMFILE).
    fn check_unused_fd(&self) -> Result<(), Errno>;
    /// The event behind a descriptor of the caller; `None` if it is no perf descriptor.
    fn perf_event_of_fd(&self, fd: i32) -> Option<EventId>;
    /// The task with this positive pid in the caller's namespace; zombies until they are reaped.
    fn find_task_by_vpid(&self, pid: i32) -> Option<TaskId>;
    /// `ptrace_may_access` for the caller. True for itself.
    fn ptrace_may_access(&self, task: TaskId, mode: PtraceMode) -> bool;
    /// Whether a task's perf events have been torn down already (past `perf_event_exit_task`).
    fn is_past_exit(&self, task: TaskId) -> bool;
}

/// The arguments of the system call.
#[derive(Clone, Copy, Debug)]
pub struct OpenArgs<'a> {
    /// The bytes that could be read at the attribute's address, at most 4096.
    pub attr: &'a [u8],
    /// Target: 0 the caller, -1 none, else a pid.
    pub pid: i32,
    /// CPU, or -1 for any.
    pub cpu: i32,
    /// Descriptor of the group's leader or of the buffer, or -1.
    pub group_fd: i32,
    /// `PERF_FLAG_*`.
    pub flags: u64,
}

/// Whether the new descriptor closes on exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseOnExec {
    /// It stays.
    No,
    /// It closes (`O_CLOEXEC`).
    Yes,
}

/// A new event, which wants a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The event.
    pub event: EventId,
    /// A property of its descriptor.
    pub close_on_exec: CloseOnExec,
}

/// Why there is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The attribute could not be copied in (step 2).
    #[error(transparent)]
    Attr(#[from] AttrError),
    /// Any other step.
    #[error(transparent)]
    Refused(#[from] Errno),
}

impl OpenError {
    /// The error number of the system call.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Self::Attr(error) => error.errno(),
            Self::Refused(errno) => errno,
        }
    }

    /// The size to be written to the user's `attr.size` (rule 1.1.1).
    #[must_use]
    pub const fn write_back_size(self) -> Option<u32> {
        match self {
            Self::Attr(AttrError::TooBig { write_back_size }) => Some(write_back_size),
            Self::Attr(AttrError::Fault) | Self::Refused(_) => None,
        }
    }
}

/// The caller's rights as perf core's own checks want them.
#[must_use]
pub fn credentials(facts: &dyn OpenFacts) -> Credentials {
    Credentials { paranoid: facts.paranoid(), perfmon_capable: perfmon_capable(facts) }
}

/// The caller's right to kernel addresses, for [`super::hw_breakpoint::BreakpointPmu::caller`].
#[must_use]
pub fn cap_sys_admin(facts: &dyn OpenFacts) -> CapSysAdmin {
    if facts.capable(Capability::SysAdmin) { CapSysAdmin::Held } else { CapSysAdmin::NotHeld }
}

/// Opens an event, which then counts or waits to be enabled. The steps are those of rule 1.2; the
/// first that fails decides. `pmus` act with the caller's rights ([`cap_sys_admin`]).
///
/// # Errors
/// [`OpenError`]; nothing is left behind, and every slot that was taken has been given back.
pub fn perf_event_open(
    facts: &dyn OpenFacts,
    perf: &mut Perf,
    pmus: &mut dyn Pmus,
    now: u64,
    args: &OpenArgs<'_>,
) -> Result<Opened, OpenError> {
    let prepared = prepare(facts, perf, args)?;
    // Steps 8 to 18. Without rights on its target the event has its slot from here to step 20
    // all the same (rule 1.2.2).
    let event = perf.event_alloc(pmus, &prepared.request)?;
    if let Err(errno) = check_target(facts, &prepared.request) {
        perf.event_free(pmus, event);
        return Err(errno.into());
    }
    if late_fd(perf)
        && let Err(errno) = facts.check_unused_fd()
    {
        perf.event_forget(event);
        return Err(errno.into());
    }
    // Steps 22 and 23.
    perf.event_install(pmus, now, event, prepared.output)?;
    Ok(Opened { event, close_on_exec: prepared.close_on_exec })
}

/// A request that passed steps 1 to 7.
#[derive(Clone, Debug)]
struct Prepared {
    request: OpenRequest,
    /// The event whose buffer takes the records.
    output: Option<EventId>,
    close_on_exec: CloseOnExec,
}

/// Steps 1 to 7.
fn prepare(facts: &dyn OpenFacts, perf: &Perf, args: &OpenArgs<'_>) -> Result<Prepared, OpenError> {
    if args.flags & !PERF_FLAG_ALL != 0 {
        return Err(Errno::EINVAL.into());
    }
    let attr = PerfEventAttr::parse(args.attr)?;
    let limits = &perf.config.limits;
    attr.check(limits)?;
    attr.check_access(credentials(facts), limits)?;
    check_cgroup(args)?;
    if !late_fd(perf) {
        facts.check_unused_fd()?;
    }
    let group = match args.group_fd {
        -1 => None,
        fd => Some(find_group(facts, perf, fd)?),
    };
    let has = |flag| args.flags & flag != 0;
    let request = OpenRequest {
        attr,
        task: if ignores_pid(perf, args) { None } else { find_target(facts, args.pid)? },
        cpu: args.cpu,
        group_leader: group.filter(|_| !has(PERF_FLAG_FD_NO_GROUP)),
        owner: facts.current(),
    };
    let output = group.filter(|_| has(PERF_FLAG_FD_OUTPUT));
    let close_on_exec = if has(PERF_FLAG_FD_CLOEXEC) { CloseOnExec::Yes } else { CloseOnExec::No };
    Ok(Prepared { request, output, close_on_exec })
}

/// Cgroup mode is not supported: EINVAL, as on a kernel without CONFIG_CGROUP_PERF.
fn check_cgroup(args: &OpenArgs<'_>) -> Result<(), Errno> {
    if args.flags & PERF_FLAG_PID_CGROUP != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// S15: with a CPU nobody looks at the pid, right or wrong, and the event is CPU-wide.
fn ignores_pid(perf: &Perf, args: &OpenArgs<'_>) -> bool {
    args.cpu != -1 && perf.config.defects.has(Defect::PidIgnoredWithCpu)
}

/// S3, other half: the descriptor is looked for when the event exists, and without one the event
/// is forgotten together with its slot (rule 2.4.3).
fn late_fd(perf: &Perf) -> bool {
    perf.config.defects.has(Defect::SlotLeaksOnFailure)
}

/// Step 6. An event that has left its task (exit, `remove_on_exec`) leads nothing any more, nor
/// does its buffer serve another: ENODEV, measured on 6.18.
fn find_group(facts: &dyn OpenFacts, perf: &Perf, fd: i32) -> Result<EventId, Errno> {
    let group = facts.perf_event_of_fd(fd).ok_or(Errno::EBADF)?;
    match perf.event(group).map(PerfEvent::state) {
        Some(EventState::Exit | EventState::Dead) => Err(Errno::ENODEV),
        _ => Ok(group),
    }
}

/// Step 7.
fn find_target(facts: &dyn OpenFacts, pid: i32) -> Result<Option<TaskId>, Errno> {
    match pid {
        -1 => Ok(None),
        0 => Ok(Some(facts.current())),
        1.. => facts.find_task_by_vpid(pid).map(Some).ok_or(Errno::ESRCH),
        _ => Err(Errno::ESRCH),
    }
}

/// Steps 19 to 21.
fn check_target(facts: &dyn OpenFacts, request: &OpenRequest) -> Result<(), Errno> {
    let Some(task) = request.task else {
        return credentials(facts).allow_cpu();
    };
    if !perf_check_permission(facts, &request.attr, task) {
        return Err(Errno::EACCES);
    }
    if facts.is_past_exit(task) {
        return Err(Errno::ESRCH);
    }
    Ok(())
}

/// `perf_check_permission` (rule 1.6.1). Signals change their target, so a sigtrap event wants
/// CAP_KILL as well, or the right to attach.
fn perf_check_permission(facts: &dyn OpenFacts, attr: &PerfEventAttr, task: TaskId) -> bool {
    let (capable, mode) = if attr.has(AttrFlags::SIGTRAP) {
        (perfmon_capable(facts) && facts.capable(Capability::Kill), PtraceMode::Attach)
    } else {
        (perfmon_capable(facts), PtraceMode::Read)
    };
    capable || facts.ptrace_may_access(task, mode)
}

fn perfmon_capable(facts: &dyn OpenFacts) -> bool {
    facts.capable(Capability::Perfmon) || facts.capable(Capability::SysAdmin)
}
