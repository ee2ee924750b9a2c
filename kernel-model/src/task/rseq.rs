//! Restartable sequences: a program's critical sections that start again when their thread
//! was interrupted, and the CPU number in its memory.
//! Source: Linux 6.18 `kernel/rseq.c`, `include/uapi/linux/rseq.h`.

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::uapi::{put, word_at};

/// Bytes of the first `struct rseq`, which is also its alignment.
pub const ORIG_RSEQ_SIZE: u32 = 32;
/// Bytes of `struct rseq` that are used (`AT_RSEQ_FEATURE_SIZE`).
pub const RSEQ_FEATURE_SIZE: u64 = 28;
/// Bytes of `struct rseq_cs`.
const RSEQ_CS_BYTES: usize = 32;
/// Offset of the address of the critical section.
const RSEQ_CS: u64 = 8;
/// `cpu_id` of a thread that is not registered.
const CPU_ID_UNINITIALIZED: u32 = u32::MAX;

/// A thread's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rseq {
    /// Address of its `struct rseq`.
    pub addr: u64,
    /// Bytes of it.
    pub len: u32,
    /// What stands before each abort handler.
    pub signature: u32,
    /// Whether it was interrupted since it was last in user mode.
    pub has_event: bool,
}

/// A critical section (`struct rseq_cs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CriticalSection {
    start: u64,
    bytes: u64,
    abort: u64,
    flags: u32,
}

impl CriticalSection {
    fn parse(bytes: &[u8; RSEQ_CS_BYTES]) -> Option<Self> {
        let (version, flags) = (word_at(bytes, 0) as u32, (word_at(bytes, 0) >> 32) as u32);
        let [start, length, abort] = [8, 16, 24].map(|at| word_at(bytes, at));
        let end = start.checked_add(length)?;
        let is_inside = abort.wrapping_sub(start) < length;
        let is_user = start < TASK_SIZE_MAX && end < TASK_SIZE_MAX && abort < TASK_SIZE_MAX;
        (version == 0 && is_user && !is_inside).then_some(Self {
            start,
            bytes: length,
            abort,
            flags,
        })
    }

    const fn contains(&self, ip: u64) -> bool {
        ip.wrapping_sub(self.start) < self.bytes
    }
}

impl Kernel {
    /// Brings a thread's `struct rseq` up to date before it goes back to user mode, and sends
    /// it to the abort handler of a section that was interrupted
    /// (`__rseq_handle_notify_resume`).
    ///
    /// # Errors
    /// What Linux answers with SIGSEGV: memory that is not there, a section that makes no sense.
    pub(crate) fn rseq_resume(&mut self, task: TaskId) -> Result<(), Errno> {
        let Some(rseq) = self.tasks.task(task).rseq else { return Ok(()) };
        if !rseq.has_event {
            return Ok(());
        }
        if let Some(rseq) = &mut self.tasks.task_mut(task).rseq {
            rseq.has_event = false;
        }
        self.rseq_ip_fixup(task, rseq)?;
        let cpu = self.this_cpu.0;
        let mm = self.tasks.task(task).mm;
        let is_shared = self.tasks.spaces.get(&mm).is_some_and(|(_, users)| *users > 1);
        self.write_rseq_ids(rseq, cpu, cpu, if is_shared { cpu } else { 0 })
    }

    /// The thread was preempted, moved or got a signal.
    pub(crate) fn rseq_note_event(&mut self, task: TaskId) {
        if let Some(rseq) = &mut self.tasks.task_mut(task).rseq {
            rseq.has_event = true;
        }
    }

    /// Takes the CPU number back from a thread that gives its registration up.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn rseq_reset_ids(&mut self, rseq: Rseq) -> Result<(), Errno> {
        self.write_rseq_ids(rseq, 0, CPU_ID_UNINITIALIZED, 0)
    }

    fn write_rseq_ids(
        &mut self,
        rseq: Rseq,
        start: u32,
        cpu: u32,
        mm_cid: u32,
    ) -> Result<(), Errno> {
        let mut ids = [0; 8];
        put(&mut ids, 0, start.to_le_bytes());
        put(&mut ids, 4, cpu.to_le_bytes());
        self.copy_to_user(rseq.addr, &ids)?;
        // Node 0, and the number among the memory's threads.
        put(&mut ids, 0, 0_u32.to_le_bytes());
        put(&mut ids, 4, mm_cid.to_le_bytes());
        self.copy_to_user(rseq.addr.wrapping_add(20), &ids)
    }

    fn rseq_ip_fixup(&mut self, task: TaskId, rseq: Rseq) -> Result<(), Errno> {
        let at = self.read_user_u64(rseq.addr.wrapping_add(RSEQ_CS))?;
        if at == 0 {
            return Ok(());
        }
        if at >= TASK_SIZE_MAX {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; RSEQ_CS_BYTES];
        self.copy_from_user(at, &mut bytes)?;
        let section = CriticalSection::parse(&bytes).ok_or(Errno::EINVAL)?;
        if self.read_user_u32(section.abort.wrapping_sub(4))? != rseq.signature {
            return Err(Errno::EINVAL);
        }
        let ip = self.tasks.task(task).regs.ip;
        let clear = |kernel: &mut Self| kernel.write_user_u64(rseq.addr.wrapping_add(RSEQ_CS), 0);
        if !section.contains(ip) {
            return clear(self);
        }
        let flags = self.read_user_u32(rseq.addr.wrapping_add(16))?;
        // The flags that kept sections from starting again are no longer obeyed.
        if section.flags != 0 || flags != 0 {
            return Err(Errno::EINVAL);
        }
        clear(self)?;
        self.tasks.task_mut(task).regs.ip = section.abort;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(words: [u64; 4]) -> Option<CriticalSection> {
        let mut bytes = [0; RSEQ_CS_BYTES];
        for (at, word) in [0, 8, 16, 24].into_iter().zip(words) {
            put(&mut bytes, at, word.to_le_bytes());
        }
        CriticalSection::parse(&bytes)
    }

    #[test]
    fn sections_that_make_sense() {
        let good = section([0, 0x1000, 0x20, 0x2000]).unwrap();
        assert_eq!(
            [0xfff, 0x1000, 0x101f, 0x1020].map(|ip| good.contains(ip)),
            [false, true, true, false]
        );
        assert_eq!(section([1, 0x1000, 0x20, 0x2000]), None, "a later version");
        assert_eq!(section([0, 0x1000, 0x20, 0x1010]), None, "aborts into itself");
        assert_eq!(section([0, TASK_SIZE_MAX, 1, 0x10]), None);
        assert_eq!(section([0, u64::MAX, 2, 0x10]), None);
    }
}
