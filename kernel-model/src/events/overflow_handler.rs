//! Whose a breakpoint event is: what Linux keeps as `overflow_handler` and its context.
//!
//! perf core carries an opaque [`HandlerId`] with each event that is not a descriptor's. Here is
//! what the number means: a consumer of breakpoints and the consumer's own index. It is packed,
//! so that nothing has to be registered or forgotten. Neighbours: `kernel/hits.rs` dispatches an
//! overflow by it, [`crate::arch::x86::debug_trap`] is told the consumer of each register.

use perf_core::HandlerId;

use crate::observe::WatchId;

/// The consumer whose handler an overflow calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OverflowHandler {
    /// A watch of the command line (`dr7 run -e`).
    Watch(WatchId),
    /// A debug register of ptrace (`ptrace_triggered`); the task is the one that was hit.
    Ptrace {
        /// The register as the tracer sees it, 0 to 3.
        slot: u8,
    },
    /// The kernel debugger (`kgdb_hw_overflow_handler`).
    Kgdb {
        /// Its entry, 0 to 3.
        entry: u8,
    },
    /// The ksym tracer (`ksym_hbp_handler`).
    Ksym {
        /// Number of the entry, below 2^28.
        entry: u32,
    },
    /// A breakpoint registered through the in-kernel interface.
    InKernel {
        /// Number of the registration, below 2^28.
        registration: u32,
    },
}

/// Bits of the consumer's own index.
const INDEX_BITS: u32 = 28;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

impl OverflowHandler {
    /// The number that perf core carries.
    #[must_use]
    pub const fn id(self) -> HandlerId {
        let (kind, index) = match self {
            Self::Watch(WatchId(index)) => (0, index),
            Self::Ptrace { slot } => (1, slot as u32),
            Self::Kgdb { entry } => (2, entry as u32),
            Self::Ksym { entry } => (3, entry),
            Self::InKernel { registration } => (4, registration),
        };
        HandlerId(kind << INDEX_BITS | index & INDEX_MASK)
    }

    /// What a number means; `None` for one that [`Self::id`] never gives.
    #[must_use]
    pub const fn from_id(id: HandlerId) -> Option<Self> {
        let HandlerId(id) = id;
        let index = id & INDEX_MASK;
        Some(match id >> INDEX_BITS {
            0 => Self::Watch(WatchId(index)),
            1 => Self::Ptrace { slot: index as u8 },
            2 => Self::Kgdb { entry: index as u8 },
            3 => Self::Ksym { entry: index },
            4 => Self::InKernel { registration: index },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_they_were_made_of() {
        for handler in [
            OverflowHandler::Watch(WatchId(7)),
            OverflowHandler::Ptrace { slot: 3 },
            OverflowHandler::Kgdb { entry: 2 },
            OverflowHandler::Ksym { entry: INDEX_MASK },
            OverflowHandler::InKernel { registration: 1 },
        ] {
            assert_eq!(OverflowHandler::from_id(handler.id()), Some(handler));
        }
        assert_eq!(OverflowHandler::from_id(HandlerId(u32::MAX)), None);
    }
}
