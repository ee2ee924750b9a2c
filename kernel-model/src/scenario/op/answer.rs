//! What an operation answers.

use perf_core::{CpuId, Errno, EventState, Mode};

use crate::events::bp_slots::SlotReport;

/// The answer of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Ok,
    /// Refused with an error number.
    Errno(Errno),
    /// A number.
    Count(u64),
    /// The state of an event.
    State(EventState),
    /// Poll bits.
    Poll(u16),
    /// Debug registers.
    Registers(Box<RegistersView>),
    /// Signals that a handler was given.
    Signals(Vec<SignalSeen>),
    /// The value of a register.
    Value(u64),
    /// Hits that a handler in the kernel has seen.
    Log(Vec<LoggedHit>),
    /// Whether any slot is reserved.
    Used(bool),
    /// Who holds the slots; `None` where nothing was refused.
    Report(Option<Box<SlotReport>>),
}

/// A debug register that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterHolder {
    /// Whose it is: the event's name, for a copy followed by `/` and its task; what the kernel
    /// holds has a name of the kernel's.
    pub owner: String,
    /// `bp_type` bits: 2 W, 3 RW, 4 X.
    pub bp_type: u32,
    /// Bytes watched; 1 for execution.
    pub len: u64,
    /// Address in the register.
    pub address: u64,
    /// The symbol that the address belongs to, and how far it is into it.
    pub symbol: Option<(String, u64)>,
}

/// The debug registers of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistersView {
    /// DR0 to DR3.
    pub slots: [Option<RegisterHolder>; 4],
    /// DR7 as the hardware has it.
    pub dr7: u64,
    /// DR6 as the hardware has it.
    pub dr6: u64,
    /// Whether DR0 to DR3 and DR7 are what the kernel's shadow says.
    pub is_shadow_equal: bool,
}

/// A hit as a handler in the kernel saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedHit {
    /// Name of the task that was current.
    pub task: String,
    /// The CPU.
    pub cpu: CpuId,
    /// Who made the access.
    pub mode: Mode,
}

/// A SIGTRAP as its handler saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSeen {
    /// `si_code`: 1 BRKPT, 2 TRACE, 4 HWBKPT, 6 PERF.
    pub code: i32,
    /// `si_addr`.
    pub addr: u64,
    /// `si_perf_data`, for `TRAP_PERF`.
    pub sig_data: u64,
    /// `si_perf_flags`, for `TRAP_PERF`.
    pub flags: u32,
}
