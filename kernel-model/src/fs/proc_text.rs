//! The texts of `/proc/PID`.
//! Source: Linux 6.18 `fs/proc/array.c`, `fs/proc/task_mmu.c`, `fs/proc/base.c`.

use std::fmt::Write;

use perf_core::{Errno, TaskId};

use super::proc::ProcNode;
use super::proc_memory;
use super::proc_status as status;
use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::{PAGE_SHIFT, PAGE_SIZE};
use crate::task::TaskState;

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcText {
    /// `auxv`.
    Auxv,
    /// `cgroup`.
    Cgroup,
    /// `coredump_filter`.
    CoredumpFilter,
    /// `cmdline`.
    Cmdline,
    /// `comm`, which can be written.
    Comm,
    /// `environ`.
    Environ,
    /// A file of `fdinfo`.
    FdInfo(i32),
    /// `gid_map`, `projid_map` and `uid_map`: ids are what they are.
    IdMap,
    /// `io`.
    Io,
    /// `limits`.
    Limits,
    /// `maps`.
    Maps,
    /// `mountinfo`.
    MountInfo,
    /// `mounts`.
    Mounts,
    /// `smaps`.
    Smaps,
    /// `smaps_rollup`.
    SmapsRollup,
    /// `oom_adj` and `oom_score_adj`: nobody is preferred.
    OomAdj,
    /// `oom_score`.
    OomScore,
    /// `personality`.
    Personality,
    /// `schedstat`.
    Schedstat,
    /// `loginuid` and `sessionid`: nobody logged in.
    SessionId,
    /// `setgroups`.
    SetGroups,
    /// `stat`.
    Stat,
    /// `statm`.
    Statm,
    /// `status`.
    Status,
    /// `wchan`.
    Wchan,
}

/// A tick of the user and system times, ns.
const TICK_NS: u64 = 10_000_000;
/// Most bytes of a program's strings that are shown: an open file holds them.
const MAX_STRINGS: u64 = 128 << 10;

impl ProcText {
    /// Rights.
    #[must_use]
    pub const fn permissions(self) -> u32 {
        match self {
            Self::Auxv | Self::Environ | Self::Io | Self::FdInfo(_) | Self::Personality => 0o400,
            Self::Comm => 0o644,
            _ => 0o444,
        }
    }
}

