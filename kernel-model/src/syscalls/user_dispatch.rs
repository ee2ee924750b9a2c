//! System calls that a program handles itself: PR_SET_SYSCALL_USER_DISPATCH, by SIGSYS.
//! Source: Linux 6.18 `kernel/entry/syscall_user_dispatch.c`.

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::signal::SigInfo;
use crate::uapi::signal::{SIGSEGV, SIGSYS};
use crate::uapi::{put, word_at};

/// Which system calls a thread's SIGSYS handler gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserDispatch {
    /// `PR_SYS_DISPATCH_EXCLUSIVE_ON` or `PR_SYS_DISPATCH_INCLUSIVE_ON`.
    mode: Range,
    /// Address of the byte that says whether calls are dispatched, 0 for none.
    selector: u64,
    /// The range of addresses.
    offset: u64,
    len: u64,
}

/// What the range of addresses means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// Calls from inside are made.
    Exempt,
    /// Calls from outside are made.
    Only,
}

/// `PR_SYS_DISPATCH_OFF`.
const OFF: u64 = 0;
/// `PR_SYS_DISPATCH_EXCLUSIVE_ON`.
const EXCLUSIVE_ON: u64 = 1;
/// `PR_SYS_DISPATCH_INCLUSIVE_ON`.
const INCLUSIVE_ON: u64 = 2;
/// `SYSCALL_DISPATCH_FILTER_ALLOW`.
const FILTER_ALLOW: u8 = 0;
/// `SYSCALL_DISPATCH_FILTER_BLOCK`.
const FILTER_BLOCK: u8 = 1;
/// `si_code` of SIGSYS.
const SYS_USER_DISPATCH: i32 = 2;
/// Bytes of `struct ptrace_sud_config`: mode, selector, offset, len.
const CONFIG_BYTES: usize = 32;

/// What PR_SET_SYSCALL_USER_DISPATCH asks for; `None` switches it off.
fn parse(words: [u64; 4]) -> Result<Option<UserDispatch>, Errno> {
    let [mode, offset, len, selector] = words;
    let overflows = offset != 0 && offset.wrapping_add(len) <= offset;
    let mode = match mode {
        OFF if offset == 0 && len == 0 && selector == 0 => return Ok(None),
        EXCLUSIVE_ON if !overflows => Range::Exempt,
        // Linux turns the range inside out, so that it must be one.
        INCLUSIVE_ON if len != 0 && offset.wrapping_add(len) > offset => Range::Only,
        _ => return Err(Errno::EINVAL),
    };
    if selector >= TASK_SIZE_MAX {
        return Err(Errno::EFAULT);
    }
    Ok(Some(UserDispatch { mode, selector, offset, len }))
}

impl UserDispatch {
    /// Whether calls from this address are made without asking the selector.
    const fn is_exempt(&self, ip: u64) -> bool {
        let inside = ip.wrapping_sub(self.offset) < self.len;
        match self.mode {
            Range::Exempt => inside,
            Range::Only => !inside,
        }
    }
}

impl Kernel {
    /// PR_SET_SYSCALL_USER_DISPATCH.
    pub(super) fn prctl_user_dispatch(
        &mut self,
        task: TaskId,
        words: [u64; 4],
    ) -> Result<u64, Errno> {
        self.tasks.task_mut(task).user_dispatch = parse(words)?;
        Ok(0)
    }

    /// Whether the call that the current task is at goes to its own handler, or it dies of it
    /// (`syscall_user_dispatch`).
    pub(crate) fn dispatches_to_user(&mut self, task: TaskId) -> bool {
        let entry = self.tasks.task(task);
        let Some(dispatch) = entry.user_dispatch else { return false };
        if dispatch.is_exempt(entry.regs.ip) {
            return false;
        }
        if dispatch.selector != 0 {
            let mut state = [0];
            if self.copy_from_user(dispatch.selector, &mut state).is_err() {
                self.force_exit_signal(task, SigInfo::from_kernel(SIGSEGV));
                return true;
            }
            match state[0] {
                FILTER_ALLOW => return false,
                FILTER_BLOCK => {}
                _ => {
                    self.force_exit_signal(task, SigInfo::from_kernel(SIGSYS));
                    return true;
                }
            }
        }
        self.rollback(task);
        let info = self.sigsys_info(task, SYS_USER_DISPATCH);
        self.force_signal(task, info);
        true
    }

    /// PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG.
    pub(crate) fn ptrace_get_user_dispatch(
        &mut self,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        if size != CONFIG_BYTES as u64 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; CONFIG_BYTES];
        if let Some(dispatch) = self.tasks.task(task).user_dispatch {
            let mode = match dispatch.mode {
                Range::Exempt => EXCLUSIVE_ON,
                Range::Only => INCLUSIVE_ON,
            };
            let words = [mode, dispatch.selector, dispatch.offset, dispatch.len];
            for (slot, word) in words.into_iter().enumerate() {
                put(&mut bytes, 8 * slot, word.to_le_bytes());
            }
        }
        self.copy_to_user(data, &bytes).map(|()| 0)
    }

    /// PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG.
    pub(crate) fn ptrace_set_user_dispatch(
        &mut self,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        if size != CONFIG_BYTES as u64 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; CONFIG_BYTES];
        self.copy_from_user(data, &mut bytes)?;
        let [mode, selector, offset, len] = [0, 8, 16, 24].map(|at| word_at(&bytes, at));
        self.tasks.task_mut(task).user_dispatch = parse([mode, offset, len, selector])?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prctl_accepts() {
        for (words, ok) in [
            ([OFF, 0, 0, 0], true),
            ([OFF, 1, 0, 0], false),
            ([EXCLUSIVE_ON, 0, 0, 0], true),
            ([EXCLUSIVE_ON, 1, u64::MAX, 0], false),
            ([EXCLUSIVE_ON, 0, u64::MAX, 0], true),
            ([INCLUSIVE_ON, 0x1000, 0, 0], false),
            ([INCLUSIVE_ON, 0x1000, 1, 0], true),
            ([3, 0, 0, 0], false),
        ] {
            assert_eq!(parse(words).is_ok(), ok, "{words:x?}");
        }
        assert_eq!(parse([EXCLUSIVE_ON, 0, 0, TASK_SIZE_MAX]), Err(Errno::EFAULT));
    }

    #[test]
    fn addresses_that_are_exempt() {
        let exempt = |mode, ip| {
            parse([mode, 0x1000, 0x10, 0]).unwrap().is_some_and(|range| range.is_exempt(ip))
        };
        let at = [0xfff, 0x1000, 0x100f, 0x1010];
        assert_eq!(at.map(|ip| exempt(EXCLUSIVE_ON, ip)), [false, true, true, false]);
        assert_eq!(at.map(|ip| exempt(INCLUSIVE_ON, ip)), [true, false, false, true]);
    }
}
