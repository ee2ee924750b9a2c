//! What a #DB means: the decisions of the debug exception handlers, as values.
//!
//! Nothing here touches hardware, a task or an event, except [`debug_read_reset_dr6`]. The caller
//! carries a decision out: counts the hits in order, sets RF, stores the virtual DR6, signals.
//! [`exc_debug_user`] and [`exc_debug_kernel`] are the two entries; both go through
//! [`hw_breakpoint_handler`], the notifier with the highest priority (rule 4.3.4). The others
//! ([`crate::notify`]) come between that and [`Notify::Done`]'s rest.
//!
//! Neighbours: [`super::hw_breakpoint`] knows the owners of the registers.
//! Source: Linux 6.x arch/x86/kernel/traps.c (`exc_debug_user`, `exc_debug_kernel`),
//! arch/x86/kernel/hw_breakpoint.c (`hw_breakpoint_handler`).

mod handler;
#[cfg(test)]
mod tests;

use perf_core::{CpuId, Defects, EventId, Mode};

use super::debugreg::{
    BreakpointType, DR_BUS_LOCK, DR_STATUS, DR_STEP, DR_TRAP_BITS, DR6_RESERVED, DebugPort, HBP_NUM,
};
pub use handler::{Handled, Notify, hw_breakpoint_handler};

/// Whose overflow handler a hit calls (rules 4.3.7 and 6.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// A perf event of a user or of the kernel: sets no bit, so causes no signal by itself.
    Perf,
    /// A ptrace slot. Its handler sets the slot's bit in the virtual DR6, whichever register the
    /// event is in. It excludes kernel mode.
    Ptrace {
        /// Slot number, 0 to 3.
        slot: u8,
    },
    /// A kernel debugger: its handler sets the bits of all its enabled entries, in either mode.
    Kgdb {
        /// Bits of the enabled entries, bit 0 for entry 0.
        enabled: u8,
    },
}

impl Consumer {
    /// Bits that its overflow handler sets in the virtual DR6.
    const fn virtual_bits(self, mode: Mode) -> u64 {
        let bits = match (self, mode) {
            (Self::Perf, _) | (Self::Ptrace { .. }, Mode::Kernel) => 0,
            (Self::Ptrace { slot }, Mode::User) => 1 << (slot % HBP_NUM as u8),
            (Self::Kgdb { enabled }, _) => enabled as u64,
        };
        bits & DR_TRAP_BITS
    }
}

/// The event in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapOwner {
    /// The event.
    pub event: EventId,
    /// What the register looks for.
    pub kind: BreakpointType,
    /// Whose it is.
    pub consumer: Consumer,
}

/// The owners of DR0 to DR3.
pub type TrapOwners = [Option<TrapOwner>; HBP_NUM];

/// A breakpoint that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapHit {
    /// The register, 0 to 3.
    pub register: usize,
    /// The event in it.
    pub event: EventId,
}

/// What to do with RF in the saved flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFlag {
    /// Leave it as the processor pushed it.
    Keep,
    /// Set it: an execution breakpoint was hit, and the instruction has to run now.
    Set,
}

/// `si_code` of the SIGTRAP (rule 4.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum TrapCode {
    /// `TRAP_BRKPT`: DR6 says nothing, so it was INT1 (icebp), or is taken for one.
    Breakpoint = 1,
    /// `TRAP_TRACE`: a single step, whatever else happened.
    Trace = 2,
    /// `TRAP_HWBKPT`: a breakpoint register.
    HwBreakpoint = 4,
}

impl TrapCode {
    /// The number.
    #[must_use]
    pub const fn si_code(self) -> i32 {
        self as i32
    }
}

/// What DR6 had to say beyond breakpoints and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusLock {
    /// No bus lock.
    None,
    /// A split or uncached locked access: the bus-lock hook is to run.
    Detected,
}

/// What a #DB from user mode asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct UserDebug {
    /// The events that were hit, in the order in which they count.
    pub hits: Vec<TrapHit>,
    /// For the saved flags.
    pub resume_flag: ResumeFlag,
    /// The task's new virtual DR6. It starts afresh with every #DB from user mode.
    pub virtual_dr6: u64,
    /// The signal, sent to the task itself with `si_addr` its RIP.
    pub signal: Option<TrapCode>,
    /// Whether the notifiers behind the breakpoint handler are asked.
    pub notify: Notify,
    /// B bits of registers without an owner (rule 4.3.9).
    pub spurious: u64,
    /// For the bus-lock hook.
    pub bus_lock: BusLock,
}

