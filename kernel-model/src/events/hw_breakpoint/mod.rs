//! The breakpoint PMU: perf events on debug registers.
//!
//! [`HwBreakpoints`] is the state that outlives a call: slots, the registers of every CPU, and
//! what each event's register is to hold. [`BreakpointPmu`] lends it to perf core together with
//! the hardware. Neighbours: [`super::bp_slots`] admits events, [`crate::arch::x86::hw_breakpoint`]
//! validates and writes registers, [`crate::arch::x86::debug_trap`] needs the owners from here.
//! Source: Linux 6.x kernel/events/hw_breakpoint.c.

mod debugger;
#[cfg(test)]
mod generation_tests;
mod pmu;
#[cfg(test)]
mod tests;

use perf_core::{
    CpuId, Defect, Defects, Errno, EventId, Generation, IdTable, PerfEventAttr, Target, TaskId,
};

use super::bp_slots::{BpSlots, RegisterPools, SlotRefusal, SlotReport};
use crate::arch::x86::debug_trap::{Consumer, TrapOwner, TrapOwners};
use crate::arch::x86::hw_breakpoint::{
    AddressRules, ArchHwBreakpoint, CpuBreakpoints, SeedTarget, arch_check_bp_in_kernelspace,
    arch_validate_hwbkpt_settings, hw_breakpoint_arch_parse,
};
use perf_core::attr::abi::AttrFlags;
pub use pmu::BreakpointPmu;

/// Whether whoever asks has CAP_SYS_ADMIN, which kernel addresses need (rule 1.2 step 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapSysAdmin {
    /// It has, or it is the kernel.
    Held,
    /// It has not.
    NotHeld,
}

/// Whether the kernel was built with breakpoint support (`CONFIG_HAVE_HW_BREAKPOINT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// It was.
    #[default]
    Built,
    /// It was not: there is no breakpoint PMU (rule 6.1.4).
    Absent,
}

/// Which way an event went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmChange {
    /// Into a register.
    Installed,
    /// Out of it.
    Uninstalled,
}

/// An event went into a debug register or left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmRecord {
    /// The event (a copy has its own).
    pub event: EventId,
    /// The CPU.
    pub cpu: CpuId,
    /// The register, 0 to 3.
    pub slot: u8,
    /// Into it or out of it.
    pub change: ArmChange,
    /// Instructions that the CPU had retired.
    pub icount: u64,
    /// Cycles of the CPU.
    pub cycles: u64,
}

/// All breakpoint events: their slots, and the registers they are in.
#[derive(Clone, Debug)]
pub struct HwBreakpoints {
    slots: BpSlots,
    generation: Generation,
    defects: Defects,
    rules: AddressRules,
    cpus: Vec<CpuBreakpoints>,
    /// What each event's register is to hold (`hw.info`).
    info: IdTable<EventId, ArchHwBreakpoint>,
    arm_log: Vec<ArmRecord>,
    last_refusal: Option<SlotRefusal>,
    support: Support,
}

impl HwBreakpoints {
    /// No events, on Linux 6.x. `nr_cpus` is the number of possible CPUs.
    #[must_use]
    pub fn new(nr_cpus: u32, rules: AddressRules) -> Self {
        Self::of_kernel(nr_cpus, rules, Generation::V6, Defects::LINUX_6)
    }

    /// No events, on a generation of the kernel with certain defects.
    #[must_use]
    pub fn of_kernel(
        nr_cpus: u32,
        rules: AddressRules,
        generation: Generation,
        defects: Defects,
    ) -> Self {
        Self {
            slots: BpSlots::of_kernel(RegisterPools::X86, nr_cpus, generation, defects),
            generation,
            defects,
            rules,
            cpus: vec![CpuBreakpoints::of_kernel(defects); nr_cpus as usize],
            info: IdTable::default(),
            arm_log: Vec::new(),
            last_refusal: None,
            support: Support::Built,
        }
    }

