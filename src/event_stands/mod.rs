//! The event layer without a guest: machines on which its paths are measured, one call at a time.
//!
//! `dr7 bench slots` and the benches `slots` and `events` share these. [`SlotsStand`] is the slot
//! constraints alone, [`PerfStand`] perf core with the breakpoint PMU, the processor's counters
//! and a ring buffer. Nothing here looks at a clock.

mod perf_stand;
mod slots_stand;

pub use perf_stand::PerfStand;
pub use slots_stand::{Opening, SlotsStand};

/// `HW_BREAKPOINT_W`.
const WRITE: u32 = 2;
/// A step between tasks that visits all of them in an order that caches cannot foresee: it has no
/// factor in common with any number of tasks that is measured.
const STRIDE: u32 = 61_813;
