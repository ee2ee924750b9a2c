//! perf-core: the Linux perf event core, without any hardware.
//!
//! Attributes, groups, contexts, scheduling, sampling, ring buffer, records, as Linux 6.18 has
//! them, seen from what breakpoint and software events need. The hardware is behind [`Pmus`], the
//! ring buffer's memory behind [`BufferMemory`], time comes in as `now` (ns of the perf clock).
//! Nothing is ever called back except through these two: what an overflow asks for is returned.
//!
//! What must never be here: an instruction set, a debug register, a signal queue, a file table.
//!
//! Way through the code: [`Perf`] (`perf`) holds [`PerfEvent`]s (`event`) in contexts
//! (`context`); `install` opens and closes, `sched` puts groups on CPUs, `count` counts a hit
//! and decides on overflow, `record` and `ring_buffer` write it out, `ioctl` and `read` serve
//! the descriptor, `inherit` serves fork, exec and exit.

mod attach;
pub mod attr;
mod clock;
mod context;
mod count;
mod defects;
mod errno;
mod event;
mod group;
pub mod id_table;
mod ids;
mod inherit;
mod install;
mod ioctl;
mod mmap;
mod modify;
mod overflow;
mod owner;
mod perf;
mod period;
mod pmu;
mod pmu_ops;
mod poll;
mod read;
pub mod record;
pub mod ring_buffer;
pub mod sample;
mod sched;
mod sideband;
mod swevent;
#[cfg(test)]
mod tests;
mod throttle;
mod times;

pub use attr::{AttrError, AttrLimits, Credentials, PerfEventAttr};
pub use clock::{ClockOffsets, EventClock};
pub use defects::{Defect, DefectInfo, Defects, Generation, UnknownDefect, UnknownGeneration};
pub use errno::Errno;
pub use event::{ContextId, EventState, PerfEvent, Target};
pub use id_table::IdTable;
pub use ids::{BufferId, CpuId, EventId, HandlerId, TaskId};
pub use inherit::CloneFlags;
pub use install::{Detached, OpenRequest};
pub use ioctl::{IoctlCommand, Scope};
pub use mmap::{Mapped, MmapAccess, MmapRequest, MmapSharing, Output};
pub use overflow::{HitRegs, Mode, Overflow, PollReason, SampleSource, SigTrap};
pub use perf::{Perf, PerfConfig};
pub use pmu::{Counting, EventInit, NmiSafety, Pmu, PmuClass, PmuId, Pmus};
pub use poll::PollEvents;
pub use read::Totals;
pub use record::{Current, RecordType};
pub use ring_buffer::BufferMemory;
pub use sideband::{CommChange, MmapInfo, SwitchDirection, TaskIdent};
pub use swevent::SwEvent;
