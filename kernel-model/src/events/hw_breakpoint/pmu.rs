//! [`BreakpointPmu`]: what perf core calls while it creates, schedules, changes and frees events.

use perf_core::attr::abi::{AttrFlags, PERF_SAMPLE_BRANCH_STACK, PERF_TYPE_BREAKPOINT};
use perf_core::{
    Counting, CpuId, Defect, Errno, EventId, EventInit, NmiSafety, PerfEventAttr, Pmu, PmuClass,
    PmuId, Target,
};

use super::{ArmChange, ArmRecord, CapSysAdmin, HwBreakpoints, Support};
use crate::arch::x86::debugreg::{BreakpointLen, BreakpointType, DebugPort};
use crate::arch::x86::hw::Hw;
use crate::arch::x86::hw_breakpoint::{
    ArchHwBreakpoint, Owner, arch_install_hw_breakpoint, arch_uninstall_hw_breakpoint,
};
use crate::events::bp_slots::SlotError;

/// The breakpoint PMU for the length of one call into perf core (`perf_breakpoint`).
#[derive(Debug)]
pub struct BreakpointPmu<'a, P = Hw> {
    /// The debug registers.
    pub hw: &'a mut P,
    /// Slots and owners.
    pub state: &'a mut HwBreakpoints,
    /// What the task has on whose behalf perf core is called: the opener's right for an open, the
    /// forking task's for an inherited copy (rule 1.6.2).
    pub caller: CapSysAdmin,
}

impl<P: DebugPort> BreakpointPmu<'_, P> {
    fn log(&mut self, event: EventId, cpu: CpuId, register: usize, change: ArmChange) {
        let record = ArmRecord {
            event,
            cpu,
            slot: register as u8,
            change,
            icount: self.hw.icount(cpu),
            cycles: self.hw.cycles(cpu),
        };
        self.state.arm_log.push(record);
    }

    /// Remembers what did not fit, for [`HwBreakpoints::take_slot_report`].
    fn refuse(&mut self, error: SlotError) -> Errno {
        if let SlotError::NoSpace(refusal) = error {
            self.state.last_refusal = Some(refusal);
        }
        error.errno()
    }

    /// Steps 14 to 16. S4: a disabled event is not looked at.
    fn validate(&self, target: Target, attr: &PerfEventAttr) -> Result<ArchHwBreakpoint, Errno> {
        let skips = self.state.defects.has(Defect::DisabledNotValidated);
        if skips && attr.has(AttrFlags::DISABLED) {
            return Ok(ZEROED);
        }
        self.state.hw_breakpoint_parse(attr, target, self.caller)
    }

    /// `register_perf_hw_breakpoint`: steps 12 to 16 of rule 1.2. The slot comes first and is
    /// given back on failure, unless it leaks.
    fn register(
        &mut self,
        event: EventId,
        target: Target,
        attr: &PerfEventAttr,
    ) -> Result<(), Errno> {
        let reserved = self.state.slots.reserve_bp_slot(event, target, attr.bp_type);
        reserved.map_err(|error| self.refuse(error))?;
        match self.validate(target, attr) {
            Ok(info) => {
                self.state.info.insert(event, info);
                Ok(())
            }
            Err(errno) => {
                self.state.abandon_slot(event);
                Err(errno)
            }
        }
    }
}

/// What the register of an event is to hold that was never looked at: all zeros, which is the
/// encoding of execution at address 0.
const ZEROED: ArchHwBreakpoint =
    ArchHwBreakpoint { address: 0, len: BreakpointLen::LEN_X, kind: BreakpointType::Execute };

fn target_of(init: &EventInit<'_>) -> Result<Target, Errno> {
    match (init.task, init.cpu) {
        (Some(task), cpu) => Ok(Target::Task(task, cpu)),
        (None, Some(cpu)) => Ok(Target::Cpu(cpu)),
        (None, None) => Err(Errno::EINVAL),
    }
}

impl<P: DebugPort> Pmu for BreakpointPmu<'_, P> {
    fn id(&self) -> PmuId {
        PmuId::Breakpoint
    }

    fn serves(&self, attr_type: u32) -> bool {
        attr_type == PERF_TYPE_BREAKPOINT && self.state.support == Support::Built
    }

    fn class(&self) -> PmuClass {
        PmuClass::Software
    }

    /// By the #DB handler.
    fn counting(&self) -> Counting {
        Counting::Hits
    }

    fn nmi_safety(&self) -> NmiSafety {
        NmiSafety::Needed
    }

    /// `hw_breakpoint_event_init`.
    fn event_init(&mut self, event: EventId, init: &EventInit<'_>) -> Result<(), Errno> {
        if init.attr.samples(PERF_SAMPLE_BRANCH_STACK) {
            return Err(Errno::EOPNOTSUPP);
        }
        self.register(event, target_of(init)?, init.attr)
    }

    /// `hw_breakpoint_add`.
    fn add(&mut self, cpu: CpuId, event: EventId, _attr: &PerfEventAttr) -> Result<(), Errno> {
        let info = self.state.info(event).ok_or(Errno::ENOENT)?;
        let registers = self.state.cpus.get_mut(cpu.index()).ok_or(Errno::ENODEV)?;
        let owner = Owner { event, info };
        let register = arch_install_hw_breakpoint(self.hw, cpu, registers, owner)?;
        self.log(event, cpu, register, ArmChange::Installed);
        Ok(())
    }

    /// `hw_breakpoint_del`.
    fn del(&mut self, cpu: CpuId, event: EventId) {
        let Some(registers) = self.state.cpus.get_mut(cpu.index()) else {
            return;
        };
        if let Some(register) = arch_uninstall_hw_breakpoint(self.hw, cpu, registers, event) {
            self.log(event, cpu, register, ArmChange::Uninstalled);
        }
    }

    /// `bp_perf_event_destroy`.
    fn destroy(&mut self, event: EventId) {
        debug_assert!(self.state.cpus.iter().all(|cpu| cpu.register_of(event).is_none()));
        self.state.slots.release_bp_slot(event);
        self.state.info.remove(event);
    }

    fn parse(&mut self, event: EventId, new: &PerfEventAttr) -> Result<(), Errno> {
        let target = self.state.slots.target_of(event).ok_or(Errno::ENOENT)?;
        self.state.hw_breakpoint_parse(new, target, self.caller).map(|_info| ())
    }

    /// `modify_user_hw_breakpoint_check` from the slot on: rule 3.7.2 (e) and (f).
    fn modify(
        &mut self,
        event: EventId,
        old: &PerfEventAttr,
        new: &PerfEventAttr,
    ) -> Result<(), Errno> {
        let target = self.state.slots.target_of(event).ok_or(Errno::ENOENT)?;
        let info = self.state.hw_breakpoint_parse(new, target, self.caller)?;
        if old.bp_type != new.bp_type {
            let changed = self.state.slots.modify_bp_slot(event, new.bp_type);
            changed.map_err(|error| self.refuse(error))?;
        }
        self.state.info.insert(event, info);
        Ok(())
    }

    /// Breakpoints are counted by the #DB handler.
    fn read(&mut self, _cpu: CpuId, _event: EventId) -> u64 {
        0
    }
}
