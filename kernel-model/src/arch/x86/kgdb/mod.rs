//! The kernel debugger's hardware breakpoints: four entries, each with an event on every CPU.
//!
//! Key types: [`HwBreaks`], the entries; [`HwBreak`], what one watches. Neighbours:
//! [`super::hw_breakpoint`] has the registers, [`crate::events::bp_slots`] the slots that an
//! entry takes while it is enabled, [`crate::debug`] the debugger. `regs` is the register file
//! as a debugger sees it. Source: Linux 6.18 arch/x86/kernel/kgdb.c.

mod regs;
#[cfg(test)]
mod tests;

use perf_core::attr::abi::{HW_BREAKPOINT_RW, HW_BREAKPOINT_W, HW_BREAKPOINT_X};
use perf_core::{CpuId, EventId, Target};

use super::debugreg::{BreakpointLen, BreakpointType, DebugPort, HBP_NUM};
use super::hw_breakpoint::ArchHwBreakpoint;
use super::layout::Stub;
use crate::events::bp_slots::{BpSlots, DbgSlotError};
use crate::events::hw_breakpoint::HwBreakpoints;

pub use regs::{DebugRegs, RegsPlace};

/// What an entry watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HwBreak {
    /// First linear address.
    pub addr: u64,
    /// Bytes: 1, 2, 4 or 8; 1 for execution.
    pub len: u64,
    /// The accesses.
    pub access: HwBreakAccess,
}

/// The accesses that an entry looks for (`BP_HARDWARE_BREAKPOINT`, `BP_WRITE_WATCHPOINT`,
/// `BP_ACCESS_WATCHPOINT`). `BP_READ_WATCHPOINT` is what x86 cannot do (rule 6.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HwBreakAccess {
    /// Execution (Z1).
    Execute,
    /// Writes (Z2).
    Write,
    /// Reads and writes (Z4).
    Access,
}

/// Why an entry cannot be set or removed: -1 in Linux, `E01` for the debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HwBreakError {
    /// All four are enabled.
    #[error("all four entries are in use")]
    NoEntry,
    /// A length that no register has.
    #[error("{0} bytes: debug registers watch 1, 2, 4 or 8")]
    Len(u64),
    /// The register would watch other bytes. Linux does not check this.
    #[error("{0:#x} is not a multiple of the length")]
    Misaligned(u64),
    /// The way back from every exception: it would never end.
    #[error("the return from exceptions cannot have a breakpoint")]
    ReturnStub,
    /// A CPU has no slot left, or somebody is inside the constraint code.
    #[error("no slot on {cpu}: {cause}")]
    NoSlot {
        /// The first CPU without one.
        cpu: CpuId,
        /// Why.
        cause: DbgSlotError,
    },
    /// Not set.
    #[error("no such breakpoint is set")]
    Unknown,
    /// A slot cannot be given back; the entry stays.
    #[error("the slot on {cpu} cannot be given back: {cause}")]
    Release {
        /// The CPU.
        cpu: CpuId,
        /// Why.
        cause: DbgSlotError,
    },
}

/// One entry (`struct hw_breakpoint breakinfo[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// What it watches, while it is enabled.
    enabled: Option<HwBreak>,
    /// Its event on each CPU (`pev`).
    events: Vec<EventId>,
}

/// The four entries (`breakinfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HwBreaks {
    entries: [Entry; HBP_NUM],
}

impl HwBreak {
    const fn bp_type(self) -> u32 {
        match self.access {
            HwBreakAccess::Execute => HW_BREAKPOINT_X,
            HwBreakAccess::Write => HW_BREAKPOINT_W,
            HwBreakAccess::Access => HW_BREAKPOINT_RW,
        }
    }

    /// What a register has to hold, with execution's length forced to 1 (rule 6.3.3).
    fn arch(self) -> Result<ArchHwBreakpoint, HwBreakError> {
        let (kind, len) = match self.access {
            HwBreakAccess::Execute => (BreakpointType::Execute, 1),
            HwBreakAccess::Write => (BreakpointType::Write, self.len),
            HwBreakAccess::Access => (BreakpointType::ReadWrite, self.len),
        };
        if kind == BreakpointType::Execute && self.addr == Stub::InterruptReturn.address() {
            return Err(HwBreakError::ReturnStub);
        }
        let len = match len {
            1 => BreakpointLen::Len1,
            2 => BreakpointLen::Len2,
            4 => BreakpointLen::Len4,
            8 => BreakpointLen::Len8,
            other => return Err(HwBreakError::Len(other)),
        };
        if !self.addr.is_multiple_of(len.bytes()) {
            return Err(HwBreakError::Misaligned(self.addr));
        }
        Ok(ArchHwBreakpoint { address: self.addr, len, kind })
    }
}

impl HwBreaks {
    /// Entries whose events exist and whose slots have been given back (rule 6.3.2).
    /// `events` has those of each entry, a CPU after the other.
    #[must_use]
    pub fn new(events: [Vec<EventId>; HBP_NUM]) -> Self {
        Self { entries: events.map(|events| Entry { enabled: None, events }) }
    }