/// Makes a text.
pub(super) fn show(kernel: &mut Kernel, node: ProcNode, text: ProcText) -> Result<Vec<u8>, Errno> {
    match text {
        ProcText::Comm => {
            let task = kernel.proc_task(node)?;
            Ok(format!("{}\n", kernel.tasks.task(task).comm).into_bytes())
        }
        ProcText::Auxv => {
            let (_, process) = kernel.proc_process(node)?;
            let words = process.auxv.iter().flat_map(|(kind, value)| [*kind, *value]);
            Ok(words.flat_map(u64::to_le_bytes).collect())
        }
        ProcText::Limits => Ok(status::limits(kernel, node)?.into_bytes()),
        ProcText::Mounts => Ok(status::mounts(kernel).into_bytes()),
        ProcText::MountInfo => Ok(status::mountinfo(kernel).into_bytes()),
        ProcText::FdInfo(fd) => Ok(kernel.proc_fdinfo(node, fd)?.into_bytes()),
        ProcText::Io => Ok(status::io().into_bytes()),
        ProcText::Personality => {
            let task = kernel.proc_task(node)?;
            Ok(format!("{:08x}\n", kernel.tasks.task(task).personality).into_bytes())
        }
        ProcText::Schedstat => {
            let task = kernel.proc_task(node)?;
            let (user, system) = kernel.tasks.task(task).usage.ticks();
            Ok(format!("{} 0 1\n", (user + system) * TICK_NS).into_bytes())
        }
        ProcText::Cgroup => Ok(b"0::/\n".to_vec()),
        ProcText::CoredumpFilter => Ok(b"00000033\n".to_vec()),
        ProcText::IdMap => Ok(b"         0          0 4294967295\n".to_vec()),
        ProcText::OomAdj => Ok(b"0\n".to_vec()),
        ProcText::OomScore => Ok(b"666\n".to_vec()),
        ProcText::SessionId => Ok(b"4294967295".to_vec()),
        ProcText::SetGroups => Ok(b"allow\n".to_vec()),
        ProcText::Wchan => Ok(b"0".to_vec()),
        ProcText::Stat => Ok(stat(kernel, node)?.into_bytes()),
        ProcText::Status => Ok(status::status(kernel, node)?.into_bytes()),
        ProcText::Statm => Ok(proc_memory::statm(kernel, node).into_bytes()),
        ProcText::Maps => Ok(proc_memory::maps(kernel, node)),
        ProcText::Smaps => Ok(proc_memory::smaps(kernel, node)),
        ProcText::SmapsRollup => Ok(proc_memory::smaps_rollup(kernel, node)),
        ProcText::Cmdline => Ok(strings(kernel, node, Strings::Arguments)),
        ProcText::Environ => Ok(strings(kernel, node, Strings::Environment)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strings {
    Arguments,
    Environment,
}

/// Strings that a program was given, as they are in its memory now; none of one that has ended.
fn strings(kernel: &mut Kernel, node: ProcNode, which: Strings) -> Vec<u8> {
    let Ok(task) = kernel.proc_live_task(node) else { return Vec::new() };
    let mm = kernel.tasks.task(task).mm;
    let Some((space, _)) = kernel.tasks.spaces.get_mut(&mm) else { return Vec::new() };
    let (start, end) = match which {
        Strings::Arguments => (space.image.arg_start, space.image.arg_end),
        Strings::Environment => (space.image.env_start, space.image.env_end),
    };
    let mut bytes = vec![0; end.saturating_sub(start).min(MAX_STRINGS) as usize];
    let (hw, frames) = (&mut kernel.hw, &mut kernel.frames);
    match space.read_bytes(hw, frames, start, &mut bytes, Access::Force) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

pub(super) fn state_letter(kernel: &Kernel, task: TaskId) -> (char, &'static str) {
    match kernel.tasks.task(task).state {
        TaskState::Runnable => ('R', "running"),
        TaskState::Blocked(_) => ('S', "sleeping"),
        TaskState::Stopped => ('T', "stopped"),
        TaskState::Traced => ('t', "tracing stop"),
        TaskState::Zombie(_) => ('Z', "zombie"),
    }
}

/// Pages mapped, and the pages of code among them.
pub(super) fn sizes(kernel: &mut Kernel, node: ProcNode) -> (u64, u64) {
    let Ok(task) = kernel.proc_live_task(node) else { return (0, 0) };
    let space = kernel.tasks.space_of_mut(task);
    let code = space.image.end_code.saturating_sub(space.image.start_code).div_ceil(PAGE_SIZE);
    (space.mapped_bytes() >> PAGE_SHIFT, code)
}

fn stat(kernel: &mut Kernel, node: ProcNode) -> Result<String, Errno> {
    let task = kernel.proc_task(node)?;
    let (total, _) = sizes(kernel, node);
    let image = match kernel.proc_live_task(node) {
        Ok(live) => kernel.tasks.space_of_mut(live).image,
        Err(_) => Default::default(),
    };
    let (letter, _) = state_letter(kernel, task);
    let (_, process) = kernel.proc_process(node)?;
    let entry = kernel.tasks.task(task);
    let parent = process.parent.map_or(0, |parent| parent.0);
    let mut usage = process.dead_usage;
    usage.add(&entry.usage);
    let (user, system) = usage.ticks();
    let start = 0;
    let mut text = format!(
        "{} ({}) {letter} {parent} {} {} 0 -1 0 0 0 0 0 {user} {system} 0 0 20 0 {} 0 {start} {} {total} ",
        entry.tid,
        entry.comm,
        process.pgid,
        process.sid,
        process.threads.len(),
        total << PAGE_SHIFT,
    );
    // A limit without end, then where the program lies; no waiting channel, no swap.
    let _fits = writeln!(
        text,
        "{} {} {} {} 0 0 {} {} 0 0 0 0 0 {} {} 0 0 0 0 0 {} {} 0 {} {} {} {} 0",
        u64::MAX,
        image.start_code,
        image.end_code,
        image.start_stack,
        entry.pending.mask(),
        entry.blocked,
        process.exit_signal,
        entry.cpu.0,
        image.start_data,
        image.end_data,
        image.arg_start,
        image.arg_end,
        image.env_start,
        image.env_end,
    );
    Ok(text)
}
