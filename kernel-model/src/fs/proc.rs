//! `/proc/PID`: what is told of processes and threads. Nothing of it has an inode; a place is a
//! [`ProcNode`] and is looked up anew each time.
//! Source: Linux 6.18 `fs/proc/base.c`, `fs/proc/array.c`, `fs/proc/task_mmu.c`.

use perf_core::{Errno, TaskId};

use super::FileId;
use super::file::MemoryView;
use super::namei::Node;
use super::proc_text::{self, ProcText};
use crate::kernel::Kernel;
use crate::task::{Process, ProcessId, TaskState};

/// A place below `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcNode {
    /// Thread id; a process's is its pid.
    pub tid: u32,
    /// Whether it is below `/proc/PID/task`.
    pub is_thread: bool,
    /// What of it.
    pub entry: ProcEntry,
}

/// A name in the directory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcEntry {
    /// The directory itself.
    Top,
    /// `task`.
    Tasks,
    /// `fd`.
    Fds,
    /// A link in `fd`.
    Fd(i32),
    /// `fdinfo`.
    FdInfos,
    /// `exe`.
    Exe,
    /// `cwd`.
    Cwd,
    /// `root`.
    Root,
    /// `mem`.
    Memory(MemoryView),
    /// A text.
    Text(ProcText),
}

/// Names of the entries that are always there.
const ENTRIES: &[(&str, ProcEntry)] = &[
    ("task", ProcEntry::Tasks),
    ("fd", ProcEntry::Fds),
    ("fdinfo", ProcEntry::FdInfos),
    ("exe", ProcEntry::Exe),
    ("cwd", ProcEntry::Cwd),
    ("root", ProcEntry::Root),
    ("mem", ProcEntry::Memory(MemoryView::Bytes)),
    ("pagemap", ProcEntry::Memory(MemoryView::Pagemap)),
    ("auxv", ProcEntry::Text(ProcText::Auxv)),
    ("cgroup", ProcEntry::Text(ProcText::Cgroup)),
    ("coredump_filter", ProcEntry::Text(ProcText::CoredumpFilter)),
    ("cmdline", ProcEntry::Text(ProcText::Cmdline)),
    ("comm", ProcEntry::Text(ProcText::Comm)),
    ("environ", ProcEntry::Text(ProcText::Environ)),
    ("gid_map", ProcEntry::Text(ProcText::IdMap)),
    ("io", ProcEntry::Text(ProcText::Io)),
    ("limits", ProcEntry::Text(ProcText::Limits)),
    ("maps", ProcEntry::Text(ProcText::Maps)),
    ("mountinfo", ProcEntry::Text(ProcText::MountInfo)),
    ("mounts", ProcEntry::Text(ProcText::Mounts)),
    ("smaps", ProcEntry::Text(ProcText::Smaps)),
    ("smaps_rollup", ProcEntry::Text(ProcText::SmapsRollup)),
    ("oom_score", ProcEntry::Text(ProcText::OomScore)),
    ("oom_score_adj", ProcEntry::Text(ProcText::OomAdj)),
    ("personality", ProcEntry::Text(ProcText::Personality)),
    ("schedstat", ProcEntry::Text(ProcText::Schedstat)),
    ("sessionid", ProcEntry::Text(ProcText::SessionId)),
    ("setgroups", ProcEntry::Text(ProcText::SetGroups)),
    ("stat", ProcEntry::Text(ProcText::Stat)),
    ("statm", ProcEntry::Text(ProcText::Statm)),
    ("status", ProcEntry::Text(ProcText::Status)),
    ("uid_map", ProcEntry::Text(ProcText::IdMap)),
    ("wchan", ProcEntry::Text(ProcText::Wchan)),
];

/// `/proc/self` and `/proc/thread-self`, which are links to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcSelf {
    /// `self`.
    Process,
    /// `thread-self`.
    Thread,
}

/// Inode numbers of these places begin here.
const FIRST_INODE: u64 = 1 << 40;
/// Offset of the first process in the listing of `/proc`.
pub(super) const FIRST_PROCESS_OFFSET: u64 = 1 << 20;

impl ProcNode {
    /// The directory of a process.
    #[must_use]
    pub const fn process(pid: u32) -> Self {
        Self { tid: pid, is_thread: false, entry: ProcEntry::Top }
    }

    /// Another entry of the same directory.
    #[must_use]
    pub const fn with(self, entry: ProcEntry) -> Self {
        Self { entry, ..self }
    }

