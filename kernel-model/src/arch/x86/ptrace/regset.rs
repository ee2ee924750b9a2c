//! Register sets: PTRACE_GETREGSET, PTRACE_SETREGSET, and the requests with one set each.
//! Source: Linux 6.18 `kernel/ptrace.c` (`ptrace_regset`), `arch/x86/kernel/ptrace.c`,
//! `arch/x86/kernel/fpu/regset.c`.

use perf_core::{Errno, TaskId};

use super::regs::{USER_REGS_BYTES, set_user_regs, user_regs};
use crate::arch::x86::fpu::{FXSAVE_BYTES, FpuFormat, FpuState};
use crate::kernel::Kernel;
use crate::uapi::ptrace::{NT_PRFPREG, NT_PRSTATUS, NT_X86_XSTATE};
use crate::uapi::word_at;

/// Bytes of `struct iovec`.
const IOVEC_BYTES: usize = 16;
/// Every set is a multiple of this.
const REGSET_WORD: u64 = 8;

/// A set of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regset {
    General,
    /// As FXSAVE has them.
    Fp,
    /// The XSAVE area.
    Xstate,
}

/// Whether a set is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Get,
    Set,
}

impl Regset {
    const fn from_note(note: u64) -> Option<Self> {
        match note {
            NT_PRSTATUS => Some(Self::General),
            NT_PRFPREG => Some(Self::Fp),
            NT_X86_XSTATE => Some(Self::Xstate),
            _ => None,
        }
    }
}

impl Kernel {
    /// A set of a tracee that is not on a CPU.
    fn regset(&self, task: TaskId, set: Regset) -> Result<Vec<u8>, Errno> {
        let entry = self.tasks.task(task);
        match (set, self.hw.fpu_format()) {
            (Regset::General, _) => Ok(user_regs(entry).to_vec()),
            (Regset::Fp, _) => Ok(entry.fpu.to_fxregs()),
            (Regset::Xstate, FpuFormat::Xsave { features }) => Ok(entry.fpu.to_xstate(features)),
            (Regset::Xstate, FpuFormat::Fxsave) => Err(Errno::ENODEV),
        }
    }

    fn set_regset(&mut self, task: TaskId, set: Regset, bytes: &[u8]) -> Result<(), Errno> {
        let format = self.hw.fpu_format();
        let entry = self.tasks.task_mut(task);
        let fpu: Option<FpuState> = match (set, format) {
            (Regset::General, _) => return set_user_regs(entry, bytes),
            (Regset::Fp, _) if bytes.len() != FXSAVE_BYTES => return Err(Errno::EINVAL),
            (Regset::Fp, _) => entry.fpu.with_fxregs(bytes),
            (Regset::Xstate, FpuFormat::Fxsave) => return Err(Errno::ENODEV),
            (Regset::Xstate, FpuFormat::Xsave { features }) => {
                if bytes.len() != entry.fpu.to_xstate(features).len() {
                    return Err(Errno::EFAULT);
                }
                FpuState::from_xstate(bytes, features)
            }
        };
        entry.fpu = fpu.ok_or(Errno::EINVAL)?;
        Ok(())
    }

    /// PTRACE_GETREGS and its like: the whole set at `data`.
    pub(super) fn ptrace_whole_regset(
        &mut self,
        task: TaskId,
        set: Regset,
        way: Way,
        data: u64,
    ) -> Result<u64, Errno> {
        match way {
            Way::Get => {
                let bytes = self.regset(task, set)?;
                self.copy_to_user(data, &bytes)?;
            }
            Way::Set => {
                let len = if set == Regset::General { USER_REGS_BYTES } else { FXSAVE_BYTES };
                let mut bytes = vec![0; len];
                self.copy_from_user(data, &mut bytes)?;
                self.set_regset(task, set, &bytes)?;
            }
        }
        Ok(0)
    }

    /// PTRACE_GETREGSET and PTRACE_SETREGSET: an iovec at `data`, whose length is set to what
    /// was moved.
    pub(super) fn ptrace_regset(
        &mut self,
        task: TaskId,
        note: u64,
        way: Way,
        data: u64,
    ) -> Result<u64, Errno> {
        let mut iovec = [0; IOVEC_BYTES];
        self.copy_from_user(data, &mut iovec)?;
        let (base, len) = (word_at(&iovec, 0), word_at(&iovec, 8));
        let set = Regset::from_note(note).ok_or(Errno::EINVAL)?;
        if len % REGSET_WORD != 0 {
            return Err(Errno::EINVAL);
        }
        let whole = self.regset(task, set)?;
        let len = whole.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        match way {
            Way::Get => self.copy_to_user(base, &whole[..len])?,
            Way::Set => {
                let mut bytes = vec![0; len];
                self.copy_from_user(base, &mut bytes)?;
                self.set_regset(task, set, &bytes)?;
            }
        }
        self.write_user_u64(data.wrapping_add(8), len as u64)?;
        Ok(0)
    }
}