    /// Whether there is breakpoint support.
    #[must_use]
    pub fn support(&self) -> Support {
        self.support
    }

    /// Chooses the kernel's configuration, before there is any event.
    pub fn set_support(&mut self, support: Support) {
        self.support = support;
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> &BpSlots {
        &self.slots
    }

    /// The slots, for a kernel debugger's reservations.
    pub fn slots_mut(&mut self) -> &mut BpSlots {
        &mut self.slots
    }

    /// A CPU's registers.
    #[must_use]
    pub fn cpu(&self, cpu: CpuId) -> Option<&CpuBreakpoints> {
        self.cpus.get(cpu.index())
    }

    /// What an event's register is to hold.
    #[must_use]
    pub fn info(&self, event: EventId) -> Option<ArchHwBreakpoint> {
        self.info.get(event).copied()
    }

    /// The owners of a CPU's registers, for the #DB handlers. `consumer` says whose an event is.
    #[must_use]
    pub fn trap_owners(&self, cpu: CpuId, consumer: impl Fn(EventId) -> Consumer) -> TrapOwners {
        let owners = self.cpu(cpu).map(|cpu| *cpu.owners()).unwrap_or_default();
        owners.map(|owner| {
            let owner = owner?;
            let (event, kind) = (owner.event, owner.info.kind);
            Some(TrapOwner { event, kind, consumer: consumer(event) })
        })
    }

    /// The installs and uninstalls since the last call, in order.
    #[must_use]
    pub fn take_arm_log(&mut self) -> Vec<ArmRecord> {
        std::mem::take(&mut self.arm_log)
    }

    /// Who held the slots when the last ENOSPC was returned; to be asked before anything else
    /// changes. `None` when there has been none since the last call.
    #[must_use]
    pub fn take_slot_report(&mut self) -> Option<SlotReport> {
        Some(self.slots.report(self.last_refusal.take()?))
    }

    /// A task has exited, and its perf context is gone. What it held is held on until the
    /// descriptors are closed (K8), or given back here.
    pub fn task_exited(&mut self, task: TaskId) {
        if !self.defects.has(Defect::DeadTargetsHoldSlots) {
            self.slots.release_task(task);
        }
        self.slots.task_exited(task);
    }

    /// The reservation of an event whose open failed is given back, or leaks (S3, B4).
    fn abandon_slot(&mut self, event: EventId) {
        let leaks = if self.slots.is_cpu_table() {
            self.defects.has(Defect::TableLeaksOnFailure)
        } else {
            self.defects.has(Defect::SlotLeaksOnFailure)
        };
        if leaks {
            self.slots.leak_bp_slot(event);
        } else {
            self.slots.release_bp_slot(event);
        }
    }

    /// `hw_breakpoint_parse`: steps 14 to 16 of rule 1.2. 2.6.33 asks for no right, and wants the
    /// address to fit the target (table 1.8).
    ///
    /// # Errors
    /// EINVAL, EOPNOTSUPP, EFAULT from the architecture; in 6.x for a kernel address EINVAL with
    /// exclude_kernel, EPERM without CAP_SYS_ADMIN.
    pub fn hw_breakpoint_parse(
        &self,
        attr: &PerfEventAttr,
        target: Target,
        caller: CapSysAdmin,
    ) -> Result<ArchHwBreakpoint, Errno> {
        if self.generation == Generation::V2_6_33 {
            let target = match target {
                Target::Task(..) => SeedTarget::Task,
                Target::Cpu(_) => SeedTarget::Cpu,
            };
            return arch_validate_hwbkpt_settings(attr, target, &self.rules);
        }
        let info = hw_breakpoint_arch_parse(attr, &self.rules)?;
        if arch_check_bp_in_kernelspace(&info) {
            if attr.has(AttrFlags::EXCLUDE_KERNEL) {
                return Err(Errno::EINVAL);
            }
            if caller == CapSysAdmin::NotHeld {
                return Err(Errno::EPERM);
            }
        }
        Ok(info)
    }
}