/// A #DB from user mode (rules 4.3.1, 4.3.3). `dr6` as read from the register. The task's
/// TIF_BLOCKSTEP is cleared besides, and interrupts go on before the signal.
pub fn exc_debug_user(dr6: u64, owners: &TrapOwners, defects: Defects) -> UserDebug {
    let dr6 = flip_polarity(dr6);
    let icebp = dr6 == 0;
    let handled = hw_breakpoint_handler(dr6, Mode::User, owners, dr6 & DR_STEP, defects);
    let (signal, bus_lock) = match handled.notify {
        Notify::Stop => (None, BusLock::None),
        Notify::Done => after_notifiers(handled.dr6, handled.virtual_dr6, icebp),
    };
    UserDebug {
        hits: handled.hits,
        resume_flag: handled.resume_flag,
        virtual_dr6: handled.virtual_dr6,
        signal,
        notify: handled.notify,
        spurious: handled.spurious,
        bus_lock,
    }
}

/// The end of rule 4.3.3, and rule 4.3.8.
fn after_notifiers(dr6: u64, virtual_dr6: u64, icebp: bool) -> (Option<TrapCode>, BusLock) {
    let bus_lock = if dr6 & DR_BUS_LOCK != 0 { BusLock::Detected } else { BusLock::None };
    let dr6 = dr6 | virtual_dr6;
    let signal = if dr6 & DR_STEP != 0 {
        Some(TrapCode::Trace)
    } else if dr6 & DR_TRAP_BITS != 0 {
        Some(TrapCode::HwBreakpoint)
    } else {
        icebp.then_some(TrapCode::Breakpoint)
    };
    (signal, bus_lock)
}

/// Where in the kernel a #DB was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelOrigin {
    /// In the system call entry stub, where a user's TF may still be in force.
    EntryStub,
    /// Anywhere else.
    Elsewhere,
}

/// How a #DB from kernel mode ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelOutcome {
    /// DR6 had nothing to say (rule 4.3.2): nothing was looked at.
    Empty,
    /// The notifiers took it.
    Handled,
    /// A single step that nobody asked for: warn, and clear TF in the saved flags.
    UnexpectedStep,
}

/// What a #DB from kernel mode asks for. The kernel is never signalled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct KernelDebug {
    /// The events that were hit, in the order in which they count.
    pub hits: Vec<TrapHit>,
    /// For the saved flags.
    pub resume_flag: ResumeFlag,
    /// The current task's virtual DR6: as it was, but for a kernel debugger's bits.
    pub virtual_dr6: u64,
    /// How it ends.
    pub outcome: KernelOutcome,
    /// Whether the notifiers behind the breakpoint handler are asked.
    pub notify: Notify,
    /// B bits of registers without an owner.
    pub spurious: u64,
}

/// A #DB from kernel mode (rules 4.3.1, 4.3.2). `dr6` as read from the register, `virtual_dr6`
/// that of the current task. DR7 is off meanwhile ([`super::hw_breakpoint::local_db_save`]), and
/// DEBUGCTL.BTF is set again if the task has TIF_BLOCKSTEP.
pub fn exc_debug_kernel(
    dr6: u64,
    origin: KernelOrigin,
    owners: &TrapOwners,
    virtual_dr6: u64,
    defects: Defects,
) -> KernelDebug {
    let dropped = match origin {
        KernelOrigin::EntryStub => DR_STEP,
        KernelOrigin::Elsewhere => 0,
    };
    let dr6 = flip_polarity(dr6) & !dropped;
    let handled = hw_breakpoint_handler(dr6, Mode::Kernel, owners, virtual_dr6, defects);
    let outcome = match handled.notify {
        _ if dr6 == 0 => KernelOutcome::Empty,
        Notify::Done if handled.dr6 & DR_STEP != 0 => KernelOutcome::UnexpectedStep,
        Notify::Done | Notify::Stop => KernelOutcome::Handled,
    };
    KernelDebug {
        hits: handled.hits,
        resume_flag: handled.resume_flag,
        virtual_dr6: handled.virtual_dr6,
        outcome,
        notify: handled.notify,
        spurious: handled.spurious,
    }
}

/// Reads DR6 and at once writes the reserved pattern over it (rule 4.3.1). Returns the value as
/// read, for the functions above.
pub fn debug_read_reset_dr6(port: &mut impl DebugPort, cpu: CpuId) -> u64 {
    let dr6 = port.get_debugreg(cpu, DR_STATUS);
    port.set_debugreg(cpu, DR_STATUS, DR6_RESERVED);
    dr6
}

/// Turns the active-low bits round, so that a set bit always means that something happened.
const fn flip_polarity(dr6: u64) -> u64 {
    dr6 ^ DR6_RESERVED
}
