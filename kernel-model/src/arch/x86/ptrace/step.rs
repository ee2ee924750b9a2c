//! Single steps for a tracer: TF in the tracee's flags, and BTF for steps from branch to branch.
//! Source: Linux 6.18 `arch/x86/kernel/step.c`, `arch/x86/kernel/ptrace.c`
//! (`user_single_step_report`), `arch/x86/kernel/process.c` (`__switch_to_xtra`).

use emulator::regs::control::debugctl;
use perf_core::{CpuId, TaskId};

use crate::arch::x86::debug_trap::TrapCode;
use crate::arch::x86::hw::Hw;
use crate::arch::x86::pt_regs::PtRegs;
use crate::kernel::Kernel;
use crate::mm::access::Access;

/// TF in RFLAGS.
pub(super) const TF: u64 = 1 << 8;
/// Bytes of the longest instruction.
const MAX_INSN_BYTES: usize = 15;
/// IA32_DEBUGCTL.
const MSR_DEBUGCTL: u32 = 0x1d9;

/// How far a tracee may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepMode {
    /// Until something stops it.
    Run,
    /// One instruction.
    Insn,
    /// To the next taken branch.
    Block,
}

/// What Linux keeps of a task's steps in its thread flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepState {
    /// `TIF_SINGLESTEP`, and with it `SYSCALL_WORK_SYSCALL_EXIT_TRAP`.
    single_step: bool,
    /// `TIF_FORCED_TF`: TF is the tracer's, and is hidden from everybody.
    forced_tf: bool,
    /// `TIF_BLOCKSTEP`: BTF is set while the task runs.
    block_step: bool,
}

impl StepState {
    /// Whether a step over a system call raises SIGTRAP after it.
    #[must_use]
    pub const fn traps_at_syscall_exit(self) -> bool {
        self.single_step
    }

    /// Whether the task is stepped.
    #[must_use]
    pub const fn is_single_step(self) -> bool {
        self.single_step
    }

    /// Whether BTF is to be set while the task runs.
    #[must_use]
    pub const fn is_block_step(self) -> bool {
        self.block_step
    }

    /// A #DB from user mode ends a step from branch to branch (rule 4.3.3); the processor has
    /// cleared BTF.
    pub(crate) const fn end_block_step(&mut self) {
        self.block_step = false;
    }

    /// A new task has no TF of its maker's tracer.
    pub(crate) const fn hide_from_child(self, regs: &mut PtRegs) {
        if self.forced_tf {
            regs.flags &= !TF;
        }
    }

    /// RFLAGS as a tracer sees them (`get_flags`).
    pub(super) const fn shown_flags(self, flags: u64) -> u64 {
        if self.forced_tf { flags & !TF } else { flags }
    }

    /// RFLAGS that a tracer sets: its TF is the program's from now on, and the stepper's stays
    /// (`set_flags`).
    pub(super) const fn accept_flags(&mut self, value: u64) -> u64 {
        if value & TF != 0 {
            self.forced_tf = false;
            value
        } else if self.forced_tf {
            value | TF
        } else {
            value
        }
    }

    /// `enable_single_step`: tells whether TF is the tracer's.
    const fn enable(&mut self, regs: &mut PtRegs, changes_tf: bool) -> bool {
        if self.single_step {
            // Even where the last step's instruction was POPF and has cleared it: TF counts as
            // the program's from then on.
            regs.flags |= TF;
        }
        self.single_step = true;
        let had_tf = regs.flags & TF != 0;
        regs.flags |= TF;
        if changes_tf {
            self.forced_tf = false;
            return false;
        }
        if !had_tf {
            self.forced_tf = true;
        }
        self.forced_tf
    }

    /// `user_disable_single_step`.
    const fn disable(&mut self, regs: &mut PtRegs) {
        (self.single_step, self.block_step) = (false, false);
        if self.forced_tf {
            self.forced_tf = false;
            regs.flags &= !TF;
        }
    }
}

/// Whether the instruction sets TF by itself: POPF or IRET, after any prefixes
/// (`is_setting_trap_flag`).
fn is_setting_trap_flag(insn: &[u8]) -> bool {
    const POPF: u8 = 0x9d;
    const IRET: u8 = 0xcf;
    let is_prefix = |byte: u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3 | 0x40..=0x4f);
    let opcode = insn.iter().copied().find(|&byte| !is_prefix(byte));
    matches!(opcode, Some(POPF | IRET))
}

