//! What goes into a hit and what comes out of it.
//!
//! A hit never calls back: everything it asks for (wake-ups, signals, handlers, a disable) comes
//! back in an [`Overflow`] and is the caller's to carry out.

use crate::ids::{BufferId, CpuId, EventId, HandlerId};

/// Processor mode at the trap (rule 1.7.1); the value is the record's cpumode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Mode {
    /// Kernel mode (`PERF_RECORD_MISC_KERNEL`).
    Kernel = 1,
    /// User mode (`PERF_RECORD_MISC_USER`).
    User = 2,
}

/// State of the hitting CPU and task at a hit.
#[derive(Clone, Copy)]
pub struct HitRegs<'a> {
    /// Instruction pointer at the trap.
    pub ip: u64,
    /// Mode at the trap.
    pub mode: Mode,
    /// Thread group id of the running task.
    pub pid: u32,
    /// Thread id of the running task.
    pub tid: u32,
    /// CPU the hit happened on.
    pub cpu: CpuId,
    /// perf clock, ns.
    pub now: u64,
    /// Data address of the sample (`bp_addr` for breakpoints).
    pub addr: u64,
    /// Where the rarer sample fields come from; `None` gives Linux's "not available" values.
    pub source: Option<&'a dyn SampleSource>,
}

/// Lazily read sample fields: only what an event's `sample_type` selects is asked for.
pub trait SampleSource {
    /// Kernel part of the call chain, innermost first, at most `max` entries.
    fn callchain_kernel(&self, max: usize) -> Vec<u64>;
    /// User part of the call chain, innermost first, at most `max` entries; empty for a kernel
    /// thread.
    fn callchain_user(&self, max: usize) -> Vec<u64>;
    /// ABI of the user registers: 0 none (kernel thread), 1 32-bit, 2 64-bit.
    fn user_abi(&self) -> u64;
    /// User register `index` of the perf register numbering.
    fn user_reg(&self, index: u32) -> u64;
    /// ABI of the registers at the interrupt: 1 32-bit, 2 64-bit.
    fn intr_abi(&self) -> u64;
    /// Register `index` at the interrupt.
    fn intr_reg(&self, index: u32) -> u64;
    /// Bytes of user stack from the stack pointer upwards, at most `max`; shorter where the
    /// stack or its mapping ends.
    fn user_stack(&self, max: usize) -> Vec<u8>;
    /// Bytes of user address space above the stack pointer (limits the stack dump's size).
    fn user_stack_room(&self) -> u64;
    /// Physical address behind `addr`, 0 if unknown.
    fn phys_addr(&self, addr: u64) -> u64;
    /// Size in bytes of the page mapping `addr`, 0 if unmapped.
    fn page_size(&self, addr: u64) -> u64;
    /// Id of the running task's cgroup.
    fn cgroup(&self) -> u64;
}

/// Why SIGIO is sent (`si_code` with F_SETSIG).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum PollReason {
    /// `POLL_IN`: an overflow.
    In = 1,
    /// `POLL_HUP`: the last overflow of a refresh budget.
    Hup = 6,
}

impl PollReason {
    /// `si_code`.
    #[must_use]
    pub const fn si_code(self) -> i32 {
        self as i32
    }
    /// `si_band` (rule 3.9.5).
    #[must_use]
    pub const fn si_band(self) -> i64 {
        match self {
            PollReason::In => 0x41,
            PollReason::Hup => 0x18,
        }
    }
}

/// Payload of a sigtrap event's SIGTRAP (rule 3.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SigTrap {
    /// `si_addr`: the sample's data address.
    pub addr: u64,
    /// `si_perf_type`: the event's type.
    pub perf_type: u32,
    /// `si_perf_data`: `attr.sig_data` at delivery.
    pub sig_data: u64,
}

/// What became of one hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Overflow {
    /// The event that was hit.
    pub event: EventId,
    /// The event that has the descriptor: itself, or the root of a copy. SIGIO and wake-ups are
    /// for this one.
    pub root: EventId,
    /// Whether the hit counted; `false` when dropped by mode (rule 1.7) or stopped (3.5.9).
    pub counted: bool,
    /// Number of overflows this hit made (0, or 1; more only for multi-count software events).
    pub nr_overflows: u32,
    /// Wake the pollers of every event that writes to this buffer (rule 3.9.4).
    pub wakeup: Option<BufferId>,
    /// If O_ASYNC is armed on the root's descriptor, send SIGIO for this reason (rule 3.9.5).
    pub kill: Option<PollReason>,
    /// Queue task work on the hitting task that calls [`crate::Perf::take_sigtrap`] on `event`
    /// before the next user instruction (rule 3.8.2).
    pub sigtrap: bool,
    /// Call this in-kernel handler.
    pub handler: Option<HandlerId>,
    /// The event must be switched off: call [`crate::Perf::pending_disable`] once the hit
    /// handler has finished (the interrupt work of the kernel).
    pub disable: bool,
}

impl Overflow {
    pub(crate) const fn dropped(event: EventId, root: EventId) -> Self {
        Overflow {
            event,
            root,
            counted: false,
            nr_overflows: 0,
            wakeup: None,
            kill: None,
            sigtrap: false,
            handler: None,
            disable: false,
        }
    }
}
