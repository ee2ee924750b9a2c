//! PTRACE_GET_SYSCALL_INFO. Source: Linux 6.18 `kernel/ptrace.c` (`ptrace_get_syscall_info`).

use perf_core::{Errno, TaskId};

use crate::arch::x86::pt_regs::{PtRegs, RAX};
use crate::kernel::Kernel;
use crate::uapi::ptrace::{
    AUDIT_ARCH_X86_64, PTRACE_EVENTMSG_SYSCALL_ENTRY, PTRACE_EVENTMSG_SYSCALL_EXIT,
};
use crate::uapi::put;
use crate::uapi::signal::SIGTRAP;

/// Bytes before the part that depends on the stop.
const HEAD_BYTES: usize = 24;
/// Bytes with the entry's part: number and six arguments.
const ENTRY_BYTES: usize = HEAD_BYTES + 7 * 8;
/// Bytes with the exit's part: result and whether it is an error.
const EXIT_BYTES: usize = HEAD_BYTES + 9;
/// `si_code` of a syscall stop with PTRACE_O_TRACESYSGOOD.
const SYSGOOD_STOP: i32 = (SIGTRAP | 0x80) as i32;
/// The largest errno that a result can hold (`MAX_ERRNO`).
const MAX_ERRNO: i64 = 4095;

/// Where a tracee stopped, as far as system calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Elsewhere = 0,
    Entry = 1,
    Exit = 2,
}

fn describe(at: At, regs: &PtRegs) -> Vec<u8> {
    let len = match at {
        At::Elsewhere => HEAD_BYTES,
        At::Entry => ENTRY_BYTES,
        At::Exit => EXIT_BYTES,
    };
    let mut bytes = vec![0; len];
    bytes[0] = at as u8;
    put(&mut bytes, 4, AUDIT_ARCH_X86_64.to_le_bytes());
    put(&mut bytes, 8, regs.ip.to_le_bytes());
    put(&mut bytes, 16, regs.sp().to_le_bytes());
    match at {
        At::Elsewhere => {}
        At::Entry => {
            put(&mut bytes, HEAD_BYTES, regs.orig_ax.to_le_bytes());
            for (index, arg) in regs.args().into_iter().enumerate() {
                put(&mut bytes, HEAD_BYTES + 8 + 8 * index, arg.to_le_bytes());
            }
        }
        At::Exit => {
            let result = regs.gpr[RAX];
            put(&mut bytes, HEAD_BYTES, result.to_le_bytes());
            bytes[HEAD_BYTES + 8] = u8::from((-MAX_ERRNO..0).contains(&(result as i64)));
        }
    }
    bytes
}

impl Kernel {
    /// Copies as much of the description as `size` allows; tells how long it is.
    pub(super) fn ptrace_get_syscall_info(
        &mut self,
        task: TaskId,
        size: u64,
        data: u64,
    ) -> Result<u64, Errno> {
        let entry = self.tasks.task(task);
        let is_call = entry.trace.last_siginfo.is_some_and(|info| info.si_code == SYSGOOD_STOP);
        let at = match entry.trace.message {
            PTRACE_EVENTMSG_SYSCALL_ENTRY if is_call => At::Entry,
            PTRACE_EVENTMSG_SYSCALL_EXIT if is_call => At::Exit,
            _ => At::Elsewhere,
        };
        let bytes = describe(at, &entry.regs);
        let len = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        self.copy_to_user(data, &bytes[..len])?;
        Ok(bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::word_at;

    #[test]
    fn lengths_and_places() {
        let mut regs = PtRegs::new_user(0x1000, 0x2000);
        regs.orig_ax = 39;
        regs.gpr[RAX] = (-38_i64) as u64;
        assert_eq!(describe(At::Elsewhere, &regs).len(), 24);
        let entry = describe(At::Entry, &regs);
        assert_eq!((entry.len(), entry[0], word_at(&entry, 24)), (80, 1, 39));
        assert_eq!((word_at(&entry, 8), word_at(&entry, 16)), (0x1000, 0x2000));
        let exit = describe(At::Exit, &regs);
        assert_eq!((exit.len(), exit[0], exit[32]), (33, 2, 1));
        regs.gpr[RAX] = 7;
        assert_eq!(describe(At::Exit, &regs)[32], 0);
    }
}