impl Kernel {
    /// Sets how far a tracee goes that is not on a CPU.
    pub(crate) fn set_step_mode(&mut self, task: TaskId, mode: StepMode) {
        if mode == StepMode::Run {
            self.user_disable_single_step(task);
            return;
        }
        let entry = self.tasks.task(task);
        let (mm, ip) = (entry.mm, entry.regs.ip);
        let mut insn = [0; MAX_INSN_BYTES];
        let read = self.read_remote_vm(mm, ip, &mut insn, Access::Force);
        let changes_tf = is_setting_trap_flag(&insn[..read]);
        let entry = self.tasks.task_mut(task);
        let is_forced = entry.step.enable(&mut entry.regs, changes_tf);
        entry.step.block_step = is_forced && mode == StepMode::Block;
    }

    /// Ends steps.
    pub(crate) fn user_disable_single_step(&mut self, task: TaskId) {
        let entry = self.tasks.task_mut(task);
        let had_block_step = entry.step.block_step;
        entry.step.disable(&mut entry.regs);
        if had_block_step && self.current_on(self.this_cpu) == Some(task) {
            self.hw.set_block_step(self.this_cpu, false);
        }
    }

    /// A step over a system call has ended.
    pub(crate) fn user_single_step_report(&mut self, task: TaskId) {
        let ip = self.tasks.task(task).regs.ip;
        self.send_sigtrap(task, TrapCode::Breakpoint, ip);
    }
}

impl Hw {
    /// Sets or clears DEBUGCTL.BTF, with which TF traps after taken branches only.
    pub fn set_block_step(&mut self, cpu: CpuId, on: bool) {
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        let old = processor.regs.msrs.debugctl;
        let new = if on { old | debugctl::BTF } else { old & !debugctl::BTF };
        if new != old {
            processor.write_msr(MSR_DEBUGCTL, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_that_set_tf() {
        for (insn, sets) in [
            (&[0x9d][..], true),
            (&[0x66, 0x9d], true),
            (&[0x48, 0xcf], true),
            (&[0xcf], true),
            (&[0x9c], false),
            (&[0x90, 0x9d], false),
            (&[], false),
            (&[0x48], false),
        ] {
            assert_eq!(is_setting_trap_flag(insn), sets, "{insn:x?}");
        }
    }

    fn regs(flags: u64) -> PtRegs {
        PtRegs { flags, ..PtRegs::new_user(0, 0) }
    }

    #[test]
    fn tf_of_a_tracer_is_hidden() {
        let (mut step, mut regs) = (StepState::default(), regs(0x202));
        assert!(step.enable(&mut regs, false));
        assert_eq!((regs.flags, step.shown_flags(regs.flags)), (0x302, 0x202));
        assert_eq!(step.accept_flags(0x246), 0x346);
        let mut child = regs;
        step.hide_from_child(&mut child);
        assert_eq!(child.flags, 0x202);
        step.disable(&mut regs);
        assert_eq!((regs.flags, step), (0x202, StepState::default()));
    }

    #[test]
    fn tf_of_the_program_stays() {
        let (mut step, mut own) = (StepState::default(), regs(0x302));
        assert!(!step.enable(&mut own, false), "no block step then");
        assert_eq!(step.shown_flags(own.flags), 0x302);
        step.disable(&mut own);
        assert_eq!(own.flags, 0x302);
        // POPF may set it, so it is the program's.
        let mut popf = regs(0x202);
        assert!(!step.enable(&mut popf, true));
        assert_eq!(step.shown_flags(popf.flags), 0x302);
        // After a step over POPF that clears TF, the next step's TF is taken for the program's.
        popf.flags = 0x202;
        assert!(!step.enable(&mut popf, false));
        assert_eq!(step.shown_flags(popf.flags), 0x302);
        // A tracer that sets TF hands it to the program.
        let mut forced = regs(0x202);
        step = StepState::default();
        step.enable(&mut forced, false);
        assert_eq!(step.accept_flags(0x302), 0x302);
        step.disable(&mut forced);
        assert_eq!(forced.flags, 0x302);
    }
}
