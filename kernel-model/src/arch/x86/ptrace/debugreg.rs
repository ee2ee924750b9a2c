//! Debug registers of a tracee: DR0 to DR3 and DR7 are breakpoint events with a slot number,
//! DR6 is what the #DB handler has noted (linux-hw-breakpoint section 5).
//! Source: Linux 6.18 `arch/x86/kernel/ptrace.c` (`ptrace_get_debugreg`,
//! `ptrace_set_breakpoint_addr`, `ptrace_write_dr7`), `arch/x86/kernel/hw_breakpoint.c`
//! (`flush_ptrace_hw_breakpoint`).

use perf_core::attr::abi::AttrFlags;
use perf_core::{Errno, EventId, PerfEventAttr, Target, TaskId};

use crate::arch::x86::debugreg::{
    BreakpointLen, BreakpointType, DR_CONTROL, DR_STATUS, DR6_RESERVED, Dr7Entry, EntryState,
    HBP_NUM, arch_bp_generic_fields, decode_dr7, encode_dr7,
};
use crate::events::overflow_handler::OverflowHandler;
use crate::kernel::Kernel;

/// What a tracer has set (`thread.ptrace_bps`, `thread.ptrace_dr7`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PtraceDebug {
    /// The event of each register that was written.
    bps: [Option<EventId>; HBP_NUM],
    /// DR7 as it was last written with success.
    dr7: u64,
}

impl PtraceDebug {
    /// What a new task has of its maker's: no breakpoints, and DR7 where `copies` says so
    /// (rule 5.5.1).
    #[must_use]
    pub fn of_child(maker: &Self, copies: bool) -> Self {
        Self { bps: Default::default(), dr7: if copies { maker.dr7 } else { 0 } }
    }
}

/// What a register that is written first is until DR7 says more (rule 5.3.1).
const FRESH: Dr7Entry =
    Dr7Entry { len: BreakpointLen::Len1, kind: BreakpointType::Write, state: EntryState::Disabled };

/// The attribute of a register (`ptrace_fill_bp_fields`; rule 5.3.4).
fn attr_of(address: u64, entry: Dr7Entry) -> Result<PerfEventAttr, Errno> {
    let (bp_len, bp_type) = arch_bp_generic_fields(entry.len, entry.kind)?;
    let attr = PerfEventAttr::breakpoint(address, bp_len, bp_type)
        .with(AttrFlags::PINNED)
        .with(AttrFlags::EXCLUDE_KERNEL);
    let mut attr = match entry.state {
        EntryState::Disabled => attr.with(AttrFlags::DISABLED),
        EntryState::Enabled => attr,
    };
    attr.sample_period = 1;
    Ok(attr)
}

impl Kernel {
    /// Reads DR`number`, 0 to 7 (rule 5.1).
    pub(crate) fn ptrace_get_debugreg(&self, task: TaskId, number: usize) -> u64 {
        let entry = self.tasks.task(task);
        match number {
            DR_STATUS => entry.virtual_dr6 ^ DR6_RESERVED,
            DR_CONTROL => entry.ptrace_debug.dr7,
            _ => self.ptrace_bp_attr(task, number).map_or(0, |attr| attr.bp_addr),
        }
    }

    /// The attribute of a register's event.
    fn ptrace_bp_attr(&self, task: TaskId, number: usize) -> Option<PerfEventAttr> {
        let event = (*self.tasks.task(task).ptrace_debug.bps.get(number)?)?;
        self.perf.event(event).map(|event| event.attr().clone())
    }

    /// Writes DR`number`.
    ///
    /// # Errors
    /// EIO for DR4 and DR5; EINVAL for what cannot be watched; ENOSPC without a free slot.
    pub(crate) fn ptrace_set_debugreg(
        &mut self,
        task: TaskId,
        number: usize,
        value: u64,
    ) -> Result<(), Errno> {
        match number {
            0..HBP_NUM => self.ptrace_set_breakpoint_addr(task, number, value),
            DR_STATUS => {
                self.tasks.task_mut(task).virtual_dr6 = value ^ DR6_RESERVED;
                Ok(())
            }
            DR_CONTROL => {
                self.ptrace_write_dr7(task, value)?;
                self.tasks.task_mut(task).ptrace_debug.dr7 = value;
                Ok(())
            }
            _ => Err(Errno::EIO),
        }
    }