    /// What each entry watches.
    pub fn enabled(&self) -> impl Iterator<Item = (usize, HwBreak)> + '_ {
        let of = |(number, entry): (usize, &Entry)| Some((number, entry.enabled?));
        self.entries.iter().enumerate().filter_map(of)
    }

    /// What one entry watches.
    #[must_use]
    pub fn entry(&self, number: usize) -> Option<HwBreak> {
        self.entries.get(number)?.enabled
    }

    /// Bits of the enabled entries, which a hit sets in the virtual DR6 (rule 6.3.6).
    #[must_use]
    pub fn enabled_mask(&self) -> u8 {
        self.enabled().fold(0, |mask, (number, _)| mask | 1 << number)
    }

    /// `kgdb_set_hw_break`: the lowest free entry, and a slot on every CPU (rule 6.3.4). It goes
    /// into registers when the debugger is left. Returns its number.
    ///
    /// # Errors
    /// [`HwBreakError`]; nothing has changed.
    pub fn set_hw_break(
        &mut self,
        slots: &mut BpSlots,
        want: HwBreak,
    ) -> Result<usize, HwBreakError> {
        let free = self.entries.iter().position(|entry| entry.enabled.is_none());
        let number = free.ok_or(HwBreakError::NoEntry)?;
        want.arch()?;
        hw_break_reserve_slot(slots, &self.entries[number].events, want.bp_type())?;
        self.entries[number].enabled = Some(want);
        Ok(number)
    }

    /// `kgdb_remove_hw_break`: by address, length and access (Linux looks at the address
    /// alone). The registers are not touched: inside the debugger none is installed.
    ///
    /// # Errors
    /// [`HwBreakError::Unknown`], or [`HwBreakError::Release`] and the entry stays.
    pub fn remove_hw_break(
        &mut self,
        slots: &mut BpSlots,
        want: HwBreak,
    ) -> Result<(), HwBreakError> {
        let is_it = |entry: &&mut Entry| entry.enabled == Some(want);
        let entry = self.entries.iter_mut().find(is_it).ok_or(HwBreakError::Unknown)?;
        hw_break_release_slot(slots, &entry.events)?;
        entry.enabled = None;
        Ok(())
    }

    /// `kgdb_remove_all_hw_break`: takes everything out and gives the slots back. Where one
    /// cannot be given back the entry is disabled all the same, and its error told.
    pub fn remove_all_hw_break(
        &mut self,
        port: &mut impl DebugPort,
        state: &mut HwBreakpoints,
    ) -> Result<(), HwBreakError> {
        let mut result = Ok(());
        for entry in &mut self.entries {
            if entry.enabled.take().is_none() {
                continue;
            }
            for (cpu, event) in (0..).map(CpuId).zip(&entry.events) {
                state.dbg_uninstall(port, cpu, *event);
            }
            result = result.and(hw_break_release_slot(state.slots_mut(), &entry.events));
        }
        result
    }

    /// Entering the debugger: no register of the CPU is live, and no entry in one (rule 6.3.5).
    pub fn disable_hw_debug(
        &self,
        port: &mut impl DebugPort,
        state: &mut HwBreakpoints,
        cpu: CpuId,
    ) {
        let events = self.entries.iter().filter_map(|entry| entry.events.get(cpu.index()).copied());
        state.dbg_disable(port, cpu, &events.collect::<Vec<_>>());
    }

    /// Leaving it: each enabled entry goes in by the normal install routine, then the registers
    /// get what the shadow has (rule 6.3.5).
    pub fn correct_hw_break(
        &self,
        port: &mut impl DebugPort,
        state: &mut HwBreakpoints,
        cpu: CpuId,
    ) {
        for (number, want) in self.enabled() {
            let event = self.entries[number].events.get(cpu.index()).copied();
            if let (Some(event), Ok(info)) = (event, want.arch()) {
                // The slot is reserved, so a register is free (invariant 2.1.I).
                let installed = state.dbg_install(port, cpu, event, info);
                debug_assert!(installed.is_ok(), "a reserved slot has a register");
            }
        }
        state.dbg_restore(port, cpu);
    }
}

/// `hw_break_reserve_slot`: on every CPU or on none.
fn hw_break_reserve_slot(
    slots: &mut BpSlots,
    events: &[EventId],
    bp_type: u32,
) -> Result<(), HwBreakError> {
    for (cpu, event) in (0..).map(CpuId).zip(events) {
        let reserved = slots.dbg_reserve_bp_slot(*event, Target::Cpu(cpu), bp_type);
        if let Err(cause) = reserved {
            for taken in &events[..cpu.index()] {
                slots.release_bp_slot(*taken);
            }
            return Err(HwBreakError::NoSlot { cpu, cause });
        }
    }
    Ok(())
}

/// `hw_break_release_slot`.
fn hw_break_release_slot(slots: &mut BpSlots, events: &[EventId]) -> Result<(), HwBreakError> {
    for (cpu, event) in (0..).map(CpuId).zip(events) {
        let released = slots.dbg_release_bp_slot(*event);
        released.map_err(|cause| HwBreakError::Release { cpu, cause })?;
    }
    Ok(())
}
