//! Reading and writing another task's memory.
//!
//! Such accesses match no debug register of the task whose memory it is: Linux's go through the
//! kernel's own mapping (linux-hw-breakpoint rule 4.5.4). process_vm_readv and process_vm_writev do
//! so here too, on the processor; ptrace's go past it.
//! Source: Linux 6.18 `mm/memory.c` (`access_remote_vm`), `mm/process_vm_access.c`.

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::mm::access::{Access, PinFor};
use crate::mm::layout::PAGE_SIZE;
use crate::task::{MmId, TaskState};

/// How many of `wanted` bytes at `addr` are in its page.
fn in_page(addr: u64, wanted: usize) -> usize {
    wanted.min((PAGE_SIZE - addr % PAGE_SIZE) as usize)
}

impl Kernel {
    /// Reads memory of an address space; tells how many bytes could be read.
    pub fn read_remote_vm(&mut self, mm: MmId, addr: u64, out: &mut [u8], access: Access) -> usize {
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return 0 };
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let mut done = 0;
        while done < out.len() {
            let at = addr.wrapping_add(done as u64);
            let end = done + in_page(at, out.len() - done);
            if space.read_bytes(hw, frames, at, &mut out[done..end], access).is_err() {
                break;
            }
            done = end;
        }
        done
    }

    /// Writes memory of an address space; tells how many bytes could be written. With
    /// [`Access::Force`] private pages that the program may not write get copies.
    pub fn write_remote_vm(&mut self, mm: MmId, addr: u64, bytes: &[u8], access: Access) -> usize {
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return 0 };
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let mut done = 0;
        while done < bytes.len() {
            let at = addr.wrapping_add(done as u64);
            let end = done + in_page(at, bytes.len() - done);
            if space.write_bytes(hw, frames, at, &bytes[done..end], access).is_err() {
                break;
            }
            done = end;
        }
        done
    }

    /// PTRACE_PEEKTEXT and PTRACE_PEEKDATA.
    pub(super) fn ptrace_peek_data(
        &mut self,
        task: TaskId,
        addr: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        let mut word = [0; 8];
        let mm = self.tasks.task(task).mm;
        if self.read_remote_vm(mm, addr, &mut word, Access::Force) != word.len() {
            return Err(Errno::EIO);
        }
        self.copy_to_user(data, &word)?;
        Ok(0)
    }

    /// PTRACE_POKETEXT and PTRACE_POKEDATA.
    pub(super) fn ptrace_poke_data(
        &mut self,
        task: TaskId,
        addr: u64,
        word: u64,
    ) -> Result<u64, Errno> {
        let mm = self.tasks.task(task).mm;
        let written = self.write_remote_vm(mm, addr, &word.to_le_bytes(), Access::Force);
        if written == 8 { Ok(0) } else { Err(Errno::EIO) }
    }

    /// The memory that process_vm_readv and process_vm_writev mean.
    pub(super) fn remote_mm(&self, pid: u64) -> Result<MmId, Errno> {
        let task = self.tasks.find_task_by_vpid(pid as u32).ok_or(Errno::ESRCH)?;
        let entry = self.tasks.task(task);
        if matches!(entry.state, TaskState::Zombie(_)) {
            return Err(Errno::ESRCH);
        }
        Ok(entry.mm)
    }

    /// Moves bytes between the caller's memory and another's, as far as both go; tells how many
    /// (`process_vm_rw_core`).
    pub(super) fn process_vm_rw(
        &mut self,
        mm: MmId,
        local: &[(u64, u64)],
        remote: &[(u64, u64)],
        direction: Direction,
    ) -> Result<u64, Errno> {
        let mut local = local.iter().copied().filter(|(_, len)| *len > 0);
        let mut own = (0, 0);
        let mut total = 0;
        for &(base, len) in remote {
            let mut done = 0;
            while done < len {
                if own.1 == 0 {
                    let Some(next) = local.next() else { return Ok(total) };
                    own = next;
                }
                let at = base.wrapping_add(done);
                let wanted = (len - done).min(own.1).min(PAGE_SIZE - at % PAGE_SIZE);
                let moved = self.move_chunk(mm, own.0, at, wanted, direction);
                total += moved;
                done += moved;
                own = (own.0.wrapping_add(moved), own.1 - moved);
                if moved < wanted {
                    return if total > 0 { Ok(total) } else { Err(Errno::EFAULT) };
                }
            }
        }
        Ok(total)
    }

    /// Moves bytes of one page of the other task, which the kernel reaches through its direct map.
    fn move_chunk(&mut self, mm: MmId, own: u64, theirs: u64, len: u64, way: Direction) -> u64 {
        let what_for = match way {
            Direction::Read => PinFor::Reading,
            Direction::Write => PinFor::Writing,
        };
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return 0 };
        let Ok(physical) = space.pin(&mut self.hw, &mut self.frames, theirs, what_for) else {
            return 0;
        };
        match way {
            Direction::Read => self.copy_direct_map_to_user(own, physical, len),
            Direction::Write => self.copy_user_to_direct_map(own, physical, len),
        }
    }
}

/// Which way process_vm_* goes, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the other task.
    Read,
    /// To it.
    Write,
}
