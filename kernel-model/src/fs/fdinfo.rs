//! `/proc/PID/fdinfo/FD`: what an open file is.
//! Source: Linux 6.18 `fs/proc/fd.c` (`seq_show`), the `show_fdinfo` operations of the files.

use std::fmt::Write as _;

use perf_core::Errno;

use super::fd::OnExec;
use super::file::FileKind;
use super::namei::Node;
use super::proc::ProcNode;
use super::task_file::{Life, TaskFile};
use crate::kernel::Kernel;
use crate::uapi::fcntl::{O_CLOEXEC, O_LARGEFILE};
use crate::uapi::time::NSEC_PER_SEC;

/// Number of the mount of files that have no name.
const ANON_MOUNT: u64 = 15;

impl Kernel {
    pub(super) fn proc_fdinfo(&self, node: ProcNode, fd: i32) -> Result<String, Errno> {
        let (_, process) = self.proc_process(node)?;
        let id = process.files.get(fd).map_err(|_| Errno::ENOENT)?;
        let closes = process.files.on_exec(fd) == Ok(OnExec::Close);
        let file = self.files.file(id);
        let flags = file.flags | if closes { O_CLOEXEC } else { 0 };
        let flags = if file.path.is_empty() { flags & !O_LARGEFILE } else { flags };
        let (mount, inode) = match self.node_of_file(id) {
            Some(Node::Inode(inode)) => (u64::from(self.vfs.inode(inode).mount.0), inode.0),
            Some(Node::Proc(place)) => (0, place.inode()),
            None => (ANON_MOUNT, self.fstat(id).map_or(0, |stat| stat.inode)),
        };
        let mut text = format!(
            "pos:\t{}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{inode}\n",
            file.position
        );
        if let FileKind::Task(kind) = file.kind {
            self.show_task_file(kind, file.flags, &mut text);
        }
        Ok(text)
    }

    fn show_task_file(&self, kind: TaskFile, flags: u32, text: &mut String) {
        let _fits = match kind {
            TaskFile::Timer(id) => {
                let Some(timer) = self.timerfds.get(id) else { return };
                let left = timer.expiry.remaining_ns(self.now_ns());
                let time = |ns: u64| format!("({}, {})", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC);
                writeln!(
                    text,
                    "clockid: {}\nticks: {}\nsettime flags: 0{:o}\nit_value: {}\nit_interval: {}",
                    timer.clock_id,
                    timer.ticks,
                    timer.set_flags,
                    time(left),
                    time(timer.expiry.interval_ns)
                )
            }
            // Its state is what a read of it tells.
            TaskFile::Messages(_) => Ok(()),
            TaskFile::Signals { set } => writeln!(text, "sigmask:\t{set:016x}"),
            TaskFile::Pid { pid } => {
                let is_gone = self.life_of(pid, flags) == Life::Gone;
                let shown = if is_gone { -1 } else { i64::from(pid) };
                writeln!(text, "Pid:\t{shown}\nNSpid:\t{shown}")
            }
        };
    }
}
