//! Why there is no reservation.

use perf_core::{CpuId, Errno, EventId, Target};

use super::BpTypeIdx;

/// A reservation that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRefusal {
    /// What the event was to count on.
    pub target: Target,
    /// The kind of register that it needs.
    pub idx: BpTypeIdx,
    /// Slots that it would have made necessary on the CPU where there are fewest left.
    pub needed: usize,
    /// Slots that there are.
    pub slots: usize,
}

/// Why there is no reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// `bp_type` is 0 or 7: EINVAL.
    #[error("breakpoint type {bp_type} takes no slot")]
    InvalidType {
        /// The type.
        bp_type: u32,
    },
    /// ENOSPC.
    #[error("{} of {} slots would be needed", .0.needed, .0.slots)]
    NoSpace(SlotRefusal),
    /// The event is to be bound to a CPU that cannot exist: EINVAL.
    #[error("there is no {cpu}")]
    NoSuchCpu {
        /// The CPU.
        cpu: CpuId,
    },
    /// The event has a slot already: EBUSY. A caller's mistake.
    #[error("{event} has a slot already")]
    Held {
        /// The event.
        event: EventId,
    },
    /// The event has no slot to be changed: ENOENT. A caller's mistake.
    #[error("{event} has no slot")]
    NotHeld {
        /// The event.
        event: EventId,
    },
    /// Setup at boot failed (rule 2.3.9): ENOMEM.
    #[error("the slot constraints were never set up")]
    NotInitialized,
}

impl SlotError {
    /// The error number of the system call.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::InvalidType { .. } | Self::NoSuchCpu { .. } => Errno::EINVAL,
            Self::NoSpace(_) => Errno::ENOSPC,
            Self::Held { .. } => Errno::EBUSY,
            Self::NotHeld { .. } => Errno::ENOENT,
            Self::NotInitialized => Errno::ENOMEM,
        }
    }
}

/// A debugger's request was not carried out (the -1 of rule 2.3.8); nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbgSlotError {
    /// Somebody is inside the constraint code.
    #[error("the slot constraints are locked")]
    Locked,
    /// The reservation was refused.
    #[error(transparent)]
    Refused(#[from] SlotError),
}