    /// Rules 5.3.1 and 5.3.2.
    fn ptrace_set_breakpoint_addr(
        &mut self,
        task: TaskId,
        number: usize,
        address: u64,
    ) -> Result<(), Errno> {
        match self.ptrace_bp_attr(task, number) {
            Some(mut attr) => {
                attr.bp_addr = address;
                self.ptrace_modify(task, number, &attr)
            }
            None => self.ptrace_register(task, number, &attr_of(address, FRESH)?),
        }
    }

    fn ptrace_register(
        &mut self,
        task: TaskId,
        number: usize,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        let now = self.now_ns();
        let target = Target::Task(task, None);
        let handler = Some(OverflowHandler::Ptrace { slot: number as u8 }.id());
        let event =
            self.with_pmu(|perf, pmu| perf.create_kernel_counter(pmu, now, attr, target, handler))?;
        self.tasks.task_mut(task).ptrace_debug.bps[number] = Some(event);
        Ok(())
    }

    fn ptrace_modify(
        &mut self,
        task: TaskId,
        number: usize,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        let now = self.now_ns();
        let event = self.tasks.task(task).ptrace_debug.bps[number].ok_or(Errno::EINVAL)?;
        self.with_pmu(|perf, pmu| perf.modify_user_hw_breakpoint(pmu, now, event, attr))
    }

    /// Rule 5.2: all four registers, or all as they were.
    fn ptrace_write_dr7(&mut self, task: TaskId, value: u64) -> Result<(), Errno> {
        let old = self.ptrace_get_dr7(task);
        let result = self.ptrace_apply_dr7(task, value);
        if result.is_err() {
            // What was accepted before is accepted again.
            let _restored = self.ptrace_apply_dr7(task, old);
        }
        result
    }

    fn ptrace_apply_dr7(&mut self, task: TaskId, value: u64) -> Result<(), Errno> {
        let checks_disabled =
            self.perf.config.defects.has(perf_core::Defect::DisabledSlotsValidated);
        for number in 0..HBP_NUM {
            let entry = decode_dr7(value, number);
            let is_disabled = entry.state == EntryState::Disabled;
            match self.ptrace_bp_attr(task, number) {
                None if is_disabled => {}
                None => self.ptrace_register(task, number, &attr_of(0, entry)?)?,
                Some(old) if is_disabled && !checks_disabled => {
                    self.ptrace_modify(task, number, &old.with(AttrFlags::DISABLED))?;
                }
                Some(old) => self.ptrace_modify(task, number, &attr_of(old.bp_addr, entry)?)?,
            }
        }
        Ok(())
    }

    /// DR7 of the registers that are enabled (`ptrace_get_dr7`).
    fn ptrace_get_dr7(&self, task: TaskId) -> u64 {
        let mut dr7 = 0;
        for (number, event) in self.tasks.task(task).ptrace_debug.bps.iter().enumerate() {
            let Some(event) = *event else { continue };
            let attr = self.perf.event(event).map(perf_core::PerfEvent::attr);
            let is_enabled = attr.is_some_and(|attr| !attr.has(AttrFlags::DISABLED));
            if let Some(info) = self.breakpoints.info(event).filter(|_| is_enabled) {
                dr7 |= encode_dr7(number, info.len, info.kind);
            }
        }
        dr7
    }

    /// Gives the tracee's breakpoints back and forgets DR6 and DR7: at exit, before anybody sees
    /// the zombie, and at exec (rules 2.5.8, 3.12.1, 3.12.3, 5.5.2, 5.5.3).
    pub(crate) fn flush_ptrace_hw_breakpoint(&mut self, task: TaskId) {
        let entry = self.tasks.task_mut(task);
        entry.virtual_dr6 = 0;
        let debug = std::mem::take(&mut entry.ptrace_debug);
        for event in debug.bps.into_iter().flatten() {
            let now = self.now_ns();
            let detached = self.with_pmu(|perf, pmu| perf.release(pmu, now, event));
            self.after_detach(detached);
        }
    }

    /// What PTRACE_DETACH does with breakpoints: nothing, unless K11 is switched off
    /// (rule 5.5.4).
    pub(crate) fn detach_traps(&mut self, task: TaskId) {
        if !self.perf.config.defects.has(perf_core::Defect::DetachLeavesTraps) {
            self.flush_ptrace_hw_breakpoint(task);
        }
    }
}
