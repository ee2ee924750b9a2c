//! Memory as the debugger sees it: past rights and debug registers, without its own INT3s.
//!
//! A user address is one of the CPU's current task; of an idle CPU, one of the address space that
//! is still loaded there, or else of the first process. Pages are filled as a fault would.
//! Source: Linux 6.18 kernel/debug/gdbstub.c (`probe_kernel_read`), mm/gup.c.

use perf_core::{CpuId, Errno};

use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX, offset_in_page};
use crate::task::MmId;

/// Memory that the debugger cannot have: EFAULT, `E14`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DebugMemoryError {
    /// Nothing is mapped there, or it may not be changed for the programs that share it.
    #[error("cannot access memory at {0:#x}")]
    Fault(u64),
    /// Kernel text is entered on the program's stack, which INT3 would write to.
    #[error("no software breakpoints in kernel text; hardware breakpoints can be there")]
    KernelText,
    /// A software breakpoint that is not set.
    #[error("no such software breakpoint")]
    Unknown,
}

impl DebugMemoryError {
    /// The number that the debugger is told.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Self::Fault(_) | Self::KernelText => Errno::EFAULT,
            Self::Unknown => Errno::ENOENT,
        }
    }
}

/// The parts of `[addr, addr + len)` that lie in one page each: address and bytes.
fn pieces(addr: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = addr.wrapping_add(done as u64);
        let end = len.min(done + (PAGE_SIZE - offset_in_page(at)) as usize);
        let piece = (done < len).then_some((at, done..end));
        done = end;
        piece
    })
}

impl Kernel {
    /// The address space that user addresses of a CPU are in.
    pub(super) fn kgdb_mm(&self, cpu: CpuId) -> Option<MmId> {
        if let Some(task) = self.current_on(cpu) {
            return Some(self.tasks.task(task).mm);
        }
        let cr3 = self.hw.cr3(cpu);
        let loaded = self.tasks.spaces.iter().find(|(_, (space, _))| space.cr3() == cr3);
        let first = || Some(self.tasks.tasks.get(&self.init?)?.mm);
        loaded.map(|(mm, _)| *mm).or_else(first).filter(|mm| self.tasks.spaces.contains_key(mm))
    }

    /// Reads memory at an address of a CPU; tells how many bytes could be read.
    ///
    /// # Errors
    /// Where that is none.
    pub fn kgdb_read(
        &mut self,
        cpu: CpuId,
        addr: u64,
        out: &mut [u8],
    ) -> Result<usize, DebugMemoryError> {
        let mut done = 0;
        for (at, range) in pieces(addr, out.len()) {
            let end = range.end;
            if !self.kgdb_read_piece(cpu, at, &mut out[range]) {
                break;
            }
            done = end;
        }
        if done == 0 && !out.is_empty() {
            return Err(DebugMemoryError::Fault(addr));
        }
        Ok(done)
    }

    /// Reads bytes of one page.
    fn kgdb_read_piece(&mut self, cpu: CpuId, at: u64, out: &mut [u8]) -> bool {
        if at >= TASK_SIZE_MAX {
            return self.hw.peek(cpu, at, out) == out.len();
        }
        let Some(mm) = self.kgdb_mm(cpu) else { return false };
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return false };
        let read = space.read_bytes(&mut self.hw, &mut self.frames, at, out, Access::Force);
        if let Some(kgdb) = &self.kgdb {
            kgdb.sw_breakpoints.hide(mm, at, out);
        }
        read.is_ok()
    }

    /// Writes memory at an address of a CPU. Private pages of a program are copied first.
    ///
    /// # Errors
    /// Where not all of it can be written; bytes before that have been.
    pub fn kgdb_write(
        &mut self,
        cpu: CpuId,
        addr: u64,
        data: &[u8],
    ) -> Result<(), DebugMemoryError> {
        for (at, range) in pieces(addr, data.len()) {
            if !self.kgdb_write_piece(cpu, at, &data[range]) {
                return Err(DebugMemoryError::Fault(at));
            }
        }
        Ok(())
    }

    /// Writes bytes of one page; under a software breakpoint the byte that is to come back.
    fn kgdb_write_piece(&mut self, cpu: CpuId, at: u64, data: &[u8]) -> bool {
        if at >= TASK_SIZE_MAX {
            return self.hw.poke(cpu, at, data) == data.len();
        }
        let Some(mm) = self.kgdb_mm(cpu) else { return false };
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return false };
        let mut bytes = data.to_vec();
        if let Some(kgdb) = &mut self.kgdb {
            kgdb.sw_breakpoints.keep(mm, at, &mut bytes);
        }
        space.write_bytes(&mut self.hw, &mut self.frames, at, &bytes, Access::Force).is_ok()
    }
}