    /// What a directory of descriptors has for one.
    const fn of_descriptor(self, fd: i32) -> ProcEntry {
        match self.entry {
            ProcEntry::FdInfos => ProcEntry::Text(ProcText::FdInfo(fd)),
            _ => ProcEntry::Fd(fd),
        }
    }

    /// Inode number.
    #[must_use]
    pub fn inode(self) -> u64 {
        let code = match self.entry {
            ProcEntry::Top => 0,
            ProcEntry::Fd(fd) => 0x100 + 2 * fd as u64,
            ProcEntry::Text(ProcText::FdInfo(fd)) => 0x101 + 2 * fd as u64,
            entry => 1 + ENTRIES.iter().position(|(_, found)| *found == entry).unwrap_or(0) as u64,
        };
        FIRST_INODE + (u64::from(self.tid) << 22 | u64::from(self.is_thread) << 21 | code)
    }

    /// Type and rights of `st_mode`.
    #[must_use]
    pub const fn mode(self) -> u32 {
        match self.entry {
            ProcEntry::Top | ProcEntry::Tasks => 0o040_555,
            ProcEntry::Fds => 0o040_500,
            ProcEntry::FdInfos => 0o040_555,
            ProcEntry::Fd(_) => 0o120_700,
            ProcEntry::Exe | ProcEntry::Cwd | ProcEntry::Root => 0o120_777,
            ProcEntry::Memory(MemoryView::Bytes) => 0o100_600,
            ProcEntry::Memory(MemoryView::Pagemap) => 0o100_400,
            ProcEntry::Text(text) => 0o100_000 | text.permissions(),
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        let entry = self.entry;
        matches!(entry, ProcEntry::Top | ProcEntry::Tasks | ProcEntry::Fds | ProcEntry::FdInfos)
    }

    /// Whether it is a link.
    #[must_use]
    pub const fn is_link(self) -> bool {
        let entry = self.entry;
        matches!(entry, ProcEntry::Fd(_) | ProcEntry::Exe | ProcEntry::Cwd | ProcEntry::Root)
    }

    /// The full path.
    #[must_use]
    pub fn path(self, pid: u32) -> String {
        let top = if self.is_thread {
            format!("/proc/{pid}/task/{}", self.tid)
        } else {
            format!("/proc/{pid}")
        };
        match self.entry {
            ProcEntry::Top => top,
            ProcEntry::Fd(fd) => format!("{top}/fd/{fd}"),
            ProcEntry::Text(ProcText::FdInfo(fd)) => format!("{top}/fdinfo/{fd}"),
            entry => {
                let name = ENTRIES.iter().find(|(_, found)| *found == entry);
                format!("{top}/{}", name.map_or("", |(name, _)| name))
            }
        }
    }
}

/// A number as a name, without zeroes in front.
pub(super) fn number(name: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(name).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_zero = text.len() > 1 && text.starts_with('0');
    (is_plain && !has_zero).then(|| text.parse().ok()).flatten()
}

impl Kernel {
    /// The process of a place, zombies included.
    pub(super) fn proc_process(&self, node: ProcNode) -> Result<(ProcessId, &Process), Errno> {
        if node.is_thread {
            let task = self.tasks.find_tid(node.tid).ok_or(Errno::ENOENT)?;
            let id = self.tasks.task(task).process;
            return Ok((id, self.tasks.process_of(task)));
        }
        let id = self.tasks.find_pid(node.tid).ok_or(Errno::ENOENT)?;
        self.tasks.processes.get(&id).map(|process| (id, process)).ok_or(Errno::ENOENT)
    }

    /// The thread that a place tells of: a process's leader.
    pub(super) fn proc_task(&self, node: ProcNode) -> Result<TaskId, Errno> {
        let (_, process) = self.proc_process(node)?;
        let task =
            if node.is_thread { self.tasks.find_tid(node.tid) } else { Some(process.leader) };
        task.filter(|task| self.tasks.tasks.contains_key(task)).ok_or(Errno::ENOENT)
    }

    /// A thread of the process whose memory is still there.
    pub(super) fn proc_live_task(&self, node: ProcNode) -> Result<TaskId, Errno> {
        let (_, process) = self.proc_process(node)?;
        let is_live = |task: &TaskId| {
            self.tasks
                .tasks
                .get(task)
                .is_some_and(|task| !matches!(task.state, TaskState::Zombie(_)))
        };
        let own = self.proc_task(node)?;
        if is_live(&own) {
            return Ok(own);
        }
        process.threads.iter().copied().find(is_live).ok_or(Errno::ESRCH)
    }

