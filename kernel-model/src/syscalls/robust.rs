//! Robust futexes: locks that tell of the death of their owner.
//! Source: Linux 6.18 `kernel/futex/core.c` (`exit_robust_list`, `handle_futex_death`).

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::kernel::Kernel;
use crate::uapi::futex::{
    FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, ROBUST_LIST_HEAD_BYTES, ROBUST_LIST_LIMIT,
};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(273, "set_robust_list", sys_set_robust_list),
    Syscall::plain(274, "get_robust_list", sys_get_robust_list),
];

fn sys_set_robust_list(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [head, len, ..] = *args;
    if len != ROBUST_LIST_HEAD_BYTES {
        return Err(Errno::EINVAL);
    }
    kernel.tasks.task_mut(task).robust_list = (head, len);
    Ok(0)
}

fn sys_get_robust_list(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [tid, head_at, len_at, ..] = *args;
    let target = match tid as i32 {
        0 => task,
        tid => {
            let tid = u32::try_from(tid).map_err(|_| Errno::ESRCH)?;
            kernel.tasks.find_tid(tid).ok_or(Errno::ESRCH)?
        }
    };
    let (head, _) = kernel.tasks.task(target).robust_list;
    kernel.write_user_u64(len_at, ROBUST_LIST_HEAD_BYTES)?;
    kernel.write_user_u64(head_at, head)?;
    Ok(0)
}

impl Kernel {
    /// Marks the locks that the current task held and wakes a waiter of each.
    pub(crate) fn exit_robust_list(&mut self, task: TaskId) {
        let (head, _) = std::mem::take(&mut self.tasks.task_mut(task).robust_list);
        if head != 0 {
            // A list that cannot be read ends there.
            let _end = self.walk_robust_list(task, head);
        }
    }

    fn walk_robust_list(&mut self, task: TaskId, head: u64) -> Result<(), Errno> {
        // struct robust_list_head: list, futex_offset, list_op_pending. Bit 0 marks
        // priority inheritance, which is not built.
        let mut entry = self.read_user_u64(head)? & !1;
        let offset = self.read_user_u64(head.wrapping_add(8))?;
        let pending = self.read_user_u64(head.wrapping_add(16))? & !1;
        let mut left = ROBUST_LIST_LIMIT;
        while entry != head && left > 0 {
            // The list may be changed by who is woken: the next entry is read before.
            let next = self.read_user_u64(entry);
            if entry != pending {
                self.handle_futex_death(task, entry.wrapping_add(offset))?;
            }
            entry = next? & !1;
            left -= 1;
        }
        if pending != 0 {
            self.handle_futex_death(task, pending.wrapping_add(offset))?;
        }
        Ok(())
    }

    fn handle_futex_death(&mut self, task: TaskId, uaddr: u64) -> Result<(), Errno> {
        if !uaddr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let word = self.read_user_u32(uaddr)?;
        if word & FUTEX_TID_MASK != self.tasks.task(task).tid {
            return Ok(());
        }
        self.write_user_u32(uaddr, word & FUTEX_WAITERS | FUTEX_OWNER_DIED)?;
        if word & FUTEX_WAITERS != 0 {
            self.futex_wake_shared(task, uaddr);
        }
        Ok(())
    }
}
