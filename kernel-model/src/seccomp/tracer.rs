//! PTRACE_SECCOMP_GET_FILTER and PTRACE_SECCOMP_GET_METADATA.
//! Source: Linux 6.18 `kernel/seccomp.c` (`seccomp_get_filter`, `seccomp_get_metadata`).

use perf_core::{Errno, TaskId};

use super::{Filter, Mode};
use crate::kernel::Kernel;
use crate::task::cred::Cap;
use crate::uapi::put;

/// `SECCOMP_FILTER_FLAG_LOG`.
const FLAG_LOG: u64 = 2;
/// Bytes of `struct seccomp_metadata`.
const METADATA_BYTES: usize = 16;

impl Kernel {
    /// The filter of a tracee by its place, 0 for the oldest (`get_nth_filter`).
    fn nth_filter(&self, task: TaskId, nth: u64) -> Result<&Filter, Errno> {
        let Mode::Filter(path) = &self.tasks.task(task).seccomp else { return Err(Errno::EINVAL) };
        let id = usize::try_from(nth).ok().and_then(|nth| path.get(nth)).ok_or(Errno::ENOENT)?;
        self.seccomp_filters.filters.get(id).ok_or(Errno::ENOENT)
    }

    fn check_seccomp_tracer(&self, tracer: TaskId) -> Result<(), Errno> {
        let entry = self.tasks.task(tracer);
        let allowed = entry.cred.capable(Cap::SysAdmin) && entry.seccomp == Mode::Disabled;
        if allowed { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Copies the program of the `nth` filter to `data`, unless that is 0; tells its length.
    pub(crate) fn ptrace_seccomp_get_filter(
        &mut self,
        tracer: TaskId,
        task: TaskId,
        nth: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        self.check_seccomp_tracer(tracer)?;
        let program = &self.nth_filter(task, nth)?.program;
        let bytes: Vec<u8> = program.source().flat_map(|insn| insn.to_bytes()).collect();
        let len = program.len() as u64;
        if data != 0 {
            self.copy_to_user(data, &bytes)?;
        }
        Ok(len)
    }

    /// Copies the flags of the filter that the structure at `data` names; tells the bytes copied.
    pub(crate) fn ptrace_seccomp_get_metadata(
        &mut self,
        tracer: TaskId,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        self.check_seccomp_tracer(tracer)?;
        let len = usize::try_from(size).unwrap_or(usize::MAX).min(METADATA_BYTES);
        if len < 8 {
            return Err(Errno::EINVAL);
        }
        let nth = self.read_user_u64(data)?;
        let filter = self.nth_filter(task, nth)?;
        let flags = if filter.logs { FLAG_LOG } else { 0 };
        let mut bytes = [0; METADATA_BYTES];
        put(&mut bytes, 0, nth.to_le_bytes());
        put(&mut bytes, 8, flags.to_le_bytes());
        self.copy_to_user(data, &bytes[..len])?;
        Ok(len as u64)
    }
}
