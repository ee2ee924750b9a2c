//! Debug registers of a tracee as the seed commit has them (linux-hw-breakpoint rule 5.6, and
//! what section 5 marks with [S]): a change unregisters the breakpoint and registers another,
//! DR7 gives the slots of what it disables back, and DR0 to DR3 answer EIO.
//! Neighbour: [`super::debugreg`] has the later kernels. Source: Linux 2.6.33-rc,
//! `arch/x86/kernel/ptrace.c`, by memory.

use perf_core::attr::abi::AttrFlags;
use perf_core::{Defect, Errno, Generation, PerfEventAttr, TaskId};

use super::debugreg::attr_of;
use crate::arch::x86::debugreg::{
    BreakpointLen, BreakpointType, DR6_RESERVED, Dr7Entry, EntryState, HBP_NUM, decode_dr7,
};
use crate::kernel::Kernel;

/// Bits of DR7 that are ignored (`DR_CONTROL_RESERVED`).
const DR_CONTROL_RESERVED: u64 = 0xffff_ffff_0000_fc00;

/// What a write to DR7 does with registers that it disables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Nothing yet: the others might fail.
    First,
    /// Their slots are given back (rule 5.6.3).
    Second,
}

const fn state_of(attr: &PerfEventAttr) -> EntryState {
    if attr.has(AttrFlags::DISABLED) { EntryState::Disabled } else { EntryState::Enabled }
}

fn enabled(mut attr: PerfEventAttr) -> PerfEventAttr {
    attr.flags = AttrFlags(attr.flags.0 & !AttrFlags::DISABLED.0);
    attr
}

impl Kernel {
    /// Whether ptrace is the seed commit's.
    pub(super) fn has_early_ptrace(&self) -> bool {
        self.perf.config.generation == Generation::V2_6_33
    }

    /// The virtual DR6 of a task to which nothing has happened: it reads as 0 in the seed commit,
    /// and as the processor's in later kernels (rule 5.1).
    pub(crate) fn fresh_virtual_dr6(&self) -> u64 {
        if self.has_early_ptrace() { DR6_RESERVED } else { 0 }
    }

    /// PEEK of DR0 to DR3: what the register was given, 0 until it was first enabled.
    pub(super) fn early_get_address(&self, task: TaskId, number: usize) -> u64 {
        let event = self.ptrace_bp(task, number);
        event.and_then(|event| self.breakpoints.info(event)).map_or(0, |info| info.address)
    }

    /// Rule 5.6.2: with S7 the new breakpoint is enabled where the old one was not.
    pub(super) fn early_set_address(
        &mut self,
        task: TaskId,
        number: usize,
        address: u64,
    ) -> Result<(), Errno> {
        let result = match self.ptrace_bp_attr(task, number) {
            None => {
                let (len, kind) = (BreakpointLen::Len1, BreakpointType::Write);
                let stub = Dr7Entry { len, kind, state: EntryState::Disabled };
                attr_of(address, stub).and_then(|attr| self.ptrace_register(task, number, &attr))
            }
            Some(mut attr) => {
                attr.bp_addr = address;
                if self.perf.config.defects.has(Defect::AddressRewriteInverts) {
                    attr = match state_of(&attr) {
                        EntryState::Enabled => attr.with(AttrFlags::DISABLED),
                        EntryState::Disabled => enabled(attr),
                    };
                }
                self.early_modify(task, number, &attr)
            }
        };
        // Rule 5.6.4.
        result.map_err(|_| Errno::EIO)
    }

    /// Rule 5.6.1: with S6 the slot is free for others meanwhile, and lost on failure.
    fn early_modify(
        &mut self,
        task: TaskId,
        number: usize,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        if !self.perf.config.defects.has(Defect::ModifyLosesSlot) {
            return self.ptrace_modify(task, number, attr);
        }
        self.ptrace_unregister(task, number);
        self.ptrace_register(task, number, attr)
    }

    /// Two passes over the registers; an error makes the second one that of the old value.
    pub(super) fn early_write_dr7(&mut self, task: TaskId, value: u64) -> Result<(), Errno> {
        let value = value & !DR_CONTROL_RESERVED;
        let old = self.ptrace_get_dr7(task);
        let first = self.early_apply_dr7(task, value, Pass::First);
        let wanted = if first.is_ok() { value } else { old };
        let second = self.early_apply_dr7(task, wanted, Pass::Second);
        first.and(second)
    }

    fn early_apply_dr7(&mut self, task: TaskId, value: u64, pass: Pass) -> Result<(), Errno> {
        for number in 0..HBP_NUM {
            let entry = decode_dr7(value, number);
            if entry.state == EntryState::Disabled {
                if pass == Pass::Second {
                    self.ptrace_unregister(task, number);
                }
                continue;
            }
            let old = self.ptrace_bp_attr(task, number).ok_or(Errno::EINVAL)?;
            let attr = attr_of(old.bp_addr, entry)?;
            self.early_modify(task, number, &attr).map_err(|_| Errno::EINVAL)?;
        }
        Ok(())
    }
}