    /// A name in a directory of a process.
    pub(super) fn proc_child(&self, node: ProcNode, name: &[u8]) -> Result<ProcNode, Errno> {
        let (_, process) = self.proc_process(node)?;
        match node.entry {
            ProcEntry::Top => {
                let found = ENTRIES.iter().find(|(found, _)| found.as_bytes() == name);
                let entry = found.map(|(_, entry)| *entry).ok_or(Errno::ENOENT)?;
                if node.is_thread && entry == ProcEntry::Tasks {
                    return Err(Errno::ENOENT);
                }
                Ok(node.with(entry))
            }
            ProcEntry::Tasks => {
                let tid = number(name).ok_or(Errno::ENOENT)?;
                let is_member = |task: &TaskId| self.tasks.task(*task).tid == tid;
                process.threads.iter().find(|task| is_member(task)).ok_or(Errno::ENOENT)?;
                Ok(ProcNode { tid, is_thread: true, entry: ProcEntry::Top })
            }
            ProcEntry::Fds | ProcEntry::FdInfos => {
                let fd = number(name).and_then(|fd| i32::try_from(fd).ok()).ok_or(Errno::ENOENT)?;
                process.files.get(fd).map_err(|_| Errno::ENOENT)?;
                Ok(node.with(node.of_descriptor(fd)))
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The open file that a link in `fd` leads to.
    pub(crate) fn proc_file(&self, node: ProcNode) -> Option<FileId> {
        let ProcEntry::Fd(fd) = node.entry else { return None };
        self.proc_process(node).ok()?.1.files.get(fd).ok()
    }

    /// The directory above.
    pub(super) fn proc_parent(&self, node: ProcNode) -> Result<Node, Errno> {
        Ok(match node.entry {
            ProcEntry::Top if node.is_thread => {
                let (_, process) = self.proc_process(node)?;
                Node::Proc(ProcNode::process(process.pid).with(ProcEntry::Tasks))
            }
            ProcEntry::Top => Node::Inode(self.proc_root()),
            ProcEntry::Fd(_) => Node::Proc(node.with(ProcEntry::Fds)),
            ProcEntry::Text(ProcText::FdInfo(_)) => Node::Proc(node.with(ProcEntry::FdInfos)),
            _ => Node::Proc(node.with(ProcEntry::Top)),
        })
    }

    /// What a directory of a process holds.
    pub(super) fn proc_list(&self, node: ProcNode) -> Result<Vec<(String, ProcNode)>, Errno> {
        let (_, process) = self.proc_process(node)?;
        Ok(match node.entry {
            ProcEntry::Top => ENTRIES
                .iter()
                .filter(|(_, entry)| !node.is_thread || *entry != ProcEntry::Tasks)
                .map(|(name, entry)| ((*name).to_owned(), node.with(*entry)))
                .collect(),
            ProcEntry::Tasks => process
                .threads
                .iter()
                .map(|task| {
                    let tid = self.tasks.task(*task).tid;
                    let thread = ProcNode { tid, is_thread: true, entry: ProcEntry::Top };
                    (tid.to_string(), thread)
                })
                .collect(),
            ProcEntry::Fds | ProcEntry::FdInfos => process
                .files
                .open_fds()
                .map(|fd| (fd.to_string(), node.with(node.of_descriptor(fd))))
                .collect(),
            _ => return Err(Errno::ENOTDIR),
        })
    }

    /// What a link of a process shows.
    pub(super) fn proc_readlink(&self, node: ProcNode) -> Result<Vec<u8>, Errno> {
        let (_, process) = self.proc_process(node)?;
        match node.entry {
            ProcEntry::Exe => Ok(process.exe_path.clone().into_bytes()),
            ProcEntry::Cwd => self.node_path(process.cwd),
            ProcEntry::Root => Ok(b"/".to_vec()),
            ProcEntry::Fd(fd) => {
                let file = process.files.get(fd).map_err(|_| Errno::ENOENT)?;
                Ok(self.path_of_file(file))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The text of a file of a process.
    pub(super) fn proc_text(&mut self, node: ProcNode) -> Result<Vec<u8>, Errno> {
        match node.entry {
            ProcEntry::Text(text) => proc_text::show(self, node, text),
            _ => Err(Errno::EISDIR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_name_processes() {
        let cases: [(&[u8], Option<u32>); 6] = [
            (b"1000", Some(1000)),
            (b"0", Some(0)),
            (b"01", None),
            (b"+1", None),
            (b"", None),
            (b"99999999999", None),
        ];
        for (name, want) in cases {
            assert_eq!(number(name), want, "{name:?}");
        }
    }
}
