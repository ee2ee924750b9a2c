//! The part of ptrace that depends on the processor: registers, debug registers, steps.
//!
//! [`regs`] is `struct user_regs_struct`, [`regset`] register sets, [`debugreg`] the debug
//! registers on top of breakpoint events, [`step`] single steps. Neighbours:
//! [`crate::ptrace`] calls from above, [`super::debug_trap`] notes what DR6 shows.
//! Source: Linux 6.18 `arch/x86/kernel/ptrace.c` (`arch_ptrace`).

mod debugreg;
#[cfg(test)]
mod debugreg_tests;
mod early_debugreg;
mod regs;
mod regset;
mod step;

use perf_core::{Errno, TaskId};

use crate::kernel::Kernel;
use crate::uapi::ptrace::request;
pub use debugreg::PtraceDebug;
use regs::{USER_REGS_BYTES, getreg, putreg};
use regset::{Regset, Way};
pub use step::{StepMode, StepState};

/// Bytes of `struct user`.
const USER_BYTES: u64 = 928;
/// `offsetof(struct user, u_debugreg)`.
const DEBUGREG_AT: u64 = 848;
/// Number of `u_debugreg`.
const NR_DEBUGREGS: u64 = 8;

/// What stands at an offset of `struct user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserWord {
    /// A word of `struct user_regs_struct`.
    Reg(usize),
    /// A debug register.
    DebugReg(usize),
    /// Something that reads as 0.
    Other,
}

/// What an offset names (rule 5.1, the last rows of its table).
///
/// # Errors
/// EIO for one that is not aligned or beyond the structure.
fn user_word(offset: u64) -> Result<UserWord, Errno> {
    if !offset.is_multiple_of(8) || offset >= USER_BYTES {
        return Err(Errno::EIO);
    }
    let index = |from: u64| ((offset - from) / 8) as usize;
    Ok(if offset < USER_REGS_BYTES as u64 {
        UserWord::Reg(index(0))
    } else if (DEBUGREG_AT..DEBUGREG_AT + 8 * NR_DEBUGREGS).contains(&offset) {
        UserWord::DebugReg(index(DEBUGREG_AT))
    } else {
        UserWord::Other
    })
}

impl Kernel {
    /// A request that depends on the processor; `None` for the others.
    pub(crate) fn arch_ptrace(
        &mut self,
        task: TaskId,
        number: u64,
        addr: u64,
        data: u64,
    ) -> Option<Result<u64, Errno>> {
        let whole = |set, way| Some((set, way));
        let regset = match number {
            request::GETREGS => whole(Regset::General, Way::Get),
            request::SETREGS => whole(Regset::General, Way::Set),
            request::GETFPREGS => whole(Regset::Fp, Way::Get),
            request::SETFPREGS => whole(Regset::Fp, Way::Set),
            _ => None,
        };
        if let Some((set, way)) = regset {
            return Some(self.ptrace_whole_regset(task, set, way, data));
        }
        Some(match number {
            request::PEEKUSR => self.ptrace_peek_user(task, addr, data),
            request::POKEUSR => self.ptrace_poke_user(task, addr, data).map(|()| 0),
            request::GETREGSET => self.ptrace_regset(task, addr, Way::Get, data),
            request::SETREGSET => self.ptrace_regset(task, addr, Way::Set, data),
            // The number of a descriptor is an int, and negative ones name none.
            request::GET_THREAD_AREA => {
                self.do_get_thread_area(task, u32::try_from(addr).unwrap_or(0), data).map(|()| 0)
            }
            request::SET_THREAD_AREA => self
                .do_set_thread_area(task, Some(u32::try_from(addr).unwrap_or(0)), data)
                .map(|()| 0),
            request::ARCH_PRCTL => self.do_arch_prctl(task, data, addr),
            _ => return None,
        })
    }

    fn ptrace_peek_user(&mut self, task: TaskId, addr: u64, data: u64) -> Result<u64, Errno> {
        let value = match user_word(addr)? {
            UserWord::Reg(index) => getreg(self.tasks.task(task), index),
            UserWord::DebugReg(number) => self.ptrace_get_debugreg(task, number),
            UserWord::Other => 0,
        };
        self.write_user_u64(data, value)?;
        Ok(0)
    }

    fn ptrace_poke_user(&mut self, task: TaskId, addr: u64, data: u64) -> Result<(), Errno> {
        match user_word(addr)? {
            UserWord::Reg(index) => putreg(self.tasks.task_mut(task), index, data),
            UserWord::DebugReg(number) => self.ptrace_set_debugreg(task, number, data),
            UserWord::Other => Err(Errno::EIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule 5.1: where `struct user` has what.
    #[test]
    fn offsets_of_struct_user() {
        for (offset, want) in [
            (0, Ok(UserWord::Reg(0))),
            (208, Ok(UserWord::Reg(26))),
            (216, Ok(UserWord::Other)),
            (848, Ok(UserWord::DebugReg(0))),
            (904, Ok(UserWord::DebugReg(7))),
            (912, Ok(UserWord::Other)),
            (928, Err(Errno::EIO)),
            (852, Err(Errno::EIO)),
            (!7, Err(Errno::EIO)),
        ] {
            assert_eq!(user_word(offset), want, "{offset}");
        }
    }
}
